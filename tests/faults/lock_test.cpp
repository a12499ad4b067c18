// F11: somebody else holds the registry, wants the directory, or dies in the middle of setting it up.
#include <doctest/doctest.h>
#include <signal.h>
#include <sqlite3.h>

#include <filesystem>
#include <thread>

#include "books.hpp"
#include "operator.hpp"

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

/// Another program in the middle of a write transaction.
class Locked {
 public:
  explicit Locked(const std::string& file) {
    REQUIRE(sqlite3_open_v2(file.c_str(), &db_, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK);
    sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    sqlite3_busy_timeout(db_, 5000);
    REQUIRE(sqlite3_exec(db_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  ~Locked() {
    sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
    sqlite3_close(db_);
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  sqlite3* db_ = nullptr;
};

std::string team(int n) { return "kind: Team\nname: one\nmembers: [\"agent:n" + std::to_string(n) + "\"]\n"; }

std::chrono::milliseconds since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
}

}  // namespace

TEST_CASE(
    "F11 a registry that another program keeps locked: calls go on, changes are refused after a bounded "
    "wait") {
  for_seeds("F11", 1, 4, [](std::uint64_t seed, Findings& found) {
    Installation installation(found);
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-"});
    std::chrono::milliseconds longest{0};
    int refused = 0;
    {
      const Locked locked(installation.data() + "/sallyport.db");
      const auto until = std::chrono::steady_clock::now() + (run().brief ? 4s : 30s);
      for (int n = 0; std::chrono::steady_clock::now() < until; ++n) {
        const auto begin = std::chrono::steady_clock::now();
        const auto answer = installation.apply_live(team(n));
        longest = std::max(longest, since(begin));
        ++refused;
        found.expect(answer.status == 503 && answer.has("Retry-After: "),
                     "a change while locked: " + std::to_string(answer.status) + " " + answer.body);
      }
      const auto said = installation.apply(team(99));
      found.expect(said.status == 1 && said.err.find("locked") != std::string::npos,
                   "apply says: " + said.err);
    }
    found.expect(longest < 5s, "a change waited for " + std::to_string(longest.count()) + " ms");
    const auto applied = installation.apply(team(100));
    found.expect(applied.status == 0, "apply after it: " + applied.err);
    const auto sent = load.stop();
    for (const auto& one : sent)
      found.expect(one.end == Sent::End::result, "a call failed: " + one.token + " " + one.body);
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    audit(installation, sent, {}, found);
    check_registry(installation, found);
    found.figures = std::to_string(sent.size()) + " calls, " + std::to_string(refused) +
                    " changes refused, each within " + std::to_string(longest.count()) + " ms";
  });
}

TEST_CASE("F11 a second server on the same directory does not start, says why, and leaves the first alone") {
  for_seeds("F11", 1, 10, [](std::uint64_t, Findings& found) {
    Installation installation(found);
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    const auto second = testing::run_command({run().program, "serve", "--data", installation.data(),
                                              "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"});
    found.expect(second.status == 1, "the second ended with " + std::to_string(second.status));
    found.expect(second.out.find("ready") == std::string::npos, "the second says: " + second.out);
    found.expect(second.err.find("in use by process " + std::to_string(gateway->pid())) != std::string::npos,
                 "the second says: " + second.err);
    found.expect(installation.serves(*gateway), "the first is disturbed");
    found.expect(installation.apply(team(1)).status == 0, "commands no longer reach the first");
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    audit(installation, {}, {}, found);
    found.figures = "refused";
  });
}

TEST_CASE("F11 a first start killed at any point is done again, whole") {
  for_seeds("F11", 4, 200, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found);
    int kills = 0;
    fs::remove_all(installation.data());
    for (int i = 0; i < 4; ++i, ++kills) {
      // The schema, the vault's keys, the journal's: each is being made at some point.
      testing::GatewayProcess gateway(
          {.program = run().program, .data = installation.data(), .log = installation.log(), .wait = false});
      std::this_thread::sleep_for(std::chrono::microseconds(dice.between(500, 60'000)));
      gateway.end(SIGKILL);
    }
    const auto applied = installation.apply(team(1));
    found.expect(applied.status == 0, "apply after it: " + applied.err);
    check_registry(installation, found);
    auto gateway = installation.start();
    if (!gateway) return;
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    audit(installation, {}, {}, found);
    found.figures = std::to_string(kills) + " kills";
  });
}

TEST_CASE("F11 a backup taken under load is whole and can be restored") {
  for_seeds("F11", 1, 20, [](std::uint64_t seed, Findings& found) {
    Installation installation(found);
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    Operator admin(installation);
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-"});
    admin.begin();
    std::this_thread::sleep_for(200ms);
    const std::string backup = installation.folder() + "/backup";
    const auto made = installation.command({"backup", backup, "--with-master-key"});
    found.expect(made.status == 0, "backup: " + made.err);
    admin.end();
    const auto sent = load.stop();
    gateway->end(SIGTERM);
    audit(installation, sent, {}, found);
    // As the README in the backup says.
    fs::rename(installation.data(), installation.folder() + "/old");
    fs::create_directory(installation.data());
    fs::permissions(installation.data(), fs::perms::owner_all);
    fs::copy_file(backup + "/registry.db", installation.data() + "/sallyport.db");
    fs::copy_file(backup + "/journal.pub", installation.data() + "/journal.pub");
    fs::copy_file(backup + "/master.key", installation.data() + "/master.key");
    check_registry(installation, found);
    gateway = installation.start();
    if (!gateway) return;
    found.expect(installation.serves(*gateway), "the restored installation does not serve");
    admin.check_whole(found);
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    found.figures = "restored, " + std::to_string(sent.size()) + " calls";
  });
}

}  // namespace sallyport::faults
