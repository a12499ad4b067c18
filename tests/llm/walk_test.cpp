#include "sallyport/llm/walk.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "route_config.hpp"

using namespace sallyport;
using namespace sallyport::llm;
using namespace std::chrono_literals;
using test::route;

namespace {

/// Walks with these statuses in turn; what was called, as "provider" and "provider!" for a retry.
std::vector<std::string> called(Walk& walk, const std::vector<int>& statuses) {
  std::vector<std::string> out;
  const Step* step = walk.first();
  if (!step) return out;
  out.push_back(step->target.provider);
  for (const int status : statuses) {
    const auto next = walk.after(status);
    if (next.kind == Walk::Next::Kind::give_up) {
      CHECK(next.step == nullptr);
      return out;
    }
    REQUIRE(next.step == walk.current());
    out.push_back(next.step->target.provider + (next.kind == Walk::Next::Kind::retry ? "!" : ""));
  }
  return out;
}

std::vector<std::string> called(const std::string& config, const std::vector<int>& statuses,
                                const Walk::Open& open = {}, std::uint64_t random = 1) {
  const test::Request request;
  Walk walk(route(config), request.facts(), random, open);
  return called(walk, statuses);
}

using Names = std::vector<std::string>;

const std::string kThree = R"("targets": [{"provider": "a"}, {"provider": "b"}, {"provider": "c"}])";

std::string fallback(const std::string& more = "") {
  return R"({"strategy": {"mode": "fallback")" + more + "}, " + kThree + "}";
}

Walk::Open open_are(std::set<std::string> providers) {
  return [providers = std::move(providers)](const Step& step) {
    return providers.contains(step.target.provider);
  };
}

}  // namespace

TEST_CASE("a fallback goes on while answers are not good") {
  struct Row {
    const char* why;
    std::string config;
    std::vector<int> statuses;
    Names called;
  };
  const Row rows[] = {
      {"success ends it", fallback(), {200}, {"a"}},
      {"so does any 2xx", fallback(), {246}, {"a"}},
      {"an error goes on", fallback(), {500, 200}, {"a", "b"}},
      {"a client's error too", fallback(), {400, 200}, {"a", "b"}},
      {"a timeout too", fallback(), {408, 200}, {"a", "b"}},
      {"a denial by guardrails too", fallback(), {446, 200}, {"a", "b"}},
      {"unreachable too", fallback(), {0, 200}, {"a", "b"}},
      {"to the end", fallback(), {500, 503, 429}, {"a", "b", "c"}},
      {"only the codes named", fallback(R"(, "on_status_codes": [429])"), {500}, {"a"}},
      {"these", fallback(R"(, "on_status_codes": [429])"), {429, 429, 500}, {"a", "b", "c"}},
      {"unreachable is like 502", fallback(R"(, "on_status_codes": [502])"), {0, 200}, {"a", "b"}},
      {"and not like others", fallback(R"(, "on_status_codes": [500])"), {0}, {"a"}},
      {"even a success", fallback(R"(, "on_status_codes": [200])"), {200, 500}, {"a", "b"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(called(row.config, row.statuses) == row.called);
  }
}

TEST_CASE("a target that cannot be asked at all is passed over, whatever statuses the fallback goes by") {
  const test::Request request;
  Walk walk(route(R"({"strategy": {"mode": "fallback", "on_status_codes": [429]},
    "retry": {"attempts": 5, "on_status_codes": [400]}, "targets": [{"provider": "a"}, {"provider": "b"}]})"),
            request.facts(), 0);
  CHECK(walk.first()->target.provider == "a");
  const auto next = walk.pass();
  CHECK(next.kind == Walk::Next::Kind::other);
  REQUIRE(next.step != nullptr);
  CHECK(next.step->target.provider == "b");
  CHECK(walk.retries() == 0);
  CHECK(walk.pass().kind == Walk::Next::Kind::give_up);

  Walk one(route(R"({"provider": "a"})"), request.facts(), 0);
  CHECK(one.first() != nullptr);
  CHECK(one.pass().kind == Walk::Next::Kind::give_up);
}

TEST_CASE("a single target is called and no other") {
  CHECK(called(R"({"provider": "a"})", {500}) == Names{"a"});
  CHECK(called(R"({"strategy": {"mode": "single"}, "targets": [{"provider": "a"}]})", {500}) == Names{"a"});
}

TEST_CASE("strategies nest") {
  const std::string config = R"({"strategy": {"mode": "fallback"}, "targets": [
    {"strategy": {"mode": "fallback", "on_status_codes": [429]}, "targets": [{"provider": "a"}, {"provider": "b"}]},
    {"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "c"}, {"provider": "never", "weight": 0}]},
    {"strategy": {"mode": "single"}, "targets": [
      {"strategy": {"mode": "fallback"}, "targets": [{"provider": "d"}, {"provider": "e"}]}]}]})";
  struct Row {
    const char* why;
    std::vector<int> statuses;
    Names called;
  };
  for (const Row& row : {Row{"inner first", {429, 200}, {"a", "b"}},
                         Row{"the inner one ends, the outer one goes on", {500, 200}, {"a", "c"}},
                         Row{"load balancing tries no other", {500, 500, 500, 500}, {"a", "c", "d", "e"}},
                         Row{"to the end", {429, 429, 500, 500, 500}, {"a", "b", "c", "d", "e"}}}) {
    CAPTURE(row.why);
    CHECK(called(config, row.statuses) == row.called);
  }
}

