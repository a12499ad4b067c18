/// Globs against a table of all prefixes, and compiled rules against their own pattern: a denial by the whole
/// name, an allow by server and name.

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

/// What an allow means: the server's part takes no slash.
bool by_parts(std::string_view glob, std::string_view text) {
  const auto slash = glob.find('/'), end = text.find('/');
  if (slash == std::string_view::npos) return by_table(glob, text);
  return end != std::string_view::npos && by_table(glob.substr(0, slash), text.substr(0, end)) &&
         by_table(glob.substr(slash + 1), text.substr(end + 1));
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
  const auto decided = [&](Effect effect) {
    const auto set = RuleSet::compile(
        {{.name = "p",
          .subjects = {"*"},
          .rules = {{.effect = effect, .tools = {glob}}, {.effect = Effect::allow, .tools = {"*"}}}}});
    if (!set) std::abort();
    return (*set)->view({})->decide(Object::tool, text).rule;
  };
  if ((decided(Effect::deny) == "p#1") != matches) std::abort();
  if ((decided(Effect::allow) == "p#1") != by_parts(glob, text)) std::abort();
  return 0;
}
