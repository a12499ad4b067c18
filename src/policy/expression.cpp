#include "sallyport/policy/expression.hpp"

#include <fmt/format.h>

#include "cel_evaluate.hpp"

namespace sallyport::policy {

namespace {

constexpr std::array<std::string_view, kVariables> kNames{"args",   "principal", "tool",
                                                          "server", "model",     "request"};

/// Line and column of a byte.
Mistake mistake_at(std::string_view source, const cel::SourceError& error) {
  Mistake mistake{.what = error.what};
  for (const char c : source.substr(0, error.at)) {
    if (c == '\n') {
      ++mistake.line;
      mistake.column = 1;
    } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
      ++mistake.column;
    }
  }
  return mistake;
}

}  // namespace

Error Mistake::error() const {
  const auto text = fmt::format("line {}, column {}: {}", line, column, what);
  return {.code = Code::bad_request, .blame = Blame::admin, .what = text, .hint = text};
}

Expression::Expression(std::unique_ptr<const cel::Tree> tree) : tree_(std::move(tree)) {}
Expression::~Expression() = default;

Expression::Compiled Expression::compile(std::string_view text) {
  auto tree = cel::parse(text, kNames);
  if (!tree) return std::unexpected(mistake_at(text, tree.error()));
  return std::shared_ptr<const Expression>(new Expression(*std::move(tree)));
}

bool Expression::reads(Variable variable) const {
  return (tree_->variables >> static_cast<unsigned>(variable) & 1U) != 0;
}

const std::string& Expression::text() const { return tree_->source; }

Result<bool> Expression::evaluate(const Activation& activation) const {
  cel::Workspace workspace;
  const auto value = cel::evaluate(*tree_, {&Activation::value_of, &activation}, workspace);
  if (const auto* flag = value.as<bool>()) return *flag;
  cel::SourceError error{0, fmt::format("the result is no bool but of type {}", name_of(kind_of(value)))};
  if (const auto* fault = value.as<cel::Fault>())
    error = {fault->at == cel::Fault::kNowhere ? 0 : fault->at, fault->what};
  return Failure(mistake_at(tree_->source, error).error());
}

cel::Value Activation::value_of(const void* activation, std::uint32_t variable) {
  const auto& self = *static_cast<const Activation*>(activation);
  if (variable != static_cast<std::uint32_t>(Variable::args)) {
    const auto* const facts = self.facts_[variable];
    if (!facts) return cel::Fault{"this variable is not known here"};
    return Facts::value_of(*facts);
  }
  self.read_args_ = true;
  if (!self.args_) return cel::Fault{"the arguments are not known here"};
  if (!self.document_) self.document_ = json::Document::parse(std::string(*self.args_));
  if (!*self.document_) return cel::Fault{"the arguments are not valid JSON, or have a key twice"};
  const auto root = (*self.document_)->root();
  if (!root.is(json::Kind::object)) return cel::Fault{"the arguments are no JSON object"};
  return cel::JsonMap{root};
}

Activation& Activation::args(std::string_view json) {
  args_ = json;
  document_.reset();
  return *this;
}

Activation& Activation::bind(Variable variable, const Facts& facts) {
  facts_[static_cast<std::size_t>(variable)] = &facts;
  return *this;
}

}  // namespace sallyport::policy
