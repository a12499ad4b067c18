// The loop under a channel: what it is told at once, in which order it wakes, and that nothing is lost.

#include <chrono>
#include <latch>
#include <memory>
#include <thread>

#include "channel_fixture.hpp"
#include "sallyport/net/fine_timer.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;
using namespace std::chrono_literals;

namespace {

/// Reads once and then does `after`.
Task<> read_then(Channel& channel, std::function<void(const Result<std::size_t>&)> after) {
  char buffer[64];
  const Result<std::size_t> n = co_await channel.read(buffer);
  after(n);
}

/// Two sockets of one shard, connected with each other.
struct Both {
  explicit Both(Shard& shard) {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
    one.emplace(shard, fds[0]);
    other.emplace(shard, fds[1]);
  }
  std::optional<Channel> one, other;
};

}  // namespace

TEST_CASE("a channel closed by another one that became ready in the same turn ends with an error") {
  Pair first, second;
  run([&](Shard& s) -> Task<> {
    Channel a(s, first.ours), b(s, second.ours);
    int errors = 0, reads = 0;
    spawn(read_then(a, [&](const auto& n) {
      ++(n ? reads : errors);
      b.close();
    }));
    spawn(read_then(b, [&](const auto& n) {
      ++(n ? reads : errors);
      a.close();
    }));
    REQUIRE(first.theirs.send("x"));
    REQUIRE(second.theirs.send("x"));
    co_await sleep_for(s, 20ms);
    CHECK(reads == 1);
    CHECK(errors == 1);
  });
}

TEST_CASE("a channel destroyed, and its descriptor taken by another, within one turn confuses nobody") {
  Pair first, second, third;
  run([&](Shard& s) -> Task<> {
    Channel a(s, first.ours);
    auto b = std::make_unique<Channel>(s, second.ours);
    const int number = b->fd();
    std::unique_ptr<Channel> replaced;
    std::string told;
    spawn(read_then(a, [&](const auto&) {
      b.reset();
      REQUIRE(::dup2(third.ours, number) == number);
      ::close(third.ours);
      replaced = std::make_unique<Channel>(s, number);
      spawn(read_then(*replaced,
                      [&](const auto& n) { told = n ? "replaced " + std::to_string(*n) : "failed"; }));
    }));
    REQUIRE(first.theirs.send("x"));
    REQUIRE(second.theirs.send("for b"));
    co_await sleep_for(s, 20ms);
    CHECK(told.empty());
    REQUIRE(third.theirs.send("abc"));
    co_await sleep_for(s, 20ms);
    CHECK(told == "replaced 3");
  });
}

TEST_CASE("the last bytes and the end are both read, arrived together or one after the other") {
  for (const bool together : {true, false}) {
    CAPTURE(together);
    Pair pair;
    run([&](Shard& s) -> Task<> {
      Channel channel(s, pair.ours);
      char buffer[64];
      if (together) {
        REQUIRE(pair.theirs.send("last"));
        pair.theirs.close();
        co_await sleep_for(s, 20ms);  // noted before anybody reads
      }
      Deadline later(s);
      if (!together) {
        REQUIRE(pair.theirs.send("last"));
        later.set(15ms, [&] { pair.theirs.close(); });
      }
      CHECK((co_await channel.read(buffer)).value_or(kFailed) == 4);
      CHECK((co_await channel.read(buffer)).value_or(kFailed) == 0);
      CHECK((co_await channel.read(buffer)).value_or(kFailed) == 0);
      CHECK_FALSE(channel.quiet());
    });
  }
}

TEST_CASE("a peer that has half-closed still gets its answer, however long that is") {
  Pair pair;
  const std::string big(2'000'000, 'a');
  std::string got;
  REQUIRE(pair.theirs.send("question"));
  pair.theirs.shutdown_send();
  std::thread reader([&] { got = pair.theirs.rest(); });
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    CHECK(co_await read_all(channel) == "question");
    CHECK(co_await channel.write(big));
    channel.close();
  });
  reader.join();
  CHECK(got == big);
}

