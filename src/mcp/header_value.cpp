#include <algorithm>

#include "sallyport/core/bytes.hpp"
#include "sallyport/mcp/headers.hpp"

namespace sallyport::mcp {

namespace {

constexpr std::string_view kOpen = "=?base64?";
constexpr std::string_view kClose = "?=";

bool is_plain(char c) { return c >= 0x20 && c < 0x7F; }

bool is_wrapped(std::string_view value) {
  return value.size() >= kOpen.size() + kClose.size() && value.starts_with(kOpen) && value.ends_with(kClose);
}

bool travels_as_it_is(std::string_view text) {
  if (text.empty()) return true;
  if (text.front() == ' ' || text.back() == ' ' || !std::ranges::all_of(text, is_plain)) return false;
  // Also what only resembles the wrapper is wrapped: another reader may be less exact about it.
  return !equal_ignoring_case(text.substr(0, kOpen.size()), kOpen);
}

}  // namespace

std::string encode_header_value(std::string_view text) {
  if (travels_as_it_is(text)) return std::string(text);
  std::string out(kOpen);
  out += base64(text);
  out += kClose;
  return out;
}

Result<std::string> decode_header_value(std::string_view value) {
  value = trim(value);
  if (!std::ranges::all_of(value, is_plain)) {
    return client_error(Code::header_mismatch, "a mirrored header holds bytes that must be encoded");
  }
  if (!is_wrapped(value)) return std::string(value);
  auto text = unbase64(value.substr(kOpen.size(), value.size() - kOpen.size() - kClose.size()));
  if (!text || !is_utf8(*text)) {
    return client_error(Code::header_mismatch, "a mirrored header is not the base64 form of UTF-8 text");
  }
  return std::move(*text);
}

}  // namespace sallyport::mcp
