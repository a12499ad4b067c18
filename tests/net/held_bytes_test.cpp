// The process-wide budget: shares, and what is refused when it is spent.
#include "sallyport/net/held_bytes.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "fake_upstream.hpp"
#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;

namespace {

/// A budget for one test.
struct Budget {
  explicit Budget(std::size_t bytes) { HeldBytes::set_budget(bytes); }
  ~Budget() {
    HeldBytes::set_budget(limits::kBytesInFlight);
    CHECK(HeldBytes::total() == 0);
  }
};

}  // namespace

TEST_CASE("shares are granted up to the budget; less is always granted; what goes is given back") {
  const Budget budget(1000);
  HeldBytes one, other;
  CHECK(one.set(600));
  CHECK_FALSE(other.set(401));
  CHECK(other.bytes() == 0);
  CHECK(other.set(400));
  CHECK_FALSE(one.set(601));
  CHECK(one.bytes() == 600);
  CHECK(one.set(100));
  CHECK_FALSE(other.set(600, 400));
  CHECK(other.set(500, 400));
  HeldBytes moved = std::move(one);
  CHECK(HeldBytes::total() == 600);
  other = std::move(moved);
  CHECK(HeldBytes::total() == 100);
}

TEST_CASE("threads never take more than the budget together") {
  const Budget budget(1000);
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        HeldBytes share;
        if (!share.set(400)) continue;
        // A refusal under way may be counted for a moment.
        over = over || HeldBytes::total() > 1000 + 3 * 400;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK_FALSE(over);
}

TEST_CASE("a large answer of an upstream is counted as it comes, and its keeper takes the share over") {
  const std::string large(3 * limits::MiB, 'x');
  for (const bool chunked : {false, true}) {
    CAPTURE(chunked);
    std::string answer = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n";
    if (chunked) {
      answer += "Transfer-Encoding: chunked\r\n\r\n";
      for (int i = 0; i < 3; ++i) answer += "100000\r\n" + large.substr(0, limits::MiB) + "\r\n";
      answer += "0\r\n\r\n";
    } else {
      answer += "Content-Length: " + std::to_string(large.size()) + "\r\n\r\n" + large;
    }
    FakeUpstream upstream(always(answer));
    const Budget budget(6 * limits::MiB);
    with_client([&](Shard&, Client& client) -> Task<> {
      const Origin origin = upstream.origin();
      HeldBytes kept;
      {
        auto response = co_await client.send(origin, post(), soon(), nullptr);
        REQUIRE(response.has_value());
        auto body = co_await response->whole(limits::kUpstreamBody);
        REQUIRE(body.has_value());
        CHECK(body->size() == large.size());
        kept = response->take_held();
      }
      CHECK(kept.bytes() >= large.size());
      CHECK(kept.bytes() <= 5 * limits::MiB);
      // With this one kept there is no room for another; the connection is given up.
      CHECK(co_await outcome(client, origin, post(), std::chrono::seconds(10), limits::kUpstreamBody) ==
            "limited");
      kept.release();
      CHECK(HeldBytes::total() == 0);
      CHECK((co_await outcome(client, origin, post(), std::chrono::seconds(10), limits::kUpstreamBody))
                .starts_with("200 x"));
    });
  }
}

TEST_CASE("the allocator hears on the shard when a large share was let go of, and not of small ones") {
  static std::atomic<int> heard = 0;
  static std::atomic<std::thread::id> where;
  HeldBytes::after_large([] {
    ++heard;
    where = std::this_thread::get_id();
  });
  with_client([&](Shard& shard, Client&) -> Task<> {
    // What this thread let go of before.
    for (int i = 0; i < 3; ++i) co_await sleep_for(shard, std::chrono::milliseconds(0));
    heard = 0;
    HeldBytes share;
    REQUIRE(share.set(limits::MiB - 1));
    share.release();
    for (int i = 0; i < 3; ++i) co_await sleep_for(shard, std::chrono::milliseconds(0));
    CHECK(heard == 0);
    REQUIRE(share.set(limits::MiB));
    CHECK(share.set(0));
    CHECK(heard == 0);  // not in the middle of a turn
    for (int i = 0; i < 5; ++i) co_await sleep_for(shard, std::chrono::milliseconds(0));
    CHECK(heard == 2);
    CHECK(where.load() == std::this_thread::get_id());
  });
  HeldBytes::after_large(nullptr);
}

TEST_CASE("an answer that is announced and does not come costs what came") {
  FakeUpstream upstream([](RawSocket& socket, int) {
    read_request(socket);
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 33000000\r\n\r\n" + std::string(100'000, 'x'));
    while (socket.more()) {
    }
  });
  with_client([&](Shard& shard, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    std::size_t most = 0;
    Deadline look(shard);
    look.set(std::chrono::milliseconds(100), [&] { most = HeldBytes::total(); });
    CHECK(co_await outcome(client, origin, post(), std::chrono::milliseconds(200), limits::kUpstreamBody) ==
          "upstream_timeout");
    CHECK(most >= 100'000);
    CHECK(most < limits::MiB);
    CHECK(HeldBytes::total() == 0);
  });
}