TEST_CASE("ten thousand small messages go to and fro without loss") {
  static constexpr int kMessages = 10'000;
  run([](Shard& s) -> Task<> {
    Both pair(s);
    Slot<bool> done;
    spawn([](Channel& channel, Slot<bool>& end) -> Task<> {
      char byte[1];
      for (int i = 0; i < kMessages; ++i) {
        const Result<std::size_t> n = co_await channel.read(byte);
        if (!n || *n != 1 || !co_await channel.write(std::string_view(byte, 1))) break;
      }
      end.deliver(true);
    }(*pair.other, done));
    int right = 0;
    for (int i = 0; i < kMessages; ++i) {
      const char sent = static_cast<char>(i % 251);
      char back[8];
      if (!co_await pair.one->write(std::string_view(&sent, 1))) break;
      if ((co_await pair.one->read(back)).value_or(0) != 1 || back[0] != sent) break;
      ++right;
    }
    CHECK(right == kMessages);
    co_await done;
  });
}

TEST_CASE("messages of every size around the room for them arrive whole") {
  Pair pair;
  std::thread sender([&] {
    for (std::size_t size = 1; size < 300; ++size)
      pair.theirs.send(std::string(size, static_cast<char>(size % 100)));
    pair.theirs.shutdown_send();
  });
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    std::string all;
    char room[100];
    for (;;) {
      const Result<std::size_t> n = co_await channel.read(room);
      if (!n || *n == 0) break;
      all.append(room, *n);
    }
    std::string expected;
    for (std::size_t size = 1; size < 300; ++size) expected.append(size, static_cast<char>(size % 100));
    CHECK(all == expected);
  });
  sender.join();
}

TEST_CASE("a peer that never pauses leaves the loop to the others") {
  Pair endless;
  std::atomic<bool> over = false;
  std::thread sender([&] {
    const std::string bytes(65536, 'x');
    while (!over && endless.theirs.send(bytes)) {
    }
  });
  run([&](Shard& s) -> Task<> {
    Channel channel(s, endless.ours);
    Slot<bool> ended;
    spawn([](Channel& c, Slot<bool>& done) -> Task<> {
      char small[64];
      while ((co_await c.read(small)).value_or(0) > 0) {
      }
      done.deliver(true);
    }(channel, ended));
    for (int i = 0; i < 5; ++i) co_await sleep_for(s, 10ms);
    over = true;
    channel.close();
    co_await ended;
  });
  sender.join();
}

TEST_CASE("a read and a watch for the peer's leaving wait side by side") {
  Pair pair;
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    std::string told;
    spawn([](Channel& c, std::string& out) -> Task<> { out += co_await c.wait_gone() ? "gone " : "there "; }(
                                               channel, told));
    spawn(read_then(channel,
                    [&](const auto& n) { told += "read " + std::to_string(n.value_or(kFailed)) + " "; }));
    REQUIRE(pair.theirs.send("abc"));
    co_await sleep_for(s, 20ms);
    // The reader was first; what it took is no longer seen by the watch.
    CHECK(told == "read 3 ");
    pair.theirs.close();
    co_await sleep_for(s, 20ms);
    CHECK(told == "read 3 gone ");
  });
}

TEST_CASE("without asking the system, a channel is quiet until the loop was told of bytes or of the end") {
  Pair pair;
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    co_await turn_end(s);
    CHECK(channel.quiet());
    REQUIRE(pair.theirs.send("x"));
    co_await sleep_for(s, 20ms);
    CHECK_FALSE(channel.quiet());
    char buffer[8];
    CHECK((co_await channel.read(buffer)).value_or(kFailed) == 1);
    CHECK(channel.quiet());
    CHECK_FALSE(channel.stale());
    pair.theirs.close();
    CHECK(channel.stale());
    CHECK_FALSE(channel.quiet());  // asking has told it
  });
}

