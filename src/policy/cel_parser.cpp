#include "cel_parser.hpp"

#include <algorithm>
#include <array>

#include "cel_literal.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::policy::cel {

namespace {

struct Operator {
  std::string_view symbol;
  Op op;
};
constexpr std::array<Operator, 6> kRelations{{{"==", Op::equal},
                                              {"!=", Op::not_equal},
                                              {"<", Op::less},
                                              {"<=", Op::less_equal},
                                              {">", Op::greater},
                                              {">=", Op::greater_equal}}};
constexpr std::array<Operator, 2> kSums{{{"+", Op::add}, {"-", Op::subtract}}};
constexpr std::array<Operator, 3> kProducts{{{"*", Op::multiply}, {"/", Op::divide}, {"%", Op::modulo}}};

/// The operator that this token is; nullptr for none.
const Operator* one_of(std::span<const Operator> operators, const Token& token) {
  for (const auto& candidate : operators)
    if (token.is(candidate.symbol)) return &candidate;
  return nullptr;
}

std::string spelt(const Token& token) {
  return token.word == Word::end ? "the end" : "'" + std::string(token.spelt.substr(0, 40)) + "'";
}

}  // namespace

bool Parser::run() {
  if (peek().word == Word::end) return wrong(0, "this expression is empty"), false;
  const auto root = expression();
  if (!root) return false;
  if (peek().word != Word::end)
    return wrong(peek().at, "expected the end of the expression or an operator, found " + spelt(peek())),
           false;
  tree_.root = *root;
  return true;
}

bool Parser::take(std::string_view symbol) {
  if (!peek().is(symbol)) return false;
  ++next_;
  return true;
}

bool Parser::expect(std::string_view symbol, const char* where) {
  if (take(symbol)) return true;
  wrong(peek().at, "expected '" + std::string(symbol) + "' " + where + ", found " + spelt(peek()));
  return false;
}

std::nullopt_t Parser::wrong(std::uint32_t at, std::string what) {
  error_ = {at, std::move(what)};
  return std::nullopt;
}

Parser::Parsed Parser::expression() {
  if (nesting_ >= limits::kExpressionDepth)
    return wrong(peek().at, "this is nested too deeply; split the condition over several rules");
  ++nesting_;
  auto condition = chain(0);
  const auto at = peek().at;
  if (condition && take("?")) {
    const auto yes = chain(0);
    if (!yes || !expect(":", "of the conditional")) return std::nullopt;
    const auto no = expression();
    if (!no) return std::nullopt;
    condition = node(Op::conditional, at, {*condition, *yes, *no});
  }
  --nesting_;
  return condition;
}

/// a || b || c at level 0, a && b && c at level 1: one node each, however long.
Parser::Parsed Parser::chain(int level) {
  const std::string_view symbol = level == 0 ? "||" : "&&";
  const auto part = [&] { return level == 0 ? chain(1) : relation(); };
  const auto first = part();
  const auto at = peek().at;
  if (!first || !peek().is(symbol)) return first;
  std::vector<NodeId> operands{*first};
  while (take(symbol)) {
    const auto next = part();
    if (!next) return std::nullopt;
    operands.push_back(*next);
  }
  return node(level == 0 ? Op::logical_or : Op::logical_and, at, std::move(operands));
}

Parser::Parsed Parser::relation() {
  auto left = binary(0);
  while (left) {
    const Token& token = peek();
    const auto* const relation = one_of(kRelations, token);
    if (!relation && !token.named("in")) break;
    ++next_;
    const auto right = binary(0);
    if (!right) return std::nullopt;
    left = node(relation ? relation->op : Op::in, token.at, {*left, *right});
  }
  return left;
}

/// Sums at level 0, products at level 1.
Parser::Parsed Parser::binary(int level) {
  const auto operators = level == 0 ? std::span<const Operator>(kSums) : std::span<const Operator>(kProducts);
  const auto part = [&] { return level == 0 ? binary(1) : unary(); };
  auto left = part();
  while (left) {
    const Token& token = peek();
    const auto* const found = one_of(operators, token);
    if (!found) break;
    ++next_;
    const auto right = part();
    if (!right) return std::nullopt;
    left = node(found->op, token.at, {*left, *right});
  }
  return left;
}

Parser::Parsed Parser::unary() {
  const Token& token = peek();
  if (!token.is("!") && !token.is("-")) return member();
  const auto following = peek(1).word;
  if (token.is("-") && (following == Word::integer || following == Word::real)) return member();
  if (nesting_ >= limits::kExpressionDepth) return wrong(token.at, "too many operators in a row");
  ++next_;
  ++nesting_;
  const auto operand = unary();
  --nesting_;
  if (!operand) return std::nullopt;
  return node(token.is("!") ? Op::logical_not : Op::negate, token.at, {*operand});
}

