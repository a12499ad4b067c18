/// Any wire's request to any wire's provider.

#include "client_requests.hpp"

namespace sallyport::llm::test {
namespace {

// Empty arguments mean none.
std::string filled(std::string text) {
  const std::string_view empty = "call weather c1 ,";
  if (const auto at = text.find(empty); at != std::string::npos)
    text.replace(at, empty.size(), "call weather c1 {},");
  return text;
}

TEST_CASE("a request of any wire says the same") {
  for (const auto& each : request_cases()) {
    for (const Wire from : kAllWires) {
      if (each.body(from).empty()) continue;
      CAPTURE(each.name);
      CAPTURE(llm::name_of(from));
      const auto request = read_body(from, each.body(from));
      CHECK(filled(told(request)) == each.told);
      CHECK(request.fields.empty());
    }
  }
}

TEST_CASE(
    "a request of any wire reaches providers of any wire, and nothing is dropped where nothing is lost") {
  for (const auto& each : request_cases()) {
    for (const Wire from : kAllWires) {
      if (each.body(from).empty()) continue;
      const auto request = read_body(from, each.body(from));
      for (const Wire to : kAllWires) {
        CAPTURE(each.name);
        CAPTURE(llm::name_of(from));
        CAPTURE(llm::name_of(to));
        const auto written = write_request(to, request, {.model = "there"});
        if (each.over(to) == "unsupported") {
          REQUIRE_FALSE(written);
          CHECK(written.error().hint.starts_with("unsupported_by_target: stop"));
          continue;
        }
        REQUIRE_MESSAGE(written.has_value(), (written ? std::string{} : written.error().hint));
        CAPTURE(written->body);
        const auto again = read_body(to, written->body);
        CHECK(again.model == "there");
        CHECK(filled(told(again)) == each.over(to));
        CHECK(written->dropped.empty());
      }
    }
  }
}

struct Lossy {
  std::string why;
  Wire from, to;
  std::string body;
  std::string dropped;    ///< joined by spaces
  std::string refused{};  ///< what the hint names
  Target target{.model = "m"};
};

std::string with(const std::string& more) {
  return R"({"model":"m","max_tokens":2000,"messages":[{"role":"user","content":"Hi"}],)" + more + "}";
}
std::string input_with(const std::string& more) { return R"({"model":"m","input":"Hi",)" + more + "}"; }

TEST_CASE("what a target has no place for is dropped aloud or refused") {
  const Wire chat = Wire::chat, responses = Wire::responses, messages = Wire::messages;
  const std::string grammar =
      R"("tools":[{"type":"custom","name":"p","format":{"type":"grammar","syntax":"lark","definition":"start: x"}}])";
  const Lossy rows[] = {
      {"sampling without a counterpart", chat, messages,
       with(R"("seed":7,"presence_penalty":1,"frequency_penalty":1,"logit_bias":{"1":2},"verbosity":"low")"),
       "seed presence_penalty frequency_penalty logit_bias verbosity"},
      {"several answers", chat, messages, with(R"("n":2)"), "", "n"},
      {"several answers, also to OpenAI's other wire", chat, responses, with(R"("n":2)"), "", "n"},
      {"one answer", chat, messages, with(R"("n":1)"), ""},
      {"log probabilities", chat, messages, with(R"("logprobs":true,"top_logprobs":3)"), "",
       "logprobs, top_logprobs"},
      {"spoken output", chat, messages,
       with(R"("modalities":["text","audio"],"audio":{"voice":"x","format":"mp3"})"), "",
       "modalities, audio"},
      {"old functions", chat, responses, with(R"("functions":[{"name":"f"}])"), "", "functions"},
      {"a temperature beyond the scale", chat, messages, with(R"("temperature":1.5)"), "temperature"},
      {"a temperature beside thinking", chat, messages,
       with(R"("temperature":0.2,"top_p":0.9,"reasoning_effort":"low")"), "temperature top_p"},
      {"a temperature and top_p, of which models of Anthropic take one", chat, messages,
       with(R"("temperature":0.2,"top_p":0.9)"), "top_p"},
      {"top_p beside a temperature that is beyond the scale", chat, messages,
       with(R"("temperature":1.5,"top_p":0.9)"), "temperature"},
      {"sampling that the version refuses",
       chat,
       messages,
       with(R"("temperature":0.2)"),
       "temperature",
       "",
       {.model = "m", .sampling = false}},
      {"sampling that a model of OpenAI's refuses",
       messages,
       chat,
       with(R"("temperature":0.2,"top_p":0.9)"),
       "temperature top_p",
       "",
       {.model = "m", .sampling = false}},
      {"the same on its other wire",
       messages,
       responses,
       with(R"("temperature":0.2,"top_p":0.9)"),
       "temperature top_p",
       "",
       {.model = "m", .sampling = false}},
      {"thinking beside a forced tool", chat, messages,
       with(
           R"("reasoning_effort":"low","tool_choice":"required","tools":[{"type":"function","function":{"name":"f"}}])"),
       "reasoning_effort"},
      {"thinking without a model for it",
       messages,
       chat,
       with(R"("thinking":{"type":"adaptive"},"output_config":{"effort":"low"})"),
       "thinking",
       "",
       {.model = "m", .reasons = false}},
      {"no thinking, said so", messages, chat, with(R"("thinking":{"type":"disabled"})"), "thinking"},
      {"any JSON", chat, messages, with(R"("response_format":{"type":"json_object"})"), "",
       "response_format"},
      {"metadata", chat, messages,
       with(R"("metadata":{"a":"b"},"service_tier":"flex","prompt_cache_key":"k")"),
       "metadata service_tier prompt_cache_key"},
      {"stored answers", responses, messages, input_with(R"("store":true)"), "store"},
      {"answers that are not stored", responses, messages, input_with(R"("store":false)"), ""},
      {"earlier answers of the provider", responses, chat, input_with(R"("previous_response_id":"r")"), "",
       "previous_response_id"},
      {"a conversation of the provider", responses, messages,
       input_with(R"("conversation":"c","background":true)"), "", "conversation, background"},
      {"a hosted tool", responses, messages, input_with(R"("tools":[{"type":"web_search"}])"), "",
       "tools[].type:web_search"},
      {"a hosted tool that may go",
       responses,
       messages,
       input_with(R"("tools":[{"type":"web_search"}])"),
       "tools[].type:web_search",
       "",
       {.model = "m", .lenient = true}},
      {"Anthropic's own tools", messages, chat, with(R"("tools":[{"type":"bash_20250124","name":"bash"}])"),
       "", "tools[].type:bash_20250124"},
      {"a grammar to Messages", responses, messages, input_with(grammar), "", "tools[].format"},
      {"a grammar to chat", responses, chat, input_with(grammar), "", "tools[].format"},
      {"a grammar to OpenAI's chat",
       responses,
       chat,
       input_with(grammar),
       "",
       "",
       {.model = "m", .custom_tools = true}},
      {"a grammar that may go",
       responses,
       messages,
       input_with(grammar),
       "tools[].format",
       "",
       {.model = "m", .lenient = true}},
      {"what a hosted tool did", responses, chat,
       R"({"model":"m","input":[{"type":"web_search_call","id":"w"}]})", "", "input[].type:web_search_call"},
      {"a reference to what the provider stores", responses, chat,
       R"({"model":"m","input":[{"type":"item_reference","id":"w"}]})", "", "input[].type:item_reference"},
      {"includes", responses, chat,
       input_with(
           R"("include":["reasoning.encrypted_content","file_search_call.results"],"truncation":"auto")"),
       "truncation include:file_search_call.results"},
      {"cache marks", messages, chat,
       R"({"model":"m","max_tokens":9,"system":[{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}],"messages":[{"role":"user","content":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}]})",
       "system[].cache_control messages[].content[].cache_control"},
      {"a failed result to chat", messages, chat,
       R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","is_error":true,"content":"no"}]}]})",
       "messages[].content[].is_error"},
      {"an image in a result to chat", messages, chat,
       R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]}]})",
       "messages[].content[].content[].type:image"},
      {"an image in a result to responses", messages, responses,
       R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}]}]})",
       ""},
      {"top_k", messages, responses, with(R"("top_k":5)"), "top_k"},
      {"stop sequences to responses", messages, responses, with(R"("stop_sequences":["x"])"), "",
       "stop_sequences"},
      {"too small a limit", messages, responses,
       R"({"model":"m","max_tokens":1,"messages":[{"role":"user","content":"Hi"}]})", "max_tokens"},
      {"betas of Anthropic", messages, chat,
       with(R"("context_management":{"edits":[]},"mcp_servers":[{"name":"x"}])"), "", "mcp_servers"},
      {"a file at the provider", messages, chat,
       R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"file","file_id":"f"}}]}]})",
       "", "messages[].content[].type:document"},
      {"a document by address to chat", messages, chat,
       R"({"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"document","source":{"type":"url","url":"https://x"}}]}]})",
       "", "messages[].content[].type:document"},
      {"sound", chat, messages,
       R"({"model":"m","messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AA","format":"wav"}}]}]})",
       "", "messages[].content[].type:input_audio"},
      {"names of speakers", chat, responses,
       R"({"model":"m","messages":[{"role":"user","name":"bob","content":"Hi"}]})", "messages[].name"},
      {"fields that are yet to be invented", chat, responses,
       R"({"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x","glow":1}]}],"warp\r\nX: 1":9,"":8,"tools":[{"type":"function","function":{"name":"f","shine":2}}]})",
       "messages[].content[].glow tools[].function.shine warp??X:?1 ?"},
      {"a late system message to Messages", chat, messages,
       R"({"model":"m","messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Now"}]})",
       "messages[].role:system"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto written = write_request(row.to, read_body(row.from, row.body), row.target);
    if (!row.refused.empty()) {
      REQUIRE_FALSE(written);
      CHECK(written.error().code == Code::bad_request);
      CHECK(written.error().hint.starts_with("unsupported_by_target: " + row.refused + ": "));
      continue;
    }
    REQUIRE_MESSAGE(written.has_value(), (written ? std::string{} : written.error().hint));
    std::string dropped;
    for (const auto& name : written->dropped) dropped += (dropped.empty() ? "" : " ") + name;
    CHECK(dropped == row.dropped);
    parsed(written->body);
  }
}

