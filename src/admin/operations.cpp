#include "sallyport/admin/operations.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <utility>

#include "documents_check.hpp"
#include "operation.hpp"

namespace sallyport::admin {
namespace {

struct Named {
  std::string_view name;
  Operation run;
  bool changes = true;  ///< something that an administrator answers for
  bool waits = false;   ///< for an upstream, and touches nothing here itself
};
constexpr auto kOperations = std::to_array<Named>({
    {"apply", apply_documents},
    {"get", get_documents, false},
    {"server.add", add_server},
    {"server.list", list_servers, false},
    {"server.test", test_server, false, true},
    {"server.remove", remove_server},
    {"tool.list", list_tools, false},
    {"tool.diff", diff_tool, false},
    {"tool.approve", approve_tools},
    {"tool.reject", reject_tools},
    {"export.list", list_exports, false},
    {"key.create", create_key},
    {"key.list", list_keys, false},
    {"key.revoke", revoke_key},
    {"agent.list", list_agents, false},
    {"team.list", list_teams, false},
    {"user.save", save_user},
    {"user.list", list_users, false},
    {"user.remove", remove_user},
    {"grant.list", list_grants, false},
    {"grant.end", end_grant},
    {"token.mint", mint_token},
    {"token.list", list_tokens, false},
    {"token.revoke", revoke_token},
    {"vault.rotate", rotate_vault},
    {"backup", write_backup},
    {"checkpoint", write_checkpoint, false},
    {"why", explain_access, false},
    {"policy.basis", show_basis, false},
    {"status", show_status, false},
});

}  // namespace

Operations::Operations(store::Database& database, store::Vault& vault, store::Registry& registry, Live live)
    : database_(database), vault_(vault), registry_(registry), live_(std::move(live)) {
  registry_.set_validator(check_document);
}

std::vector<std::string> Operations::names() {
  std::vector<std::string> out;
  for (const Named& one : kOperations) out.emplace_back(one.name);
  return out;
}

bool changes_something(std::string_view op) {
  const auto it = std::ranges::find(kOperations, op, &Named::name);
  return it == kOperations.end() || it->changes;
}

bool waits_for_upstreams(std::string_view op) {
  const auto it = std::ranges::find(kOperations, op, &Named::name);
  return it != kOperations.end() && it->waits;
}

Result<nlohmann::json> Operations::run(const std::string& op, const nlohmann::json& arguments,
                                       const std::string& by) {
  for (const Named& one : kOperations) {
    if (one.name != op) continue;
    Context context{database_, vault_, registry_, live_, by};
    try {
      return one.run(context, arguments);
    } catch (const std::exception& e) {
      // nlohmann/json and the file system throw; an operation has no other exceptions.
      return fail(Code::internal, Blame::us, op + ": " + e.what());
    }
  }
  return client_error(Code::not_found,
                      "there is no operation \"" + op + "\"; GET /api/openapi.json lists them");
}

}  // namespace sallyport::admin
