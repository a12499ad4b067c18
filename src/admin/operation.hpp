#pragma once
/// One administrative operation: what it may touch, how it reads its arguments. Private to this layer.

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "sallyport/admin/operations.hpp"
#include "sallyport/store/accounts.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::admin {

struct Context {
  store::Database& database;
  store::Vault& vault;
  store::Registry& registry;
  const Live& live;
  const std::string& by;  ///< who asks
};

/// Reads an operation's JSON object. Problems are collected; ask for everything, then check().
class Arguments {
 public:
  explicit Arguments(const nlohmann::json& object) : object_(object) {}
  std::string text(const char* key);  ///< required, not empty
  std::string text_or(const char* key, std::string fallback);
  bool flag(const char* key);  ///< false when absent
  std::optional<std::int64_t> number(const char* key);
  std::vector<std::string> list(const char* key);
  std::map<std::string, std::string> map(const char* key);
  const nlohmann::json* any(const char* key);  ///< null when absent
  /// Errors: bad_request naming every wrong, missing or unknown argument.
  Result<void> check(std::string_view op) const;

 private:
  const nlohmann::json* find(const char* key);
  void problem(const char* key, const char* what);
  const nlohmann::json& object_;
  std::set<std::string> known_;
  std::vector<std::string> problems_;
};

/// Several problems as one error: the hint has a line for each, `data` is {"problems":[...]}.
Error problems_error(Code code, const std::vector<std::string>& problems);
store::Accounts accounts_of(Context& context);
/// Whose grant it is: a local user's name, ISSUER/NAME of another issuer's, an agent's name.
std::string user_of(const store::Grant& grant);
struct EndedGrant {
  store::Grant grant;
  bool was_active = false;
};
/// Ends a grant and leaves a record of that. Errors: not_found; those of the registry.
Result<EndedGrant> end_with_record(Context& context, const std::string& id);
/// Makes a committed change take effect where a server runs.
Result<void> reload(const Context& context);

/// False for operations that only look, and for checkpoints: those leave no record of an administrator. True
/// for what is no operation.
bool changes_something(std::string_view op);
/// What an operation was about, for its record: names and ids, never what may be a secret. Members of a JSON
/// object, without braces; empty where there is nothing to say.
std::string subject_of(std::string_view op, const nlohmann::json& arguments,
                       const Result<nlohmann::json>& result);
/// Whether an operation is one for Api's executor of tests.
bool waits_for_upstreams(std::string_view op);

using Operation = Result<nlohmann::json> (*)(Context&, const nlohmann::json&);
Result<nlohmann::json> apply_documents(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> get_documents(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> add_server(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_servers(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> test_server(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> remove_server(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_tools(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> diff_tool(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> approve_tools(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> reject_tools(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_exports(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> create_key(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_keys(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> revoke_key(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_agents(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_teams(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> save_user(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_users(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> remove_user(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_grants(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> end_grant(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> mint_token(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> list_tokens(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> revoke_token(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> rotate_vault(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> write_backup(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> write_checkpoint(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> explain_access(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> show_basis(Context& context, const nlohmann::json& arguments);
Result<nlohmann::json> show_status(Context& context, const nlohmann::json& arguments);

}  // namespace sallyport::admin