TEST_CASE("a request that is none is refused where it is wrong") {
  struct Row {
    Wire wire;
    std::string body;
    std::string hint;
  };
  const Row rows[] = {
      {Wire::chat, "[]", "body: must be an object"},
      {Wire::chat, R"({"messages":[]})", "model: is missing"},
      {Wire::chat, R"({"model":"m"})", "messages: is missing"},
      {Wire::chat, R"({"model":"m","messages":{}})", "messages: must be an array"},
      {Wire::chat, R"({"model":"m","messages":[1]})", "messages[0]: must be an object"},
      {Wire::chat, R"({"model":"m","messages":[{"role":"user","content":[{"type":"text"}]}]})",
       "messages[0].content[0].text: is missing"},
      {Wire::chat, R"({"model":"m","messages":[{"role":"wizard"}]})",
       "messages[0].role: must be system, developer, user, assistant or tool"},
      {Wire::chat, R"({"model":"m","messages":[],"stream":"yes"})", "stream: must be true or false"},
      {Wire::chat, R"({"model":"m","messages":[],"max_tokens":1.5})", "max_tokens: must be an integer"},
      {Wire::chat, R"({"model":"m","messages":[],"tools":[{"type":"function"}]})",
       "tools[0].function: is missing"},
      {Wire::chat, R"({"model":"m","messages":[],"stop":[1]})",
       "stop: must be a string or an array of strings"},
      {Wire::responses, R"({"model":"m"})", "input: is missing"},
      {Wire::responses, R"({"model":"m","input":[{"content":"x"}]})", "input[0].type: is missing"},
      {Wire::responses, R"({"model":"m","input":[{"type":"function_call"}]})",
       "input[0].call_id: is missing"},
      {Wire::messages, R"({"model":"m","messages":[{"role":"user"}]})", "messages[0].content: is missing"},
      {Wire::messages, R"({"model":"m","messages":[{"role":"user","content":[{"type":"image"}]}]})",
       "messages[0].content[0].source: is missing"},
      {Wire::messages,
       R"({"model":"m","messages":[{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"f","input":"{}"}]}]})",
       "messages[0].content[0].input: must be an object"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.body);
    const auto document = parsed(row.body);
    const auto request = read_request(row.wire, document.root());
    REQUIRE_FALSE(request);
    CHECK(request.error().code == Code::bad_request);
    CHECK(request.error().hint == row.hint);
  }
}

