// F03 and F04: a disk that is full, broken or read-only, before and after a call has acted; F10: each write
// fails once.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <iostream>
#include <iterator>
#include <thread>

#include "books.hpp"
#include "operator.hpp"
#include "rules.hpp"

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;

/// The answer to GET /readyz.
net::testing::RawSocket::Answer readiness(const testing::GatewayProcess& gateway) {
  auto socket = net::testing::RawSocket::to(gateway.port);
  socket.send("GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return socket.answer();
}

bool becomes_ready(const testing::GatewayProcess& gateway) {
  for (int i = 0; i < 200; ++i) {
    if (readiness(gateway).status == 200) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

std::string text_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

long count_of(const std::vector<std::string>& types, const std::string& type) {
  return std::ranges::count(types, type);
}

struct Failure {
  const char* error;
  const char* says;
};
constexpr Failure kFailures[] = {
    {"ENOSPC", "No space left on device"}, {"EIO", "Input/output error"}, {"EROFS", "Read-only file system"}};

}  // namespace

TEST_CASE(
    "F03 a journal that cannot be written: calls fail closed, health says why, and it recovers by itself") {
  for_seeds("F03", 4, 60, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found, DiskRules::variables());
    DiskRules disk(installation.folder());
    const Failure& failure = kFailures[seed % std::size(kFailures)];
    const bool on_disk = dice.one_in(2);
    auto gateway = installation.start({"--durability", on_disk ? "disk" : "process"});
    if (!gateway || !installation.serves(*gateway)) return;
    const AtRest before = at_rest(installation, *gateway);
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-"});
    std::this_thread::sleep_for(100ms);
    // Short writes as well: a part of a batch goes in, then nothing.
    const std::string rule = failure.error == std::string("ENOSPC") && dice.one_in(2)
                                 ? "space /journal/ " + std::to_string(dice.between(0, 5000))
                                 : std::string(on_disk && dice.one_in(3) ? "sync"
                                               : dice.one_in(2)          ? "write"
                                                                         : "any") +
                                       " /journal/ " + failure.error;
    disk.set(rule);
    std::this_thread::sleep_for(std::chrono::milliseconds(dice.between(150, 400)));
    auto refused = readiness(*gateway);
    // On a busy machine it may take a while until the next record.
    for (int i = 0; i < 500 && refused.status == 200; ++i) {
      std::this_thread::sleep_for(20ms);
      refused = readiness(*gateway);
    }
    found.expect(refused.status == 503 && refused.body.find(failure.says) != std::string::npos,
                 "readyz while the disk refuses: " + std::to_string(refused.status) + " " + refused.body);
    const std::string metrics = installation.metrics();
    found.expect(Installation::metric(metrics, "sallyport_journal_healthy") == 0, "the metric says healthy");
    disk.clear();
    const auto mended = std::chrono::steady_clock::now();
    const std::size_t answered = load.answered();
    while (load.answered() < answered + 5 && std::chrono::steady_clock::now() < mended + 5s)
      std::this_thread::sleep_for(5ms);
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - mended);
    found.expect(load.answered() >= answered + 5, "no call goes through although the disk works again");
    found.expect(becomes_ready(*gateway), "it does not become ready again: " + readiness(*gateway).body);
    found.expect(Installation::metric(installation.metrics(), "sallyport_journal_refused_total") > 0,
                 "no refusal is counted");
    const auto sent = load.stop();
    int failed = 0;
    for (const auto& one : sent) {
      if (one.end == Sent::End::result) continue;
      ++failed;
      found.expect(one.end == Sent::End::refused && one.status == 503 && one.reason == "unavailable" &&
                       one.retry && !one.retry_after.empty(),
                   "not 503 with Retry-After: " + std::to_string(one.status) + " " + one.body);
    }
    found.expect(failed > 0, "no call was refused");
    expect_at_rest(before, installation, *gateway, found);
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    const Books books = audit(installation, sent, {}, found);
    found.expect(count_of(books.types, "unknown") == 0, "outcomes were forgotten");
    found.expect(count_of(books.types, "stop") == static_cast<long>(books.chains.size()),
                 "a chain has no stop record");
    const std::string log = text_of(installation.log());
    found.expect(log.find("journal: ") != std::string::npos && log.find(failure.says) != std::string::npos,
                 "the log does not say it");
    found.figures = rule + (on_disk ? ", durability disk, " : ", ") + std::to_string(sent.size()) +
                    " calls, " + std::to_string(failed) + " refused, back after " +
                    std::to_string(took.count()) + " ms";
  });
}

