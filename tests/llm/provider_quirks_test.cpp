/// What providers do beside the documentation, and what a hostile one may do.

#include "provider_streams.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::llm::test {
namespace {

struct Row {
  std::string why;
  std::string stream;
  std::string told;
};

std::string call(const std::string& raw) { return R"({"tool_calls":[)" + raw + "]}"; }

TEST_CASE("chat streams of other providers are understood") {
  const Row rows[] = {
      {"usage on the chunk that finishes",
       chat_stream(
           {R"({"content":"a"})",
            R"(!{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}})"}),
       "[text: a] stop done used 3/0/0/0 1/0 end"},
      {"usage on every chunk counts once",
       chat_stream(
           {R"(!{"id":"c","choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}})",
            R"(!{"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2}})"}),
       "[text: a] stop done used 3/0/0/0 2/0 end"},
      {"usage under another name",
       chat_stream(
           {R"({"content":"a"})", "=stop",
            R"(!{"id":"c","choices":[],"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":1}}})"}),
       "[text: a] stop done used 3/0/0/0 1/0 end"},
      {"reasoning counted beside the completion",
       chat_stream(
           {R"({"content":"a"})", "=stop"},
           R"({"prompt_tokens":3,"completion_tokens":1,"total_tokens":9,"completion_tokens_details":{"reasoning_tokens":5}})"),
       "[text: a] stop done used 3/0/0/0 6/5 end"},
      {"more read from the cache than was sent",
       chat_stream(
           {R"({"content":"a"})", "=stop"},
           R"({"prompt_tokens":3,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":30}})"),
       "[text: a] stop done used 0/3/0/0 1/0 end"},
      {"stop although tools were called",
       chat_stream({call(R"({"index":0,"id":"x","function":{"name":"f","arguments":"{}"}})"), "=stop"}),
       "[call f x: {}]. stop tools end"},
      {"no reason at all", chat_stream({R"({"content":"a"})"}), "[text: a] stop done end"},
      {"a reason that says it failed", chat_stream({R"({"content":"a"})", "=error"}),
       "[text: a] failed 502 the provider ended the answer as failed: error"},
      {"no index, one call after the other by id",
       chat_stream({call(R"({"id":"x","function":{"name":"f","arguments":"{\"a\":1}"}})"),
                    call(R"({"id":"y","function":{"name":"f","arguments":"{}"}})"), "=tool_calls"}),
       "[call f x: {\"a\":1}].[call f y: {}]. stop tools end"},
      {"the same index for every call",
       chat_stream({call(R"({"index":0,"id":"x","function":{"name":"f","arguments":"{}"}})"),
                    call(R"({"index":0,"id":"y","function":{"name":"g","arguments":"{}"}})"), "=tool_calls"}),
       "[call f x: {}].[call g y: {}]. stop tools end"},
      {"no id", chat_stream({call(R"({"index":0,"function":{"name":"f","arguments":"{}"}})"), "=tool_calls"}),
       "[call f call_cmpl-1_0: {}]. stop tools end"},
      {"no arguments", chat_stream({call(R"({"index":0,"id":"x","function":{"name":"f"}})"), "=tool_calls"}),
       "[call f x: {}]. stop tools end"},
      {"arguments as an object",
       chat_stream(
           {call(R"({"index":0,"id":"x","function":{"name":"f","arguments":{"a":1}}})"), "=tool_calls"}),
       "[call f x: {\"a\":1}]. stop tools end"},
      {"arguments before the name",
       chat_stream({call(R"({"index":0,"id":"x","function":{"arguments":"{\"a\""}})"),
                    call(R"({"index":0,"function":{"name":"f","arguments":":1}"}})"), "=tool_calls"}),
       "[call f x: {\"a\":1}]. stop tools end"},
      {"arguments after their end",
       chat_stream({call(R"({"index":0,"id":"x","function":{"name":"f","arguments":"{}"}})"),
                    call(R"({"index":1,"id":"y","function":{"name":"g","arguments":"{}"}})"),
                    call(R"({"index":0,"function":{"arguments":"{\"b\":1}"}})"), "=tool_calls"}),
       "[call f x: {}].[call g y: {}] failed 500 broken: arguments go on after their end"},
      {"a custom call",
       chat_stream({call(R"({"index":0,"id":"x","type":"custom","custom":{"name":"p","input":"*** Be"}})"),
                    call(R"({"index":0,"custom":{"input":"gin"}})"), "=tool_calls"}),
       "[custom p x: *** Begin]. stop tools end"},
      {"thinking under the other name", chat_stream({R"({"reasoning":"hm"})", R"({"content":"a"})", "=stop"}),
       "[thinking: hm]+[text: a] stop done end"},
      {"thinking under both names",
       chat_stream({R"({"reasoning":"hm","reasoning_content":"hm"})", R"({"content":"a"})", "=stop"}),
       "[thinking: hm]+[text: a] stop done end"},
      {"content in parts",
       chat_stream({R"({"content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]})", "=stop"}),
       "[text: ab] stop done end"},
      {"a second choice",
       chat_stream(
           {R"(!{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"}}]})",
            "=stop"}),
       "[text: a] stop done end"},
      {"an error that is a text", chat_stream({R"(!{"error":"boom"})"}), " failed 500 boom"},
      {"an error with its status", chat_stream({R"(!{"error":{"code":429,"message":"later"}})"}),
       " failed 429 429 later"},
      {"no JSON", "data: {\"choices\n\n", " failed 500 broken: an event of the stream is no JSON object"},
      {"members of other kinds",
       chat_stream(
           {R"(!{"id":1,"choices":{"a":1},"usage":7,"error":null})",
            R"(!{"choices":[1,null,{"delta":[]},{"delta":{"content":{},"tool_calls":[1,{"function":3}]}}]})",
            "=stop"}),
       " stop done end"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(told(read_stream(Wire::chat, row.stream)) == row.told);
  }
}

