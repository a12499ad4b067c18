#pragma once
/// The same requests as clients of each wire send them, and what a request says in one line.

#include <optional>
#include <string>
#include <vector>

#include "sallyport/llm/request.hpp"
#include "spoken.hpp"

namespace sallyport::llm::test {

inline Request read_body(Wire from, const std::string& body) {
  const auto document = parsed(body);
  auto request = read_request(from, document.root());
  REQUIRE_MESSAGE(request.has_value(), body, " ", (request ? std::string{} : request.error().what));
  return *std::move(request);
}

inline std::string told(const Part& part) {
  using Kind = Part::Kind;
  const auto place = part.data.empty() ? part.url + part.file_id : part.media_type + ":" + part.data;
  switch (part.kind) {
    case Kind::text:
      return "'" + part.text + "'";
    case Kind::refusal:
      return "refusal '" + part.text + "'";
    case Kind::image:
      return "image " + place;
    case Kind::file:
      return "file " + place;
    case Kind::audio:
      return "audio " + part.media_type;
    case Kind::thinking:
      return fmt::format("thought of {} '{}' {}", llm::name_of(part.origin), part.text, part.raw);
    case Kind::tool_call:
      return fmt::format("{} {} {}", part.custom ? "custom" : "call", part.name, part.id) + " " +
             part.arguments;
    case Kind::opaque:
      return "opaque";
  }
  return "?";
}

/// Items, tools and wishes.
inline std::string told(const Request& request) {
  std::string out;
  for (const auto& item : request.items) {
    constexpr const char* roles[] = {"system", "user", "assistant", "result"};
    out += roles[static_cast<std::size_t>(item.role)];
    if (!item.call_id.empty()) out += " " + item.call_id;
    if (item.is_error) out += " failed";
    out += "(";
    for (std::size_t i = 0; i < item.parts.size(); ++i) out += (i > 0 ? ", " : "") + told(item.parts[i]);
    out += ") ";
  }
  for (const auto& tool : request.tools)
    out += fmt::format("tool {}{} {} ", tool.name, tool.custom ? " custom" : "", tool.schema);
  constexpr const char* modes[] = {"", "auto ", "none ", "required ", "named "};
  out += modes[static_cast<std::size_t>(request.choice.mode)] + request.choice.name;
  if (request.parallel && !*request.parallel) out += "one at a time ";
  if (request.max_output) out += fmt::format("at most {} ", *request.max_output);
  if (!request.temperature.empty()) out += "temperature " + request.temperature + " ";
  for (const auto& stop : request.stop) out += "until " + stop + " ";
  if (request.reasoning.asked) out += "thinking " + request.reasoning.effort + " ";
  if (request.format.kind == OutputFormat::Kind::schema) out += "as " + request.format.schema + " ";
  if (!request.user.empty()) out += "for " + request.user + " ";
  if (request.stream) out += "streamed ";
  return out;
}

struct RequestCase {
  std::string name;
  std::string chat, responses, messages;  ///< bodies; empty: the wire cannot say it
  std::string told;                       ///< after any reader, and any writer and reader
  std::string over_chat{}, over_responses{}, over_messages{};