TEST_CASE("F03 on a full disk the space set aside takes the last records of a stop") {
  for_seeds("F03", 2, 40, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found, DiskRules::variables());
    DiskRules disk(installation.folder());
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-"});
    std::this_thread::sleep_for(100ms);
    disk.set("space /journal/ " + std::to_string(dice.between(0, 3000)));
    std::this_thread::sleep_for(200ms);
    const int code = gateway->end(SIGTERM);
    const auto sent = load.stop();
    found.expect(code == 0 || code == 1, "the stop ended with " + std::to_string(code));
    const Books books = audit(installation, sent, {}, found);
    found.expect(count_of(books.types, "stop") == static_cast<long>(books.chains.size()),
                 "a chain has no stop record");
    found.expect(count_of(books.types, "unknown") == 0, "outcomes were forgotten");
    disk.clear();
    gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    found.expect(gateway->end(SIGTERM) == 0, "the next stop did not end with 0");
    audit(installation, sent, {}, found);
    found.figures = "full at the stop, " + std::to_string(sent.size()) + " calls";
  });
}

TEST_CASE("F03 a registry that cannot be written: changes are refused as a whole, calls go on") {
  for_seeds("F03", 3, 60, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found, DiskRules::variables());
    DiskRules disk(installation.folder());
    const Failure& failure = kFailures[seed % std::size(kFailures)];
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-"});
    const char* const ops[] = {"write", "sync", "any"};
    disk.set(std::string(ops[dice.between(0, 2)]) + " /sallyport.db " + failure.error);
    const auto team = [](int n) {
      return "kind: Team\nname: one\nmembers: [\"agent:n" + std::to_string(n) + "\"]\n";
    };
    const auto refused = installation.apply(team(1));
    found.expect(refused.status == 1 && !refused.err.empty(),
                 "apply: " + std::to_string(refused.status) + refused.err);
    const auto key = installation.command({"key", "create", "--agent", "late"});
    found.expect(key.status == 1, "a key was made: " + key.err);
    disk.clear();
    found.expect(installation.command({"get", "teams", "one"}).status != 0, "half of it is there");
    const auto applied = installation.apply(team(2));
    found.expect(applied.status == 0, "apply after it: " + applied.err);
    const auto sent = load.stop();
    for (const auto& one : sent)
      found.expect(one.end == Sent::End::result, "a call failed: " + one.token + " " + one.body);
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    audit(installation, sent, {}, found);
    check_registry(installation, found);
    found.figures = std::string("registry ") + failure.error + ", " + std::to_string(sent.size()) + " calls";
  });
}

TEST_CASE(
    "F04 an outcome that cannot be written: the true result with a warning, an alarm, no second execution") {
  for_seeds("F04", 4, 60, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found, DiskRules::variables());
    DiskRules disk(installation.folder());
    const Failure& failure = kFailures[seed % std::size(kFailures)];
    auto gateway = installation.start({"--durability", dice.one_in(2) ? "disk" : "process"});
    if (!gateway || !installation.serves(*gateway)) return;
    const std::size_t probes = installation.ledger().tokens().size();
    installation.hold = true;
    const int calls = dice.between(1, 12);
    std::vector<Sent> sent(static_cast<std::size_t>(calls));
    {
      std::vector<std::jthread> clients;
      for (int i = 0; i < calls; ++i) {
        clients.emplace_back([&, i] {
          auto socket = net::testing::RawSocket::to(gateway->port);
          sent[static_cast<std::size_t>(i)] =
              Load::call(socket, installation.key(), std::to_string(seed) + "-" + std::to_string(i));
        });
      }
      for (int i = 0;
           i < 500 && installation.ledger().tokens().size() < probes + static_cast<std::size_t>(calls); ++i)
        std::this_thread::sleep_for(10ms);
      disk.set(std::string("write /journal/ ") + failure.error);
      installation.hold = false;
    }
    for (const auto& one : sent) {
      found.expect(one.end == Sent::End::result && one.status == 200, "not its true result: " + one.body);
      found.expect(one.warned, "no warning beside the result of " + one.token);
      found.expect(one.body.find("\"sallyport/warning\":\"unrecorded\"") != std::string::npos,
                   "no warning in the result: " + one.body);
    }
    found.expect(readiness(*gateway).status == 503, "readyz says that all is well");
    const std::string metrics = installation.metrics();
    found.expect(Installation::metric(metrics, "sallyport_journal_kept_records") >= calls,
                 "the metric does not say it");
    found.expect(text_of(installation.log()).find(failure.says) != std::string::npos,
                 "the log does not say it");
    const bool dies = dice.one_in(2);
    if (dies) {
      gateway->end(SIGKILL);
      disk.clear();
      gateway = installation.start();
      if (!gateway || !installation.serves(*gateway)) return;
    } else {
      disk.clear();
      found.expect(installation.serves(*gateway) && becomes_ready(*gateway), "it does not recover");
    }
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    const Books books = audit(installation, sent, {}, found);
    found.expect(count_of(books.types, "unknown") == (dies ? calls : 0),
                 std::to_string(count_of(books.types, "unknown")) + " unknown of " + std::to_string(calls));
    found.figures = std::string(failure.error) + ", " + std::to_string(calls) + " calls" +
                    (dies ? ", killed" : ", recovered");
  });
}

