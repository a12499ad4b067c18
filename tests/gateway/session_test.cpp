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

TEST_CASE("a deleted session stays deleted, whatever is told about it later") {
  SessionTable table;
  table.set("n", {.deleted = false, .log_level = "error", .expires = 10});
  CHECK(table.log_level("n") == "error");
  CHECK(!table.deleted("n"));
  table.set("n", {.deleted = true, .log_level = {}, .expires = 10});
  table.set("n", {.deleted = false, .log_level = "debug", .expires = 10});
  CHECK(table.deleted("n"));
  CHECK(!table.deleted("unheard of"));
  CHECK(table.log_level("unheard of").empty());
}

TEST_CASE("the table is bounded, and what has expired goes first") {
  const std::int64_t never = std::int64_t{1} << 40;
  SessionTable table;
  table.set("kept", {.deleted = true, .log_level = {}, .expires = never});
  for (std::size_t i = 0; i < limits::kTombstones + 10; ++i)
    table.set("old" + std::to_string(i), {.deleted = true, .log_level = {}, .expires = 1});
  CHECK(table.deleted("kept"));
  CHECK(!table.deleted("old0"));
}

TEST_CASE("log levels are ordered as syslog orders them") {
  CHECK(log_severity("debug") < log_severity("info"));
  CHECK(log_severity("warning") < log_severity("error"));
  CHECK(log_severity("critical") < log_severity("emergency"));
  for (const char* level : {"", "loud", "Error"}) CHECK(log_severity(level) == -1);
}
