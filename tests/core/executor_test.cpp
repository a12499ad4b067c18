#include "sallyport/core/executor.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <future>
#include <thread>
#include <vector>

using namespace sallyport;

TEST_CASE("one thread runs work in the order it came, and all of it before the executor goes") {
  std::vector<int> order;
  {
    Executor executor("order", 1, 100);
    for (int i = 0; i < 100; ++i) {
      REQUIRE(executor.run([&order, i] { order.push_back(i); }));
    }
  }
  REQUIRE(order.size() == 100);
  for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
}

TEST_CASE("a full queue refuses, and takes work again when there is room") {
  std::promise<void> started, release;
  auto gate = release.get_future().share();
  std::atomic<int> ran = 0;
  {
    Executor executor("a name longer than the kernel keeps", 1, 2);
    REQUIRE(executor.run([&] {
      started.set_value();
      gate.wait();
    }));
    started.get_future().wait();
    CHECK(executor.run([&] { ++ran; }));
    CHECK(executor.run([&] { ++ran; }));
    CHECK_FALSE(executor.run([&] { ++ran; }));
    release.set_value();
    std::promise<void> drained;
    while (!executor.run([&] { drained.set_value(); })) std::this_thread::yield();
    drained.get_future().wait();
    CHECK(ran == 2);
  }
}

TEST_CASE("several threads work at the same time") {
  std::promise<void> first, second;
  Executor executor("pair", 2, 10);
  auto a = first.get_future().share();
  auto b = second.get_future().share();
  std::promise<void> done1, done2;
  REQUIRE(executor.run([&] {
    first.set_value();
    b.wait();
    done1.set_value();
  }));
  REQUIRE(executor.run([&] {
    second.set_value();
    a.wait();
    done2.set_value();
  }));
  done1.get_future().wait();
  done2.get_future().wait();
}