TEST_CASE("responses that say things only once are whole") {
  const std::string end =
      R"({"type":"response.completed","response":{"id":"r","status":"completed","output":[)";
  const std::string message =
      R"({"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2}]}]})";
  const std::string tool = R"({"type":"function_call","call_id":"x","name":"f","arguments":"{\"a\":1}"})";
  const Row rows[] = {
      {"only the end holds the output", typed_stream({end + message + "," + tool + "]}}"}),
       "[text: Hi]*[call f x: {\"a\":1}]. stop tools end"},
      {"only output_item.done",
       typed_stream({R"({"type":"response.output_item.done","output_index":0,"item":)" + message + "}",
                     R"({"type":"response.output_item.done","output_index":1,"item":)" + tool + "}",
                     end + "]}}"}),
       "[text: Hi]*[call f x: {\"a\":1}]. stop tools end"},
      {"only arguments.done",
       typed_stream(
           {R"({"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","call_id":"x","name":"f","arguments":""}})",
            R"({"type":"response.function_call_arguments.done","output_index":0,"arguments":"{\"a\":1}"})",
            end + tool + "]}}"}),
       "[call f x: {\"a\":1}]. stop tools end"},
      {"only output_text.done",
       typed_stream({R"({"type":"response.output_text.done","output_index":0,"content_index":0,"text":"Hi"})",
                     end + "]}}"}),
       "[text: Hi] stop done end"},
      {"a custom call",
       typed_stream(
           {R"({"type":"response.output_item.added","output_index":0,"item":{"type":"custom_tool_call","call_id":"x","name":"p","input":""}})",
            R"({"type":"response.custom_tool_call_input.delta","output_index":0,"delta":"***"})",
            R"({"type":"response.output_item.done","output_index":0,"item":{"type":"custom_tool_call","call_id":"x","name":"p","input":"***"}})",
            end + "]}}"}),
       "[custom p x: ***]. stop tools end"},
      {"a call in a namespace",
       typed_stream(
           {R"({"type":"response.output_item.done","output_index":0,"item":{"type":"function_call","call_id":"x","namespace":"ns","name":"f","arguments":"{}"}})",
            end + "]}}"}),
       "[call ns__f x: {}]. stop tools end"},
      {"two parts of a summary",
       typed_stream(
           {R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"a"})",
            R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":1,"delta":"b"})",
            R"({"type":"response.reasoning_summary_text.done","output_index":0,"summary_index":1,"text":"b"})",
            end + "]}}"}),
       "[thinking: a\n\nb] stop done end"},
      {"a hosted tool's item is opaque",
       typed_stream(
           {R"({"type":"response.web_search_call.searching","output_index":0,"item_id":"ws"})",
            R"({"type":"response.output_item.done","output_index":0,"item":{"type":"web_search_call","id":"ws","status":"completed"}})",
            end + "]}}"}),
       "[opaque: ] stop done end"},
      {"an error event",
       typed_stream(
           {R"({"type":"error","code":"context_length_exceeded","message":"too long","param":null})"}),
       " failed 400 context_length_exceeded too long"},
      {"events that nobody knows",
       typed_stream(
           {R"({"type":"response.brand_new","output_index":0})", R"({"type":"keepalive"})", end + "]}}"}),
       " stop done end"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(told(read_stream(Wire::responses, row.stream)) == row.told);
  }
}

