/// What clients of each wire are told, frame by frame.

#include "client_requests.hpp"
#include "provider_streams.hpp"

namespace sallyport::llm::test {
namespace {

using Kind = Event::Kind;

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

const char* const kPatchCall = R"({"input":"*** Begin Patch\n\"x\"\n"})";

// A function stood for the custom tool `patch`; the call comes in pieces.
std::vector<Event> patch_events() {
  return {{.kind = Kind::started},
          {.kind = Kind::tool_begin, .id = "c1", .name = "patch"},
          {.kind = Kind::tool_arguments, .text = R"({"input":"*** Be)"},
          {.kind = Kind::tool_arguments, .text = R"(gin Patch\n\"x\"\n"})"},
          {.kind = Kind::tool_end},
          {.kind = Kind::stop, .reason = StopReason::tools},
          {.kind = Kind::done}};
}

TEST_CASE("a client that defined a custom tool gets its calls as such") {
  const auto responses =
      read_body(Wire::responses, R"({"model":"m","input":"Hi","tools":[{"type":"custom","name":"patch"}]})");
  const auto chat = read_body(
      Wire::chat,
      R"({"model":"m","messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"custom","custom":{"name":"patch"}}]})");
  const std::string expected = "[custom patch c1: *** Begin Patch\n\"x\"\n]. stop tools";
  CHECK(told(read_stream(Wire::responses, write_stream(Wire::responses, patch_events(), &responses)))
            .starts_with(expected));
  CHECK(told(read_whole(Wire::responses, *write_answer(Wire::responses, patch_events(), writing(&responses))))
            .starts_with(expected));
  CHECK(told(read_stream(Wire::chat, write_stream(Wire::chat, patch_events(), &chat))).starts_with(expected));
  CHECK(told(read_whole(Wire::chat, *write_answer(Wire::chat, patch_events(), writing(&chat))))
            .starts_with(expected));
  // Cursor: the request was of the Responses wire, the answer is of chat.
  CHECK(told(read_stream(Wire::chat, write_stream(Wire::chat, patch_events(), &responses)))
            .starts_with(expected));
}

TEST_CASE("a client that defined a function of the same name gets a function call") {
  const auto request = read_body(
      Wire::responses, R"({"model":"m","input":"Hi","tools":[{"type":"function","name":"patch"}]})");
  CHECK(told(read_stream(Wire::responses, write_stream(Wire::responses, patch_events(), &request)))
            .starts_with(std::string("[call patch c1: ") + kPatchCall + "]."));
}

TEST_CASE("arguments that are no wrapped input stay what they are") {
  const auto request =
      read_body(Wire::responses, R"({"model":"m","input":"Hi","tools":[{"type":"custom","name":"patch"}]})");
  auto events = patch_events();
  events[2].text = "*** raw";
  events[3].text = " text";
  CHECK(told(read_stream(Wire::responses, write_stream(Wire::responses, events, &request)))
            .starts_with("[custom patch c1: *** raw text]."));
}

TEST_CASE("free text reaches a client of Messages as the input of a function") {
  std::vector<Event> events = patch_events();
  events[1].custom = true;
  events[2].text = "*** \"x\"";
  events[3].text = "\n";
  const std::string expected = R"([call patch c1: {"input":"*** \"x\"\n"}]. stop tools)";
  CHECK(told(read_stream(Wire::messages, write_stream(Wire::messages, events))).starts_with(expected));
  CHECK(told(read_whole(Wire::messages, *write_answer(Wire::messages, events, writing())))
            .starts_with(expected));
}

TEST_CASE("a call in a namespace gets its two names back") {
  const auto request = read_body(
      Wire::responses,
      R"({"model":"m","input":"Hi","tools":[{"type":"namespace","name":"ns","description":"d","tools":[{"type":"function","name":"f","parameters":{}}]}]})");
  const std::vector<Event> events = {{.kind = Kind::tool_begin, .id = "c", .name = "ns__f"},
                                     {.kind = Kind::tool_arguments, .text = "{}"},
                                     {.kind = Kind::tool_end},
                                     {.kind = Kind::done}};
  const auto stream = write_stream(Wire::responses, events, &request);
  CHECK(holds(stream, R"("namespace":"ns","name":"f","arguments":"{}")"));
  CHECK(holds(*write_answer(Wire::responses, events, writing(&request)),
              R"("namespace":"ns","name":"f","arguments":"{}")"));
}

TEST_CASE("calls in a row reach a client of Messages while they come") {
  // The first call is whole when the second begins, although a chat stream never says so.
  const auto frames = frames_of(chat_stream(
      {R"({"tool_calls":[{"index":0,"id":"x","function":{"name":"f","arguments":"{\"a\":\"}\\\"{\"}"}}]})",
       R"({"tool_calls":[{"index":1,"id":"y","function":{"name":"g","arguments":"{\"b\""}}]})",
       R"({"tool_calls":[{"index":1,"function":{"arguments":":1}"}}]})"}));
  EventReader reader(Wire::chat);
  EventWriter writer(Wire::messages, writing());
  std::vector<std::string> heard;
  for (const auto& frame : frames) {
    std::vector<Event> events;
    REQUIRE(reader.read(frame.type, frame.data, events));
    std::string out;
    for (const auto& event : events) writer.write(event, out);
    heard.push_back(out);
  }
  CHECK(holds(heard[0], R"("id":"x")"));
  CHECK(holds(heard[1], R"({"type":"content_block_stop","index":0})"));
  CHECK(holds(heard[1], R"("id":"y")"));
  CHECK(holds(heard[1], R"("partial_json":"{\"b\"")"));
  CHECK(holds(heard[2], R"("partial_json":":1}")"));
}

