#include "sallyport/json/difference.hpp"

#include <map>
#include <optional>

namespace sallyport::json {
namespace {

// Beyond this an object is one field: many members below a long name would each repeat it.
constexpr std::size_t kPathBytes = 512;
// Of which more differ is told as a whole: thousands of fields are no help to whoever decides over a change.
constexpr std::size_t kFields = 1000;

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

class Comparer {
 public:
  void compare(const Value& before, const Value& after, const std::string& path) {
    std::string old_text = canonical(before);
    std::string new_text = canonical(after);
    if (old_text == new_text) return;
    const std::size_t told = out_.size();
    if (parts(before, after, path)) return;
    out_.resize(told);
    out_.push_back({.path = path, .before = std::move(old_text), .after = std::move(new_text)});
  }
  std::vector<FieldChange> take() { return std::move(out_); }

 private:
  /// What differs within; false where that cannot be told, or came to more than kFields.
  bool parts(const Value& before, const Value& after, const std::string& path) {
    if (before.is(Kind::object) && after.is(Kind::object)) return members(before, after, path);
    if (before.is(Kind::array) && after.is(Kind::array)) return elements(before, after, path);
    return false;
  }

  bool members(const Value& before, const Value& after, const std::string& path) {
    const auto olds = members_of(before, path.size());
    const auto news = members_of(after, path.size());
    if (!olds || !news) return false;
    const std::size_t most = out_.size() + kFields;
    for (const auto& [key, value] : *olds) {
      const auto other = news->find(key);
      part(value, other == news->end() ? std::nullopt : std::optional(other->second), path + token(key));
      if (out_.size() > most) return false;
    }
    for (const auto& [key, value] : *news) {
      if (!olds->contains(key)) part(std::nullopt, value, path + token(key));
      if (out_.size() > most) return false;
    }
    return true;
  }

  bool elements(const Value& before, const Value& after, const std::string& path) {
    const auto olds = before.elements(), news = after.elements();
    const std::size_t most = out_.size() + kFields;
    auto a = olds.begin(), b = news.begin();
    for (std::size_t i = 0; a != olds.end() || b != news.end(); ++i) {
      std::optional<Value> old, now;
      if (a != olds.end()) old = *a++;
      if (b != news.end()) now = *b++;
      part(old, now, path + "/" + std::to_string(i));
      if (out_.size() > most) return false;
    }
    return true;
  }

  void part(const std::optional<Value>& before, const std::optional<Value>& after, const std::string& path) {
    if (before && after) return compare(*before, *after, path);
    out_.push_back({.path = path,
                    .before = before ? canonical(*before) : std::string(),
                    .after = after ? canonical(*after) : std::string()});
  }

  std::vector<FieldChange> out_;
};

}  // namespace

std::vector<FieldChange> difference(const Value& before, const Value& after) {
  Comparer comparer;
  comparer.compare(before, after, "");
  return comparer.take();
}

}  // namespace sallyport::json
