#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <random>
#include <string>

#include "sallyport/policy/expression.hpp"
#include "sallyport/policy/rules.hpp"

using namespace sallyport;
using namespace sallyport::policy;

namespace {

/// By definition: a server's name has no slash, so a pattern's part for it takes none.
bool by_parts(const std::string& pattern, const std::string& target) {
  const auto slash = pattern.find('/'), end = target.find('/');
  if (slash == std::string::npos) return glob_match(pattern, target);
  return end != std::string::npos && glob_match(pattern.substr(0, slash), target.substr(0, end)) &&
         glob_match(pattern.substr(slash + 1), target.substr(end + 1));
}

bool names(const Rule& rule, Object object, const std::string& target) {
  const std::array<const std::vector<std::string>*, kObjects> all{
      &rule.tools, &rule.prompts, &rule.resources, &rule.virtual_servers, &rule.models, &rule.brings};
  if (object == Object::tool || object == Object::prompt || object == Object::resource)
    for (const auto& server : rule.servers)
      if (by_parts(server + "/*", target)) return true;
  return std::ranges::any_of(*all[static_cast<std::size_t>(object)], [&](const auto& pattern) {
    return rule.effect == Effect::allow ? by_parts(pattern, target) : glob_match(pattern, target);
  });
}

constexpr const char* kHere = "prod";

bool covers(const std::string& subject, const Principal& principal) {
  if (subject == "*") return true;
  if (subject == "anonymous") return principal.name() == "anonymous";
  const auto any = [&](const auto& words, const std::string& form) {
    return std::ranges::any_of(words, [&](const auto& word) { return glob_match(subject, form + word); });
  };
  if (subject.starts_with("team:")) return any(principal.teams, "team:");
  if (subject.starts_with("role:")) return any(principal.roles, "role:");
  if (subject.starts_with("environment:")) return glob_match(subject, std::string("environment:") + kHere);
  if (subject.starts_with("claim:"))
    return std::ranges::any_of(principal.claims, [&](const auto& claim) {
      return glob_match(subject, "claim:" + claim.first + "=" + claim.second);
    });
  return glob_match(subject, principal.name());
}

/// One call, and what conditions say of it.
struct Asked {
  Principal principal;
  std::string target;
  std::optional<int> n;  ///< args.n
  std::string arguments() const { return n ? "{\"n\":" + std::to_string(*n) + "}" : "{}"; }
};
enum class Truth : std::uint8_t { no, yes, error };
Truth truth(bool value) { return value ? Truth::yes : Truth::no; }

struct Condition {
  const char* text;
  bool of_the_call;  ///< reads args or request
  Truth (*holds)(const Asked&);
};
const std::array kConditions = {
    Condition{"args.n > 1", true, [](const Asked& a) { return a.n ? truth(*a.n > 1) : Truth::error; }},
    Condition{"has(args.n) && args.n == 0", true, [](const Asked& a) { return truth(a.n == 0); }},
    Condition{"has(args.n) ? args.n / args.n == 1 : false", true,
              [](const Asked& a) { return !a.n        ? Truth::no
                                          : *a.n == 0 ? Truth::error
                                                      : Truth::yes; }},
    Condition{"principal.subject == \"a\"", false,
              [](const Asked& a) { return truth(a.principal.subject == "a"); }},
    Condition{"principal.claims.tenant == \"x\"", false,
              [](const Asked& a) {
                const auto tenant = a.principal.claims.find("tenant");
                return tenant == a.principal.claims.end() ? Truth::error : truth(tenant->second == "x");
              }},
    Condition{"\"b\" in principal.teams || principal.roles.exists(r, r == \"c\")", false,
              [](const Asked& a) {
                return truth(std::ranges::count(a.principal.teams, "b") > 0 ||
                             std::ranges::count(a.principal.roles, "c") > 0);
              }},
    Condition{"request.client_ip == \"::1\" && true", true, [](const Asked&) { return Truth::no; }},
};

bool holds(const Rule& rule, const Asked& asked, Phase phase) {
  if (rule.when.empty()) return true;
  const auto* const condition = std::ranges::find(kConditions, rule.when, &Condition::text);
  if (phase == Phase::list && condition->of_the_call) return rule.effect == Effect::allow;
  const Truth said = condition->holds(asked);
  return said == Truth::error ? rule.effect == Effect::deny : said == Truth::yes;
}

/// The rules read from top to bottom: first for a deny, then for an allow; those without a condition first.
Decision naive(const std::vector<Policy>& policies, const Asked& asked, Object object, Phase phase) {
  for (const auto effect : {Effect::deny, Effect::allow})
    for (const bool conditional : {false, true})
      for (const auto& policy : policies) {
        const bool concerns =
            (policy.environments.empty() || std::ranges::count(policy.environments, kHere) > 0) &&
            std::ranges::any_of(policy.subjects,
                                [&](const auto& subject) { return covers(subject, asked.principal); });
        for (std::size_t i = 0; concerns && i < policy.rules.size(); ++i)
          if (policy.rules[i].effect == effect && policy.rules[i].when.empty() != conditional &&
              names(policy.rules[i], object, asked.target) && holds(policy.rules[i], asked, phase))
            return {.effect = effect, .rule = policy.name + "#" + std::to_string(i + 1)};
      }
  return {.effect = Effect::deny, .rule = "default"};
}

Decision decided(const std::vector<Policy>& policies, const Asked& asked, Object object, Phase phase) {
  const auto set = RuleSet::compile(policies, kHere);
  REQUIRE(set.has_value());
  const Facts principal = facts_of(asked.principal);
  Facts request;
  request.text("client_ip", "127.0.0.1");
  const std::string arguments = asked.arguments();
  Activation activation;
  activation.args(arguments).bind(Variable::principal, principal).bind(Variable::request, request);
  return (*set)->view(asked.principal)->decide(object, asked.target, phase, activation);
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
      if (below(5) == 0) out[i].environments = {below(2) ? "prod" : "test"};
      for (std::size_t n = below(4); n > 0; --n)
        out[i].rules.push_back(rule(below(3) ? Effect::allow : Effect::deny));
    }
    return out;
  }
  Rule rule(Effect effect) {
    Rule rule{.effect = effect};
    for (std::size_t n = below(5); n > 0; --n) rule.tools.push_back(pattern());
    if (below(3) == 0) rule.models.push_back(pattern());
    if (below(3) == 0) rule.brings.push_back(pattern());
    if (below(3) == 0) rule.resources.push_back(pattern());
    if (below(4) == 0) rule.prompts.push_back(pattern());
    if (below(4) == 0) rule.servers.emplace_back(std::array{"s", "*", "*t", "?", "s*"}[below(5)]);
    if (below(4) == 0) rule.virtual_servers.push_back(pattern());
    if (below(3) == 0) rule.when = kConditions[below(kConditions.size())].text;
    return rule;
  }
  Principal principal() {
    Principal out{.kind = static_cast<Principal::Kind>(below(3)), .issuer = ""};
    if (out.kind != Principal::Kind::anonymous) {
      out.subject = std::string(1, static_cast<char>('a' + below(3)));
      for (std::size_t n = below(3); n > 0; --n) out.teams.emplace_back(1, static_cast<char>('a' + below(3)));
      for (std::size_t n = below(2); n > 0; --n) out.roles.emplace_back(1, static_cast<char>('a' + below(3)));
      if (below(2)) out.claims.emplace("tenant", below(2) ? "x" : "y");
    }
    return out;
  }
  Asked asked() {
    Asked out{.principal = principal(), .target = target(), .n = std::nullopt};
    if (below(4)) out.n = static_cast<int>(below(4));
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
    static constexpr std::array forms{"team:", "agent:", "user:", "role:"};
    if (below(2) == 0) return below(6) ? "*" : "anonymous";
    if (below(6) == 0) return below(2) ? "claim:tenant=x" : "environment:pr*";
    return std::string(forms[below(forms.size())]) + names[below(names.size())];
  }

  std::mt19937_64 random_;
};

