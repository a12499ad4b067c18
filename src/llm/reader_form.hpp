#pragma once
/// What the readers of the three wires share: state that every stream has, and how blocks are counted.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/event_reader.hpp"

namespace sallyport::llm {

class EventReader::Form {
 public:
  using Events = std::vector<Event>;

  explicit Form(Wire wire) : wire_(wire) {}
  Form(const Form&) = delete;
  Form& operator=(const Form&) = delete;
  virtual ~Form() = default;

  /// One event of the stream, which has not ended and holds JSON.
  virtual Result<void> read_event(std::string_view type, const json::Value& data, Events& out) = 0;
  /// The wire's end mark that is no JSON. True: this was it.
  virtual bool read_mark(std::string_view, Events&) { return false; }
  virtual Result<void> finish(Events& out);
  /// A whole answer.
  virtual Result<void> read_whole(const json::Value& body, Events& out) = 0;

  Result<void> read(std::string_view type, std::string_view data, Events& out);

  bool began() const { return began_; }
  bool ended() const { return ended_; }
  const Usage& usage() const { return usage_; }
  const std::string& id() const { return id_; }
  std::int64_t next_number() const { return next_number_; }

 protected:
  static Failure broken(std::string what) {
    return fail(Code::upstream_broken, Blame::upstream, std::move(what));
  }
  static std::string text_of(const std::optional<json::Value>& object, std::string_view name);
  static std::optional<json::Value> object_of(const json::Value& parent, std::string_view name);
  /// What the answer or event says went wrong; null says nothing.
  static std::optional<json::Value> error_in(const json::Value& answer);
  static std::int64_t index_of(const json::Value& object, std::string_view name, std::int64_t otherwise);

  /// The number of a new block.
  std::uint32_t next_block() { return blocks_++; }
  bool too_many_blocks() const { return blocks_ > limits::kAnswerBlocks; }

  void start(const json::Value& object, Events& out);
  /// What is new of a text, refusal or thought; nothing where it is empty.
  void say(Event::Kind kind, std::uint32_t block, std::string text, Events& out);
  void begin_tool(std::uint32_t block, std::string id, std::string name, bool custom, Events& out);
  void take_usage(const std::optional<json::Value>& said, Events& out);
  void stop(StopReason reason, std::string which, Events& out);
  void fail_with(WireError error, Events& out);
  void end(Events& out);

  const Wire wire_;
  bool started_ = false, began_ = false, ended_ = false, stopped_ = false, broken_ = false;
  std::string id_;
  Usage usage_;
  std::int64_t next_number_ = 0;

 private:
  std::uint32_t blocks_ = 0;
  std::size_t seen_ = 0;  // bytes of data
};

std::unique_ptr<EventReader::Form> read_chat_events();
std::unique_ptr<EventReader::Form> read_responses_events();
std::unique_ptr<EventReader::Form> read_messages_events();

}  // namespace sallyport::llm
