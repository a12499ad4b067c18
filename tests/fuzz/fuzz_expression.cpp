/// Expressions over arguments: the first line is JSON, the rest the expression. Nothing crashes, hangs or
/// takes more than its steps; what a condition says does not depend on when it is asked, and its negation
/// says the opposite.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "sallyport/core/limits.hpp"
#include "sallyport/policy/expression.hpp"

using namespace sallyport;
using namespace sallyport::policy;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

bool within(const Mistake& mistake, std::string_view text) {
  return mistake.line >= 1 && mistake.column >= 1 && mistake.line + mistake.column <= text.size() + 2 &&
         !mistake.what.empty();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto split = input.find('\n');
  if (split == std::string_view::npos) return 0;
  const auto args = input.substr(0, split);
  const auto text = input.substr(split + 1);

  const auto compiled = Expression::compile(text);
  if (!compiled) {
    must(within(compiled.error(), text));
    return 0;
  }
  must(text.size() <= limits::kExpressionBytes);
  static const Facts tool = [] {
    Facts facts;
    facts.text("name", "create_issue").texts("tags", std::vector<std::string>{"a", "b"}).flag("safe", true);
    facts.time("seen", SystemTime(std::chrono::seconds(1'700'000'000)));
    return facts;
  }();
  Activation activation;
  activation.args(args).bind(Variable::tool, tool).bind(Variable::request, tool);
  const auto first = (*compiled)->evaluate(activation);
  must((*compiled)->reads(Variable::args) || !activation.read_args());
  const auto again = (*compiled)->evaluate(activation);
  must(first.has_value() == again.has_value() && (!first || *first == *again));

  // One level more, and a step: only what was at a bound may differ.
  const auto opposite = Expression::compile("!(" + std::string(text) + "\n)");
  if (!opposite) return 0;
  const auto inverse = (*opposite)->evaluate(activation);
  if (first && inverse) must(*first != *inverse);
  return 0;
}
