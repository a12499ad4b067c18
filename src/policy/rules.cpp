#include "sallyport/policy/rules.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "rule_data.hpp"
#include "subject.hpp"

namespace sallyport::policy {
namespace {

constexpr Object kAll[kObjects] = {Object::tool,           Object::prompt, Object::resource,
                                   Object::virtual_server, Object::model,  Object::brought};

std::vector<Pattern> take_patterns(Rule& rule, Object object) {
  std::vector<Pattern> out;
  const auto take = [&](std::vector<std::string>& own) {
    for (auto& text : own) out.push_back({.text = std::move(text), .apart = rule.effect == Effect::allow});
  };
  const auto with_servers = [&](std::vector<std::string>& own) {
    out.reserve(own.size() + rule.servers.size());
    take(own);
    for (const auto& server : rule.servers) out.push_back({.text = server + "/*", .apart = true});
  };
  switch (object) {
    case Object::tool:
      with_servers(rule.tools);
      break;
    case Object::prompt:
      with_servers(rule.prompts);
      break;
    case Object::resource:
      with_servers(rule.resources);
      break;
    case Object::virtual_server:
      take(rule.virtual_servers);
      break;
    case Object::model:
      take(rule.models);
      break;
    case Object::brought:
      take(rule.brings);
      break;
  }
  return out;
}

Failure bad_policy(const Policy& policy, const std::string& what) {
  return client_error(Code::bad_request, fmt::format("policy '{}': {}", policy.name, what));
}

/// Where in its document a mistake of a condition stands, as far as that can be told.
std::string place(const Rule& rule, const Mistake& mistake) {
  if (rule.when_line == 0)
    return fmt::format("line {}, column {} of the condition", mistake.line, mistake.column);
  if (mistake.line == 1 && rule.when.find('\n') == std::string::npos)
    return fmt::format("line {}, column {}", rule.when_line,
                       rule.when_column + static_cast<int>(mistake.column) - 1);
  return fmt::format("line {}, column {} of the condition that begins on line {}", mistake.line,
                     mistake.column, rule.when_line);
}

/// Leaves of the rule what conditions and errors need.
Result<CompiledRule> compile_rule(Policy& policy, std::size_t i) {
  Rule& rule = policy.rules[i];
  CompiledRule out{.name = fmt::format("{}#{}", policy.name, i + 1), .effect = rule.effect};
  const bool opens_doors = !rule.virtual_servers.empty();
  for (const Object object : kAll) {
    out.patterns[static_cast<std::size_t>(object)] = take_patterns(rule, object);
    if (std::ranges::any_of(out.of(object), [](const Pattern& one) { return one.text.empty(); }))
      return bad_policy(policy,
                        fmt::format("rule {} has the empty pattern ''; write '*' for everything", i + 1));
  }
  if (!rule.scopes.empty() && rule.effect == Effect::deny)
    return bad_policy(policy, fmt::format("rule {} denies and asks for scopes: only an allow can", i + 1));
  if (!rule.scopes.empty() && opens_doors)
    return bad_policy(policy, fmt::format("rule {} asks for scopes at the door of a virtual server: they are "
                                          "asked for in calls only",
                                          i + 1));
  out.scopes = std::move(rule.scopes);
  if (std::ranges::any_of(rule.servers, &std::string::empty))
    return bad_policy(policy, fmt::format("rule {} has the empty server ''; write '*' for all", i + 1));
  if (rule.when.empty()) return out;
  auto when = Expression::compile(rule.when);
  if (!when)
    return bad_policy(
        policy, fmt::format("rule {}, when: {}: {}", i + 1, place(rule, when.error()), when.error().what));
  out.when = std::move(*when);
  return out;
}

}  // namespace

std::string Principal::name() const {
  if (kind == Kind::anonymous) return "anonymous";
  const std::string_view word = kind == Kind::user ? "user:" : "agent:";
  // A slash in a name of the default issuer must not make it another issuer's.
  const bool plain = home && (issuer.empty() || subject.find('/') == std::string::npos);
  std::string out(word);
  if (!plain) out.append(issuer).append("/");
  return out.append(subject);
}

Facts facts_of(const Principal& principal) {
  static constexpr std::string_view kKinds[] = {"anonymous", "user", "agent"};
  Facts claims;
  for (const auto& [name, value] : principal.claims) claims.text(name, value);
  Facts out;
  out.text("name", principal.name())
      .text("kind", kKinds[static_cast<std::size_t>(principal.kind)])
      .text("issuer", principal.issuer)
      .text("subject", principal.subject)
      .text("actor", principal.actor)
      .texts("teams", principal.teams)
      .texts("roles", principal.roles)
      .facts("claims", std::move(claims));
  return out;
}

bool concerns(const CompiledPolicy& policy, const Principal& principal, std::string_view environment) {
  return std::ranges::any_of(policy.subjects, [&](const auto& subject) {
    return Subject::parse(subject)->covers(principal, environment);
  });
}

Holding holding(const CompiledRule& rule, Phase phase, const Activation& activation) {
  if (!rule.when) return {.holds = true};
  // What nobody can know before the call: an allow may match, a denial is not certain.
  if (phase == Phase::list && (rule.when->reads(Variable::args) || rule.when->reads(Variable::request)))
    return {.holds = rule.effect == Effect::allow};
  const auto held = rule.when->evaluate(activation);
  if (held) return {.holds = *held};
  const Error& error = held.error();
  return {.holds = rule.effect == Effect::deny, .error = error.hint.empty() ? error.what : error.hint};
}

std::vector<std::string> lacking(const CompiledRule& rule,
                                 const std::optional<std::vector<std::string>>& held) {
  std::vector<std::string> out;
  if (held)
    std::ranges::copy_if(rule.scopes, std::back_inserter(out),
                         [&](const auto& scope) { return std::ranges::find(*held, scope) == held->end(); });
  return out;
}

struct RuleSet::View::Impl {
  std::shared_ptr<const RuleSet::Impl> rules;             // the indexes borrow its patterns
  std::optional<std::vector<std::string>> tools, scopes;  // of the principal's token
  std::array<RuleIndex, kObjects> plain, conditional;
};

RuleSet::RuleSet() : impl_(std::make_shared<const Impl>()) {}
RuleSet::~RuleSet() = default;

Result<std::shared_ptr<const RuleSet>> RuleSet::compile(std::vector<Policy> policies,
                                                        std::string_view environment) {
  auto impl = std::make_shared<Impl>();
  impl->environment = environment;
  std::size_t count = 0;
  for (const Policy& policy : policies) count += policy.rules.size();
  impl->rules.reserve(count);
  for (Policy& policy : policies) {
    for (const auto& subject : policy.subjects)
      if (!Subject::parse(subject))
        return bad_policy(policy, fmt::format("subject '{}' is none of team:NAME, agent:NAME, user:NAME, "
                                              "role:NAME, claim:NAME=PATTERN, environment:NAME, anonymous, *",
                                              subject));
    CompiledPolicy compiled{.name = policy.name,
                            .subjects = std::move(policy.subjects),
                            .environments = std::move(policy.environments),
                            .first = impl->rules.size(),
                            .count = policy.rules.size()};
    compiled.in_force = compiled.environments.empty() ||
                        std::ranges::find(compiled.environments, environment) != compiled.environments.end();
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
      auto rule = compile_rule(policy, i);
      if (!rule) return Failure(rule.error());
      impl->rules.push_back(std::move(*rule));
    }
    impl->policies.push_back(std::move(compiled));
  }
  for (const CompiledRule& rule : impl->rules)
    impl->scopes.insert(impl->scopes.end(), rule.scopes.begin(), rule.scopes.end());
  std::ranges::sort(impl->scopes);
  const auto repeated = std::ranges::unique(impl->scopes);
  impl->scopes.erase(repeated.begin(), repeated.end());
  auto set = std::make_shared<RuleSet>();
  set->impl_ = std::move(impl);
  return set;
}

