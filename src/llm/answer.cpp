/// What an answer is made of, and how its pieces are called on each wire.

#include <algorithm>

#include "sallyport/json/object_writer.hpp"
#include "writer_form.hpp"

namespace sallyport::llm {
namespace {

using Kind = Event::Kind;

Kind block_kind(Kind event) {
  if (event == Kind::tool_arguments || event == Kind::tool_end) return Kind::tool_begin;
  if (event == Kind::signature) return Kind::thinking;
  return event == Kind::citation ? Kind::text : event;
}

std::string url_citation(const json::Value& from, bool nested) {
  json::ObjectWriter inner;
  if (!nested) inner.add("type", R"("url_citation")");
  for (const auto name : {"start_index", "end_index", "url", "title"}) {
    if (const auto value = from.find(name)) inner.add(name, value->raw());
  }
  if (!nested) return std::move(inner).take();
  json::ObjectWriter out;
  out.add("type", R"("url_citation")");
  out.add("url_citation", std::move(inner).take());
  return std::move(out).take();
}

}  // namespace

Block& block_of(std::vector<Block>& blocks, const Event& event) {
  // Mostly the newest.
  const auto same = std::ranges::find(blocks.rbegin(), blocks.rend(), event.block, &Block::number);
  if (same != blocks.rend()) return *same;
  return blocks.emplace_back(
      Block{.kind = block_kind(event.kind), .number = event.block, .origin = event.origin});
}

void grow(Block& block, const Event& event) {
  switch (event.kind) {
    case Kind::signature:
    case Kind::redacted:
      block.proof = event.text;
      break;
    case Kind::tool_begin:
      block.id = event.id;
      block.name = event.name;
      block.custom = event.custom;
      break;
    case Kind::tool_end:
      block.ended = true;
      break;
    case Kind::citation:
      block.citations.push_back(event);
      break;
    default:
      block.text += event.text;
  }
}

CalledTool called(const Writing& writing, std::string_view name, bool custom) {
  const auto* const tool = tool_called(writing.request, name);
  if (!tool) return {.name = std::string(name), .custom = custom};
  return {
      .name = tool->name, .space = tool->space, .custom = tool->custom, .unwrap = tool->custom && !custom};
}

std::string input_of(const CalledTool& tool, std::string_view arguments) {
  auto input = tool.unwrap ? custom_input(arguments) : std::nullopt;
  return input ? *std::move(input) : std::string(arguments);
}

std::optional<std::string> citation_for(Wire to, const Event& citation) {
  if (citation.origin == to) return citation.text;
  if (to == Wire::messages || citation.origin == Wire::messages) return std::nullopt;
  const auto document = json::Document::parse(citation.text, json::kUpstream);
  if (!document) return std::nullopt;
  const auto root = document->root();
  const auto type = root.find("type");
  if (!type || type->string() != "url_citation") return std::nullopt;
  if (to == Wire::chat) return url_citation(root, true);
  const auto inner = root.find("url_citation");
  return inner ? std::optional(url_citation(*inner, false)) : std::nullopt;
}

std::string_view chat_reason(StopReason reason) {
  switch (reason) {
    case StopReason::done:
    case StopReason::stop_string:
    case StopReason::pause:
      return "stop";
    case StopReason::limit:
    case StopReason::context_full:
      return "length";
    case StopReason::tools:
      return "tool_calls";
    case StopReason::filtered:
      return "content_filter";
  }
  return "stop";
}

std::string_view messages_reason(StopReason reason, bool refused) {
  switch (reason) {
    case StopReason::done:
      return refused ? "refusal" : "end_turn";
    case StopReason::stop_string:
      return "stop_sequence";
    case StopReason::limit:
      return "max_tokens";
    case StopReason::context_full:
      return "model_context_window_exceeded";
    case StopReason::tools:
      return "tool_use";
    case StopReason::filtered:
      return "refusal";
    case StopReason::pause:
      return "pause_turn";
  }
  return "end_turn";
}

std::string stop_details(StopReason reason, const std::string& refusal) {
  if (messages_reason(reason, !refusal.empty()) != "refusal") return "null";
  json::ObjectWriter out;
  out.add("type", R"("refusal")");
  out.add("category", "null");
  out.add("explanation", refusal.empty() ? "null" : json::quote(refusal));
  return std::move(out).take();
}

}  // namespace sallyport::llm