TEST_CASE("F10 every write, sync, cut and opening in the data directory fails once") {
  // The seed is the number of the first call that fails; then every so-manieth, until a run has no fault.
  const int step = run().brief ? 10 : 1;
  const auto first = static_cast<int>(run().seed % static_cast<std::uint64_t>(step));
  int runs = 0, refused = 0;
  for (int n = run().seeds == 1 ? static_cast<int>(run().seed) : first;; n += step) {
    Findings found;
    bool any = false;
    {
      Installation installation(found, DiskRules::variables());
      DiskRules disk(installation.folder());
      disk.set("any /place/ EIO " + std::to_string(n) + " 1");
      const auto applied = installation.apply("kind: Team\nname: one\nmembers: [\"agent:n1\"]\n");
      if (applied.status != 0) {
        ++refused;
        found.expect(applied.status == 1 && !applied.err.empty(),
                     "apply ended with " + std::to_string(applied.status) + " " + applied.err);
      }
      Findings ignored;
      std::vector<Sent> sent;
      testing::GatewayProcess gateway(
          {.program = run().program,
           .data = installation.data(),
           .log = installation.log(),
           .flags = {"--durability", n % 2 == 0 ? "disk" : "process", "--stop-grace", "3s"},
           .variables = installation.variables()});
      if (gateway.ready()) {
        for (int i = 0; i < 6; ++i) {
          auto socket = net::testing::RawSocket::to(gateway.port);
          sent.push_back(Load::call(socket, installation.key(), std::to_string(n) + "-" + std::to_string(i)));
          found.expect(sent.back().end == Sent::End::result || sent.back().end == Sent::End::refused,
                       "a call got no answer");
        }
        const auto changed = installation.apply("kind: Team\nname: one\nmembers: [\"agent:n2\"]\n");
        found.expect(changed.status == 0 || changed.status == 1,
                     "apply ended with " + std::to_string(changed.status));
        const int code = gateway.end(SIGTERM);
        found.expect(code == 0 || code == 1, "the server ended with " + std::to_string(code));
      } else {
        ++refused;
        const int code = gateway.wait();
        found.expect(code == 1, "a start that failed ended with " + std::to_string(code));
      }
      any = disk.fired() > 0;
      disk.clear();
      auto again = installation.start();
      if (again && installation.serves(*again)) {
        found.expect(again->end(SIGTERM) == 0, "the stop did not end with 0");
        audit(installation, sent, {}, found);
        check_registry(installation, found);
      }
    }
    ++runs;
    for (const auto& problem : found.problems) std::cout << "F10 call " << n << ": " << problem << std::endl;
    if (!found.problems.empty())
      std::cout << "  again: ./dev faults --fault F10 --seed " << n << " --seeds 1" << std::endl;
    CHECK_MESSAGE(found.problems.empty(), "F10 call " << n);
    if (!any || run().seeds == 1) {
      std::cout << "F10: " << runs << " runs up to call " << n << ", " << refused << " refusals" << std::endl;
      break;
    }
  }
}

}  // namespace sallyport::faults
