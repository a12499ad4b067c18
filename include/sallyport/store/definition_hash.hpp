#pragma once
/// How people and documents name a version of a definition.

#include <string_view>

#include "sallyport/core/limits.hpp"

namespace sallyport::store {

/// Whether it is the beginning of a definition's hash that is long enough to mean one version:
/// limits::kPinDigits to 64 lower-case hex digits.
inline bool names_version(std::string_view text) {
  return text.size() >= limits::kPinDigits && text.size() <= 64 &&
         text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

}  // namespace sallyport::store
