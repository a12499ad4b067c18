#include "sallyport/core/bytes.hpp"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "sallyport/core/utf8.hpp"

namespace sallyport {
namespace {

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t kInvalid = 0xFF;

constexpr std::array<std::uint8_t, 256> reverse(std::string_view alphabet) {
  std::array<std::uint8_t, 256> table{};
  table.fill(kInvalid);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  return table;
}
constexpr auto kFromStandard = reverse(kStandard);
constexpr auto kFromUrl = reverse(kUrl);

template <class Word>
Word word_at(std::string_view text, std::size_t at) {
  Word word;
  std::memcpy(&word, text.data() + at, sizeof word);
  return word;
}

/// Every byte of `word` that is an upper-case ASCII letter made a lower-case one.
template <class Word>
constexpr Word lower_word(Word word) {
  constexpr Word kEach = static_cast<Word>(0x0101010101010101U);
  constexpr Word kHigh = kEach * 0x80;
  const Word low = word & ~kHigh;
  const Word from_a = low + kEach * (0x80 - 'A');
  const Word past_z = low + kEach * (0x80 - 'Z' - 1);
  return word | ((from_a & ~past_z & ~word & kHigh) >> 2U);
}

std::uint32_t octet(char c) { return static_cast<unsigned char>(c); }

std::string encode(std::string_view in, std::string_view alphabet, bool padded) {
  std::string out;
  out.reserve((in.size() + 2) / 3 * 4);
  std::size_t i = 0;
  for (; i + 3 <= in.size(); i += 3) {
    const std::uint32_t bits = octet(in[i]) << 16 | octet(in[i + 1]) << 8 | octet(in[i + 2]);
    out += alphabet[bits >> 18];
    out += alphabet[bits >> 12 & 63];
    out += alphabet[bits >> 6 & 63];
    out += alphabet[bits & 63];
  }
  if (const std::size_t left = in.size() - i; left != 0) {
    const std::uint32_t bits = octet(in[i]) << 16 | (left == 2 ? octet(in[i + 1]) << 8 : 0);
    out += alphabet[bits >> 18];
    out += alphabet[bits >> 12 & 63];
    if (left == 2) out += alphabet[bits >> 6 & 63];
    if (padded) out.append(3 - left, '=');
  }
  return out;
}

std::optional<std::string> decode(std::string_view in, const std::array<std::uint8_t, 256>& table) {
  if (in.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(in.size() / 4 * 3 + 2);
  std::uint32_t bits = 0;
  unsigned held = 0;  // bits not yet written
  for (const char c : in) {
    const std::uint8_t six = table[static_cast<unsigned char>(c)];
    if (six == kInvalid) return std::nullopt;
    bits = bits << 6 | six;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out += static_cast<char>(bits >> held & 0xFF);
    }
  }
  if ((bits & ((1U << held) - 1)) != 0) return std::nullopt;
  return out;
}

int nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char lower_byte(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

}  // namespace

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out(bytes.size() * 2, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = digits[octet(bytes[i]) >> 4];
    out[2 * i + 1] = digits[octet(bytes[i]) & 15];
  }
  return out;
}

std::optional<std::string> unhex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string out(text.size() / 2, '\0');
  for (std::size_t i = 0; i < out.size(); ++i) {
    const int high = nibble(text[2 * i]);
    const int low = nibble(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out[i] = static_cast<char>(high << 4 | low);
  }
  return out;
}

std::string base64(std::string_view bytes) { return encode(bytes, kStandard, true); }
std::string base64url(std::string_view bytes) { return encode(bytes, kUrl, false); }

std::optional<std::string> unbase64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.ends_with('=')) text.remove_suffix(1);
  if (text.ends_with('=')) text.remove_suffix(1);
  return decode(text, kFromStandard);
}

std::optional<std::string> unbase64url(std::string_view text) { return decode(text, kFromUrl); }

bool equal_secret(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(), lower_byte);
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  const auto differ = [&]<class Word>(std::size_t at, Word) {
    return lower_word(word_at<Word>(a, at)) != lower_word(word_at<Word>(b, at));
  };
  // The last word may reach back over bytes that were compared before.
  if (a.size() >= 8) {
    for (std::size_t at = 0; at + 8 < a.size(); at += 8) {
      if (differ(at, std::uint64_t{})) return false;
    }
    return !differ(a.size() - 8, std::uint64_t{});
  }
  if (a.size() >= 4) return !differ(0, std::uint32_t{}) && !differ(a.size() - 4, std::uint32_t{});
  return std::ranges::equal(a, b, {}, lower_byte, lower_byte);
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_utf8(std::string_view text) {
  const char* p = text.data();
  const char* const end = p + text.size();
  while (p != end) {
    if (std::uint64_t word; end - p >= 8) {
      std::memcpy(&word, p, 8);
      if ((word & 0x8080808080808080U) == 0) {
        p += 8;
        continue;
      }
    }
    const std::size_t length = utf8_length(p, end);
    if (length == 0) return false;
    p += length;
  }
  return true;
}

}  // namespace sallyport
