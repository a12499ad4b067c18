#pragma once
/// The values that stand in configs, each read with its bounds.

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "condition.hpp"
#include "route_problems.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/route.hpp"

namespace sallyport::llm {

/// The path of a member: keys joined by commas.
std::string below(const std::string& at, std::string_view key);

/// What is wrong becomes a problem at `path`; what comes back then is something harmless.
/// Borrows: the list of problems.
class ConfigValues {
 public:
  explicit ConfigValues(RouteProblems& problems) : problems_(problems) {}

  bool object(json::Value value, const std::string& path);
  std::string name(json::Value value, const std::string& path);
  double weight(json::Value value, const std::string& path);
  bool flag(json::Value value, const std::string& path);
  std::int64_t integer(json::Value value, const std::string& path, std::int64_t least, std::int64_t most);
  std::chrono::milliseconds millis(json::Value value, const std::string& path,
                                   std::chrono::milliseconds least, std::chrono::milliseconds most);
  std::vector<int> statuses(json::Value value, const std::string& path);
  std::vector<std::string> drops(json::Value value, const std::string& path);
  Retry retry(json::Value value, const std::string& path);
  BreakerOptions breaker(json::Value value, const std::string& path);
  /// Empty: not enabled.
  std::vector<FactField> sticky(json::Value value, const std::string& path);

 private:
  std::vector<FactField> hash_fields(json::Value value, const std::string& path);
  RouteProblems& problems_;
};

}  // namespace sallyport::llm
