#pragma once
/// Texts as a JSON array, and back.

#include <string>
#include <vector>

#include "sallyport/json/document.hpp"

namespace sallyport::json {

inline std::string list_of(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) out += (out.size() > 1 ? "," : "") + quote(text);
  return out + "]";
}

/// The texts of an array; what is no text is left out.
inline std::vector<std::string> texts_of(const Value& array) {
  std::vector<std::string> out;
  for (const auto& one : array.elements())
    if (auto text = one.string()) out.push_back(std::move(*text));
  return out;
}

}  // namespace sallyport::json
