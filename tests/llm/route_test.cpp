#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "route_config.hpp"
#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace sallyport::llm;
using namespace std::chrono_literals;
using test::problems;
using test::route;

namespace {

/// A config of `depth` groups around one target.
std::string nested(std::size_t depth) {
  std::string out = R"({"provider": "a"})";
  for (std::size_t i = 1; i < depth; ++i)
    out = R"({"strategy": {"mode": "single"}, "targets": [)" + out + "]}";
  return out;
}

std::string fallback_of(std::size_t count) {
  std::string out = R"({"strategy": {"mode": "fallback"}, "targets": [)";
  for (std::size_t i = 0; i < count; ++i) out += std::string(i ? "," : "") + R"({"provider": "a"})";
  return out + "]}";
}

std::string conditional_of(const std::string& conditions) {
  return R"({"strategy": {"mode": "conditional", "default": "a", "conditions": [)" + conditions +
         R"(]}, "targets": [{"name": "a", "provider": "x"}]})";
}

}  // namespace

TEST_CASE("a config without targets is one target") {
  struct Row {
    const char *why, *config, *provider, *virtual_key;
  };
  for (const Row& row : {Row{"by provider", R"({"provider": "@openai-prod"})", "openai-prod", ""},
                         Row{"the @ may be left out", R"({"provider": "openai-prod"})", "openai-prod", ""},
                         Row{"by virtual key", R"({"virtual_key": "team-key"})", "", "team-key"},
                         Row{"both", R"({"provider": "@p", "virtual_key": "k"})", "p", "k"},
                         Row{"neither: the request says it", R"({"retry": {"attempts": 1}})", "", ""},
                         Row{"nothing at all", "{}", "", ""}}) {
    CAPTURE(row.why);
    const auto found = route(row.config);
    REQUIRE(found->steps().size() == 1);
    const Step& step = *found->steps()[0];
    CHECK(step.path == "config");
    CHECK(step.target == TargetRef{row.provider, row.virtual_key});
    CHECK(step.target.empty() == (std::string(row.provider).empty() && std::string(row.virtual_key).empty()));
  }
}

TEST_CASE("every field of a target is read") {
  const auto found = route(R"({
    "name": "main", "weight": 0.25, "provider": "@p", "request_timeout": 2500,
    "override_params": {"model": "gpt-5", "temperature": 0.20}, "default_params": {"top_p": 1},
    "drop_params": ["logprobs", "messages[*].name"],
    "retry": {"attempts": 3, "on_status_codes": [429, 500], "use_retry_after_header": true},
    "cb_config": {"failure_threshold": 4, "failure_threshold_percentage": 20, "minimum_requests": 7,
                  "cooldown_interval": 60000, "failure_status_codes": [401, 500]},
    "strict_open_ai_compliance": false})");
  const Step& step = *found->steps().at(0);
  CHECK(step.name == "main");
  CHECK(step.model == "gpt-5");
  CHECK(step.override_params == R"({"model":"gpt-5","temperature":0.20})");
  CHECK(step.default_params == R"({"top_p":1})");
  CHECK(step.drop_params == std::vector<std::string>{"logprobs", "messages[*].name"});
  CHECK(step.timeout == 2500ms);
  CHECK(step.retry == Retry{.attempts = 3, .on_status = {429, 500}, .use_retry_after = true});
  CHECK(step.strict == false);
  CHECK(step.breaker == BreakerOptions{.failure_threshold = 4,
                                       .failure_threshold_percentage = 20,
                                       .minimum_requests = 7,
                                       .cooldown = 60s,
                                       .failure_status_codes = {401, 500}});
  CHECK(route(R"({"retry": {"attempts": 1, "use_retry_after_headers": true}})")
            ->steps()
            .at(0)
            ->retry.use_retry_after);
}

