#pragma once
/// A document's text as a tree with positions: what YAML and JSON have in common, before anything is checked.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/store/documents.hpp"

namespace sallyport::store {

/// Bounds of one file, so that no text can exhaust memory or the stack.
inline constexpr std::size_t kFileBytes = std::size_t{4} * 1024 * 1024;
inline constexpr std::size_t kNodeDepth = 32;   ///< the deepest document kind needs 6
inline constexpr std::size_t kNodes = 400'000;  ///< values of one file
inline constexpr std::size_t kStructureBytes =
    1'000'000;                                 ///< brackets, commas and quotes: the parser queues them
inline constexpr std::size_t kProblems = 100;  ///< then the rest of the file is not looked at

/// One value. `plain` is true for a scalar that was written without quotes (in JSON: a number or a boolean).
struct Node {
  enum class Kind : std::uint8_t { null, scalar, list, map } kind = Kind::null;
  bool plain = false;
  int line = 1, column = 1;  ///< from 1; columns count bytes
  std::string text{};
  std::vector<Node> items{};  ///< elements of a list, values of a map
  std::vector<Node> keys{};   ///< of a map, in order, duplicates included; keys[i] belongs to items[i]

  struct Entry {
    const Node& key;
    const Node& value;
  };
  std::vector<Entry> entries() const {
    std::vector<Entry> out;
    for (std::size_t i = 0; i < keys.size(); ++i) out.push_back({keys[i], items[i]});
    return out;
  }
};

/// Collects what is wrong with one file, up to kProblems.
class Problems {
 public:
  explicit Problems(std::string file) : file_(std::move(file)) {}
  void add(int line, int column, std::string what);
  void add(const Node& at, std::string what) { add(at.line, at.column, std::move(what)); }
  bool full() const { return list_.size() >= kProblems; }
  bool empty() const { return list_.empty(); }
  std::size_t size() const { return list_.size(); }
  std::vector<ReadProblem> take() { return std::move(list_); }

 private:
  std::string file_;
  std::vector<ReadProblem> list_;
};

/// One root per document; empty documents are left out. What cannot be read is in `problems`.
std::vector<Node> nodes_of_yaml(std::string_view text, Problems& problems);
/// One root, or one per element of a top-level list.
std::vector<Node> nodes_of_json(std::string_view text, Problems& problems);
/// True when `text` is JSON as a whole.
bool is_json(std::string_view text);

/// A word of the file as it may stand in a message: short, without control characters.
std::string shown(std::string_view text);

}  // namespace sallyport::store
