// Tokens for programs that prove who they are: by a secret or by what they sign (RFC 6749 section 4.4, RFC
// 7523), and for people whose provider speaks for them.
#include <fmt/format.h>

#include <algorithm>

#include "sallyport/core/bytes.hpp"
#include "sallyport/identity/authorization_server.hpp"
#include "sallyport/identity/verification.hpp"
#include "wish.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kJwtAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
constexpr std::string_view kIdJag = "oauth-id-jag+jwt";
/// Providers say for how long theirs are good: minutes, as a rule.
constexpr auto kLongestIdJag = std::chrono::hours(1);
constexpr std::size_t kIdBytes = 256;  ///< of a `jti`

Failure refused(std::string_view error, std::string hint) {
  Failure out = client_error(Code::bad_request, std::move(hint));
  out.error().data = error;
  return out;
}

Failure unknown_client() {
  return refused("invalid_client", "The client is not known, or its proof is not accepted.");
}

/// One half of what a Basic header carries: form-encoded (RFC 6749 section 2.3.1).
std::optional<std::string> decoded(std::string_view half) {
  if (half.contains('&')) return std::nullopt;
  const auto form = Form::parse("half=" + std::string(half));
  return form ? std::optional((*form)["half"]) : std::nullopt;
}

struct Pair {
  std::string id, secret;
};
std::optional<Pair> basic_pair(std::string_view header) {
  constexpr std::string_view kScheme = "basic ";
  if (!equal_ignoring_case(header.substr(0, kScheme.size()), kScheme)) return std::nullopt;
  const auto text = unbase64(trim(header.substr(kScheme.size())));
  const auto colon = text ? text->find(':') : std::string::npos;
  if (colon == std::string::npos) return std::nullopt;
  auto id = decoded(std::string_view(*text).substr(0, colon));
  auto secret = decoded(std::string_view(*text).substr(colon + 1));
  if (!id || !secret) return std::nullopt;
  return Pair{.id = std::move(*id), .secret = std::move(*secret)};
}

std::string text_in(json::Value claims, std::string_view name) {
  const auto claim = claims.find(name);
  return claim ? claim->string().value_or("") : std::string();
}

/// As principals are named.
std::string agent_name(std::string_view agent) { return agent.empty() ? "" : "agent:" + std::string(agent); }

}  // namespace

Task<Result<AuthorizationServer::Stated>> AuthorizationServer::stated(LoginRequest& request, const Issuer& by,
                                                                      Jws jws, std::string_view text,
                                                                      std::vector<std::string> types,
                                                                      Duration longest) {
  TokenRules rules = by.rules;
  rules.types = std::move(types);
  auto verified =
      co_await verify_by_issuer(request.exchange.shard(), by, std::move(rules), std::move(jws), text, clock_);
  if (!verified) co_return Failure(verified.error());
  const auto refuse = [](std::string hint) { return client_error(Code::unauthenticated, std::move(hint)); };
  VerifiedToken& token = verified->token;
  if (token.expires > clock_.now() + longest + 2 * by.rules.leeway)
    co_return refuse(fmt::format("it is good for longer than {} s",
                                 std::chrono::duration_cast<std::chrono::seconds>(longest).count()));
  std::string id = text_in(token.claims.root(), "jti");
  if (id.empty() || id.size() > kIdBytes) co_return refuse("it has no jti, which tells one from another");
  store::Assertion once{.issuer = by.document.name, .id = std::move(id), .until = unix_millis(token.expires)};
  co_return Stated{.token = std::move(token), .once = std::move(once)};
}

