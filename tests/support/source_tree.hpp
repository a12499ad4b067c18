#pragma once
/// Files of the source tree that tests read: documentation and shipped policies.

#include <cstdlib>
#include <filesystem>

namespace sallyport::testing {

/// `path` within the source tree: below SALLYPORT_SOURCE, which ctest sets, else below the current folder.
inline std::filesystem::path in_source_tree(const std::filesystem::path& path) {
  const char* source = std::getenv("SALLYPORT_SOURCE");
  return std::filesystem::path(source ? source : ".") / path;
}

}  // namespace sallyport::testing
