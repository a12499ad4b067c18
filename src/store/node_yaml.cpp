#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>

#include "node.hpp"

namespace sallyport::store {
namespace {

/// Thrown out of the parser's callbacks; never leaves this file.
struct Refused {
  int line, column;
  std::string what;
};

/// Builds the tree from parse events. The parser's own recursion goes one level per start event, so refusing
/// here bounds it as well.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(Problems& problems) : problems_(problems) {}

  Node take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    // The parser offers a token that begins no value as an empty document, and again, without end.
    if (mark.pos == document_at_)
      throw Refused{mark.line + 1, mark.column + 1, "not YAML: nothing may stand here"};
    document_at_ = mark.pos;
    open_.clear();
    root_ = make(mark, Node::Kind::null);
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    place(make(mark, Node::Kind::null));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw Refused{mark.line + 1, mark.column + 1, "aliases (*name) are not accepted: write the value out"};
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag == "!" ? "" : tag, anchor);
    Node node = make(mark, Node::Kind::scalar);
    node.plain = tag != "!";
    node.text = value;
    place(std::move(node));
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, Node::Kind::list);
  }
  void OnSequenceEnd() override { finish(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    start(mark, tag, anchor, Node::Kind::map);
  }
  void OnMapEnd() override { finish(); }

 private:
  Node make(const YAML::Mark& mark, Node::Kind kind) {
    if (++nodes_ > kNodes) {
      throw Refused{mark.line + 1, mark.column + 1, "too many values: split the file"};
    }
    return Node{.kind = kind, .line = mark.line + 1, .column = mark.column + 1};
  }

  void check(const YAML::Mark& mark, std::string_view tag, YAML::anchor_t anchor) {
    if (anchor != 0)
      problems_.add(mark.line + 1, mark.column + 1, "anchors (&name) are not accepted: remove it");
    if (!tag.empty() && tag != "?") {
      problems_.add(mark.line + 1, mark.column + 1, "tags (!name) are not accepted: remove it");
    }
  }

  void start(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Node::Kind kind) {
    if (open_.size() >= kNodeDepth) {
      throw Refused{mark.line + 1, mark.column + 1, "nested too deeply"};
    }
    check(mark, tag, anchor);
    open_.push_back(make(mark, kind));
  }

  void finish() {
    Node done = std::move(open_.back());
    open_.pop_back();
    place(std::move(done));
  }

  void place(Node node) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Node& level = open_.back();
    const bool is_key = level.kind == Node::Kind::map && level.keys.size() == level.items.size();
    const bool is_value = level.kind == Node::Kind::map && !is_key;
    if (is_value && node.kind == Node::Kind::null && node.line > level.keys.back().line) {
      // The parser places a value that was left out at whatever comes next.
      node.line = level.keys.back().line;
      node.column = level.keys.back().column;
    }
    (is_key ? level.keys : level.items).push_back(std::move(node));
  }

  Problems& problems_;
  Node root_{};
  std::vector<Node> open_;
  std::size_t nodes_ = 0;
  int document_at_ = -1;
};

/// Reads a view without copying it.
class ViewBuffer final : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* begin = const_cast<char*>(text.data());  // streambuf's interface; nothing is written through it
    setg(begin, begin, begin + text.size());
  }
};

/// True when the text is within what the parser may be given; the parser has no bounds of its own on these.
bool within_bounds(std::string_view text, Problems& problems) {
  int line = 1, column = 1;
  std::size_t structure = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t' && c != '\n' && c != '\r') || byte == 0x7f) {
      problems.add(line, column, "a control character: remove it, or write it as an escape in double quotes");
      return false;
    }
    if (c == '%' && column == 1) {
      problems.add(line, column, "directives (%NAME) are not accepted: remove the line");
      return false;
    }
    if (c == '[' || c == '{' || c == ',' || c == '"' || c == '\'') ++structure;
    if (c == '\n') {
      ++line;
      column = 1;
    } else {
      ++column;
    }
  }
  if (structure > kStructureBytes) problems.add(1, 1, "too many values: split the file");
  return structure <= kStructureBytes;
}

bool is_empty(const Node& root) { return root.kind == Node::Kind::null; }

}  // namespace

std::vector<Node> nodes_of_yaml(std::string_view text, Problems& problems) {
  std::vector<Node> roots;
  if (!within_bounds(text, problems)) return roots;
  try {
    ViewBuffer buffer(text);
    std::istream stream(&buffer);
    YAML::Parser parser(stream);
    TreeBuilder builder(problems);
    while (!problems.full() && parser.HandleNextDocument(builder)) {
      Node root = builder.take_root();
      if (root.kind == Node::Kind::list) {
        std::ranges::move(root.items, std::back_inserter(roots));
      } else if (!is_empty(root)) {
        roots.push_back(std::move(root));
      }
    }
  } catch (const Refused& refused) {
    problems.add(refused.line, refused.column, refused.what);
  } catch (const YAML::Exception& error) {
    const bool placed = !error.mark.is_null();
    problems.add(placed ? error.mark.line + 1 : 1, placed ? error.mark.column + 1 : 1,
                 "not YAML: " + error.msg);
  } catch (const std::exception&) {
    problems.add(1, 1, "not YAML");
  }
  return roots;
}

}  // namespace sallyport::store