TEST_CASE("steps know their way through the config") {
  const test::Request request;
  Walk walk(route(R"({"strategy": {"mode": "fallback"}, "targets": [
    {"provider": "a"}, {"strategy": {"mode": "fallback"}, "targets": [{"provider": "b"}, {"provider": "c"}]}]})"),
            request.facts(), 0);
  CHECK(walk.first()->path == "config.targets[0]");
  CHECK(walk.after(500).step->path == "config.targets[1].targets[0]");
  CHECK(walk.after(500).step->path == "config.targets[1].targets[1]");
  CHECK(walk.attempts() == 3);
  CHECK(walk.after(500).kind == Walk::Next::Kind::give_up);
  CHECK(walk.after(500).kind == Walk::Next::Kind::give_up);
  CHECK(walk.attempts() == 3);
}

TEST_CASE("retries come before other targets") {
  const std::string retry = R"("retry": {"attempts": 2}, )";
  const auto with_retry = [&](const std::string& strategy) {
    return "{" + retry + R"("strategy": {"mode": )" + strategy + "}, " + kThree + "}";
  };
  struct Row {
    const char* why;
    std::string config;
    std::vector<int> statuses;
    Names called;
    int retries;
  };
  const Row rows[] = {
      {"none was needed", with_retry("\"fallback\""), {200}, {"a"}, 0},
      {"one helped", with_retry("\"fallback\""), {500, 200}, {"a", "a!"}, 1},
      {"two helped", with_retry("\"fallback\""), {500, 429, 200}, {"a", "a!", "a!"}, 2},
      {"all in vain", with_retry("\"fallback\""), {500, 500, 500, 200}, {"a", "a!", "a!", "b"}, 0},
      {"each target has its own",
       with_retry("\"fallback\""),
       {500, 500, 500, 503, 200},
       {"a", "a!", "a!", "b", "b!"},
       1},
      {"not what nobody retries", with_retry("\"fallback\""), {400, 200}, {"a", "b"}, 0},
      {"nor a timeout", with_retry("\"fallback\""), {408, 200}, {"a", "b"}, 0},
      {"an overloaded provider", with_retry("\"fallback\""), {529, 200}, {"a", "a!"}, 1},
      {"an unreachable one", with_retry("\"fallback\""), {0, 200}, {"a", "a!"}, 1},
      {"exhausted at the end", "{" + retry + R"("provider": "a"})", {500, 500, 500}, {"a", "a!", "a!"}, -1},
      {"ended otherwise", "{" + retry + R"("provider": "a"})", {500, 400}, {"a", "a!"}, 1},
      {"without retries none is used up", R"({"provider": "a"})", {500}, {"a"}, 0},
      {"only the codes named",
       R"({"provider": "a", "retry": {"attempts": 1, "on_status_codes": [418]}})",
       {500},
       {"a"},
       0},
      {"these",
       R"({"provider": "a", "retry": {"attempts": 1, "on_status_codes": [418]}})",
       {418, 418},
       {"a", "a!"},
       -1},
  };
  const test::Request request;
  for (const Row& row : rows) {
    CAPTURE(row.why);
    Walk walk(route(row.config), request.facts(), 1);
    CHECK(called(walk, row.statuses) == row.called);
    CHECK(walk.retries() == row.retries);
  }
}

