#include "sallyport/core/cancel.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <vector>

using namespace sallyport;

TEST_CASE("a request runs every registered action once, in order") {
  Cancel cancel;
  std::vector<int> ran;
  const auto first = cancel.on_request([&] { ran.push_back(1); });
  const auto second = cancel.on_request([&] { ran.push_back(2); });
  CHECK_FALSE(cancel.requested());
  cancel.request();
  cancel.request();
  CHECK(cancel.requested());
  CHECK(ran == std::vector<int>{1, 2});
}

TEST_CASE("an action registered after the request runs at once") {
  Cancel cancel;
  cancel.request();
  bool ran = false;
  const auto watch = cancel.on_request([&] { ran = true; });
  CHECK(ran);
}

TEST_CASE("a released watch does not run") {
  Cancel cancel;
  bool ran = false;
  {
    const auto watch = cancel.on_request([&] { ran = true; });
  }
  cancel.request();
  CHECK_FALSE(ran);
}

TEST_CASE("a watch that is moved or assigned over keeps and releases the right action") {
  Cancel cancel;
  int kept = 0, dropped = 0;
  auto a = cancel.on_request([&] { ++kept; });
  auto b = cancel.on_request([&] { ++dropped; });
  b = std::move(a);
  cancel.request();
  CHECK(kept == 1);
  CHECK(dropped == 0);
}

TEST_CASE("actions may release their own watch, another's, or register a new one while they run") {
  Cancel cancel;
  std::optional<Cancel::Watch> own, other;
  int late = 0, released = 0;
  own.emplace(cancel.on_request([&] {
    own.reset();
    other.reset();
    const auto watch = cancel.on_request([&] { ++late; });
  }));
  other.emplace(cancel.on_request([&] { ++released; }));
  cancel.request();
  CHECK(late == 1);
  CHECK(released == 0);
}
