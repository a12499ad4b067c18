/// Thoughts go back to the wire that they came from, byte for byte, and to no other.

#include "client_requests.hpp"
#include "provider_streams.hpp"
#include "sallyport/llm/envelope.hpp"

namespace sallyport::llm::test {
namespace {

// What each wire's provider gave out, as it stands in the streams.
std::string origin_form(Wire origin) {
  switch (origin) {
    case Wire::chat:
      return R"({"reasoning_content":"Let me"})";
    case Wire::responses:
      return R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Let me"}],"encrypted_content":"gAAA"})";
    case Wire::messages:
      return R"({"type":"thinking","thinking":"Let me","signature":"EqRk+/="})";
  }
  return {};
}

const Case& thinking_case() {
  for (const auto& each : cases()) {
    if (each.name == "thinking with its signature") return each;
  }
  throw std::logic_error("no such case");
}

// The next request of a client of `wire`, which gives the answer back as it got it.
std::string next_request(Wire wire, const std::string& answer) {
  const auto document = parsed(answer);
  const auto root = document.root();
  switch (wire) {
    case Wire::chat:
      return R"({"model":"m","messages":[{"role":"user","content":"Hi"},)" +
             std::string(root.find("choices")->elements().begin().operator*().find("message")->raw()) +
             R"(,{"role":"user","content":"Go on"}],"max_tokens":99})";
    case Wire::responses: {
      std::string items(root.find("output")->raw());
      items.insert(1, R"({"role":"user","content":"Hi"},)");
      items.insert(items.size() - 1, R"(,{"role":"user","content":"Go on"})");
      return R"({"model":"m","input":)" + items + "}";
    }
    case Wire::messages:
      return R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":)" +
             std::string(root.find("content")->raw()) + R"(},{"role":"user","content":"Go on"}]})";
  }
  return {};
}

TEST_CASE("a thought comes back to its origin byte for byte, over a client of any other wire") {
  for (const Wire origin : kAllWires) {
    const auto events = read_stream(origin, thinking_case().stream(origin));
    for (const Wire client : kAllWires) {
      if (client == origin) continue;
      CAPTURE(llm::name_of(origin));
      CAPTURE(llm::name_of(client));
      const auto answer = write_answer(client, events, writing());
      REQUIRE(answer.has_value());
      const auto body = next_request(client, *answer);
      CAPTURE(body);
      const auto request = read_body(client, body);
      for (const Wire target : kAllWires) {
        const auto written = write_request(target, request, {.model = "m"});
        REQUIRE(written.has_value());
        // On chat the thought's members stand among the message's.
        auto form = origin_form(origin);
        if (origin == Wire::chat) form = form.substr(1, form.size() - 2);
        const bool there = written->body.find(form) != std::string::npos;
        CHECK(there == (target == origin));
        CHECK(written->dropped.empty() == (target == origin));
        CHECK(written->body.find("sallyport.thought") == std::string::npos);
      }
    }
  }
}

TEST_CASE("a stream carries the same thought as the whole answer") {
  for (const Wire origin : kAllWires) {
    const auto events = read_stream(origin, thinking_case().stream(origin));
    for (const Wire client : kAllWires) {
      if (client == origin) continue;
      const auto again = read_stream(client, write_stream(client, events));
      const auto answer = write_answer(client, again, writing());
      REQUIRE(answer.has_value());
      const auto written =
          write_request(origin, read_body(client, next_request(client, *answer)), {.model = "m"});
      REQUIRE(written.has_value());
      CAPTURE(written->body);
      auto form = origin_form(origin);
      if (origin == Wire::chat) form = form.substr(1, form.size() - 2);
      CHECK(written->body.find(form) != std::string::npos);
    }
  }
}

TEST_CASE("what another wire's provider thought never goes along where the wire stays the same") {
  for (const Wire origin : kAllWires) {
    const auto events = read_stream(origin, thinking_case().stream(origin));
    for (const Wire client : kAllWires) {
      const auto answer = write_answer(client, events, writing());
      REQUIRE(answer.has_value());
      const auto body = next_request(client, *answer);
      const auto document = parsed(body);
      const auto out = rewrite(document.root(), {.model = "m"});
      CAPTURE(llm::name_of(origin));
      CAPTURE(llm::name_of(client));
      CAPTURE(out);
      parsed(out);
      CHECK(out.find("sallyport.thought") == std::string::npos);
      CHECK(out.find("Hello") != std::string::npos);
      CHECK((out.find("Let me") != std::string::npos) == (origin == client));
      // Its own stays as it is.
      if (origin == client) CHECK(out == body);
    }
  }
}

TEST_CASE(
    "on chat the readable text goes with the carried thought that it repeats, and what is its own stays") {
  const std::string carried =
      R"({"type":"reasoning.encrypted","data":"sallyport.thought.1.m.e30","format":"unknown"})";
  const std::string own = R"({"type":"reasoning.text","text":"mine"})";
  const auto message = [](const std::string& thinking) {
    return R"({"model":"m","messages":[{"role":"assistant",)" + thinking +
           R"("content":"a","tool_calls":[{"id":"x"}]}]})";
  };
  const std::pair<std::string, std::string> rows[] = {
      {R"("reasoning_content":"theirs","reasoning":"theirs","reasoning_details":[)" + carried + "],", ""},
      {R"("reasoning_details":[)" + carried + "," + own + R"(],"reasoning_content":"theirs",)",
       R"("reasoning_details":[)" + own + "],"},
      {R"("reasoning_content":"mine","reasoning_details":[)" + own + "],",
       R"("reasoning_content":"mine","reasoning_details":[)" + own + "],"},
      {R"("reasoning_content":"mine","reasoning_details":[],)",
       R"("reasoning_content":"mine","reasoning_details":[],)"},
  };
  for (const auto& [given, goes] : rows) {
    CAPTURE(given);
    const auto document = parsed(message(given));
    CHECK(rewrite(document.root(), {.model = "m"}) == message(goes));
  }
}

TEST_CASE("a damaged or forged thought is dropped") {
  const auto body = [](const std::string& signature) {
    return R"({"model":"m","max_tokens":99,"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":)" +
           json::quote(signature) + R"(},{"type":"text","text":"a"}]},{"role":"user","content":"Hi"}]})";
  };
  const std::string mark = "sallyport.thought.1.";
  const std::string forged[] = {
      mark,
      mark + "r",
      mark + "r.",
      mark + "z.e30",
      mark + "r.!!!",
      mark + "r.e30",
      mark + "r.bnVsbA",
      mark + "r.W10",
      // An item of another type: {"type":"item_reference","id":"x"}
      mark + "r.eyJ0eXBlIjoiaXRlbV9yZWZlcmVuY2UiLCJpZCI6IngifQ",
      // Members of a message that are no thought: {"tool_calls":[]}
      mark + "c.eyJ0b29sX2NhbGxzIjpbXX0",
      // A repeated member: {"type":"reasoning","type":"x"}
      mark + "r.eyJ0eXBlIjoicmVhc29uaW5nIiwidHlwZSI6IngifQ",
  };
  for (const auto& each : forged) {
    CAPTURE(each);
    for (const Wire to : {Wire::responses, Wire::chat}) {
      const auto written = write_request(to, read_body(Wire::messages, body(each)), {.model = "m"});
      REQUIRE(written.has_value());
      CHECK(written->body.find("thought") == std::string::npos);
      CHECK(written->body.find("item_reference") == std::string::npos);
      CHECK(written->dropped == std::vector<std::string>{"messages[].content[].type:thinking"});
    }
  }
}

TEST_CASE("clients of Messages that did not ask for thinking get none") {
  const auto quiet = read_body(Wire::messages,
                               R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"}]})");
  const auto asking = read_body(
      Wire::messages,
      R"({"model":"m","max_tokens":9,"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"Hi"}]})");
  for (const Wire origin : kAllWires) {
    const auto events = read_stream(origin, thinking_case().stream(origin));
    const std::string used = " stop done used 8/4/0/0 5/2 end";
    CHECK(told(read_stream(Wire::messages, write_stream(Wire::messages, events, &quiet))) ==
          "[text: Hello]" + used);
    CHECK(told(read_whole(Wire::messages, *write_answer(Wire::messages, events, writing(&quiet)))) ==
          "[text: Hello]" + used);
    CHECK(told(read_stream(Wire::messages, write_stream(Wire::messages, events, &asking))) ==
          "[thinking: Let me]+[text: Hello]" + used);
  }
}

}  // namespace
}  // namespace sallyport::llm::test
