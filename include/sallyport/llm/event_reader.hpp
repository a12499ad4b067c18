#pragma once
/// What providers answer, streamed or whole, as events.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/event.hpp"
#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

/// Incremental: one per upstream stream. What it keeps is bounded by limits::kUpstreamBody.
class EventReader {
 public:
  explicit EventReader(Wire from);
  EventReader(EventReader&&) noexcept;
  EventReader& operator=(EventReader&&) noexcept;
  ~EventReader();

  /// One server-sent event: its type ("message" where the stream names none) and its data. Appends what it
  /// means: often nothing. What follows the end is not read. An error that the provider reports is
  /// Event::failed, no Error.
  /// Errors: upstream_broken (no JSON, no event of this wire, or more than is kept); then it stays broken.
  Result<void> read(std::string_view type, std::string_view data, std::vector<Event>& out);

  /// The upstream's stream is over: appends what was still due (done, on a chat stream that never said so).
  /// Call it once, also where ended() is already true.
  /// Errors: upstream_broken when the answer has no proper end.
  Result<void> finish(std::vector<Event>& out);

  bool content_began() const;     ///< real content was seen: it is too late for another provider
  bool ended() const;             ///< done or failed was appended
  const Usage& usage() const;     ///< what was said of it until now
  const std::string& id() const;  ///< of the answer, as the provider has it; empty: not said yet
  /// Responses: the number that the next event has; 0 before the first, and on the other wires.
  std::int64_t next_number() const;

  /// Of one wire; internal.
  class Form;

 private:
  std::unique_ptr<Form> form_;
};

/// A whole answer as the same events, ending in done or failed.
/// Errors: upstream_broken.
Result<std::vector<Event>> read_answer(Wire from, json::Value body);

}  // namespace sallyport::llm
