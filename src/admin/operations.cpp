#include "sallyport/admin/operations.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <string_view>
#include <utility>

#include <fmt/format.h>

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

/// What says what an operation was about: an argument, and members of the result.
struct Subject {
  std::string_view op;
  const char* asked;
  std::array<const char*, 2> told;
};
constexpr auto kSubjects = std::to_array<Subject>({
    {"server.add", "name", {}},
    {"server.remove", "name", {}},
    {"key.create", "agent", {"id", "admin"}},
    {"key.revoke", nullptr, {"revoked"}},
    {"user.save", "name", {"created"}},
    {"user.remove", "name", {}},
    {"grant.end", nullptr, {"ended"}},
    {"token.mint", "agent", {"id"}},
    {"token.revoke", nullptr, {"revoked"}},
    {"vault.rotate", nullptr, {"rotated"}},
    {"backup", "directory", {}},
});
constexpr std::size_t kMostChanges = 50;  // that one record names
constexpr std::size_t kSubjectBytes = 200;

/// Those of an apply.
void add_changes(nlohmann::json& out, const nlohmann::json& result) {
  if (!result.is_object() || !result.contains("changes")) return;
  if (result.value("dry_run", false)) out["dry_run"] = true;
  auto changes = nlohmann::json::array();
  std::size_t more = 0;
  for (const auto& change : result["changes"]) {
    if (change["what"] == "unchanged") continue;
    if (changes.size() == kMostChanges) {
      ++more;
      continue;
    }
    changes.push_back(fmt::format("{} {}/{}", change["what"].get<std::string>(),
                                  change["kind"].get<std::string>(), change["name"].get<std::string>()));
  }
  out["changes"] = std::move(changes);
  if (more > 0) out["more"] = more;
}

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

std::string subject_of(std::string_view op, const nlohmann::json& arguments,
                       const Result<nlohmann::json>& result) {
  auto out = nlohmann::json::object();
  const auto take = [&](const nlohmann::json& from, const char* key) {
    if (key == nullptr || !from.is_object() || !from.contains(key)) return;
    const auto& value = from[key];
    if (value.is_boolean()) out[key] = value;
    if (value.is_string()) out[key] = value.get<std::string>().substr(0, kSubjectBytes);
  };
  const auto it = std::ranges::find(kSubjects, op, &Subject::op);
  if (it != kSubjects.end()) take(arguments, it->asked);
  if (!result) {
    out["code"] = name_of(result.error().code);
  } else {
    if (it != kSubjects.end())
      for (const char* key : it->told) take(*result, key);
    if (op == "apply") add_changes(out, *result);
  }
  const std::string text = out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return text.substr(1, text.size() - 2);
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
