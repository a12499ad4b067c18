#pragma once
/// How a place in a value or a schema is told to people.

#include <string>
#include <string_view>

namespace sallyport::json {

/// "/a/b", from "/a" and "b". What is very long, or stands very deep, is cut: foreign names may be as long as
/// their definition, and each of thousands below one would repeat it.
inline std::string below(const std::string& path, std::string_view name) {
  constexpr std::size_t kPathBytes = 400;
  return path.size() < kPathBytes ? path + "/" + std::string(name.substr(0, kPathBytes)) : path;
}

}  // namespace sallyport::json
