#include "sallyport/core/characters.hpp"

#include <algorithm>

#include "sallyport/core/utf8.hpp"

namespace sallyport {
namespace {

struct Range {
  std::uint32_t first, last;
  std::string_view what;
};

// In order, without overlaps: it is searched by halves.
constexpr Range kHidden[] = {
    {0x00, 0x1A, "a control character"},
    {0x1B, 0x1B, "a terminal escape"},
    {0x1C, 0x1F, "a control character"},
    {0x7F, 0x9F, "a control character"},
    {0xAD, 0xAD, "an invisible character"},
    {0x034F, 0x034F, "an invisible character"},
    {0x061C, 0x061C, "a bidirectional control"},
    {0x115F, 0x1160, "an invisible character"},
    {0x17B4, 0x17B5, "an invisible character"},
    {0x180B, 0x180F, "an invisible character"},
    {0x200B, 0x200D, "a zero-width character"},
    {0x200E, 0x200F, "a bidirectional control"},
    {0x2028, 0x2029, "a line separator"},
    {0x202A, 0x202E, "a bidirectional control"},
    {0x2060, 0x2065, "a zero-width character"},
    {0x2066, 0x2069, "a bidirectional control"},
    {0x206A, 0x206F, "an invisible character"},
    {0x3164, 0x3164, "an invisible character"},
    {0xFE00, 0xFE0F, "a variation selector"},
    {0xFEFF, 0xFEFF, "a zero-width character"},
    {0xFFA0, 0xFFA0, "an invisible character"},
    {0xFFF0, 0xFFFB, "an invisible character"},
    {0x1BCA0, 0x1BCA3, "an invisible character"},
    {0x1D173, 0x1D17A, "an invisible character"},
    {0xE0000, 0xE007F, "tag characters, which people cannot see"},
    {0xE0080, 0xE00FF, "an invisible character"},
    {0xE0100, 0xE01EF, "variation selectors that carry hidden bytes"},
    {0xE01F0, 0xE0FFF, "an invisible character"},
};

}  // namespace

Letter letter_at(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t bytes = utf8_length(text.data(), text.data() + text.size());
  if (bytes <= 1) return {.code = lead, .bytes = bytes};
  std::uint32_t code = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) code = code << 6 | (static_cast<unsigned char>(text[i]) & 0x3FU);
  return {.code = code, .bytes = bytes};
}

std::string_view hidden_character(std::uint32_t code) {
  const auto it = std::ranges::lower_bound(kHidden, code, {}, &Range::last);
  return it != std::ranges::end(kHidden) && code >= it->first ? it->what : std::string_view();
}

bool joins_letters(std::uint32_t code) {
  return code == 0x200C || code == 0x200D || code == 0xAD || (code >= 0xFE00 && code <= 0xFE0F);
}

}  // namespace sallyport