TEST_CASE("each retry waits twice as long as the one before") {
  const test::Request request;
  Walk walk(route(R"({"provider": "a", "retry": {"attempts": 5}})"), request.facts(), 1);
  walk.first();
  for (const auto wait : {1s, 2s, 4s, 8s, 16s}) {
    const auto next = walk.after(500);
    CHECK(next.kind == Walk::Next::Kind::retry);
    CHECK(next.wait == wait);
  }
  CHECK(walk.after(500).kind == Walk::Next::Kind::give_up);
  CHECK(walk.retries() == -1);
  CHECK(walk.attempts() == 6);
}

TEST_CASE("a retry waits as long as the provider says, where the config wants it") {
  struct Wait {
    int status;
    std::optional<std::chrono::milliseconds> told;
    std::chrono::milliseconds expected;  // below 0: no retry
  };
  struct Row {
    const char* why;
    bool flag;
    std::vector<Wait> waits;
  };
  const Row rows[] = {
      {"not unless it wants it", false, {{429, 7s, 1s}}},
      {"after a 429", true, {{429, 7s, 7s}}},
      {"not after others", true, {{503, 7s, 1s}}},
      {"nothing is said", true, {{429, std::nullopt, 1s}}},
      {"at once", true, {{429, 0ms, 0ms}}},
      {"a minute", true, {{429, 60s, 60s}, {429, 1ms, -1ms}}},
      {"more than a minute", true, {{429, 60001ms, -1ms}}},
      {"a minute altogether", true, {{429, 30s, 30s}, {429, 30s, 30s}, {429, 1s, -1ms}}},
      {"what we waited on our own counts too", true, {{500, std::nullopt, 1s}, {429, 60s, -1ms}}},
  };
  const test::Request request;
  for (const Row& row : rows) {
    CAPTURE(row.why);
    Walk walk(route(R"({"provider": "a", "retry": {"attempts": 5, "use_retry_after_header": )" +
                    std::string(row.flag ? "true" : "false") + "}}"),
              request.facts(), 1);
    walk.first();
    for (const Wait& wait : row.waits) {
      const auto next = walk.after(wait.status, wait.told);
      if (wait.expected < 0ms) {
        CHECK(next.kind == Walk::Next::Kind::give_up);
        CHECK(walk.retries() == -1);
      } else {
        CHECK(next.kind == Walk::Next::Kind::retry);
        CHECK(next.wait == wait.expected);
      }
    }
  }
}

TEST_CASE("too long a wait goes on to the next target at once") {
  const test::Request request;
  Walk walk(
      route(
          R"({"retry": {"attempts": 5, "use_retry_after_header": true}, "strategy": {"mode": "fallback"}, )" +
          kThree + "}"),
      request.facts(), 1);
  walk.first();
  const auto next = walk.after(429, 3600s);
  CHECK(next.kind == Walk::Next::Kind::other);
  CHECK(next.wait == 0ms);
  CHECK(next.step->target.provider == "b");
  CHECK_MESSAGE(walk.after(429, 60s).wait == 60s, "each target has its own minute");
}

