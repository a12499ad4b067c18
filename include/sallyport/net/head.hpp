#pragma once
/// The strict check of a request head, which is also the only parser (RFC 9112; threats N01-N14). What two
/// parsers could read in two ways is refused, never repaired.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "sallyport/net/http.hpp"

namespace sallyport::net {

/// What the bytes at the front of a connection are.
struct HeadParse {
  enum class State : std::uint8_t {
    need_more,  ///< a good beginning, not whole yet
    complete,   ///< `request` is filled; `length` bytes belong to the head, its blank line included
    refused,    ///< `status` and `reason` say why; nothing that follows can be understood
  };
  State state = State::need_more;
  std::size_t length = 0;
  int status = 0;
  /// For records and metrics: "request_line", "preface", "version", "target", "path", "target_too_long",
  /// "line_end", "field", "fold", "head_too_large", "too_many_headers", "host", "authority",
  /// "content_length", "smuggling", "transfer_encoding", "connection", "expect".
  std::string_view reason{};
  /// Views into the bytes that were parsed; `head` stays untouched: who keeps the request copies the bytes
  /// there first.
  Request request{};
};

/// Reads a head from the front of `bytes`, reusing what `out` holds. The answer does not depend on how the
/// bytes were cut: of a head that is refused every beginning is "need more" or refused for the same reason.
void parse_head(std::string_view bytes, HeadParse& out);
HeadParse parse_head(std::string_view bytes);

}  // namespace sallyport::net
