#pragma once
/// Server-sent events: an incremental reader for what upstreams send and the one writer of ours (WHATWG HTML, section 9.2).

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::mcp {

struct SseEvent {
  std::string type = "message";
  std::string data{};
  std::string last_id{};      ///< the stream's last event id after this event
  std::optional<int> retry{}; ///< milliseconds, where this event's block set it
};

/// Feed bytes in any cut; events come out when their blank line has arrived. CR, LF and CRLF end lines, U+2028 does not; a BOM at the
/// start is skipped; half an event at the end is never delivered. Bounds: limits::kSseEvent per event, lines included.
class SseReader {
 public:
  explicit SseReader(std::size_t max_event);
  /// Errors: too_large (then the reader is dead).
  Result<std::vector<SseEvent>> feed(std::string_view bytes);

 private:
  void line(std::string_view text, std::vector<SseEvent>& out);
  const std::size_t max_event_;
  std::string partial_;
  SseEvent event_;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool at_start_ = true;
  std::size_t size_ = 0;
};

/// One event of type message: "event: message\ndata: ...\n\n", or with an id line. `data` is one JSON text; CR and LF inside
/// (white space between tokens) become spaces, so exactly one data line is written.
std::string sse_frame(std::string_view data, std::string_view id = {});

}  // namespace sallyport::mcp
