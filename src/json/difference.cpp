#include "sallyport/json/difference.hpp"

#include <map>
#include <optional>

namespace sallyport::json {
namespace {

// Beyond this an object is one field: many members below a long name would each repeat it.
constexpr std::size_t kPathBytes = 512;

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

using Members = std::map<std::string, Value>;

/// The members by key; nullopt where a key stands twice, or is too long to stand in the path of a field.
std::optional<Members> members_of(const Value& object, std::size_t path_bytes) {
  Members out;
  for (const auto& member : object.members()) {
    const auto [at, fresh] = out.emplace(member.key(), member.value);
    if (!fresh || path_bytes + at->first.size() > kPathBytes) return std::nullopt;
  }
  return out;
}

void compare(const Value& before, const Value& after, const std::string& path,
             std::vector<FieldChange>& out) {
  std::string old_text = canonical(before);
  std::string new_text = canonical(after);
  if (old_text == new_text) return;
  if (before.is(Kind::object) && after.is(Kind::object)) {
    const auto olds = members_of(before, path.size());
    const auto news = members_of(after, path.size());
    if (olds && news) {
      for (const auto& [key, value] : *olds) {
        const auto other = news->find(key);
        if (other != news->end()) {
          compare(value, other->second, path + token(key), out);
        } else {
          out.push_back({.path = path + token(key), .before = canonical(value), .after = {}});
        }
      }
      for (const auto& [key, value] : *news)
        if (!olds->contains(key))
          out.push_back({.path = path + token(key), .before = {}, .after = canonical(value)});
      return;
    }
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