TEST_CASE("blocks of a message open and close one after the other, whatever interleaves") {
  // Three calls whose pieces alternate, and text in between.
  std::vector<Event> events = {{.kind = Kind::started}, {.kind = Kind::text, .block = 0, .text = "a"}};
  for (std::uint32_t b = 1; b <= 3; ++b)
    events.push_back({.kind = Kind::tool_begin, .block = b, .id = fmt::format("c{}", b), .name = "f"});
  for (int round = 0; round < 3; ++round) {
    for (std::uint32_t b = 3; b >= 1; --b)
      events.push_back({.kind = Kind::tool_arguments,
                        .block = b,
                        .text = round == 0   ? "["
                                : round == 1 ? "1"
                                             : "]"});
    events.push_back({.kind = Kind::text, .block = 4, .text = "b"});
  }
  for (const std::uint32_t b : {3U, 1U}) events.push_back({.kind = Kind::tool_end, .block = b});
  events.push_back({.kind = Kind::tool_arguments, .block = 2, .text = " "});
  events.push_back({.kind = Kind::tool_end, .block = 2});
  events.push_back({.kind = Kind::text, .block = 4, .text = "!"});
  events.push_back({.kind = Kind::done});
  const auto stream = write_stream(Wire::messages, events);
  std::int64_t open = -1, next = 0;
  for (const auto& frame : frames_of(stream)) {
    const auto document = parsed(frame.data);
    const auto index = document.root().find("index");
    if (frame.type == "content_block_start") {
      CHECK(open == -1);
      CHECK(index->integer() == next);
      open = next++;
    } else if (frame.type == "content_block_delta") {
      CHECK(index->integer() == open);
    } else if (frame.type == "content_block_stop") {
      CHECK(index->integer() == open);
      open = -1;
    }
  }
  CHECK(open == -1);
  CHECK(
      told(read_stream(Wire::messages, stream)) ==
      "[text: a][call f c1: [1]].[call f c2: [1] ].[call f c3: [1]].[text: bbb!] stop done used 0/0/0/0 0/0 "
      "end");
}

TEST_CASE("a chat client gets usage when it asked, and only then") {
  const std::vector<Event> events = {
      {.kind = Kind::text, .text = "a"},
      {.kind = Kind::stop},
      {.kind = Kind::usage, .usage = {.input = 2, .cache_read = 3, .output = 4, .known = true}},
      {.kind = Kind::done}};
  auto without = writing();
  without.wants_usage = false;
  EventWriter writer(Wire::chat, without);
  std::string quiet;
  for (const auto& event : events) writer.write(event, quiet);
  CHECK_FALSE(holds(quiet, "usage"));
  CHECK(quiet.ends_with("data: [DONE]\n\n"));
  CHECK(writer.ended());
  const auto loud = write_stream(Wire::chat, events);
  CHECK(holds(loud, R"("choices":[],"usage":{"prompt_tokens":5,"completion_tokens":4,"total_tokens":9)"));
  CHECK(holds(loud, R"("usage":null)"));
}

TEST_CASE("a message starts with the usage that is known by then") {
  const auto stream = write_stream(
      Wire::messages,
      {{.kind = Kind::started},
       {.kind = Kind::usage, .usage = {.input = 2, .cache_read = 3, .cache_write_1h = 1, .known = true}},
       {.kind = Kind::text, .text = "a"},
       {.kind = Kind::done}});
  const auto start = frames_of(stream)[0];
  CHECK(start.type == "message_start");
  CHECK(holds(start.data, R"("input_tokens":2,"cache_creation_input_tokens":1,"cache_read_input_tokens":3)"));
}

TEST_CASE("a stream that fails says so in its own form and says no more") {
  const WireError error{.status = 529, .type = "overloaded_error", .message = "busy\nvery"};
  const std::pair<Wire, std::string> rows[] = {
      {Wire::chat,
       R"(data: {"error":{"message":"busy\nvery","type":"server_error","param":null,"code":null}})"},
      {Wire::responses,
       R"("status":"failed","completed_at":null,"error":{"code":"server_error","message":"busy\nvery"})"},
      {Wire::messages,
       "event: error\ndata: "
       "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\\nvery\"}"},
  };
  for (const auto& [wire, expected] : rows) {
    CAPTURE(llm::name_of(wire));
    EventWriter writer(wire, writing());
    std::string out;
    writer.write({.kind = Kind::text, .text = "Hel"}, out);
    writer.fail(error, out);
    CHECK(holds(out, expected));
    CHECK(writer.ended());
    const auto length = out.size();
    writer.write({.kind = Kind::text, .text = "lo"}, out);
    writer.write({.kind = Kind::done}, out);
    writer.fail(error, out);
    CHECK(out.size() == length);
    const auto again = read_stream(wire, out);
    CHECK(again.back().kind == Kind::failed);
    CHECK(again.back().error.message == "busy\nvery");
  }
}

