// Nobody takes all of what is bounded.
#include "../../src/gateway/shares.hpp"

#include <doctest/doctest.h>

#include "../../src/gateway/dialogue.hpp"
#include "../../src/gateway/questions.hpp"

using namespace sallyport;
using namespace sallyport::gateway;

TEST_CASE("what one principal's clients are being sent is bounded, but for one piece of any size") {
  ByteShares shares;
  auto big = shares.take("a", 500, 100);
  CHECK(big);
  CHECK(!shares.take("a", 1, 100));
  CHECK(shares.take("a", 0, 100));
  auto other = shares.take("b", 60, 100);
  CHECK(other);
  CHECK(!shares.take("b", 60, 100));
  shares.sweep();
  CHECK(!shares.take("b", 60, 100));
  big.reset();
  other.reset();
  shares.sweep();
  CHECK(shares.take("a", 100, 100));
  CHECK(shares.take("b", 100, 100));
}

TEST_CASE("one principal leaves room for the others' questions") {
  Questions questions(0);
  const auto ask = [&](const std::string& principal) {
    return questions.open("session of " + principal, principal, std::make_shared<Slot<QuestionAnswer>>());
  };
  const auto first = ask("loud"), second = ask("loud");
  for (std::size_t i = 2; i < limits::kQuestionsOfOne; ++i) REQUIRE(ask("loud").has_value());
  CHECK(!ask("loud").has_value());
  CHECK(ask("quiet").has_value());
  questions.close(*first);
  CHECK(ask("loud").has_value());
  CHECK(!ask("loud").has_value());
  CHECK(questions.answer(*second, "session of loud", {.raw = "{}"}));
  // Said twice is said once.
  questions.close(*second);
  CHECK(ask("loud").has_value());
  CHECK(!ask("loud").has_value());
}

TEST_CASE("one principal leaves room for the others' calls that wait for their clients") {
  net::Shard shard(0);
  Dialogues waiting;
  const auto dialogue = std::make_shared<Dialogue>(shard, "{}");
  const auto add = [&](const std::string& principal, std::size_t i) {
    return waiting.add(principal + std::to_string(i), principal, dialogue);
  };
  for (std::size_t i = 0; i < limits::kParkedOfOne; ++i) REQUIRE(add("loud", i));
  CHECK(!add("loud", limits::kParkedOfOne));
  CHECK(add("quiet", 0));
  waiting.erase("loud0");
  waiting.erase("loud0");
  CHECK(!waiting.find("loud0"));
  CHECK(add("loud", 0));
  CHECK(!add("loud", limits::kParkedOfOne));
  CHECK(waiting.take_all().size() == limits::kParkedOfOne + 1);
  CHECK(waiting.size() == 0);
  CHECK(add("loud", 0));
}
