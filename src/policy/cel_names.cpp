#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <limits>

#include "cel_parser.hpp"

namespace sallyport::policy::cel {

namespace {

constexpr std::array<std::string_view, 17> kReserved{
    "as",  "break", "const",   "continue",  "else",   "for", "function", "if",   "import",
    "let", "loop",  "package", "namespace", "return", "var", "void",     "while"};

/// Steps from one word to the other, each a letter changed, left out or put in; the names here are short.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t i = 0; i <= b.size(); ++i) row[i] = i;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t changed = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
      corner = row[j];
      row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row.back();
}

class Nearest {
 public:
  explicit Nearest(std::string_view wanted) : wanted_(wanted.substr(0, 40)) {}
  void offer(std::string_view name) {
    const auto steps = distance(wanted_, name);
    if (steps >= least_ || steps > std::max<std::size_t>(2, wanted_.size() / 3) || steps >= name.size())
      return;
    least_ = steps;
    name_ = name;
  }
  /// "; did you mean 'x'?", or nothing.
  std::string advice() const { return name_.empty() ? "" : "; did you mean '" + std::string(name_) + "'?"; }

 private:
  std::string_view wanted_, name_;
  std::size_t least_ = std::numeric_limits<std::size_t>::max();
};

std::string quoted(const Token& name) { return "'" + name.text.substr(0, 40) + "'"; }

std::optional<Kind> type_named(std::string_view name) {
  for (int kind = 0; kind < static_cast<int>(Kind::fault); ++kind)
    if (name_of(static_cast<Kind>(kind)) == name) return static_cast<Kind>(kind);
  return std::nullopt;
}

}  // namespace

Parser::Dotted Parser::longest_name() const {
  Dotted longest;
  std::string name;
  for (std::size_t names = 0; peek(names * 2).word == Word::name; ++names) {
    name += (names == 0 ? "" : ".") + peek(names * 2).text;
    const auto variable = std::ranges::find(variables_, name);
    if (variable != variables_.end())
      longest = {name, names + 1, static_cast<std::uint32_t>(variable - variables_.begin()), std::nullopt};
    else if (const auto type = type_named(name))
      longest = {name, names + 1, std::nullopt, type};
    // No declared name is longer.
    if (names == 3 || !peek(names * 2 + 1).is(".")) break;
  }
  return longest;
}

Parser::Parsed Parser::name() {
  const Token& token = peek();
  if (token.text == "true" || token.text == "false") {
    ++next_;
    return constant(token.text == "true", token.at);
  }
  if (token.text == "null") {
    ++next_;
    return constant(Null{}, token.at);
  }
  if (token.text == "in" || std::ranges::find(kReserved, token.text) != kReserved.end())
    return wrong(token.at, quoted(token) + " is a reserved word and stands for nothing here");
  if (peek(1).is("(")) {
    next_ += 2;
    return token.text == "has" ? has(token.at) : function(token, std::nullopt);
  }
  // The innermost macro wins.
  const auto scope = std::find(scopes_.rbegin(), scopes_.rend(), token.text);
  const bool absolute = next_ > 0 && tokens_[next_ - 1].is(".");
  if (scope != scopes_.rend() && !absolute) {
    ++next_;
    return node(Op::slot, token.at, {}, static_cast<std::uint32_t>(scopes_.rend() - scope - 1));
  }
  const auto longest = longest_name();
  if (longest.names == 0) return unknown_name(token);
  next_ += longest.names * 2 - 1;
  if (longest.type) return constant(Type{*longest.type}, token.at);
  tree_.variables |= std::uint64_t{1} << *longest.variable;
  return node(Op::variable, token.at, {}, *longest.variable);
}

std::nullopt_t Parser::unknown_name(const Token& name) {
  if (find_function(name.text))
    return wrong(name.at, quoted(name) + " is a function; call it with its arguments in parentheses");
  Nearest nearest(name.text);
  std::string known;
  for (const auto variable : variables_) {
    nearest.offer(variable);
    known += (known.empty() ? "" : ", ") + std::string(variable);
  }
  for (const auto scope : scopes_) nearest.offer(scope);
  auto advice = nearest.advice();
  if (advice.empty() && !known.empty()) advice = "; there is " + known;
  return wrong(name.at, "nothing is called " + quoted(name) + " here" + advice);
}

std::nullopt_t Parser::unknown_function(const Token& name) {
  Nearest nearest(name.text);
  for (const auto& signature : signatures()) nearest.offer(signature.name);
  for (const std::string_view macro : {"has", "all", "exists", "exists_one", "filter", "map"})
    nearest.offer(macro);
  return wrong(name.at, "there is no function " + quoted(name) + nearest.advice());
}

Parser::Parsed Parser::has(std::uint32_t at) {
  const auto inner = expression();
  if (!inner || !expect(")", "behind the field")) return std::nullopt;
  auto& node = tree_.nodes[*inner];
  if (node.op != Op::select) return wrong(at, "has() takes a field, as in has(args.repo)");
  node.op = Op::has;
  return inner;
}

std::optional<std::vector<NodeId>> Parser::arguments(const Token& name) {
  std::vector<NodeId> found;
  while (!peek().is(")")) {
    const auto argument = expression();
    if (!argument) return std::nullopt;
    found.push_back(*argument);
    if (!take(",")) break;
  }
  if (!expect(")", "or ',' in the arguments")) return std::nullopt;
  if (found.size() > 8) return wrong(name.at, "too many arguments"), std::nullopt;
  return found;
}

bool Parser::check_call(const Signature& signature, const Token& name, bool member, std::size_t count) {
  if (member ? !signature.member : !signature.global) {
    wrong(name.at, quoted(name) + (member ? " is no function of a value; write " + name.text + "(...)"
                                          : " is a function of a value; write value." + name.text + "(...)"));
    return false;
  }
  if (count >= signature.fewest && count <= signature.most) return true;
  const std::size_t before = member ? 1 : 0;
  const std::size_t most = signature.most - before;
  wrong(name.at, quoted(name) + " takes " + (signature.fewest != signature.most ? "at most " : "") +
                     (most == 0 ? "no arguments" : std::to_string(most)) +
                     (most == 0 ? "" : (most == 1 ? " argument" : " arguments")) + ", not " +
                     std::to_string(count - before));
  return false;
}

Parser::Parsed Parser::function(const Token& name, std::optional<NodeId> receiver) {
  // What is wrong with the name comes before what is wrong inside the parentheses.
  const auto* const signature = find_function(name.text);
  if (!signature) return unknown_function(name);
  auto operands = arguments(name);
  if (!operands) return std::nullopt;
  if (receiver) operands->insert(operands->begin(), *receiver);
  if (!check_call(*signature, name, receiver.has_value(), operands->size())) return std::nullopt;
  const auto made = node(Op::call, name.at, *std::move(operands), Node::kNone, signature->function);
  return made ? folded_call(*made) : made;
}

}  // namespace sallyport::policy::cel
