/// Messages, as answered to a client.

#include <fmt/format.h>

#include <algorithm>

#include "sallyport/json/object_writer.hpp"
#include "thought.hpp"
#include "usage_text.hpp"
#include "writer_form.hpp"

namespace sallyport::llm {
namespace {

using json::ArrayWriter;
using json::ObjectWriter;
using Kind = Event::Kind;

void append_event(std::string& out, std::string_view type, std::string_view json) {
  out += "event: ";
  out += type;
  out += "\ndata: ";
  const auto at = out.size();
  out += json;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(at), out.end(), [](char c) { return c == '\n' || c == '\r'; },
      ' ');
  out += "\n\n";
}

// Clients of this wire meet thinking only where they asked for it.
bool shows_thinking(const Writing& writing) {
  return !writing.request || writing.request->from != Wire::messages || writing.request->reasoning.asked;
}

std::string signature_of(Wire origin, std::string_view proof) {
  if (proof.empty()) return {};
  if (origin != Wire::messages) return carry(origin, proof);
  const auto document = json::Document::parse(std::string(proof), json::kUpstream);
  const auto own = document ? document->root().find("signature") : std::nullopt;
  return own ? own->string().value_or("") : std::string{};
}

std::string thinking_block(std::string_view text, std::string_view signature) {
  ObjectWriter out;
  out.add("type", R"("thinking")");
  out.add_text("thinking", text);
  out.add_text("signature", signature);
  return std::move(out).take();
}

std::string redacted_block(Wire origin, std::string_view proof) {
  if (origin == Wire::messages) return std::string(proof);
  ObjectWriter out;
  out.add("type", R"("redacted_thinking")");
  out.add_text("data", carry(origin, proof));
  return std::move(out).take();
}

std::string text_block(std::string_view text, const std::vector<Event>& citations) {
  ArrayWriter own;
  for (const auto& citation : citations) {
    if (const auto raw = citation_for(Wire::messages, citation)) own.add(*raw);
  }
  ObjectWriter out;
  out.add("type", R"("text")");
  out.add_text("text", text);
  out.add("citations", own.empty() ? "null" : std::move(own).take());
  return std::move(out).take();
}

std::string call_block(const Writing& writing, const Block& block, std::string_view input) {
  const auto tool = called(writing, block.name, block.custom);
  ObjectWriter out;
  out.add("type", R"("tool_use")");
  out.add_text("id", block.id);
  out.add_text("name", flat_name(tool.space, tool.name));
  out.add("input", input);
  out.add("caller", R"({"type":"direct"})");
  return std::move(out).take();
}

std::string wrapped(std::string_view input) {
  ObjectWriter out;
  out.add_text("input", input);
  return std::move(out).take();
}

std::string message_object(const Writing& writing, std::string_view content, std::string_view stop_reason,
                           std::string_view stop_string, std::string_view details, const Usage& usage) {
  ObjectWriter out;
  out.add_text("id", writing.id);
  out.add("type", R"("message")");
  out.add("role", R"("assistant")");
  out.add_text("model", writing.model);
  out.add("content", content);
  out.add("stop_reason", stop_reason.empty() ? "null" : json::quote(stop_reason));
  out.add("stop_sequence", stop_string.empty() ? "null" : json::quote(stop_string));
  out.add("stop_details", details);
  out.add("container", "null");
  out.add("diagnostics", "null");
  out.add("usage", write_usage(Wire::messages, usage));
  return std::move(out).take();
}

class MessagesWriter : public EventWriter::Form {
 public:
  explicit MessagesWriter(Writing writing) : Form(std::move(writing)), thinking_(shows_thinking(writing_)) {}

  void write(const Event& event, std::string& out) override {
    switch (event.kind) {
      case Kind::started:
        return;  // told with the first block, when the usage of the input is known if it ever is
      case Kind::usage:
        usage_ = event.usage;
        return;
      case Kind::stop:
        reason_ = event.reason;
        stop_string_ = event.text;
        return;
      case Kind::done:
        return end(out);
      case Kind::thinking:
      case Kind::signature:
      case Kind::redacted:
        if (thinking_) place(event, out);
        return;
      case Kind::opaque:
        if (event.origin == Wire::messages) place(event, out);
        return;
      case Kind::refusal:
        refusal_ += event.text;
        return place(event, out);
      default:
        return place(event, out);
    }
  }

