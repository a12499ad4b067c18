/// Responses, as answered.

#include <map>

#include "reader_form.hpp"

namespace sallyport::llm {
namespace {

using Kind = Event::Kind;

constexpr std::int64_t kMostEvents = std::int64_t{1} << 53;

/// A run of text, a refusal or a call: which block it is, and whether deltas said it already.
struct Said {
  std::uint32_t block = 0;
  bool any = false;
};

/// One output item while it grows.
struct Output {
  std::map<std::int64_t, Said> parts;  // of a message by content_index
  Said call;
  Said thought;
  std::int64_t summary = -1;  // the part of the summary that was heard last
  bool begun = false;         // a call whose tool_begin was told
  bool done = false;
};

bool is_call(std::string_view type) { return type == "function_call" || type == "custom_tool_call"; }

class ResponsesReader : public EventReader::Form {
 public:
  ResponsesReader() : Form(Wire::responses) {}

  Result<void> read_event(std::string_view type, const json::Value& data, Events& out) override {
    auto read = read_named(type, data, out);
    if (read) count(data);
    return read;
  }

  Result<void> read_whole(const json::Value& body, Events& out) override {
    const auto status = text_of(body, "status");
    if (status == "in_progress" || status == "queued") return broken("a response that is still under way");
    if (!body.find("output")) {
      if (!error_in(body)) return broken("a response without output");
      return read_response("failed", body, out);
    }
    // What has output and no known reason to be less is whole; some providers have statuses of their own.
    const bool less = status == "failed" || status == "cancelled" || status == "incomplete";
    return read_response(less ? std::string_view(status) : "completed", body, out);
  }

 private:
  // Events without a number, or with one that nobody could count to, count as one each.
  void count(const json::Value& data) {
    const auto number = index_of(data, "sequence_number", next_number_);
    next_number_ = (number >= 0 && number < kMostEvents ? number : next_number_) + 1;
  }

  Result<void> read_named(std::string_view type, const json::Value& data, Events& out) {
    auto name = text_of(data, "type");
    if (name.empty()) name = type;
    if (name == "error") {
      fail_with(read_error(Wire::responses, 0, data.raw()), out);
      return {};
    }
    if (!name.starts_with("response.")) return {};
    const auto event = std::string_view(name).substr(9);
    if (const auto response = object_of(data, "response")) return read_response(event, *response, out);
    const auto at = index_of(data, "output_index", 0);
    if (outputs_.size() > limits::kAnswerBlocks)
      return broken("the answer has more items than are read of one");
    auto& output = outputs_[at];
    if (output.done) return {};
    if (event == "output_item.added" || event == "output_item.done") {
      const auto item = object_of(data, "item");
      if (!item) return broken("an output item without the item");
      event == "output_item.added" ? add_item(output, *item, out) : end_item(output, *item, out);
      return {};
    }
    read_part(event, output, data, out);
    return {};
  }

  // The end, or the frames around it.
  Result<void> read_response(std::string_view event, const json::Value& response, Events& out) {
    start(response, out);
    if (event == "failed" || event == "cancelled") {
      take_usage(response.find("usage"), out);
      WireError told{.type = "server_error", .message = "the provider ended the response"};
      // Some providers put a text where the object belongs.
      if (const auto error = error_in(response))
        told = read_error(Wire::responses, 0, error->is(json::Kind::object) ? error->raw() : response.raw());
      fail_with(std::move(told), out);
      return {};
    }
    if (event != "completed" && event != "incomplete") return {};
    std::int64_t at = 0;
    if (const auto items = response.find("output")) {
      for (const auto item : items->elements()) {
        auto& output = outputs_[at++];
        if (!output.done && item.is(json::Kind::object)) end_item(output, item, out);
        if (too_many_blocks()) return broken("the answer has more parts than are read of one");
      }
    }
    take_usage(response.find("usage"), out);
    stop(reason_of(event == "incomplete", response), {}, out);
    end(out);
    return {};
  }

  StopReason reason_of(bool incomplete, const json::Value& response) const {
    if (!incomplete) return called_ ? StopReason::tools : StopReason::done;
    const auto why = text_of(object_of(response, "incomplete_details"), "reason");
    if (why == "max_output_tokens" || why == "max_tokens") return StopReason::limit;
    return why == "content_filter" ? StopReason::filtered : StopReason::pause;
  }

  void add_item(Output& output, const json::Value& item, Events& out) {
    if (!is_call(text_of(item, "type"))) return;
    begin_call(output, item, out);
    add_arguments(output, text_of(item, custom_ ? "input" : "arguments"), out);
  }

  void begin_call(Output& output, const json::Value& item, Events& out) {
    custom_ = text_of(item, "type") == "custom_tool_call";
    if (output.begun) return;
    output.begun = called_ = true;
    output.call.block = next_block();
    const auto space = text_of(item, "namespace");
    auto name = text_of(item, "name");
    if (!space.empty()) name = space + "__" + name;
    begin_tool(output.call.block, text_of(item, "call_id"), std::move(name), custom_, out);
  }

  static void add_arguments(Output& output, std::string text, Events& out) {
    if (text.empty() || !output.begun) return;
    output.call.any = true;
    out.push_back({.kind = Kind::tool_arguments,
                   .origin = Wire::responses,
                   .block = output.call.block,
                   .text = std::move(text)});
  }

  Said& part_of(Output& output, const json::Value& data) {
    const auto [it, fresh] = output.parts.try_emplace(index_of(data, "content_index", 0));
    if (fresh) it->second.block = next_block();
    return it->second;
  }

