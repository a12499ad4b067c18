#pragma once
/// Skipping what needs no attention inside a JSON string.

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace sallyport::json {

/// Printable ASCII except the quote and the backslash: what stands in a string as itself.
inline bool is_plain(char c) {
  return c >= 0x20 && c != '"' && c != '\\' && static_cast<unsigned char>(c) < 0x80;
}

/// First byte at or behind `p` that is not plain; `end` when there is none.
inline const char* skip_plain(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i space = _mm_set1_epi8(0x20);
  while (end - p >= 16) {
    const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // The comparison is signed: it catches control characters and every byte from 0x80 on.
    const __m128i special =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)),
                     _mm_cmplt_epi8(block, space));
    if (const auto mask = static_cast<unsigned>(_mm_movemask_epi8(special)); mask != 0)
      return p + std::countr_zero(mask);
    p += 16;
  }
#else
  constexpr std::uint64_t ones = 0x0101010101010101U;
  constexpr std::uint64_t highs = 0x8080808080808080U;
  const auto zero_in = [](std::uint64_t word) { return (word - ones) & ~word & highs; };
  while (end - p >= 8) {
    std::uint64_t word;
    std::memcpy(&word, p, 8);
    const std::uint64_t special = zero_in(word ^ (ones * '"')) | zero_in(word ^ (ones * '\\')) |
                                  ((word - ones * 0x20) & ~word & highs) | (word & highs);
    if (special != 0) break;
    p += 8;
  }
#endif
  while (p != end && is_plain(*p)) ++p;
  return p;
}

}  // namespace sallyport::json
