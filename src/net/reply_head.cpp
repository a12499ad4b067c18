#include "reply_head.hpp"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

#include "field_syntax.hpp"

namespace sallyport::net {

namespace {

void append_number(std::string& out, std::size_t n) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), n).ptr;
  out.append(digits.data(), end);
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  if (!is_token(name) || !is_field_value(value)) return;
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::string_view date_line() {
  // Locale-free names: strftime would ask the environment.
  static constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  thread_local std::time_t made = -1;
  thread_local std::array<char, 64> text;
  thread_local std::size_t size = 0;
  const std::time_t now = std::time(nullptr);
  if (now != made) {
    std::tm t{};
    ::gmtime_r(&now, &t);
    size = static_cast<std::size_t>(std::snprintf(
        text.data(), text.size(), "Date: %s, %02d %s %d %02d:%02d:%02d GMT\r\n",
        kDays[static_cast<std::size_t>(t.tm_wday)], t.tm_mday, kMonths[static_cast<std::size_t>(t.tm_mon)],
        t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec));
    made = now;
  }
  return {text.data(), size};
}

void write_reply_head(std::string& out, const Reply& reply, ReplyShape shape) {
  out.assign(shape.minor_version == 0 ? "HTTP/1.0 " : "HTTP/1.1 ");
  append_number(out, static_cast<std::size_t>(reply.status));
  out.append(" ").append(reason_of(reply.status)).append("\r\n").append(date_line());
  if (!reply.content_type.empty()) append_line(out, "Content-Type", reply.content_type);
  for (const auto& [name, value] : reply.headers) append_line(out, name, value);
  const bool bodiless = reply.status == 204 || reply.status == 304 || reply.status < 200;
  if (shape.framing == ReplyFraming::chunked) {
    out.append("Transfer-Encoding: chunked\r\n");
  } else if (shape.framing == ReplyFraming::length && !bodiless) {
    out.append("Content-Length: ");
    append_number(out, reply.body.size());
    out.append("\r\n");
  }
  if (!shape.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (shape.minor_version == 0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

}  // namespace sallyport::net
