#include "sallyport/llm/target_breaker.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace sallyport;
using namespace sallyport::llm;
using namespace std::chrono_literals;

namespace {

constexpr BreakerOptions options() { return {.failure_threshold = 3, .cooldown = 30s}; }

/// A breaker and the time that it is handed.
struct Bench {
  explicit Bench(BreakerOptions with) : breaker(std::move(with)) {}
  TargetBreaker breaker;
  SteadyTime now = SteadyTime(1000s);

  void call(int status) { breaker.end(breaker.begin(now), status, now); }
  void calls(const std::vector<int>& statuses) {
    for (const int status : statuses) call(status);
  }
  bool open() const { return breaker.open(now); }
};

}  // namespace

TEST_CASE("a breaker opens when a threshold is reached") {
  struct Row {
    const char* why;
    BreakerOptions options;
    std::vector<int> statuses;
    bool open;
  };
  const Row rows[] = {
      {"closed at first", options(), {}, false},
      {"one below", options(), {502, 502}, false},
      {"at the threshold", options(), {502, 502, 502}, true},
      {"successes between do not help", options(), {502, 200, 502, 200, 503}, true},
      {"500 itself is no failure", options(), {500, 500, 500, 500}, false},
      {"nor are client errors and timeouts", options(), {429, 408, 400, 401}, false},
      {"unreachable is like 502", options(), {0, 0, 0}, true},
      {"codes of its own", {.failure_threshold = 2, .failure_status_codes = {429, 408}}, {429, 408}, true},
      {"and no others", {.failure_threshold = 2, .failure_status_codes = {429, 408}}, {502, 503, 0}, false},
      {"unreachable by its own code", {.failure_threshold = 1, .failure_status_codes = {502}}, {0}, true},
      {"a share of the calls",
       {.failure_threshold_percentage = 50, .minimum_requests = 4},
       {502, 200, 200, 502},
       true},
      {"a smaller share",
       {.failure_threshold_percentage = 50, .minimum_requests = 4},
       {502, 200, 200, 200, 502},
       false},
      {"of too few calls",
       {.failure_threshold_percentage = 50, .minimum_requests = 4},
       {502, 502, 502},
       false},
      {"of enough by default", {.failure_threshold_percentage = 1}, std::vector<int>(9, 502), false},
      {"and the tenth", {.failure_threshold_percentage = 1}, std::vector<int>(10, 502), true},
      {"whichever comes first",
       {.failure_threshold = 2, .failure_threshold_percentage = 100, .minimum_requests = 50},
       {502, 200, 502},
       true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    Bench bench(row.options);
    bench.calls(row.statuses);
    CHECK(bench.open() == row.open);
  }
}

TEST_CASE("failures of another time are forgotten") {
  Bench bench(options());
  bench.calls({502, 502});
  bench.now += 30s;
  bench.calls({502, 502});
  CHECK(!bench.open());
  bench.now += 29s;
  bench.call(502);
  CHECK(bench.open());
}

TEST_CASE("after the cool-down one call is the probe") {
  Bench bench(options());
  bench.calls({502, 502, 502});
  bench.now += 30s - 1ms;
  CHECK(bench.open());
  bench.now += 1ms;
  CHECK(!bench.open());

  const auto probe = bench.breaker.begin(bench.now);
  CHECK(probe.probe);
  CHECK_MESSAGE(bench.open(), "for everybody else");
  CHECK(!bench.breaker.begin(bench.now).probe);

  SUBCASE("its success closes") {
    bench.breaker.end(probe, 200, bench.now);
    CHECK(!bench.open());
    bench.calls({502, 502});
    CHECK_MESSAGE(!bench.open(), "and all is counted anew");
    bench.call(502);
    CHECK(bench.open());
  }
  SUBCASE("its failure opens for another cool-down") {
    bench.now += 5s;
    bench.breaker.end(probe, 503, bench.now);
    bench.now += 29s;
    CHECK(bench.open());
    bench.now += 1s;
    CHECK(!bench.open());
  }
  SUBCASE("an answer that is no failure closes too") {
    bench.breaker.end(probe, 400, bench.now);
    CHECK(!bench.open());
  }
  SUBCASE("one that says nothing leaves its place") {
    bench.breaker.forget(probe);
    CHECK(!bench.open());
    CHECK(bench.breaker.begin(bench.now).probe);
  }
  SUBCASE("one that never comes back is followed by another") {
    bench.now += 30s;
    CHECK(!bench.open());
    CHECK(bench.breaker.begin(bench.now).probe);
  }
}

TEST_CASE("calls that began before it opened say nothing afterwards") {
  Bench bench(options());
  const auto early = bench.breaker.begin(bench.now), late = bench.breaker.begin(bench.now);
  bench.calls({502, 502, 502});
  bench.breaker.end(early, 200, bench.now);
  CHECK_MESSAGE(bench.open(), "an old success does not close");
  bench.now += 30s;
  bench.call(200);
  CHECK(!bench.open());
  bench.calls({502, 502});
  bench.breaker.end(late, 502, bench.now);
  CHECK_MESSAGE(!bench.open(), "an old failure does not open");
}

TEST_CASE("where all targets are open they are called all the same, and a success counts") {
  Bench bench(options());
  bench.calls({502, 502, 502});
  bench.call(502);
  bench.now += 29s;
  bench.call(503);
  bench.now += 1s;
  CHECK_MESSAGE(!bench.open(), "their failures do not prolong it");
  bench.breaker.forget(bench.breaker.begin(bench.now));
  Bench other(options());
  other.calls({502, 502, 502});
  other.call(200);
  CHECK(!other.open());
}
