#include "sallyport/mcp/names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/characters.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::mcp {

namespace {

constexpr std::size_t kHashDigits = 8;

bool is_exportable(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_printable_ascii(std::uint32_t c) { return c >= 0x20 && c < 0x7F; }

std::string_view reason_against(const Letter& c) {
  if (c.bytes == 0) return "bytes that are not UTF-8";
  if (const auto hidden = hidden_character(c.code); !hidden.empty()) return hidden;
  return c.code < 0x80 ? std::string_view{} : "a character outside ASCII";
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
    const Letter c = letter_at(rest);
    if (const auto reason = reason_against(c); !reason.empty()) {
      return refused_name(name, fmt::format("it contains {}", reason));
    }
    rest.remove_prefix(std::max<std::size_t>(c.bytes, 1));
  }
  if (name.front() == ' ' || name.back() == ' ') return refused_name(name, "it begins or ends with a space");
  return {};
}

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Letter c = letter_at(text);
    if (c.bytes == 1 && is_printable_ascii(c.code)) {
      out += text.front();
    } else if (c.bytes > 0) {
      fmt::format_to(std::back_inserter(out), "\\u{{{:x}}}", c.code);
    } else {
      fmt::format_to(std::back_inserter(out), "\\x{{{:02x}}}", c.code);
    }
    text.remove_prefix(std::max<std::size_t>(c.bytes, 1));
  }
  return out;
}

}  // namespace sallyport::mcp
