// The circuit breaker of an upstream, on a clock of its own.
#include "sallyport/gateway/breaker.hpp"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace sallyport::gateway;
using namespace std::chrono_literals;

namespace {

class StoppedClock final : public Clock {
 public:
  SteadyTime steady() const override { return SteadyTime(time.load()); }
  void pass(Duration by) { time = time.load() + by; }
  std::atomic<Duration> time{1h};
};

Error error_of(Code code, Blame blame = Blame::upstream) {
  return {.code = code, .blame = blame, .what = "it did not work"};
}
const Error kBroken = error_of(Code::upstream_broken);

struct Bed {
  StoppedClock clock;
  Breaker breaker{"up", clock};

  void fail(int times, const Error& error = kBroken) {
    for (int i = 0; i < times; ++i) {
      auto pass = breaker.admit();
      REQUIRE(pass.has_value());
      pass->failed(error);
    }
  }
  void open() {
    fail(limits::kBreakerFailures);
    REQUIRE(breaker.state().open);
  }
  bool admits() { return breaker.admit().has_value(); }
};

}  // namespace

TEST_CASE("failures in a row open the breaker, and one answer between them keeps it closed") {
  for (const Code code : {Code::upstream_unreachable, Code::upstream_timeout, Code::upstream_broken}) {
    CAPTURE(name_of(code));
    Bed bed;
    bed.fail(limits::kBreakerFailures - 1, error_of(code));
    CHECK(bed.admits());
    bed.breaker.admit()->answered();
    bed.fail(limits::kBreakerFailures - 1, error_of(code));
    CHECK_FALSE(bed.breaker.state().open);
    bed.fail(1, error_of(code));
    CHECK(bed.breaker.state().open);
    CHECK(bed.breaker.state().opened == 1);
    CHECK(bed.breaker.state().problem == "it did not work");
  }
}

TEST_CASE("only what says that the server is away counts as a failure") {
  struct Row {
    const char* why;
    Error error;
    bool resets;  ///< it proves that the server is there
  };
  Error garbage = kBroken;
  garbage.answered = true;
  Error waiting = error_of(Code::upstream_unreachable);
  waiting.retry_after = 1s;
  const Row rows[] = {
      {"an answer that makes no sense", garbage, true},
      {"the client left", error_of(Code::cancelled, Blame::client), false},
      {"we had no room", error_of(Code::limited, Blame::us), false},
      {"we stop", error_of(Code::unavailable, Blame::us), false},
      {"its address may not be dialled", error_of(Code::forbidden, Blame::admin), false},
      {"its configuration is wrong", error_of(Code::upstream_unreachable, Blame::admin), false},
      {"a process that waits to be started again", waiting, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    Bed bed;
    bed.fail(3 * limits::kBreakerFailures, row.error);
    CHECK_FALSE(bed.breaker.state().open);
    bed.fail(limits::kBreakerFailures - 1);
    bed.fail(1, row.error);
    bed.fail(1);
    CHECK(bed.breaker.state().open == !row.resets);
  }
}

TEST_CASE("an open breaker refuses at once, says when to come back, and that nothing was sent") {
  Bed bed;
  bed.open();
  const auto refused = bed.breaker.admit();
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().code == Code::circuit_open);
  CHECK(refused.error().blame == Blame::upstream);
  CHECK(refused.error().retry);
  CHECK(refused.error().retry_after == 1s);
  CHECK(refused.error().what.find("it did not work") != std::string::npos);
  CHECK(refused.error().hint.find("it did not work") == std::string::npos);
  bed.clock.pass(limits::kBreakerPause - 1ms);
  CHECK_FALSE(bed.admits());
}

