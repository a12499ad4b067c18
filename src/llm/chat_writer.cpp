/// Chat completions, as answered to a client.

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

// Raw JSON of others may hold line ends between its tokens, which would end a data line.
void append_data(std::string& out, std::string_view json) {
  out += "data: ";
  const auto at = out.size();
  out += json;
  std::replace_if(
      out.begin() + static_cast<std::ptrdiff_t>(at), out.end(), [](char c) { return c == '\n' || c == '\r'; },
      ' ');
  out += "\n\n";
}

// The details of a thought, as elements of `reasoning_details`.
void add_details(ArrayWriter& details, Wire origin, std::string_view proof) {
  if (origin != Wire::chat) {
    ObjectWriter out;
    out.add("type", R"("reasoning.encrypted")");
    out.add_text("data", carry(origin, proof));
    out.add_text("format", "sallyport");
    return details.add(std::move(out).take());
  }
  // The wire's own readable text went out as it came; only its details are left.
  const auto document = json::Document::parse(std::string(proof), json::kUpstream);
  const auto own = document ? document->root().find("reasoning_details") : std::nullopt;
  if (!own) return;
  for (const auto detail : own->elements()) details.add(detail.raw());
}

std::string call_object(const CalledTool& tool, std::string_view id, std::string_view arguments,
                        std::optional<std::size_t> index) {
  ObjectWriter inner(arguments.size() + tool.name.size() + 64);
  inner.add_text("name", flat_name(tool.space, tool.name));
  inner.add_text(tool.custom ? "input" : "arguments", arguments);
  ObjectWriter out;
  if (index) out.add_number("index", static_cast<std::int64_t>(*index));
  out.add_text("id", id);
  out.add_text("type", tool.custom ? "custom" : "function");
  out.add(tool.custom ? "custom" : "function", std::move(inner).take());
  return std::move(out).take();
}

class ChatWriter : public EventWriter::Form {
 public:
  explicit ChatWriter(Writing writing) : Form(std::move(writing)) {
    ObjectWriter head;
    head.add_text("id", writing_.id);
    head.add("object", R"("chat.completion.chunk")");
    head.add_number("created", writing_.created);
    head.add_text("model", writing_.model);
    head_ = std::move(head).take();
    head_.pop_back();
  }

  void write(const Event& event, std::string& out) override {
    if (!begun_) {
      begun_ = true;
      delta(R"({"role":"assistant","content":""})", out);
    }
    switch (event.kind) {
      case Kind::text:
        return text_delta("content", event.text, out);
      case Kind::refusal:
        return text_delta("refusal", event.text, out);
      case Kind::thinking:
        return text_delta("reasoning_content", event.text, out);
      case Kind::signature:
      case Kind::redacted:
        return details(event, out);
      case Kind::tool_begin:
        calls_.push_back({.block = event.block, .tool = called(writing_, event.name, event.custom)});
        return array_delta("tool_calls", call_object(calls_.back().tool, event.id, "", calls_.size() - 1),
                           out);
      case Kind::tool_arguments:
      case Kind::tool_end:
        return arguments(event, out);
      case Kind::citation:
        if (const auto citation = citation_for(Wire::chat, event)) array_delta("annotations", *citation, out);
        return;
      case Kind::usage:
        usage_ = event.usage;
        return;
      case Kind::stop:
        return finish(event.reason, out);
      case Kind::done:
        return end(out);
      default:
        return;
    }
  }

  void fail(const WireError& error, std::string& out) override {
    ended_ = true;
    append_data(out, write_error(Wire::chat, error, {}));
  }

 private:
  struct Call {
    std::uint32_t block = 0;
    CalledTool tool{};
    std::string held{};  // arguments that are unwrapped at their end
  };

  void chunk(std::string_view choices, std::string_view usage, std::string& out) const {
    append_data(out, fmt::format(R"({},"choices":{}{}{}}})", head_, choices,
                                 usage.empty() ? "" : R"(,"usage":)", usage));
  }

  void delta(std::string_view raw, std::string& out) const {
    chunk(fmt::format(R"([{{"index":0,"delta":{},"finish_reason":null}}])", raw),
          writing_.wants_usage ? "null" : "", out);
  }

