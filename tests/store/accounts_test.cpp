// People with a password here, and what they grant.
#include "sallyport/store/accounts.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "data_directory.hpp"
#include "sallyport/core/limits.hpp"

using namespace sallyport;
using namespace std::chrono_literals;
using store::Accounts;

namespace {

struct Rig {
  store::DataDirectory directory;
  store::OpenRegistry open{directory.path()};
  store::TestClock& clock = open.clock;
  Accounts accounts{*open.database, *open.vault, clock};

  Rig() { REQUIRE(accounts.save_user("alice", "encoded").value_or(false)); }
  /// Somebody who has signed in, and granted something by the code `id`.
  Accounts::Started grants(const std::string& id, const std::string& sign_in = "browser") {
    auto out = accounts.begin_grant({.id = id,
                                     .user = {},
                                     .issuer = {},
                                     .client = "client",
                                     .client_name = "Client",
                                     .resource = "https://gw.example/mcp"},
                                    sign_in, [](const auto&, auto&) { return true; });
    REQUIRE(out.has_value());
    return *out;
  }
  bool signs_in(const std::string& password = "encoded", const std::string& id = "browser") {
    auto out = accounts.begin_sign_in({.id = id,
                                       .user = "alice",
                                       .issuer = std::string(store::kLocalUsers),
                                       .until = unix_millis(clock.now() + 1h)},
                                      password);
    REQUIRE(out.has_value());
    return *out;
  }
};

}  // namespace

TEST_CASE(
    "a sign-in whose password was changed meanwhile does not begin, and one that is over grants nothing") {
  Rig rig;
  CHECK(rig.grants("early").what == Accounts::Start::over);
  CHECK_FALSE(rig.signs_in("another"));
  CHECK(rig.signs_in());
  CHECK(rig.grants("code").what == Accounts::Start::begun);
  REQUIRE(rig.accounts.save_user("alice", "changed").has_value());
  CHECK_FALSE(rig.signs_in("encoded", "second"));
  CHECK(rig.grants("late").what == Accounts::Start::over);
  CHECK(rig.accounts.grants("alice")->front().why == "password");
  CHECK(rig.signs_in("changed", "third"));
  REQUIRE(rig.accounts.remove_user("alice").has_value());
  CHECK(rig.grants("later", "third").what == Accounts::Start::over);
}

TEST_CASE("a code that was given in the last moment of a sign-in is still good; the next is not") {
  Rig rig;
  CHECK(rig.signs_in());
  rig.clock.advance(1h + 30s);
  CHECK_FALSE(rig.accounts.sign_in("browser")->has_value());
  CHECK(rig.grants("code").what == Accounts::Start::begun);
  rig.clock.advance(31s);
  CHECK(rig.grants("other").what == Accounts::Start::over);
}

TEST_CASE("a grant that its owner's document gives less time ends then, however often it is renewed") {
  Rig rig;
  CHECK(rig.signs_in());
  const auto end = unix_millis(rig.clock.now() + 50h);
  auto begun = rig.accounts.begin_grant(
      {.id = "code", .user = {}, .issuer = {}, .client = "c", .client_name = "C", .resource = "r"}, "browser",
      [&](const auto&, auto& grant) {
        grant.ends = end;
        return true;
      });
  REQUIRE(begun.has_value());
  std::int64_t serial = 1;
  const auto all = [](const auto&) { return true; };
  for (int i = 0; i < 2; ++i) {
    rig.clock.advance(24h);
    const auto renewed = rig.accounts.renew_grant("code", serial, all);
    CHECK(renewed->what == Accounts::Renewal::fresh);
    serial = renewed->grant.serial;
  }
  // Who is refused for another reason has lost nothing.
  CHECK(rig.accounts.renew_grant("code", serial, [](const auto&) { return false; })->what ==
        Accounts::Renewal::ended);
  CHECK(rig.accounts.renew_grant("code", serial, all)->what == Accounts::Renewal::fresh);
  rig.clock.advance(3h);
  CHECK(rig.accounts.renew_grant("code", serial + 1, all)->what == Accounts::Renewal::ended);
}

TEST_CASE("what is no name of a user is refused with what a name is made of") {
  Rig rig;
  for (const char* name : {"", "Alice", "al ice", "alice/x", "*", "-alice", "al\nice"}) {
    CAPTURE(name);
    CHECK_FALSE(store::user_name_problem(name).empty());
    CHECK_FALSE(rig.accounts.save_user(name, "x").has_value());
  }
  for (const char* name : {"alice", "alice@example.com", "a.b+c_d-9"})
    CHECK(store::user_name_problem(name).empty());
}

namespace {

/// Tokens of an agent that there is.
struct TokenRig : Rig {
  TokenRig() {
    auto made = open.registry->create_key("bot", "", false, std::nullopt);
    REQUIRE(made.has_value());
    key = made->record.id;
  }
  store::Grant token(const std::string& id, std::vector<std::string> above = {},
                     const std::string& user = "bot") {
    return {.id = id,
            .user = user,
            .issuer = {},
            .client = user,
            .client_name = user,
            .resource = "https://gw.example/mcp",
            .expires = unix_millis(clock.now() + 10min),
            .how = "minted",
            .tools = {{"a/*"}},
            .above = std::move(above)};
  }
  Accounts::Start begins(const store::Grant& grant, const std::vector<store::Assertion>& taken = {}) {
    auto out = accounts.begin_token(grant, taken);
    REQUIRE(out.has_value());
    return *out;
  }
  std::string key;
};

}  // namespace

