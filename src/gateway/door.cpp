#include "door.hpp"

#include <algorithm>
#include <array>

#include "sallyport/core/bytes.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::gateway {
namespace {

/// Host without its port; an IPv6 literal without brackets.
std::string_view host_of(std::string_view authority) {
  if (!authority.empty() && authority.front() == '[') {
    const auto end = authority.find(']');
    return end == std::string_view::npos ? std::string_view() : authority.substr(1, end - 1);
  }
  return authority.substr(0, authority.find(':'));
}

/// A rebound name resolves to us; an address is what it says.
bool is_ip_literal(std::string_view host) {
  if (host.empty()) return false;
  if (host.find(':') != std::string_view::npos)
    return host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  int dots = 0;
  for (const char c : host) {
    if (c == '.') {
      ++dots;
    } else if (c < '0' || c > '9') {
      return false;
    }
  }
  return dots == 3;
}

bool is_loopback_name(std::string_view host) {
  return equal_ignoring_case(host, "localhost") || host == "127.0.0.1" || host == "::1";
}

/// Not only the connection: a proxy on this machine brings strangers, and shows it in Host or in forwarding
/// headers.
bool from_this_machine(net::Exchange& exchange) {
  const net::Request& request = exchange.request();
  const auto host = request.headers.find("host");
  return exchange.peer().loopback && request.forwarded.lines.empty() && host &&
         is_loopback_name(host_of(*host));
}

bool contains(const std::vector<std::string>& list, std::string_view text) {
  return std::any_of(list.begin(), list.end(),
                     [&](const std::string& s) { return equal_ignoring_case(s, text); });
}

/// What an Accept header says of a media type.
struct Acceptance {
  bool admitted = false;
  std::size_t named_at = std::string_view::npos;  ///< the place of its own name among the ranges; npos: none
};

/// Absent admits all.
Acceptance acceptance(std::optional<std::string_view> accept, std::string_view type) {
  if (!accept) return {.admitted = true};
  Acceptance out;
  const std::string_view family = type.substr(0, type.find('/'));
  std::size_t place = 0;
  for (std::string_view rest = *accept; !rest.empty(); ++place) {
    const auto comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    const std::string_view range = trim(item.substr(0, item.find(';')));
    if (equal_ignoring_case(range, type)) return {.admitted = true, .named_at = place};
    if (range == "*/*" ||
        (range.ends_with("/*") && equal_ignoring_case(range.substr(0, range.size() - 2), family)))
      out.admitted = true;
  }
  return out;
}

/// Where a credential may stand; all but the first on the model API only, whose clients put a key where their
/// own provider wants it.
constexpr std::array<std::string_view, 4> kKeyHeaders{"Authorization", "x-portkey-api-key", "x-api-key",
                                                      "api-key"};

/// The one credential for us among those: a key of ours wherever it stands, and then what else there is was
/// meant for a provider. Errors: bad_request where two of ours differ; unauthenticated.
Result<std::optional<std::string_view>> model_credential(const net::Headers& headers) {
  std::optional<std::string_view> ours, other;
  auto bearer = identity::bearer_token(headers.find("authorization"));
  for (const std::string_view name : kKeyHeaders) {
    const auto shown = name == kKeyHeaders.front() ? (bearer ? *bearer : std::nullopt) : headers.find(name);
    if (!shown) continue;
    if (!identity::is_api_key(*shown)) {
      if (!other) other = shown;
      continue;
    }
    if (ours && *ours != *shown)
      return client_error(Code::bad_request,
                          "Two different keys of this gateway came with one request: send one.");
    ours = shown;
  }
  if (ours) return ours;
  if (!bearer && !other) return Failure(bearer.error());
  return other;
}

}  // namespace

Door::Door(const GatewayOptions& options) : hosts_(options.allowed_hosts), origins_(options.allowed_origins) {
  if (options.public_url.empty()) return;
  if (auto url = net::parse_url(options.public_url)) {
    hosts_.push_back(url->host);
    own_origin_ = url->scheme + "://" + url->host_header();
  }
}

bool Door::host_allowed(std::string_view host) const {
  return equal_ignoring_case(host, "localhost") || is_ip_literal(host) || contains(hosts_, host);
}

std::vector<std::pair<std::string, std::string>> Door::open_to_pages() {
  return {{"Access-Control-Allow-Origin", "*"}};
}

