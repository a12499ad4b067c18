/// What the peer answers as a provider of models, made once: whole answers and streams of the three wires,
/// each of some 64 words.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace bench {

/// One wire's answers, with their HTTP heads. A stream comes in several writes, as a network would bring it.
struct ModelAnswers {
  std::string_view path;
  std::string whole;
  std::vector<std::string> stream;
};

inline constexpr int kWords = 64;
inline constexpr int kWordsPerWrite = 8;

inline std::string http_answer(const std::string& json) {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(json.size()) + "\r\n\r\n" + json;
}

/// before, one frame per word with `%` as its place, after: as chunks of a stream.
inline std::vector<std::string> http_stream(std::string_view before, std::string_view word,
                                            std::string_view after) {
  std::vector<std::string> writes;
  std::string text(before);
  const auto flush = [&](std::string_view end) {
    std::array<char, 16> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", text.size());
    writes.push_back((writes.empty() ? "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                                       "Transfer-Encoding: chunked\r\n\r\n"
                                     : "") +
                     std::string(size.data()) + text + "\r\n" + std::string(end));
    text.clear();
  };
  const auto place = word.find('%');
  for (int at = 0; at < kWords; ++at) {
    text += word.substr(0, place);
    text += "word ";
    text += word.substr(place + 1);
    if (at % kWordsPerWrite == kWordsPerWrite - 1 && at + 1 < kWords) flush("");
  }
  text += after;
  flush("0\r\n\r\n");
  return writes;
}

inline const std::array<ModelAnswers, 3>& model_answers() {
  static const auto kMade = [] {
    std::string words;
    for (int at = 0; at < kWords; ++at) words += "word ";
    const std::string chat_head =
        R"({"id":"chatcmpl-1","object":"chat.completion","created":1760000000,"model":"gpt-5-mini","choices":[{"index":0,)";
    const std::string chat_usage =
        R"("usage":{"prompt_tokens":1000,"completion_tokens":64,"total_tokens":1064,)"
        R"("prompt_tokens_details":{"cached_tokens":0}})";
    const std::string chunk =
        R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1760000000,"model":"gpt-5-mini",)";
    const std::string message =
        R"({"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5","content":[)";
    const std::string item =
        R"({"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[)"
        R"({"type":"output_text","annotations":[],"text":")" +
        words + R"("}]})";
    const std::string response =
        R"({"id":"resp_1","object":"response","created_at":1760000000,"model":"gpt-5-mini",)"
        R"("parallel_tool_calls":true,"tool_choice":"auto","tools":[],)";
    const std::string done =
        response + R"("status":"completed","output":[)" + item +
        R"(],"usage":{"input_tokens":1000,"input_tokens_details":{"cached_tokens":0},)"
        R"("output_tokens":64,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":1064}})";
    std::array<ModelAnswers, 3> made{
        {{"/v1/chat/completions", {}, {}}, {"/v1/messages", {}, {}}, {"/v1/responses", {}, {}}}};
    made[0].whole = http_answer(chat_head + R"("message":{"role":"assistant","content":")" + words +
                                R"("},"finish_reason":"stop"}],)" + chat_usage + "}");
    made[0].stream = http_stream(
        chunk + R"("choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]})" +
            "\n\n",
        chunk + R"("choices":[{"index":0,"delta":{"content":"%"},"finish_reason":null}]})" + "\n\n",
        chunk + R"("choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})" + "\n\n" + chunk +
            R"("choices":[],)" + chat_usage + "}\n\ndata: [DONE]\n\n");
    made[1].whole = http_answer(message + R"({"type":"text","text":")" + words +
                                R"("}],"stop_reason":"end_turn","stop_sequence":null,)"
                                R"("usage":{"input_tokens":1000,"output_tokens":64}})");
    made[1].stream = http_stream(
        R"(event: message_start)"
        "\n"
        R"(data: {"type":"message_start","message":)" +
            message +
            R"(],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1000,"output_tokens":1}}})"
            "\n\n"
            "event: content_block_start\n"
            R"(data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})"
            "\n\n",
        "event: content_block_delta\n"
        R"(data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%"}})"
        "\n\n",
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: "
        "message_delta\n"
        R"(data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},)"
        R"("usage":{"output_tokens":64}})"
        "\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");
    made[2].whole = http_answer(done);
    made[2].stream = http_stream(
        "event: response.created\n"
        R"(data: {"type":"response.created","sequence_number":0,"response":)" +
            response +
            R"("status":"in_progress","output":[]}})"
            "\n\nevent: response.output_item.added\n"
            R"(data: {"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":)"
            R"({"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}})"
            "\n\n"
            "event: response.content_part.added\n"
            R"(data: {"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,)"
            R"("content_index":0,"part":{"type":"output_text","annotations":[],"text":""}})"
            "\n\n",
        "event: response.output_text.delta\n"
        R"(data: {"type":"response.output_text.delta","sequence_number":3,"item_id":"msg_1","output_index":0,)"
        R"("content_index":0,"delta":"%"})"
        "\n\n",
        "event: response.output_item.done\n"
        R"(data: {"type":"response.output_item.done","sequence_number":4,"output_index":0,"item":)" +
            item +
            "}\n\nevent: response.completed\n"
            R"(data: {"type":"response.completed","sequence_number":5,"response":)" +
            done + "}\n\n");
    return made;
  }();
  return kMade;
}

}  // namespace bench
