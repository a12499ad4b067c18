#include "sallyport/cli/doctor.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "sallyport/net/egress.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kResource = "oauth-protected-resource";
constexpr std::string_view kServer = "oauth-authorization-server";
constexpr std::string_view kOpenId = "openid-configuration";

/// Where a well-known document is looked for, of something with a path.
enum class At : unsigned char { inserted, appended, root };
struct Place {
  std::string_view name;
  At at;
};

/// What is known of a client (docs/identity.md says from where).
struct Client {
  std::string_view name;
  bool reads_challenge;        ///< and the resource's metadata; else it looks at the endpoint's own host
  bool compares_issuer;        ///< with the URL that it asked
  bool names_resource;         ///< tells the authorization server which endpoint it wants
  bool documents;              ///< has a client id metadata document
  std::vector<Place> servers;  ///< in which order it looks for the authorization server's metadata
};
const std::vector<Client>& clients() {
  const std::vector<Place> usual{{kServer, At::inserted}, {kOpenId, At::inserted}, {kOpenId, At::appended}};
  const std::vector<Place> own{{kServer, At::inserted}, {kServer, At::appended}, {kServer, At::root}};
  static const std::vector<Client> all{
      {.name = "Claude Code",
       .reads_challenge = true,
       .compares_issuer = true,
       .names_resource = true,
       .documents = true,
       .servers = usual},
      {.name = "TypeScript SDK 2, mcp-remote, Inspector 2",
       .reads_challenge = true,
       .compares_issuer = true,
       .names_resource = true,
       .documents = true,
       .servers = usual},
      {.name = "TypeScript SDK 1, Cursor",
       .reads_challenge = true,
       .compares_issuer = false,
       .names_resource = true,
       .documents = false,
       .servers = usual},
      {.name = "VS Code",
       .reads_challenge = true,
       .compares_issuer = true,
       .names_resource = true,
       .documents = true,
       .servers = usual},
      {.name = "Codex",
       .reads_challenge = false,
       .compares_issuer = false,
       .names_resource = true,
       .documents = false,
       .servers = own},
      {.name = "clients of 2025-03-26",
       .reads_challenge = false,
       .compares_issuer = false,
       .names_resource = false,
       .documents = false,
       .servers = {{kServer, At::root}}},
  };
  return all;
}

std::string at_place(const net::Url& url, Place place) {
  std::string path = url.path.substr(0, url.path.find('?'));
  while (path.ends_with('/')) path.pop_back();
  const std::string well_known = fmt::format("/.well-known/{}", place.name);
  const std::string base = url.scheme + "://" + url.host_header();
  if (place.at == At::root) return base + well_known;
  return place.at == At::inserted ? base + well_known + path : base + path + well_known;
}

/// The value of a parameter in WWW-Authenticate (RFC 9110 section 11.2), quoted or not.
std::string parameter_of(std::string_view challenge, std::string_view name) {
  const std::string wanted = std::string(name) + "=";
  auto at = challenge.find(wanted);
  while (at != std::string_view::npos && at > 0 && challenge[at - 1] != ' ' && challenge[at - 1] != ',')
    at = challenge.find(wanted, at + 1);
  if (at == std::string_view::npos) return "";
  auto rest = challenge.substr(at + wanted.size());
  if (!rest.starts_with('"')) return std::string(rest.substr(0, rest.find_first_of(", ")));
  rest.remove_prefix(1);
  return std::string(rest.substr(0, rest.find('"')));
}