std::string body_of(Wire from, Wire to, const std::string& body, const Target& target = {.model = "m"}) {
  const auto written = write_request(to, read_body(from, body), target);
  REQUIRE_MESSAGE(written.has_value(), (written ? std::string{} : written.error().hint));
  return written->body;
}

bool holds(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST_CASE("arguments that are no JSON object are refused for Messages and travel untouched elsewhere") {
  const auto body = [](const std::string& arguments) {
    return R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":)" +
           json::quote(arguments) + "}}]}]}";
  };
  for (const std::string arguments : {"{\"a\":", "[1]", "nonsense", "{} {}"}) {
    CAPTURE(arguments);
    const auto written =
        write_request(Wire::messages, read_body(Wire::chat, body(arguments)), {.model = "m"});
    REQUIRE_FALSE(written);
    CHECK(written.error().hint.starts_with("messages[0].tool_calls[0]: the arguments of the call \"f\""));
    CHECK(holds(body_of(Wire::chat, Wire::responses, body(arguments)), json::quote(arguments)));
  }
  CHECK(holds(body_of(Wire::chat, Wire::messages, body("")), R"("input":{})"));
  CHECK(holds(body_of(Wire::chat, Wire::messages, body(" {\"n\": 1.10, \"s\":\"\\u00e9\"}\n")),
              R"("input":{"n": 1.10, "s":"\u00e9"})"));
}

TEST_CASE("ids that Anthropic refuses are changed the same way in call and result") {
  const auto body = body_of(
      Wire::chat, Wire::messages,
      R"({"model":"m","messages":[{"role":"assistant","tool_calls":[{"id":"functions.f:0","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"functions.f:0","content":"ok"}]})");
  const auto request = read_body(Wire::messages, body);
  const auto& id = request.items[0].parts[0].id;
  CHECK(id.starts_with("call_"));
  CHECK(id.find_first_of(".:") == std::string::npos);
  CHECK(request.items[1].call_id == id);
}

