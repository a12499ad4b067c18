#pragma once
/// From words to a tree. The grammar of CEL without messages; names are resolved on the way.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cel_lexer.hpp"
#include "cel_tree.hpp"

namespace sallyport::policy::cel {

/// One run over one source. Every member function that returns an optional has noted the error when it
/// returns nothing.
class Parser {
 public:
  Parser(Tree& tree, std::vector<Token> tokens, std::span<const std::string_view> variables)
      : tree_(tree), tokens_(std::move(tokens)), variables_(variables) {}
  bool run();
  SourceError error() && { return std::move(error_); }

 private:
  using Parsed = std::optional<NodeId>;

  const Token& peek(std::size_t ahead = 0) const {
    return tokens_[std::min(next_ + ahead, tokens_.size() - 1)];
  }
  bool take(std::string_view symbol);
  bool expect(std::string_view symbol, const char* where);
  std::nullopt_t wrong(std::uint32_t at, std::string what);

  Parsed expression();
  Parsed chain(int level);
  Parsed relation();
  Parsed binary(int level);
  Parsed unary();
  Parsed member();
  Parsed primary();
  Parsed name();
  Parsed number(bool negative);
  Parsed list();
  Parsed map();
  Parsed field(NodeId of);
  Parsed macro(NodeId container, const Token& name, Op op);
  Parsed has(std::uint32_t at);
  Parsed function(const Token& name, std::optional<NodeId> receiver);
  std::optional<std::vector<NodeId>> arguments(const Token& name);
  bool check_call(const Signature& signature, const Token& name, bool member, std::size_t count);

  /// The longest dotted name from here that something is called; how many names it has.
  struct Dotted {
    std::string name;
    std::size_t names = 0;
    std::optional<std::uint32_t> variable;
    std::optional<Kind> type;
  };
  Dotted longest_name() const;
  std::nullopt_t unknown_name(const Token& name);
  std::nullopt_t unknown_function(const Token& name);

  Parsed node(Op op, std::uint32_t at, std::vector<NodeId> operands, std::uint32_t index = Node::kNone,
              Function function = Function::dyn);
  Parsed constant(Value value, std::uint32_t at);
  std::uint32_t keep(Value value);
  std::string_view keep(std::string text);
  const Value* constant_of(NodeId id) const;
  Parsed folded_list(std::uint32_t at, const std::vector<NodeId>& items);
  /// Conversions and patterns that are constant: what is wrong with them is known now.
  Parsed folded_call(NodeId call);

  Tree& tree_;
  std::vector<Token> tokens_;
  std::span<const std::string_view> variables_;
  std::vector<std::string_view> scopes_;  ///< names of elements; the position is the slot
  std::size_t next_ = 0;
  int nesting_ = 0;
  SourceError error_;
};

}  // namespace sallyport::policy::cel
