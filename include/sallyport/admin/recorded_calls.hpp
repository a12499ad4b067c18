#pragma once
/// What the calls in the journal say about a change of a tool's input schema.

#include <cstdint>
#include <string>

#include "sallyport/core/error.hpp"

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

}  // namespace sallyport::admin
