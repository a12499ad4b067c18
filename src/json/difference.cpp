#include "sallyport/json/difference.hpp"

#include <algorithm>
#include <set>

namespace sallyport::json {
namespace {

/// A key as a token of a pointer.
std::string token(std::string_view key) {
  std::string out = "/";
  for (const char c : key) {
    if (c == '~') {
      out += "~0";
    } else if (c == '/') {
      out += "~1";
    } else {
      out += c;
    }
  }
  return out;
}

bool has_duplicates(const Value& object) {
  std::set<std::string> seen;
  return std::ranges::any_of(object.members(),
                             [&](const Value::Member& member) { return !seen.insert(member.key()).second; });
}

void compare(const Value& before, const Value& after, const std::string& path,
             std::vector<FieldChange>& out) {
  std::string old_text = canonical(before);
  std::string new_text = canonical(after);
  if (old_text == new_text) return;
  const bool objects =
      before.is(Kind::object) && after.is(Kind::object) && !has_duplicates(before) && !has_duplicates(after);
  if (objects) {
    for (const auto& member : before.members()) {
      const std::string key = member.key();
      if (const auto other = after.find(key)) {
        compare(member.value, *other, path + token(key), out);
      } else {
        out.push_back({.path = path + token(key), .before = canonical(member.value), .after = {}});
      }
    }
    for (const auto& member : after.members()) {
      const std::string key = member.key();
      if (!before.find(key))
        out.push_back({.path = path + token(key), .before = {}, .after = canonical(member.value)});
    }
    return;
  }
  if (before.is(Kind::array) && after.is(Kind::array)) {
    const auto olds = before.elements();
    const auto news = after.elements();
    auto a = olds.begin();
    auto b = news.begin();
    for (std::size_t i = 0; a != olds.end() || b != news.end(); ++i) {
      const std::string here = path + "/" + std::to_string(i);
      if (b == news.end()) {
        out.push_back({.path = here, .before = canonical(*a), .after = {}});
      } else if (a == olds.end()) {
        out.push_back({.path = here, .before = {}, .after = canonical(*b)});
      } else {
        compare(*a, *b, here, out);
      }
      if (a != olds.end()) ++a;
      if (b != news.end()) ++b;
    }
    return;
  }
  out.push_back({.path = path, .before = std::move(old_text), .after = std::move(new_text)});
}

}  // namespace

std::vector<FieldChange> difference(const Value& before, const Value& after) {
  std::vector<FieldChange> out;
  compare(before, after, "", out);
  return out;
}

}  // namespace sallyport::json
