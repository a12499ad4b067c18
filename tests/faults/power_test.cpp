// F02: the power goes, and with it everything that no sync covered.
#include <doctest/doctest.h>
#include <signal.h>

#include <thread>

#include "books.hpp"
#include "operator.hpp"
#include "power.hpp"

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;

/// Asks for signed checkpoints all the time, so that a cut falls into one.
class Checkpoints {
 public:
  explicit Checkpoints(const std::string& data)
      : thread_([this, data] {
          while (!stopping_) {
            auto socket = net::testing::RawSocket::to_path(data + "/admin.sock");
            socket.send(
                "POST /api/op/checkpoint HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                "Content-Length: 2\r\n\r\n{}");
            // A socket of one that was killed may stay silent.
            for (int i = 0; i < 200 && !stopping_ && !socket.more(50ms); ++i) {
            }
            std::this_thread::sleep_for(15ms);
          }
        }) {}
  ~Checkpoints() {
    stopping_ = true;
    thread_.join();
  }
  Checkpoints(const Checkpoints&) = delete;
  Checkpoints& operator=(const Checkpoints&) = delete;

 private:
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("F02 a power cut with durability disk: what was acknowledged is there") {
  for_seeds("F02", 12, 300, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found, {{"LD_PRELOAD", run().shim},
                                      {"DISK_SHIM_ROOT", "{folder}/place"},
                                      {"DISK_SHIM_KEEP", "{folder}/keep"}});
    if (!found.problems.empty()) return;
    const std::string keep = installation.folder() + "/keep";
    const auto cut = [&] {
      cut_power(installation.root(), keep, dice.one_in(2) ? Unsynced::lost : Unsynced::some, dice);
    };
    // What `apply` and `key create` said is done is done, before any server ran.
    int cuts = 0;
    if (dice.one_in(3)) {
      cut();
      ++cuts;
    }
    Operator admin(installation, dice.between(0, 1200));
    std::vector<Sent> sent;
    const int rounds = dice.between(1, 2);
    for (int round = 0; round < rounds; ++round) {
      auto gateway = installation.start({"--durability", "disk"});
      if (!gateway || !installation.serves(*gateway)) return;
      {
        Load load({.port = [port = gateway->port] { return port; },
                   .key = installation.key(),
                   .prefix = std::to_string(seed) + "-" + std::to_string(round) + "-"});
        {
          const Checkpoints checkpoints(installation.data());
          admin.begin();
          std::this_thread::sleep_for(std::chrono::microseconds(dice.between(20'000, 600'000)));
          if (dice.one_in(3)) {
            // In the middle of a stop: its last records, its checkpoint, and that of the database.
            gateway->signal(SIGTERM);
            std::this_thread::sleep_for(std::chrono::microseconds(dice.between(0, 60'000)));
          }
          gateway->end(SIGKILL);
          admin.end();
        }
        const auto now = load.stop();
        sent.insert(sent.end(), now.begin(), now.end());
      }
      cut();
      ++cuts;
    }
    auto gateway = installation.start({"--durability", "disk"});
    if (!gateway) return;
    admin.check(found);
    if (!installation.serves(*gateway)) return;
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    const Books books = audit(installation, sent, {}, found);
    check_registry(installation, found);
    int unknown = 0;
    for (const auto& [id, call] : books.calls) unknown += call.unknowns;
    found.figures = std::to_string(cuts) + " cuts, " + std::to_string(sent.size()) + " calls, " +
                    std::to_string(installation.ledger().tokens().size()) + " executed, " +
                    std::to_string(unknown) + " unknown, " + std::to_string(books.torn.size()) + " torn, " +
                    std::to_string(admin.acknowledged()) + " changes";
  });
}

}  // namespace sallyport::faults
