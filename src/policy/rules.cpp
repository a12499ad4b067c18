#include "sallyport/policy/rules.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <optional>

#include "rule_index.hpp"

namespace sallyport::policy {
namespace {

constexpr std::size_t kObjects = 4;

const std::vector<std::string>& patterns(const Rule& rule, Object object) {
  switch (object) {
    case Object::tool:
      return rule.tools;
    case Object::prompt:
      return rule.prompts;
    case Object::resource:
      return rule.resources;
    case Object::model:
      return rule.models;
  }
  return rule.tools;
}

struct Subject {
  enum class Form : std::uint8_t { everyone, anonymous, team, agent, user } form;
  std::string_view glob{};

  static std::optional<Subject> parse(std::string_view text) {
    if (text == "*") return Subject{Form::everyone};
    if (text == "anonymous") return Subject{Form::anonymous};
    const auto colon = text.find(':');
    if (colon == std::string_view::npos || colon + 1 == text.size()) return std::nullopt;
    const auto form = text.substr(0, colon);
    const auto glob = text.substr(colon + 1);
    if (form == "team") return Subject{Form::team, glob};
    if (form == "agent") return Subject{Form::agent, glob};
    if (form == "user") return Subject{Form::user, glob};
    return std::nullopt;
  }

  bool covers(const Principal& principal) const {
    switch (form) {
      case Form::everyone:
        return true;
      case Form::anonymous:
        return principal.kind == Principal::Kind::anonymous;
      case Form::team:
        return std::ranges::any_of(principal.teams,
                                   [this](const auto& team) { return glob_match(glob, team); });
      case Form::agent:
        return principal.kind == Principal::Kind::agent && glob_match(glob, principal.subject);
      case Form::user:
        return principal.kind == Principal::Kind::user && glob_match(glob, principal.subject);
    }
    return false;
  }
};

Failure bad_policy(const Policy& policy, std::string what) {
  return client_error(Code::bad_request, fmt::format("policy '{}': {}", policy.name, what));
}

}  // namespace

std::string Principal::name() const {
  switch (kind) {
    case Kind::user:
      return "user:" + subject;
    case Kind::agent:
      return "agent:" + subject;
    case Kind::anonymous:
      break;
  }
  return "anonymous";
}

struct RuleSet::Impl {
  std::vector<Policy> policies;
  std::vector<std::string> names;  ///< of every rule, in order: "payments-tools#2"
};

struct RuleSet::View::Impl {
  std::shared_ptr<const RuleSet::Impl> rules;  // the indexes borrow its patterns
  std::array<RuleIndex, kObjects> by_object;
};

RuleSet::RuleSet() : impl_(std::make_shared<const Impl>()) {}
RuleSet::~RuleSet() = default;

Result<std::shared_ptr<const RuleSet>> RuleSet::compile(std::vector<Policy> policies) {
  auto impl = std::make_shared<Impl>();
  for (const Policy& policy : policies) {
    for (const auto& subject : policy.subjects)
      if (!Subject::parse(subject))
        return bad_policy(
            policy,
            fmt::format("subject '{}' is none of team:NAME, agent:NAME, user:NAME, anonymous, *", subject));
    for (std::size_t i = 0; i < policy.rules.size(); ++i) {
      for (std::size_t object = 0; object < kObjects; ++object)
        if (std::ranges::any_of(patterns(policy.rules[i], static_cast<Object>(object)), &std::string::empty))
          return bad_policy(policy,
                            fmt::format("rule {} has the empty pattern ''; write '*' for everything", i + 1));
      impl->names.push_back(fmt::format("{}#{}", policy.name, i + 1));
    }
  }
  impl->policies = std::move(policies);
  auto set = std::make_shared<RuleSet>();
  set->impl_ = std::move(impl);
  return set;
}

std::shared_ptr<const RuleSet::View> RuleSet::view(const Principal& principal) const {
  auto impl = std::make_shared<View::Impl>();
  impl->rules = impl_;
  std::uint32_t number = 0;
  for (const Policy& policy : impl_->policies) {
    const bool concerns = std::ranges::any_of(
        policy.subjects, [&](const auto& subject) { return Subject::parse(subject)->covers(principal); });
    for (const Rule& rule : policy.rules) {
      for (std::size_t object = 0; concerns && object < kObjects; ++object)
        for (const auto& pattern : patterns(rule, static_cast<Object>(object)))
          impl->by_object[object].add(rule.effect, pattern, number);
      ++number;
    }
  }
  return std::make_shared<const View>(std::move(impl));
}

std::size_t RuleSet::size() const { return impl_->names.size(); }

Decision RuleSet::View::decide(Object object, std::string_view target) const {
  const RuleIndex& index = impl_->by_object[static_cast<std::size_t>(object)];
  for (const Effect effect : {Effect::deny, Effect::allow})
    if (const auto rule = index.first(effect, target); rule != RuleIndex::kNone)
      return {.effect = effect, .rule = impl_->rules->names[rule]};
  return {.effect = Effect::deny, .rule = "default"};
}

}  // namespace sallyport::policy
