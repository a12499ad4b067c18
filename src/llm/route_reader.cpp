/// Configs from JSON: every field is checked, none is passed over.

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>

#include "condition.hpp"
#include "config_values.hpp"
#include "parameters.hpp"
#include "route_problems.hpp"
#include "route_tree.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::llm {
namespace {

constexpr std::array<std::string_view, 12> kNotYet{"cache",
                                                   "prompt_id",
                                                   "passthrough",
                                                   "input_guardrails",
                                                   "output_guardrails",
                                                   "before_request_hooks",
                                                   "after_request_hooks",
                                                   "input_mutators",
                                                   "output_mutators",
                                                   "default_input_guardrails",
                                                   "default_output_guardrails",
                                                   "mutators"};
constexpr std::string_view kNotYetText =
    "is not implemented in this version: leave it out, because a config that asks for it would not get it";

constexpr std::array<std::string_view, 6> kGranted{"custom_host",         "api_key",        "forward_headers",
                                                   "openai_organization", "openai_project", "openai_beta"};
constexpr std::array<std::string_view, 10> kGrantedPrefixes{
    "aws_",         "vertex_",    "azure_",     "anthropic_", "workers_ai_",
    "huggingface_", "fireworks_", "snowflake_", "oracle_",    "stability_"};

bool needs_grant(std::string_view field) {
  return std::ranges::find(kGranted, field) != kGranted.end() ||
         std::ranges::any_of(kGrantedPrefixes,
                             [&](std::string_view prefix) { return field.starts_with(prefix); });
}

class ConfigReader {
 public:
  std::unique_ptr<RouteNode> read(json::Value config) {
    if (config.raw().size() > limits::kRouteBytes) {
      problems_.add("", "is larger than " + std::to_string(limits::kRouteBytes) + " bytes");
      return nullptr;
    }
    return node(config, {}, "", "config", 1);
  }
  RouteProblems& problems() { return problems_; }

 private:
  /// What a group hands down to its targets.
  struct Inherited {
    Parameters overrides, defaults;
    std::string model{};  // of the overrides
    Step rest{};
  };

  std::unique_ptr<RouteNode> node(json::Value config, Inherited handed, const std::string& at,
                                  const std::string& step_path, std::size_t depth) {
    auto out = std::make_unique<RouteNode>();
    out->path = step_path;
    if (!config.is(json::Kind::object)) {
      problems_.add(at, "has to be an object");
      return out;
    }
    handed.rest.name.clear();
    std::optional<json::Value> strategy, targets;
    TargetRef target;
    for (const auto& member : config.members()) {
      const std::string key = member.key();
      const std::string path = below(at, key);
      if (key == "strategy") {
        strategy = member.value;
      } else if (key == "targets") {
        targets = member.value;
      } else if (key == "name") {
        out->name = values_.name(member.value, path);
      } else if (key == "weight") {
        out->weight = values_.weight(member.value, path);
      } else if (key == "provider") {
        target.provider = values_.name(member.value, path);
        if (target.provider.starts_with('@')) target.provider.erase(0, 1);
        if (target.provider.empty() || target.provider.contains('/'))
          problems_.add(path, "has to name a provider: \"@NAME\" or \"NAME\"");
      } else if (key == "virtual_key") {
        target.virtual_key = values_.name(member.value, path);
      } else {
        inheritable(key, member.value, path, handed);
      }
    }
    if (strategy || targets) {
      if (!target.empty())
        problems_.add(at, "has targets and is one: put provider and virtual_key into an entry of targets");
      group(*out, strategy, targets, handed, at, depth);
    } else {
      out->step = std::move(handed.rest);
      out->step.path = step_path;
      out->step.name = out->name;
      out->step.target = std::move(target);
      finish(out->step, handed, at);
    }
    return out;
  }

  void finish(Step& step, const Inherited& handed, const std::string& at) {
    step.override_params = handed.overrides.object();
    step.default_params = handed.defaults.object();
    if (step.override_params.size() > limits::kRouteParameters ||
        step.default_params.size() > limits::kRouteParameters) {
      problems_.add(at, "has parameters of more than " + std::to_string(limits::kRouteParameters) +
                            " bytes with those that it inherits");
    }
    step.model = handed.model;
  }

  // --- what targets inherit

