#include "sallyport/store/claim_path.hpp"

#include <algorithm>

namespace sallyport::store {
namespace {

constexpr std::size_t kSteps = 8;
constexpr std::size_t kPathBytes = 512;

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
         c == ':';
}

/// Takes `.name` or `["name"]` off the front; empty when neither stands there.
std::string take_step(std::string_view& rest) {
  if (rest.starts_with('.')) {
    rest.remove_prefix(1);
    const auto end = static_cast<std::size_t>(std::ranges::find_if_not(rest, is_plain) - rest.begin());
    std::string name(rest.substr(0, end));
    rest.remove_prefix(end);
    return name;
  }
  if (!rest.starts_with("[\"")) return {};
  rest.remove_prefix(2);
  const auto end = rest.find("\"]");
  if (end == std::string_view::npos) return {};
  std::string name(rest.substr(0, end));
  rest.remove_prefix(end + 2);
  return name.find_first_of("\"\\") == std::string::npos ? name : std::string();
}

}  // namespace

std::vector<std::string> claim_steps(std::string_view path) {
  constexpr std::string_view kRoot = "claims";
  if (!path.starts_with(kRoot) || path.size() > kPathBytes) return {};
  path.remove_prefix(kRoot.size());
  std::vector<std::string> out;
  while (!path.empty()) {
    out.push_back(take_step(path));
    if (out.back().empty() || out.size() > kSteps) return {};
  }
  return out;
}

}  // namespace sallyport::store
