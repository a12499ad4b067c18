// Tokens for programs: one token for another that may do less (RFC 8693).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "oauth_answers.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/identity/authorization_server.hpp"
#include "sallyport/identity/token_bounds.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/net/run_on_executor.hpp"
#include "sallyport/store/grounds.hpp"
#include "visit.hpp"

namespace sallyport::identity {
namespace {

constexpr std::string_view kAccessToken = "urn:ietf:params:oauth:token-type:access_token";
constexpr std::string_view kJwt = "urn:ietf:params:oauth:token-type:jwt";

/// `error`: of RFC 6749 section 5.2, RFC 8693 section 2.2.2 or RFC 8707 section 2.
Failure wrong(std::string_view error, std::string hint) {
  Failure out = client_error(Code::bad_request, std::move(hint));
  out.error().data = error;
  return out;
}

/// What a token of ours says of a person beside the name, as grants keep it.
std::string identity_in(json::Value claims) {
  std::string out;
  for (const std::string_view name : {"idp_issuer", "teams", "roles", "claims", "asserted"})
    if (const auto member = claims.find(name))
      out += (out.empty() ? "{" : ",") + json::quote(name) + ":" + std::string(member->raw());
  return out.empty() ? "{}" : out + "}";
}

std::string text_in(json::Value claims, std::string_view name) {
  const auto claim = claims.find(name);
  return claim ? claim->string().value_or("") : std::string();
}

void add_ground(store::Grant& grant, std::string ground) {
  if (std::ranges::find(grant.above, ground) == grant.above.end()) grant.above.push_back(std::move(ground));
}

/// Who acts by a token that is good for less must not come to more by somebody else's.
Result<void> within(const store::Grant& child, const store::Grant& actor) {
  if (!actor.resource.empty() && actor.resource != child.resource)
    return wrong(
        "invalid_request",
        fmt::format("actor_token: it is for {}, and the new token for another endpoint.", actor.resource));
  if (!actor.tools) return {};
  if (!child.tools)
    return wrong("invalid_request",
                 "actor_token: it is good for some tools only: name in tools those of the new "
                 "token.");
  if (const auto beyond = first_beyond(actor.tools, *child.tools))
    return wrong("invalid_request", fmt::format("actor_token: it is not good for '{}'.", *beyond));
  return {};
}

}  // namespace

Result<AuthorizationServer::Shown> AuthorizationServer::shown(const LoginRequest& request,
                                                              std::string_view text, std::string_view type,
                                                              std::string_view what) const {
  const auto refuse = [&](std::string_view why) {
    return wrong("invalid_request", fmt::format("{}: {}.", what, why));
  };
  if (type != kAccessToken && type != kJwt)
    return refuse(
        fmt::format("its type has to be {} (or {} for a token of this gateway)", kAccessToken, kJwt));
  const SystemTime now = clock_.now();
  if (is_api_key(text)) {
    const auto entry = request.keys->check(text, now);
    if (!entry || (*entry)->key.admin || type == kJwt) return refuse("it is no key of an agent");
    const auto& key = (*entry)->key;
    return Shown{.grant = {.id = {},
                           .user = key.agent,
                           .issuer = {},
                           .client = key.agent,
                           .client_name = "key " + key.id,
                           .resource = {},
                           .scope = all_scopes(request),
                           .actor = {},
                           .above = {store::key_ground(key.id)}},
                 .holder = (*entry)->principal->name(),
                 .until = key.expires ? time_of_millis(*key.expires) : SystemTime::max()};
  }
  auto jws = read_jws(text);
  if (!jws) return refuse(jws.error().hint);
  const Issuer& own = *request.issuers->find(public_url_);
  const auto verified = verify_token(std::move(*jws), *own.keys->keys().set, own.rules, now);
  if (!verified) return refuse(verified.error().hint);
  if (own.has_ended(*verified)) return refuse("what it stands on has been revoked");
  const auto principal = request.issuers->principal(own, *verified);
  if (!principal) return refuse(principal.error().hint);
  const auto claims = verified->claims.root();
  const auto expiry = claims.find("exp");
  Shown out{.grant = {.id = {},
                      .user = text_in(claims, "sub"),
                      .issuer = text_in(claims, "idp"),
                      .identity = identity_in(claims),
                      .client = text_in(claims, "client_id"),
                      .client_name = text_in(claims, "client_name"),
                      .resource = verified->audiences.empty() ? "" : verified->audiences.front(),
                      .scope = text_in(claims, "scope"),
                      .actor = principal->actor,
                      .tools = principal->tools,
                      .above = {text_in(claims, "grant")}},
            .holder = principal->name(),
            .until = date_of(*expiry).value_or(now)};
  if (now >= out.until) return refuse("it has expired");
  if (const auto above = claims.find("above"))
    for (auto& ground : json::texts_of(*above)) out.grant.above.push_back(std::move(ground));
  // A person's token is in the hands of a client, an exchanged one in those of its actor.
  if (principal->kind == policy::Principal::Kind::user) out.holder = "client:" + out.grant.client;
  if (!principal->actor.empty()) out.holder = principal->actor;
  return out;
}

Result<void> AuthorizationServer::narrow(store::Grant& grant, const Form& form) const {
  for (const std::string_view name : {"resource", "audience"}) {
    const std::string& wanted = form[name];
    if (wanted.empty()) continue;
    if (!is_ours(wanted) || (!grant.resource.empty() && wanted != grant.resource))
      return wrong("invalid_target",
                   grant.resource.empty()
                       ? fmt::format("{} has to be the URL of an endpoint here.", name)
                       : fmt::format("{} has to be what the token is for: {}.", name, grant.resource));
    grant.resource = wanted;
  }
  if (grant.resource.empty()) grant.resource = public_url_ + "/mcp";
  if (!is_ours(grant.resource)) return wrong("invalid_target", "The token is for no endpoint here.");
  if (!form["scope"].empty()) {
    auto held = words_of(grant.scope);
    const auto wanted = words_of(form["scope"]);
    for (const auto& scope : wanted)
      if (std::ranges::find(held, scope) == held.end())
        return wrong("invalid_scope", fmt::format("'{}' is more than may be given here.", scope));
    std::erase_if(held, [&](const auto& one) { return std::ranges::find(wanted, one) == wanted.end(); });
    grant.scope = fmt::format("{}", fmt::join(held, " "));
  }
  if (words_of(grant.scope).size() > limits::kTokenScopes)
    return wrong("invalid_scope",
                 fmt::format("A token has {} scopes at most: name in scope those that it needs.",
                             limits::kTokenScopes));
  if (form["tools"].empty()) return {};
  auto tools = words_of(form["tools"]);
  if (const auto problem = tools_problem(tools); !problem.empty())
    return wrong("invalid_request", "tools " + problem + ".");
  if (const auto beyond = first_beyond(grant.tools, tools))
    return wrong("invalid_scope", fmt::format("'{}' is more than the token is good for.", *beyond));
  grant.tools = std::move(tools);
  return {};
}

Task<net::Reply> AuthorizationServer::exchange(LoginRequest& request, const Form& form) {
  if (form["subject_token"].empty()) co_return oauth_refusal("invalid_request", "subject_token is missing.");
  if (const auto& wanted = form["requested_token_type"];
      !wanted.empty() && wanted != kAccessToken && wanted != kJwt)
    co_return oauth_refusal("invalid_request", "requested_token_type is an access token here.");
  auto parent = shown(request, form["subject_token"], form["subject_token_type"], "subject_token");
  if (!parent) {
    request.refusal("client", "");
    co_return oauth_refusal(parent.error());
  }
  store::Grant child = std::move(parent->grant);
  SystemTime until = parent->until;
  std::string actor = parent->holder;
  std::optional<store::Grant> shown_actor;
  if (!form["actor_token"].empty()) {
    auto acting = shown(request, form["actor_token"], form["actor_token_type"], "actor_token");
    if (!acting) {
      request.refusal("client", "");
      co_return oauth_refusal(acting.error());
    }
    actor = acting->holder;
    until = std::min(until, acting->until);
    for (auto& ground : acting->grant.above) add_ground(child, std::move(ground));
    shown_actor = std::move(acting->grant);
  } else if (!form["actor_token_type"].empty()) {
    co_return oauth_refusal("invalid_request", "actor_token_type stands alone: actor_token is missing.");
  }
  // Who acts now is the token's own `act`; who acted before must not be forgotten.
  const auto had_part = [&](const std::string& name) {
    const auto agent = store::agent_of_ground(name);
    if (!agent.empty() && name != actor && !(child.issuer.empty() && agent == child.user))
      add_ground(child, name);
  };
  had_part(child.actor);
  if (shown_actor && shown_actor->issuer.empty()) had_part("agent:" + shown_actor->user);
  const auto agents = std::ranges::count_if(
      child.above, [](const auto& one) { return !store::agent_of_ground(one).empty(); });
  if (child.above.size() - static_cast<std::size_t>(agents) > limits::kTokenChain)
    co_return oauth_refusal("invalid_request",
                            fmt::format("The new token would stand on more than {} others: exchange one that "
                                        "is nearer to the first.",
                                        limits::kTokenChain));
  if (auto narrowed = narrow(child, form); !narrowed) co_return oauth_refusal(narrowed.error());
  if (shown_actor) {
    if (auto fits = within(child, *shown_actor); !fits) {
      request.refusal("client", actor);
      co_return oauth_refusal(fits.error());
    }
  }
  child.how = "exchange";
  child.actor = std::move(actor);
  co_return co_await give(request, std::move(child), {}, until, kAccessToken);
}

Task<net::Reply> AuthorizationServer::give(LoginRequest& request, store::Grant grant,
                                           std::vector<store::Assertion> taken, SystemTime until,
                                           std::string_view type) {
  const auto now = unix_millis(clock_.now());
  const auto expires =
      std::min(unix_millis(clock_.now() + limits::kAccessLife),
               until == SystemTime::max() ? std::numeric_limits<std::int64_t>::max() : unix_millis(until));
  const auto life = (expires - now) / 1000;
  if (life <= 0) co_return oauth_refusal("invalid_grant", "What was shown has expired.");
  grant.id = random_id();
  grant.expires = expires;
  const std::string signed_token = request.own().signing().access_token(
      access_claims(public_url_, grant, random_id(), now / 1000, now / 1000 + life));
  if (signed_token.size() > limits::kToken)
    co_return oauth_refusal("invalid_request",
                            "The token would be too long for its own endpoint: name fewer "
                            "tools, or fewer scopes.");
  auto begun = co_await net::run_on_executor(
      request.exchange.shard(), database_,
      [this, grant, taken = std::move(taken), issuers = request.issuers, changed = request.keys_changed] {
        look_at_keys(*issuers->own(), changed);
        return accounts_.begin_token(grant, taken);
      });
  if (!begun) co_return oauth_refusal(begun.error());
  switch (*begun) {
    case store::Accounts::Start::over:
      co_return oauth_refusal("invalid_grant", "What the token would stand on has been revoked.");
    case store::Accounts::Start::replayed:
      request.refusal("replayed", "agent:" + grant.client);
      co_return oauth_refusal("invalid_grant", "The assertion was used before: make one for every request.");
    case store::Accounts::Start::full:
      co_return oauth_refusal(fail(Code::limited, Blame::client, "too many tokens of one principal").error());
    case store::Accounts::Start::begun:
      break;
  }
  request.note(
      "token",
      fmt::format(
          R"("grant":{},"how":{},"user":{},"actor":{},"resource":{},"scope":{},"tools":{},"above":{})",
          json::quote(grant.id), json::quote(grant.how), json::quote(grant.user), json::quote(grant.actor),
          json::quote(grant.resource), json::quote(grant.scope),
          grant.tools ? json::list_of(*grant.tools) : "null", json::list_of(grant.above)));
  co_return oauth_reply(200,
                        fmt::format(R"({{"access_token":{},"token_type":"Bearer","expires_in":{}{}{}}})",
                                    json::quote(signed_token), life,
                                    type.empty() ? "" : ",\"issued_token_type\":" + json::quote(type),
                                    grant.scope.empty() ? "" : ",\"scope\":" + json::quote(grant.scope)));
}

}  // namespace sallyport::identity
