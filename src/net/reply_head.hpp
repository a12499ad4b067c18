#pragma once
/// The head of an answer as bytes.

#include <cstddef>
#include <optional>
#include <string>

#include "sallyport/net/http.hpp"

namespace sallyport::net {

enum class ReplyFraming : std::uint8_t { length, chunked, until_close };

struct ReplyShape {
  ReplyFraming framing = ReplyFraming::length;
  int minor_version = 1;
  bool keep_alive = true;
};

/// Replaces what `out` holds. A header that no field could carry is left out.
void write_reply_head(std::string& out, const Reply& reply, ReplyShape shape);

/// "Date: Sat, 21 Nov 2026 00:00:00 GMT\r\n" (RFC 9110 §6.6.1), made once a second. Threads: any; valid until
/// the next call.
std::string_view date_line();

}  // namespace sallyport::net