TEST_CASE("closing wakes who waits later, not inside, and may come from that one's own wake") {
  Pair pair;
  run([&](Shard& s) -> Task<> {
    auto channel = std::make_unique<Channel>(s, pair.ours);
    bool told = false;
    spawn(read_then(*channel, [&](const auto& n) {
      told = true;
      CHECK_FALSE(n);
    }));
    channel->close();
    CHECK_FALSE(told);
    channel.reset();
    CHECK_FALSE(told);
    co_await turn_end(s);
    CHECK(told);
  });
  Pair other;
  run([&](Shard& s) -> Task<> {
    auto channel = std::make_unique<Channel>(s, other.ours);
    bool told = false;
    spawn(read_then(*channel, [&](const auto& n) {
      CHECK(n.value_or(kFailed) == 1);
      channel.reset();
      told = true;
    }));
    REQUIRE(other.theirs.send("x"));
    co_await sleep_for(s, 20ms);
    CHECK(told);
  });
}

TEST_CASE("work for the end of the turn runs once, after everything that was ready together") {
  static constexpr int kPairs = 100;
  run([](Shard& s) -> Task<> {
    std::vector<std::unique_ptr<Both>> pairs;
    int reads = 0, turns = 0;
    bool planned = false;
    for (int i = 0; i < kPairs; ++i) {
      pairs.push_back(std::make_unique<Both>(s));
      spawn(read_then(*pairs.back()->one, [&](const auto&) {
        ++reads;
        if (std::exchange(planned, true)) return;
        s.at_turn_end([&] {
          ++turns;
          CHECK(reads == kPairs);
        });
      }));
    }
    for (const auto& pair : pairs) CHECK(co_await pair->other->write("x"));
    co_await sleep_for(s, 20ms);
    CHECK(turns == 1);
  });
}

TEST_CASE("posted work wakes a shard that sleeps, every time") {
  Shards shards(1);
  shards.start();
  for (int i = 0; i < 500; ++i) {
    if (i % 50 == 0) std::this_thread::sleep_for(2ms);  // now it sleeps for certain
    std::latch done(1);
    REQUIRE(shards[0].post([&] { done.count_down(); }));
    done.wait();
  }
  // Many senders at once: none is forgotten.
  std::atomic<int> ran = 0;
  std::vector<std::thread> senders;
  for (int t = 0; t < 4; ++t) {
    senders.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        while (!shards[0].post([&] { ++ran; })) std::this_thread::yield();
      }
    });
  }
  for (auto& sender : senders) sender.join();
  on_all_shards(shards, [](Shard&) {});
  CHECK(ran == 8000);
}

TEST_CASE("a loop with nothing else to do wakes for its deadlines and fine timers in time") {
  run([](Shard& s) -> Task<> {
    // The tries that a loaded machine delays do not count; one that is in time shows that the loop knew.
    auto soonest = Duration::max();
    for (int i = 0; i < 20 && soonest > 60ms; ++i) {
      const SteadyTime begin = std::chrono::steady_clock::now();
      co_await sleep_for(s, 40ms);
      soonest = std::min(soonest, std::chrono::steady_clock::now() - begin);
    }
    CHECK(soonest >= 40ms);
    CHECK(soonest <= 62ms);
    soonest = Duration::max();
    for (int i = 0; i < 50 && soonest > 1ms; ++i) {
      FineTimer fine(s);
      Slot<bool> fired;
      const SteadyTime begin = std::chrono::steady_clock::now();
      fine.set(300us, [&] { fired.deliver(true); });
      co_await fired;
      soonest = std::min(soonest, std::chrono::steady_clock::now() - begin);
    }
    CHECK(soonest >= 300us);
    CHECK(soonest < 5ms);
  });
}

TEST_CASE("a shard that ends takes what still waits with it") {
  Pair pair;
  auto owned = std::make_shared<int>(1);
  std::optional<Shard> shard(0);
  {
    auto channel = std::make_shared<Channel>(*shard, pair.ours);
    Shard& s = *shard;
    REQUIRE(s.post([channel, &s, owned] {
      s.at_turn_end([channel, owned] {});
      s.stop();
    }));
    REQUIRE(s.post([owned, channel] {}));
  }
  shard.reset();
  CHECK(owned.use_count() == 1);
  CHECK(pair.theirs.at_end());
}
