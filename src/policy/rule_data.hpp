#pragma once
/// What a RuleSet holds, for the files that read it.

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "rule_index.hpp"
#include "sallyport/policy/expression.hpp"
#include "sallyport/policy/rules.hpp"

namespace sallyport::policy {

/// What a rule says of one kind of object. `apart`: it means names as name_match does.
struct Pattern {
  std::string text;
  bool apart = false;
  bool matches(std::string_view target) const {
    return apart ? name_match(text, target) : glob_match(text, target);
  }
};

/// One rule, compiled.
struct CompiledRule {
  std::string name;  ///< "payments-tools#2"
  Effect effect = Effect::deny;
  std::array<std::vector<Pattern>, kObjects> patterns{};
  std::shared_ptr<const Expression> when{};  ///< null: always
  std::vector<std::string> scopes{};         ///< that a token needs, for an allow

  const std::vector<Pattern>& of(Object object) const { return patterns[static_cast<std::size_t>(object)]; }
};

struct CompiledPolicy {
  std::string name;
  std::vector<std::string> subjects, environments;
  bool in_force = true;              ///< in this environment
  std::size_t first = 0, count = 0;  ///< its rules in RuleSet::Impl::rules
};

struct RuleSet::Impl {
  std::string environment;
  std::vector<CompiledPolicy> policies;
  std::vector<CompiledRule> rules;
  std::vector<std::string> scopes;  // of all of them, in order, each once
};

/// Whether a rule holds for a call. `error`: why its condition could not be told.
struct Holding {
  bool holds = false;
  std::string error{};
};
Holding holding(const CompiledRule& rule, Phase phase, const Activation& activation);

/// The scopes that what the principal has shown lacks for this rule; none where it knows no scopes.
std::vector<std::string> lacking(const CompiledRule& rule,
                                 const std::optional<std::vector<std::string>>& held);

/// Whether one of the policy's subjects covers the principal.
bool concerns(const CompiledPolicy& policy, const Principal& principal, std::string_view environment);

}  // namespace sallyport::policy
