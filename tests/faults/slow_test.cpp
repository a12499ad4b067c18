// F08: thousands of slow clients beside 50 good ones; and what happens where descriptors run out.
#include <doctest/doctest.h>

#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <iostream>

#include "installation.hpp"
#include "load.hpp"
#include "process_memory.hpp"
#include "slow_clients.hpp"

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;
using testing::Json;
using testing::RawSocket;
using Sort = SlowClients::Sort;

constexpr std::size_t kMemory = 320;  // MiB that the gateway may hold resident

/// Good callers, each on a connection of its own, and how long their calls took.
class Good {
 public:
  Good(std::uint16_t port, std::string key, int clients = 50) {
    for (int i = 0; i < clients; ++i) {
      threads_.emplace_back([this, port, key, i] {
        RawSocket socket = RawSocket::to(port);
        for (int n = 0; !over_; ++n) {
          const auto begin = std::chrono::steady_clock::now();
          const Sent sent = Load::call(socket, key, "good-" + std::to_string(i) + "-" + std::to_string(n));
          const auto took = std::chrono::steady_clock::now() - begin;
          {
            const std::lock_guard lock(mutex_);
            if (sent.end == Sent::End::result) {
              took_.push_back(std::chrono::duration_cast<std::chrono::microseconds>(took));
            } else {
              ++failed_;
            }
          }
          if (sent.end != Sent::End::result) socket = RawSocket::to(port);
          std::this_thread::sleep_for(100ms);
        }
      });
    }
  }
  ~Good() {
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }
  Good(const Good&) = delete;
  Good& operator=(const Good&) = delete;

  struct Figures {
    std::size_t calls = 0;
    int failed = 0;
    std::chrono::microseconds p50{0}, p99{0};
  };
  /// Of the calls that end within `time` from now.
  Figures measure(std::chrono::milliseconds time) {
    {
      const std::lock_guard lock(mutex_);
      took_.clear();
      failed_ = 0;
    }
    std::this_thread::sleep_for(time);
    const std::lock_guard lock(mutex_);
    std::ranges::sort(took_);
    Figures out{.calls = took_.size(), .failed = failed_};
    if (took_.empty()) return out;
    out.p50 = took_[took_.size() / 2];
    out.p99 = took_[took_.size() * 99 / 100];
    return out;
  }

 private:
  std::atomic<bool> over_{false};
  std::mutex mutex_;
  std::vector<std::chrono::microseconds> took_;
  int failed_ = 0;
  std::vector<std::thread> threads_;
};

std::string text(const Good::Figures& f) {
  return std::to_string(f.calls) + " calls, p50 " + std::to_string(f.p50.count()) + " us, p99 " +
         std::to_string(f.p99.count()) + " us";
}