TEST_CASE("a token begins only on what still holds, and is kept with its bounds") {
  TokenRig rig;
  const std::string ground = store::key_ground(rig.key);
  CHECK(rig.begins(rig.token("t1", {ground})) == Accounts::Start::begun);
  CHECK(rig.begins(rig.token("t2", {"t1", ground})) == Accounts::Start::begun);
  const auto kept = rig.accounts.grants("bot")->front();
  CHECK(kept.tools == std::vector<std::string>{"a/*"});
  CHECK(kept.how == "minted");
  CHECK(rig.begins(rig.token("t3", {"nothing"})) == Accounts::Start::over);
  CHECK(rig.begins(rig.token("t4", {}, "nobody")) == Accounts::Start::over);
  REQUIRE(rig.accounts.end_grant("t1", "revoked").has_value());
  CHECK(rig.begins(rig.token("t5", {"t1"})) == Accounts::Start::over);
  REQUIRE(rig.open.registry->revoke_key(rig.key).has_value());
  CHECK(rig.begins(rig.token("t6", {ground})) == Accounts::Start::over);
  const auto ended = rig.accounts.ended_grants();
  CHECK(std::ranges::find(*ended, "t1") != ended->end());
  CHECK(std::ranges::find(*ended, ground) != ended->end());
  CHECK(std::ranges::find(*ended, "t2") == ended->end());
}

TEST_CASE("an agent that is removed takes its tokens along, for one of the same name as well") {
  TokenRig rig;
  CHECK(rig.begins(rig.token("t1")) == Accounts::Start::begun);
  REQUIRE(rig.open.registry->remove("Agent", "bot").has_value());
  CHECK(rig.accounts.grants("bot")->front().why == "agent");
  CHECK(*rig.accounts.ended_grants() != std::vector<std::string>());
}

TEST_CASE("an assertion is taken once for each issuer, until nobody would take it any more") {
  TokenRig rig;
  const store::Assertion once{.issuer = "bot", .id = "j", .until = unix_millis(rig.clock.now() + 5min)};
  CHECK(rig.begins(rig.token("t1"), {once}) == Accounts::Start::begun);
  CHECK(rig.begins(rig.token("t2"), {once}) == Accounts::Start::replayed);
  CHECK(rig.accounts.grants("bot")->size() == 1);
  store::Assertion another = once;
  another.issuer = "other";
  CHECK(rig.begins(rig.token("t3"), {another}) == Accounts::Start::begun);
  rig.clock.advance(5min - 1ms);
  CHECK(rig.begins(rig.token("t4"), {once}) == Accounts::Start::replayed);
  // From now on it is not remembered, and not taken either.
  for (const auto step : {1ms, 1ms, 600'000ms}) {
    rig.clock.advance(step);
    CHECK(rig.begins(rig.token("t5"), {once}) == Accounts::Start::replayed);
  }
  CHECK(rig.begins(rig.token("t6"),
                   {{.issuer = "bot", .id = "j", .until = unix_millis(rig.clock.now()) + 1}}) ==
        Accounts::Start::begun);
}

TEST_CASE("a token stands on every agent that acts or has acted for it") {
  TokenRig rig;
  const auto apply = [&](const std::string& document) { REQUIRE(rig.open.apply(document) == ""); };
  apply("kind: Agent\nname: helper\n");
  CHECK(rig.begins(rig.token("t1", {"agent:helper"})) == Accounts::Start::begun);
  CHECK(rig.begins(rig.token("t2", {"agent:stranger"})) == Accounts::Start::over);
  store::Grant acted = rig.token("t3");
  acted.actor = "agent:helper";
  CHECK(rig.begins(acted) == Accounts::Start::begun);
  apply("kind: Agent\nname: helper\ndisabled: true\n");
  CHECK(rig.begins(rig.token("t4", {"agent:helper"})) == Accounts::Start::over);
  apply("kind: Agent\nname: helper\n");
  CHECK(rig.begins(rig.token("t5", {"agent:helper"})) == Accounts::Start::begun);
  REQUIRE(rig.open.registry->remove("Agent", "helper").has_value());
  CHECK(rig.begins(rig.token("t6", {"agent:helper"})) == Accounts::Start::over);
  const auto ended = rig.accounts.ended_grants();
  CHECK(std::ranges::find(*ended, "t3") != ended->end());
}

TEST_CASE("one principal has so many good tokens at most, and those that are over make room") {
  TokenRig rig;
  for (std::size_t i = 0; i < limits::kTokensOfOne; ++i)
    REQUIRE(rig.begins(rig.token("t" + std::to_string(i))) == Accounts::Start::begun);
  CHECK(rig.begins(rig.token("more")) == Accounts::Start::full);
  REQUIRE(rig.accounts.end_grant("t7", "revoked").has_value());
  CHECK(rig.begins(rig.token("instead")) == Accounts::Start::begun);
  CHECK(rig.begins(rig.token("more")) == Accounts::Start::full);
  rig.clock.advance(11min);
  CHECK(rig.begins(rig.token("more")) == Accounts::Start::begun);
  rig.clock.advance(2h);
  CHECK(rig.begins(rig.token("last")) == Accounts::Start::begun);
  CHECK(rig.accounts.grants("bot")->size() == 1);
}
