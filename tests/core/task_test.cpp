#include "sallyport/core/task.hpp"

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

using namespace sallyport;

namespace {

/// Every case must end with as many coroutine frames as it began with.
struct Baseline {
  std::ptrdiff_t before = detail::live_tasks;
  ~Baseline() { CHECK(detail::live_tasks == before); }
};

Task<int> answer(int value) { co_return value; }
Task<int> deep(int levels) {
  if (levels == 0) co_return 0;
  co_return 1 + co_await deep(levels - 1);
}
Task<void> record(std::vector<std::string>& log, std::string what) {
  log.push_back(std::move(what));
  co_return;
}
Task<void> sum_into(int& out, int count) {
  for (int i = 0; i < count; ++i) out += co_await answer(i);
}
Task<void> wait_for(Slot<std::string>& slot, std::string& out) { out = co_await slot; }
Task<std::unique_ptr<int>> owned(int value) { co_return std::make_unique<int>(value); }
Task<void> take_owned(int& out) { out = *co_await owned(7); }
Task<void> depth_into(int& out, int levels) { out = co_await deep(levels); }

}  // namespace

TEST_CASE("a task does nothing until it is awaited or spawned") {
  const Baseline baseline;
  std::vector<std::string> log;
  {
    auto task = record(log, "never");
    CHECK(log.empty());
  }
  CHECK(log.empty());
  spawn(record(log, "now"));
  CHECK(log == std::vector<std::string>{"now"});
}

TEST_CASE("values come back, move-only ones too") {
  const Baseline baseline;
  int sum = 0;
  spawn(sum_into(sum, 5));
  CHECK(sum == 10);
  int value = 0;
  spawn(take_owned(value));
  CHECK(value == 7);
}

TEST_CASE("a long row of awaits and a deep chain are finished without leaking frames") {
  const Baseline baseline;
  int sum = 0;
  spawn(sum_into(sum, 2000));
  CHECK(sum == 1999000);
  int depth = 0;
  spawn(depth_into(depth, 500));
  CHECK(depth == 500);
}

TEST_CASE("assigning over a task that never ran destroys its frame") {
  const Baseline baseline;
  auto task = answer(1);
  task = answer(2);
}

TEST_CASE("a slot resumes its waiter with the value, and one that is already full does not suspend") {
  const Baseline baseline;
  std::string got;
  Slot<std::string> slot;
  spawn(wait_for(slot, got));
  CHECK(got.empty());
  CHECK_FALSE(slot.delivered());
  slot.deliver("first");
  CHECK(got == "first");
  slot.deliver("second");
  CHECK(got == "first");

  std::string at_once;
  Slot<std::string> full;
  full.deliver("ready");
  CHECK(full.delivered());
  spawn(wait_for(full, at_once));
  CHECK(at_once == "ready");
}

TEST_CASE("a waiting task holds its frames until the slot is delivered") {
  const auto before = detail::live_tasks;
  std::string got;
  Slot<std::string> slot;
  spawn(wait_for(slot, got));
  CHECK(detail::live_tasks > before);
  slot.deliver("x");
  CHECK(detail::live_tasks == before);
}
