#pragma once
/// The words of an expression.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::policy::cel {

/// What is wrong in the source, and at which byte.
struct SourceError {
  std::uint32_t at = 0;
  std::string what;
};

enum class Word : std::uint8_t {
  end,
  name,         ///< text: the name, reserved words included
  quoted_name,  ///< `text`
  integer,
  uinteger,
  real,
  string,  ///< text: decoded
  bytes,   ///< text: decoded
  symbol,  ///< text: one of ( ) [ ] { } . , : ? + - * / % ! < > <= >= == != && ||
};

struct Token {
  Word word = Word::end;
  std::uint32_t at = 0;      ///< first byte in the source
  std::string_view spelt{};  ///< in the source
  std::string text{};        ///< of a string, bytes or name, decoded; digits of a number
  bool is(std::string_view symbol) const { return word == Word::symbol && spelt == symbol; }
  bool named(std::string_view name) const { return word == Word::name && spelt == name; }
};

/// The last token is Word::end. Tokens borrow the source.
std::expected<std::vector<Token>, SourceError> tokens_of(std::string_view source);

}  // namespace sallyport::policy::cel
