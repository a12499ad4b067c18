/// Chat completions, as answered.

#include <algorithm>

#include "reader_form.hpp"
#include "sallyport/json/object_writer.hpp"

namespace sallyport::llm {
namespace {

using Kind = Event::Kind;

/// Whether the JSON text that arrives in pieces is one whole object.
class WholeObject {
 public:
  void feed(std::string_view text) {
    for (const char c : text) step(c);
  }
  bool whole() const { return begun_ && depth_ == 0; }

 private:
  void step(char c) {
    if (in_string_) {
      if (escaped_)
        escaped_ = false;
      else if (c == '\\')
        escaped_ = true;
      else if (c == '"')
        in_string_ = false;
      return;
    }
    if (c == '"') in_string_ = true;
    if (c == '{' || c == '[') ++depth_, begun_ = true;
    if ((c == '}' || c == ']') && depth_ > 0) --depth_;
  }
  std::size_t depth_ = 0;
  bool begun_ = false, in_string_ = false, escaped_ = false;
};

struct Call {
  std::int64_t index = 0;
  std::uint32_t block = 0;
  std::string id{}, name{}, held{};  // held: arguments that came before the name
  bool custom = false, begun = false, ended = false, any = false;
  WholeObject arguments{};
};

struct Finish {
  StopReason reason = StopReason::done;
  bool failed = false;
};

bool one_of(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, text) != names.end();
}

// Beside OpenAI's own, what providers of this wire are known to say.
Finish finish_of(std::string_view reason, bool called) {
  if (one_of(reason, {"length", "max_tokens", "model_length"})) return {.reason = StopReason::limit};
  if (one_of(reason, {"tool_calls", "function_call", "tool_use"})) return {.reason = StopReason::tools};
  if (one_of(reason, {"content_filter", "safety", "SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT",
                      "SPII", "refusal"}))
    return {.reason = StopReason::filtered};
  if (one_of(reason, {"error", "malformed_function_call", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL",
                      "insufficient_system_resource"}))
    return {.failed = true};
  return {.reason = called ? StopReason::tools : StopReason::done};
}

class ChatReader : public EventReader::Form {
 public:
  ChatReader() : Form(Wire::chat) {}

  bool read_mark(std::string_view data, Events& out) override {
    if (data != "[DONE]") return false;
    settle(out);
    end(out);
    return true;
  }

  Result<void> read_event(std::string_view, const json::Value& data, Events& out) override {
    if (const auto error = error_in(data)) {
      fail_with(read_error(Wire::chat, status_in(*error), data.raw()), out);
      return {};
    }
    start(data, out);
    if (const auto choices = data.find("choices")) {
      for (const auto choice : choices->elements()) {
        if (index_of(choice, "index", 0) != 0) continue;
        if (const auto delta = object_of(choice, "delta")) {
          if (auto read = read_delta(*delta, out); !read) return read;
        }
        read_finish(choice, out);
        if (ended()) return {};
      }
    }
    read_usage_of(data, out);
    return {};
  }

  Result<void> finish(Events& out) override {
    // Some providers close the stream after the last chunk without the mark.
    if (!broken_ && stopped_) end(out);
    return Form::finish(out);
  }

  Result<void> read_whole(const json::Value& body, Events& out) override {
    if (const auto error = error_in(body)) {
      fail_with(read_error(Wire::chat, status_in(*error), body.raw()), out);
      return {};
    }
    start(body, out);
    const auto choices = body.find("choices");
    if (!choices || !choices->is(json::Kind::array) || choices->size() == 0)
      return broken("a completion without choices");
    const auto choice = *choices->elements().begin();
    const auto message = object_of(choice, "message");
    if (!message) return broken("a choice without a message");
    if (auto read = read_delta(*message, out); !read) return read;
    if (too_many_blocks()) return broken("the answer has more parts than are read of one");
    read_finish(choice, out);
    if (ended()) return {};
    read_usage_of(body, out);
    settle(out);
    end(out);
    return {};
  }

 private:
  static int status_in(const json::Value& error) {
    const auto code = error.find("code");
    return code ? static_cast<int>(std::clamp<std::int64_t>(code->integer().value_or(0), 0, 999)) : 0;
  }

  void read_usage_of(const json::Value& data, Events& out) {
    auto said = object_of(data, "usage");
    const auto groq = said ? std::nullopt : object_of(data, "x_groq");
    if (groq) said = object_of(*groq, "usage");
    take_usage(said, out);
  }

  // Text, refusal and thinking follow one another; where the kind changes a new block begins.
  void speak(Kind kind, std::string text, Events& out) {
    if (text.empty()) return;
    if (speaking_ != kind) {
      end_thinking(out);
      speaking_ = kind;
      spoken_ = next_block();
    }
    say(kind, spoken_, std::move(text), out);
  }

  void end_thinking(Events& out) {
    if (thought_.empty() && !details_any_) return;
    json::ObjectWriter raw(thought_.size() + 64);
    if (!thought_.empty()) raw.add_text(thought_name_, thought_);
    if (details_any_) raw.add("reasoning_details", std::exchange(details_, {}).take());
    const bool readable = !thought_.empty();
    began_ = true;
    out.push_back({.kind = readable ? Kind::signature : Kind::redacted,
                   .origin = Wire::chat,
                   .block = readable ? spoken_ : next_block(),
                   .text = std::move(raw).take()});
    thought_.clear();
    details_any_ = false;
    speaking_ = Kind::done;
  }

