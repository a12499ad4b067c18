#include "sallyport/identity/introspection.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sallyport/core/limits.hpp"
#include "sallyport/identity/form.hpp"
#include "sallyport/identity/issuer_fetch.hpp"

namespace sallyport::identity {
namespace {

Failure unavailable(const store::Issuer& issuer, const std::string& why) {
  Failure out = fail(Code::unavailable, Blame::upstream,
                     fmt::format("issuer {}: introspection: {}", issuer.name, why), true);
  out.error().hint = "The issuer of this token cannot be asked about it now.";
  return out;
}

/// RFC 7662 section 2.2.
std::optional<VerifiedToken> verdict(json::Document answer, const store::Issuer& issuer, SystemTime now) {
  const auto root = answer.root();
  const auto active = root.find("active");
  if (!active || active->boolean() != true) return std::nullopt;
  // Where it says whose it is, that must be the issuer who was asked.
  if (const auto said = root.find("iss"); said && said->string() != issuer.issuer) return std::nullopt;
  SystemTime expires = now + limits::kUnsaidExpiry;
  if (const auto exp = root.find("exp")) {
    const auto given = date_of(*exp);
    if (!given || now >= *given + issuer.leeway) return std::nullopt;
    expires = *given + issuer.leeway;
  }
  if (const auto nbf = root.find("nbf")) {
    const auto from = date_of(*nbf);
    if (!from || now + issuer.leeway < *from) return std::nullopt;
  }
  auto audiences = audiences_of(root);
  return VerifiedToken{.claims = std::move(answer),
                       .issuer = issuer.issuer,
                       .expires = expires,
                       .asks_again = std::min(expires, now + limits::kVerdictKept),
                       .audiences = std::move(audiences)};
}

}  // namespace

Task<Result<std::optional<VerifiedToken>>> introspect(net::Client& client, const store::Issuer& issuer,
                                                      const Secret& client_secret, std::string_view token,
                                                      SystemTime now, Cancel* cancel) {
  if (!issuer.introspection.client_id.empty() && client_secret.empty())
    co_return unavailable(issuer, "its credential cannot be read");
  IssuerRequest request{.url = issuer.introspection.url,
                        .body = fmt::format("token={}&token_type_hint=access_token", url_encoded(token))};
  if (!issuer.introspection.client_id.empty())
    request.headers = client_authorization(issuer.introspection.client_id, client_secret);
  auto reply = co_await ask_issuer(client, issuer, std::move(request),
                                   std::chrono::steady_clock::now() + limits::kIssuerDeadline, cancel);
  if (!reply) co_return unavailable(issuer, reply.error().what);
  if (reply->status != 200) co_return unavailable(issuer, fmt::format("it answered {}", reply->status));
  auto answer = json::Document::parse(std::move(reply->body));
  if (!answer || !answer->root().is(json::Kind::object))
    co_return unavailable(issuer, "it answered with something other than a JSON object");
  co_return verdict(std::move(*answer), issuer, now);
}

}  // namespace sallyport::identity
