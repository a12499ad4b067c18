#include "sallyport/net/response.hpp"

#include <algorithm>
#include <string>

#include "field_syntax.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::net {
namespace {

constexpr std::size_t kLengthDigits = 18;  // any such number fits 64 bits

bool is_digit(char c) { return c >= '0' && c <= '9'; }

Failure broken(std::string_view why) {
  return fail(Code::upstream_broken, Blame::upstream, "response head refused: " + std::string(why));
}

/// The line without its CRLF, and `rest` behind it. A bare CR or LF stays in the line, where no check lets it
/// through.
std::string_view take_line(std::string_view& rest) {
  const std::size_t end = rest.find("\r\n");
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(end + 2);
  return line;
}

/// Calls `each` with every element of a comma-separated list.
template <class F>
void for_each_element(std::string_view list, F each) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    each(trim(list.substr(0, comma)));
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
}

Result<void> parse_status_line(std::string_view line, ResponseHead& out) {
  if (!line.starts_with("HTTP/1.") || line.size() < 12 || (line[7] != '0' && line[7] != '1') ||
      line[8] != ' ') {
    return broken("not HTTP/1.0 or HTTP/1.1");
  }
  if (!std::ranges::all_of(line.substr(9, 3), is_digit) || (line.size() > 12 && line[12] != ' ')) {
    return broken("status is not three digits");
  }
  if (!is_field_value(line)) return broken("control character in the status line");
  out.status = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (out.status < 100 || out.status > 599) return broken("status outside 100 to 599");
  out.keep_alive = line[7] == '1';
  return {};
}

Result<Header> parse_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return broken("header line without a colon");
  const std::string_view name = line.substr(0, colon);
  if (!is_token(name)) return broken("header name is not a token");
  const std::string_view value = line.substr(colon + 1);
  if (!is_field_value(value)) return broken("control character in a header");
  return Header{name, trim(value)};
}

Result<std::uint64_t> parse_length(std::string_view value) {
  if (value.empty() || value.size() > kLengthDigits || !std::ranges::all_of(value, is_digit)) {
    return broken("Content-Length is not a number");
  }
  std::uint64_t n = 0;
  for (const char c : value) n = n * 10 + static_cast<std::uint64_t>(c - '0');
  return n;
}

std::optional<std::uint32_t> parse_idle(std::string_view value) {
  std::optional<std::uint32_t> out;
  for_each_element(value, [&](std::string_view element) {
    if (element.size() <= 8 || !equal_ignoring_case(element.substr(0, 8), "timeout=")) return;
    const std::string_view digits = element.substr(8);
    if (digits.size() > 6 || !std::ranges::all_of(digits, is_digit)) return;
    std::uint32_t n = 0;
    for (const char c : digits) n = n * 10 + static_cast<std::uint32_t>(c - '0');
    out = n;
  });
  return out;
}

/// What the header lines say about the message's end and the connection (RFC 9112 §6.3, §9.3).
Result<void> read_framing(ResponseHead& out, bool head_method) {
  bool has_length = false;
  bool chunked = false;
  const bool http10 = !out.keep_alive;
  for (const Header& h : out.headers.lines) {
    // The names that matter differ in length: most lines cost one comparison of two numbers.
    if (h.name.size() == 14 && equal_ignoring_case(h.name, "content-length")) {
      if (has_length) return broken("two Content-Length lines");
      auto n = parse_length(h.value);
      if (!n) return Failure(std::move(n.error()));
      out.content_length = *n;
      has_length = true;
    } else if (h.name.size() == 17 && equal_ignoring_case(h.name, "transfer-encoding")) {
      if (chunked) return broken("two Transfer-Encoding lines");
      if (!equal_ignoring_case(h.value, "chunked")) return broken("Transfer-Encoding is not exactly chunked");
      chunked = true;
    } else if (h.name.size() == 10 && equal_ignoring_case(h.name, "connection")) {
      for_each_element(h.value, [&](std::string_view e) {
        if (equal_ignoring_case(e, "close")) out.keep_alive = false;
      });
    } else if (h.name.size() == 10 && equal_ignoring_case(h.name, "keep-alive")) {
      out.idle_seconds = parse_idle(h.value);
    }
  }
  if (chunked && has_length) return broken("both Content-Length and Transfer-Encoding");
  if (chunked && http10) return broken("Transfer-Encoding in HTTP/1.0");
  if (head_method || out.status < 200 || out.status == 204 || out.status == 304) {
    out.body = BodyEnd::none;
  } else if (chunked) {
    out.body = BodyEnd::chunked;
  } else if (has_length) {
    out.body = out.content_length == 0 ? BodyEnd::none : BodyEnd::length;
  } else {
    out.body = BodyEnd::close;
    out.keep_alive = false;
  }
  return {};
}

}  // namespace

