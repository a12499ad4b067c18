#include "sallyport/net/shard.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <latch>
#include <string>

#include "sallyport/core/limits.hpp"
#include "sallyport/net/fine_timer.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace std::chrono_literals;

namespace {

/// One shard on the test's own thread: runs until the task has ended.
void run_until_done(Shard& shard, Task<> task) {
  const auto before = detail::live_tasks;
  REQUIRE(shard.post([&] {
    spawn([](Task<> t, Shard& s) -> Task<> {
      co_await t;
      s.stop();
    }(std::move(task), shard));
  }));
  shard.run();
  CHECK(detail::live_tasks <= before);
}

}  // namespace

TEST_CASE("work posted from another thread runs on the shard") {
  Shards shards(2);
  shards.start();
  std::latch done(2);
  std::atomic<int> right = 0;
  for (int i = 0; i < 2; ++i) {
    REQUIRE(shards[i].post([&, i] {
      if (Shard::current() == &shards[i] && shards[i].is_current() && !shards[1 - i].is_current()) ++right;
      done.count_down();
    }));
  }
  done.wait();
  CHECK(right == 2);
  CHECK(Shard::current() == nullptr);
  std::atomic<int> seen = 0;
  on_all_shards(shards, [&](Shard& s) { seen += s.index() + 1; });
  CHECK(seen == 3);
  shards.stop();
  CHECK_FALSE(shards[0].post([] {}));
}

TEST_CASE("a full mailbox refuses instead of growing") {
  Shard shard(0);
  std::size_t ran = 0;
  for (std::size_t i = 0; i < limits::kMailbox; ++i) REQUIRE(shard.post([&ran] { ++ran; }));
  CHECK_FALSE(shard.post([] {}));
  std::thread loop([&] { shard.run(); });
  std::atomic<bool> emptied = false;
  while (!shard.post([&] {
    emptied = true;
    shard.stop();
  })) {
    std::this_thread::yield();
  }
  loop.join();
  CHECK(emptied);
  CHECK(ran == limits::kMailbox);
}

TEST_CASE("work for the end of the turn runs after what is ready, in order") {
  Shard shard(0);
  std::string order;
  REQUIRE(shard.post([&] {
    shard.at_turn_end([&] {
      order += "c";
      shard.at_turn_end([&] {
        order += "e";
        shard.stop();
      });
    });
    shard.at_turn_end([&] { order += "d"; });
    order += "a";
  }));
  REQUIRE(shard.post([&] { order += "b"; }));
  shard.run();
  CHECK(order == "abcde");
}

TEST_CASE("a task carried to another shard brings its result home") {
  Shards shards(2);
  shards.start();
  std::latch done(1);
  std::string outcome;
  REQUIRE(shards[0].post([&] {
    spawn([](Shards& all, std::string& out, std::latch& l) -> Task<> {
      auto work = [&all]() -> Task<Result<std::string>> {
        co_await sleep_for(all[1], 1ms);
        co_return all[1].is_current() ? "on 1" : "elsewhere";
      };
      Result<std::string> got = co_await run_on<Result<std::string>>(all[1], work);
      out = *got + (all[0].is_current() ? ", back on 0" : ", lost");
      l.count_down();
    }(shards, outcome, done));
  }));
  done.wait();
  CHECK(outcome == "on 1, back on 0");
}

TEST_CASE("a deadline fires never early, and soon after") {
  Shard shard(0);
  run_until_done(shard, [](Shard& s) -> Task<> {
    for (const auto wait : {0ms, 1ms, 9ms, 10ms, 11ms, 35ms, 100ms}) {
      const auto start = std::chrono::steady_clock::now();
      co_await sleep_for(s, wait);
      const auto took = std::chrono::steady_clock::now() - start;
      CHECK(took >= wait);
      CHECK(took < wait + 2s);  // a loaded machine; what matters is that it comes
    }
  }(shard));
}

TEST_CASE("a deadline that was cleared, replaced or destroyed does not fire") {
  Shard shard(0);
  run_until_done(shard, [](Shard& s) -> Task<> {
    std::string fired;
    Deadline cleared(s), replaced(s), cleared_by_other(s), far(s);
    {
      Deadline destroyed(s);
      destroyed.set(5ms, [&] { fired += "destroyed "; });
    }
    cleared.set(5ms, [&] { fired += "cleared "; });
    cleared.clear();
    CHECK_FALSE(cleared.armed());
    replaced.set(5ms, [&] { fired += "first "; });
    replaced.set(15ms, [&] { fired += "second "; });
    far.set(3h, [&] { fired += "far "; });
    // Both are due in the same tick: the first takes the second back.
    Deadline other(s);
    const auto when = std::chrono::steady_clock::now() + 25ms;
    other.set_at(when, [&] { cleared_by_other.clear(); });
    cleared_by_other.set_at(when, [&] { fired += "cleared by other "; });
    co_await sleep_for(s, 80ms);
    CHECK(fired == "second ");
    CHECK(far.armed());
  }(shard));
}

TEST_CASE("a deadline's action may set it again, and many live side by side") {
  Shard shard(0);
  run_until_done(shard, [](Shard& s) -> Task<> {
    Deadline repeating(s);
    int count = 0;
    std::function<void()> again = [&] {
      if (++count < 3) repeating.set(1ms, [&] { again(); });
    };
    again();
    std::vector<std::unique_ptr<Deadline>> many;
    int fired = 0;
    for (int i = 0; i < 5000; ++i) {
      many.push_back(std::make_unique<Deadline>(s));
      many.back()->set(std::chrono::milliseconds(i % 97), [&] { ++fired; });
    }
    for (int i = 0; i < 5000; i += 2) many[static_cast<std::size_t>(i)]->clear();
    co_await sleep_for(s, 150ms);
    CHECK(fired == 2500);
    CHECK(count == 3);
  }(shard));
}

TEST_CASE(
    "a fine timer fires once, at the time that was set last, and not after it was cleared or has gone") {
  Shard shard(0);
  std::string said;
  FineTimer replaced(shard), cleared(shard), last(shard);
  auto gone = std::make_unique<FineTimer>(shard);
  const SteadyTime begin = std::chrono::steady_clock::now();
  replaced.set(200us, [&] { said += "first"; });
  replaced.set(400us, [&] { said += "second "; });
  cleared.set(200us, [&] { said += "cleared"; });
  cleared.clear();
  gone->set(200us, [&] { said += "gone"; });
  gone.reset();
  last.set(1ms, [&] {
    said += "last";
    last.set(1ms, [&] { shard.stop(); });
  });
  shard.run();
  CHECK(said == "second last");
  CHECK(std::chrono::steady_clock::now() - begin >= 2ms);
}
