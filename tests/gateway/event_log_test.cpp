// What streams have said, kept for clients that come back: whose it is, how much of it, for how long.
#include "../../src/gateway/event_log.hpp"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace sallyport::gateway;
using Found = EventLog::Replay::Found;

namespace {

EventLog::Message text(std::string bytes) { return std::make_shared<const std::string>(std::move(bytes)); }
std::string said(const EventLog::Replay& replay) {
  std::string out;
  for (const auto& event : replay.events) out += *event.message;
  return out;
}

}  // namespace

TEST_CASE("an event id says which shard, stream and event it names, and nothing else passes for one") {
  const EventId id{.shard = 3, .stream = "q0mWy3x9JZ8", .number = 12};
  CHECK(id.text() == "3.q0mWy3x9JZ8.12");
  const auto read = EventId::parse(id.text());
  REQUIRE(read.has_value());
  CHECK(read->shard == 3);
  CHECK(read->stream == "q0mWy3x9JZ8");
  CHECK(read->number == 12);
  for (const char* wrong : {"", ".", "..", "1.x", "x.y.1", "1.y.z", "1.y.", "-1.y.1", "1.y.-1", "1.y.1 ",
                            " 1.y.1", "99999999999.y.1", "1.y.99999999999999999999999",
                            "1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.1"}) {
    CAPTURE(wrong);
    CHECK(!EventId::parse(wrong).has_value());
  }
}

TEST_CASE("what came after an event is given to the session that it belongs to") {
  EventLog log;
  const std::string stream = log.open("mine");
  CHECK(log.append(stream, text("a")) == 1);
  CHECK(log.append(stream, text("b")) == 2);
  CHECK(log.append(stream, text("c")) == 3);
  CHECK(said(log.after(stream, "mine", 0)) == "abc");
  CHECK(said(log.after(stream, "mine", 2)) == "c");
  CHECK(log.after(stream, "mine", 3).found == Found::here);
  CHECK(log.after(stream, "mine", 3).events.empty());
  CHECK(log.after(stream, "mine", 4).found == Found::lost);
  CHECK(log.after(stream, "theirs", 0).found == Found::foreign);
  CHECK(log.after("none", "mine", 0).found == Found::lost);
  CHECK(!log.after(stream, "mine", 0).finished);
  log.finish(stream, SteadyTime());
  CHECK(log.after(stream, "mine", 0).finished);
  CHECK(log.open("mine") != stream);
}

TEST_CASE("a stream keeps its newest events, by number and by size, and says when the old ones are gone") {
  EventLog log({.events = 3, .bytes = 1000});
  const std::string stream = log.open("s");
  for (const char* word : {"a", "b", "c", "d"}) log.append(stream, text(word));
  CHECK(log.after(stream, "s", 0).found == Found::lost);
  CHECK(said(log.after(stream, "s", 1)) == "bcd");
  // One big answer stays, whatever its size: it is what the client comes back for.
  log.append(stream, text(std::string(5000, 'x')));
  CHECK(said(log.after(stream, "s", 4)).size() == 5000);
  CHECK(log.after(stream, "s", 3).found == Found::lost);
}

TEST_CASE(
    "when the shard's room is used up, finished streams go first and the oldest of them before the others") {
  EventLog log({.total = 10'000, .finished = 3});
  const auto make = [&](std::size_t size) {
    const std::string stream = log.open("s");
    log.append(stream, text(std::string(size, 'x')));
    return stream;
  };
  const std::string open = make(1000);
  const std::string first = make(1000), second = make(1000), third = make(1000), fourth = make(1000);
  for (const std::string& stream : {first, second, third, fourth}) log.finish(stream, SteadyTime());
  CHECK(log.after(first, "s", 0).found == Found::lost);
  CHECK(log.after(second, "s", 0).found == Found::here);
  const std::string big = make(8000);
  CHECK(log.after(second, "s", 0).found == Found::lost);
  CHECK(log.after(fourth, "s", 0).found == Found::lost);
  CHECK(log.after(open, "s", 0).found == Found::here);
  const std::string bigger = make(9000);
  // No finished one is left: open streams lose what they said, the oldest first, but go on.
  CHECK(log.after(open, "s", 0).found == Found::lost);
  CHECK(log.append(open, text("more")) == 2);
  CHECK(said(log.after(open, "s", 1)) == "more");
  CHECK(log.bytes() <= 10'000);
  CHECK(log.after(big, "s", 0).found == Found::lost);
  CHECK(said(log.after(bigger, "s", 0)).size() == 9000);
}

TEST_CASE("a finished stream is kept for its time, and a deleted session's streams not at all") {
  EventLog log({.kept = std::chrono::seconds(60)});
  const SteadyTime begin{};
  const std::string stream = log.open("s"), other = log.open("t"), running = log.open("s");
  log.append(stream, text("answer"));
  log.finish(stream, begin);
  log.sweep(begin + std::chrono::seconds(59));
  CHECK(log.after(stream, "s", 0).found == Found::here);
  log.sweep(begin + std::chrono::seconds(60));
  CHECK(log.after(stream, "s", 0).found == Found::lost);
  CHECK(log.bytes() == 0);
  CHECK(log.erase_session("s") == std::vector<std::string>{running});
  CHECK(log.erase_session("s").empty());
  CHECK(log.after(running, "s", 0).found == Found::lost);
  CHECK(log.after(other, "t", 0).found == Found::here);
  CHECK(log.streams() == 1);
}

TEST_CASE("whoever says much forgets its own before anybody else's is forgotten") {
  EventLog log({.total = 20'000, .finished = 100, .of_one = 4000, .finished_of_one = 3});
  const auto make = [&](const std::string& owner, std::size_t size, bool finished = true) {
    const std::string stream = log.open("s-" + owner, owner);
    log.append(stream, text(std::string(size, 'x')));
    if (finished) log.finish(stream, SteadyTime());
    return stream;
  };
  const auto there = [&](const std::string& owner, const std::string& stream) {
    return log.after(stream, "s-" + owner, 0).found == Found::here;
  };
  const std::string quiet = make("quiet", 2000), busy = make("quiet", 1000, false);
  std::vector<std::string> loud;
  for (int i = 0; i < 50; ++i) loud.push_back(make("loud", 1500, i % 2 == 0));
  CHECK(there("quiet", quiet));
  CHECK(there("quiet", busy));
  CHECK(there("loud", loud.back()));
  CHECK(!there("loud", loud.front()));
  CHECK(log.bytes() <= 2 * 1064 + 2064 + 4000);
  // By number as well.
  std::vector<std::string> many;
  for (int i = 0; i < 5; ++i) many.push_back(make("many", 1));
  CHECK(!there("many", many[1]));
  CHECK(there("many", many[2]));
  // One big answer stays, whatever its size.
  const std::string big = make("big", 5000);
  CHECK(there("big", big));
  CHECK(there("quiet", quiet));
  make("big", 1);
  CHECK(!there("big", big));
}
