#include "sallyport/llm/event_reader.hpp"

#include "reader_form.hpp"
#include "usage_text.hpp"

namespace sallyport::llm {
namespace {

std::unique_ptr<EventReader::Form> form_of(Wire from) {
  switch (from) {
    case Wire::chat:
      return read_chat_events();
    case Wire::responses:
      return read_responses_events();
    case Wire::messages:
      return read_messages_events();
  }
  return read_chat_events();
}

}  // namespace

std::string EventReader::Form::text_of(const std::optional<json::Value>& object, std::string_view name) {
  const auto value = object ? object->find(name) : std::nullopt;
  return value ? value->string().value_or("") : std::string{};
}

std::optional<json::Value> EventReader::Form::object_of(const json::Value& parent, std::string_view name) {
  const auto value = parent.find(name);
  return value && value->is(json::Kind::object) ? value : std::nullopt;
}

std::optional<json::Value> EventReader::Form::error_in(const json::Value& answer) {
  const auto error = answer.find("error");
  return error && !error->is(json::Kind::null) ? error : std::nullopt;
}

std::int64_t EventReader::Form::index_of(const json::Value& object, std::string_view name,
                                         std::int64_t otherwise) {
  const auto value = object.find(name);
  return value ? value->integer().value_or(otherwise) : otherwise;
}

Result<void> EventReader::Form::read(std::string_view type, std::string_view data, Events& out) {
  if (broken_) return broken("the stream is broken");
  if (ended_) return {};
  seen_ += data.size();
  if (seen_ > limits::kUpstreamBody) {
    broken_ = true;
    return broken("the answer is larger than what is read of one");
  }
  if (read_mark(data, out)) return {};
  const auto document = json::Document::parse(std::string(data), json::kUpstream);
  if (!document || !document->root().is(json::Kind::object)) {
    broken_ = true;
    return broken("an event of the stream is no JSON object");
  }
  auto read = read_event(type, document->root(), out);
  if (read && too_many_blocks()) read = broken("the answer has more parts than are read of one");
  if (!read) broken_ = true;
  return read;
}

Result<void> EventReader::Form::finish(Events&) {
  if (broken_) return broken("the stream is broken");
  if (!ended_) return broken("the stream ended in the middle of the answer");
  return {};
}

void EventReader::Form::start(const json::Value& object, Events& out) {
  if (started_) return;
  started_ = true;
  id_ = text_of(object, "id");
  out.push_back({.kind = Event::Kind::started, .origin = wire_, .id = id_, .name = text_of(object, "model")});
}

void EventReader::Form::say(Event::Kind kind, std::uint32_t block, std::string text, Events& out) {
  if (text.empty()) return;
  began_ = true;
  out.push_back({.kind = kind, .origin = wire_, .block = block, .text = std::move(text)});
}

void EventReader::Form::begin_tool(std::uint32_t block, std::string id, std::string name, bool custom,
                                   Events& out) {
  began_ = true;
  // Without an id no result could be sent back for it.
  if (id.empty()) id = "call_" + id_ + "_" + std::to_string(block);
  out.push_back({.kind = Event::Kind::tool_begin,
                 .origin = wire_,
                 .custom = custom,
                 .block = block,
                 .id = std::move(id),
                 .name = std::move(name)});
}

void EventReader::Form::take_usage(const std::optional<json::Value>& said, Events& out) {
  if (!said || !said->is(json::Kind::object) || !read_usage(wire_, *said, usage_)) return;
  out.push_back({.kind = Event::Kind::usage, .origin = wire_, .usage = usage_});
}

void EventReader::Form::stop(StopReason reason, std::string which, Events& out) {
  if (stopped_) return;
  stopped_ = true;
  out.push_back({.kind = Event::Kind::stop, .reason = reason, .origin = wire_, .text = std::move(which)});
}

void EventReader::Form::fail_with(WireError error, Events& out) {
  ended_ = true;
  out.push_back({.kind = Event::Kind::failed, .origin = wire_, .error = std::move(error)});
}

void EventReader::Form::end(Events& out) {
  if (ended_) return;
  stop(StopReason::done, {}, out);
  ended_ = true;
  out.push_back({.kind = Event::Kind::done, .origin = wire_});
}

EventReader::EventReader(Wire from) : form_(form_of(from)) {}
EventReader::EventReader(EventReader&&) noexcept = default;
EventReader& EventReader::operator=(EventReader&&) noexcept = default;
EventReader::~EventReader() = default;

Result<void> EventReader::read(std::string_view type, std::string_view data, std::vector<Event>& out) {
  return form_->read(type, data, out);
}
Result<void> EventReader::finish(std::vector<Event>& out) { return form_->finish(out); }
bool EventReader::content_began() const { return form_->began(); }
bool EventReader::ended() const { return form_->ended(); }
const Usage& EventReader::usage() const { return form_->usage(); }
const std::string& EventReader::id() const { return form_->id(); }
std::int64_t EventReader::next_number() const { return form_->next_number(); }

Result<std::vector<Event>> read_answer(Wire from, json::Value body) {
  if (!body.is(json::Kind::object))
    return fail(Code::upstream_broken, Blame::upstream, "the answer is no JSON object");
  const auto form = form_of(from);
  std::vector<Event> out;
  if (auto read = form->read_whole(body, out); !read) return std::unexpected(std::move(read.error()));
  return out;
}

}  // namespace sallyport::llm