/// A tool that says how far it is until nobody listens.
void let_flood(Installation& installation) {
  installation.slowest = 0;
  installation.upstream().set_tools(
      Json::array({{{"name", "echo"}, {"inputSchema", {{"type", "object"}}}},
                   {{"name", "flood"}, {"inputSchema", {{"type", "object"}}}}}));
  installation.upstream().on_socket([](RawSocket& socket, const Json& message) {
    if (message.value("method", "") != "tools/call" || message["params"]["name"] != "flood") return false;
    socket.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    const std::string event =
        "data: " +
        Json{{"jsonrpc", "2.0"},
             {"method", "notifications/progress"},
             {"params",
              {{"progressToken", message["params"]["_meta"].value("progressToken", Json("p"))},
               {"progress", 1},
               {"message", std::string(32'000, 'x')}}}}
            .dump() +
        "\n\n";
    while (socket.send(event)) std::this_thread::sleep_for(5ms);
    return true;
  });
}

void raise_own_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

TEST_CASE(
    "F08 slow heads, bodies and readers beside 50 good clients: who is slow is cut, who is good hardly "
    "notices") {
  raise_own_limit();
  for_seeds("F08", 1, 1, [](std::uint64_t, Findings& found) {
    Installation installation(found);
    let_flood(installation);
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    const AtRest before = at_rest(installation, *gateway);
    const int many = run().brief ? 500 : 10'000;
    std::size_t peak = 0;
    const auto look = [&] { peak = std::max(peak, resident_mib(gateway->pid())); };

    Good::Figures alone, beside;
    {
      Good good(gateway->port, installation.key());
      good.measure(1s);
      alone = good.measure(run().brief ? 3s : 10s);
      // Each sort must have been cut by its own rule before the end: heads after 10 s, bodies after a minute.
      SlowClients slow({.port = gateway->port,
                        .key = installation.key(),
                        .count = {many / 2, many / 4, many - many / 2 - many / 4, 0}});
      for (int i = 0; i < 600 && slow.open() < many * 9 / 10; ++i) std::this_thread::sleep_for(50ms);
      found.expect(slow.open() >= many * 9 / 10, "only " + std::to_string(slow.open()) + " slow clients");
      const auto until = std::chrono::steady_clock::now() + (run().brief ? 14s : 90s);
      while (std::chrono::steady_clock::now() < until) {
        const auto part = good.measure(run().brief ? 4s : 15s);
        beside.calls += part.calls;
        beside.failed += part.failed;
        // The machine is not ours alone: the best of several looks counts.
        if (beside.p99.count() == 0 || part.p99 < beside.p99) {
          beside.p99 = part.p99;
          beside.p50 = part.p50;
        }
        look();
      }
      const auto heads = slow.seen(Sort::head), bodies = slow.seen(Sort::body);
      found.expect(heads.cut > 0, "no slow head was cut");
      found.expect(heads.longest < 12s, "a slow head lived " + std::to_string(heads.longest.count()) + " ms");
      if (!run().brief) {
        found.expect(bodies.cut > 0, "no slow body was cut");
        found.expect(bodies.longest < 65s,
                     "a slow body lived " + std::to_string(bodies.longest.count()) + " ms");
      }
      found.expect(gateway->descriptors() < static_cast<std::size_t>(many) + 400, "descriptors");
    }
    found.expect(alone.failed + beside.failed == 0,
                 std::to_string(alone.failed + beside.failed) + " good calls failed");
    found.expect(beside.p99 < std::max<std::chrono::microseconds>(alone.p99 * 2, 5ms),
                 "good calls: " + text(alone) + " alone, " + text(beside) + " beside slow ones");

    {
      const int readers = run().brief ? 24 : 128;
      SlowClients flood(
          {.port = gateway->port, .key = installation.key(), .count = {0, 0, 0, readers}, .again = false});
      for (int i = 0; i < 1200 && flood.seen(Sort::flood).cut < readers; ++i) {
        std::this_thread::sleep_for(50ms);
        look();
      }
      found.expect(flood.seen(Sort::flood).cut == readers, std::to_string(flood.seen(Sort::flood).cut) +
                                                               " of " + std::to_string(readers) +
                                                               " readers who never read were cut");
      RawSocket socket = RawSocket::to(gateway->port);
      found.expect(Load::call(socket, installation.key(), "after").end == Sent::End::result,
                   "no good call after the flood");
    }
    found.expect(peak < kMemory, std::to_string(peak) + " MiB resident");
    expect_at_rest(before, installation, *gateway, found);
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    found.figures = std::to_string(many) + " slow; alone: " + text(alone) + "; beside: " + text(beside) +
                    "; at most " + std::to_string(peak) + " MiB";
  });
}

TEST_CASE(
    "F08 without descriptors accepting pauses: calls on connections that are open go on, the others come "
    "later") {
  raise_own_limit();
  for_seeds("F08 descriptors", 1, 1, [](std::uint64_t, Findings& found) {
    Installation installation(found);
    installation.slowest = 0;
    const std::string few = installation.folder() + "/few-descriptors";
    std::ofstream(few) << "#!/bin/sh\nulimit -n 160\nexec " << run().program << " \"$@\"\n";
    ::chmod(few.c_str(), 0700);
    testing::GatewayProcess gateway({.program = few,
                                     .data = installation.data(),
                                     .log = installation.log(),
                                     .flags = {"--stop-grace", "3s"},
                                     .variables = {},
                                     .wait = true});
    if (!gateway.ready() || !installation.serves(gateway)) {
      found.problems.emplace_back("did not start with 160 descriptors");
      return;
    }
    const AtRest before = at_rest(installation, gateway);
    RawSocket early = RawSocket::to(gateway.port);
    found.expect(Load::call(early, installation.key(), "early").end == Sent::End::result, "no first call");
    {
      SlowClients slow(
          {.port = gateway.port, .key = installation.key(), .count = {300, 0, 0, 0}, .again = false});
      std::this_thread::sleep_for(1s);
      for (int i = 0; i < 20; ++i) {
        found.expect(
            Load::call(early, installation.key(), "in-" + std::to_string(i)).end == Sent::End::result,
            "a call on an open connection failed");
        std::this_thread::sleep_for(50ms);
      }
      found.expect(gateway.descriptors() <= 160, std::to_string(gateway.descriptors()) + " descriptors");
      // Slow heads are cut after 10 s; then the next in the queue have their turn, and at last ours.
      Sent sent;
      for (int i = 0; i < 5 && sent.end != Sent::End::result; ++i) {
        RawSocket late = RawSocket::to(gateway.port);
        sent = Load::call(late, installation.key(), "late-" + std::to_string(i));
      }
      found.expect(sent.end == Sent::End::result, "who waited was never served");
    }
    early.close();
    expect_at_rest(before, installation, gateway, found);
    found.expect(gateway.end(SIGTERM) == 0, "the stop did not end with 0");
    found.figures = std::to_string(before.descriptors) + " descriptors at rest";
  });
}

}  // namespace sallyport::faults