TEST_CASE("turns of one side become one turn for Messages, results first") {
  const auto body = body_of(
      Wire::chat, Wire::messages,
      R"({"model":"m","messages":[{"role":"user","content":"a"},{"role":"user","content":" "},{"role":"user","content":"b"},{"role":"assistant","content":"c"},{"role":"assistant","content":"","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"y","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"x","content":"1"},{"role":"user","content":"d"},{"role":"tool","tool_call_id":"y","content":"2"}]})");
  CHECK(told(read_body(Wire::messages, body)) ==
        "user('a', 'b') assistant('c', call f x {}, call f y {}) result x('1') result y('2') user('d') at "
        "most 4096 ");
}

TEST_CASE("what stands together for chat becomes one message") {
  const auto body = body_of(
      Wire::responses, Wire::chat,
      R"({"model":"m","instructions":"a","input":[{"role":"developer","content":"b"},{"type":"function_call","call_id":"x","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"x","output":[{"type":"input_image","image_url":"https://x"}]},{"role":"user","content":"c"},{"role":"system","content":"d"}]})");
  CHECK(
      told(read_body(Wire::chat, body)) ==
      "system('a\n\nb') assistant(call f x {}) result x('(see the next message)') user(image https://x, 'c') "
      "system('d') ");
}

TEST_CASE("limits are those of the model") {
  const std::string plain = R"({"model":"m","messages":[{"role":"user","content":"Hi"}]})";
  CHECK(holds(body_of(Wire::chat, Wire::messages, plain), R"("max_tokens":4096)"));
  CHECK(holds(body_of(Wire::chat, Wire::messages, plain, {.model = "m", .max_output = 64000}),
              R"("max_tokens":64000)"));
  const auto large = with(R"("stream":false)");
  CHECK(holds(body_of(Wire::messages, Wire::chat, large, {.model = "m", .max_output = 100}),
              R"("max_completion_tokens":100)"));
  CHECK(holds(body_of(Wire::messages, Wire::chat, large, {.model = "m", .old_limit = true}),
              R"("max_tokens":2000)"));
  CHECK_FALSE(holds(body_of(Wire::chat, Wire::responses, plain), "max_output_tokens"));
}

TEST_CASE("chat streams ask for usage where the provider knows that, and Responses stores nothing of us") {
  CHECK(holds(body_of(Wire::messages, Wire::chat, with(R"("stream":true)")),
              R"("stream_options":{"include_usage":true})"));
  CHECK_FALSE(holds(
      body_of(Wire::messages, Wire::chat, with(R"("stream":true)"), {.model = "m", .asks_usage = false}),
      "stream_options"));
  CHECK(holds(body_of(Wire::messages, Wire::responses, with(R"("stream":true)")), R"("store":false)"));
  CHECK(holds(body_of(Wire::chat, Wire::responses, with(R"("store":true)")), R"("store":true)"));
}

