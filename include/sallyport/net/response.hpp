#pragma once
/// Response heads and chunked bodies of upstreams, checked strictly: ambiguity is refused, never repaired
/// (RFC 9112).

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/net/http.hpp"

namespace sallyport::net {

/// How the end of a body is found.
enum class BodyEnd : std::uint8_t { none, length, chunked, close };

/// Views point into the bytes that were parsed.
struct ResponseHead {
  int status = 0;
  Headers headers;
  BodyEnd body = BodyEnd::none;
  std::uint64_t content_length = 0;           ///< where `body` is length
  bool keep_alive = false;                    ///< HTTP/1.1 and no "Connection: close"
  std::optional<std::uint32_t> idle_seconds;  ///< what "Keep-Alive: timeout=" promises
};

/// Bytes of the head at the front of `bytes`, its blank line included; 0 when it is not whole yet.
/// `seen` bytes were looked at before without finding the end; `head_method`: the request was HEAD.
/// Errors: upstream_broken, at the first byte that cannot be right or when a bound of limits.hpp is passed.
Result<std::size_t> parse_response_head(std::string_view bytes, std::size_t seen, bool head_method,
                                        ResponseHead& out);

/// Decodes a chunked body piece by piece (RFC 9112 §7.1). Extensions and trailers are checked, counted and
/// dropped.
class ChunkDecoder {
 public:
  struct Step {
    std::size_t used = 0;      ///< bytes of the input that are done with
    std::string_view payload;  ///< part of those; may be empty
  };
  /// Consumes framing and at most one run of payload, and what framing follows it. Errors: upstream_broken;
  /// sticky.
  Result<Step> next(std::string_view in);
  bool done() const { return state_ == State::done; }

 private:
  enum class State : std::uint8_t {
    size,
    size_more,
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    line,
    trailer_name,
    trailer,
    line_lf,
    end_lf,
    done,
    broken
  };
  bool take(char c);

  State state_ = State::size;
  std::uint64_t left_ = 0;
  std::size_t line_ = 0;  // bytes of the size line, or of all trailers
};

}  // namespace sallyport::net