  void inheritable(const std::string& key, json::Value value, const std::string& path, Inherited& handed) {
    Step& rest = handed.rest;
    if (key == "override_params") {
      if (auto model = parameters(value, path, handed.overrides)) handed.model = *std::move(model);
    } else if (key == "default_params") {
      parameters(value, path, handed.defaults);
    } else if (key == "drop_params") {
      rest.drop_params = values_.drops(value, path);
    } else if (key == "request_timeout") {
      rest.timeout = values_.millis(value, path, std::chrono::milliseconds(1), limits::kRouteTimeout);
    } else if (key == "retry") {
      rest.retry = values_.retry(value, path);
    } else if (key == "cb_config") {
      rest.breaker = values_.breaker(value, path);
    } else if (key == "strict_open_ai_compliance") {
      rest.strict = values_.flag(value, path);
    } else if (std::ranges::find(kNotYet, key) != kNotYet.end()) {
      problems_.add(path, std::string(kNotYetText));
    } else if (needs_grant(key)) {
      std::erase_if(rest.brought, [&](const Brought& one) { return one.field == key; });
      rest.brought.push_back({.path = path, .field = key, .value = std::string(value.raw())});
      if (!is_brought_value(key, value))
        problems_.add(path,
                      key == "forward_headers" ? "has to be a list of header names" : "has to be a text");
    } else {
      problems_.add(path, "is unknown");
    }
  }

  static bool is_brought_value(std::string_view field, json::Value value) {
    if (field != "forward_headers") return value.is(json::Kind::string);
    return value.is(json::Kind::array) && value.size() <= limits::kRouteListed &&
           std::ranges::all_of(value.elements(), [](json::Value one) { return one.is(json::Kind::string); });
  }

  /// The model that they name.
  std::optional<std::string> parameters(json::Value value, const std::string& path, Parameters& into) {
    if (!values_.object(value, path)) return std::nullopt;
    into.lay_over(value);
    const auto model = value.find("model");
    if (!model) return std::nullopt;
    return values_.name(*model, below(path, "model"));
  }

  // --- groups

  void group(RouteNode& out, const std::optional<json::Value>& strategy,
             const std::optional<json::Value>& targets, Inherited& handed, const std::string& at,
             std::size_t depth) {
    std::optional<json::Value> conditions, otherwise;
    const std::string path = below(at, "strategy");
    if (!strategy) {
      problems_.add(path, R"(is missing: targets need one, such as {"mode": "fallback"})");
    } else if (values_.object(*strategy, path)) {
      read_mode(out, *strategy, path);
      for (const auto& member : strategy->members())
        strategy_field(out, member, below(path, member.key()), handed, conditions, otherwise);
      if (out.strategy == Strategy::conditional && !conditions)
        problems_.add(below(path, "conditions"), "is missing: a conditional strategy needs some");
    }
    // The target of a condition is chosen whatever its state.
    if (out.strategy == Strategy::conditional) handed.rest.breaker.reset();
    read_targets(out, targets, handed, at, depth);
    if (conditions) read_conditions(out, *conditions, below(path, "conditions"));
    if (otherwise) out.otherwise = target_named(out, *otherwise, below(path, "default"));
  }

  void read_mode(RouteNode& out, json::Value strategy, const std::string& path) {
    constexpr std::array<std::pair<std::string_view, Strategy>, 4> kModes{
        {{"single", Strategy::single},
         {"loadbalance", Strategy::loadbalance},
         {"fallback", Strategy::fallback},
         {"conditional", Strategy::conditional}}};
    const auto mode = strategy.find("mode");
    const auto text = mode ? mode->string() : std::nullopt;
    const auto* const known =
        std::ranges::find(kModes, text.value_or(""), &std::pair<std::string_view, Strategy>::first);
    // Children are read all the same, so that their problems are told too.
    out.strategy = known == kModes.end() ? Strategy::single : known->second;
    if (known == kModes.end())
      problems_.add(below(path, "mode"), "has to be single, loadbalance, fallback or conditional");
  }

  void strategy_field(RouteNode& out, const json::Value::Member& member, const std::string& path,
                      Inherited& handed, std::optional<json::Value>& conditions,
                      std::optional<json::Value>& otherwise) {
    const std::string key = member.key();
    const auto only = [&](Strategy strategy, std::string_view mode) {
      if (out.strategy != strategy)
        problems_.add(path, "belongs to the mode " + std::string(mode) + " and means nothing in this one");
      return out.strategy == strategy;
    };
    if (key == "mode") return;
    if (key == "on_status_codes") {
      if (only(Strategy::fallback, "fallback")) out.on_status = values_.statuses(member.value, path);
    } else if (key == "conditions") {
      if (only(Strategy::conditional, "conditional")) conditions = member.value;
    } else if (key == "default") {
      if (only(Strategy::conditional, "conditional")) otherwise = member.value;
    } else if (key == "sticky") {
      if (only(Strategy::loadbalance, "loadbalance")) out.sticky = values_.sticky(member.value, path);
    } else if (key == "cb_config") {
      if (out.strategy == Strategy::conditional) {
        problems_.add(path,
                      "means nothing here: conditions choose whatever the state of their targets. Put it "
                      "into the fallback or loadbalance strategies below.");
      } else {
        handed.rest.breaker = values_.breaker(member.value, path);
      }
    } else {
      problems_.add(path, "is unknown");
    }
  }

