#pragma once
/// One mapping while it is being read: every key is asked for once, what was not asked for is unknown.

#include <chrono>
#include <functional>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "node.hpp"

namespace sallyport::store {

/// Raw JSON of a node; a plain scalar is a number or a flag where JSON has one of that spelling, else text.
/// Reports into `problems` what JSON readers would not all read alike.
std::string json_of(const Node& node, Problems& problems);

/// Reports into `problems` and goes on with defaults, so that one pass finds everything.
class Fields {
 public:
  /// `what` names the mapping in messages ("Server", "a rule"). Reports duplicate keys and keys that are not
  /// text.
  Fields(const Node& map, std::string what, Problems& problems);
  /// False when the node was no mapping: that is reported, and nothing else should be.
  bool usable() const { return usable_; }

  /// The value of a key, or null. Absent and reported when `required`.
  const Node* take(std::string_view key, bool required = false);
  /// Text; a plain number or boolean counts as what is written there, null and lists do not.
  std::optional<std::string> text(std::string_view key, bool required = false);
  /// Text with a check that returns what is wrong, or "".
  using Check = std::function<std::string(std::string_view)>;
  std::string checked(std::string_view key, const Check& check, bool required = false,
                      std::string fallback = {});
  bool flag(std::string_view key, bool fallback = false);
  /// "500ms", "30s", "5m", "1h" within the bounds.
  std::chrono::milliseconds duration(std::string_view key, std::chrono::milliseconds fallback,
                                     std::chrono::milliseconds least, std::chrono::milliseconds most);
  std::vector<std::string> texts(std::string_view key, const Check& each, bool required = false);
  std::map<std::string, std::string> text_map(std::string_view key, const Check& name, const Check& value);
  /// Raw JSON of any value. Reports integers that no signed 64 bits hold, and numbers that are not finite.
  std::string json(std::string_view key);
  /// The elements of a list.
  const std::vector<Node>& list(std::string_view key, bool required = false);

  /// One word of a closed set; `later` are words that a future version will know.
  template <class E>
  E word(std::string_view key, E fallback, std::initializer_list<std::pair<std::string_view, E>> words,
         std::initializer_list<std::string_view> later = {}, bool required = false) {
    std::vector<std::string_view> names;
    for (const auto& [name, value] : words) names.push_back(name);
    const auto index = word_index(key, names, later, required);
    return index ? (words.begin() + *index)->second : fallback;
  }

  bool has(std::string_view key) const;
  /// True for a key whose value is a list without entries.
  bool list_is_empty(std::string_view key) const;
  void problem(std::string_view key, std::string what);
  /// Reports what nobody asked for. `later`: keys that a future version will know.
  void finish(std::initializer_list<std::string_view> later = {});

 private:
  std::optional<std::ptrdiff_t> word_index(std::string_view key, const std::vector<std::string_view>& names,
                                           std::initializer_list<std::string_view> later, bool required);
  std::optional<std::string> scalar(const Node& node, std::string_view key);

  const Node& map_;
  std::string what_;
  Problems& problems_;
  bool usable_ = false;
  std::vector<std::string_view> asked_;
};

}  // namespace sallyport::store
