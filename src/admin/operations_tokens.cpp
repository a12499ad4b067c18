/// Operations on tokens that programs are given: token.*.

#include <set>

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/jwt.hpp"
#include "sallyport/identity/own_issuer.hpp"
#include "sallyport/identity/token_bounds.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/store/accounts.hpp"

namespace sallyport::admin {
namespace {

std::string principal_of(const store::Grant& grant) {
  return (grant.issuer.empty() ? "agent:" : "user:") + user_of(grant);
}

/// Why an agent cannot be given a token; empty: it can.
Result<void> check_agent(const Context& context, const std::string& name) {
  const auto document = context.registry.document("Agent", name);
  if (!document) return std::unexpected(document.error());
  if (!*document)
    return client_error(Code::not_found, "there is no agent of this name; `sallyport agent list` shows them");
  if (std::get<store::Agent>(**document).disabled)
    return client_error(Code::conflict, "this agent is disabled: no token of it would be accepted");
  return {};
}

/// The endpoint of this path, by what virtual servers there are.
Result<void> check_endpoint(const Context& context, const std::string& path) {
  if (path == "/mcp") return {};
  constexpr std::string_view kPrefix = "/mcp/";
  if (path.starts_with(kPrefix)) {
    const auto document = context.registry.document("VirtualServer", path.substr(kPrefix.size()));
    if (!document) return std::unexpected(document.error());
    if (*document) return {};
  }
  return client_error(Code::bad_request,
                      "\"endpoint\" is /mcp, or /mcp/NAME of a virtual server that there is; `sallyport get "
                      "virtual-servers` shows them");
}

/// The grant of a token that somebody found; the text itself where it is none.
std::string id_in(const std::string& text) {
  const auto jws = identity::read_jws(text);
  const auto grant = jws ? jws->payload.root().find("grant") : std::nullopt;
  return grant ? grant->string().value_or(text) : text;
}

}  // namespace

Result<nlohmann::json> mint_token(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto agent = input.text("agent");
  const auto tools = input.list("tools");
  const auto ttl = input.number("ttl");
  const auto endpoint = input.text_or("endpoint", "/mcp");
  if (const auto ok = input.check("token.mint"); !ok) return std::unexpected(ok.error());
  constexpr auto kMost = std::chrono::seconds(limits::kMintedLife).count();
  const std::int64_t life = ttl.value_or(std::chrono::seconds(limits::kAccessLife).count());
  if (life < 1 || life > kMost)
    return client_error(Code::bad_request,
                        fmt::format("token.mint: \"ttl\" is 1 to {} seconds ({} h)", kMost, kMost / 3600));
  if (arguments.contains("tools"))
    if (const auto problem = identity::tools_problem(tools); !problem.empty())
      return client_error(Code::bad_request, "the tools " + problem);
  if (context.live.public_url.empty())
    return client_error(
        Code::unavailable,
        "tokens are made by a running server, whose URL stands in them: start `sallyport serve`");
  if (const auto ok = check_agent(context, agent); !ok) return std::unexpected(ok.error());
  if (const auto ok = check_endpoint(context, endpoint); !ok) return std::unexpected(ok.error());

  auto accounts = accounts_of(context);
  const auto seeds = accounts.signing_ring();
  if (!seeds) return std::unexpected(seeds.error());
  const auto now = unix_millis(system_clock().now());
  store::Grant grant{.id = random_id(),
                     .user = agent,
                     .issuer = {},
                     .client = agent,
                     .client_name = "minted by " + context.by,
                     .resource = context.live.public_url + endpoint,
                     .scope = "mcp",
                     .expires = now + life * 1000,
                     .how = "minted"};
  if (!tools.empty()) grant.tools = tools;
  const auto begun = accounts.begin_token(grant);
  if (!begun) return std::unexpected(begun.error());
  if (*begun == store::Accounts::Start::full)
    return client_error(Code::limited,
                        "this agent has as many good tokens as one may have; revoke some, or wait");
  if (*begun != store::Accounts::Start::begun)
    return client_error(Code::conflict, "the agent was removed meanwhile");
  // The keys that sign may just have changed.
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  if (context.live.note)
    context.live.note(
        "token",
        fmt::format(R"("grant":{},"how":"minted","user":{},"by":{},"resource":{},"tools":{})",
                    json::quote(grant.id), json::quote(agent), json::quote(context.by),
                    json::quote(grant.resource), grant.tools ? json::list_of(*grant.tools) : "null"));
  const std::string claims =
      identity::access_claims(context.live.public_url, grant, random_id(), now / 1000, now / 1000 + life);
  nlohmann::json out{{"token", identity::SigningKeys(*seeds).access_token(claims)},
                     {"id", grant.id},
                     {"agent", agent},
                     {"resource", grant.resource},
                     {"expires", grant.expires},
                     {"tools", nullptr}};
  if (grant.tools) out["tools"] = *grant.tools;
  return out;
}

Result<nlohmann::json> list_tokens(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto agent = input.text_or("agent", "");
  if (const auto ok = input.check("token.list"); !ok) return std::unexpected(ok.error());
  const auto grants = accounts_of(context).grants();
  if (!grants) return std::unexpected(grants.error());
  const auto keys = context.registry.keys();
  if (!keys) return std::unexpected(keys.error());
  std::set<std::string> over;
  for (const auto& grant : *grants)
    if (grant.ended) over.insert(grant.id);
  for (const auto& key : *keys)
    if (key.revoked) over.insert(store::key_ground(key.id));
  const auto now = unix_millis(system_clock().now());
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& grant : *grants) {
    if (grant.how == store::Grant::kConsent) continue;
    if (!agent.empty() && (!grant.issuer.empty() || grant.user != agent)) continue;
    const bool fallen = std::ranges::any_of(grant.above, [&](const auto& one) { return over.contains(one); });
    nlohmann::json row{{"id", grant.id},
                       {"principal", principal_of(grant)},
                       {"actor", grant.actor},
                       {"how", grant.how},
                       {"client", grant.client_name},
                       {"resource", grant.resource},
                       {"scope", grant.scope},
                       {"tools", nullptr},
                       {"above", grant.above},
                       {"created", grant.created},
                       {"expires", grant.expires},
                       {"why", grant.why.empty() && fallen ? "parent" : grant.why},
                       {"state", grant.ended || fallen ? "ended"
                                 : grant.active(now)   ? "active"
                                                       : "expired"}};
    if (grant.tools) row["tools"] = *grant.tools;
    rows.push_back(std::move(row));
  }
  return nlohmann::json{{"tokens", std::move(rows)}};
}

Result<nlohmann::json> revoke_token(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto id = id_in(input.text("id"));
  if (const auto ok = input.check("token.revoke"); !ok) return std::unexpected(ok.error());
  const auto ended = end_with_record(context, id);
  if (!ended && ended.error().code == Code::not_found)
    return client_error(Code::not_found,
                        "there is no such token (any more); `sallyport token list` shows them");
  if (!ended) return std::unexpected(ended.error());
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  return nlohmann::json{{"revoked", id}, {"was_active", ended->was_active}};
}

}  // namespace sallyport::admin
