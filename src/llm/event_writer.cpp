#include "sallyport/llm/event_writer.hpp"

#include <algorithm>

#include "writer_form.hpp"

namespace sallyport::llm {
namespace {

using Kind = Event::Kind;

std::unique_ptr<EventWriter::Form> form_of(Wire to, Writing writing) {
  switch (to) {
    case Wire::chat:
      return write_chat_events(std::move(writing));
    case Wire::responses:
      return write_responses_events(std::move(writing));
    case Wire::messages:
      return write_messages_events(std::move(writing));
  }
  return write_chat_events(std::move(writing));
}

}  // namespace

EventWriter::EventWriter(Wire to, Writing writing) : form_(form_of(to, std::move(writing))) {}
EventWriter::EventWriter(EventWriter&&) noexcept = default;
EventWriter& EventWriter::operator=(EventWriter&&) noexcept = default;
EventWriter::~EventWriter() = default;

void EventWriter::write(const Event& event, std::string& out) {
  if (form_->ended()) return;
  if (event.kind == Kind::failed) return form_->fail(event.error, out);
  form_->write(event, out);
}

void EventWriter::fail(const WireError& error, std::string& out) {
  if (!form_->ended()) form_->fail(error, out);
}

bool EventWriter::ended() const { return form_->ended(); }

Result<std::string> write_answer(Wire to, const std::vector<Event>& events, const Writing& writing) {
  Answer answer;
  bool done = false;
  for (const auto& event : events) {
    switch (event.kind) {
      case Kind::started:
        break;
      case Kind::usage:
        answer.usage = event.usage;
        break;
      case Kind::stop:
        answer.reason = event.reason;
        answer.stop_string = event.text;
        break;
      case Kind::failed:
        return fail(Code::upstream_broken, Blame::upstream, "the answer failed: " + event.error.message);
      case Kind::done:
        done = true;
        break;
      default:
        if (event.kind == Kind::refusal) answer.refusal += event.text;
        grow(block_of(answer.blocks, event), event);
    }
  }
  if (!done) return fail(Code::upstream_broken, Blame::upstream, "the answer has no end");
  switch (to) {
    case Wire::chat:
      return chat_answer(answer, writing);
    case Wire::responses:
      return responses_answer(answer, writing);
    case Wire::messages:
      return messages_answer(answer, writing);
  }
  return chat_answer(answer, writing);
}

std::string keep_alive(Wire wire) {
  return wire == Wire::messages ? "event: ping\ndata: {\"type\":\"ping\"}\n\n" : ": keep-alive\n\n";
}

}  // namespace sallyport::llm