TEST_CASE("load balancing follows the weights") {
  const std::string config = R"({"strategy": {"mode": "loadbalance"}, "targets": [
    {"provider": "a", "weight": 0.7}, {"provider": "off", "weight": 0}, {"provider": "b", "weight": 0.2},
    {"provider": "c", "weight": 0.1}]})";
  const auto found = route(config);
  const test::Request request;
  std::map<std::string, int> counts;
  constexpr int kWalks = 20000;
  for (int seed = 0; seed < kWalks; ++seed) {
    Walk walk(found, request.facts(), static_cast<std::uint64_t>(seed));
    const Step* step = walk.first();
    ++counts[step->target.provider];
    CHECK(walk.after(500).kind == Walk::Next::Kind::give_up);
    Walk again(found, request.facts(), static_cast<std::uint64_t>(seed));
    CHECK(again.first() == step);
  }
  // Four standard deviations of the rarest are 0.85 %.
  CHECK(counts["a"] == doctest::Approx(kWalks * 0.7).epsilon(0.03));
  CHECK(counts["b"] == doctest::Approx(kWalks * 0.2).epsilon(0.06));
  CHECK(counts["c"] == doctest::Approx(kWalks * 0.1).epsilon(0.09));
  CHECK(counts["off"] == 0);
}

TEST_CASE("nested load balancing draws for every level") {
  const auto found = route(R"({"strategy": {"mode": "loadbalance"}, "targets": [
    {"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "a"}, {"provider": "b"}]},
    {"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "c"}, {"provider": "d"}]}]})");
  const test::Request request;
  std::map<std::string, int> counts;
  for (std::uint64_t seed = 0; seed < 8000; ++seed) {
    Walk walk(found, request.facts(), seed);
    ++counts[walk.first()->target.provider];
  }
  REQUIRE(counts.size() == 4);
  for (const auto& [name, count] : counts) {
    CAPTURE(name);
    CHECK(count == doctest::Approx(2000).epsilon(0.1));
  }
}

TEST_CASE("sticky balancing sends the same user to the same target") {
  const auto config = [](const std::string& targets) {
    return route(R"({"strategy": {"mode": "loadbalance", "sticky": {"enabled": true,
      "hash_fields": ["metadata.user_id", "params.user"], "ttl": 3600}}, "targets": [)" +
                 targets + "]}");
  };
  const std::string two = R"({"provider": "a", "weight": 3}, {"provider": "b"})";
  const auto found = config(two), grown = config(two + R"(, {"provider": "c"})");
  const auto goes = [](const auto& to, const test::Request& request, std::uint64_t seed,
                       const Walk::Open& open = {}) {
    Walk walk(to, request.facts(), seed, open);
    return walk.first()->target.provider;
  };
  std::map<std::string, int> counts;
  int moved = 0;
  constexpr int kUsers = 4000;
  for (int user = 0; user < kUsers; ++user) {
    const test::Request request("{}", {{"user_id", "u" + std::to_string(user)}});
    const std::string target = goes(found, request, 1);
    ++counts[target];
    CHECK(goes(found, request, 99) == target);
    const std::string later = goes(grown, request, 1);
    if (later != target) {
      ++moved;
      CHECK_MESSAGE(later == "c", "nobody moves between targets that stay");
    }
  }
  CHECK(counts["a"] == doctest::Approx(kUsers * 0.75).epsilon(0.05));
  CHECK(moved == doctest::Approx(kUsers * 0.2).epsilon(0.15));

  const test::Request by_body(R"({"user": "x"})");
  CHECK(goes(found, by_body, 1) == goes(found, by_body, 2));
  std::set<std::string> unnamed;
  for (std::uint64_t seed = 0; seed < 100; ++seed) unnamed.insert(goes(found, test::Request(), seed));
  CHECK_MESSAGE(unnamed.size() == 2, "without any of the fields it is chance");
}

