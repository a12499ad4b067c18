#pragma once
/// What administrators can do, once: the CLI calls it in process on a data directory that no server holds, or
/// through admin.sock and the admin listener on a running one. One JSON object in, one out.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sallyport/core/error.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::gateway {
struct Snapshot;
}

namespace sallyport::admin {

/// What an operation may touch besides the registry when a server runs. Empty functions offline.
struct Live {
  /// Called after a committed change, before it is acknowledged: returns when every shard has swapped to the
  /// new snapshot.
  std::function<Result<void>()> reload{};
  /// `server test NAME`: connects now; {ok, era, version, tools, prompts, resources, millis} or {ok:false,
  /// problem, hint}. Blocks, so it is called on a thread of its own.
  std::function<Result<std::string>(const std::string& server)> test_server{};
  /// State of upstreams, journal and process for `get servers` and /readyz: JSON.
  std::function<std::string()> status{};
  std::function<Result<void>()> checkpoint{};
  /// What the next request will see.
  std::function<std::shared_ptr<const gateway::Snapshot>()> snapshot{};
  /// Writes a record into the journal: `members` of a JSON object, without braces.
  std::function<void(std::string_view name, std::string members)> note{};
  /// The tools that an endpoint exports now: JSON [{name, tool, hash, bytes}], bytes
  /// as lists show it.
  std::function<Result<std::string>(const std::string& path)> exported_tools{};
  std::string environment{};  ///< of this instance
  std::string public_url{};   ///< `iss` of what this gateway issues; empty: no server runs
};

/// Threads: one at a time (the database executor, or the CLI's main thread), but for "server.test": any.
class Operations {
 public:
  Operations(store::Database& database, store::Vault& vault, store::Registry& registry, Live live);
  /// `op`: one of names(); docs/cli.md says what each takes and returns. `by`: who asks, "uid:1000" or
  /// "agent:ops". Errors: bad_request (unknown op or arguments), and what the registry says.
  Result<nlohmann::json> run(const std::string& op, const nlohmann::json& arguments,
                             const std::string& by = {});
  /// Every operation's name, in the order of the documentation.
  static std::vector<std::string> names();

 private:
  store::Database& database_;
  store::Vault& vault_;
  store::Registry& registry_;
  Live live_;
};

}  // namespace sallyport::admin