Result<std::size_t> parse_response_head(std::string_view bytes, std::size_t seen, bool head_method,
                                        ResponseHead& out) {
  // What cannot be HTTP is refused with its first bytes: it may never send a blank line.
  constexpr std::string_view kBegin = "HTTP/1.";
  const std::size_t check = std::min(bytes.size(), kBegin.size());
  if (bytes.substr(0, check) != kBegin.substr(0, check)) return broken("not HTTP/1.0 or HTTP/1.1");
  const std::size_t found = bytes.find("\r\n\r\n", seen < 3 ? 0 : seen - 3);
  if (found == std::string_view::npos) {
    if (bytes.size() >= limits::kHeadBytes) return broken("it is too large");
    return std::size_t{0};
  }
  const std::size_t size = found + 4;
  if (size > limits::kHeadBytes) return broken("it is too large");

  std::string_view rest = bytes.substr(0, size - 2);
  out.headers.lines.clear();
  out.content_length = 0;
  out.idle_seconds.reset();
  if (auto fine = parse_status_line(take_line(rest), out); !fine) return Failure(std::move(fine.error()));
  while (!rest.empty()) {
    if (out.headers.lines.size() >= limits::kHeaderCount) return broken("too many header lines");
    auto header = parse_header(take_line(rest));
    if (!header) return Failure(std::move(header.error()));
    out.headers.lines.push_back(*header);
  }
  if (auto fine = read_framing(out, head_method); !fine) return Failure(std::move(fine.error()));
  return size;
}

bool ChunkDecoder::take(char c) {
  switch (state_) {
    case State::size:
    case State::size_more: {
      const int digit = is_digit(c)              ? c - '0'
                        : (c >= 'a' && c <= 'f') ? c - 'a' + 10
                        : (c >= 'A' && c <= 'F') ? c - 'A' + 10
                                                 : -1;
      if (digit >= 0) {
        if (left_ >> 56) return false;
        left_ = left_ << 4 | static_cast<std::uint64_t>(digit);
        state_ = State::size_more;
      } else if (state_ == State::size) {
        return false;
      } else if (c == ';') {
        state_ = State::extension;
      } else if (c == '\r') {
        state_ = State::size_lf;
      } else {
        return false;
      }
      return ++line_ <= limits::kChunkLineBytes;
    }
    case State::extension:
      if (c == '\r') {
        state_ = State::size_lf;
      } else if (!is_field_byte(c)) {
        return false;
      }
      return ++line_ <= limits::kChunkLineBytes;
    case State::size_lf:
      line_ = 0;
      state_ = left_ == 0 ? State::line : State::data;
      return c == '\n';
    case State::data_cr:
      state_ = State::data_lf;
      return c == '\r';
    case State::data_lf:
      state_ = State::size;
      return c == '\n';
    case State::line:
      state_ = c == '\r' ? State::end_lf : State::trailer_name;
      return c == '\r' || (is_token_byte(c) && ++line_ <= limits::kTrailerBytes);
    case State::trailer_name:
      if (c == ':') state_ = State::trailer;
      return (c == ':' || is_token_byte(c)) && ++line_ <= limits::kTrailerBytes;
    case State::trailer:
      if (c == '\r') state_ = State::line_lf;
      return (c == '\r' || is_field_byte(c)) && ++line_ <= limits::kTrailerBytes;
    case State::line_lf:
      state_ = State::line;
      return c == '\n';
    case State::end_lf:
      state_ = State::done;
      return c == '\n';
    case State::data:
    case State::done:
    case State::broken:
      break;
  }
  return false;
}

Result<ChunkDecoder::Step> ChunkDecoder::next(std::string_view in) {
  Step step;
  while (step.used < in.size() && state_ != State::done) {
    if (state_ == State::data) {
      // One run at a time; the framing behind it was taken already, so that the end is seen with the last
      // byte.
      if (!step.payload.empty()) return step;
      const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(left_, in.size() - step.used));
      step.payload = in.substr(step.used, n);
      step.used += n;
      left_ -= n;
      if (left_ == 0) state_ = State::data_cr;
    } else if (!take(in[step.used++])) {
      state_ = State::broken;
      return fail(Code::upstream_broken, Blame::upstream, "chunked body refused: bad framing");
    }
  }
  return step;
}

}  // namespace sallyport::net