TEST_CASE("sticky balancing may be switched off") {
  const auto found = route(R"({"strategy": {"mode": "loadbalance", "sticky": {"enabled": false,
    "hash_fields": ["metadata.user_id"]}}, "targets": [{"provider": "a"}, {"provider": "b"}]})");
  const test::Request request("{}", {{"user_id", "u"}});
  std::set<std::string> seen;
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Walk walk(found, request.facts(), seed);
    seen.insert(walk.first()->target.provider);
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("targets that are held back are left out, unless all are") {
  const std::string breaker = R"(, "cb_config": {"failure_threshold": 1})";
  const std::string three = fallback(breaker);
  const std::string balanced = R"({"strategy": {"mode": "loadbalance")" + breaker + "}, " + kThree + "}";
  const std::string nested = R"({"strategy": {"mode": "fallback")" + breaker + R"(}, "targets": [
    {"strategy": {"mode": "loadbalance"}, "targets": [{"provider": "a"}, {"provider": "b"}]},
    {"strategy": {"mode": "single"}, "targets": [{"provider": "c"}]}]})";
  const std::string conditional = R"({"strategy": {"mode": "fallback")" + breaker + R"(}, "targets": [
    {"strategy": {"mode": "conditional", "default": "a",
                  "conditions": [{"query": {"params.x": {"$eq": 1}}, "then": "a"}]},
     "targets": [{"name": "a", "provider": "a"}]}, {"provider": "b"}]})";
  struct Row {
    const char* why;
    std::string config;
    std::set<std::string> open;
    std::vector<int> statuses;
    Names called;
  };
  const Row rows[] = {
      {"the first", three, {"a"}, {500, 500}, {"b", "c"}},
      {"in the middle", three, {"b"}, {500, 500}, {"a", "c"}},
      {"all: as if none were", three, {"a", "b", "c"}, {500, 500, 500}, {"a", "b", "c"}},
      {"without a breaker it is not asked", fallback(), {"a"}, {500, 200}, {"a", "b"}},
      {"balancing between those left", balanced, {"a", "c"}, {500}, {"b"}},
      {"a group with one left", nested, {"a"}, {500, 500}, {"b", "c"}},
      {"a group with none left", nested, {"a", "b"}, {500}, {"c"}},
      {"conditions are excepted", conditional, {"a"}, {500, 500}, {"a", "b"}},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(called(row.config, row.statuses, open_are(row.open)) == row.called);
  }
}

TEST_CASE("a branch without a match is passed over on the way") {
  const std::string config = R"({"strategy": {"mode": "fallback"}, "targets": [
    {"strategy": {"mode": "conditional", "conditions": [{"query": {"params.x": {"$eq": 1}}, "then": "n"}]},
     "targets": [{"name": "n", "provider": "never"}]}, {"provider": "b"}]})";
  CHECK(called(config, {500}) == Names{"b"});
  const std::string only = R"({"strategy": {"mode": "conditional",
    "conditions": [{"query": {"params.x": {"$eq": 1}}, "then": "n"}]}, "targets": [{"name": "n"}]})";
  const test::Request request;
  Walk walk(route(only), request.facts(), 1);
  CHECK(walk.first() == nullptr);
  CHECK(walk.after(500).kind == Walk::Next::Kind::give_up);
}

TEST_CASE("a walk calls only what was planned") {
  const auto found = route(R"({"strategy": {"mode": "loadbalance"}, "targets": [
    {"strategy": {"mode": "fallback"}, "targets": [{"provider": "a"}, {"provider": "b"}]},
    {"provider": "c", "retry": {"attempts": 2}}, {"provider": "d", "weight": 0}]})");
  const test::Request request;
  const auto steps = planned(*found, request.facts());
  REQUIRE(steps.has_value());
  const std::set<const Step*> allowed(steps->begin(), steps->end());
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Walk walk(found, request.facts(), seed);
    for (const Step* step = walk.first(); step; step = walk.after(503).step) CHECK(allowed.contains(step));
  }
}
