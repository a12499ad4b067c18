#include <algorithm>
#include <charconv>

#include "sallyport/json/document.hpp"

namespace sallyport::json {
namespace {

/// One reference token with ~1 and ~0 decoded; nullopt when another byte follows a tilde.
std::optional<std::string> unescape(std::string_view token) {
  std::string out;
  while (!token.empty()) {
    const auto plain = token.substr(0, token.find('~'));
    out += plain;
    token.remove_prefix(plain.size());
    if (token.empty()) break;
    if (token.starts_with("~0"))
      out += '~';
    else if (token.starts_with("~1"))
      out += '/';
    else
      return std::nullopt;
    token.remove_prefix(2);
  }
  return out;
}

std::optional<Value> element(const Value& array, std::string_view token) {
  std::size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc{} || end != token.data() + token.size()) return std::nullopt;
  if (token.size() > 1 && token.front() == '0') return std::nullopt;
  if (index >= array.size()) return std::nullopt;
  auto at = array.elements().begin();
  for (; index > 0; --index) ++at;
  return *at;
}

}  // namespace

std::optional<Value> at_pointer(Value root, std::string_view pointer) {
  std::optional<Value> at = root;
  while (!pointer.empty()) {
    if (pointer.front() != '/') return std::nullopt;
    const auto token = pointer.substr(1, pointer.find('/', 1) - 1);
    pointer.remove_prefix(token.size() + 1);
    const auto name = unescape(token);
    if (!name) return std::nullopt;
    if (!at) return std::nullopt;
    at = at->is(Kind::array) ? element(*at, *name) : at->find(*name);
  }
  return at;
}

}  // namespace sallyport::json
