#pragma once
/// What literals of an expression stand for.

#include <expected>
#include <string>
#include <string_view>

#include "cel_lexer.hpp"
#include "cel_value.hpp"

namespace sallyport::policy::cel {

/// Resolves the escapes of a string, or of bytes, where \x and octal ones are single bytes.
/// Errors: the place in `text` and what is wrong with the escape there.
std::expected<std::string, SourceError> unescape(std::string_view text, bool bytes);

/// The number that a token of Word::integer, uinteger or real spells.
std::expected<Value, SourceError> number_of(const Token& token, bool negative);

/// A double as text gives it, too small ones rounded; nothing unless all of it is one number, and finite.
std::optional<double> parse_double(std::string_view text);

}  // namespace sallyport::policy::cel