TEST_CASE("targets inherit: parameters are merged, everything else is replaced") {
  const auto found = route(R"({
    "strategy": {"mode": "fallback", "cb_config": {"failure_threshold": 2}},
    "override_params": {"model": "outer", "temperature": 1, "user": "u"}, "default_params": {"seed": 1},
    "drop_params": ["logprobs"], "request_timeout": 9000, "strict_open_ai_compliance": true,
    "retry": {"attempts": 2, "on_status_codes": [500]},
    "targets": [
      {"provider": "plain"},
      {"strategy": {"mode": "loadbalance", "cb_config": {"failure_threshold": 9}},
       "override_params": {"temperature": 0}, "retry": {"attempts": 5},
       "targets": [
         {"provider": "deep", "override_params": {"model": "inner", "stop": ["x"]}, "default_params": {"seed": 2},
          "drop_params": ["user"], "request_timeout": 100, "strict_open_ai_compliance": false},
         {"provider": "own breaker", "cb_config": {"failure_threshold": 1}}]}]})");
  REQUIRE(found->steps().size() == 3);
  const Step &plain = *found->steps()[0], &deep = *found->steps()[1], &own = *found->steps()[2];

  CHECK(plain.path == "config.targets[0]");
  CHECK(plain.override_params == R"({"model":"outer","temperature":1,"user":"u"})");
  CHECK(plain.model == "outer");
  CHECK(plain.timeout == 9000ms);
  CHECK(plain.retry == Retry{.attempts = 2, .on_status = {500}});
  CHECK(plain.strict == true);
  CHECK(plain.drop_params == std::vector<std::string>{"logprobs"});
  CHECK(plain.breaker->failure_threshold == 2);

  CHECK(deep.path == "config.targets[1].targets[0]");
  CHECK(deep.override_params == R"({"model":"inner","temperature":0,"user":"u","stop":["x"]})");
  CHECK(deep.model == "inner");
  CHECK(deep.default_params == R"({"seed":2})");
  CHECK(deep.timeout == 100ms);
  CHECK_MESSAGE(deep.retry == Retry{.attempts = 5}, "replaced as a whole");
  CHECK(deep.strict == false);
  CHECK(deep.drop_params == std::vector<std::string>{"user"});
  CHECK(deep.breaker->failure_threshold == 9);
  CHECK(own.breaker->failure_threshold == 1);
}

TEST_CASE("targets of conditions have no breaker of the groups around them") {
  const auto found =
      route(R"({"strategy": {"mode": "fallback", "cb_config": {"failure_threshold": 2}}, "targets": [
    {"strategy": {"mode": "conditional", "default": "x",
                  "conditions": [{"query": {"params.a": {"$eq": 1}}, "then": "x"}]},
     "targets": [{"name": "x", "provider": "p"}]}]})");
  CHECK(!found->steps().at(0)->breaker);
}

