// What clients ask the built-in authorization server for themselves: registration, tokens, revocation.
#include <fmt/format.h>

#include <algorithm>

#include "oauth_answers.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/identity/authorization_server.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/net/run_on_executor.hpp"
#include "visit.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr std::string_view kExchange = "urn:ietf:params:oauth:grant-type:token-exchange";

std::int64_t millis_of(Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

/// RFC 7636 section 4.1, 4.6.
bool fits(std::string_view verifier, std::string_view challenge) {
  if (verifier.size() < 43 || verifier.size() > 128) return false;
  return equal_secret(base64url(view(sha256(verifier))), challenge);
}

}  // namespace

Task<net::Reply> AuthorizationServer::enroll(LoginRequest& request) {
  if (!options_.registration)
    co_return oauth_error(
        403, "access_denied",
        "Clients cannot register here: use the URL of a client id metadata document as client_id.");
  auto body = co_await request.exchange.read_body(limits::kOauthBody);
  if (!body) co_return oauth_refusal(body.error());
  const auto document = json::Document::parse(std::move(*body));
  if (!document)
    co_return oauth_refusal("invalid_client_metadata", "A client is described by a JSON object.");
  const auto client = read_client(document->root());
  if (!client) co_return oauth_refusal(client.error());
  const auto id = sealed_client(sealer_, *client);
  if (!id) co_return oauth_refusal(id.error());
  const auto type = document->root().find("application_type");
  co_return oauth_reply(
      201, fmt::format(R"({{"client_id":{},"client_id_issued_at":{},"client_name":{},"redirect_uris":{},)"
                       R"("application_type":{},"grant_types":["authorization_code","refresh_token"],)"
                       R"("response_types":["code"],"token_endpoint_auth_method":"none","scope":"mcp"}})",
                       json::quote(*id), unix_millis(clock_.now()) / 1000, json::quote(client->name),
                       json::list_of(client->redirects),
                       json::quote(type && type->string() == "native" ? "native" : "web")));
}

Task<net::Reply> AuthorizationServer::tokens(LoginRequest& request) {
  auto form = co_await form_of(request);
  if (!form) co_return oauth_refusal(form.error());
  const std::string& type = (*form)["grant_type"];
  if (type == "client_credentials" || type == kJwtBearer) co_return co_await for_program(request, *form);
  if (request.exchange.request().headers.find("authorization"))
    co_return oauth_refusal("invalid_client",
                            "Clients have no secret here: send client_id in the body alone.");
  if (type == kExchange) co_return co_await exchange(request, *form);
  if ((*form)["client_id"].empty()) co_return oauth_refusal("invalid_request", "client_id is missing.");
  // Clients that hear this forget their registration, and make another one.
  if (const auto& id = (*form)["client_id"];
      !is_document_id(id, options_.private_clients) && !opened_client(sealer_, id))
    co_return oauth_refusal("invalid_client",
                            "This client is not known here any more; it has to register again.");
  if (type == "authorization_code") co_return co_await redeem(request, *form);
  if (type == "refresh_token") co_return co_await renew(request, *form);
  co_return oauth_refusal("unsupported_grant_type",
                          "grant_type is none that is known here: the metadata of this server lists them.");
}

Task<net::Reply> AuthorizationServer::redeem(LoginRequest& request, const Form& form) {
  const auto code = opened_code(sealer_, form["code"], form["client_id"]);
  if (!code) co_return oauth_refusal("invalid_grant", "The code is none of ours, or another client's.");
  if (unix_millis(clock_.now()) >= code->until)
    co_return oauth_refusal("invalid_grant", "The code is too old; log in again.");
  if (!form["redirect_uri"].empty() && form["redirect_uri"] != code->redirect)
    co_return oauth_refusal("invalid_grant", "redirect_uri is another one than before.");
  if (!fits(form["code_verifier"], code->challenge))
    co_return oauth_refusal("invalid_grant", "code_verifier does not fit the challenge.");
  if (!form["resource"].empty() && form["resource"] != code->grant.resource)
    co_return oauth_refusal("invalid_target", "resource is another one than before.");
  auto begun = co_await net::run_on_executor(
      request.exchange.shard(), database_,
      [this, code = *code, issuers = request.issuers, changed = request.keys_changed] {
        look_at_keys(*issuers->own(), changed);
        return accounts_.begin_grant(code.grant, code.sign_in,
                                     [&](const store::SignIn& by, store::Grant& grant) {
                                       if (const Issuer* provider = issuers->provider(by.issuer)) {
                                         const auto since = by.until - millis_of(limits::kSignInKept);
                                         grant.ends = since + millis_of(provider->document.sign_in.lasts);
                                       }
                                       return issuers->signed_in(by).has_value();
                                     });
      });
  if (!begun) co_return oauth_refusal(begun.error());
  if (begun->what == store::Accounts::Start::over)
    co_return oauth_refusal("invalid_grant", "The one who said yes is not signed in any more; log in again.");
  if (begun->what == store::Accounts::Start::replayed) {
    request.own().end(code->grant.id);
    if (begun->ended_now)
      request.note("grant_ended", fmt::format(R"("grant":{},"user":{},"why":"replayed")",
                                              json::quote(code->grant.id), json::quote(begun->grant.user)));
    co_return oauth_refusal("invalid_grant",
                            "The code was used before: what it had granted has ended, because two hold it.");
  }
  co_return issued(request, begun->grant, form["client_id"]);
}