  void fail(const WireError& error, std::string& out) override {
    ended_ = true;
    append_event(out, "error", write_error(Wire::messages, error, {}));
  }

 private:
  // The one open block takes what is its own. Beside a call that goes on, others wait.
  void place(const Event& event, std::string& out) {
    begin(out);
    if (open_ && open_->number == event.block) return go_on(event, out);
    const bool busy = open_ && open_->kind == Kind::tool_begin && !open_->ended;
    if (busy || !waiting_.empty()) {
      const auto before = waiting_.size();
      auto& block = block_of(waiting_, event);
      if (waiting_.size() > before && is_tail(event.kind))
        waiting_.pop_back();
      else
        grow(block, event);
      return;
    }
    if (is_tail(event.kind)) return;
    close(out);
    std::vector<Block> fresh;
    auto& block = block_of(fresh, event);
    grow(block, event);
    open(std::move(block), out);
  }

  // Of a block that is closed already: a citation or an end that comes late opens nothing.
  static bool is_tail(Kind kind) {
    return kind == Kind::citation || kind == Kind::tool_end || kind == Kind::tool_arguments ||
           kind == Kind::signature;
  }

  void begin(std::string& out) {
    if (std::exchange(begun_, true)) return;
    append_event(out, "message_start",
                 fmt::format(R"({{"type":"message_start","message":{}}})",
                             message_object(writing_, "[]", {}, {}, "null", usage_)));
  }

  void block_start(std::string_view raw, std::string& out) const {
    append_event(
        out, "content_block_start",
        fmt::format(R"({{"type":"content_block_start","index":{},"content_block":{}}})", index_, raw));
  }

  void delta(std::string_view type, std::string_view name, std::string_view raw, std::string& out) const {
    append_event(out, "content_block_delta",
                 fmt::format(R"({{"type":"content_block_delta","index":{},"delta":{{"type":"{}","{}":{}}}}})",
                             index_, type, name, raw));
  }

  void say(std::string_view text, std::string& out) const {
    if (text.empty()) return;
    switch (open_->kind) {
      case Kind::thinking:
        return delta("thinking_delta", "thinking", json::quote(text), out);
      case Kind::tool_begin:
        return delta("input_json_delta", "partial_json", json::quote(text), out);
      default:
        return delta("text_delta", "text", json::quote(text), out);
    }
  }

  void cite(const Event& citation, std::string& out) const {
    if (const auto raw = citation_for(Wire::messages, citation))
      delta("citations_delta", "citation", *raw, out);
  }

  void sign(Wire origin, std::string_view proof, std::string& out) const {
    const auto signature = signature_of(origin, proof);
    if (!signature.empty()) delta("signature_delta", "signature", json::quote(signature), out);
  }

  // What is known of it so far goes out at once.
  void open(Block block, std::string& out) {
    open_ = std::move(block);
    switch (open_->kind) {
      case Kind::opaque:
        return block_start(open_->text, out);
      case Kind::redacted:
        return block_start(redacted_block(open_->origin, open_->proof), out);
      case Kind::thinking:
        block_start(thinking_block("", ""), out);
        break;
      case Kind::tool_begin:
        block_start(call_block(writing_, *open_, "{}"), out);
        if (open_->custom) break;
        say(open_->text, out);
        return;
      default:
        block_start(text_block("", {}), out);
    }
    if (open_->kind != Kind::tool_begin) say(open_->text, out);
    for (const auto& citation : open_->citations) cite(citation, out);
    if (!open_->proof.empty()) sign(open_->origin, open_->proof, out);
  }

