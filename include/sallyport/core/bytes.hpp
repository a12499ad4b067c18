#pragma once
/// Encodings of bytes as text: hex, base64 (RFC 4648), and comparison that does not leak by timing.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

std::string hex(std::string_view bytes);
std::optional<std::string> unhex(std::string_view text);

std::string base64(std::string_view bytes);     ///< RFC 4648 §4, padded
std::string base64url(std::string_view bytes);  ///< RFC 4648 §5, no padding
/// Strict: alphabet, padding and zero trailing bits must be canonical.
std::optional<std::string> unbase64(std::string_view text);
std::optional<std::string> unbase64url(std::string_view text);

/// Same length and same bytes; the time taken does not depend on where they differ.
bool equal_secret(std::string_view a, std::string_view b);

/// ASCII only; other bytes stay.
std::string lower(std::string_view text);
bool equal_ignoring_case(std::string_view a, std::string_view b);
/// Strips spaces and tabs at both ends (RFC 9110 OWS).
std::string_view trim(std::string_view text);
/// Valid UTF-8 as RFC 3629 has it (no surrogates, no overlong forms).
bool is_utf8(std::string_view text);

}  // namespace sallyport