Task<Result<AuthorizationServer::Stated>> AuthorizationServer::stated_by_agent(
    LoginRequest& request, std::string_view text, std::vector<std::string> types) {
  auto jws = read_jws(text);
  if (!jws) co_return Failure(jws.error());
  const auto refuse = [](std::string hint) { return client_error(Code::unauthenticated, std::move(hint)); };
  const Issuer* const agent = request.issuers->agent(text_in(jws->payload.root(), "iss"));
  if (!agent) co_return refuse("its iss is no agent that has keys here");
  auto out =
      co_await stated(request, *agent, std::move(*jws), text, std::move(types), limits::kAssertionLife);
  if (!out) co_return out;
  if (text_in(out->token.claims.root(), "sub") != agent->document.issuer)
    co_return refuse("its sub is another one than its iss");
  const std::string here[] = {public_url_ + "/oauth/token"};
  if (!out->token.is_for(public_url_, here))
    co_return refuse(fmt::format("its aud is neither {} nor {}", public_url_, here[0]));
  if (auto there = request.issuers->signed_in({.user = agent->document.issuer}); !there)
    co_return Failure(there.error());
  co_return out;
}

Task<Result<AuthorizationServer::Proven>> AuthorizationServer::proven(LoginRequest& request,
                                                                      const Form& form) {
  const auto& headers = request.exchange.request().headers;
  const auto header = headers.find("authorization");
  const bool secret = !form["client_secret"].empty(), signs = !form["client_assertion"].empty();
  if (int{header.has_value()} + int{secret} + int{signs} > 1 || headers.count("authorization") > 1)
    co_return refused("invalid_request", "A client proves itself in one way, not in several at once.");
  const std::string& named = form["client_id"];
  if (signs) {
    if (form["client_assertion_type"] != kJwtAssertion)
      co_return refused("invalid_client", fmt::format("client_assertion_type is {}.", kJwtAssertion));
    auto said =
        co_await stated_by_agent(request, form["client_assertion"], {"", "jwt", "client-authentication+jwt"});
    if (!said && said.error().code == Code::unauthenticated)
      co_return refused("invalid_client",
                        "The client's assertion is not accepted: " + said.error().hint + ".");
    if (!said) co_return Failure(said.error());
    Proven out{.agent = said->token.issuer, .taken = {std::move(said->once)}};
    if (!named.empty() && named != out.agent) co_return unknown_client();
    co_return out;
  }
  if (!header && !secret) co_return Proven{};
  auto pair = header ? basic_pair(*header) : Pair{.id = named, .secret = form["client_secret"]};
  if (!pair || (!named.empty() && named != pair->id)) co_return unknown_client();
  const auto entry = request.keys->check(pair->secret, clock_.now());
  if (!entry || (*entry)->key.admin || (*entry)->key.agent != pair->id) co_return unknown_client();
  const auto& key = (*entry)->key;
  Proven out{.agent = key.agent, .above = {store::key_ground(key.id)}};
  if (key.expires) out.until = time_of_millis(*key.expires);
  co_return out;
}