  void go_on(const Event& event, std::string& out) {
    switch (event.kind) {
      case Kind::citation:
        return cite(event, out);
      case Kind::signature:
        return sign(event.origin, event.text, out);
      case Kind::tool_end:
        open_->ended = true;
        close(out);
        return drain(out);
      case Kind::tool_begin:
      case Kind::opaque:
      case Kind::redacted:
        return;
      case Kind::tool_arguments:
        // Free text, which this wire has no call for: it goes as the input of a function, once it is whole.
        if (open_->custom)
          open_->text += event.text;
        else
          say(event.text, out);
        return;
      default:
        return say(event.text, out);
    }
  }

  void close(std::string& out) {
    if (!open_) return;
    if (open_->kind == Kind::tool_begin && open_->custom) say(wrapped(open_->text), out);
    append_event(out, "content_block_stop",
                 fmt::format(R"({{"type":"content_block_stop","index":{}}})", index_++));
    open_.reset();
  }

  // Those that waited for a call to end, up to the next call that goes on.
  void drain(std::string& out) {
    std::size_t next = 0;
    while (next < waiting_.size()) {
      close(out);
      open(std::move(waiting_[next++]), out);
      if (open_->kind != Kind::tool_begin) continue;
      if (!open_->ended) break;
      close(out);
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(next));
  }

  void end(std::string& out) {
    begin(out);
    close(out);
    while (!waiting_.empty()) {
      drain(out);
      close(out);
    }
    append_event(out, "message_delta",
                 fmt::format(R"({{"type":"message_delta","delta":{{"stop_reason":"{}","stop_sequence":{},)"
                             R"("stop_details":{},"container":null}},"usage":{}}})",
                             messages_reason(reason_, !refusal_.empty()),
                             stop_string_.empty() ? "null" : json::quote(stop_string_),
                             stop_details(reason_, refusal_), delta_usage(usage_)));
    append_event(out, "message_stop", R"({"type":"message_stop"})");
    ended_ = true;
  }

  const bool thinking_;
  bool begun_ = false;
  std::int64_t index_ = 0;  // of the open block
  std::optional<Block> open_;
  std::vector<Block> waiting_;
  Usage usage_;
  StopReason reason_ = StopReason::done;
  std::string stop_string_, refusal_;
};

// nullopt: no JSON object.
std::optional<std::string> input_object(const Block& block) {
  if (block.custom) return wrapped(block.text);
  if (block.text.find_first_not_of(" \t\r\n") == std::string::npos) return "{}";
  const auto document = json::Document::parse(block.text, json::kUpstream);
  if (!document || !document->root().is(json::Kind::object)) return std::nullopt;
  return std::string(document->root().raw());
}

}  // namespace

std::unique_ptr<EventWriter::Form> write_messages_events(Writing writing) {
  return std::make_unique<MessagesWriter>(std::move(writing));
}

Result<std::string> messages_answer(const Answer& answer, const Writing& writing) {
  const bool thinking = shows_thinking(writing);
  // A call that the limit cut short cannot be run; the stop reason says that the answer is not whole.
  const bool cut = answer.reason == StopReason::limit || answer.reason == StopReason::context_full ||
                   answer.reason == StopReason::filtered;
  ArrayWriter content;
  for (const auto& block : answer.blocks) {
    switch (block.kind) {
      case Kind::thinking:
        if (thinking) content.add(thinking_block(block.text, signature_of(block.origin, block.proof)));
        break;
      case Kind::redacted:
        if (thinking) content.add(redacted_block(block.origin, block.proof));
        break;
      case Kind::tool_begin: {
        const auto input = input_object(block);
        if (!input && cut) break;
        if (!input)
          return fail(Code::upstream_broken, Blame::upstream,
                      "the arguments of a call of the model are no JSON object");
        content.add(call_block(writing, block, *input));
        break;
      }
      case Kind::opaque:
        if (block.origin == Wire::messages) content.add(block.text);
        break;
      default:
        content.add(text_block(block.text, block.citations));
    }
  }
  return message_object(writing, std::move(content).take(),
                        messages_reason(answer.reason, !answer.refusal.empty()), answer.stop_string,
                        stop_details(answer.reason, answer.refusal), answer.usage);
}

}  // namespace sallyport::llm
