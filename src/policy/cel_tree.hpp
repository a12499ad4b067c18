#pragma once
/// A compiled expression.

#include <re2/re2.h>

#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cel_functions.hpp"
#include "cel_lexer.hpp"
#include "cel_value.hpp"

namespace sallyport::policy::cel {

using NodeId = std::uint32_t;

enum class Op : std::uint8_t {
  constant,  ///< index: of constants
  variable,  ///< index: of the declared ones
  slot,      ///< index: the name a macro gives to an element
  select,    ///< index: of constants, the field's name
  has,       ///< the same
  element,   ///< a[b]
  list,
  map,  ///< operands: key, value, key, value ...
  logical_not,
  negate,
  logical_and,  ///< two operands or more
  logical_or,   ///< the same
  conditional,
  equal,
  not_equal,
  less,
  less_equal,
  greater,
  greater_equal,
  in,
  add,
  subtract,
  multiply,
  divide,
  modulo,
  call,  ///< index: of patterns, behind a constant one
  // Macros. index: the slot; operands: the container, then what is evaluated with each element.
  all,
  exists,
  exists_one,
  filter,
  map_list,  ///< with three operands: container, condition, result
};

struct Node {
  Op op = Op::constant;
  Function function = Function::dyn;
  std::uint8_t height = 1;
  std::uint32_t at = 0;  ///< byte in the source
  std::uint32_t index = kNone;
  std::uint32_t first = 0, count = 0;  ///< in operands
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
};

/// Owns everything that its constants borrow.
struct Tree {
  std::string source;
  std::vector<Node> nodes;
  std::vector<NodeId> operands;
  NodeId root = 0;
  std::uint32_t slots = 0;      ///< that its macros need at a time
  std::uint64_t variables = 0;  ///< bit n: the nth declared one is read
  std::vector<Value> constants;
  std::vector<std::unique_ptr<const re2::RE2>> patterns;
  std::deque<std::string> texts;
  std::deque<std::vector<Value>> lists;

  NodeId operand(const Node& node, std::uint32_t n) const { return operands[node.first + n]; }
};

/// `variables`: the names that it may read, at most 64, dots allowed.
/// Errors: the first thing that is wrong. No type is checked.
std::expected<std::unique_ptr<Tree>, SourceError> parse(std::string_view source,
                                                        std::span<const std::string_view> variables);

}  // namespace sallyport::policy::cel
