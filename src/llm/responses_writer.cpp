/// Responses, as answered to a client.

#include <fmt/format.h>

#include <algorithm>

#include "response_item.hpp"
#include "sallyport/json/object_writer.hpp"

namespace sallyport::llm {
namespace {

using json::ArrayWriter;
using json::ObjectWriter;
using Kind = Event::Kind;

bool is_incomplete(StopReason reason) {
  return reason == StopReason::limit || reason == StopReason::context_full ||
         reason == StopReason::filtered || reason == StopReason::pause;
}

std::string item_id(std::string_view prefix, const Writing& writing, std::size_t index) {
  return fmt::format("{}_{}_{}", prefix, writing.id, index);
}

std::string_view call_prefix(const CalledTool& tool) { return tool.custom ? "ctc" : "fc"; }

std::string listed(const std::vector<std::string>& items) {
  ArrayWriter out;
  for (const auto& item : items) {
    if (!item.empty()) out.add(item);
  }
  return std::move(out).take();
}

class ResponsesWriter : public EventWriter::Form {
 public:
  explicit ResponsesWriter(Writing writing)
      : Form(std::move(writing)), sequence_(writing_.first_number), begun_(sequence_ > 0) {}

  void write(const Event& event, std::string& out) override {
    begin(out);
    switch (event.kind) {
      case Kind::text:
      case Kind::refusal:
        return say(event, out);
      case Kind::citation:
        return cite(event, out);
      case Kind::thinking:
        return think(event, out);
      case Kind::signature:
        return sign(event, out);
      case Kind::redacted:
        return redact(event, out);
      case Kind::tool_begin:
        return begin_call(event, out);
      case Kind::tool_arguments:
        return add_arguments(event, out);
      case Kind::tool_end:
        if (auto* const call = call_of(event.block)) end_call(*call, "completed", out);
        return;
      case Kind::opaque:
        return pass(event, out);
      case Kind::usage:
        usage_ = event.usage;
        return;
      case Kind::stop:
        reason_ = event.reason;
        return;
      case Kind::done:
        return end(out);
      default:
        return;
    }
  }

  void fail(const WireError& error, std::string& out) override {
    begin(out);
    const auto output = listed(outputs_);
    const auto what = response_error(error);
    respond("failed", {.status = "failed", .output = output, .error = what, .usage = known_usage()}, out);
    ended_ = true;
  }

 private:
  struct Message {
    std::size_t index = 0;
    std::string id{};
    std::vector<std::string> parts{};  // done
    bool speaking = false;             // the last part is open
    Kind kind = Kind::text;
    std::uint32_t block = 0;
    std::string text{};
    std::vector<std::string> notes{};
  };
  struct Thought {
    std::size_t index = 0;
    std::string id{};
    std::uint32_t block = 0;
    std::string text{}, sealed{};
  };
  struct Call {
    std::size_t index = 0;
    std::uint32_t block = 0;
    std::string id{}, call_id{};
    CalledTool tool{};
    std::string arguments{};
    bool ended = false;
  };

  // Appends an event: its type, its number, and `members` of its own, raw with commas.
  void emit(std::string_view type, std::string_view members, std::string& out) {
    out += fmt::format("event: response.{}\ndata: ", type);
    const auto at = out.size();
    out += fmt::format(R"({{"type":"response.{}","sequence_number":{},{}}})", type, sequence_++, members);
    std::replace_if(
        out.begin() + static_cast<std::ptrdiff_t>(at), out.end(),
        [](char c) { return c == '\n' || c == '\r'; }, ' ');
    out += "\n\n";
  }

  void respond(std::string_view type, const ResponseObject& response, std::string& out) {
    emit(type, R"("response":)" + response_object(writing_, response), out);
  }

  const Usage* known_usage() const { return usage_.known ? &usage_ : nullptr; }

  void begin(std::string& out) {
    if (std::exchange(begun_, true)) return;
    respond("created", {.status = "in_progress"}, out);
    respond("in_progress", {.status = "in_progress"}, out);
  }

  void item_event(std::string_view type, std::size_t index, std::string_view item, std::string& out) {
    emit(type, fmt::format(R"("output_index":{},"item":{})", index, item), out);
  }

  std::size_t next_output() {
    outputs_.emplace_back();
    return outputs_.size() - 1;
  }

  void finish_item(std::size_t index, std::string item, std::string& out) {
    item_event("output_item.done", index, item, out);
    outputs_[index] = std::move(item);
  }

  // Messages.

  std::string part_place() const {
    return fmt::format(R"("item_id":{},"output_index":{},"content_index":{})", json::quote(message_->id),
                       message_->index, message_->parts.size());
  }

