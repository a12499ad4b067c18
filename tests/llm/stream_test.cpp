/// Any wire's stream to any wire's client, and back through that wire's reader.

#include "provider_streams.hpp"

namespace sallyport::llm::test {
namespace {

// Messages tells an error without a code, and its usage where it began.
std::string without_code(std::string text) {
  for (const std::string_view gone : {" rate_limit_exceeded", " used 1/0/0/0 1/0", " used 0/0/0/0 0/0"}) {
    if (const auto at = text.find(gone); at != std::string::npos) text.erase(at, gone.size());
  }
  return text;
}

TEST_CASE("a stream of any wire tells the same") {
  for (const auto& each : cases()) {
    CAPTURE(each.name);
    for (const Wire from : kAllWires) {
      if (each.stream(from).empty()) continue;
      CAPTURE(llm::name_of(from));
      CHECK(without_code(told(read_stream(from, each.stream(from)))) == without_code(each.told));
    }
  }
}

TEST_CASE("a stream of any wire reaches clients of any wire") {
  for (const auto& each : cases()) {
    CAPTURE(each.name);
    for (const Wire from : kAllWires) {
      if (each.stream(from).empty()) continue;
      const auto events = read_stream(from, each.stream(from));
      for (const Wire to : kAllWires) {
        CAPTURE(llm::name_of(from));
        CAPTURE(llm::name_of(to));
        const auto stream = write_stream(to, events);
        CAPTURE(stream);
        CHECK(without_code(told(read_stream(to, stream))) == without_code(each.over(to)));
      }
    }
  }
}

TEST_CASE("a whole answer of any wire reaches clients of any wire") {
  for (const auto& each : cases()) {
    CAPTURE(each.name);
    for (const Wire from : kAllWires) {
      if (each.stream(from).empty()) continue;
      const auto events = read_stream(from, each.stream(from));
      for (const Wire over : kAllWires) {
        // From what one wire's whole answer says the other wires' whole answers are made.
        const auto first = write_answer(over, events, writing());
        if (events.back().kind == Event::Kind::failed) {
          CHECK_FALSE(first.has_value());
          continue;
        }
        REQUIRE(first.has_value());
        CAPTURE(llm::name_of(from));
        CAPTURE(llm::name_of(over));
        CAPTURE(*first);
        const auto again = read_whole(over, *first);
        CHECK(told(again) == each.over(over));
        for (const Wire to : kAllWires) {
          const auto second = write_answer(to, again, writing());
          REQUIRE(second.has_value());
          CHECK(read_whole(to, *second).back().kind == Event::Kind::done);
        }
      }
    }
  }
}

TEST_CASE("a stream that was cut is broken, not ended") {
  for (const auto& each : cases()) {
    for (const Wire from : kAllWires) {
      const auto frames = frames_of(each.stream(from));
      CAPTURE(each.name);
      CAPTURE(llm::name_of(from));
      for (std::size_t length = 0; length < frames.size(); ++length) {
        EventReader reader(from);
        std::vector<Event> events;
        for (std::size_t i = 0; i < length; ++i) REQUIRE(reader.read(frames[i].type, frames[i].data, events));
        const auto finished = reader.finish(events);
        // A chat stream that gave its reason is whole without the mark; a failure is an end.
        const bool whole = !events.empty() && (events.back().kind == Event::Kind::done ||
                                               events.back().kind == Event::Kind::failed);
        CHECK(finished.has_value() == whole);
        CHECK(reader.ended() == whole);
        if (whole && from != Wire::chat) CHECK(length + 1 >= frames.size());
      }
    }
  }
}

TEST_CASE("content has begun with the first word, thought or call, and not before") {
  for (const auto& each : cases()) {
    for (const Wire from : kAllWires) {
      EventReader reader(from);
      std::vector<Event> events;
      for (const auto& frame : frames_of(each.stream(from))) {
        REQUIRE(reader.read(frame.type, frame.data, events));
        bool content = false;
        for (const auto& event : events) {
          using Kind = Event::Kind;
          content = content || (event.kind >= Kind::text && event.kind <= Kind::tool_begin);
        }
        CHECK(reader.content_began() == content);
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::llm::test
