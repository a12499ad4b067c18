// Signing in elsewhere: to an OpenID provider and back (OpenID Connect Core section 3.1, with PKCE and
// nonce).
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <charconv>

#include "oauth_answers.hpp"
#include "provider_endpoints.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/issuer_fetch.hpp"
#include "sallyport/identity/verification.hpp"
#include "sallyport/json/list.hpp"
#include "sign_in_limits.hpp"
#include "subscriber.hpp"
#include "visit.hpp"
#include "wish.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kTrip = "oauth-trip";
constexpr std::size_t kLongState = 4 * limits::KiB;  // some providers take no more in a URL

/// On the way to a provider and back; travels as `state`.
struct Trip {
  std::string provider, query, verifier, nonce;
  std::int64_t until = 0;  ///< Unix milliseconds
};

std::string sealed_trip(const Sealer& sealer, const Trip& trip, const Visit& visit) {
  return sealer.seal(
      kTrip, visit.nonce,
      fmt::format("{}\n{}\n{}\n{}\n{}", trip.until, trip.provider, trip.verifier, trip.nonce, trip.query));
}

std::optional<Trip> opened_trip(const Sealer& sealer, std::string_view state, const Visit& visit) {
  auto text = sealer.open(kTrip, visit.nonce, state);
  if (!text || visit.nonce.empty()) return std::nullopt;
  std::string_view rest = *text;
  const auto line = [&rest] {
    const auto end = std::min(rest.find('\n'), rest.size());
    std::string out(rest.substr(0, end));
    rest.remove_prefix(std::min(rest.size(), end + 1));
    return out;
  };
  Trip out;
  const std::string until = line();
  std::from_chars(until.data(), until.data() + until.size(), out.until);
  out.provider = line();
  out.verifier = line();
  out.nonce = line();
  out.query = std::string(rest);
  return out;
}

/// Some providers break the lines of error_description.
std::string on_one_line(std::string_view query) {
  std::string out(query);
  for (const std::string_view control : {"%0D", "%0d", "%0A", "%0a", "%09"})
    for (auto at = out.find(control); at != std::string::npos; at = out.find(control, at))
      out.replace(at, control.size(), "+");
  return out;
}

net::Reply not_signed_in(std::string_view why, const std::string& request) {
  return problem_page(403, "You are not signed in", why, request);
}

/// Fetches the ID token for a code. Errors: unavailable; unauthenticated (the provider refuses the code).
Task<Result<std::string>> fetch_id_token(net::Client& client, const Issuer& issuer,
                                         const Endpoints& endpoints, std::string code, std::string verifier,
                                         std::string redirect) {
  const auto& document = issuer.document;
  std::string body = fmt::format("grant_type=authorization_code&code={}&redirect_uri={}&code_verifier={}",
                                 url_encoded(code), url_encoded(redirect), url_encoded(verifier));
  IssuerRequest request{.url = endpoints.token};
  if (issuer.sign_in_secret) {
    request.headers = client_authorization(document.sign_in.client_id, *issuer.sign_in_secret);
  } else {
    body += "&client_id=" + url_encoded(document.sign_in.client_id);
  }
  request.body = std::move(body);
  auto reply = co_await ask_issuer(client, document, std::move(request),
                                   std::chrono::steady_clock::now() + limits::kIssuerDeadline, nullptr);
  if (!reply) co_return Failure(reply.error());
  auto answer = json::Document::parse(std::move(reply->body), json::kUpstream);
  const bool object = answer && answer->root().is(json::Kind::object);
  const auto member = [&](std::string_view name) {
    const auto found = object ? answer->root().find(name) : std::nullopt;
    return found ? found->string().value_or("") : std::string();
  };
  std::string token = member("id_token");
  if (reply->status != 200 || token.empty())
    co_return fail(Code::unauthenticated, Blame::upstream,
                   fmt::format("issuer {}: its token endpoint answered {} {}", document.name, reply->status,
                               member("error").substr(0, 100)));
  co_return token;
}

}  // namespace

std::string identity_of(const Issuer& issuer, const policy::Principal& principal,
                        const std::vector<std::string>& teams, bool asserted) {
  std::string claims = "{";
  for (const auto& [name, value] : principal.claims)
    if (name != "client_id")
      claims += (claims.size() > 1 ? "," : "") + json::quote(name) + ":" + json::quote(value);
  return fmt::format(R"({{"idp_issuer":{},"teams":{},"roles":{},"claims":{}}}{}}})",
                     json::quote(issuer.document.issuer), json::list_of(teams),
                     json::list_of(principal.roles), claims, asserted ? ",\"asserted\":true" : "");
}

