#include "sallyport/identity/endpoint_path.hpp"

#include <algorithm>
#include <cstddef>

namespace sallyport::identity {

bool is_endpoint_path(std::string_view path) {
  constexpr std::string_view kPrefix = "/mcp/";
  constexpr std::size_t kNameBytes = 63;
  if (path == "/mcp" || path == "/v1") return true;
  if (!path.starts_with(kPrefix)) return false;
  path.remove_prefix(kPrefix.size());
  return !path.empty() && path.size() <= kNameBytes && std::ranges::all_of(path, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

}  // namespace sallyport::identity
