#include "sallyport/mcp/twins.hpp"

#include <algorithm>

#include "sallyport/core/bytes.hpp"

namespace sallyport::mcp {

namespace {

// UTF-8 sequences that readers or eyes skip over.
constexpr std::string_view kInvisible[] = {
    "\xC2\x85",     "\xC2\xA0",     "\xC2\xAD",     "\xD8\x9C",     "\xE1\x9A\x80",
    "\xE1\xA0\x8E", "\xE2\x80\xAF", "\xE2\x81\x9F", "\xE3\x80\x80", "\xEF\xBB\xBF",
};

// U+2000-U+200F, U+2028-U+202E, U+2060-U+206F
bool is_invisible_punctuation(std::string_view three) {
  if (three.size() < 3 || three[0] != '\xE2') return false;
  const auto second = static_cast<unsigned char>(three[1]), third = static_cast<unsigned char>(three[2]);
  if (second == 0x81) return third >= 0xA0 && third <= 0xAF;
  return second == 0x80 && (third <= 0x8F || (third >= 0xA8 && third <= 0xAE));
}

std::size_t invisible_bytes(std::string_view text) {
  const auto c = static_cast<unsigned char>(text.front());
  if (c <= 0x20 || c == 0x7F) return 1;
  if (c < 0x80) return 0;
  if (is_invisible_punctuation(text)) return 3;
  for (const auto sequence : kInvisible) {
    if (text.starts_with(sequence)) return sequence.size();
  }
  return 0;
}

}  // namespace

std::string folded(std::string_view key) {
  std::string out;
  out.reserve(key.size());
  while (!key.empty()) {
    if (const std::size_t skip = invisible_bytes(key)) {
      key.remove_prefix(skip);
    } else if (key.starts_with("\xC5\xBF")) {
      out += 's';
      key.remove_prefix(2);
    } else if (key.starts_with("\xE2\x84\xAA")) {
      out += 'k';
      key.remove_prefix(3);
    } else {
      const char c = key.front();
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      key.remove_prefix(1);
    }
  }
  return out;
}

Result<void> refuse_twins(const json::Value& object, std::span<const std::string_view> known) {
  for (const auto& member : object.members()) {
    const std::string key = member.key();
    if (std::ranges::find(known, key) != known.end()) continue;
    const std::string fold = folded(key);
    if (std::ranges::any_of(known, [&](std::string_view k) { return equal_ignoring_case(k, fold); })) {
      return client_error(Code::bad_envelope,
                          "a member's name differs from a known one only in case or invisible characters");
    }
  }
  return {};
}

}  // namespace sallyport::mcp
