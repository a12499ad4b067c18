#include "sallyport/mcp/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::mcp {

namespace {

constexpr std::size_t kHashDigits = 8;

bool is_exportable(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_printable_ascii(char32_t c) { return c >= 0x20 && c < 0x7F; }

struct Decoded {
  char32_t point = 0;
  std::size_t bytes = 1;
  bool valid = false;
};

// One code point at the front of `text` (not empty); an invalid sequence is one byte long.
Decoded decode_front(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return {.point = lead, .bytes = 1, .valid = true};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || !is_utf8(text.substr(0, bytes)) || text.size() < bytes) {
    return {.point = lead, .bytes = 1, .valid = false};
  }
  char32_t point = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    point = (point << 6) | (static_cast<unsigned char>(text[i]) & 0x3FU);
  }
  return {.point = point, .bytes = bytes, .valid = true};
}

struct Range {
  char32_t first, last;
  std::string_view reason;
};
constexpr Range kRefused[] = {
    {0x1B, 0x1B, "a terminal escape"},           {0x00, 0x1F, "a control character"},
    {0x7F, 0x9F, "a control character"},         {0x00AD, 0x00AD, "an invisible character"},
    {0x061C, 0x061C, "a bidirectional control"}, {0x180E, 0x180E, "an invisible character"},
    {0x200B, 0x200D, "a zero-width character"},  {0x200E, 0x200F, "a bidirectional control"},
    {0x2028, 0x2029, "a line separator"},        {0x202A, 0x202E, "a bidirectional control"},
    {0x2060, 0x2064, "a zero-width character"},  {0x2066, 0x2069, "a bidirectional control"},
    {0xFE00, 0xFE0F, "a variation selector"},    {0xFEFF, 0xFEFF, "a zero-width character"},
    {0xE0000, 0xE007F, "a tag character"},       {0xE0100, 0xE01EF, "a variation selector"},
};

std::string_view reason_against(const Decoded& c) {
  if (!c.valid) return "bytes that are not UTF-8";
  for (const Range& range : kRefused) {
    if (c.point >= range.first && c.point <= range.last) return range.reason;
  }
  return c.point < 0x80 ? std::string_view{} : "a character outside ASCII";
}

Failure refused_name(std::string_view name, std::string_view reason) {
  constexpr std::size_t kShown = 80;
  return fail(Code::upstream_broken, Blame::upstream,
              fmt::format("name \"{}\"{} refused: {}", escaped(name.substr(0, kShown)),
                          name.size() > kShown ? "..." : "", reason));
}

}  // namespace

std::string canonical_name(std::string_view server, std::string_view name) {
  return fmt::format("{}/{}", server, name);
}

std::string exported_name(std::string_view server, std::string_view name,
                          const std::optional<std::string>& prefix) {
  std::string out = prefix ? *prefix : fmt::format("{}__", server);
  out += name;
  const bool changed = !std::ranges::all_of(out, is_exportable);
  if (!changed && out.size() <= limits::kExportedName) return out;
  std::ranges::replace_if(out, [](char c) { return !is_exportable(c); }, '_');
  out.resize(std::min(out.size(), limits::kExportedName - kHashDigits - 1));
  out += '_';
  out += sha256_hex(canonical_name(server, name)).substr(0, kHashDigits);
  return out;
}

Result<void> check_definition_name(std::string_view name) {
  if (name.empty()) return refused_name(name, "it is empty");
  if (name.size() > limits::kNameBytes) {
    return refused_name(name, fmt::format("it is longer than {} bytes", limits::kNameBytes));
  }
  for (std::string_view rest = name; !rest.empty();) {
    const Decoded c = decode_front(rest);
    if (const auto reason = reason_against(c); !reason.empty()) {
      return refused_name(name, fmt::format("it contains {}", reason));
    }
    rest.remove_prefix(c.bytes);
  }
  if (name.front() == ' ' || name.back() == ' ') return refused_name(name, "it begins or ends with a space");
  return {};
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Decoded c = decode_front(text);
    if (c.valid && is_printable_ascii(c.point)) {
      out += text.front();
    } else if (c.valid) {
      fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", static_cast<std::uint32_t>(c.point));
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{{{:02x}}}", static_cast<std::uint32_t>(c.point));
    }
    text.remove_prefix(c.bytes);
  }
  return out;
}

}  // namespace sallyport::mcp
