#include "sallyport/identity/issuer_fetch.hpp"

#include <fmt/format.h>

#include <utility>

#include "issuer_url.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::identity {
namespace {

/// RFC 8414 section 3.1: the well-known part stands between host and path.
std::string inserted(const net::Url& issuer, std::string_view name) {
  std::string path = issuer.path;
  if (path.ends_with('/')) path.pop_back();
  return fmt::format("{}/.well-known/{}{}", issuer.origin(), name, path);
}

std::string appended(const std::string& issuer, std::string_view name) {
  return fmt::format("{}{}.well-known/{}", issuer, issuer.ends_with('/') ? "" : "/", name);
}

/// Metadata that says it is this issuer's.
Result<json::Document> metadata_in(std::string text, const std::string& issuer) {
  auto document = json::Document::parse(std::move(text), json::kUpstream);
  if (!document || !document->root().is(json::Kind::object))
    return fail(Code::upstream_broken, Blame::upstream, "its metadata is no JSON object");
  const auto said = document->root().find("issuer");
  if (!said || said->string() != issuer)
    return fail(
        Code::upstream_broken, Blame::upstream,
        fmt::format("its metadata says that the issuer is {}: compare that with \"issuer\" in the document",
                    said ? json::quote(said->string().value_or("?").substr(0, 200)) : "nobody"));
  return document;
}

}  // namespace

std::string shown_url(std::string_view url) { return json::quote(url.substr(0, 200)); }

const std::string& words_of(const Error& error) { return error.what.empty() ? error.hint : error.what; }

Task<Result<IssuerReply>> ask_issuer(net::Client& client, const store::Issuer& issuer, IssuerRequest request,
                                     SteadyTime deadline, Cancel* cancel) {
  auto target = issuer_url(request.url, issuer.allow_private);
  if (!target)
    co_return fail(Code::forbidden, Blame::upstream,
                   fmt::format("{}: {}", shown_url(request.url), words_of(target.error())));
  const net::Origin origin{.url = *target, .allow_private = issuer.allow_private, .ca_file = issuer.ca_file};
  net::ClientRequest sent{.method = request.body.empty() ? "GET" : "POST",
                          .path = origin.url.path,
                          .headers = "Accept: application/json\r\n" + request.headers,
                          .body = {}};
  if (!request.body.empty()) {
    sent.headers += "Content-Type: application/x-www-form-urlencoded\r\n";
    sent.body.emplace_back(request.body);
  }
  auto response = co_await client.send(origin, std::move(sent), deadline, cancel);
  if (!response)
    co_return fail(response.error().code, Blame::upstream,
                   fmt::format("{}: {}", shown_url(request.url), words_of(response.error())));
  const int status = response->status();
  auto body = co_await response->whole(limits::kIssuerReply);
  if (!body)
    co_return fail(body.error().code, Blame::upstream,
                   fmt::format("{}: {}", shown_url(request.url), words_of(body.error())));
  co_return IssuerReply{.status = status, .body = std::move(*body)};
}

Task<Result<std::string>> fetch_from(net::Client& client, const store::Issuer& issuer, std::string url,
                                     SteadyTime deadline, Cancel* cancel) {
  auto reply = co_await ask_issuer(client, issuer, {.url = url}, deadline, cancel);
  if (!reply) co_return Failure(reply.error());
  // A redirect is an answer like any other that is not 200: what vouches for tokens says itself where it is.
  if (reply->status != 200)
    co_return fail(Code::upstream_broken, Blame::upstream,
                   fmt::format("{}: answered {}", shown_url(url), reply->status));
  co_return std::move(reply->body);
}

Task<Result<json::Document>> fetch_metadata(net::Client& client, const store::Issuer& issuer,
                                            SteadyTime deadline, Cancel* cancel) {
  const auto url = net::parse_url(issuer.issuer);
  if (!url) co_return Failure(url.error());
  std::optional<Error> first;
  for (const std::string& place :
       {appended(issuer.issuer, "openid-configuration"), inserted(*url, "oauth-authorization-server")}) {
    auto text = co_await fetch_from(client, issuer, place, deadline, cancel);
    auto metadata =
        text ? metadata_in(std::move(*text), issuer.issuer) : Result<json::Document>(Failure(text.error()));
    if (metadata) co_return metadata;
    // What is said of the first place is what its administrator can mend.
    const bool elsewhere = metadata.error().code == Code::upstream_broken;
    if (!first) first = std::move(metadata.error());
    if (!elsewhere) break;
  }
  co_return Failure(std::move(*first));
}

}  // namespace sallyport::identity
