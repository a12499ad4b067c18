#pragma once
/// Bytes that names and values of header fields are made of (RFC 9110 §5.5, §5.6.2).

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

namespace sallyport::net {

constexpr std::array<bool, 256> kTokenBytes = [] {
  std::array<bool, 256> t{};
  for (unsigned char c = '0'; c <= '9'; ++c) t[c] = true;
  for (unsigned char c = 'a'; c <= 'z'; ++c) t[c] = t[static_cast<std::size_t>(c - 'a' + 'A')] = true;
  for (const char c : std::string_view("!#$%&'*+-.^_`|~")) t[static_cast<unsigned char>(c)] = true;
  return t;
}();

constexpr bool is_token_byte(char c) { return kTokenBytes[static_cast<unsigned char>(c)]; }
constexpr bool is_token(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, is_token_byte);
}

/// HTAB, SP, VCHAR and obs-text.
constexpr bool is_field_byte(char c) {
  const auto u = static_cast<unsigned char>(c);
  return (u == '\t') | ((u >= 0x20) & (u != 0x7F));
}
constexpr bool is_field_value(std::string_view text) {
  bool whole = true;  // without a branch: many bytes are judged at once
  for (const char c : text) whole &= is_field_byte(c);
  return whole;
}

}  // namespace sallyport::net