TEST_CASE("Codex gets its id and totals even where the provider said nothing of usage") {
  const auto stream =
      write_stream(Wire::responses, {{.kind = Kind::text, .text = "a"}, {.kind = Kind::done}});
  const auto last = frames_of(stream).back();
  CHECK(last.type == "response.completed");
  CHECK(holds(last.data, R"("id":"resp_1")"));
  CHECK(holds(last.data, R"("total_tokens":0)"));
}

TEST_CASE("line ends between the tokens of others' JSON do not end our data lines") {
  const std::string raw = "{\r\n\"type\": \"char_location\",\n\"cited_text\": \"c\"\n}";
  const std::vector<Event> events = {{.kind = Kind::text, .origin = Wire::messages, .text = "a"},
                                     {.kind = Kind::citation, .origin = Wire::messages, .text = raw},
                                     {.kind = Kind::opaque,
                                      .origin = Wire::messages,
                                      .block = 1,
                                      .text = "{\n\"type\":\"server_tool_use\"}"},
                                     {.kind = Kind::done}};
  CHECK(told(read_stream(Wire::messages, write_stream(Wire::messages, events)))
            .starts_with("[text: a]*[opaque: ]"));
}

TEST_CASE("citations change their form between OpenAI's wires and are left out where there is none") {
  const std::string own =
      R"({"type":"url_citation","start_index":0,"end_index":1,"url":"https://x","title":"t"})";
  const std::string nested =
      R"({"type":"url_citation","url_citation":{"start_index":0,"end_index":1,"url":"https://x","title":"t"}})";
  const auto events = [](Wire origin, const std::string& raw) {
    return std::vector<Event>{{.kind = Kind::text, .origin = origin, .text = "a"},
                              {.kind = Kind::citation, .origin = origin, .text = raw},
                              {.kind = Kind::done}};
  };
  CHECK(holds(write_stream(Wire::chat, events(Wire::responses, own)), R"("annotations":[)" + nested + "]"));
  CHECK(holds(write_stream(Wire::responses, events(Wire::chat, nested)), R"("annotation":)" + own));
  CHECK(holds(*write_answer(Wire::chat, events(Wire::responses, own), writing()),
              R"("annotations":[)" + nested + "]"));
  CHECK(holds(*write_answer(Wire::responses, events(Wire::chat, nested), writing()),
              R"("annotations":[)" + own + "]"));
  CHECK_FALSE(holds(write_stream(Wire::messages, events(Wire::chat, nested)), "citation\":{"));
}

TEST_CASE("a whole message cannot hold a call whose arguments are no object") {
  std::vector<Event> events = {{.kind = Kind::tool_begin, .id = "c", .name = "f"},
                               {.kind = Kind::tool_arguments, .text = "{\"a\":"},
                               {.kind = Kind::tool_end},
                               {.kind = Kind::stop, .reason = StopReason::tools},
                               {.kind = Kind::done}};
  const auto broken = write_answer(Wire::messages, events, writing());
  REQUIRE_FALSE(broken);
  CHECK(broken.error().code == Code::upstream_broken);
  CHECK(write_answer(Wire::chat, events, writing()).has_value());
  CHECK(write_answer(Wire::responses, events, writing()).has_value());
  // Where the limit cut it the stop reason says that it is not whole.
  events[3].reason = StopReason::limit;
  const auto cut = write_answer(Wire::messages, events, writing());
  REQUIRE(cut.has_value());
  CHECK(told(read_whole(Wire::messages, *cut)) == " stop limit used 0/0/0/0 0/0 end");
}

TEST_CASE("a response repeats what the request said") {
  const auto request = read_body(
      Wire::responses,
      R"({"model":"m","input":"Hi","instructions":"Be brief.","temperature":0.2,"metadata":{"k":"v"},"tool_choice":"required","tools":[{"type":"function","name":"f"}]})");
  const auto stream = write_stream(Wire::responses, {{.kind = Kind::done}}, &request);
  for (const auto* part :
       {R"("instructions":"Be brief.")", R"("temperature":0.2)", R"("metadata":{"k":"v"})",
        R"("tool_choice":"required")",
        R"("tools":[{"type":"function","name":"f","strict":false,"parameters":null}])", R"("top_p":null)"})
    CHECK(holds(stream, part));
}

TEST_CASE("a silent stream is kept open in the wire's own way") {
  for (const Wire wire : kAllWires) {
    EventReader reader(wire);
    std::vector<Event> events;
    for (const auto& frame : frames_of(keep_alive(wire)))
      REQUIRE(reader.read(frame.type, frame.data, events));
    CHECK(events.empty());
    CHECK(keep_alive(wire).ends_with("\n\n"));
  }
  CHECK(holds(keep_alive(Wire::messages), "event: ping"));
}

}  // namespace
}  // namespace sallyport::llm::test