  void add_text(Kind kind, Output& output, const json::Value& data, std::string text, Events& out) {
    if (text.empty()) return;
    auto& part = part_of(output, data);
    part.any = true;
    say(kind, part.block, std::move(text), out);
  }

  // A `.done` repeats what the deltas said, except where there were none.
  void end_text(Kind kind, Output& output, const json::Value& data, std::string text, Events& out) {
    if (text.empty() || part_of(output, data).any) return;
    add_text(kind, output, data, std::move(text), out);
  }

  void think(Output& output, std::int64_t part, std::string text, Events& out) {
    if (text.empty()) return;
    if (!output.thought.any) output.thought.block = next_block();
    if (output.thought.any && part != output.summary) text.insert(0, "\n\n");
    output.thought.any = true;
    output.summary = part;
    say(Kind::thinking, output.thought.block, std::move(text), out);
  }

  void read_part(std::string_view event, Output& output, const json::Value& data, Events& out) {
    auto delta = text_of(data, "delta");
    if (event == "output_text.delta") {
      add_text(Kind::text, output, data, std::move(delta), out);
    } else if (event == "output_text.done") {
      end_text(Kind::text, output, data, text_of(data, "text"), out);
    } else if (event == "refusal.delta") {
      add_text(Kind::refusal, output, data, std::move(delta), out);
    } else if (event == "refusal.done") {
      end_text(Kind::refusal, output, data, text_of(data, "refusal"), out);
    } else if (event == "output_text.annotation.added") {
      if (const auto note = object_of(data, "annotation")) cite(part_of(output, data).block, *note, out);
    } else if (event == "reasoning_summary_text.delta" || event == "reasoning_text.delta") {
      const auto part = index_of(data, "summary_index", index_of(data, "content_index", 0));
      think(output, part, std::move(delta), out);
    } else if (event == "reasoning_summary_text.done" || event == "reasoning_text.done") {
      const auto part = index_of(data, "summary_index", index_of(data, "content_index", 0));
      if (!output.thought.any || part > output.summary) think(output, part, text_of(data, "text"), out);
    } else if (event == "function_call_arguments.delta" || event == "custom_tool_call_input.delta") {
      add_arguments(output, std::move(delta), out);
    } else if (event == "function_call_arguments.done" && !output.call.any) {
      add_arguments(output, text_of(data, "arguments"), out);
    } else if (event == "custom_tool_call_input.done" && !output.call.any) {
      add_arguments(output, text_of(data, "input"), out);
    }
  }

  static void cite(std::uint32_t block, const json::Value& note, Events& out) {
    out.push_back(
        {.kind = Kind::citation, .origin = Wire::responses, .block = block, .text = std::string(note.raw())});
  }

  // The whole item: what the deltas left out is told now.
  void end_item(Output& output, const json::Value& item, Events& out) {
    output.done = true;
    const auto type = text_of(item, "type");
    if (type == "message") {
      end_message(output, item, out);
    } else if (is_call(type)) {
      end_call(output, item, out);
    } else if (type == "reasoning") {
      end_thought(output, item, out);
    } else {
      began_ = true;
      out.push_back({.kind = Kind::opaque,
                     .origin = Wire::responses,
                     .block = next_block(),
                     .text = std::string(item.raw())});
    }
  }

  void end_message(Output& output, const json::Value& item, Events& out) {
    const auto content = item.find("content");
    if (!content) return;
    std::int64_t index = 0;
    for (const auto part : content->elements()) {
      const auto [it, fresh] = output.parts.try_emplace(index++);
      auto& said = it->second;
      if (fresh) said.block = next_block();
      if (said.any) continue;
      const bool refusal = text_of(part, "type") == "refusal";
      say(refusal ? Kind::refusal : Kind::text, said.block, text_of(part, refusal ? "refusal" : "text"), out);
      if (const auto notes = part.find("annotations")) {
        for (const auto note : notes->elements()) cite(said.block, note, out);
      }
    }
  }

  void end_call(Output& output, const json::Value& item, Events& out) {
    begin_call(output, item, out);
    if (!output.call.any) add_arguments(output, text_of(item, custom_ ? "input" : "arguments"), out);
    if (!output.call.any && !custom_) add_arguments(output, "{}", out);
    out.push_back({.kind = Kind::tool_end, .origin = Wire::responses, .block = output.call.block});
  }

  void end_thought(Output& output, const json::Value& item, Events& out) {
    if (!output.thought.any) {
      std::int64_t index = 0;
      for (const auto name : {"summary", "content"}) {
        const auto parts = item.find(name);
        if (!parts) continue;
        for (const auto part : parts->elements()) think(output, index++, text_of(part, "text"), out);
      }
    }
    if (text_of(item, "encrypted_content").empty()) return;  // an id alone is of no use without their store
    began_ = true;
    const bool readable = output.thought.any;
    out.push_back({.kind = readable ? Kind::signature : Kind::redacted,
                   .origin = Wire::responses,
                   .block = readable ? output.thought.block : next_block(),
                   .text = std::string(item.raw())});
  }

  std::map<std::int64_t, Output> outputs_;
  bool called_ = false;
  bool custom_ = false;  // the call in hand
};

}  // namespace

std::unique_ptr<EventReader::Form> read_responses_events() { return std::make_unique<ResponsesReader>(); }

}  // namespace sallyport::llm
