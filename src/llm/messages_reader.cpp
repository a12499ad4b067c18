/// Messages, as answered.

#include "reader_form.hpp"
#include "sallyport/json/object_writer.hpp"

namespace sallyport::llm {
namespace {

using Kind = Event::Kind;

struct Block {
  std::int64_t index = 0;
  std::uint32_t number = 0;
  Kind kind = Kind::opaque;  // text, thinking, redacted, tool_begin or opaque
  std::string text{};        // thinking; raw JSON of an opaque block; arguments of a call that came whole
  std::string signature{};
  std::string input{};  // of an opaque block
  bool any = false;     // arguments came
};

StopReason reason_of(std::string_view reason) {
  if (reason == "max_tokens") return StopReason::limit;
  if (reason == "stop_sequence") return StopReason::stop_string;
  if (reason == "tool_use") return StopReason::tools;
  if (reason == "refusal") return StopReason::filtered;
  if (reason == "pause_turn") return StopReason::pause;
  if (reason == "model_context_window_exceeded") return StopReason::context_full;
  return StopReason::done;
}

class MessagesReader : public EventReader::Form {
 public:
  MessagesReader() : Form(Wire::messages) {}

  Result<void> read_event(std::string_view type, const json::Value& data, Events& out) override {
    auto name = text_of(data, "type");
    if (name.empty()) name = type;
    if (name == "message_start") {
      const auto message = object_of(data, "message");
      if (!message) return broken("message_start without a message");
      start(*message, out);
      take_usage(message->find("usage"), out);
    } else if (name == "content_block_start") {
      return begin_block(data, out);
    } else if (name == "content_block_delta") {
      return read_delta(data, out);
    } else if (name == "content_block_stop") {
      end_block(index_of(data, "index", -1), out);
    } else if (name == "message_delta") {
      if (const auto delta = object_of(data, "delta")) read_stop(*delta, out);
      take_usage(data.find("usage"), out);
    } else if (name == "message_stop") {
      settle(out);
      end(out);
    } else if (name == "error") {
      fail_with(read_error(Wire::messages, 0, data.raw()), out);
    }
    return {};  // pings, and what is yet to be invented
  }

  Result<void> read_whole(const json::Value& body, Events& out) override {
    if (text_of(body, "type") == "error") {
      fail_with(read_error(Wire::messages, 0, body.raw()), out);
      return {};
    }
    start(body, out);
    const auto content = body.find("content");
    if (!content || !content->is(json::Kind::array)) return broken("a message without content");
    std::int64_t index = 0;
    for (const auto block : content->elements()) {
      if (auto begun = begin(block, index, out); !begun) return begun;
      end_block(index++, out);
      if (too_many_blocks()) return broken("the answer has more parts than are read of one");
    }
    read_stop(body, out);
    take_usage(body.find("usage"), out);
    end(out);
    return {};
  }

 private:
  Result<void> begin_block(const json::Value& data, Events& out) {
    const auto block = object_of(data, "content_block");
    if (!block) return broken("content_block_start without a block");
    return begin(*block, index_of(data, "index", -1), out);
  }

  Result<void> begin(const json::Value& value, std::int64_t index, Events& out) {
    start_without_message(out);
    end_block(index, out);  // a second start of the same one
    Block block{.index = index, .number = next_block()};
    const auto type = text_of(value, "type");
    if (type == "text") {
      block.kind = Kind::text;
      say(Kind::text, block.number, text_of(value, "text"), out);
      if (const auto citations = value.find("citations")) {
        for (const auto citation : citations->elements()) cite(block, citation, out);
      }
    } else if (type == "thinking") {
      block.kind = Kind::thinking;
      block.signature = text_of(value, "signature");
      block.text = text_of(value, "thinking");
      say(Kind::thinking, block.number, block.text, out);
    } else if (type == "redacted_thinking") {
      block.kind = Kind::redacted;
      block.text = std::string(value.raw());
    } else if (type == "tool_use") {
      block.kind = Kind::tool_begin;
      const auto input = object_of(value, "input");
      if (input && input->size() > 0) block.text = std::string(input->raw());
      begin_tool(block.number, text_of(value, "id"), text_of(value, "name"), false, out);
    } else {
      block.text = std::string(value.raw());
      began_ = true;
    }
    open_.push_back(std::move(block));
    return {};
  }

  // A block before any message_start still means that there is a message.
  void start_without_message(Events& out) {
    if (started_) return;
    started_ = true;
    out.push_back({.kind = Kind::started, .origin = Wire::messages});
  }