  std::string open_part() const {
    return message_->kind == Kind::refusal ? refusal_part(message_->text)
                                           : text_part(message_->text, message_->notes);
  }

  void say(const Event& event, std::string& out) {
    end_thought(out);
    if (!message_) {
      message_ = Message{.index = next_output()};
      message_->id = item_id("msg", writing_, message_->index);
      item_event("output_item.added", message_->index, message_item(message_->id, "[]", "in_progress"), out);
    }
    auto& message = *message_;
    if (message.speaking && (message.block != event.block || message.kind != event.kind)) end_part(out);
    if (!message.speaking) {
      message.speaking = true;
      message.kind = event.kind;
      message.block = event.block;
      emit("content_part.added", part_place() + R"(,"part":)" + open_part(), out);
    }
    message.text += event.text;
    const bool refusal = event.kind == Kind::refusal;
    emit(refusal ? "refusal.delta" : "output_text.delta",
         fmt::format(R"({},"delta":{}{})", part_place(), json::quote(event.text),
                     refusal ? "" : R"(,"logprobs":[])"),
         out);
  }

  void cite(const Event& event, std::string& out) {
    if (!message_ || !message_->speaking || message_->block != event.block) return;
    auto note = citation_for(Wire::responses, event);
    if (!note) return;
    emit("output_text.annotation.added",
         fmt::format(R"({},"annotation_index":{},"annotation":{})", part_place(), message_->notes.size(),
                     *note),
         out);
    message_->notes.push_back(*std::move(note));
  }

  void end_part(std::string& out) {
    auto& message = *message_;
    if (!std::exchange(message.speaking, false)) return;
    const bool refusal = message.kind == Kind::refusal;
    emit(refusal ? "refusal.done" : "output_text.done",
         fmt::format(R"({},"{}":{}{})", part_place(), refusal ? "refusal" : "text", json::quote(message.text),
                     refusal ? "" : R"(,"logprobs":[])"),
         out);
    auto part = open_part();
    emit("content_part.done", part_place() + R"(,"part":)" + part, out);
    message.parts.push_back(std::move(part));
    message.text.clear();
    message.notes.clear();
  }

  void end_message(std::string_view status, std::string& out) {
    if (!message_) return;
    end_part(out);
    finish_item(message_->index, message_item(message_->id, listed(message_->parts), status), out);
    message_.reset();
  }

  // Thoughts.

  std::string summary_place() const {
    return fmt::format(R"("item_id":{},"output_index":{},"summary_index":0)", json::quote(thought_->id),
                       thought_->index);
  }

  static std::string summary_part(std::string_view text) {
    ObjectWriter out;
    out.add("type", R"("summary_text")");
    out.add_text("text", text);
    return std::move(out).take();
  }

  void begin_thought(std::uint32_t block, std::string& out) {
    end_message("completed", out);
    end_thought(out);
    thought_ = Thought{.index = next_output(), .id = {}, .block = block};
    thought_->id = item_id("rs", writing_, thought_->index);
    item_event("output_item.added", thought_->index, reasoning_item(thought_->id, "", "", "in_progress"),
               out);
  }

  void think(const Event& event, std::string& out) {
    if (!thought_ || thought_->block != event.block) begin_thought(event.block, out);
    if (thought_->text.empty())
      emit("reasoning_summary_part.added", summary_place() + R"(,"part":)" + summary_part(""), out);
    thought_->text += event.text;
    emit("reasoning_summary_text.delta", summary_place() + R"(,"delta":)" + json::quote(event.text), out);
  }

  void sign(const Event& event, std::string& out) {
    if (!thought_ || thought_->block != event.block) return;
    thought_->sealed = sealed_thought(event.origin, event.text);
    end_thought(out);
  }

  void redact(const Event& event, std::string& out) {
    begin_thought(event.block, out);
    sign(event, out);
  }

  void end_thought(std::string& out) {
    if (!thought_) return;
    if (!thought_->text.empty()) {
      emit("reasoning_summary_text.done", summary_place() + R"(,"text":)" + json::quote(thought_->text), out);
      emit("reasoning_summary_part.done", summary_place() + R"(,"part":)" + summary_part(thought_->text),
           out);
    }
    finish_item(thought_->index, reasoning_item(thought_->id, thought_->text, thought_->sealed, "completed"),
                out);
    thought_.reset();
  }

  // Calls, of which several may be open.

  Call* call_of(std::uint32_t block) {
    const auto same = std::ranges::find(calls_.rbegin(), calls_.rend(), block, &Call::block);
    return same == calls_.rend() ? nullptr : &*same;
  }

