// Session ids that carry their meaning, and the table beside them (DESIGN 3.9, N26).
#include "../../src/gateway/session.hpp"

#include <doctest/doctest.h>

#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace sallyport::gateway;

namespace {
identity::Sealer sealer(char letter) {
  std::vector<Secret> keys;
  keys.emplace_back(std::string(32, letter));
  return identity::Sealer(std::move(keys));
}
SystemTime at(std::int64_t seconds) { return SystemTime(std::chrono::seconds(seconds)); }
}  // namespace

TEST_CASE("a session id gives back what was sealed into it, until it expires") {
  const auto seal = sealer('a');
  const Session made{.nonce = "n1",
                     .version = mcp::Version::v2025_06_18,
                     .capabilities = R"({"sampling":{}})",
                     .expires = 1000,
                     .home = 3,
                     .start = "run"};
  const std::string id = seal_session(seal, made, "agent:bot /mcp");
  const auto opened = open_session(seal, id, "agent:bot /mcp", at(999));
  REQUIRE(opened.has_value());
  CHECK(opened->nonce == "n1");
  CHECK(opened->version == mcp::Version::v2025_06_18);
  CHECK(opened->capabilities == R"({"sampling":{}})");
  CHECK(opened->home == 3);
  CHECK(opened->start == "run");
  CHECK(opened->expires == 1000);

  const auto expired = open_session(seal, id, "agent:bot /mcp", at(1000));
  const auto other = open_session(seal, id, "agent:other /mcp", at(1));
  const auto foreign = open_session(sealer('b'), id, "agent:bot /mcp", at(1));
  const auto guessed = open_session(seal, "guess", "agent:bot /mcp", at(1));
  const auto cursor =
      open_session(seal, seal.seal("cursor", "agent:bot /mcp", "{}"), "agent:bot /mcp", at(1));
  const auto empty = open_session(seal, seal.seal("session", "b", "{}"), "b", at(1));
  const auto damaged = open_session(seal, seal.seal("session", "b", "{"), "b", at(1));
  for (const auto* refused : {&expired, &other, &foreign, &guessed, &cursor, &empty, &damaged}) {
    REQUIRE(!refused->has_value());
    CHECK(refused->error().code == Code::not_found);
    CHECK(refused->error().hint == guessed.error().hint);
  }
}

TEST_CASE("a session that has ended stays ended, whatever is told about it later") {
  SessionTable table;
  table.set_level("n", {.level = "error", .expires = 10}, 1);
  CHECK(table.log_level("n") == "error");
  CHECK_FALSE(table.ended("n"));
  table.end("n", 2);
  table.set_level("n", {.level = "debug", .expires = 10}, 3);
  CHECK(table.ended("n"));
  CHECK(table.log_level("n").empty());
  CHECK_FALSE(table.ended("unheard of"));
  CHECK(table.log_level("unheard of").empty());
}

TEST_CASE("ended sessions are remembered for a day, or as long as a bound of others") {
  constexpr std::int64_t kDay = 24 * 3600;
  const auto nonce = [](std::size_t i) { return "0123456789abcdef" + std::to_string(i); };
  EndedSessions ended;
  const std::string long_one(40, 'x');
  ended.add(long_one, 0);
  CHECK(ended.contains(long_one));
  CHECK_FALSE(ended.contains(long_one + "y"));

  SUBCASE("the last ones of many, each once") {
    for (std::size_t i = 0; i < 3 * limits::kTombstones; ++i) {
      ended.add(nonce(i), 1);
      ended.add(nonce(i), 1);
    }
    bool all = true;
    for (std::size_t i = 2 * limits::kTombstones; i < 3 * limits::kTombstones; ++i)
      all = all && ended.contains(nonce(i));
    CHECK(all);
    CHECK_FALSE(ended.contains(nonce(3 * limits::kTombstones)));
    CHECK_FALSE(ended.contains(nonce(0)));
    CHECK_FALSE(ended.contains(long_one));
  }
  SUBCASE("those of the last day") {
    ended.add(nonce(1), kDay);
    ended.add(nonce(2), kDay + 1);
    CHECK(ended.contains(nonce(1)));
    CHECK(ended.contains(long_one));
    ended.add(nonce(3), 2 * kDay + 2);
    CHECK_FALSE(ended.contains(long_one));
    CHECK_FALSE(ended.contains(nonce(1)));
    CHECK(ended.contains(nonce(2)));
    CHECK(ended.contains(nonce(3)));
  }
}

TEST_CASE("log levels are bounded, and those of expired sessions are forgotten first") {
  SessionTable table;
  table.set_level("lives", {.level = "info", .expires = 100}, 1);
  for (std::size_t i = 0; i < limits::kSessionLevels; ++i)
    table.set_level("old" + std::to_string(i), {.level = "debug", .expires = 2}, 3);
  CHECK(table.log_level("lives") == "info");
  CHECK(table.log_level("old0").empty());
}

TEST_CASE("log levels are ordered as syslog orders them") {
  CHECK(log_severity("debug") < log_severity("info"));
  CHECK(log_severity("warning") < log_severity("error"));
  CHECK(log_severity("critical") < log_severity("emergency"));
  for (const char* level : {"", "loud", "Error"}) CHECK(log_severity(level) == -1);
}
