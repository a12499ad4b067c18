#pragma once
/// What the writers of the three wires share.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/llm/event_writer.hpp"
#include "target.hpp"

namespace sallyport::llm {

class EventWriter::Form {
 public:
  explicit Form(Writing writing) : writing_(std::move(writing)) {}
  Form(const Form&) = delete;
  Form& operator=(const Form&) = delete;
  virtual ~Form() = default;
  virtual void write(const Event& event, std::string& out) = 0;
  virtual void fail(const WireError& error, std::string& out) = 0;
  bool ended() const { return ended_; }

 protected:
  const Writing writing_;
  bool ended_ = false;
};

std::unique_ptr<EventWriter::Form> write_chat_events(Writing writing);
std::unique_ptr<EventWriter::Form> write_responses_events(Writing writing);
std::unique_ptr<EventWriter::Form> write_messages_events(Writing writing);

/// One block of an answer, as far as it has come.
struct Block {
  Event::Kind kind = Event::Kind::text;  ///< text, refusal, thinking, redacted, tool_begin or opaque
  std::uint32_t number = 0;              ///< Event::block
  Wire origin = Wire::chat;
  std::string text{};   ///< what was said; arguments; raw JSON of an opaque block
  std::string proof{};  ///< thinking, redacted: raw JSON that its origin wants back
  std::string id{}, name{};
  bool custom = false;
  bool ended = false;  ///< a call: nothing more will come
  std::vector<Event> citations{};
};

/// A whole answer.
struct Answer {
  std::vector<Block> blocks{};
  StopReason reason = StopReason::done;
  std::string stop_string{};
  Usage usage{};
  std::string refusal{};  ///< all that was said in refusal
};

/// Where events of a block belong; a new one where the block was not seen before.
Block& block_of(std::vector<Block>& blocks, const Event& event);
/// Adds what the event says to its block.
void grow(Block& block, const Event& event);

Result<std::string> chat_answer(const Answer& answer, const Writing& writing);
Result<std::string> responses_answer(const Answer& answer, const Writing& writing);
Result<std::string> messages_answer(const Answer& answer, const Writing& writing);

/// A call as the client knows the tool: the name without its namespace, and the text of a custom tool taken
/// out of the arguments of the function that stood for it.
struct CalledTool {
  std::string name{}, space{};
  bool custom = false;
  bool unwrap = false;  ///< arguments hold {"input": text}
};
CalledTool called(const Writing& writing, std::string_view name, bool custom);
/// What a client of that tool gets: text that is no wrapped input stays as it is.
std::string input_of(const CalledTool& tool, std::string_view arguments);

/// A citation in the form of `to`; nullopt: it has none for it.
std::optional<std::string> citation_for(Wire to, const Event& citation);

/// Stop reasons as chat and Messages name them.
std::string_view chat_reason(StopReason reason);
std::string_view messages_reason(StopReason reason, bool refused);
/// The stop_details of a message, raw JSON; "null" but for a refusal.
std::string stop_details(StopReason reason, const std::string& refusal);

/// A `response` object of the Responses wire.
struct ResponseObject {
  std::string_view status;          ///< in_progress | completed | incomplete | failed
  std::string_view output = "[]";   ///< raw
  std::string_view error = "null";  ///< raw
  StopReason reason = StopReason::done;
  const Usage* usage = nullptr;
};
std::string response_object(const Writing& writing, const ResponseObject& response);

}  // namespace sallyport::llm