TEST_CASE("what a config brings along is reported with its path and handed down") {
  const auto found = route(R"({
    "strategy": {"mode": "fallback"}, "custom_host": "https://outer.example",
    "targets": [
      {"provider": "p", "api_key": "sk-1", "forward_headers": ["x-a"]},
      {"provider": "q", "custom_host": "https://inner.example", "aws_region": "eu-west-1"},
      {"provider": "r", "azure_resource_name": "n", "vertex_project_id": "v", "openai_organization": "o"}]})");
  CHECK(found->brought() == std::vector<std::string>{"custom_host", "targets,0,api_key",
                                                     "targets,0,forward_headers", "targets,1,custom_host",
                                                     "targets,1,aws_region", "targets,2,azure_resource_name",
                                                     "targets,2,vertex_project_id",
                                                     "targets,2,openai_organization"});
  const auto& second = found->steps().at(1)->brought;
  REQUIRE(second.size() == 2);
  CHECK(second[0].value == R"("https://inner.example")");
  CHECK(second[0].field == "custom_host");
  CHECK(found->steps().at(0)->brought.at(0).value == R"("https://outer.example")");
  CHECK(route(R"({"provider": "p"})")->brought().empty());
}

TEST_CASE("a config that is wrong says where and why") {
  struct Row {
    std::string config, path, message;
  };
  const std::string bad_query = R"("then": "a"})";
  const Row rows[] = {
      {"[]", "", "has to be an object"},
      {R"({"providr": "x"})", "providr", "is unknown"},
      {R"({"provider": 1})", "provider", "has to be a name"},
      {R"({"provider": ""})", "provider", "has to be a name"},
      {R"({"provider": "@"})", "provider", "has to name a provider"},
      {R"({"provider": "a/b"})", "provider", "has to name a provider"},
      {R"({"provider": "a\u0000b"})", "provider", "has to be a name"},
      {R"({"strategy": {"mode": "fastest"}, "targets": [{}]})", "strategy,mode", "has to be single, loadb"},
      {R"({"strategy": {}, "targets": [{}]})", "strategy,mode", "has to be single, loadb"},
      {R"({"strategy": "fallback", "targets": [{}]})", "strategy", "has to be an object"},
      {R"({"strategy": {"mode": "fallback"}})", "targets", "at least one target"},
      {R"({"strategy": {"mode": "fallback"}, "targets": []})", "targets", "at least one target"},
      {R"({"strategy": {"mode": "fallback"}, "targets": {}})", "targets", "at least one target"},
      {R"({"strategy": {"mode": "fallback"}, "targets": ["a"]})", "targets,0", "has to be an object"},
      {R"({"targets": [{"provider": "a"}]})", "strategy", "is missing"},
      {R"({"strategy": {"mode": "single"}, "targets": [{}, {}]})", "targets", "has to be one target"},
      {R"({"strategy": {"mode": "single"}, "targets": [{}], "provider": "a"})", "", "has targets and is one"},
      {R"({"strategy": {"mode": "loadbalance"}, "targets": [{"weight": 0}]})", "targets",
       "every weight is 0"},
      {R"({"strategy": {"mode": "loadbalance"}, "targets": [{"weight": -1}]})", "targets,0,weight",
       "from 0 to"},
      {R"({"strategy": {"mode": "loadbalance"}, "targets": [{"weight": 1e9}]})", "targets,0,weight",
       "from 0"},
      {R"({"weight": "1"})", "weight", "from 0 to"},
      {R"({"strategy": {"mode": "loadbalance", "on_status_codes": [500]}, "targets": [{}]})",
       "strategy,on_status_codes", "belongs to the mode fallback"},
      {R"({"strategy": {"mode": "fallback", "conditions": []}, "targets": [{}]})", "strategy,conditions",
       "belongs to the mode conditional"},
      {R"({"strategy": {"mode": "fallback", "default": "a"}, "targets": [{}]})", "strategy,default",
       "belongs to the mode conditional"},
      {R"({"strategy": {"mode": "fallback", "sticky": {}}, "targets": [{}]})", "strategy,sticky",
       "belongs to the mode loadbalance"},
      {R"({"strategy": {"mode": "fallback", "speed": 1}, "targets": [{}]})", "strategy,speed", "is unknown"},
      {R"({"strategy": {"mode": "fallback", "on_status_codes": [42]}, "targets": [{}]})",
       "strategy,on_status_codes,0", "from 100 to 599"},
      {R"({"strategy": {"mode": "fallback", "on_status_codes": []}, "targets": [{}]})",
       "strategy,on_status_codes", "a list of 1 to"},
      {R"({"strategy": {"mode": "loadbalance", "sticky": {"enabled": true}}, "targets": [{}]})",
       "strategy,sticky,hash_fields", "is missing"},
      {R"({"strategy": {"mode": "loadbalance", "sticky": {"enabled": true, "hash_fields": ["user"]}}, "targets": [{}]})",
       "strategy,sticky,hash_fields", "metadata.NAME"},
      {R"({"strategy": {"mode": "loadbalance", "sticky": {"enabled": true, "hash_fields": []}}, "targets": [{}]})",
       "strategy,sticky,hash_fields", "metadata.NAME"},
      {R"({"strategy": {"mode": "loadbalance", "sticky": {"ttl": 0}}, "targets": [{}]})",
       "strategy,sticky,ttl", "whole number"},
      {R"({"request_timeout": 0})", "request_timeout", "from 1 to 3600000"},
      {R"({"request_timeout": 1.5})", "request_timeout", "whole number"},
      {R"({"request_timeout": 3600001})", "request_timeout", "from 1 to 3600000"},
      {R"({"override_params": []})", "override_params", "has to be an object"},
      {R"({"override_params": {"model": 5}})", "override_params,model", "has to be a name"},
      {R"({"default_params": "x"})", "default_params", "has to be an object"},
      {R"({"drop_params": "x"})", "drop_params", "has to be a list"},
      {R"({"drop_params": ["a", "messages[x].name"]})", "drop_params,1", "name of a parameter"},
      {R"({"retry": 3})", "retry", "has to be an object"},
      {R"({"retry": {}})", "retry,attempts", "is missing"},
      {R"({"retry": {"attempts": 6}})", "retry,attempts", "from 0 to 5"},
      {R"({"retry": {"attempts": -1}})", "retry,attempts", "from 0 to 5"},
      {R"({"retry": {"attempts": 1, "codes": []}})", "retry,codes", "is unknown"},
      {R"({"retry": {"attempts": 1, "use_retry_after_header": 1}})", "retry,use_retry_after_header",
       "true or"},
      {R"({"cb_config": {}})", "cb_config", "never opens"},
      {R"({"cb_config": {"failure_threshold": 0}})", "cb_config,failure_threshold", "from 1"},
      {R"({"cb_config": {"failure_threshold_percentage": 101}})", "cb_config,failure_threshold_percentage",
       "from 1 to 100"},
      {R"({"cb_config": {"failure_threshold": 1, "cooldown_interval": 29999}})",
       "cb_config,cooldown_interval", "from 30000"},
      {R"({"cb_config": {"failure_threshold": 1, "window": 1}})", "cb_config,window", "is unknown"},
      {R"({"strict_open_ai_compliance": "no"})", "strict_open_ai_compliance", "true or false"},
      {R"({"custom_host": 5})", "custom_host", "has to be a text"},
      {R"({"forward_headers": "x-a"})", "forward_headers", "list of header names"},
      {R"({"cache": {"mode": "simple"}})", "cache", "is not implemented in this version"},
      {R"({"before_request_hooks": []})", "before_request_hooks", "is not implemented in this version"},
      {R"({"after_request_hooks": []})", "after_request_hooks", "is not implemented in this version"},
      {R"({"input_guardrails": ["g"]})", "input_guardrails", "is not implemented in this version"},
      {R"({"output_guardrails": ["g"]})", "output_guardrails", "is not implemented in this version"},
      {R"({"input_mutators": []})", "input_mutators", "is not implemented in this version"},
      {R"({"output_mutators": []})", "output_mutators", "is not implemented in this version"},
      {R"({"prompt_id": "p"})", "prompt_id", "is not implemented in this version"},
      {R"({"passthrough": true})", "passthrough", "is not implemented in this version"},
      {R"({"strategy": {"mode": "conditional"}, "targets": [{}]})", "strategy,conditions", "is missing"},
      {conditional_of(""), "strategy,conditions", "at least one condition"},
      {conditional_of("5"), "strategy,conditions,0", "has to be an object"},
      {conditional_of("{" + bad_query), "strategy,conditions,0,query", "is missing"},
      {conditional_of(R"({"query": {"params.a": {"$eq": 1}}})"), "strategy,conditions,0,then", "is missing"},
      {conditional_of(R"({"query": {"params.a": {"$eq": 1}}, "then": "b"})"), "strategy,conditions,0,then",
       "has to be the name of one of these targets"},
      {conditional_of(R"({"query": {"params.a": {"$eq": 1}}, "else": "a", )" + bad_query),
       "strategy,conditions,0,else", "is unknown"},
      {conditional_of(R"({"query": {}, )" + bad_query), "strategy,conditions,0,query",
       "has to be an object such"},
      {conditional_of(R"({"query": {"params.a.b": {"$eq": 1}}, )" + bad_query),
       "strategy,conditions,0,query,params.a.b", "has to be metadata.NAME"},
      {conditional_of(R"({"query": {"user": {"$eq": 1}}, )" + bad_query), "strategy,conditions,0,query,user",
       "has to be metadata.NAME"},
      {conditional_of(R"({"query": {"url.path": {"$eq": 1}}, )" + bad_query),
       "strategy,conditions,0,query,url.path", "has to be metadata.NAME"},
      {conditional_of(R"({"query": {"params.a": "x"}, )" + bad_query), "strategy,conditions,0,query,params.a",
       "has to be an object of operators"},
      {conditional_of(R"({"query": {"params.a": {"$like": "x"}}, )" + bad_query),
       "strategy,conditions,0,query,params.a,$like", "is no operator"},
      {conditional_of(R"({"query": {"params.a": {"$eq": []}}, )" + bad_query),
       "strategy,conditions,0,query,params.a,$eq", "has to be a text, a number"},
      {conditional_of(R"({"query": {"params.a": {"$gt": "x"}}, )" + bad_query),
       "strategy,conditions,0,query,params.a,$gt", "has to be a number"},
      {conditional_of(R"({"query": {"params.a": {"$in": "x"}}, )" + bad_query),
       "strategy,conditions,0,query,params.a,$in", "has to be a list"},
      {conditional_of(R"({"query": {"params.a": {"$in": [[]]}}, )" + bad_query),
       "strategy,conditions,0,query,params.a,$in", "may list only"},
      {conditional_of(R"({"query": {"params.a": {"$regex": "("}}, )" + bad_query),
       "strategy,conditions,0,query,params.a,$regex", "is no regular expression"},
      {conditional_of(R"({"query": {"params.a": {"$regex": "(?=y)x"}}, )" + bad_query),
       "strategy,conditions,0,query,params.a,$regex", "is no regular expression"},
      {conditional_of(R"({"query": {"$and": {}}, )" + bad_query), "strategy,conditions,0,query,$and",
       "has to be a list of queries"},
      {conditional_of(R"({"query": {"$or": [5]}, )" + bad_query), "strategy,conditions,0,query,$or,0",
       "has to be an object such"},
      {R"({"strategy": {"mode": "conditional", "cb_config": {"failure_threshold": 1}, "default": "a",
          "conditions": [{"query": {"params.a": {"$eq": 1}}, "then": "a"}]}, "targets": [{"name": "a"}]})",
       "strategy,cb_config", "means nothing here"},
      {R"({"strategy": {"mode": "conditional", "default": "a",
          "conditions": [{"query": {"params.a": {"$eq": 1}}, "then": "a"}]},
          "targets": [{"name": "a"}, {"name": "a"}]})",
       "strategy,conditions,0,then", "is the name of several targets"},
      {R"({"strategy": {"mode": "fallback"}, "targets": [{"strategy": {"mode": "fallback"}, "targets": [{"x": 1}]}]})",
       "targets,0,targets,0,x", "is unknown"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.config);
    const auto found = problems(row.config);
    CAPTURE((found.empty() ? std::string("accepted") : found[0]));
    const bool told = std::ranges::any_of(found, [&](const std::string& text) {
      return text.starts_with(row.path + ": ") && text.contains(row.message);
    });
    CHECK(told);
  }
}