Result<void> Door::check_host(const net::Request& request) const {
  const auto host = request.headers.find("host");
  if (!host || !host_allowed(host_of(*host))) {
    return client_error(
        Code::forbidden,
        "This Host is not served here. Add it to allowed_hosts in sallyport.yaml if it should be.");
  }
  return {};
}

Result<void> Door::check_origin(const net::Request& request) const {
  if (auto allowed = check_host(request); !allowed) return allowed;
  const std::string_view host = *request.headers.find("host");
  const std::size_t origins = request.headers.count("origin");
  if (origins == 0) return {};
  const std::string_view origin = *request.headers.find("origin");
  if (origins > 1) return client_error(Code::forbidden, "More than one Origin header.");
  if (contains(origins_, origin) || equal_ignoring_case(origin, own_origin_)) return {};
  // A page served from this very host; anything else in a browser is a stranger.
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!origin.starts_with(scheme)) continue;
    const std::string_view authority = origin.substr(scheme.size());
    const bool plain = authority.find_first_of("@/?#") == std::string_view::npos;
    const bool both_loopback = is_loopback_name(host_of(authority)) && is_loopback_name(host_of(host));
    if (plain && (equal_ignoring_case(authority, host) || both_loopback)) return {};
  }
  return client_error(
      Code::forbidden,
      "This Origin is not allowed. Add it to allowed_origins in sallyport.yaml if it should be.");
}

std::vector<std::pair<std::string, std::string>> Door::cors(const net::Request& request) const {
  const auto origin = request.headers.find("origin");
  if (!origin || !contains(origins_, *origin)) return {};
  return {{"Access-Control-Allow-Origin", std::string(*origin)},
          {"Vary", "Origin"},
          {"Access-Control-Expose-Headers",
           "Mcp-Session-Id, WWW-Authenticate, Retry-After, x-should-retry, x-portkey-trace-id, "
           "x-portkey-provider, x-portkey-retry-attempt-count, x-portkey-last-used-option-index, "
           "x-sallyport-dropped-params"}};
}

Result<void> Door::check_body_type(const net::Request& request) {
  const auto& headers = request.headers;
  const auto type = headers.find("content-type");
  if (!type || !equal_ignoring_case(trim(type->substr(0, type->find(';'))), "application/json")) {
    return client_error(Code::unsupported_media, "Content-Type must be application/json.");
  }
  if (const auto coding = headers.find("content-encoding");
      coding && !equal_ignoring_case(trim(*coding), "identity")) {
    return client_error(Code::unsupported_media, "Content-Encoding is not supported on requests.");
  }
  return {};
}

Result<void> Door::check_media(Call& call) {
  if (auto body = check_body_type(call.exchange.request()); !body) return body;
  const auto accept = call.exchange.request().headers.find("accept");
  const Acceptance json = acceptance(accept, "application/json");
  const Acceptance stream = acceptance(accept, "text/event-stream");
  call.takes_json = json.admitted;
  call.takes_stream = accept && stream.admitted;
  call.prefers_stream = call.takes_json && call.takes_stream && stream.named_at < json.named_at;
  if (!call.takes_json && !call.takes_stream) {
    return client_error(Code::not_acceptable, "Accept must include application/json and text/event-stream.");
  }
  return {};
}

Result<void> Door::check_legacy(const net::Request& request) {
  const auto header = request.headers.find("mcp-protocol-version");
  if (!header) return {};
  const auto version = mcp::version_from(trim(*header));
  if (!version || request.headers.count("mcp-protocol-version") > 1)
    return client_error(Code::bad_request, "MCP-Protocol-Version names no version that we speak.");
  if (mcp::is_modern(*version))
    return client_error(Code::method_not_allowed, "This protocol version has POST only.");
  return {};
}

Result<void> Door::check_stream(Call& call) {
  const auto accept = call.exchange.request().headers.find("accept");
  if (accept && acceptance(accept, "text/event-stream").admitted) return {};
  return client_error(Code::not_acceptable, "Accept must include text/event-stream.");
}

namespace {

/// Sets the principal where the connection's certificate tells it. Errors: unauthenticated.
Result<void> take_certificate(Call& call, SystemTime now) {
  const auto& shown = call.exchange.peer().certificate;
  if (!shown) return {};
  const auto refuse = [](const std::string& why) {
    return client_error(Code::unauthenticated, "The client certificate is not accepted: " + why + ".");
  };
  if (now >= shown->expires) return refuse("it has expired");
  if (call.agent.empty()) return refuse("it names no agent where the settings look for one");
  auto principal = call.snapshot->issuers->signed_in({.user = call.agent});
  if (!principal) return refuse(principal.error().hint);
  call.principal = call.here.shared(std::move(*principal));
  call.key_id = std::string(kCertificate) + shown->fingerprint.substr(0, 16);
  return {};
}

}  // namespace

