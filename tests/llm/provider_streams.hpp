#pragma once
/// The same answers as providers of each wire stream them, written by hand after their documentation.

#include <string>
#include <vector>

#include "spoken.hpp"

namespace sallyport::llm::test {

/// Chunks of a chat stream from their deltas; "!" before one stands for a whole chunk, "=" for a finish
/// reason.
inline std::string chat_stream(const std::vector<std::string>& deltas, const std::string& usage = {}) {
  std::string out;
  const std::string head =
      R"(data: {"id":"cmpl-1","object":"chat.completion.chunk","created":1,"model":"m",)";
  for (const auto& delta : deltas) {
    if (delta[0] == '!')
      out += "data: " + delta.substr(1) + "\n\n";
    else if (delta[0] == '=')
      out += head + R"("choices":[{"index":0,"delta":{},"finish_reason":")" + delta.substr(1) + "\"}]}\n\n";
    else
      out += head + R"("choices":[{"index":0,"delta":)" + delta + R"(,"finish_reason":null}]})" + "\n\n";
  }
  if (!usage.empty()) out += head + R"("choices":[],"usage":)" + usage + "}\n\n";
  return out + "data: [DONE]\n\n";
}

/// Frames of the wires that name their events in the data.
inline std::string typed_stream(const std::vector<std::string>& events) {
  std::string out;
  for (const auto& event : events) {
    const auto from = event.find(R"("type":")") + 8;
    out += "event: " + event.substr(from, event.find('"', from) - from) + "\ndata: " + event + "\n\n";
  }
  return out;
}

inline std::string message_start(const std::string& usage) {
  return R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m",)"
         R"("content":[],"stop_reason":null,"stop_sequence":null,"usage":)" +
         usage + "}}";
}

struct Case {
  std::string name;
  std::string chat, responses, messages;  ///< streams; empty: the wire cannot say it
  std::string told;                       ///< by every wire's reader
  /// After a writer and a reader of that wire, where it differs.
  std::string over_chat{}, over_responses{}, over_messages{};

  const std::string& stream(Wire wire) const {
    return wire == Wire::chat ? chat : wire == Wire::responses ? responses : messages;
  }
  const std::string& over(Wire wire) const {
    const auto& own = wire == Wire::chat        ? over_chat
                      : wire == Wire::responses ? over_responses
                                                : over_messages;
    return own.empty() ? told : own;
  }
};

