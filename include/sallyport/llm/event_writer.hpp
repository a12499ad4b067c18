#pragma once
/// Events as the client's wire has them: a stream while they come, or one whole answer.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/llm/event.hpp"
#include "sallyport/llm/request.hpp"
#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

struct Writing {
  std::string id{};          ///< of the answer; what it contains gets ids made of it
  std::int64_t created = 0;  ///< Unix seconds
  std::string model{};       ///< as the client asked
  bool wants_usage = false;  ///< chat streams: the chunk with the usage
  /// Responses: the number of the first event. Above 0 the client has had the beginning of this answer
  /// already.
  std::int64_t first_number = 0;
  /// What a response object repeats, which tools were custom, whether thinking was asked for. Borrowed until
  /// the writer ends; null: unknown.
  const Request* request = nullptr;
};

/// One per stream to a client. Frames come out whole. Calls whose arguments interleave are held back where
/// the wire knows only one open block.
class EventWriter {
 public:
  EventWriter(Wire to, Writing writing);
  EventWriter(EventWriter&&) noexcept;
  EventWriter& operator=(EventWriter&&) noexcept;
  ~EventWriter();

  /// Appends server-sent events. After the end nothing is written.
  void write(const Event& event, std::string& out);
  /// The stream fails here, and says so in the wire's own form. Nothing follows.
  void fail(const WireError& error, std::string& out);
  bool ended() const;

  /// Of one wire; internal.
  class Form;

 private:
  std::unique_ptr<Form> form_;
};

/// A whole body. Requires: the events end in done.
/// Errors: upstream_broken: failed is among them, or the arguments of a finished call are no JSON object
/// where the wire demands one.
Result<std::string> write_answer(Wire to, const std::vector<Event>& events, const Writing& writing);

/// What keeps a silent stream open: a comment, or the wire's own ping.
std::string keep_alive(Wire wire);

}  // namespace sallyport::llm
