// F01: the process dies at any point under load, and on any point of its start.
#include <doctest/doctest.h>

#include <signal.h>

#include <thread>

#include "books.hpp"
#include "operator.hpp"

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;

}  // namespace

TEST_CASE("F01 kill -9 under load: no call without a record, none twice, none forgotten") {
  for_seeds("F01", 20, 500, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found);
    if (!found.problems.empty()) return;
    Operator admin(installation);
    std::vector<Sent> sent;
    int kills = 0;
    std::chrono::milliseconds slowest_start{0};
    const auto start = [&]() -> std::unique_ptr<testing::GatewayProcess> {
      auto gateway = installation.start();
      if (!gateway) return nullptr;
      const auto took = gateway->ready_after - std::min(gateway->ready_after, gateway->kept_waiting());
      slowest_start = std::max(slowest_start, took);
      found.expect(took < 2s, "ready after " + std::to_string(took.count()) + " ms");
      return gateway;
    };

    const int rounds = dice.between(1, 3);
    for (int round = 0; round < rounds; ++round) {
      auto gateway = start();
      if (!gateway || !installation.serves(*gateway)) return;
      Load load({.port = [port = gateway->port] { return port; },
                 .key = installation.key(),
                 .prefix = std::to_string(seed) + "-" + std::to_string(round) + "-"});
      admin.begin();
      std::this_thread::sleep_for(std::chrono::microseconds(dice.between(5'000, 350'000)));
      gateway->end(SIGKILL);
      ++kills;
      admin.end();
      const auto now = load.stop();
      sent.insert(sent.end(), now.begin(), now.end());
      if (dice.one_in(3)) {
        // In the middle of what a start repairs.
        auto started = installation.start({}, {}, false);
        std::this_thread::sleep_for(std::chrono::microseconds(dice.between(500, 40'000)));
        started->end(SIGKILL);
        ++kills;
      }
    }

    auto gateway = start();
    if (!gateway) return;
    admin.check(found);
    if (!installation.serves(*gateway)) return;
    const AtRest before = at_rest(installation, *gateway);
    {
      Load load({.port = [port = gateway->port] { return port; },
                 .key = installation.key(),
                 .prefix = std::to_string(seed) + "-after-"});
      std::this_thread::sleep_for(100ms);
      const auto now = load.stop();
      for (const auto& one : now)
        found.expect(one.end == Sent::End::result,
                     "a call after the restart failed: " + one.token + " " + one.body);
      sent.insert(sent.end(), now.begin(), now.end());
    }
    expect_at_rest(before, installation, *gateway, found);
    audit(installation, sent, {.running = true}, found);
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    const Books books = audit(installation, sent, {}, found);
    check_registry(installation, found);

    int unknown = 0;
    for (const auto& [id, call] : books.calls) unknown += call.unknowns;
    found.figures = std::to_string(kills) + " kills, " + std::to_string(sent.size()) + " calls, " +
                    std::to_string(installation.ledger().tokens().size()) + " executed, " +
                    std::to_string(unknown) + " unknown, " + std::to_string(admin.acknowledged()) +
                    " changes, ready in " + std::to_string(slowest_start.count()) + " ms";
  });
}

}  // namespace sallyport::faults