bool same(const Decision& a, const Decision& b) { return a.effect == b.effect && a.rule == b.rule; }

}  // namespace

TEST_CASE("compiled rules decide as rules read from top to bottom, and keep what they promise") {
  const char* const given = std::getenv("SALLYPORT_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  const char* const wanted = std::getenv("SALLYPORT_CASES");
  const int count = wanted ? std::atoi(wanted) : 20000;
  CAPTURE(seed);
  Cases cases(seed);
  int allowed = 0, denied = 0, unmatched = 0, maybe = 0;
  for (int i = 0; i < count; ++i) {
    auto policies = cases.policies();
    const Asked asked = cases.asked();
    const auto object = cases.below(3) ? Object::tool : static_cast<Object>(cases.below(kObjects));
    const auto listed = decided(policies, asked, object, Phase::list);
    const auto decision = decided(policies, asked, object, Phase::call);
    if (!same(listed, naive(policies, asked, object, Phase::list)))
      FAIL_CHECK("case " << i << ", list: " << listed.rule << " for " << asked.target);
    if (!same(decision, naive(policies, asked, object, Phase::call)))
      FAIL_CHECK("case " << i << ", call: " << decision.rule << " for " << asked.target);
    if (decision.allowed() && !listed.allowed()) FAIL_CHECK("case " << i << ": callable, but not listed");
    if (listed.effect != decision.effect && !listed.conditional)
      FAIL_CHECK("case " << i << ": the call was said not to matter");
    ++(decision.rule == "default" ? unmatched : decision.allowed() ? allowed : denied);
    maybe += listed.allowed() && !decision.allowed();
    if (i % 4 != 0) continue;

    // In another order of policies and rules the effect is the same.
    auto reversed = policies;
    std::ranges::reverse(reversed);
    for (auto& policy : reversed) std::ranges::reverse(policy.rules);
    if (decided(reversed, asked, object, Phase::call).effect != decision.effect)
      FAIL_CHECK("case " << i << " depends on the order");

    // One more deny never allows more.
    if (policies.empty()) continue;
    policies[cases.below(policies.size())].rules.push_back(cases.rule(Effect::deny));
    if (decided(policies, asked, object, Phase::call).allowed() && !decision.allowed())
      FAIL_CHECK("case " << i << ": a deny allowed");
  }
  MESSAGE("seed " << seed << ": " << allowed << " allowed, " << denied << " denied, " << unmatched
                  << " unmatched, " << maybe << " listed and refused");
  CHECK(allowed > count / 100);
  CHECK(denied > count / 100);
  CHECK(maybe > count / 1000);
}
