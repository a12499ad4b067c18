#include "plain_run.hpp"
#include "sallyport/core/utf8.hpp"
#include "sallyport/json/document.hpp"
#include "tape.hpp"

namespace sallyport::json {
namespace {

std::uint32_t unit_at(const char* digits) {
  std::uint32_t unit = 0;
  for (int i = 0; i < 4; ++i) {
    const auto c = static_cast<unsigned char>(digits[i]);
    // Checked hex digits: letters, whose bit 6 is set, stand 9 above their low nibble.
    unit = unit << 4 | ((c & 15U) + 9U * (c >> 6));
  }
  return unit;
}

void append_escape(std::string& out, char c) {
  constexpr std::string_view digits = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += "\\u00";
      out += digits[static_cast<unsigned char>(c) >> 4];
      out += digits[static_cast<unsigned char>(c) & 15U];
  }
}

}  // namespace

void append_decoded(std::string& out, std::string_view inner) {
  const char* p = inner.data();
  const char* const end = p + inner.size();
  while (p != end) {
    const auto* const stop =
        static_cast<const char*>(std::memchr(p, '\\', static_cast<std::size_t>(end - p)));
    out.append(p, stop ? stop : end);
    if (!stop) return;
    p = stop + 2;
    switch (stop[1]) {
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u': {
        std::uint32_t code = unit_at(p);
        p += 4;
        if (code >= 0xD800 && code <= 0xDBFF) {
          code = 0x10000 + ((code - 0xD800) << 10) + (unit_at(p + 2) - 0xDC00);
          p += 6;
        }
        append_utf8(out, code);
        break;
      }
      default:
        out += stop[1];
    }
  }
}

void append_quoted(std::string& out, std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  out += '"';
  while (p != end) {
    const char* const stop = skip_plain(p, end);
    out.append(p, stop);
    p = stop;
    if (p == end) break;
    if (static_cast<unsigned char>(*p) < 0x80) {
      append_escape(out, *p++);
    } else if (const std::size_t length = utf8_length(p, end); length != 0) {
      out.append(p, length);
      p += length;
    } else {
      out += "\xEF\xBF\xBD";
      ++p;
    }
  }
  out += '"';
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

}  // namespace sallyport::json