Task<net::Reply> AuthorizationServer::elsewhere(LoginRequest& request) {
  auto form = Form::parse(request.exchange.request().query);
  if (!form) co_return page_of(form.error());
  const Visit visit = visit_of(request.exchange.request());
  const auto query = sealed_query(*form, visit);
  if (!query) co_return lost_page(*form, query.error());
  const Issuer* const provider = request.issuers->provider((*form)["provider"]);
  if (!provider)
    co_return problem_page(404, "Nothing is here", "Nobody signs in by a provider of this name.");
  const auto endpoints = co_await providers_->find(request.client, *provider, clock_.steady());
  if (!endpoints) co_return page_of(endpoints.error());
  const Trip trip{.provider = provider->document.name,
                  .query = *query,
                  .verifier = random_id(32),
                  .nonce = random_id(),
                  .until = unix_millis(clock_.now() + limits::kPageLife)};
  const std::string state = sealed_trip(sealer_, trip, visit);
  if (state.size() > kLongState)
    co_return problem_page(400, "This login cannot go on", "What the application asks for is too long.");
  co_return redirect_to(
      with_query(endpoints->authorization,
                 {{"response_type", "code"},
                  {"client_id", provider->document.sign_in.client_id},
                  {"redirect_uri", public_url_ + "/oauth/callback"},
                  {"scope", fmt::format("{}", fmt::join(provider->document.sign_in.scopes, " "))},
                  {"state", state},
                  {"nonce", trip.nonce},
                  {"code_challenge", base64url(view(sha256(trip.verifier)))},
                  {"code_challenge_method", "S256"},
                  {"prompt", (*form)["other"].empty() ? "" : "login"}}));
}

Task<net::Reply> AuthorizationServer::come_back(LoginRequest& request) {
  auto form = Form::parse(on_one_line(request.exchange.request().query));
  if (!form) co_return page_of(form.error());
  const Visit visit = visit_of(request.exchange.request());
  const auto trip = opened_trip(sealer_, (*form)["state"], visit);
  if (!trip || unix_millis(clock_.now()) >= trip->until)
    co_return page_of(client_error(Code::bad_request, std::string(kOldPage)).error());
  const Issuer* const provider = request.issuers->provider(trip->provider);
  if (!provider) co_return problem_page(404, "Nothing is here", "Nobody signs in by this provider any more.");
  const std::string again = request_of(trip->query, visit);
  const auto& document = provider->document;
  const auto refuse = [&](const Error& error) {
    spdlog::warn("issuer {}: somebody could not sign in: {}", document.name,
                 error.hint.empty() ? error.what : error.hint);
    request.refusal("sign_in", "");
  };

  const std::string place = subscriber_of(request.exchange.client_ip());
  if (limits_->begin("", place, clock_.steady()) > Duration::zero())
    co_return problem_page(429, "Too many attempts", "Wait a little, then log in again.", again);
  const auto endpoints = co_await providers_->find(request.client, *provider, clock_.steady());
  if (!endpoints) co_return page_of(endpoints.error());
  const std::string& iss = (*form)["iss"];
  if (iss.empty() ? endpoints->sends_iss : iss != document.issuer)
    co_return not_signed_in("The answer came from another provider than the one that was asked.", again);
  if (!(*form)["error"].empty()) {
    request.refusal("sign_in", "");
    co_return not_signed_in("The provider says: " + (*form)["error"] + ". " + (*form)["error_description"],
                            again);
  }
  auto token = co_await fetch_id_token(request.client, *provider, *endpoints, (*form)["code"], trip->verifier,
                                       public_url_ + "/oauth/callback");
  auto jws = token ? read_jws(*token) : Result<Jws>(Failure(token.error()));
  if (!jws) {
    refuse(jws.error());
    if (jws.error().code != Code::unauthenticated) co_return page_of(jws.error());
    co_return not_signed_in("The provider did not confirm who you are. Try again.", again);
  }
  TokenRules rules = provider->rules;
  rules.types = {"", "jwt"};
  auto verified =
      co_await verify_by_issuer(request.exchange.shard(), *provider, rules, std::move(*jws), *token, clock_);
  if (verified) {
    const auto nonce = verified->token.claims.root().find("nonce");
    const auto azp = verified->token.claims.root().find("azp");
    // OpenID Connect Core section 3.1.3.7.
    if (!verified->token.is_for(document.sign_in.client_id, {}) || !nonce || nonce->string() != trip->nonce ||
        (azp && azp->string() != document.sign_in.client_id))
      verified = client_error(Code::unauthenticated, "the ID token is not for this sign-in");
  }
  auto principal = verified ? request.issuers->principal(*provider, verified->token)
                            : Result<policy::Principal>(Failure(verified.error()));
  if (principal && principal->kind != policy::Principal::Kind::user)
    principal = client_error(Code::unauthenticated, "the ID token names nobody");
  if (!principal) {
    refuse(principal.error());
    if (principal.error().code != Code::unauthenticated) co_return page_of(principal.error());
    co_return not_signed_in("The provider's answer is not accepted: " + principal.error().hint + ".", again);
  }
  auto wish = co_await wish_of(request, trip->query);
  if (!wish) co_return page_of(wish.error());
  limits_->succeeded("", place);
  auto teams = request.issuers->teams_named(*provider, verified->token);
  std::string identity = identity_of(*provider, *principal, teams, false);
  if (identity.size() > limits::kIdentityBytes)
    co_return not_signed_in(
        "The provider names so many teams, roles and claims that no token could hold them. An "
        "administrator has to have it send fewer.",
        again);
  co_return co_await welcome(
      request, {.user = principal->subject, .issuer = document.name, .identity = std::move(identity)}, "",
      trip->query, wish->client.name);
}

}  // namespace sallyport::identity