  void begin_call(const Event& event, std::string& out) {
    end_message("completed", out);
    end_thought(out);
    Call call{.index = next_output(), .block = event.block, .id = {}, .call_id = event.id};
    call.tool = called(writing_, event.name, event.custom);
    call.id = item_id(call_prefix(call.tool), writing_, call.index);
    item_event("output_item.added", call.index,
               call_item(call.id, call.tool, call.call_id, "", "in_progress"), out);
    calls_.push_back(std::move(call));
  }

  void arguments_event(const Call& call, std::string_view what, std::string_view member,
                       std::string_view text, std::string& out) {
    std::string members = fmt::format(R"("item_id":{},"output_index":{},"{}":{})", json::quote(call.id),
                                      call.index, member, json::quote(text));
    if (what == "done" && !call.tool.custom) members += R"(,"name":)" + json::quote(call.tool.name);
    emit(fmt::format("{}.{}", call.tool.custom ? "custom_tool_call_input" : "function_call_arguments", what),
         members, out);
  }

  void add_arguments(const Event& event, std::string& out) {
    auto* const call = call_of(event.block);
    if (!call || call->ended) return;
    call->arguments += event.text;
    if (!call->tool.unwrap) arguments_event(*call, "delta", "delta", event.text, out);
  }

  void end_call(Call& call, std::string_view status, std::string& out) {
    if (std::exchange(call.ended, true)) return;
    if (call.tool.unwrap) {
      call.arguments = input_of(call.tool, call.arguments);
      if (!call.arguments.empty()) arguments_event(call, "delta", "delta", call.arguments, out);
    }
    arguments_event(call, "done", call.tool.custom ? "input" : "arguments", call.arguments, out);
    finish_item(call.index, call_item(call.id, call.tool, call.call_id, call.arguments, status), out);
    call.arguments.clear();
  }

  void pass(const Event& event, std::string& out) {
    if (event.origin != Wire::responses) return;
    end_message("completed", out);
    end_thought(out);
    const auto index = next_output();
    item_event("output_item.added", index, event.text, out);
    finish_item(index, event.text, out);
  }

  void end(std::string& out) {
    const bool incomplete = is_incomplete(reason_);
    const auto* const status = incomplete ? "incomplete" : "completed";
    end_thought(out);
    end_message(status, out);
    for (auto& call : calls_) end_call(call, status, out);
    const auto output = listed(outputs_);
    // Clients of this wire take a stream without the totals for a broken one.
    respond(status, {.status = status, .output = output, .reason = reason_, .usage = &usage_}, out);
    ended_ = true;
  }

  std::int64_t sequence_;
  bool begun_;
  std::vector<std::string> outputs_;  // done items by output_index
  std::optional<Message> message_;
  std::optional<Thought> thought_;
  std::vector<Call> calls_;
  Usage usage_;
  StopReason reason_ = StopReason::done;
};

}  // namespace

std::unique_ptr<EventWriter::Form> write_responses_events(Writing writing) {
  return std::make_unique<ResponsesWriter>(std::move(writing));
}

Result<std::string> responses_answer(const Answer& answer, const Writing& writing) {
  const auto* const status = is_incomplete(answer.reason) ? "incomplete" : "completed";
  std::vector<std::string> items, parts;
  const auto end_message = [&](std::string_view how) {
    if (parts.empty()) return;
    items.push_back(
        message_item(item_id("msg", writing, items.size()), listed(std::exchange(parts, {})), how));
  };
  for (const auto& block : answer.blocks) {
    if (block.kind == Kind::text) {
      std::vector<std::string> notes;
      for (const auto& citation : block.citations) {
        if (auto note = citation_for(Wire::responses, citation)) notes.push_back(*std::move(note));
      }
      parts.push_back(text_part(block.text, notes));
      continue;
    }
    if (block.kind == Kind::refusal) {
      parts.push_back(refusal_part(block.text));
      continue;
    }
    if (block.kind == Kind::opaque && block.origin != Wire::responses) continue;
    end_message("completed");
    if (block.kind == Kind::opaque) {
      items.push_back(block.text);
    } else if (block.kind == Kind::tool_begin) {
      const auto tool = called(writing, block.name, block.custom);
      items.push_back(call_item(item_id(call_prefix(tool), writing, items.size()), tool, block.id,
                                input_of(tool, block.text), block.ended ? "completed" : status));
    } else {
      items.push_back(reasoning_item(item_id("rs", writing, items.size()), block.text,
                                     sealed_thought(block.origin, block.proof), "completed"));
    }
  }
  end_message(status);
  const auto output = listed(items);
  return response_object(writing, {.status = status,
                                   .output = output,
                                   .reason = answer.reason,
                                   .usage = answer.usage.known ? &answer.usage : nullptr});
}

}  // namespace sallyport::llm
