#include "sallyport/identity/sealed_id.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "sallyport/core/crypto.hpp"

using namespace sallyport;
using sallyport::identity::Sealer;

namespace {
std::vector<Secret> keys(std::initializer_list<char> letters) {
  std::vector<Secret> out;
  for (const char letter : letters) out.emplace_back(std::string(32, letter));
  return out;
}
}  // namespace

TEST_CASE("what was sealed opens for the same purpose and binding, whatever bytes it has") {
  const Sealer sealer(keys({'a'}));
  for (const std::string& payload :
       {std::string(), std::string(R"({"s":1})"), std::string("\0\xff\x80", 3), std::string(2000, 'x')}) {
    const auto token = sealer.seal("session", "agent:bot /mcp", payload);
    CHECK(std::ranges::all_of(token, [](char c) { return c > 0x20 && c < 0x7f; }));
    const auto opened = sealer.open("session", "agent:bot /mcp", token);
    REQUIRE(opened.has_value());
    CHECK(*opened == payload);
  }
}

TEST_CASE("two seals of one payload do not resemble each other") {
  const Sealer sealer(keys({'a'}));
  CHECK(sealer.seal("cursor", "b", "x") != sealer.seal("cursor", "b", "x"));
}

TEST_CASE("a token of another purpose, principal or endpoint is as unknown as a guessed one (N26)") {
  const Sealer sealer(keys({'a'}));
  const auto token = sealer.seal("session", "agent:a /mcp", "payload");
  const auto unknown = sealer.open("session", "agent:a /mcp", "guess").error();
  CHECK(unknown.code == Code::not_found);
  CHECK(unknown.blame == Blame::client);
  struct Row {
    const char *purpose, *bound;
  };
  for (const auto& row :
       {Row{"cursor", "agent:a /mcp"}, Row{"session", "agent:b /mcp"}, Row{"session", "agent:a /mcp/x"},
        Row{"session", ""}, Row{"", "agent:a /mcp"}, Row{"sessio", "nagent:a /mcp"},
        Row{"sessionagent:a", " /mcp"}, Row{"session ", "agent:a /mcp"}}) {
    CAPTURE(row.purpose);
    CAPTURE(row.bound);
    const auto opened = sealer.open(row.purpose, row.bound, token);
    REQUIRE_FALSE(opened.has_value());
    CHECK(opened.error().code == unknown.code);
    CHECK(opened.error().hint == unknown.hint);
  }
}

TEST_CASE("a token that was changed, cut or spelled differently does not open") {
  const Sealer sealer(keys({'a'}));
  const auto token = sealer.seal("session", "b", "payload");
  for (std::size_t i = 0; i < token.size(); ++i) {
    auto changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    CHECK_FALSE(sealer.open("session", "b", changed).has_value());
    CHECK_FALSE(sealer.open("session", "b", token.substr(0, i)).has_value());
  }
  for (const auto& bad : {token + "=", token + "A", " " + token, token + "\n", std::string(1 << 20, 'A'),
                          std::string("\0", 1), token + std::string(1, '\0')})
    CHECK(sealer.open("session", "b", bad).error().code == Code::not_found);
}

TEST_CASE("keys rotate: the first seals, all open, and a dropped one no longer does") {
  const Sealer old(keys({'a'}));
  const Sealer rotated(keys({'b', 'a'}));
  const Sealer dropped(keys({'b'}));
  const auto before = old.seal("session", "x", "1");
  const auto after = rotated.seal("session", "x", "2");
  CHECK(*rotated.open("session", "x", before) == "1");
  CHECK(*rotated.open("session", "x", after) == "2");
  CHECK_FALSE(old.open("session", "x", after).has_value());
  CHECK_FALSE(dropped.open("session", "x", before).has_value());
  CHECK(*dropped.open("session", "x", after) == "2");
}