  void read_thinking(const json::Value& delta, Events& out) {
    for (const auto name : {"reasoning_content", "reasoning"}) {
      auto text = text_of(delta, name);
      if (text.empty()) continue;
      speak(Kind::thinking, text, out);
      thought_name_ = name;
      thought_ += text;
      break;  // some providers send both names with the same text
    }
    const auto details = delta.find("reasoning_details");
    if (!details || !details->is(json::Kind::array)) return;
    for (const auto detail : details->elements()) {
      details_.add(detail.raw());
      details_any_ = true;
    }
  }

  Result<void> read_delta(const json::Value& delta, Events& out) {
    read_thinking(delta, out);
    const auto content = delta.find("content");
    if (content && content->is(json::Kind::array)) {
      for (const auto part : content->elements()) speak(Kind::text, text_of(part, "text"), out);
    } else {
      speak(Kind::text, text_of(delta, "content"), out);
    }
    speak(Kind::refusal, text_of(delta, "refusal"), out);
    if (const auto notes = delta.find("annotations")) {
      for (const auto note : notes->elements()) {
        if (speaking_ != Kind::text) break;
        out.push_back({.kind = Kind::citation,
                       .origin = Wire::chat,
                       .block = spoken_,
                       .text = std::string(note.raw())});
      }
    }
    const auto calls = delta.find("tool_calls");
    if (!calls) return {};
    std::int64_t position = 0;
    for (const auto call : calls->elements()) {
      if (auto read = read_call(call, index_of(call, "index", position++), out); !read) return read;
    }
    return {};
  }

  // Some providers give every call the same index and only another id.
  Call& call_at(std::int64_t index, const std::string& id) {
    const auto same =
        std::find_if(calls_.rbegin(), calls_.rend(), [&](const Call& call) { return call.index == index; });
    if (same != calls_.rend() && (id.empty() || same->id.empty() || same->id == id)) return *same;
    return calls_.emplace_back(Call{.index = index});
  }

  Result<void> read_call(const json::Value& value, std::int64_t index, Events& out) {
    end_thinking(out);
    speaking_ = Kind::done;
    const auto custom = object_of(value, "custom");
    const auto inner = custom ? custom : object_of(value, "function");
    const auto id = text_of(value, "id");
    if (calls_.size() > limits::kAnswerBlocks)
      return broken("the answer has more calls than are read of one");
    auto& call = call_at(index, id);
    if (call.id.empty()) call.id = id;
    if (call.name.empty()) call.name = text_of(inner, "name");
    call.custom = call.custom || custom.has_value();
    auto arguments = text_of(inner, custom ? "input" : "arguments");
    const auto whole = inner ? inner->find("arguments") : std::nullopt;
    if (whole && whole->is(json::Kind::object)) arguments = std::string(whole->raw());
    if (call.ended && arguments.find_first_not_of(" \t\r\n") != std::string::npos)
      return broken("arguments go on after their end");
    if (call.ended) return {};
    begin(call, out);
    feed(call, std::move(arguments), out);
    return {};
  }

  void begin(Call& call, Events& out) {
    if (call.begun || call.name.empty()) return;
    // What came before is mostly whole by now, and then wires with one open block need not wait.
    for (auto& other : calls_) {
      if (&other != &call && other.begun && !other.custom && other.arguments.whole()) end_call(other, out);
    }
    call.begun = true;
    call.block = next_block();
    begin_tool(call.block, call.id, call.name, call.custom, out);
    feed(call, std::exchange(call.held, {}), out);
  }

  static void feed(Call& call, std::string arguments, Events& out) {
    if (arguments.empty()) return;
    if (!call.begun) {
      call.held += arguments;
      return;
    }
    call.any = true;
    call.arguments.feed(arguments);
    out.push_back({.kind = Kind::tool_arguments,
                   .origin = Wire::chat,
                   .custom = call.custom,
                   .block = call.block,
                   .text = std::move(arguments)});
  }

  static void end_call(Call& call, Events& out) {
    if (call.ended || !call.begun) return;
    if (!call.any && !call.custom) feed(call, "{}", out);
    call.ended = true;
    out.push_back({.kind = Kind::tool_end, .origin = Wire::chat, .custom = call.custom, .block = call.block});
  }

  void settle(Events& out) {
    end_thinking(out);
    for (auto& call : calls_) end_call(call, out);
  }

  void read_finish(const json::Value& choice, Events& out) {
    const auto reason = text_of(choice, "finish_reason");
    if (reason.empty() || stopped_) return;
    settle(out);
    const bool called = std::ranges::any_of(calls_, &Call::begun);
    const auto finish = finish_of(reason, called);
    if (finish.failed)
      return fail_with({.status = 502,
                        .type = "server_error",
                        .message = "the provider ended the answer as failed: " + reason.substr(0, 64)},
                       out);
    stop(finish.reason, {}, out);
  }

  Kind speaking_ = Kind::done;  // text, refusal or thinking; done: none of them
  std::uint32_t spoken_ = 0;
  std::string thought_, thought_name_;
  json::ArrayWriter details_;
  bool details_any_ = false;
  std::vector<Call> calls_;
};

}  // namespace

std::unique_ptr<EventReader::Form> read_chat_events() { return std::make_unique<ChatReader>(); }

}  // namespace sallyport::llm
