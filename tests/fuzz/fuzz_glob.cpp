/// Globs against a table of all prefixes, and a compiled rule against its own pattern.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "sallyport/policy/rules.hpp"

using namespace sallyport::policy;

namespace {

bool by_table(std::string_view glob, std::string_view text) {
  std::vector<bool> reach(text.size() + 1, false);  // which prefixes of the text the glob so far matches
  reach[0] = true;
  for (const char g : glob) {
    if (g == '*') {
      for (std::size_t t = 0; t < text.size(); ++t) reach[t + 1] = reach[t + 1] || reach[t];
      continue;
    }
    for (std::size_t t = text.size(); t > 0; --t) reach[t] = reach[t - 1] && (g == '?' || g == text[t - 1]);
    reach[0] = false;
  }
  return reach[text.size()];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto split = input.find('\n');
  if (split == std::string_view::npos || split == 0) return 0;
  const std::string glob(input.substr(0, split));
  const std::string text(input.substr(split + 1));
  const bool matches = by_table(glob, text);
  if (glob_match(glob, text) != matches) std::abort();
  const auto set = RuleSet::compile(
      {{.name = "p", .subjects = {"*"}, .rules = {{.effect = Effect::allow, .tools = {glob}}}}});
  if (!set || (*set)->view({})->decide(Object::tool, text).allowed() != matches) std::abort();
  return 0;
}
