/// What one decision costs, by the number of rules, and by how many of them concern the caller. Prints one
/// line for each case: nanoseconds per decision (median of the rounds), and exits with 1 where the largest
/// case takes longer than its aim.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "sallyport/policy/expression.hpp"
#include "sallyport/policy/rules.hpp"

namespace {

using namespace sallyport;
using namespace sallyport::policy;

constexpr double kAimNanos = 2000;
constexpr int kRounds = 15;
constexpr int kDecisions = 4000;

struct Case {
  std::string name;
  int policies = 0, rules_each = 0;
  int of_caller = 0;       ///< policies that name the caller's team
  bool condition = false;  ///< the deciding rule reads the arguments
};

/// Policies of many teams, as scripts/bench makes them: most rules name a tool, some a beginning, few a
/// denial everywhere.
std::vector<Policy> policies(const Case& one) {
  std::vector<Policy> out;
  for (int p = 0; p < one.policies; ++p) {
    const bool own = p < one.of_caller;
    Policy policy{.name = fmt::format("policy-{}", p)};
    // Each of the others has a subject of its own: as many subjects as policies.
    policy.subjects = {own ? std::string("team:own") : fmt::format("team:other-{}", p)};
    for (int r = 0; r < one.rules_each; ++r) {
      Rule rule{.effect = Effect::allow};
      const int server = (p * 7 + r) % 200;
      if (r % 50 == 49) {
        rule.effect = Effect::deny;
        rule.tools = {fmt::format("*/delete_{}_*", p)};
      } else if (r % 10 == 9) {
        rule.effect = Effect::deny;
        rule.tools = {fmt::format("server-{}/delete_{}_*", server, r)};
      } else if (r % 10 <= 2) {
        rule.tools = {fmt::format("server-{}/get_{}_*", server, r)};
      } else {
        rule.tools = {fmt::format("server-{}/tool_{}_{}", server, p, r)};
      }
      policy.rules.push_back(std::move(rule));
    }
    out.push_back(std::move(policy));
  }
  Rule last{.effect = Effect::allow};
  last.tools = {"peer/e*"};
  if (one.condition) last.when = "args.repo.startsWith('acme/') && args.count < 100";
  out.push_back({.name = "last", .subjects = {"team:own"}, .environments = {}, .rules = {std::move(last)}});
  return out;
}

double nanos_per_decision(const Case& one) {
  const auto rules = RuleSet::compile(policies(one));
  if (!rules) throw std::runtime_error(rules.error().hint);
  const Principal caller{.kind = Principal::Kind::agent, .subject = "bench", .teams = {"own"}};
  const auto view = (*rules)->view(caller);
  const Facts principal = facts_of(caller);
  const std::string arguments =
      R"({"repo":"acme/shop","title":"A broken button","count":17,"labels":["bug","ui"]})";
  const std::string targets[] = {"peer/echo", "peer/edit", "peer/export", "peer/empty"};
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    int allowed = 0;
    for (int i = 0; i < kDecisions; ++i) {
      // Every decision reads its arguments anew, as calls do.
      Activation activation;
      activation.args(arguments).bind(Variable::principal, principal);
      allowed += view->decide(Object::tool, targets[i % 4], Phase::call, activation).allowed() ? 1 : 0;
    }
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - begin;
    if (allowed != kDecisions) throw std::runtime_error("a decision is not the expected one");
    rounds.push_back(took.count() / kDecisions);
  }
  std::ranges::nth_element(rounds, rounds.begin() + kRounds / 2);
  return rounds[kRounds / 2];
}

}  // namespace

int main() {
  const Case cases[] = {
      {"1 rule", 0, 0, 0},
      {"100 rules, all the caller's", 1, 100, 1},
      {"10,000 rules of 1,000 subjects, 10 the caller's", 1000, 10, 1},
      {"10,000 rules of 100 subjects, 5,000 the caller's", 100, 100, 50},
      {"10,000 rules, all the caller's", 100, 100, 100},
      {"1 rule with a condition", 0, 0, 0, true},
      {"10,000 rules, all the caller's, and a condition", 100, 100, 100, true},
  };
  bool reached = true;
  for (const Case& one : cases) {
    const double nanos = nanos_per_decision(one);
    reached = reached && nanos <= kAimNanos;
    fmt::print("{:<52} {:>7.0f} ns\n", one.name, nanos);
  }
  fmt::print("aim: a decision takes at most {:.0f} ns: {}\n", kAimNanos, reached ? "reached" : "not reached");
  return reached ? 0 : 1;
}