  const std::string& body(Wire wire) const {
    return wire == Wire::chat ? chat : wire == Wire::responses ? responses : messages;
  }
  const std::string& over(Wire wire) const {
    const auto& own = wire == Wire::chat        ? over_chat
                      : wire == Wire::responses ? over_responses
                                                : over_messages;
    return own.empty() ? told : own;
  }
};

inline const std::vector<RequestCase>& request_cases() {
  static const std::string kSchema = R"({"type":"object","properties":{"city":{"type":"string"}}})";
  static const std::string kChatTool =
      R"("tools":[{"type":"function","function":{"name":"weather","description":"d","parameters":)" +
      kSchema + "}}]";
  static const std::string kResponsesTool =
      R"("tools":[{"type":"function","name":"weather","description":"d","strict":false,"parameters":)" +
      kSchema + "}]";
  static const std::string kMessagesTool =
      R"("tools":[{"name":"weather","description":"d","input_schema":)" + kSchema + "}]";
  static const std::string kTool = "tool weather " + kSchema + " ";
  static const std::vector<RequestCase> kCases = {
      {.name = "plain, with the usual wishes",
       .chat =
           R"({"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi"}],"max_completion_tokens":100,"temperature":0.5,"user":"u1","stream":true})",
       .responses =
           R"({"model":"m","instructions":"Be brief.","input":"Hi","max_output_tokens":100,"temperature":0.5,"user":"u1","stream":true})",
       .messages =
           R"({"model":"m","system":"Be brief.","messages":[{"role":"user","content":"Hi"}],"max_tokens":100,"temperature":0.5,"metadata":{"user_id":"u1"},"stream":true})",
       .told = "system('Be brief.') user('Hi') at most 100 temperature 0.5 for u1 streamed "},

      {.name = "a conversation",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":"Yes?"},{"role":"user","content":"Go"}]})",
       .responses =
           R"({"model":"m","max_output_tokens":99,"input":[{"role":"user","content":[{"type":"input_text","text":"Hi"}]},{"type":"message","role":"assistant","id":"msg_1","status":"completed","content":[{"type":"output_text","text":"Yes?","annotations":[]}]},{"role":"user","content":"Go"}]})",
       .messages =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]},{"role":"assistant","content":"Yes?"},{"role":"user","content":"Go"}]})",
       .told = "user('Hi') assistant('Yes?') user('Go') at most 99 "},

      {.name = "tools, one call and its result",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"W?"},{"role":"assistant","content":"Look","tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"city\": \"P\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"rain"}],"tool_choice":"auto","parallel_tool_calls":false,)" +
           kChatTool + "}",
       .responses =
           R"({"model":"m","max_output_tokens":99,"input":[{"role":"user","content":"W?"},{"role":"assistant","content":"Look"},{"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"city\": \"P\"}"},{"type":"function_call_output","call_id":"c1","output":"rain"}],"tool_choice":"auto","parallel_tool_calls":false,)" +
           kResponsesTool + "}",
       .messages =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"W?"},{"role":"assistant","content":[{"type":"text","text":"Look"},{"type":"tool_use","id":"c1","name":"weather","input":{"city": "P"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"rain"}]}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true},)" +
           kMessagesTool + "}",
       .told = "user('W?') assistant('Look', call weather c1 {\"city\": \"P\"}) result c1('rain') " + kTool +
               "auto one at a time at most 99 "},

      {.name = "parallel calls, both results, then the user",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"W?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":""}},{"id":"c2","type":"function","function":{"name":"weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"rain"},{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"sun"}]},{"role":"user","content":"So?"}],"tool_choice":{"type":"function","function":{"name":"weather"}},)" +
           kChatTool + "}",
       .responses =
           R"({"model":"m","max_output_tokens":99,"input":[{"role":"user","content":"W?"},{"type":"function_call","call_id":"c1","name":"weather","arguments":""},{"type":"function_call","call_id":"c2","name":"weather","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"rain"},{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"sun"}]},{"role":"user","content":"So?"}],"tool_choice":{"type":"function","name":"weather"},)" + kResponsesTool +
           "}",
       .messages =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"W?"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"weather","input":{}},{"type":"tool_use","id":"c2","name":"weather","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"rain"},{"type":"tool_result","tool_use_id":"c2","content":[{"type":"text","text":"sun"}]},{"type":"text","text":"So?"}]}],"tool_choice":{"type":"tool","name":"weather"},)" +
           kMessagesTool + "}",
       .told = "user('W?') assistant(call weather c1 {}, call weather c2 {}) result c1('rain') result "
               "c2('sun') user('So?') " +
               kTool + "named weatherat most 99 "},

      {.name = "images by address and in the body",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/a.png"}},{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,/9j/"}},{"type":"text","text":"What?"}]}]})",
       .responses =
           R"({"model":"m","max_output_tokens":99,"input":[{"role":"user","content":[{"type":"input_image","image_url":"https://x/a.png","detail":"auto"},{"type":"input_image","image_url":"data:image/jpeg;base64,/9j/","detail":"auto"},{"type":"input_text","text":"What?"}]}]})",
       .messages =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"image","source":{"type":"url","url":"https://x/a.png"}},{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/"}},{"type":"text","text":"What?"}]}]})",
       .told = "user(image https://x/a.png, image image/jpeg:/9j/, 'What?') at most 99 "},

      {.name = "a document in the body",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}},{"type":"text","text":"What?"}]}]})",
       .responses =
           R"({"model":"m","max_output_tokens":99,"input":[{"role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"},{"type":"input_text","text":"What?"}]}]})",
       .messages =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":[{"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"JVBE"}},{"type":"text","text":"What?"}]}]})",
       .told = "user(file application/pdf:JVBE, 'What?') at most 99 "},

      {.name = "JSON after a schema",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"out","strict":true,"schema":{"type":"object"}}}})",
       .responses =
           R"({"model":"m","max_output_tokens":99,"input":"Hi","text":{"format":{"type":"json_schema","name":"out","strict":true,"schema":{"type":"object"}}}})",
       .messages =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"Hi"}],"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}})",
       .told = "user('Hi') at most 99 as {\"type\":\"object\"} "},

      {.name = "thinking asked for",
       .chat =
           R"({"model":"m","max_tokens":9999,"messages":[{"role":"user","content":"Hi"}],"reasoning_effort":"high"})",
       .responses =
           R"({"model":"m","max_output_tokens":9999,"input":"Hi","reasoning":{"effort":"high","summary":"auto"}})",
       .messages =
           R"({"model":"m","max_tokens":9999,"messages":[{"role":"user","content":"Hi"}],"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}})",
       .told = "user('Hi') at most 9999 thinking high "},

      {.name = "any tool, all of them allowed, until a word",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"Hi"}],"stop":["A","B"],"tool_choice":"required",)" +
           kChatTool + "}",
       .responses = "",
       .messages =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"user","content":"Hi"}],"stop_sequences":["A","B"],"tool_choice":{"type":"any"},)" +
           kMessagesTool + "}",
       .told = "user('Hi') " + kTool + "required at most 99 until A until B ",
       .over_responses = "unsupported"},

      {.name = "a custom tool with its call and result",
       .chat =
           R"({"model":"m","max_tokens":99,"messages":[{"role":"assistant","tool_calls":[{"id":"c1","type":"custom","custom":{"name":"patch","input":"*** \"x\""}}]},{"role":"tool","tool_call_id":"c1","content":"ok"}],"tools":[{"type":"custom","custom":{"name":"patch","description":"p"}}]})",
       .responses =
           R"({"model":"m","max_output_tokens":99,"input":[{"type":"custom_tool_call","call_id":"c1","name":"patch","input":"*** \"x\""},{"type":"custom_tool_call_output","call_id":"c1","output":"ok"}],"tools":[{"type":"custom","name":"patch","description":"p"}]})",
       .messages = "",
       .told = "assistant(custom patch c1 *** \"x\") result c1('ok') tool patch custom  at most 99 ",
       .over_chat = "assistant(call patch c1 {\"input\":\"*** \\\"x\\\"\"}) result c1('ok') tool patch "
                    "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\",\"description\":"
                    "\"The whole input of the tool, as plain "
                    "text.\"}},\"required\":[\"input\"],\"additionalProperties\":false} at most 99 ",
       .over_messages = "assistant(call patch c1 {\"input\":\"*** \\\"x\\\"\"}) result c1('ok') tool patch "
                        "{\"type\":\"object\",\"properties\":{\"input\":{\"type\":\"string\",\"description\":"
                        "\"The whole input of the tool, as plain "
                        "text.\"}},\"required\":[\"input\"],\"additionalProperties\":false} at most 99 "},
  };
  return kCases;
}

}  // namespace sallyport::llm::test
