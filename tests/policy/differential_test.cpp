#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <random>
#include <string>

#include "sallyport/policy/rules.hpp"

using namespace sallyport;
using namespace sallyport::policy;

namespace {

const std::vector<std::string>& patterns(const Rule& rule, Object object) {
  const std::array all{&rule.tools, &rule.prompts, &rule.resources, &rule.models};
  return *all[static_cast<std::size_t>(object)];
}

bool covers(const std::string& subject, const Principal& principal) {
  if (subject == "*") return true;
  if (subject == "anonymous") return principal.name() == "anonymous";
  if (!subject.starts_with("team:")) return glob_match(subject, principal.name());
  return std::ranges::any_of(principal.teams,
                             [&](const auto& team) { return glob_match(subject, "team:" + team); });
}

/// The rules read from top to bottom, twice: first for a deny, then for an allow.
Decision naive(const std::vector<Policy>& policies, const Principal& principal, Object object,
               const std::string& target) {
  for (const auto effect : {Effect::deny, Effect::allow})
    for (const auto& policy : policies) {
      const bool concerns = std::ranges::any_of(
          policy.subjects, [&](const auto& subject) { return covers(subject, principal); });
      for (std::size_t i = 0; concerns && i < policy.rules.size(); ++i)
        for (const auto& pattern : patterns(policy.rules[i], object))
          if (policy.rules[i].effect == effect && glob_match(pattern, target))
            return {.effect = effect, .rule = policy.name + "#" + std::to_string(i + 1)};
    }
  return {.effect = Effect::deny, .rule = "default"};
}

class Cases {
 public:
  explicit Cases(std::uint64_t seed) : random_(seed) {}
  std::size_t below(std::size_t bound) { return random_() % bound; }

  std::vector<Policy> policies() {
    std::vector<Policy> out(below(4));
    for (std::size_t i = 0; i < out.size(); ++i) {
      out[i].name = std::string(1, static_cast<char>('p' + i));
      for (std::size_t n = 1 + below(2); n > 0; --n) out[i].subjects.push_back(subject());
      for (std::size_t n = below(4); n > 0; --n)
        out[i].rules.push_back(rule(below(3) ? Effect::allow : Effect::deny));
    }
    return out;
  }
  Rule rule(Effect effect) {
    Rule rule{.effect = effect};
    for (std::size_t n = below(5); n > 0; --n) rule.tools.push_back(pattern());
    if (below(3) == 0) rule.models.push_back(pattern());
    if (below(3) == 0) rule.resources.push_back(pattern());
    if (below(4) == 0) rule.prompts.push_back(pattern());
    return rule;
  }
  Principal principal() {
    Principal out{.kind = static_cast<Principal::Kind>(below(3)), .issuer = ""};
    if (out.kind != Principal::Kind::anonymous) {
      out.subject = std::string(1, static_cast<char>('a' + below(3)));
      for (std::size_t n = below(3); n > 0; --n) out.teams.emplace_back(1, static_cast<char>('a' + below(3)));
    }
    return out;
  }
  std::string target() { return part() + (below(5) ? "/" + part() : "") + (below(6) ? "" : "/" + part()); }

 private:
  std::string part() {
    static constexpr std::array parts{"s", "t", "st", "get_a", "get_b", "set_a", ""};
    return parts[below(parts.size())];
  }
  std::string pattern() {
    auto out = target();
    if (out.empty()) return "*";
    for (std::size_t n = below(3); n > 0; --n) {
      const std::size_t at = below(out.size());
      if (below(2))
        out[at] = "*?"[below(2)];
      else
        out.replace(at, below(4), "*");
    }
    return out.empty() ? "*" : out;
  }
  std::string subject() {
    static constexpr std::array names{"a", "b", "c", "*", "?"};
    static constexpr std::array forms{"team:", "agent:", "user:"};
    if (below(2) == 0) return below(6) ? "*" : "anonymous";
    return std::string(forms[below(3)]) + names[below(names.size())];
  }

  std::mt19937_64 random_;
};

bool same(const Decision& a, const Decision& b) { return a.effect == b.effect && a.rule == b.rule; }

}  // namespace

TEST_CASE("compiled rules decide as rules read from top to bottom, and keep what they promise") {
  const char* const given = std::getenv("SALLYPORT_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  CAPTURE(seed);
  Cases cases(seed);
  int allowed = 0, denied = 0, unmatched = 0;
  for (int i = 0; i < 100000; ++i) {
    auto policies = cases.policies();
    const auto principal = cases.principal();
    const auto object = cases.below(3) ? Object::tool : static_cast<Object>(cases.below(4));
    const auto target = cases.target();
    const auto set = RuleSet::compile(policies);
    REQUIRE(set.has_value());
    const auto decision = (*set)->view(principal)->decide(object, target);
    if (!same(decision, naive(policies, principal, object, target)))
      FAIL_CHECK("case " << i << ": " << decision.rule << " for " << target);
    ++(decision.rule == "default" ? unmatched : decision.allowed() ? allowed : denied);
    if (i % 4 != 0) continue;

    // In another order of policies and rules the effect is the same.
    auto reversed = policies;
    std::ranges::reverse(reversed);
    for (auto& policy : reversed) std::ranges::reverse(policy.rules);
    const auto other = (*RuleSet::compile(reversed))->view(principal)->decide(object, target);
    if (other.effect != decision.effect) FAIL_CHECK("case " << i << " depends on the order");

    // One more deny never allows more.
    if (policies.empty()) continue;
    policies[cases.below(policies.size())].rules.push_back(cases.rule(Effect::deny));
    const auto stricter = (*RuleSet::compile(policies))->view(principal)->decide(object, target);
    if (stricter.allowed() && !decision.allowed()) FAIL_CHECK("case " << i << ": a deny allowed");
  }
  MESSAGE("seed " << seed << ": " << allowed << " allowed, " << denied << " denied, " << unmatched
                  << " unmatched");
  CHECK(allowed > 1000);
  CHECK(denied > 1000);
}
