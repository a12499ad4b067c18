#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "rule_data.hpp"

namespace sallyport::policy {
namespace {

using Near = Explanation::Near;

std::string_view key_of(Object object) {
  switch (object) {
    case Object::tool:
      return "tools";
    case Object::prompt:
      return "prompts";
    case Object::resource:
      return "resources";
    case Object::virtual_server:
      return "virtual_servers";
    case Object::model:
      return "models";
    case Object::brought:
      return "brings";
  }
  return "tools";
}

bool names(const CompiledRule& rule, Object object, std::string_view target) {
  return std::ranges::any_of(rule.of(object),
                             [&](const Pattern& pattern) { return pattern.matches(target); });
}

std::string outcome(const CompiledRule& rule, Phase phase, const Holding& held) {
  if (!held.error.empty()) return fmt::format("{}: {}", rule.when->text(), held.error);
  const bool unknown =
      phase == Phase::list && (rule.when->reads(Variable::args) || rule.when->reads(Variable::request));
  return fmt::format("{}: {}", rule.when->text(),
                     unknown      ? "depends on the call"
                     : held.holds ? "true"
                                  : "false");
}

std::string advice(const Explanation& said, const Principal& principal, Object object,
                   std::string_view target) {
  if (said.decision.allowed())
    return fmt::format("To refuse it, add to a policy with subject \"{}\": {{effect: deny, {}: [\"{}\"]}}",
                       principal.name(), key_of(object), target);
  if (said.decision.rule == "token") return "The token that was shown is limited to other tools.";
  if (said.decision.rule != "default")
    return fmt::format("Lift or narrow the denial {}: no allow can outweigh it.", said.decision.rule);
  for (const Near& near : said.near) {
    if (near.effect != Effect::allow) continue;
    switch (near.failed) {
      case Near::Failed::condition:
        return fmt::format(
            "{} would allow it if its condition held; or add to a policy with subject \"{}\": "
            "{{effect: allow, {}: [\"{}\"]}}",
            near.rule, principal.name(), key_of(object), target);
      case Near::Failed::subject:
        return fmt::format(
            "{} would allow it to {}; or add to a policy with subject \"{}\": "
            "{{effect: allow, {}: [\"{}\"]}}",
            near.rule, near.detail, principal.name(), key_of(object), target);
      case Near::Failed::environment:
      case Near::Failed::outweighed:
        break;
    }
  }
  return fmt::format("Add to a policy with subject \"{}\": {{effect: allow, {}: [\"{}\"]}}", principal.name(),
                     key_of(object), target);
}

}  // namespace

Explanation RuleSet::explain(const Principal& principal, Object object, std::string_view target, Phase phase,
                             const Activation& activation) const {
  Explanation out;
  out.decision = view(principal)->decide(object, target, phase, activation);
  std::vector<Near> near;
  for (const CompiledPolicy& policy : impl_->policies) {
    const bool concerned = concerns(policy, principal, impl_->environment);
    for (std::size_t i = policy.first; i < policy.first + policy.count; ++i) {
      const CompiledRule& rule = impl_->rules[i];
      if (!names(rule, object, target)) continue;
      const Holding held = holding(rule, phase, activation);
      if (rule.name == out.decision.rule) {
        if (rule.when) out.condition = outcome(rule, phase, held);
        continue;
      }
      const int failed = !concerned + !policy.in_force + !held.holds;
      if (failed == 0 && rule.effect == Effect::allow && !out.decision.allowed())
        near.push_back({.rule = rule.name,
                        .effect = rule.effect,
                        .failed = Near::Failed::outweighed,
                        .detail = out.decision.rule});
      if (failed != 1) continue;
      if (!concerned) {
        near.push_back({.rule = rule.name,
                        .effect = rule.effect,
                        .failed = Near::Failed::subject,
                        .detail = fmt::format("{}", fmt::join(policy.subjects, ", "))});
      } else if (!policy.in_force) {
        near.push_back({.rule = rule.name,
                        .effect = rule.effect,
                        .failed = Near::Failed::environment,
                        .detail = fmt::format("{}", fmt::join(policy.environments, ", "))});
      } else {
        near.push_back({.rule = rule.name,
                        .effect = rule.effect,
                        .failed = Near::Failed::condition,
                        .detail = outcome(rule, phase, held)});
      }
    }
  }
  // Who was refused looks for what would have allowed it, and the nearest of that.
  const Effect wanted = out.decision.allowed() ? Effect::deny : Effect::allow;
  // In the order of the policies within each of the four.
  for (const bool effect : {true, false}) {
    for (const bool condition : {true, false}) {
      for (Near& one : near) {
        if ((one.effect == wanted) != effect || (one.failed == Near::Failed::condition) != condition)
          continue;
        if (out.near.size() < Explanation::kNear) {
          out.near.push_back(std::move(one));
        } else {
          ++out.more;
        }
      }
    }
  }
  out.advice = advice(out, principal, object, target);
  return out;
}

}  // namespace sallyport::policy
