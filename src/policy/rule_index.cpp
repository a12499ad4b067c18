#include "rule_index.hpp"

#include <algorithm>

namespace sallyport::policy {

void RuleIndex::add(Effect effect, std::string_view pattern, std::uint32_t rule) {
  Patterns& patterns = by_effect_[static_cast<std::size_t>(effect)];
  const auto wildcard = pattern.find_first_of("*?");
  if (wildcard == std::string_view::npos) {
    patterns.literals.try_emplace(pattern, rule);
    return;
  }
  const Glob glob{.prefix = pattern.substr(0, wildcard), .rest = pattern.substr(wildcard), .rule = rule};
  if (const auto slash = glob.prefix.find('/'); slash != std::string_view::npos)
    patterns.globs_by_server[pattern.substr(0, slash)].push_back(glob);
  else
    patterns.other_globs.push_back(glob);
}

std::uint32_t RuleIndex::first(const std::vector<Glob>& globs, std::string_view target, std::uint32_t below) {
  for (const Glob& glob : globs) {
    if (glob.rule >= below) break;
    if (glob.matches(target)) return glob.rule;
  }
  return below;
}

std::uint32_t RuleIndex::first(Effect effect, std::string_view target) const {
  const Patterns& patterns = by_effect_[static_cast<std::size_t>(effect)];
  std::uint32_t lowest = kNone;
  if (const auto literal = patterns.literals.find(target); literal != patterns.literals.end())
    lowest = literal->second;
  if (const auto slash = target.find('/');
      slash != std::string_view::npos && !patterns.globs_by_server.empty()) {
    const auto of_server = patterns.globs_by_server.find(target.substr(0, slash));
    if (of_server != patterns.globs_by_server.end()) lowest = first(of_server->second, target, lowest);
  }
  return first(patterns.other_globs, target, lowest);
}

}  // namespace sallyport::policy