std::string text_at(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
bool lists(const Json& object, const char* name, std::string_view text) {
  const auto found = object.find(name);
  return found != object.end() && found->is_array() &&
         std::ranges::any_of(*found, [&](const Json& one) { return one.is_string() && one == text; });
}

/// Asks each thing once, however many clients want to know it.
class Asker {
 public:
  explicit Asker(const Ask& ask) : ask_(ask) {}
  const Answered& get(const std::string& url) { return kept("GET", url, "", ""); }
  const Answered& post(const std::string& url, const std::string& type, const std::string& body) {
    return kept("POST", url, type, body);
  }

 private:
  const Answered& kept(const std::string& method, const std::string& url, const std::string& type,
                       const std::string& body) {
    auto& one = known_[method + " " + url + " " + body];
    if (!one) one = ask_(method, url, type, body);
    return *one;
  }
  const Ask& ask_;
  std::map<std::string, std::optional<Answered>> known_;
};

std::string said(const Answered& answer) {
  if (answer.status == 0) return answer.problem;
  if (answer.status >= 300 && answer.status < 400) return "redirects elsewhere, and clients do not follow";
  return "";
}

/// One client on its way.
class Traveller {
 public:
  Traveller(const Client& client, const std::string& url, const net::Url& parts, Asker& asker)
      : client_(client), url_(url), parts_(parts), asker_(asker) {
    walk_.client = client.name;
  }

  Walk go() {
    if (!knocks()) return walk_;
    std::string issuer;
    if (client_.reads_challenge) {
      issuer = server_of_resource();
      if (issuer.empty()) return walk_;
    }
    const auto metadata = metadata_of(issuer);
    if (!metadata || !can_use(*metadata)) return walk_;
    walk_.arrives = true;
    return walk_;
  }

 private:
  bool stops(std::string problem, std::string advice) {
    walk_.problem = std::move(problem);
    walk_.advice = std::move(advice);
    return false;
  }
  void step(std::string what, const std::string& url, const Answered& answer, bool good,
            std::string note = "") {
    if (note.empty()) note = said(answer);
    walk_.steps.push_back({.what = std::move(what),
                           .url = url,
                           .status = answer.status,
                           .good = good,
                           .note = std::move(note)});
  }
  void finds(std::string what, bool good, std::string note) {
    walk_.steps.push_back({.what = std::move(what), .url = {}, .good = good, .note = std::move(note)});
  }

  /// Without a credential, as every client does at first.
  bool knocks() {
    const Answered& answer = asker_.post(
        url_, "application/json",
        R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},)"
        R"("clientInfo":{"name":"sallyport doctor","version":"1"}}})");
    const auto header = answer.headers.find("www-authenticate");
    challenge_ = header == answer.headers.end() ? "" : header->second;
    step("knocks", url_, answer, answer.status == 401);
    if (answer.status == 0)
      return stops("nobody answers: " + answer.problem,
                   "check the name, the port, the certificate and what is in between");
    if (answer.status >= 200 && answer.status < 300)
      return stops("it lets strangers in, so there is nothing to log in for", "this is an open endpoint");
    if (answer.status == 403)
      return stops(
          "it answers 403",
          "the name in the URL is none that the gateway answers to: set public_url or allowed_hosts");
    if (answer.status != 401)
      return stops(fmt::format("it answers {}, not 401", answer.status),
                   "check that the URL is that of an endpoint (/mcp or /mcp/NAME) and that what is in "
                   "between passes POST on");
    return true;
  }

  /// The issuer that the resource's metadata names first; empty where the client does not find it.
  std::string server_of_resource() {
    std::vector<std::string> places;
    const std::string named = parameter_of(challenge_, "resource_metadata");
    finds("challenge", !named.empty(),
          named.empty() ? "WWW-Authenticate names no resource_metadata; it guesses" : "names " + named);
    if (!named.empty()) places.push_back(named);
    for (const At at : {At::inserted, At::root}) {
      const std::string place = at_place(parts_, {.name = kResource, .at = at});
      if (std::ranges::find(places, place) == places.end()) places.push_back(place);
    }
    for (const auto& place : places) {
      const Answered& answer = asker_.get(place);
      const Json metadata = Json::parse(answer.body, nullptr, false);
      const bool good = answer.status == 200 && metadata.is_object();
      step("resource metadata", place, answer, good);
      if (!good) continue;
      return issuer_in(metadata);
    }
    stops("there is no metadata of the endpoint",
          "without users (`sallyport user add`) and Issuer documents there is nowhere to log in; else a "
          "proxy in "
          "front keeps /.well-known/ from the gateway");
    return "";
  }

  std::string issuer_in(const Json& metadata) {
    const std::string resource = text_at(metadata, "resource");
    const bool same = resource == url_ || resource + "/" == url_ || resource == url_ + "/";
    finds("resource", same, same ? "" : "is " + resource);
    if (!same) {
      stops("the metadata is of " + resource + ", not of " + url_,
            "set public_url to scheme and host as users type them in, or give out the URL that the metadata "
            "names");
      return "";
    }
    const auto servers = metadata.find("authorization_servers");
    std::string issuer;
    if (servers != metadata.end() && servers->is_array() && !servers->empty() && servers->front().is_string())
      issuer = servers->front().get<std::string>();
    finds("authorization server", !issuer.empty(), issuer.empty() ? "none is named" : issuer);
    if (issuer.empty())
      stops("the metadata names no authorization server",
            "add an Issuer document, or a user: sallyport user add");
    return issuer;
  }

  /// Of the issuer; of the endpoint's own host where that is empty.
  std::optional<Json> metadata_of(const std::string& issuer) {
    const auto parsed = net::parse_url(issuer.empty() ? url_ : issuer);
    if (!parsed) {
      stops("the authorization server is no URL: " + issuer, "correct \"issuer\" in the Issuer document");
      return std::nullopt;
    }
    std::vector<std::string> asked;
    for (const Place& place : client_.servers) {
      const std::string url = at_place(*parsed, place);
      if (std::ranges::find(asked, url) != asked.end()) continue;
      asked.push_back(url);
      const Answered& answer = asker_.get(url);
      Json metadata = Json::parse(answer.body, nullptr, false);
      const bool good = answer.status == 200 && metadata.is_object();
      step("server metadata", url, answer, good);
      if (!good) continue;
      const std::string name = text_at(metadata, "issuer");
      const bool same = issuer.empty() || name == issuer;
      if (!issuer.empty()) finds("issuer", same, same ? "" : "is " + name);
      if (!same && client_.compares_issuer) {
        stops("the metadata is of " + name + ", not of " + issuer,
              "\"issuer\" has to be byte for byte what the authorization server calls itself");
        return std::nullopt;
      }
      return metadata;
    }
    if (issuer.empty())
      stops("it looks for the login at the endpoint's own host, and nothing is there",
            "the gateway's own login (`sallyport user add NAME`) serves these places; with another issuer "
            "this client "
            "needs an API key");
    else
      stops("the authorization server has no metadata",
            "check that " + issuer + " can be reached from where users are");
    return std::nullopt;
  }

  bool can_use(const Json& metadata) {
    if (!client_.names_resource && parts_.path != "/mcp") {
      finds("endpoint", false, "it sends no resource");
      return stops("it does not say which endpoint it wants, and gets a token for /mcp",
                   "give such clients the URL that ends in /mcp, or an API key");
    }
    const bool pkce = lists(metadata, "code_challenge_methods_supported", "S256");
    finds("PKCE", pkce, pkce ? "S256" : "code_challenge_methods_supported does not hold S256");
    if (!pkce) return stops("it demands PKCE with S256", "the authorization server has to offer it");
    const auto document = metadata.find("client_id_metadata_document_supported");
    const bool by_document = client_.documents && document != metadata.end() && *document == true;
    const std::string registration = text_at(metadata, "registration_endpoint");
    finds("registration", by_document || !registration.empty(),
          by_document             ? "by its client id metadata document"
          : !registration.empty() ? registration
                                  : "neither dynamic registration nor client id metadata documents");
    if (!by_document && registration.empty())
      return stops(
          "it has no way to become known there",
          "register a client by hand and give its id to the client, or let the gateway do the login: "
          "sallyport user add NAME");
    const std::string tokens = text_at(metadata, "token_endpoint");
    const Answered& answer = asker_.post(tokens, "application/x-www-form-urlencoded",
                                         "grant_type=authorization_code&code=none&client_id=none");
    const bool talks =
        answer.status >= 400 && answer.status < 500 && Json::parse(answer.body, nullptr, false).is_object();
    step("token endpoint", tokens, answer, talks);
    if (!talks)
      return stops("the token endpoint does not answer as one", "check what is between users and " + tokens);
    const std::string sign_in = text_at(metadata, "authorization_endpoint");
    const Answered& page = asker_.get(sign_in);
    const bool there = page.status > 0 && page.status < 500 && page.status != 404;
    step("sign-in page", sign_in, page, there);
    if (!there) return stops("there is no sign-in page", "check what is between users and " + sign_in);
    if (net::parse_url(sign_in) && sign_in.starts_with("http://") && !is_here(sign_in))
      return stops("the sign-in page is not https", "set public_url to an https URL");
    return true;
  }

  static bool is_here(const std::string& url) {
    const auto parsed = net::parse_url(url);
    return parsed && (parsed->host == "localhost" || parsed->host == "127.0.0.1" || parsed->host == "::1");
  }

  const Client& client_;
  const std::string& url_;
  const net::Url& parts_;
  Asker& asker_;
  std::string challenge_;
  Walk walk_;
};

}  // namespace

Result<std::vector<Walk>> examine(const std::string& url, const Ask& ask) {
  const auto parts = net::parse_url(url);
  if (!parts)
    return client_error(Code::bad_request,
                        "that is no URL of an endpoint: https://HOST/mcp or https://HOST/mcp/NAME");
  Asker asker(ask);
  std::vector<Walk> out;
  for (const Client& client : clients()) out.push_back(Traveller(client, url, *parts, asker).go());
  return out;
}

}  // namespace sallyport::cli
