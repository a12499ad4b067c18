#include "cel_literal.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "sallyport/core/utf8.hpp"

namespace sallyport::policy::cel {

namespace {

/// Code of so many digits, all of them of that base; nothing otherwise.
std::optional<std::uint32_t> digits(std::string_view text, std::size_t count, int base) {
  if (text.size() < count) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + count, value, base);
  if (error != std::errc{} || end != text.data() + count) return std::nullopt;
  return value;
}

/// What one letter behind a backslash stands for; 0 for none.
char control(char c) {
  switch (c) {
    case 'a':
      return '\a';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'v':
      return '\v';
    case '\\':
    case '?':
    case '"':
    case '\'':
    case '`':
      return c;
    default:
      return 0;
  }
}

}  // namespace

std::expected<std::string, SourceError> unescape(std::string_view text, bool bytes) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const auto wrong = [at](const char* what) {
      return std::unexpected(SourceError{static_cast<std::uint32_t>(at), what});
    };
    if (text[at] != '\\') {
      out += text[at++];
      continue;
    }
    const auto rest = text.substr(at + 1);
    if (rest.empty()) return wrong("a backslash ends this string; write two for one");
    if (const char c = control(rest[0])) {
      out += c;
      at += 2;
      continue;
    }
    std::optional<std::uint32_t> code;
    std::size_t size = 0;
    switch (rest[0]) {
      case 'x':
      case 'X':
        code = digits(rest.substr(1), 2, 16);
        size = 4;
        break;
      case 'u':
        code = digits(rest.substr(1), 4, 16);
        size = 6;
        break;
      case 'U':
        code = digits(rest.substr(1), 8, 16);
        size = 10;
        break;
      case '0':
      case '1':
      case '2':
      case '3':
        code = digits(rest, 3, 8);
        size = 4;
        break;
      default:
        return wrong("no such escape; write two backslashes for one, or r\"...\" for text without escapes");
    }
    if (!code) return wrong("this escape has too few digits");
    if (bytes && size > 4) return wrong("bytes take no Unicode escapes; write single bytes as \\xHH");
    if (*code > 0x10FFFF || (*code >= 0xD800 && *code < 0xE000)) return wrong("no character has this code");
    if (bytes)
      out += static_cast<char>(*code);
    else
      append_utf8(out, *code);
    at += size;
  }
  return out;
}

std::optional<double> parse_double(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || error == std::errc::invalid_argument) return std::nullopt;
  // Out of range may mean too small as well, which rounds to zero or a subnormal.
  if (error == std::errc::result_out_of_range) value = std::strtod(std::string(text).c_str(), nullptr);
  if (error != std::errc{} && !std::isfinite(value)) return std::nullopt;
  return value;
}

std::expected<Value, SourceError> number_of(const Token& token, bool negative) {
  const std::string sign = negative ? "-" : "";
  const auto wrong = [&](const char* what) { return std::unexpected(SourceError{token.at, what}); };
  if (token.word == Word::real) {
    const auto value = parse_double(sign + token.text);
    if (!value) return wrong("this number is beyond the range of a double");
    return *value;
  }
  const bool hex = token.text.starts_with("0x") || token.text.starts_with("0X");
  const auto digits_of = sign + token.text.substr(hex ? 2 : 0);
  const char* const end = digits_of.data() + digits_of.size();
  if (token.word == Word::uinteger) {
    std::uint64_t value = 0;
    if (std::from_chars(digits_of.data(), end, value, hex ? 16 : 10).ec != std::errc{})
      return wrong("this number is beyond the range of a uint (18446744073709551615)");
    return value;
  }
  std::int64_t value = 0;
  if (std::from_chars(digits_of.data(), end, value, hex ? 16 : 10).ec != std::errc{})
    return wrong("this number is beyond the range of an int; append u for a uint, or .0 for a double");
  return value;
}

}  // namespace sallyport::policy::cel