Parser::Parsed Parser::member() {
  auto left = primary();
  while (left) {
    const auto at = peek().at;
    if (take("[")) {
      const auto index = expression();
      if (!index || !expect("]", "behind the index")) return std::nullopt;
      left = node(Op::element, at, {*left, *index});
    } else if (take(".")) {
      left = field(*left);
    } else {
      break;
    }
  }
  return left;
}

/// What follows the dot: a field, a function, a macro.
Parser::Parsed Parser::field(NodeId of) {
  const Token& name = peek();
  if (name.word != Word::name && name.word != Word::quoted_name)
    return wrong(name.at, "expected a name behind the dot, found " + spelt(name));
  ++next_;
  if (name.word == Word::quoted_name || !peek().is("("))
    return node(Op::select, name.at, {of}, keep(keep(name.text)));
  ++next_;
  struct Macro {
    std::string_view name;
    Op op;
  };
  static constexpr std::array<Macro, 5> macros{{{"all", Op::all},
                                                {"exists", Op::exists},
                                                {"exists_one", Op::exists_one},
                                                {"filter", Op::filter},
                                                {"map", Op::map_list}}};
  for (const auto& candidate : macros)
    if (name.text == candidate.name) return macro(of, name, candidate.op);
  return function(name, of);
}

Parser::Parsed Parser::macro(NodeId container, const Token& name, Op op) {
  const Token& element = peek();
  if (element.word != Word::name || !peek(1).is(","))
    return wrong(element.at, name.text + "() takes a name for the element, then what to do with it: " +
                                 name.text + "(x, ...)");
  next_ += 2;
  const auto slot = static_cast<std::uint32_t>(scopes_.size());
  scopes_.push_back(element.spelt);
  tree_.slots = std::max(tree_.slots, slot + 1);
  std::vector<NodeId> operands{container};
  do {
    const auto part = expression();
    if (!part) return std::nullopt;
    operands.push_back(*part);
  } while (op == Op::map_list && operands.size() < 3 && take(","));
  scopes_.pop_back();
  if (!expect(")", "behind the macro")) return std::nullopt;
  return node(op, name.at, std::move(operands), slot);
}

Parser::Parsed Parser::primary() {
  const Token& token = peek();
  switch (token.word) {
    case Word::integer:
    case Word::uinteger:
    case Word::real:
      return number(false);
    case Word::string:
      ++next_;
      return constant(keep(token.text), token.at);
    case Word::bytes:
      ++next_;
      return constant(Bytes{keep(token.text)}, token.at);
    case Word::name:
      return name();
    default:
      break;
  }
  if (token.is("-")) {
    ++next_;
    return number(true);
  }
  if (take("[")) return list();
  if (take("{")) return map();
  if (take("(")) {
    const auto inner = expression();
    if (!inner || !expect(")", "to close the parenthesis")) return std::nullopt;
    return inner;
  }
  if (token.is(".") && peek(1).word == Word::name) {
    ++next_;
    return name();
  }
  return wrong(token.at, "expected a value here, found " + spelt(token));
}

Parser::Parsed Parser::number(bool negative) {
  const Token& token = peek();
  ++next_;
  const auto value = number_of(token, negative);
  if (!value) return wrong(value.error().at, value.error().what);
  return constant(*value, token.at);
}

Parser::Parsed Parser::list() {
  const auto at = tokens_[next_ - 1].at;
  std::vector<NodeId> items;
  while (!peek().is("]")) {
    const auto item = expression();
    if (!item) return std::nullopt;
    items.push_back(*item);
    if (!take(",")) break;
  }
  if (!expect("]", "or ',' in the list")) return std::nullopt;
  return folded_list(at, items);
}

Parser::Parsed Parser::map() {
  const auto at = tokens_[next_ - 1].at;
  std::vector<NodeId> items;
  while (!peek().is("}")) {
    const auto key = expression();
    if (!key || !expect(":", "behind the key")) return std::nullopt;
    const auto value = expression();
    if (!value) return std::nullopt;
    items.push_back(*key);
    items.push_back(*value);
    if (!take(",")) break;
  }
  if (!expect("}", "or ',' in the map")) return std::nullopt;
  return node(Op::map, at, std::move(items));
}

}  // namespace sallyport::policy::cel
