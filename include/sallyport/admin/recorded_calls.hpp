#pragma once
/// What the journal says of calls: which there were, with what arguments, and when.

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/gateway/replay.hpp"

namespace sallyport::admin {

/// Calls of one tool whose arguments the journal has (capture: full).
struct RecordedFit {
  std::uint64_t calls = 0;         ///< with arguments
  std::uint64_t failing = 0;       ///< fitted the schema of before, or nobody knows, and do not fit this one
  std::uint64_t undetermined = 0;  ///< nobody can tell whether they fit this one
  std::uint64_t uncaptured = 0;    ///< calls of which the journal has no arguments
  std::string example{};           ///< why the newest failing one fails: "/path: keyword"
};

/// Reads the journal of a data directory, the newest start first, up to limits::kRecordedCalls calls with
/// arguments. `tool` is "server/name", the schemas are JSON. Errors: bad_json (a schema), storage.
Result<RecordedFit> check_recorded_calls(const std::string& directory, const std::string& tool,
                                         const std::string& before, const std::string& after);

/// A call, or a refusal by a policy. `arguments`: whether some came with it; of a refusal nobody knows.
struct RecordedDecision {
  gateway::RecordedCall call;
  enum class Arguments : std::uint8_t { none, some, unknown } arguments = Arguments::unknown;
};
/// Those from that time on (Unix milliseconds), in their order. Errors: storage.
Result<void> read_decisions(const std::string& directory, std::int64_t from_millis,
                            const std::function<void(const RecordedDecision&)>& sink);

/// The arguments of these calls that were captured. Errors: storage.
Result<void> read_arguments(const std::string& directory, const std::set<std::string>& calls,
                            const std::function<void(const std::string& call, std::string_view json)>& sink);

/// When each of these tools ("server/name") was last called at an endpoint, as Unix milliseconds; what was
/// not is missing. Looks at limits::kLookBack bytes of records, the newest first; `whole` is false where
/// there are more. Errors: storage.
struct LastCalls {
  std::map<std::string, std::int64_t> at{};
  bool whole = true;
};
Result<LastCalls> last_calls(const std::string& directory, const std::string& endpoint,
                             const std::set<std::string>& tools);

}  // namespace sallyport::admin
