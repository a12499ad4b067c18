#include "cel_tree.hpp"

#include <algorithm>

#include "cel_parser.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::policy::cel {

Parser::Parsed Parser::node(Op op, std::uint32_t at, std::vector<NodeId> operands, std::uint32_t index,
                            Function function) {
  Node made{.op = op, .function = function, .at = at, .index = index};
  int height = 0;
  for (const auto operand : operands) height = std::max<int>(height, tree_.nodes[operand].height);
  if (height >= limits::kExpressionDepth)
    return wrong(at, "this is nested too deeply; split the condition over several rules");
  made.height = static_cast<std::uint8_t>(height + 1);
  made.first = static_cast<std::uint32_t>(tree_.operands.size());
  made.count = static_cast<std::uint32_t>(operands.size());
  tree_.operands.insert(tree_.operands.end(), operands.begin(), operands.end());
  tree_.nodes.push_back(made);
  return static_cast<NodeId>(tree_.nodes.size() - 1);
}

Parser::Parsed Parser::constant(Value value, std::uint32_t at) {
  return node(Op::constant, at, {}, keep(value));
}

std::uint32_t Parser::keep(Value value) {
  tree_.constants.push_back(value);
  return static_cast<std::uint32_t>(tree_.constants.size() - 1);
}

std::string_view Parser::keep(std::string text) { return tree_.texts.emplace_back(std::move(text)); }

const Value* Parser::constant_of(NodeId id) const {
  const auto& node = tree_.nodes[id];
  return node.op == Op::constant ? &tree_.constants[node.index] : nullptr;
}

Parser::Parsed Parser::folded_list(std::uint32_t at, const std::vector<NodeId>& items) {
  std::vector<Value> values;
  for (const auto item : items) {
    const auto* const value = constant_of(item);
    if (!value) return node(Op::list, at, items);
    values.push_back(*value);
  }
  const auto& kept = tree_.lists.emplace_back(std::move(values));
  return constant(List{kept.data(), kept.size()}, at);
}

Parser::Parsed Parser::folded_call(NodeId id) {
  auto& node = tree_.nodes[id];
  const auto* const last = constant_of(tree_.operand(node, node.count - 1));
  const auto* const text = last ? last->as<std::string_view>() : nullptr;
  if (!text) return id;
  if (node.function == Function::matches) {
    if (tree_.patterns.size() == limits::kPatterns)
      return wrong(node.at, "more than " + std::to_string(limits::kPatterns) +
                                " regular expressions; join them with | or split the rule");
    auto pattern = compile_pattern(*text);
    if (!pattern->ok())
      return wrong(
          tree_.nodes[tree_.operand(node, 1)].at,
          text->size() > limits::kPatternBytes
              ? "this regular expression is longer than " + std::to_string(limits::kPatternBytes) + " bytes"
              : "this regular expression does not compile: " + pattern->error());
    node.index = static_cast<std::uint32_t>(tree_.patterns.size());
    tree_.patterns.push_back(std::move(pattern));
  } else if (node.function == Function::to_timestamp || node.function == Function::to_duration) {
    Workspace workspace;
    const auto value = convert(node.function, *last, workspace);
    if (const auto* fault = value.as<Fault>())
      return wrong(tree_.nodes[tree_.operand(node, 0)].at, fault->what);
    return constant(value, node.at);
  }
  return id;
}

std::expected<std::unique_ptr<Tree>, SourceError> parse(std::string_view source,
                                                        std::span<const std::string_view> variables) {
  if (source.size() > limits::kExpressionBytes)
    return std::unexpected(SourceError{
        0, "this expression is longer than " + std::to_string(limits::kExpressionBytes) + " bytes"});
  auto tree = std::make_unique<Tree>();
  tree->source = source;
  auto tokens = tokens_of(tree->source);
  if (!tokens) return std::unexpected(std::move(tokens.error()));
  Parser parser(*tree, *std::move(tokens), variables);
  if (!parser.run()) return std::unexpected(std::move(parser).error());
  return tree;
}

}  // namespace sallyport::policy::cel
