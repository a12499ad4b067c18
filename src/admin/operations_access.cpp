/// Operations on who may enter: key.*, agent.list, team.list.

#include <map>

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/core/clock.hpp"

namespace sallyport::admin {
namespace {

std::string_view state_of(const store::ApiKey& key, std::int64_t now) {
  if (key.revoked) return "revoked";
  if (key.expires && *key.expires <= now) return "expired";
  return "active";
}

nlohmann::json row_of(const store::ApiKey& key, std::int64_t now) {
  nlohmann::json row{{"id", key.id},       {"agent", key.agent},         {"note", key.note},
                     {"admin", key.admin}, {"created", key.created},     {"expires", nullptr},
                     {"revoked", nullptr}, {"state", state_of(key, now)}};
  if (key.expires) row["expires"] = *key.expires;
  if (key.revoked) row["revoked"] = *key.revoked;
  return row;
}

std::int64_t now_millis() { return unix_millis(system_clock().now()); }

}  // namespace

Result<nlohmann::json> create_key(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto agent = input.text("agent");
  const auto note = input.text_or("note", "");
  const bool admin = input.flag("admin");
  const auto expires = input.number("expires");
  if (const auto ok = input.check("key.create"); !ok) return std::unexpected(ok.error());
  if (expires && *expires <= now_millis()) {
    return client_error(Code::bad_request, "key.create: \"expires\" lies in the past (Unix milliseconds)");
  }
  auto made = context.registry.create_key(agent, note, admin, expires);
  if (!made) return std::unexpected(std::move(made.error()));
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  nlohmann::json out{{"key", made->text.reveal()}, {"agent", made->record.agent}, {"id", made->record.id}};
  if (admin) out["admin"] = true;
  if (made->record.expires) out["expires"] = *made->record.expires;
  return out;
}

Result<nlohmann::json> list_keys(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto agent = input.text_or("agent", "");
  if (const auto ok = input.check("key.list"); !ok) return std::unexpected(ok.error());
  const auto keys = context.registry.keys();
  if (!keys) return std::unexpected(keys.error());
  nlohmann::json rows = nlohmann::json::array();
  const auto now = now_millis();
  for (const auto& key : *keys) {
    if (agent.empty() || key.agent == agent) rows.push_back(row_of(key, now));
  }
  return nlohmann::json{{"keys", std::move(rows)}};
}

Result<nlohmann::json> revoke_key(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto text = input.text("id");
  if (const auto ok = input.check("key.revoke"); !ok) return std::unexpected(ok.error());
  const auto keys = context.registry.keys();
  if (!keys) return std::unexpected(keys.error());
  // Whoever found a key in a log holds its text, not its id. Neither is repeated in the answer when it is
  // unknown.
  std::string id;
  for (const auto& key : *keys) {
    if (text == key.id || text.starts_with("sp_" + key.id + "_")) id = key.id;
  }
  if (id.empty())
    return client_error(Code::not_found, "there is no such key; `sallyport key list` shows their ids");
  if (auto ok = context.registry.revoke_key(id); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = reload(context); !ok) return std::unexpected(std::move(ok.error()));
  return nlohmann::json{{"revoked", id}};
}

Result<nlohmann::json> list_agents(Context& context, const nlohmann::json& arguments) {
  if (const auto ok = Arguments(arguments).check("agent.list"); !ok) return std::unexpected(ok.error());
  const auto documents = context.registry.documents();
  if (!documents) return std::unexpected(documents.error());
  const auto keys = context.registry.keys();
  if (!keys) return std::unexpected(keys.error());
  std::map<std::string, int> active;
  const auto now = now_millis();
  for (const auto& key : *keys) active[key.agent] += state_of(key, now) == "active" ? 1 : 0;
  std::map<std::string, std::vector<std::string>> teams;
  for (const auto& document : *documents) {
    const auto* team = std::get_if<store::Team>(&document);
    if (!team) continue;
    for (const auto& member : team->members) {
      if (member.starts_with("agent:")) teams[member.substr(6)].push_back(team->name);
    }
  }
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& document : *documents) {
    const auto* agent = std::get_if<store::Agent>(&document);
    if (!agent) continue;
    rows.push_back({{"name", agent->name},
                    {"description", agent->description},
                    {"disabled", agent->disabled},
                    {"keys", active[agent->name]},
                    {"teams", teams[agent->name]}});
  }
  return nlohmann::json{{"agents", std::move(rows)}};
}

Result<nlohmann::json> list_teams(Context& context, const nlohmann::json& arguments) {
  if (const auto ok = Arguments(arguments).check("team.list"); !ok) return std::unexpected(ok.error());
  const auto documents = context.registry.documents("Team");
  if (!documents) return std::unexpected(documents.error());
  nlohmann::json rows = nlohmann::json::array();
  for (const auto& document : *documents) {
    const auto* team = std::get_if<store::Team>(&document);
    if (team) rows.push_back({{"name", team->name}, {"members", team->members}});
  }
  return nlohmann::json{{"teams", std::move(rows)}};
}

}  // namespace sallyport::admin