inline const std::vector<Case>& cases() {
  static const std::string kChatUsage =
      R"({"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,"prompt_tokens_details":)"
      R"({"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}})";
  static const std::string kResponseUsage =
      R"("usage":{"input_tokens":12,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,)"
      R"("output_tokens_details":{"reasoning_tokens":2},"total_tokens":17})";
  static const std::string kStartUsage =
      R"({"input_tokens":8,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"output_tokens":1})";
  static const std::string kDeltaUsage =
      R"("usage":{"output_tokens":5,"output_tokens_details":{"thinking_tokens":2}})";
  static const std::string kCreated = R"({"type":"response.created","sequence_number":0,"response":)"
                                      R"({"id":"resp_0","model":"m","status":"in_progress","output":[]}})";
  const auto completed = [](const std::string& status = "completed", const std::string& more = "") {
    return R"({"type":"response.)" + status + R"(","response":{"id":"resp_0","model":"m","status":")" +
           status + R"(",)" + more + R"("output":[],)" + kResponseUsage + "}}";
  };
  const auto stopped = [](const std::string& reason, const std::string& more = R"("stop_sequence":null)") {
    return R"({"type":"message_delta","delta":{"stop_reason":")" + reason + R"(",)" + more + "}," +
           kDeltaUsage + "}";
  };
  static const std::string kStop = R"({"type":"message_stop"})";
  static const std::string kUsed = " used 8/4/0/0 5/2 end";
  const auto block = [](int index, const std::string& start, const std::vector<std::string>& deltas) {
    std::vector<std::string> out{
        fmt::format(R"({{"type":"content_block_start","index":{},"content_block":{}}})", index, start)};
    for (const auto& delta : deltas)
      out.push_back(fmt::format(R"({{"type":"content_block_delta","index":{},"delta":{}}})", index, delta));
    out.push_back(fmt::format(R"({{"type":"content_block_stop","index":{}}})", index));
    return out;
  };
  const auto message = [&](const std::vector<std::vector<std::string>>& blocks, const std::string& stop) {
    std::vector<std::string> out{message_start(kStartUsage), R"({"type":"ping"})"};
    for (const auto& each : blocks) out.insert(out.end(), each.begin(), each.end());
    out.push_back(stop);
    out.push_back(kStop);
    return typed_stream(out);
  };
  const auto item = [](const std::string& what, int index, const std::string& raw) {
    return fmt::format(R"({{"type":"response.output_item.{}","output_index":{},"item":{}}})", what, index,
                       raw);
  };
  const std::string text_start = R"({"type":"text","text":""})";
  const auto text_delta = [](const std::string& text) {
    return R"({"type":"text_delta","text":)" + json::quote(text) + "}";
  };
  const auto input_delta = [](const std::string& text) {
    return R"({"type":"input_json_delta","partial_json":)" + json::quote(text) + "}";
  };
  const std::vector<std::string> hello = {
      R"({"type":"response.output_text.delta","item_id":"msg_a","output_index":0,"content_index":0,"delta":"Hel"})",
      R"({"type":"response.output_text.delta","item_id":"msg_a","output_index":0,"content_index":0,"delta":"lo"})",
      R"({"type":"response.output_text.done","item_id":"msg_a","output_index":0,"content_index":0,"text":"Hello"})",
      item(
          "done", 0,
          R"({"type":"message","id":"msg_a","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Hello","annotations":[]}]})")};
  const auto response = [&](std::vector<std::string> events, const std::string& end) {
    events.insert(events.begin(), kCreated);
    events.push_back(end);
    return typed_stream(events);
  };
  const std::vector<std::string> hello_deltas = {R"({"role":"assistant","content":""})",
                                                 R"({"content":"Hel"})", R"({"content":"lo"})"};
  const auto hello_then = [&](const std::string& finish) {
    auto deltas = hello_deltas;
    deltas.push_back(finish);
    return chat_stream(deltas, kChatUsage);
  };
  const auto hello_block = block(0, text_start, {text_delta("Hel"), text_delta("lo")});
  const std::string args = R"({"city":"Paris"})";

  static const std::vector<Case> kCases = {
      {.name = "plain text",
       .chat = hello_then("=stop"),
       .responses = response(hello, completed()),
       .messages = message({hello_block}, stopped("end_turn")),
       .told = "[text: Hello] stop done" + kUsed},

      {.name = "a stop string",
       .chat = "",
       .responses = "",
       .messages = message({hello_block}, stopped("stop_sequence", R"("stop_sequence":"END")")),
       .told = "[text: Hello] stop stop_string END" + kUsed,
       .over_chat = "[text: Hello] stop done" + kUsed,
       .over_responses = "[text: Hello] stop done" + kUsed},

      {.name = "the limit was reached",
       .chat = hello_then("=length"),
       .responses = response(
           hello, completed("incomplete", R"("incomplete_details":{"reason":"max_output_tokens"},)")),
       .messages = message({hello_block}, stopped("max_tokens")),
       .told = "[text: Hello] stop limit" + kUsed},

      {.name = "the context is full",
       .chat = "",
       .responses = "",
       .messages = message({hello_block}, stopped("model_context_window_exceeded")),
       .told = "[text: Hello] stop context_full" + kUsed,
       .over_chat = "[text: Hello] stop limit" + kUsed,
       .over_responses = "[text: Hello] stop limit" + kUsed},

      {.name = "a filter ended it",
       .chat = hello_then("=content_filter"),
       .responses =
           response(hello, completed("incomplete", R"("incomplete_details":{"reason":"content_filter"},)")),
       .messages = message({hello_block}, stopped("refusal")),
       .told = "[text: Hello] stop filtered" + kUsed},

      {.name = "a pause",
       .chat = "",
       .responses = "",
       .messages = message({hello_block}, stopped("pause_turn")),
       .told = "[text: Hello] stop pause" + kUsed,
       .over_chat = "[text: Hello] stop done" + kUsed},

      {.name = "a tool",
       .chat = chat_stream(
           {R"({"role":"assistant","content":null})",
            R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":""}}]})",
            R"({"tool_calls":[{"index":0,"function":{"arguments":"{\"city\":"}}]})",
            R"({"tool_calls":[{"index":0,"function":{"arguments":"\"Paris\"}"}}]})", "=tool_calls"},
           kChatUsage),
       .responses = response(
           {item(
                "added", 0,
                R"({"type":"function_call","id":"fc_1","call_id":"call_1","name":"weather","arguments":"","status":"in_progress"})"),
            R"({"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":"{\"city\":"})",
            R"({"type":"response.function_call_arguments.delta","item_id":"fc_1","output_index":0,"delta":"\"Paris\"}"})",
            R"({"type":"response.function_call_arguments.done","item_id":"fc_1","output_index":0,"arguments":"{\"city\":\"Paris\"}"})",
            item(
                "done", 0,
                R"({"type":"function_call","id":"fc_1","call_id":"call_1","name":"weather","arguments":"{\"city\":\"Paris\"}","status":"completed"})")},
           completed()),
       .messages = message({block(0, R"({"type":"tool_use","id":"call_1","name":"weather","input":{}})",
                                  {input_delta(""), input_delta("{\"city\":"), input_delta("\"Paris\"}")})},
                           stopped("tool_use")),
       .told = "[call weather call_1: " + args + "]. stop tools" + kUsed},

      {.name = "text and tools side by side, whose arguments interleave where the wire lets them",
       .chat = chat_stream(
           {R"({"role":"assistant","content":"Hello"})",
            R"({"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":"}},{"index":1,"id":"call_2","type":"function","function":{"name":"time","arguments":""}}]})",
            R"({"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]})",
            R"({"tool_calls":[{"index":0,"function":{"arguments":"\"Paris\"}"}}]})", "=tool_calls"},
           kChatUsage),
       .responses = response(
           {hello[0], hello[1], hello[3],
            item("added", 1,
                 R"({"type":"function_call","call_id":"call_1","name":"weather","arguments":""})"),
            item("added", 2, R"({"type":"function_call","call_id":"call_2","name":"time","arguments":""})"),
            R"({"type":"response.function_call_arguments.delta","output_index":1,"delta":"{\"city\":"})",
            R"({"type":"response.function_call_arguments.done","output_index":2,"arguments":"{}"})",
            item("done", 2, R"({"type":"function_call","call_id":"call_2","name":"time","arguments":"{}"})"),
            R"({"type":"response.function_call_arguments.delta","output_index":1,"delta":"\"Paris\"}"})",
            item(
                "done", 1,
                R"({"type":"function_call","call_id":"call_1","name":"weather","arguments":"{\"city\":\"Paris\"}"})")},
           completed()),
       .messages = message({hello_block,
                            block(1, R"({"type":"tool_use","id":"call_1","name":"weather","input":{}})",
                                  {input_delta("{\"city\":"), input_delta("\"Paris\"}")}),
                            block(2, R"({"type":"tool_use","id":"call_2","name":"time","input":{}})", {})},
                           stopped("tool_use")),
       .told = "[text: Hello][call weather call_1: " + args + "].[call time call_2: {}]. stop tools" + kUsed},

      {.name = "thinking with its signature",
       .chat = chat_stream({R"({"role":"assistant","reasoning_content":"Let"})",
                            R"({"reasoning_content":" me"})", R"({"content":"Hello"})", "=stop"},
                           kChatUsage),
       .responses = response(
           {item("added", 0, R"({"type":"reasoning","id":"rs_1","summary":[]})"),
            R"({"type":"response.reasoning_summary_part.added","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}})",
            R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":"Let"})",
            R"({"type":"response.reasoning_summary_text.delta","output_index":0,"summary_index":0,"delta":" me"})",
            R"({"type":"response.reasoning_summary_text.done","output_index":0,"summary_index":0,"text":"Let me"})",
            item(
                "done", 0,
                R"({"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"Let me"}],"encrypted_content":"gAAA"})"),
            R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hello"})"},
           completed()),
       .messages = message({block(0, R"({"type":"thinking","thinking":"","signature":""})",
                                  {R"({"type":"thinking_delta","thinking":"Let"})",
                                   R"({"type":"thinking_delta","thinking":" me"})",
                                   R"({"type":"signature_delta","signature":"EqRk+/="})"}),
                            block(1, text_start, {text_delta("Hello")})},
                           stopped("end_turn")),
       .told = "[thinking: Let me]+[text: Hello] stop done" + kUsed},

      {.name = "a thought that nobody can read",
       .chat = chat_stream({R"({"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]})",
                            R"({"content":"Hello"})", "=stop"},
                           kChatUsage),
       .responses = response(
           {item("done", 0, R"({"type":"reasoning","id":"rs_1","summary":[],"encrypted_content":"gAAA"})"),
            R"({"type":"response.output_text.delta","output_index":1,"content_index":0,"delta":"Hello"})"},
           completed()),
       .messages = message({block(0, R"({"type":"redacted_thinking","data":"EmwK"})", {}),
                            block(1, text_start, {text_delta("Hello")})},
                           stopped("end_turn")),
       .told = "[redacted: ][text: Hello] stop done" + kUsed},

      {.name = "a refusal in words",
       .chat = chat_stream({R"({"role":"assistant","content":"","refusal":null})", R"({"refusal":"I can"})",
                            R"({"refusal":"not."})", "=stop"},
                           kChatUsage),
       .responses = response(
           {R"({"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"I can"})",
            R"({"type":"response.refusal.delta","output_index":0,"content_index":0,"delta":"not."})",
            R"({"type":"response.refusal.done","output_index":0,"content_index":0,"refusal":"I cannot."})"},
           completed()),
       .messages = "",
       .told = "[refusal: I cannot.] stop done" + kUsed,
       .over_messages = "[text: I cannot.][refusal: I cannot.] stop filtered" + kUsed},

      {.name = "a refusal of the provider with its explanation",
       .chat = "",
       .responses = "",
       .messages = message(
           {},
           stopped("refusal", R"("stop_details":{"type":"refusal","category":"bio","explanation":"No."})")),
       .told = "[refusal: No.] stop filtered" + kUsed,
       .over_messages = "[text: No.][refusal: No.] stop filtered" + kUsed},

      {.name = "a failure in the middle",
       .chat = chat_stream(
           {R"({"content":"Hel"})",
            R"(!{"error":{"message":"slow down","type":"rate_limit_exceeded","code":"rate_limit_exceeded"}})"}),
       .responses = response(
           {hello[0]},
           R"({"type":"response.failed","response":{"id":"resp_0","status":"failed","error":{"code":"rate_limit_exceeded","message":"slow down"},"output":[]}})"),
       .messages = typed_stream(
           {message_start(R"({"input_tokens":1,"output_tokens":1})"), hello_block[0],
            R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel"}})",
            R"({"type":"error","error":{"type":"rate_limit_error","message":"slow down"}})"}),
       .told = "[text: Hel] failed 429 rate_limit_exceeded slow down"},
  };
  return kCases;
}

}  // namespace sallyport::llm::test