std::shared_ptr<const RuleSet::View> RuleSet::view(const Principal& principal) const {
  auto impl = std::make_shared<View::Impl>();
  impl->rules = impl_;
  impl->tools = principal.tools;
  impl->scopes = principal.scopes;
  for (const CompiledPolicy& policy : impl_->policies) {
    if (!policy.in_force || !concerns(policy, principal, impl_->environment)) continue;
    for (std::size_t number = policy.first; number < policy.first + policy.count; ++number) {
      const CompiledRule& rule = impl_->rules[number];
      for (const Object object : kAll) {
        const bool depends = rule.when || !lacking(rule, impl->scopes).empty();
        auto& indexes = depends ? impl->conditional : impl->plain;
        for (const auto& pattern : rule.of(object))
          indexes[static_cast<std::size_t>(object)].add(rule.effect, pattern.text, pattern.apart,
                                                        static_cast<std::uint32_t>(number));
      }
    }
  }
  return std::make_shared<const View>(std::move(impl));
}

std::size_t RuleSet::size() const { return impl_->rules.size(); }

const std::vector<std::string>& RuleSet::scopes() const { return impl_->scopes; }

Decision RuleSet::View::decide(Object object, std::string_view target) const {
  return decide(object, target, Phase::list, Activation());
}

std::optional<Decision> RuleSet::View::unconditional(Object object, std::string_view target) const {
  // Which endpoint a token is for is said by its audience.
  if (impl_->tools && object != Object::virtual_server &&
      (object != Object::tool ||
       std::ranges::none_of(*impl_->tools, [&](const auto& glob) { return name_match(glob, target); })))
    return Decision{.effect = Effect::deny, .rule = "token"};
  const auto i = static_cast<std::size_t>(object);
  const RuleIndex& conditional = impl_->conditional[i];
  if (!conditional.empty() && (conditional.first(Effect::deny, target) != RuleIndex::kNone ||
                               conditional.first(Effect::allow, target) != RuleIndex::kNone))
    return std::nullopt;
  for (const Effect effect : {Effect::deny, Effect::allow})
    if (const auto rule = impl_->plain[i].first(effect, target); rule != RuleIndex::kNone)
      return Decision{.effect = effect, .rule = impl_->rules->rules[rule].name};
  return Decision{.effect = Effect::deny, .rule = "default"};
}

