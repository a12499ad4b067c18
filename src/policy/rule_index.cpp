#include "rule_index.hpp"

#include <algorithm>

namespace sallyport::policy {

std::uint64_t RuleIndex::letters_of(std::string_view text) {
  std::uint64_t out = 0;
  for (const char c : text) out |= std::uint64_t{1} << (static_cast<unsigned char>(c) & 63U);
  return out;
}

void RuleIndex::add(Effect effect, std::string_view pattern, bool apart, std::uint32_t rule) {
  Patterns& patterns = by_effect_[static_cast<std::size_t>(effect)];
  const auto wildcard = pattern.find_first_of("*?");
  if (wildcard == std::string_view::npos) {
    patterns.literals[pattern].push_back(rule);
    return;
  }
  Glob glob{.prefix = pattern.substr(0, wildcard),
            .rest = pattern.substr(wildcard),
            .letters = 0,
            .rule = rule,
            .apart = apart && pattern.find('/', wildcard) != std::string_view::npos};
  for (const char c : pattern)
    if (c != '*' && c != '?') glob.letters |= letters_of({&c, 1});
  if (const auto slash = glob.prefix.find('/'); slash != std::string_view::npos) {
    glob.apart = false;  // the server is literal, and the first slash its end
    patterns.globs_by_server[pattern.substr(0, slash)].push_back(glob);
  } else {
    patterns.other_globs.push_back(glob);
  }
}

std::uint32_t RuleIndex::first(const std::vector<Glob>& globs, std::string_view target, std::uint32_t below) {
  if (globs.empty()) return below;
  const std::uint64_t has = letters_of(target);
  for (const Glob& glob : globs) {
    if (glob.rule >= below) break;
    if (glob.matches(target, has)) return glob.rule;
  }
  return below;
}

const std::vector<RuleIndex::Glob>* RuleIndex::of_server(const Patterns& patterns, std::string_view target) {
  if (patterns.globs_by_server.empty()) return nullptr;
  const auto slash = target.find('/');
  if (slash == std::string_view::npos) return nullptr;
  const auto found = patterns.globs_by_server.find(target.substr(0, slash));
  return found == patterns.globs_by_server.end() ? nullptr : &found->second;
}

std::uint32_t RuleIndex::first(Effect effect, std::string_view target) const {
  const Patterns& patterns = by_effect_[static_cast<std::size_t>(effect)];
  std::uint32_t lowest = kNone;
  if (const auto literal = patterns.literals.find(target); literal != patterns.literals.end())
    lowest = literal->second.front();
  if (const auto* globs = of_server(patterns, target)) lowest = first(*globs, target, lowest);
  return first(patterns.other_globs, target, lowest);
}

void RuleIndex::collect(const std::vector<Glob>& globs, std::string_view target, Rules& into) {
  if (globs.empty()) return;
  const std::uint64_t has = letters_of(target);
  for (const Glob& glob : globs)
    if (glob.matches(target, has)) into.push_back(glob.rule);
}

std::vector<std::uint32_t> RuleIndex::all(Effect effect, std::string_view target) const {
  const Patterns& patterns = by_effect_[static_cast<std::size_t>(effect)];
  Rules found;
  if (const auto literal = patterns.literals.find(target); literal != patterns.literals.end())
    found = literal->second;
  if (const auto* globs = of_server(patterns, target)) collect(*globs, target, found);
  collect(patterns.other_globs, target, found);
  std::ranges::sort(found);
  const auto repeated = std::ranges::unique(found);
  found.erase(repeated.begin(), repeated.end());
  return found;
}

bool RuleIndex::empty() const {
  return std::ranges::all_of(by_effect_, [](const Patterns& patterns) {
    return patterns.literals.empty() && patterns.globs_by_server.empty() && patterns.other_globs.empty();
  });
}

}  // namespace sallyport::policy
