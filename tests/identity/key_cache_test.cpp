// When keys are fetched and for how long they are trusted (threats N29, F09).
#include "sallyport/identity/key_cache.hpp"

#include <doctest/doctest.h>

#include "identity/token_factory.hpp"

using namespace sallyport;
using namespace sallyport::identity;
using namespace std::chrono_literals;
using sallyport::identity::testing::key_set;
using sallyport::identity::testing::SigningIssuer;

namespace {

KeySet set_of(const std::string& kid) { return *KeySet::parse(key_set({SigningIssuer::ec(kid).jwk()})); }

struct Rig {
  KeyCache cache{{.refresh = 600s, .cool_down = 30s, .expiry = 3600s}};
  SteadyTime now{1000h};
  int fetches = 0;

  /// Asks as a request does; fetches where that is wanted.
  void ask(bool unknown_key, const char* kid) {
    if (!cache.wants(now, unknown_key)) return;
    cache.begin(now);
    ++fetches;
    if (kid) {
      cache.succeeded(set_of(kid), now);
    } else {
      cache.failed("nobody answers", now);
    }
  }
  bool knows(const char* kid) const { return cache.keys(now) && cache.keys(now)->has(kid); }
};

}  // namespace

TEST_CASE(
    "keys are fetched once, and again when they are old; while a fetch is under way nobody starts another") {
  Rig rig;
  CHECK(!rig.cache.keys(rig.now));
  CHECK(rig.cache.wants(rig.now, false));
  rig.cache.begin(rig.now);
  CHECK_FALSE(rig.cache.wants(rig.now + 1h, true));
  rig.cache.succeeded(set_of("a"), rig.now);
  CHECK(rig.knows("a"));
  for (int i = 0; i < 500; ++i) rig.ask(false, "a");
  CHECK(rig.fetches == 0);
  rig.now += 600s;
  rig.ask(false, "b");
  CHECK(rig.fetches == 1);
  CHECK(rig.knows("b"));
  CHECK_FALSE(rig.knows("a"));  // a key that its issuer took away
}

TEST_CASE(
    "N29 any number of unknown key ids makes one fetch in each cool-down, and good tokens keep working") {
  Rig rig;
  rig.ask(false, "a");
  for (int second = 0; second < 120; ++second, rig.now += 1s) {
    for (int i = 0; i < 1000; ++i) rig.ask(true, "a");
    CHECK(rig.knows("a"));
  }
  CHECK(rig.fetches == 1 + 3);
}

TEST_CASE("F09 a new key is picked up within one cool-down") {
  Rig rig;
  rig.ask(false, "a");
  rig.now += 29s;
  rig.ask(true, "b");
  CHECK_FALSE(rig.knows("b"));
  rig.now += 1s;
  rig.ask(true, "b");
  CHECK(rig.knows("b"));
}

TEST_CASE("F09 while the issuer is down its keys are used until they expire, and then none are") {
  Rig rig;
  rig.ask(false, "a");
  CHECK_FALSE(rig.cache.is_stale(rig.now));
  for (int i = 0; i < 59; ++i) {
    rig.now += 60s;
    rig.ask(false, nullptr);
    CHECK(rig.knows("a"));
  }
  CHECK(rig.cache.is_stale(rig.now));
  CHECK(rig.cache.problem() == "nobody answers");
  rig.now += 60s;
  CHECK(!rig.cache.keys(rig.now));
  rig.ask(false, nullptr);
  rig.now += 30s;
  rig.ask(false, "a");
  CHECK(rig.knows("a"));
  CHECK(rig.cache.problem().empty());
}