TEST_CASE("all problems are told at once, in the form that clients of this config know") {
  const auto document =
      test::parsed(R"({"strategy": {"mode": "best"}, "targets": [{"provider": "a", "x": 1}], "cache": {}})");
  const auto refused = read_route(document.root());
  REQUIRE(!refused.has_value());
  CHECK(refused.error().code == Code::bad_request);
  CHECK(refused.error().blame == Blame::client);
  CHECK(refused.error().hint ==
        "Invalid config passed: path: cache, message: is not implemented in this version: leave it out, "
        "because a "
        "config that asks for it would not get it; path: strategy,mode, message: has to be single, "
        "loadbalance, "
        "fallback or conditional; path: targets,0,x, message: is unknown");
  const auto data = test::parsed(refused.error().data);
  REQUIRE(data.root().size() == 3);
  CHECK((*data.root().elements().begin()).string()->starts_with("path: cache, message: "));
  CHECK(read_route(test::parsed(R"({"provider": "a"})").root()).has_value());
}

TEST_CASE("configs have bounds") {
  CHECK(problems(nested(limits::kRouteDepth)).empty());
  CHECK(problems(nested(limits::kRouteDepth + 1)).at(0).contains("nested too deeply"));
  CHECK(problems(fallback_of(limits::kRouteTargets)).empty());
  CHECK(problems(fallback_of(limits::kRouteTargets + 1)).at(0).contains("at most 64 targets"));
  CHECK(problems(R"({"name": ")" + std::string(limits::kRouteBytes, 'x') + "\"}")
            .at(0)
            .contains("larger than"));

  std::string conditions, patterns, comparisons;
  for (std::size_t i = 0; i <= limits::kRouteConditions; ++i)
    conditions += std::string(i ? "," : "") + R"({"query": {"params.a": {"$eq": 1}}, "then": "a"})";
  CHECK(problems(conditional_of(conditions)).at(0).contains("at most 64 conditions"));
  for (std::size_t i = 0; i <= limits::kPatterns; ++i)
    patterns += std::string(i ? "," : "") + R"({"params.a": {"$regex": "x"}})";
  CHECK(problems(conditional_of(R"({"query": {"$or": [)" + patterns + R"(]}, "then": "a"})"))
            .at(0)
            .contains("at most 16 regular expressions"));
  for (std::size_t i = 0; i <= limits::kRouteComparisons; ++i)
    comparisons += std::string(i ? "," : "") + R"({"params.a": {"$eq": 1}})";
  const auto many = problems(conditional_of(R"({"query": {"$or": [)" + comparisons + R"(]}, "then": "a"})"));
  REQUIRE(many.size() == 1);
  CHECK(many[0].contains("at most 256 comparisons"));
  CHECK(problems(conditional_of(R"({"query": {"params.a": {"$regex": ")" +
                                std::string(limits::kPatternBytes + 1, 'a') + R"("}}, "then": "a"})"))
            .at(0)
            .contains("regular expression of at most"));
  CHECK_MESSAGE(
      problems(conditional_of(R"({"query": {"params.a": {"$regex": "((a{100}){100}){100}"}}, "then": "a"})"))
          .at(0)
          .contains("is no regular expression"),
      "a small text may ask for much memory");
  const std::string half(limits::kRouteParameters * 3 / 4, 'x');
  CHECK(problems(R"({"strategy": {"mode": "single"}, "override_params": {"a": ")" + half +
                 R"("}, "targets": [{"override_params": {"b": ")" + half + "\"}}]}")
            .at(0)
            .starts_with("targets,0: has parameters of more than"));

  std::string wrong = "{";
  for (int i = 0; i < 1000; ++i)
    wrong += std::string(i ? "," : "") + "\"" + std::string(40, 'k') + std::to_string(i) + "\": 1";
  CHECK(problems(wrong + "}").size() == limits::kRouteProblems);
  const auto longer = test::parsed("{\"" + std::string(5000, 'k') + "\": 1}");
  const auto refused = parse_route(longer.root());
  REQUIRE(!refused.has_value());
  CHECK(refused.error().at(0).path.size() == limits::kToldName);
}