Task<net::Reply> AuthorizationServer::renew(LoginRequest& request, const Form& form) {
  const auto token = opened_refresh(sealer_, form["refresh_token"], form["client_id"]);
  if (!token)
    co_return oauth_refusal("invalid_grant", "The refresh token is none of ours, or another client's.");
  // Asked before the token counts as used: a mistake must not cost the grant.
  const auto other_resource = std::make_shared<bool>(false);
  auto renewed = co_await net::run_on_executor(
      request.exchange.shard(), database_,
      [this, token = *token, issuers = request.issuers, changed = request.keys_changed,
       resource = form["resource"], other_resource] {
        look_at_keys(*issuers->own(), changed);
        return accounts_.renew_grant(token.grant, token.serial, [&](const store::Grant& grant) {
          const bool known =
              issuers->signed_in({.user = grant.user, .issuer = grant.issuer, .identity = grant.identity})
                  .has_value();
          *other_resource = !resource.empty() && resource != grant.resource;
          return known && is_ours(grant.resource) && !*other_resource;
        });
      });
  if (!renewed) co_return oauth_refusal(renewed.error());
  if (renewed->what == store::Accounts::Renewal::reused) {
    request.own().end(token->grant);
    request.note("grant_ended", fmt::format(R"("grant":{},"user":{},"why":"reused")",
                                            json::quote(token->grant), json::quote(renewed->grant.user)));
    co_return oauth_refusal(
        "invalid_grant",
        "The refresh token was used before: the grant has ended, because two hold it. Log in again.");
  }
  if (renewed->what != store::Accounts::Renewal::fresh && *other_resource)
    co_return oauth_refusal("invalid_target", "resource is another one than before.");
  if (renewed->what != store::Accounts::Renewal::fresh)
    co_return oauth_refusal("invalid_grant", "The grant has ended; log in again.");
  co_return issued(request, renewed->grant, form["client_id"]);
}

void AuthorizationServer::look_at_keys(const OwnIssuer& own, const std::function<void()>& changed) {
  if (const auto seeds = accounts_.signing_ring(); seeds && !own.signs_with(*seeds)) changed();
}

net::Reply AuthorizationServer::issued(const LoginRequest& request, const store::Grant& grant,
                                       const std::string& client) const {
  const auto now = unix_millis(clock_.now()) / 1000;
  auto life = std::chrono::seconds(limits::kAccessLife).count();
  if (grant.ends != 0) life = std::clamp<std::int64_t>(grant.ends / 1000 - now, 1, life);
  const std::string claims = access_claims(public_url_, grant, random_id(), now, now + life);
  return oauth_reply(
      200,
      fmt::format(R"({{"access_token":{},"token_type":"Bearer","expires_in":{},"refresh_token":{}{}}})",
                  json::quote(request.own().signing().access_token(claims)), life,
                  json::quote(sealed_refresh(sealer_, {.grant = grant.id, .serial = grant.serial}, client)),
                  grant.scope.empty() ? "" : ",\"scope\":" + json::quote(grant.scope)));
}

Task<net::Reply> AuthorizationServer::revoke(LoginRequest& request) {
  auto form = co_await form_of(request);
  if (!form) co_return oauth_refusal(form.error());
  std::string grant;
  if (const auto token = opened_refresh(sealer_, (*form)["token"], (*form)["client_id"]))
    grant = token->grant;
  if (auto jws = read_jws((*form)["token"]); grant.empty() && jws) {
    const Issuer& own = *request.issuers->find(public_url_);
    const auto verified = verify_token(std::move(*jws), *own.keys->keys().set, own.rules, clock_.now());
    const auto claim = verified ? verified->claims.root().find("grant") : std::nullopt;
    const auto client = verified ? verified->claims.root().find("client_id") : std::nullopt;
    if (claim && client && client->string() == client_key((*form)["client_id"]))
      grant = claim->string().value_or("");
  }
  // RFC 7009 section 2.2: what is none of ours needs no revoking.
  if (grant.empty()) co_return oauth_reply(200, "{}");
  auto ended = co_await net::run_on_executor(request.exchange.shard(), database_,
                                             [this, grant] { return accounts_.end_grant(grant, "revoked"); });
  if (!ended && ended.error().code != Code::not_found) co_return oauth_refusal(ended.error());
  request.own().end(grant);
  if (ended && *ended)
    request.note("grant_ended", fmt::format(R"("grant":{},"why":"revoked")", json::quote(grant)));
  co_return oauth_reply(200, "{}");
}

}  // namespace sallyport::identity