  static void cite(const Block& block, const json::Value& citation, Events& out) {
    out.push_back({.kind = Kind::citation,
                   .origin = Wire::messages,
                   .block = block.number,
                   .text = std::string(citation.raw())});
  }

  Block* find(std::int64_t index) {
    for (auto& block : open_) {
      if (block.index == index) return &block;
    }
    return nullptr;
  }

  Result<void> read_delta(const json::Value& data, Events& out) {
    auto* const block = find(index_of(data, "index", -1));
    const auto delta = object_of(data, "delta");
    if (!block || !delta) return broken("a delta of no block");
    const auto type = text_of(delta, "type");
    if (type == "text_delta" && block->kind == Kind::text) {
      say(Kind::text, block->number, text_of(delta, "text"), out);
    } else if (type == "thinking_delta" && block->kind == Kind::thinking) {
      auto text = text_of(delta, "thinking");
      block->text += text;
      say(Kind::thinking, block->number, std::move(text), out);
    } else if (type == "signature_delta") {
      block->signature += text_of(delta, "signature");
    } else if (type == "citations_delta") {
      if (const auto citation = object_of(*delta, "citation")) cite(*block, *citation, out);
    } else if (type == "input_json_delta") {
      auto text = text_of(delta, "partial_json");
      if (block->kind == Kind::opaque)
        block->input += text;
      else if (block->kind == Kind::tool_begin)
        add_arguments(*block, std::move(text), out);
    }
    return {};
  }

  static void add_arguments(Block& block, std::string text, Events& out) {
    if (text.empty()) return;
    block.any = true;
    out.push_back({.kind = Kind::tool_arguments,
                   .origin = Wire::messages,
                   .block = block.number,
                   .text = std::move(text)});
  }

  static std::string raw_thinking(const Block& block) {
    json::ObjectWriter raw(block.text.size() + block.signature.size() + 64);
    raw.add("type", R"("thinking")");
    raw.add_text("thinking", block.text);
    raw.add_text("signature", block.signature);
    return std::move(raw).take();
  }

  // The block as it began, with the input that came after.
  static std::string raw_opaque(const Block& block) {
    if (block.input.empty()) return block.text;
    const auto input = json::Document::parse(block.input, json::kUpstream);
    const auto begun = json::Document::parse(block.text, json::kUpstream);
    if (!input || !begun) return block.text;
    json::ObjectWriter raw(block.text.size() + block.input.size());
    for (const auto& member : begun->root().members()) {
      if (!member.is("input")) raw.begin_raw(member.raw_key()) += member.value.raw();
    }
    raw.add("input", input->root().raw());
    return std::move(raw).take();
  }

  void end_block(std::int64_t index, Events& out) {
    auto* const block = find(index);
    if (!block) return;
    Event event{.origin = Wire::messages, .block = block->number};
    switch (block->kind) {
      case Kind::thinking:
        if (block->signature.empty()) break;
        event.kind = block->text.empty() ? Kind::redacted : Kind::signature;
        event.text = raw_thinking(*block);
        out.push_back(std::move(event));
        break;
      case Kind::tool_begin:
        if (!block->any) add_arguments(*block, block->text.empty() ? "{}" : block->text, out);
        event.kind = Kind::tool_end;
        out.push_back(std::move(event));
        break;
      case Kind::redacted:
        event.kind = Kind::redacted;
        event.text = std::move(block->text);
        began_ = true;
        out.push_back(std::move(event));
        break;
      case Kind::opaque:
        event.kind = Kind::opaque;
        event.text = raw_opaque(*block);
        out.push_back(std::move(event));
        break;
      default:
        break;
    }
    open_.erase(open_.begin() + (block - open_.data()));
  }

  void settle(Events& out) {
    while (!open_.empty()) end_block(open_.front().index, out);
  }

  void read_stop(const json::Value& delta, Events& out) {
    const auto reason = text_of(delta, "stop_reason");
    if (reason.empty()) return;
    settle(out);
    if (const auto details = object_of(delta, "stop_details"))
      say(Kind::refusal, next_block(), text_of(details, "explanation"), out);
    stop(reason_of(reason), text_of(delta, "stop_sequence"), out);
  }

  std::vector<Block> open_;
};

}  // namespace

std::unique_ptr<EventReader::Form> read_messages_events() { return std::make_unique<MessagesReader>(); }

}  // namespace sallyport::llm