  void read_targets(RouteNode& out, const std::optional<json::Value>& targets, const Inherited& handed,
                    const std::string& at, std::size_t depth) {
    const std::string path = below(at, "targets");
    if (!targets || !targets->is(json::Kind::array) || targets->size() == 0) {
      problems_.add(path, "has to be a list of at least one target");
      return;
    }
    if (depth >= limits::kRouteDepth) {
      problems_.add(path, "is nested too deeply: at most " + std::to_string(limits::kRouteDepth) + " levels");
      return;
    }
    if (out.strategy == Strategy::single && targets->size() > 1)
      problems_.add(path, "has to be one target: the mode single calls no other");
    std::size_t index = 0;
    for (const auto target : targets->elements()) {
      if (++targets_ > limits::kRouteTargets) {
        if (targets_ == limits::kRouteTargets + 1)
          problems_.add(path, "has one too many: a config has at most " +
                                  std::to_string(limits::kRouteTargets) + " targets");
        return;
      }
      const std::string number = std::to_string(index++);
      out.targets.push_back(
          node(target, handed, below(path, number), out.path + ".targets[" + number + "]", depth + 1));
    }
    if (out.strategy == Strategy::loadbalance &&
        std::ranges::all_of(out.targets, [](const auto& target) { return target->weight <= 0; }))
      problems_.add(path, "is off as a whole: every weight is 0");
  }

  void read_conditions(RouteNode& out, json::Value conditions, const std::string& path) {
    if (!conditions.is(json::Kind::array) || conditions.size() == 0) {
      problems_.add(path, "has to be a list of at least one condition");
      return;
    }
    std::size_t index = 0;
    for (const auto condition : conditions.elements()) {
      if (++conditions_ > limits::kRouteConditions) {
        if (conditions_ == limits::kRouteConditions + 1)
          problems_.add(path, "has one too many: a config has at most " +
                                  std::to_string(limits::kRouteConditions) + " conditions");
        return;
      }
      read_condition(out, condition, below(path, std::to_string(index++)));
    }
  }

  void read_condition(RouteNode& out, json::Value condition, const std::string& path) {
    if (!values_.object(condition, path)) return;
    for (const auto& member : condition.members()) {
      const std::string key = member.key();
      if (key != "query" && key != "then") problems_.add(below(path, key), "is unknown");
    }
    const auto query = condition.find("query"), then = condition.find("then");
    if (!query) problems_.add(below(path, "query"), "is missing");
    if (!then) problems_.add(below(path, "then"), "is missing");
    if (!query || !then) return;
    out.branches.push_back({.query = read_query(*query, below(path, "query"), budget_, problems_),
                            .target = target_named(out, *then, below(path, "then"))});
  }

  std::size_t target_named(const RouteNode& out, json::Value value, const std::string& path) {
    const std::string wanted = values_.name(value, path);
    const auto is_it = [&](const auto& target) { return !wanted.empty() && target->name == wanted; };
    const auto found = std::ranges::find_if(out.targets, is_it);
    if (found == out.targets.end()) {
      problems_.add(path, "has to be the name of one of these targets");
      return 0;
    }
    if (std::ranges::count_if(out.targets, is_it) > 1) problems_.add(path, "is the name of several targets");
    return static_cast<std::size_t>(found - out.targets.begin());
  }

  RouteProblems problems_;
  ConfigValues values_{problems_};
  QueryBudget budget_;
  std::size_t targets_ = 0, conditions_ = 0;
};

}  // namespace

std::expected<std::shared_ptr<const Route>, std::vector<RouteError>> parse_route(json::Value config) {
  ConfigReader reader;
  auto root = reader.read(config);
  if (!reader.problems().empty()) return std::unexpected(reader.problems().take());
  return std::make_shared<const Route>(std::move(root));
}

}  // namespace sallyport::llm
