#include "response_item.hpp"

#include <algorithm>

#include "sallyport/json/object_writer.hpp"
#include "thought.hpp"
#include "usage_text.hpp"

namespace sallyport::llm {

using json::ArrayWriter;
using json::ObjectWriter;

namespace {

// What a response repeats of a request that came on another wire.
std::string default_echo(const Request* request) {
  ObjectWriter out;
  out.add("instructions", "null");
  out.add("max_output_tokens",
          request && request->max_output ? std::to_string(*request->max_output) : std::string("null"));
  out.add("metadata", "{}");
  out.add_flag("parallel_tool_calls", !request || request->parallel.value_or(true));
  out.add("previous_response_id", "null");
  out.add("temperature", request && !request->temperature.empty() ? request->temperature : "null");
  out.add("tool_choice", R"("auto")");
  out.add("tools", "[]");
  out.add("top_p", request && !request->top_p.empty() ? request->top_p : "null");
  out.add("truncation", R"("disabled")");
  out.add("store", "false");
  auto text = std::move(out).take();
  return text.substr(1, text.size() - 2);
}

std::string incomplete_details(std::string_view status, StopReason reason) {
  if (status != "incomplete") return "null";
  if (reason == StopReason::filtered) return R"({"reason":"content_filter"})";
  return reason == StopReason::pause ? "{}" : R"({"reason":"max_output_tokens"})";
}

}  // namespace

std::string text_part(std::string_view text, const std::vector<std::string>& annotations) {
  ArrayWriter notes;
  for (const auto& annotation : annotations) notes.add(annotation);
  ObjectWriter out(text.size() + 96);
  out.add("type", R"("output_text")");
  out.add_text("text", text);
  out.add("annotations", std::move(notes).take());
  out.add("logprobs", "[]");
  return std::move(out).take();
}

std::string refusal_part(std::string_view text) {
  ObjectWriter out;
  out.add("type", R"("refusal")");
  out.add_text("refusal", text);
  return std::move(out).take();
}

std::string message_item(std::string_view id, std::string_view content, ItemStatus status) {
  ObjectWriter out(content.size() + 128);
  out.add_text("id", id);
  out.add("type", R"("message")");
  out.add_text("status", status);
  out.add("role", R"("assistant")");
  out.add("content", content);
  return std::move(out).take();
}

std::string call_item(std::string_view id, const CalledTool& tool, std::string_view call_id,
                      std::string_view arguments, ItemStatus status) {
  ObjectWriter out(arguments.size() + 160);
  out.add_text("id", id);
  out.add_text("type", tool.custom ? "custom_tool_call" : "function_call");
  out.add_text("status", status);
  out.add_text("call_id", call_id);
  if (!tool.space.empty()) out.add_text("namespace", tool.space);
  out.add_text("name", tool.name);
  out.add_text(tool.custom ? "input" : "arguments", arguments);
  return std::move(out).take();
}

std::string reasoning_item(std::string_view id, std::string_view text, std::string_view sealed,
                           ItemStatus status) {
  ArrayWriter summary;
  if (!text.empty()) {
    ObjectWriter part(text.size() + 48);
    part.add("type", R"("summary_text")");
    part.add_text("text", text);
    summary.add(std::move(part).take());
  }
  ObjectWriter out(text.size() + sealed.size() + 128);
  out.add_text("id", id);
  out.add("type", R"("reasoning")");
  out.add_text("status", status);
  out.add("summary", std::move(summary).take());
  out.add("encrypted_content", sealed.empty() ? "null" : json::quote(sealed));
  return std::move(out).take();
}

std::string sealed_thought(Wire origin, std::string_view proof) {
  if (proof.empty()) return {};
  if (origin != Wire::responses) return carry(origin, proof);
  const auto document = json::Document::parse(std::string(proof), json::kUpstream);
  const auto own = document ? document->root().find("encrypted_content") : std::nullopt;
  return own ? own->string().value_or("") : std::string{};
}

std::string response_error(const WireError& error) {
  // Clients of this wire act on these; everything else is the server's fault to them.
  const auto body = json::Document::parse(write_error(Wire::responses, error, {}));
  const auto inner = body ? body->root().find("error") : std::nullopt;
  const auto said = inner ? inner->find("code") : std::nullopt;
  const auto code = said ? said->string().value_or("") : std::string{};
  ObjectWriter out;
  out.add_text("code", code.empty() ? "server_error" : std::string_view(code));
  out.add_text("message", error.message);
  return std::move(out).take();
}

std::string response_object(const Writing& writing, const ResponseObject& response) {
  const bool completed = response.status == "completed";
  const bool own = writing.request && !writing.request->echo.empty();
  ObjectWriter out(response.output.size() + 512);
  out.add_text("id", writing.id);
  out.add("object", R"("response")");
  out.add_number("created_at", writing.created);
  out.add_text("status", response.status);
  out.add("completed_at", completed ? std::to_string(writing.created) : std::string("null"));
  out.add("error", response.error);
  out.add("incomplete_details", incomplete_details(response.status, response.reason));
  out.add_text("model", writing.model);
  out.add("output", response.output);
  if (response.usage) out.add("usage", write_usage(Wire::responses, *response.usage));
  auto text = std::move(out).take();
  text.pop_back();
  text += ',';
  text += own ? writing.request->echo : default_echo(writing.request);
  text += '}';
  return text;
}

}  // namespace sallyport::llm
