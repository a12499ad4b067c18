#include "sallyport/admin/operations.hpp"

#include <array>
#include <exception>
#include <string_view>
#include <utility>

#include "documents_check.hpp"
#include "operation.hpp"

namespace sallyport::admin {
namespace {

constexpr std::array<std::pair<std::string_view, Operation>, 22> kOperations{{
    {"apply", apply_documents},       {"get", get_documents},         {"server.add", add_server},
    {"server.list", list_servers},    {"server.test", test_server},   {"server.remove", remove_server},
    {"tool.list", list_tools},        {"tool.diff", diff_tool},       {"tool.approve", approve_tools},
    {"tool.reject", reject_tools},    {"export.list", list_exports},  {"key.create", create_key},
    {"key.list", list_keys},          {"key.revoke", revoke_key},     {"agent.list", list_agents},
    {"team.list", list_teams},        {"vault.rotate", rotate_vault}, {"backup", write_backup},
    {"checkpoint", write_checkpoint}, {"why", explain_access},        {"policy.basis", show_basis},
    {"status", show_status},
}};

}  // namespace

Operations::Operations(store::Database& database, store::Vault& vault, store::Registry& registry, Live live)
    : database_(database), vault_(vault), registry_(registry), live_(std::move(live)) {
  registry_.set_validator(check_document);
}

std::vector<std::string> Operations::names() {
  std::vector<std::string> out;
  for (const auto& [name, operation] : kOperations) out.emplace_back(name);
  return out;
}

Result<nlohmann::json> Operations::run(const std::string& op, const nlohmann::json& arguments,
                                       const std::string& by) {
  for (const auto& [name, operation] : kOperations) {
    if (name != op) continue;
    Context context{database_, vault_, registry_, live_, by};
    try {
      return operation(context, arguments);
    } catch (const std::exception& e) {
      // nlohmann/json and the file system throw; an operation has no other exceptions.
      return fail(Code::internal, Blame::us, op + ": " + e.what());
    }
  }
  return client_error(Code::not_found,
                      "there is no operation \"" + op + "\"; GET /api/openapi.json lists them");
}

}  // namespace sallyport::admin