TEST_CASE("thinking with a budget where the model knows no other") {
  const Target budget{.model = "m", .adaptive_thinking = false};
  CHECK(holds(body_of(Wire::chat, Wire::messages, with(R"("reasoning_effort":"high")"), budget),
              R"("thinking":{"type":"enabled","budget_tokens":1999})"));
  CHECK(holds(body_of(Wire::chat, Wire::messages, with(R"("reasoning_effort":"high")")),
              R"("thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"})"));
  CHECK(holds(
      body_of(Wire::messages, Wire::chat, with(R"("thinking":{"type":"enabled","budget_tokens":1500})")),
      R"("reasoning_effort":"low")"));
  // The thought before the call is another vendor's: such a model would refuse to go on.
  const std::string lost =
      R"({"model":"m","max_completion_tokens":9000,"reasoning_effort":"high","messages":[{"role":"assistant","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"x","content":"1"}]})";
  CHECK_FALSE(holds(body_of(Wire::chat, Wire::messages, lost, budget), "budget_tokens"));
  CHECK(holds(body_of(Wire::chat, Wire::messages, lost), R"("thinking":{"type":"adaptive")"));
}

TEST_CASE("a user's name that OpenAI would refuse for its length is shortened the same way each time") {
  const auto body = with(R"("metadata":{"user_id":")" + std::string(150, 'u') + R"("})");
  const auto once = body_of(Wire::messages, Wire::responses, body);
  CHECK(once == body_of(Wire::messages, Wire::responses, body));
  CHECK(read_body(Wire::responses, once).user.size() == 64);
}

TEST_CASE("tools of a namespace travel under one name, and only allowed tools are shown to Messages") {
  const std::string body =
      R"({"model":"m","input":"Hi","tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"a"}]},"tools":[{"type":"namespace","name":"ns","description":"d","tools":[{"type":"function","name":"a","parameters":{"type":"object"}}]},{"type":"function","name":"b","parameters":{"type":"object"},"strict":true}]})";
  const auto messages = body_of(Wire::responses, Wire::messages, body);
  CHECK(holds(messages,
              R"("tools":[{"name":"ns__a","input_schema":{"type":"object"}}],"tool_choice":{"type":"any"})"));
  const auto chat = body_of(Wire::responses, Wire::chat, body);
  CHECK(holds(chat, R"("name":"ns__a")"));
  CHECK(holds(chat, R"("strict":true)"));
}

TEST_CASE("a tool's schema without a type is one of an object for Messages, the rest byte for byte") {
  const std::pair<std::string, std::string> rows[] = {
      {"{}", R"({"type":"object"})"},
      {R"({"properties":{"type":{"type": "string"}}})",
       R"({"type":"object","properties":{"type":{"type": "string"}}})"},
      {R"({ "required": ["\u00e9"] })", R"({"type":"object", "required": ["\u00e9"] })"},
      {R"({"properties":{}, "type":"object"})", R"({"properties":{}, "type":"object"})"},
      {R"({"type":["object","null"]})", R"({"type":["object","null"]})"},
  };
  for (const auto& [given, goes] : rows) {
    CAPTURE(given);
    const auto body =
        body_of(Wire::chat, Wire::messages,
                with(R"("tools":[{"type":"function","function":{"name":"f","parameters":)" + given + "}}]"));
    CHECK(holds(body, R"("input_schema":)" + goes + "}]"));
  }
}

TEST_CASE("OpenAI's strictness is never switched on by silence") {
  const auto body = body_of(Wire::messages, Wire::responses,
                            with(R"("tools":[{"name":"f","input_schema":{"type":"object"}}])"));
  CHECK(holds(body, R"("strict":false)"));
}

TEST_CASE("hostile bodies are refused or read, never more") {
  std::string tools;
  for (int i = 0; i < 5000; ++i)
    tools += (i > 0 ? "," : "") + fmt::format(R"({{"type":"function","name":"f{}"}})", i);
  const auto many = parsed(R"({"model":"m","input":"","tools":[)" + tools + "]}");
  const auto refused = read_request(Wire::responses, many.root());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().hint == "tools: has more tools than a request may");
  const auto nested =
      parsed(R"({"model":"m","input":"","tools":[{"type":"namespace","name":"n","tools":[)" + tools + "]}]}");
  CHECK_FALSE(read_request(Wire::responses, nested.root()));

  std::string fields = R"({"model":"m","messages":[])";
  for (int i = 0; i < 5000; ++i) fields += fmt::format(R"(,"x{}":1)", i);
  const auto written = write_request(Wire::messages, read_body(Wire::chat, fields + "}"), {.model = "m"});
  REQUIRE(written.has_value());
  CHECK(written->dropped.size() == 100);
  const auto long_name = write_request(
      Wire::messages,
      read_body(Wire::chat, R"({"model":"m","messages":[],")" + std::string(9000, 'y') + R"(":1})"),
      {.model = "m"});
  REQUIRE(long_name.has_value());
  CHECK(long_name->dropped.at(0).size() == 128);
}

}  // namespace
}  // namespace sallyport::llm::test
