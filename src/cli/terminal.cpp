#include "sallyport/cli/terminal.hpp"

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include "sallyport/core/characters.hpp"
#include "sallyport/core/clock.hpp"

namespace sallyport::cli {
namespace {

struct Range {
  std::uint32_t from, to;
};

template <std::size_t N>
bool within(std::uint32_t code, const Range (&ranges)[N]) {
  return std::ranges::any_of(ranges, [&](const Range& r) { return code >= r.from && code <= r.to; });
}

/// Emoji need their selectors; everything else that is hidden is shown as an escape.
bool obeyed(std::uint32_t code) {
  return !hidden_character(code).empty() && !(code >= 0xfe00 && code <= 0xfe0f);
}

std::size_t width(std::uint32_t code) {
  static constexpr Range kNone[] = {{0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},
                                    {0x64b, 0x65f},   {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},
                                    {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}};
  static constexpr Range kWide[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},  {0x3041, 0xa4cf},
                                    {0xac00, 0xd7a3},   {0xf900, 0xfaff},  {0xfe30, 0xfe6f},
                                    {0xff00, 0xff60},   {0xffe0, 0xffe6},  {0x1f300, 0x1f64f},
                                    {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
  if (within(code, kNone)) return 0;
  return within(code, kWide) ? 2 : 1;
}

std::string escaped(std::string_view text, bool keep_lines) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto letter = letter_at(text);
    if (letter.bytes == 0) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
      continue;
    }
    if (letter.code == '\n') {
      out += keep_lines ? "\n" : "\\n";
    } else if (letter.code == '\t') {
      out += keep_lines ? "\t" : "\\t";
    } else if (obeyed(letter.code)) {
      out += fmt::format("\\u{{{:x}}}", letter.code);
    } else {
      out += text.substr(0, letter.bytes);
    }
    text.remove_prefix(letter.bytes);
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, false); }
std::string printable_lines(std::string_view text) { return escaped(text, true); }

std::size_t columns(std::string_view text) {
  std::size_t out = 0;
  while (!text.empty()) {
    const auto letter = letter_at(text);
    out += letter.bytes == 0 ? 1 : width(letter.code);
    text.remove_prefix(std::max<std::size_t>(letter.bytes, 1));
  }
  return out;
}

Table::Table(std::vector<std::string> heading) { rows_.push_back(std::move(heading)); }

void Table::add(std::vector<std::string> row) {
  for (auto& cell : row) cell = cell.empty() ? "-" : printable(cell);
  row.resize(rows_[0].size(), "-");
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(rows_[0].size());
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string out;
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] - columns(row[i]) + 2, ' ');
    }
    out += '\n';
  }
  return out;
}

std::string time_text(std::int64_t millis) {
  auto text = rfc3339(time_of_millis(millis));
  if (text.size() < 19) return text;
  text[10] = ' ';
  return text.substr(0, 19);
}

std::string grouped(std::uint64_t number) {
  std::string out = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(out.size()) - 3; at > 0; at -= 3)
    out.insert(static_cast<std::size_t>(at), ",");
  return out;
}

std::string duration_text(std::int64_t micros) {
  if (micros < 1000) return fmt::format("{}us", micros);
  if (micros < 1'000'000) return fmt::format("{}ms", micros / 1000);
  return fmt::format("{:.1f}s", static_cast<double>(micros) / 1e6);
}

}  // namespace sallyport::cli
