#include "sallyport/identity/oauth_client.hpp"

#include <algorithm>
#include <array>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/characters.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kPurpose = "oauth-client";
constexpr std::string_view kUnnamed = "An application without a name";

Failure refused(std::string_view error, std::string hint) {
  Failure out = client_error(Code::bad_request, std::move(hint));
  out.error().data = error;
  return out;
}

std::string_view scheme_of(std::string_view uri) {
  return uri.substr(0, std::min(uri.find(':'), uri.size()));
}

bool is_visible(std::string_view text) {
  return std::ranges::all_of(
      text, [](char c) { return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>'; });
}

/// What browsers do themselves instead of asking an application.
bool is_browsers_own(std::string_view scheme) {
  static constexpr std::array<std::string_view, 18> kOwn{
      "about", "blob",    "chrome", "chrome-extension", "content", "data",       "file",        "filesystem",
      "ftp",   "http",    "https",  "intent",           "jar",     "javascript", "view-source", "ws",
      "wss",   "vbscript"};
  return std::ranges::find(kOwn, scheme) != kOwn.end();
}

bool is_own_scheme(std::string_view scheme) {
  const auto letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return scheme.size() > 1 && letter(scheme.front()) && !is_browsers_own(scheme) &&
         std::ranges::all_of(scheme, [&](char c) {
           return letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
         });
}

bool is_this_machine(std::string_view host) {
  return host == "localhost" || host == "127.0.0.1" || host == "::1";
}

/// The parts of an http redirect that count, its port left out.
struct Loopback {
  std::string host, path;
  bool operator==(const Loopback&) const = default;
};
std::optional<Loopback> loopback_of(std::string_view uri) {
  if (!uri.starts_with("http://")) return std::nullopt;
  auto url = net::parse_url(uri);
  if (!url || !is_this_machine(url->host)) return std::nullopt;
  return Loopback{.host = std::move(url->host), .path = std::move(url->path)};
}

/// A name as people see it: no line breaks, nothing hidden, nothing that turns the writing round.
std::string shown_name(std::string_view text) {
  std::string out;
  while (!text.empty() && out.size() < limits::kClientName) {
    const Letter letter = letter_at(text);
    if (letter.bytes == 0) break;
    if (hidden_character(letter.code).empty() && letter.code >= 0x20) out += text.substr(0, letter.bytes);
    text.remove_prefix(letter.bytes);
  }
  const std::string_view trimmed = trim(out);
  return std::string(trimmed.empty() ? kUnnamed : trimmed);
}

/// A member that, where it is there, has to be a list of texts.
Result<std::optional<std::vector<std::string>>> texts_at(json::Value metadata, std::string_view name) {
  const auto member = metadata.find(name);
  if (!member) return std::nullopt;
  std::vector<std::string> out;
  if (!member->is(json::Kind::array) || !std::ranges::all_of(member->elements(), [&](const json::Value& one) {
        auto text = one.string();
        if (text) out.push_back(std::move(*text));
        return text.has_value();
      }))
    return refused("invalid_client_metadata", std::string(name) + " has to be a list of texts.");
  return out;
}

bool holds(const std::vector<std::string>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

}  // namespace

bool is_redirect(std::string_view uri) {
  if (uri.empty() || uri.size() > limits::kRedirectBytes || !is_visible(uri) || uri.contains('#'))
    return false;
  if (uri.starts_with("https://") || uri.starts_with("http://")) {
    const auto url = net::parse_url(uri);
    return url && (url->scheme == "https" || is_this_machine(url->host));
  }
  const auto scheme = scheme_of(uri);
  return scheme.size() < uri.size() - 1 && is_own_scheme(scheme);
}

bool may_return_to(const OauthClient& client, std::string_view uri) {
  if (!is_redirect(uri)) return false;
  if (holds(client.redirects, uri)) return true;
  const auto here = loopback_of(uri);
  return here &&
         std::ranges::any_of(client.redirects, [&](const auto& one) { return loopback_of(one) == here; });
}

std::string place_of(std::string_view uri) {
  if (const auto url = net::parse_url(uri))
    return is_this_machine(url->host) ? std::string(kThisComputer) : url->host;
  return "the application " + std::string(scheme_of(uri)) + " on this device";
}

Result<OauthClient> read_client(json::Value metadata) {
  if (!metadata.is(json::Kind::object))
    return refused("invalid_client_metadata", "A client is described by a JSON object.");
  OauthClient out;
  auto redirects = texts_at(metadata, "redirect_uris");
  if (!redirects) return Failure(redirects.error());
  std::size_t bytes = 0;
  for (const auto& uri : redirects->value_or(std::vector<std::string>())) {
    bytes += uri.size();
    if (!is_redirect(uri))
      return refused("invalid_redirect_uri",
                     "A redirect URI is https, http on localhost, 127.0.0.1 or [::1], or has a scheme of the "
                     "application's own; none has a fragment.");
    out.redirects.push_back(uri);
  }
  if (out.redirects.empty() || out.redirects.size() > limits::kRedirects || bytes > limits::kRedirectBytes)
    return refused("invalid_redirect_uri", "A client needs 1 to 10 redirect_uris of 2048 bytes altogether.");
  auto grants = texts_at(metadata, "grant_types");
  if (!grants) return Failure(grants.error());
  if (*grants && !holds(**grants, "authorization_code"))
    return refused("invalid_client_metadata",
                   "Clients log people in here: grant_types has to hold authorization_code.");
  auto responses = texts_at(metadata, "response_types");
  if (!responses) return Failure(responses.error());
  if (*responses && !holds(**responses, "code"))
    return refused("invalid_client_metadata", "response_types has to hold code.");
  const auto name = metadata.find("client_name");
  out.name = shown_name(name ? name->string().value_or("") : "");
  return out;
}

Result<std::string> sealed_client(const Sealer& sealer, const OauthClient& client) {
  std::string id = sealer.seal(kPurpose, "",
                               "{\"name\":" + json::quote(client.name) +
                                   ",\"redirect_uris\":" + json::list_of(client.redirects) + "}");
  if (id.size() > limits::kOauthClient)
    return refused("invalid_client_metadata", "This registration is too long; name fewer redirect_uris.");
  return id;
}

Result<OauthClient> opened_client(const Sealer& sealer, std::string_view id) {
  auto text = sealer.open(kPurpose, "", id);
  if (!text) return Failure(text.error());
  const auto document = json::Document::parse(std::move(*text));
  if (!document) return Failure(document.error());
  OauthClient out{
      .id = std::string(id), .name = document->root().find("name")->string().value_or(""), .redirects = {}};
  for (const auto& uri : document->root().find("redirect_uris")->elements())
    out.redirects.push_back(uri.string().value_or(""));
  return out;
}

bool is_document_id(std::string_view id, bool allow_http) {
  if ((!id.starts_with("https://") && !(allow_http && id.starts_with("http://"))) ||
      id.size() > limits::kRedirectBytes || !is_visible(id))
    return false;
  const auto url = net::parse_url(id);
  return url && url->path.size() > 1 && !id.contains('#') && !url->path.contains("/../") &&
         !url->path.contains("/./");
}

}  // namespace sallyport::identity