Task<net::Reply> AuthorizationServer::for_program(LoginRequest& request, const Form& form) {
  auto client = co_await proven(request, form);
  if (!client) {
    request.refusal("client", "");
    net::Reply reply = oauth_refusal(client.error());
    // RFC 6749 section 5.2.
    if (reply.status == 401 && request.exchange.request().headers.find("authorization"))
      reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"sallyport\"");
    co_return reply;
  }
  const bool by_assertion = form["grant_type"] != "client_credentials";
  if (!by_assertion && client->agent.empty()) {
    request.refusal("client", "");
    co_return oauth_refusal(
        "invalid_client",
        "The client has to prove itself: by client_secret, which is a key of the agent, or by "
        "client_assertion.");
  }
  if (by_assertion) {
    auto jws = read_jws(form["assertion"]);
    if (jws && jws->type == kIdJag)
      co_return co_await for_person(request, form, std::move(*client), std::move(*jws));
    auto said = co_await stated_by_agent(request, form["assertion"], {"", "jwt", "authorization-grant+jwt"});
    if (!said && said.error().code == Code::unauthenticated) {
      request.refusal("client", agent_name(client->agent));
      co_return oauth_refusal("invalid_grant", "The assertion is not accepted: " + said.error().hint + ".");
    }
    if (!said) co_return oauth_refusal(said.error());
    const std::string& agent = said->token.issuer;
    if ((!client->agent.empty() && client->agent != agent) ||
        (!form["client_id"].empty() && form["client_id"] != agent)) {
      request.refusal("client", agent_name(agent));
      co_return oauth_refusal("invalid_grant", "The assertion is another client's.");
    }
    client->agent = agent;
    client->taken.push_back(std::move(said->once));
  }
  store::Grant grant{.id = {},
                     .user = client->agent,
                     .issuer = {},
                     .client = client->agent,
                     .client_name = client->agent,
                     .resource = {},
                     .scope = all_scopes(request),
                     .how = by_assertion ? "jwt_bearer" : "client_credentials",
                     .above = std::move(client->above)};
  // Whoever asks for nothing gets what every client has, and comes back for more where a call says so.
  if (form["scope"].empty()) grant.scope = "mcp";
  if (auto narrowed = narrow(grant, form); !narrowed) co_return oauth_refusal(narrowed.error());
  co_return co_await give(request, std::move(grant), std::move(client->taken), client->until, "");
}

Task<net::Reply> AuthorizationServer::for_person(LoginRequest& request, const Form& form, Proven client,
                                                 Jws jws) {
  if (client.agent.empty()) {
    request.refusal("client", "");
    co_return oauth_refusal(
        "invalid_client",
        "Whoever brings an identity assertion has to prove itself as well: by client_secret "
        "or client_assertion.");
  }
  const auto refuse = [&request, agent = client.agent](std::string_view why) {
    request.refusal("client", agent_name(agent));
    return oauth_refusal("invalid_grant", fmt::format("The identity assertion is not accepted: {}.", why));
  };
  const Issuer* const by = request.issuers->asserting(text_in(jws.payload.root(), "iss"), client.agent);
  if (!by) co_return refuse("no Issuer says that this client may bring one of its issuer");
  auto said =
      co_await stated(request, *by, std::move(jws), form["assertion"], {std::string(kIdJag)}, kLongestIdJag);
  if (!said && said.error().code == Code::unauthenticated) co_return refuse(said.error().hint);
  if (!said) co_return oauth_refusal(said.error());
  const auto claims = said->token.claims.root();
  if (said->token.audiences != std::vector{public_url_})
    co_return refuse(fmt::format("its aud is not {} alone", public_url_));
  if (text_in(claims, "client_id") != client.agent) co_return refuse("its client_id is another client's");
  const std::string resource = text_in(claims, "resource");
  if (!is_ours(resource)) co_return refuse("its resource is no endpoint here");
  const auto person = request.issuers->principal(*by, said->token);
  if (!person) co_return refuse(person.error().hint);
  if (person->kind != policy::Principal::Kind::user) co_return refuse("it names no person");
  // What it says goes into the token, and has to be found there when the document changes.
  std::string identity = identity_of(*by, *person, IssuerTable::teams_named(*by, said->token), true);
  if (identity.size() > limits::kIdentityBytes)
    co_return refuse("it names more teams, roles and claims than a token can hold");
  store::Grant grant{.id = {},
                     .user = person->subject,
                     .issuer = by->document.name,
                     .identity = std::move(identity),
                     .client = client.agent,
                     .client_name = client.agent,
                     .resource = resource,
                     .scope = granted_scopes(request, text_in(claims, "scope")),
                     .how = "id_jag",
                     .actor = "agent:" + client.agent,
                     .above = std::move(client.above)};
  if (auto narrowed = narrow(grant, form); !narrowed) co_return oauth_refusal(narrowed.error());
  client.taken.push_back(std::move(said->once));
  co_return co_await give(request, std::move(grant), std::move(client.taken), client.until, "");
}

}  // namespace sallyport::identity