  void text_delta(std::string_view name, std::string_view text, std::string& out) const {
    ObjectWriter raw(text.size() + 32);
    raw.add_text(name, text);
    delta(std::move(raw).take(), out);
  }

  void array_delta(std::string_view name, std::string_view element, std::string& out) const {
    ObjectWriter raw(element.size() + 32);
    raw.add(name, fmt::format("[{}]", element));
    delta(std::move(raw).take(), out);
  }

  void details(const Event& event, std::string& out) const {
    ArrayWriter list;
    add_details(list, event.origin, event.text);
    if (list.empty()) return;
    ObjectWriter raw;
    raw.add("reasoning_details", std::move(list).take());
    delta(std::move(raw).take(), out);
  }

  void arguments(const Event& event, std::string& out) {
    const auto same = std::ranges::find(calls_.rbegin(), calls_.rend(), event.block, &Call::block);
    if (same == calls_.rend()) return;
    std::string text = event.text;
    if (same->tool.unwrap) {
      same->held += text;
      if (event.kind != Kind::tool_end) return;
      text = input_of(same->tool, same->held);
    }
    if (text.empty()) return;
    const bool custom = same->tool.custom;
    ObjectWriter inner(text.size() + 32);
    inner.add_text(custom ? "input" : "arguments", text);
    ObjectWriter call;
    call.add_number("index", std::distance(calls_.begin(), same.base()) - 1);
    call.add(custom ? "custom" : "function", std::move(inner).take());
    array_delta("tool_calls", std::move(call).take(), out);
  }

  void finish(StopReason reason, std::string& out) {
    if (std::exchange(finished_, true)) return;
    chunk(fmt::format(R"([{{"index":0,"delta":{{}},"finish_reason":"{}"}}])", chat_reason(reason)),
          writing_.wants_usage ? "null" : "", out);
  }

  void end(std::string& out) {
    finish(StopReason::done, out);
    if (writing_.wants_usage) chunk("[]", write_usage(Wire::chat, usage_), out);
    out += "data: [DONE]\n\n";
    ended_ = true;
  }

  std::string head_;
  bool begun_ = false, finished_ = false;
  Usage usage_;
  std::vector<Call> calls_;
};

}  // namespace

std::unique_ptr<EventWriter::Form> write_chat_events(Writing writing) {
  return std::make_unique<ChatWriter>(std::move(writing));
}

Result<std::string> chat_answer(const Answer& answer, const Writing& writing) {
  std::string text, thinking;
  bool any_text = false;
  ArrayWriter calls, details, notes;
  for (const auto& block : answer.blocks) {
    switch (block.kind) {
      case Kind::text:
        any_text = true;
        text += block.text;
        for (const auto& citation : block.citations) {
          if (const auto note = citation_for(Wire::chat, citation)) notes.add(*note);
        }
        break;
      case Kind::thinking:
      case Kind::redacted:
        thinking += block.text;
        if (!block.proof.empty()) add_details(details, block.origin, block.proof);
        break;
      case Kind::tool_begin: {
        const auto tool = called(writing, block.name, block.custom);
        calls.add(call_object(tool, block.id, input_of(tool, block.text), std::nullopt));
        break;
      }
      default:
        break;
    }
  }
  ObjectWriter message(text.size() + thinking.size() + 256);
  message.add("role", R"("assistant")");
  message.add("content", any_text ? json::quote(text) : "null");
  message.add("refusal", answer.refusal.empty() ? "null" : json::quote(answer.refusal));
  if (!thinking.empty()) message.add_text("reasoning_content", thinking);
  if (!details.empty()) message.add("reasoning_details", std::move(details).take());
  if (!notes.empty()) message.add("annotations", std::move(notes).take());
  if (!calls.empty()) message.add("tool_calls", std::move(calls).take());
  ObjectWriter out;
  out.add_text("id", writing.id);
  out.add("object", R"("chat.completion")");
  out.add_number("created", writing.created);
  out.add_text("model", writing.model);
  out.add("choices", fmt::format(R"([{{"index":0,"message":{},"logprobs":null,"finish_reason":"{}"}}])",
                                 std::move(message).take(), chat_reason(answer.reason)));
  if (answer.usage.known) out.add("usage", write_usage(Wire::chat, answer.usage));
  return std::move(out).take();
}

}  // namespace sallyport::llm
