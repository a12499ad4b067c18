#pragma once
/// Table tests that stand beside policies (`policies/*.test.yaml`, docs/documents.md).

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/store/documents.hpp"

namespace sallyport::store {

/// One row: who asks for what, and what must come of it.
struct PolicyCase {
  int line = 0;
  std::string principal;  ///< agent:x, user:x, anonymous; teams and the rest besides what documents say
  std::vector<std::string> teams{}, roles{};
  std::map<std::string, std::string> claims{};
  std::string kind{};                      ///< "tool", "prompt" or "resource"
  std::string target{};                    ///< SERVER/NAME
  std::string annotations{"{}"};           ///< of the tool; raw JSON object
  std::optional<std::string> arguments{};  ///< raw JSON object; none: is it listed?
  bool allow = false;
  std::string rule{};  ///< "read-only#2"; empty: any
};

struct PolicyTests {
  std::vector<std::string> policies{};  ///< files, relative to this one
  std::string environment{};
  std::vector<PolicyCase> cases{};
};

/// Errors: every problem of the file with its place.
std::expected<PolicyTests, std::vector<ReadProblem>> read_policy_tests(std::string_view text,
                                                                       const std::string& file);

}  // namespace sallyport::store