TEST_CASE("the usage of a message is replaced, not added up") {
  const auto stream = [](const std::string& start, const std::string& delta) {
    return typed_stream(
        {message_start(start),
         R"({"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":)" + delta + "}",
         R"({"type":"message_stop"})"});
  };
  const Row rows[] = {
      {"output only", stream(R"({"input_tokens":9,"output_tokens":1})", R"({"output_tokens":4})"),
       " stop done used 9/0/0/0 4/0 end"},
      {"everything again",
       stream(
           R"({"input_tokens":9,"cache_read_input_tokens":5,"output_tokens":1})",
           R"({"input_tokens":9,"cache_read_input_tokens":5,"cache_creation_input_tokens":2,"output_tokens":4})"),
       " stop done used 9/5/2/0 4/0 end"},
      {"how long it is kept stays known where only the sum comes again",
       stream(
           R"({"input_tokens":9,"cache_creation_input_tokens":7,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":4},"output_tokens":1})",
           R"({"cache_creation_input_tokens":7,"output_tokens":4})"),
       " stop done used 9/0/3/4 4/0 end"},
      {"numbers out of reason",
       stream(R"({"input_tokens":-5,"output_tokens":1e300})", R"({"output_tokens":"many"})"),
       " stop done used 0/0/0/0 1125899906842624/0 end"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(told(read_stream(Wire::messages, row.stream)) == row.told);
  }
}

TEST_CASE("blocks of a message that only Anthropic knows stay whole for its own clients") {
  const auto stream = typed_stream(
      {message_start(R"({"input_tokens":1,"output_tokens":1})"),
       R"({"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}})",
       R"({"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"query\":\"x\"}"}})",
       R"({"type":"content_block_stop","index":0})",
       R"({"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}})",
       R"({"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}})",
       R"({"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"c"}}})",
       R"({"type":"content_block_stop","index":1})", R"({"type":"message_stop"})"});
  const auto events = read_stream(Wire::messages, stream);
  CHECK(told(events) == "[opaque: ][text: Hi]* stop done used 1/0/0/0 1/0 end");
  CHECK(events[2].text == R"({"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"x"}})");
  CHECK(told(read_stream(Wire::messages, write_stream(Wire::messages, events))) == told(events));
  CHECK(told(read_stream(Wire::chat, write_stream(Wire::chat, events))) ==
        "[text: Hi] stop done used 1/0/0/0 1/0 end");
}

TEST_CASE("a stream without end is given up") {
  EventReader reader(Wire::chat);
  const std::string chunk =
      R"({"choices":[{"index":0,"delta":{"content":")" + std::string(1 << 20, 'x') + R"("}}]})";
  std::vector<Event> events;
  std::size_t read = 0;
  while (reader.read("message", chunk, events)) {
    events.clear();
    REQUIRE(++read <= limits::kUpstreamBody / chunk.size());
  }
  CHECK(read == limits::kUpstreamBody / chunk.size());
  CHECK_FALSE(reader.read("message", "[DONE]", events));
  CHECK_FALSE(reader.finish(events));
}

