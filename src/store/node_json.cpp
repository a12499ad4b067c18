#include <algorithm>
#include <charconv>

#include "node.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::store {
namespace {

/// Objects may repeat keys here: the reader reports them with their place, as it does for YAML.
constexpr json::Rules kRules{.unique_keys = false, .max_depth = static_cast<int>(kNodeDepth)};

/// Turns checked slices into nodes; walks forward only, so that lines are counted once.
class TreeWalk {
 public:
  explicit TreeWalk(std::string_view text) : text_(text) {}

  Node node(const json::Value& value) {
    Node made = at(value.raw());
    switch (value.kind()) {
      case json::Kind::null:
        break;
      case json::Kind::boolean:
      case json::Kind::number:
        made.kind = Node::Kind::scalar;
        made.plain = true;
        made.text = value.raw();
        break;
      case json::Kind::string:
        made.kind = Node::Kind::scalar;
        made.text = value.string().value_or("");
        break;
      case json::Kind::array:
        made.kind = Node::Kind::list;
        for (const auto element : value.elements()) made.items.push_back(node(element));
        break;
      case json::Kind::object:
        made.kind = Node::Kind::map;
        for (const auto& member : value.members()) {
          Node key = at_key(member);
          made.keys.push_back(std::move(key));
          made.items.push_back(node(member.value));
        }
        break;
    }
    return made;
  }

 private:
  Node at(std::string_view slice) {
    const auto offset = static_cast<std::size_t>(slice.data() - text_.data());
    while (position_ < offset) {
      if (text_[position_++] == '\n') {
        ++line_;
        line_start_ = position_;
      }
    }
    return Node{.line = line_, .column = static_cast<int>(offset - line_start_) + 1};
  }

  Node at_key(const json::Value::Member& member) {
    Node key = at(member.raw_key());
    key.kind = Node::Kind::scalar;
    key.text = member.key();
    return key;
  }

  std::string_view text_;
  std::size_t position_ = 0, line_start_ = 0;
  int line_ = 1;
};

/// The place of a byte, from 1.
std::pair<int, int> place_of(std::string_view text, std::size_t offset) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line_start = before.rfind('\n');
  const auto column = line_start == std::string_view::npos ? before.size() : before.size() - line_start - 1;
  return {static_cast<int>(std::ranges::count(before, '\n')) + 1, static_cast<int>(column) + 1};
}

/// The JSON door's hint is "offset N: what is wrong".
std::pair<std::size_t, std::string_view> split_hint(std::string_view hint) {
  constexpr std::string_view kOffset = "offset ";
  std::size_t offset = 0;
  const auto colon = hint.find(": ");
  if (!hint.starts_with(kOffset) || colon == std::string_view::npos) return {0, hint};
  std::from_chars(hint.data() + kOffset.size(), hint.data() + colon, offset);
  return {offset, hint.substr(colon + 2)};
}

}  // namespace

std::vector<Node> nodes_of_json(std::string_view text, Problems& problems) {
  auto document = json::Document::parse(std::string(text), kRules);
  if (!document) {
    const auto [offset, what] = split_hint(document.error().hint);
    const auto [line, column] = place_of(text, offset);
    problems.add(line, column, "not JSON: " + std::string(what));
    return {};
  }
  Node root = TreeWalk(document->bytes()).node(document->root());
  if (root.kind == Node::Kind::list) return std::move(root.items);
  std::vector<Node> roots;
  roots.push_back(std::move(root));
  return roots;
}

bool is_json(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || (text[first] != '{' && text[first] != '[')) return false;
  return json::Document::parse(std::string(text), kRules).has_value();
}

}  // namespace sallyport::store
