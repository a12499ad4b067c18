#pragma once
/// Server-sent events: an incremental reader for what upstreams send and the one writer of ours (WHATWG HTML,
/// section 9.2).

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
  std::string last_id{};       ///< the stream's last event id after this event
  std::optional<int> retry{};  ///< milliseconds, where this event's block set it
};

/// Feed bytes in any cut; events come out when their blank line has arrived. CR, LF and CRLF end lines,
/// U+2028 does not; a BOM at the start is skipped; half an event at the end is never delivered.
/// Bounds: `max_event` bytes per event (limits::kSseEvent for upstreams), all its lines and comments
/// included.
class SseReader {
 public:
  explicit SseReader(std::size_t max_event);
  /// Errors: too_large (then the reader is dead). Events that were complete before the bound was crossed are
  /// delivered first: then dead() is already true and the next feed returns the error.
  Result<std::vector<SseEvent>> feed(std::string_view bytes);
  /// Nothing more will come out: close the stream.
  /// Bytes of the event that has begun and not ended.
  std::size_t pending() const { return size_; }
  bool dead() const { return dead_; }
  /// An event has begun whose blank line has not arrived.
  bool mid_event() const { return size_ > 0; }
  /// Where the stream can be taken up again: the id of the last whole block, also of one without data.
  const std::string& last_id() const { return last_id_; }
  /// How long to wait before that, as the stream said last; milliseconds.
  std::optional<int> retry() const { return retry_; }

 private:
  void line(std::string_view text, std::vector<SseEvent>& out);
  void field(std::string_view name, std::string_view value);
  const std::size_t max_event_;
  std::string partial_;
  SseEvent event_;
  std::string last_id_;
  std::optional<int> retry_;
  bool has_data_ = false;
  bool after_cr_ = false;
  bool at_start_ = true;
  bool dead_ = false;
  std::size_t size_ = 0;  // bytes of the block in hand
};

/// One event of type message: "event: message\ndata: ...\n\n", or with an id line. `data` is one JSON text;
/// CR and LF inside (white space between tokens) become spaces, so exactly one data line is written. CR, LF
/// and NUL are left out of `id`.
std::string sse_frame(std::string_view data, std::string_view id = {});

/// The first event of a resumable legacy stream: an id with empty data, and the delay in milliseconds after
/// which a client that lost the stream comes back (2025-11-25, transports).
std::string sse_priming_frame(std::string_view id, std::optional<int> retry = {});

/// A comment that keeps a silent stream open.
inline constexpr std::string_view kSseKeepAliveFrame = ":\n\n";

}  // namespace sallyport::mcp