TEST_CASE("after its pause one call finds out, and the pause grows with each that fails") {
  Bed bed;
  bed.open();
  Duration pause = limits::kBreakerPause;
  for (int round = 0; round < 8; ++round) {
    CAPTURE(round);
    CHECK(bed.breaker.state().wait == pause);
    bed.clock.pass(pause);
    auto probe = bed.breaker.admit();
    REQUIRE(probe.has_value());
    CHECK_FALSE(probe->untroubled());
    CHECK_FALSE(bed.admits());
    probe->failed(kBroken);
    pause = std::min<Duration>(pause * 2, limits::kBreakerPauseMax);
  }
  CHECK(pause == limits::kBreakerPauseMax);
  CHECK(bed.breaker.state().opened == 1);
}

TEST_CASE("a probe that is answered closes the breaker, and everything starts anew") {
  Bed bed;
  bed.open();
  bed.clock.pass(limits::kBreakerPause);
  bed.breaker.admit()->failed(kBroken);
  bed.clock.pass(2 * limits::kBreakerPause);
  bed.breaker.admit()->answered();
  CHECK_FALSE(bed.breaker.state().open);
  CHECK(bed.breaker.state().problem.empty());
  CHECK(bed.breaker.admit()->untroubled());
  bed.fail(limits::kBreakerFailures - 1);
  CHECK_FALSE(bed.breaker.state().open);
  bed.fail(1);
  CHECK(bed.breaker.state().wait == limits::kBreakerPause);
  CHECK(bed.breaker.state().opened == 2);
}

TEST_CASE("a probe whose client leaves is followed by the next call, one that never ends by another later") {
  Bed bed;
  bed.open();
  bed.clock.pass(limits::kBreakerPause);
  {
    auto left = bed.breaker.admit();
    REQUIRE(left.has_value());
    left->failed(error_of(Code::cancelled, Blame::client));
  }
  auto hanging = bed.breaker.admit();
  REQUIRE(hanging.has_value());
  CHECK_FALSE(bed.admits());
  bed.clock.pass(limits::kBreakerPause);
  auto other = bed.breaker.admit();
  REQUIRE(other.has_value());
  CHECK_FALSE(bed.admits());
  other->answered();
  // The first comes to its end when the server is long back.
  hanging->failed(kBroken);
  CHECK_FALSE(bed.breaker.state().open);
  CHECK(bed.breaker.admit()->untroubled());
}

TEST_CASE("calls that began before the breaker closed do not open it again") {
  Bed bed;
  std::vector<Result<Breaker::Pass>> old;
  for (int i = 0; i < 3 * limits::kBreakerFailures; ++i) old.push_back(bed.breaker.admit());
  bed.open();
  bed.clock.pass(limits::kBreakerPause);
  bed.breaker.admit()->answered();
  for (auto& pass : old) pass->failed(kBroken);
  CHECK_FALSE(bed.breaker.state().open);
}

TEST_CASE("an old call that is answered closes it too, and a server reached by another way ends the pause") {
  Bed bed;
  auto old = bed.breaker.admit();
  bed.open();
  old->answered();
  CHECK_FALSE(bed.breaker.state().open);

  bed.open();
  bed.breaker.end_pause();
  CHECK(bed.breaker.state().open);
  auto probe = bed.breaker.admit();
  REQUIRE(probe.has_value());
  CHECK_FALSE(bed.admits());
  probe->answered();
  CHECK_FALSE(bed.breaker.state().open);
}

TEST_CASE("threads that fail together open it once, and of those that come back together one goes") {
  for (int round = 0; round < 50; ++round) {
    Bed bed;
    const auto together = [](auto work) {
      std::vector<std::thread> threads;
      for (int i = 0; i < 4; ++i) threads.emplace_back(work);
      for (auto& thread : threads) thread.join();
    };
    together([&] {
      for (int i = 0; i < limits::kBreakerFailures; ++i) {
        if (auto pass = bed.breaker.admit()) pass->failed(kBroken);
      }
    });
    CHECK(bed.breaker.state().opened == 1);
    bed.clock.pass(limits::kBreakerPause);
    std::atomic<int> probes{0};
    together([&] {
      if (auto pass = bed.breaker.admit()) {
        ++probes;
        pass->failed(kBroken);
      }
    });
    CHECK(probes == 1);
  }
}