Result<std::optional<std::string_view>> Door::token_of(Call& call, SystemTime now) {
  const net::Request& request = call.exchange.request();
  static const auto anonymous = std::make_shared<const policy::Principal>();
  if (call.endpoint->anonymous) {
    if (!from_this_machine(call.exchange))
      return client_error(Code::forbidden, "This endpoint is open on the loopback interface only.");
    call.principal = anonymous;
    return std::nullopt;
  }
  for (const std::string_view name : kKeyHeaders) {
    if (request.headers.count(name) > 1)
      return client_error(Code::bad_request, "More than one " + std::string(name) + " header.");
  }
  if (request.query.find("access_token=") != std::string_view::npos) {
    return client_error(Code::bad_request,
                        "A token does not belong in the URL. Send it as Authorization: Bearer.");
  }
  auto token = call.model ? model_credential(request.headers)
                          : identity::bearer_token(request.headers.find("authorization"));
  call.showed = !token || *token || call.exchange.peer().certificate;
  if (!token) return Failure(token.error());
  if (const auto ok = take_certificate(call, now); !ok) return Failure(ok.error());
  if (!*token && call.principal) return std::nullopt;
  if (!*token)
    return client_error(Code::unauthenticated, call.snapshot->issuers->empty()
                                                   ? "Send your key as Authorization: Bearer sp_... (make "
                                                     "one with: sallyport key create --agent NAME)."
                                                   : "Send a token or a key as Authorization: Bearer; "
                                                     "WWW-Authenticate says where tokens come from.");
  if (request.headers.find("cookie"))
    return client_error(Code::bad_request, "Send either a cookie or a bearer token, not both.");
  // Tokens of our own need no Issuer.
  const bool is_jwt = std::ranges::count(**token, '.') == 2;
  if (!identity::is_api_key(**token) && (is_jwt || !call.snapshot->issuers->empty())) return *token;
  auto entry = call.snapshot->keys->check(**token, now);
  if (!entry) return Failure(entry.error());
  if ((*entry)->key.admin) {
    return client_error(
        Code::unauthenticated,
        "This key opens the admin API only. Make one for an agent: sallyport key create --agent NAME.");
  }
  call.principal = (*entry)->principal;
  call.key_id = (*entry)->key.id;
  return std::nullopt;
}

Task<Result<void>> Door::authenticate(Call& call, const Clock& clock) {
  call.principal = nullptr;
  const auto token = token_of(call, clock.now());
  if (!token) co_return Failure(token.error());
  if (*token) {
    if (auto known = co_await authenticate_token(call, **token, clock); !known) co_return known;
  }
  // The same one shown twice is one. What bounds a token bounds the call.
  if (!call.agent.empty() && call.principal->kind != policy::Principal::Kind::anonymous &&
      call.principal->name() != "agent:" + call.agent)
    co_return client_error(Code::bad_request,
                           "The client certificate and the bearer credential stand for different principals: "
                           "show one of them.");
  co_return Result<void>();
}

net::Reply Door::preflight(const net::Request& request) {
  // Headers that mirror arguments have names of the tools' own choice.
  std::string mirrored;
  const std::string asked = lower(request.headers.find("access-control-request-headers").value_or(""));
  for (std::string_view rest = asked; !rest.empty();) {
    const std::string_view name = trim(rest.substr(0, rest.find(',')));
    rest.remove_prefix(std::min(rest.size(), rest.substr(0, rest.find(',')).size() + 1));
    const bool of_models = name.starts_with("x-portkey-") || name.starts_with("x-stainless-") ||
                           name.starts_with("anthropic-") || name.starts_with("openai-") ||
                           name == "x-api-key";
    if ((of_models || name.starts_with("mcp-param-")) &&
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-_.") == name.npos)
      mirrored += ", " + std::string(name);
  }
  return net::Reply{.status = 204,
                    .headers = {{"Access-Control-Allow-Methods", "GET, POST, DELETE"},
                                {"Access-Control-Allow-Headers",
                                 "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, "
                                 "Mcp-Name, Mcp-Session-Id, Last-Event-ID" +
                                     mirrored},
                                {"Access-Control-Max-Age", "600"}}};
}

}  // namespace sallyport::gateway