TEST_CASE("what a request could reach is known before anything is called") {
  const std::string config = R"({"strategy": {"mode": "fallback"}, "targets": [
    {"provider": "first"},
    {"strategy": {"mode": "loadbalance"}, "targets": [
      {"provider": "half"}, {"provider": "off", "weight": 0}, {"provider": "other half", "weight": 0.5}]},
    {"strategy": {"mode": "conditional",
                  "conditions": [{"query": {"metadata.plan": {"$eq": "paid"}}, "then": "good"},
                                 {"query": {"metadata.plan": {"$eq": "free"}}, "then": "cheap"}]},
     "targets": [{"name": "cheap", "provider": "cheap"}, {"name": "good", "provider": "good"}]},
    {"strategy": {"mode": "single"}, "targets": [{"provider": "last"}]}]})";
  const auto found = route(config);
  CHECK(found->steps().size() == 7);
  struct Row {
    const char *why, *plan;
    std::vector<std::string> providers;
  };
  for (const Row& row : {Row{"a branch is chosen", "paid", {"first", "half", "other half", "good", "last"}},
                         Row{"another is", "free", {"first", "half", "other half", "cheap", "last"}},
                         Row{"none matches: left out", "none", {"first", "half", "other half", "last"}}}) {
    CAPTURE(row.why);
    const test::Request request("{}", {{"plan", row.plan}});
    const auto steps = planned(*found, request.facts());
    REQUIRE(steps.has_value());
    std::vector<std::string> providers;
    for (const Step* step : *steps) providers.push_back(step->target.provider);
    CHECK(providers == row.providers);
  }
}

TEST_CASE("a request that no condition matches is the client's error") {
  const auto found = route(R"({"strategy": {"mode": "conditional",
    "conditions": [{"query": {"metadata.plan": {"$eq": "paid"}}, "then": "a"}]}, "targets": [{"name": "a"}]})");
  const test::Request request;
  const auto steps = planned(*found, request.facts());
  REQUIRE(!steps.has_value());
  CHECK(steps.error().code == Code::bad_request);
  CHECK(steps.error().blame == Blame::client);
  CHECK(steps.error().hint.contains("default"));
}
