#include "metadata.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "sallyport/identity/endpoint_path.hpp"
#include "sallyport/json/list.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kWellKnown = "/.well-known/oauth-protected-resource";
constexpr std::string_view kServers[] = {"/.well-known/oauth-authorization-server",
                                         "/.well-known/openid-configuration"};

/// The endpoint whose metadata a path asks for: between host and path as RFC 9728 has it, behind the path as
/// some clients try it, or none, which means everything.
std::optional<std::string_view> resource_of(std::string_view path, std::string_view well_known) {
  std::optional<std::string_view> out;
  if (path.starts_with(well_known)) out = path.substr(well_known.size());
  if (path.ends_with(well_known) && path.size() > well_known.size())
    out = path.substr(0, path.size() - well_known.size());
  if (out && (out->empty() || *out == "/")) out = "/mcp";
  return out && identity::is_endpoint_path(*out) ? out : std::nullopt;
}

}  // namespace

std::optional<net::Reply> metadata_reply(const net::Request& request, const Snapshot& snapshot,
                                         const identity::AuthorizationServer& login) {
  if (request.path.find("/.well-known/") == std::string_view::npos) return std::nullopt;
  net::Reply reply{.status = 200, .content_type = "application/json"};
  // Public, and the same for everybody: a page may read it wherever it comes from.
  reply.headers.emplace_back("Access-Control-Allow-Origin", "*");
  if (request.method == net::Method::options) {
    reply.status = 204;
    reply.content_type.clear();
    reply.headers.emplace_back("Access-Control-Allow-Methods", "GET");
    reply.headers.emplace_back("Access-Control-Allow-Headers", "MCP-Protocol-Version");
    return reply;
  }
  const auto resource = resource_of(request.path, kWellKnown);
  // Clients of 2025-03-26 look for the server's metadata as if each endpoint had one of its own.
  const bool of_login =
      snapshot.issuers->gives_tokens() && std::ranges::any_of(kServers, [&](const auto place) {
        return resource_of(request.path, place).has_value();
      });
  if ((!resource || snapshot.issuers->empty()) && !of_login) {
    reply.status = 404;
    reply.body =
        R"({"error":"not_found","error_description":"There is no metadata here. )"
        R"(Where no Issuer is configured, API keys open the door: sallyport key create --agent NAME."})";
    return reply;
  }
  if (request.method != net::Method::get) {
    reply.status = 405;
    reply.headers.emplace_back("Allow", "GET");
    reply.body = R"({"error":"invalid_request","error_description":"Metadata is read with GET."})";
    return reply;
  }
  reply.headers.emplace_back("Cache-Control", "max-age=60");
  if (of_login) {
    reply.body = login.metadata(*snapshot.issuers, snapshot.rules->scopes());
    return reply;
  }
  const auto scopes = snapshot.issuers->scopes();
  reply.body = "{\"resource\":" + json::quote(snapshot.public_url + std::string(*resource)) +
               ",\"authorization_servers\":" + json::list_of(snapshot.issuers->urls()) +
               (scopes.empty() ? "" : ",\"scopes_supported\":" + json::list_of(scopes)) +
               ",\"bearer_methods_supported\":[\"header\"],\"resource_name\":\"Sallyport\"}";
  return reply;
}

std::string challenge(const Snapshot& snapshot, const std::string& endpoint_path, std::string_view error,
                      const std::vector<std::string>& scopes) {
  std::string out = "Bearer realm=\"sallyport\"";
  if (!error.empty()) out.append(", error=\"").append(error).append("\"");
  if (snapshot.issuers->empty()) return out;
  const std::string_view path =
      identity::is_endpoint_path(endpoint_path) ? std::string_view(endpoint_path) : "/mcp";
  out.append(", resource_metadata=\"")
      .append(snapshot.public_url)
      .append(kWellKnown)
      .append(path)
      .append("\"");
  if (!scopes.empty())
    out.append(", scope=\"").append(fmt::format("{}", fmt::join(scopes, " "))).append("\"");
  return out;
}

}  // namespace sallyport::gateway