TEST_CASE("a chat stream that broke after its reason is not whole") {
  EventReader reader(Wire::chat);
  std::vector<Event> events;
  REQUIRE(
      reader.read("message", R"({"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]})", events));
  CHECK_FALSE(reader.read("message", "{", events));
  CHECK_FALSE(reader.finish(events));
  CHECK(events.back().kind == Event::Kind::stop);
  CHECK_FALSE(reader.ended());
}

TEST_CASE("an answer of endless parts is given up") {
  struct Endless {
    Wire wire;
    std::string frame;  // {} stands for a number
  };
  const Endless rows[] = {
      {Wire::chat, R"({"choices":[{"delta":{"tool_calls":[{"index":{},"function":{"name":"f"}}]}}]})"},
      {Wire::chat, R"({"choices":[{"delta":{"tool_calls":[{"index":{},"id":"x"}]}}]})"},
      {Wire::responses,
       R"({"type":"response.output_item.added","output_index":{},"item":{"type":"function_call"}})"},
      {Wire::responses,
       R"({"type":"response.output_text.delta","output_index":0,"content_index":{},"delta":"x"})"},
      {Wire::responses, R"({"type":"response.brand_new","output_index":{}})"},
      {Wire::messages, R"({"type":"content_block_start","index":{},"content_block":{"type":"text"}})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.frame);
    EventReader reader(row.wire);
    std::vector<Event> events;
    std::size_t i = 0;
    while (true) {
      auto frame = row.frame;
      frame.replace(frame.find("{}"), 2, std::to_string(i));
      if (!reader.read("message", frame, events)) break;
      REQUIRE(++i < 2 * limits::kAnswerBlocks);
      events.clear();
    }
    CHECK(i >= limits::kAnswerBlocks);
  }
}

TEST_CASE("a whole response has an end, whatever its status is") {
  const std::string output =
      R"("output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}],"usage":null)";
  const Row rows[] = {
      {"a status of the provider's own", R"({"status":"success",)" + output + "}",
       "[text: hi] stop done end"},
      {"no status", "{" + output + "}", "[text: hi] stop done end"},
      {"cut short", R"({"status":"incomplete",)" + output + "}", "[text: hi] stop pause end"},
      {"cancelled", R"({"status":"cancelled",)" + output + "}",
       " failed 500 the provider ended the response"},
      {"an error alone", R"({"error":{"message":"no credit","type":"billing_error"}})",
       " failed 402 no credit"},
      {"an error as text", R"({"status":"odd","error":"no credit"})", " failed 500 no credit"},
      {"failed, with text", R"({"status":"failed","error":"no credit",)" + output + "}",
       " failed 500 no credit"},
      {"failed, without a word", R"({"status":"failed","error":null,)" + output + "}",
       " failed 500 the provider ended the response"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto document = parsed(row.stream, json::kUpstream);
    const auto events = read_answer(Wire::responses, document.root());
    REQUIRE(events.has_value());
    CHECK(told(*events) == row.told);
  }
}

TEST_CASE("whole answers that are none are broken") {
  const Row rows[] = {
      {"openai-chat", "[]", ""},
      {"openai-chat", R"({"id":"x"})", ""},
      {"openai-chat", R"({"choices":[]})", ""},
      {"openai-chat", R"({"choices":{"message":{"content":"hi"}}})", ""},
      {"openai-chat", R"({"choices":[{"message":"hi"}]})", ""},
      {"openai-responses", R"({"id":"x"})", ""},
      {"openai-responses", R"({"status":"queued","output":[]})", ""},
      {"anthropic-messages", R"({"id":"x"})", ""},
      {"anthropic-messages", R"({"content":"hi"})", ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.stream);
    const auto document = parsed(row.stream, json::kUpstream);
    const auto events = read_answer(*wire_from(row.why), document.root());
    REQUIRE_FALSE(events);
    CHECK(events.error().code == Code::upstream_broken);
  }
}

}  // namespace
}  // namespace sallyport::llm::test
