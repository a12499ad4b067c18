#pragma once
/// Texts as a JSON array.

#include <string>
#include <vector>

#include "sallyport/json/document.hpp"

namespace sallyport::json {

inline std::string list_of(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) out += (out.size() > 1 ? "," : "") + quote(text);
  return out + "]";
}

}  // namespace sallyport::json
