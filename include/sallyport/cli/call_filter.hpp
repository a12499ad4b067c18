#pragma once
/// Which calls of the journal somebody wants to see.

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <nlohmann/json.hpp>

namespace sallyport::cli {

/// What is asked for; what is empty matches everything. Globs as in policies.
struct CallWish {
  std::string principal{};                         ///< "release-bot", "agent:release-bot", "user:*"
  std::optional<std::vector<std::string>> team{};  ///< its members: "agent:x", "user:y"
  std::string model{};                             ///< glob over PROVIDER/MODEL, or over the model alone
  std::string tool{};                              ///< glob over SERVER/TOOL, or over the tool alone
  std::string trace{};
  std::map<std::string, std::string> metadata{};
  bool empty() const {
    return principal.empty() && !team && model.empty() && tool.empty() && trace.empty() && metadata.empty();
  }
};

/// Sorts records as they come: an outcome belongs to its intent.
class CallFilter {
 public:
  explicit CallFilter(CallWish wish) : wish_(std::move(wish)) {}
  /// Records that are no part of a call match only a wish for nothing.
  bool takes(const nlohmann::json& record);

 private:
  bool is_wanted(const nlohmann::json& record) const;
  const CallWish wish_;
  std::unordered_set<std::string> open_;  ///< calls whose intent was taken
};

}  // namespace sallyport::cli
