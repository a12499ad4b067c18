#include <algorithm>
#include <charconv>

#include "sallyport/json/document.hpp"

namespace sallyport::json {
namespace {

/// One reference token with ~1 and ~0 decoded; nullopt when another byte follows a tilde.
std::optional<std::string> unescape(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] != '~') {
      out += token[i];
    } else if (++i == token.size() || (token[i] != '0' && token[i] != '1')) {
      return std::nullopt;
    } else {
      out += token[i] == '0' ? '~' : '/';
    }
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