Decision RuleSet::View::decide(Object object, std::string_view target, Phase phase,
                               const Activation& activation) const {
  if (auto plain = unconditional(object, target)) return std::move(*plain);
  const auto i = static_cast<std::size_t>(object);
  const auto& rules = impl_->rules->rules;
  const auto decided = [&](Effect effect, std::string rule) {
    return Decision{
        .effect = effect, .rule = std::move(rule), .conditional = true, .read_args = activation.read_args()};
  };
  Decision otherwise = decided(Effect::deny, "default");
  std::optional<Decision> unscoped;  // what is listed although the token lacks scopes for it
  for (const Effect effect : {Effect::deny, Effect::allow}) {
    if (const auto rule = impl_->plain[i].first(effect, target); rule != RuleIndex::kNone)
      return decided(effect, rules[rule].name);
    for (const auto rule : impl_->conditional[i].all(effect, target)) {
      if (!holding(rules[rule], phase, activation).holds) continue;
      auto lacks = lacking(rules[rule], impl_->scopes);
      if (lacks.empty()) return decided(effect, rules[rule].name);
      if (phase == Phase::list) {
        if (!unscoped) (unscoped = decided(effect, rules[rule].name))->lacks = std::move(lacks);
        continue;
      }
      if (!otherwise.lacks.empty()) continue;
      otherwise.rule = rules[rule].name;
      otherwise.lacks = std::move(lacks);
    }
  }
  if (unscoped) otherwise = std::move(*unscoped);
  otherwise.read_args = activation.read_args();
  return otherwise;
}

}  // namespace sallyport::policy
