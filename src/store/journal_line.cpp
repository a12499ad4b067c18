#include "sallyport/store/journal_line.hpp"

#include <array>
#include <charconv>
#include <cstring>
#include <initializer_list>

#include "sallyport/core/limits.hpp"
#include "sallyport/core/unfilled.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::store {
namespace {

constexpr std::string_view kBegin = R"({"seq":)";
constexpr std::string_view kTime = R"(,"t":)";
constexpr std::string_view kType = R"(,"type":")";
constexpr std::string_view kPrev = R"(,"prev":")";
constexpr std::string_view kEnd = R"("})";
constexpr std::size_t kHashHex = 64;
constexpr std::size_t kTail = kPrev.size() + kHashHex + kEnd.size();

/// Nothing in it needs an escape in JSON.
bool is_plain(std::string_view text) {
  bool special = false;  // without a branch: many bytes are judged at once
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    special |= (byte < 0x20) | (byte >= 0x7f) | (byte == '"') | (byte == '\\');
  }
  return !special;
}

/// Both digits of every byte.
constexpr auto kHexPairs = [] {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::array<std::array<char, 2>, 256> pairs{};
  for (std::size_t i = 0; i < pairs.size(); ++i) pairs[i] = {kDigits[i >> 4U], kDigits[i & 15U]};
  return pairs;
}();

/// Appends the pieces, growing `out` once.
void append_all(std::string& out, std::initializer_list<std::string_view> pieces) {
  std::size_t at = out.size();
  std::size_t size = at;
  for (const std::string_view piece : pieces) size += piece.size();
  resize_unfilled(out, size);
  for (const std::string_view piece : pieces) at += piece.copy(out.data() + at, piece.size());
}

template <class T>
void append_integer(std::string& out, T value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

void append_hex(std::string& out, std::string_view bytes) {
  const std::size_t at = out.size();
  resize_unfilled(out, at + 2 * bytes.size());
  char* to = out.data() + at;
  for (const char c : bytes) {
    std::memcpy(to, kHexPairs[static_cast<unsigned char>(c)].data(), 2);
    to += 2;
  }
}

void append_key(std::string& out, std::string_view key) { append_all(out, {",\"", key, "\":"}); }

bool take(std::string_view& text, std::string_view expected) {
  if (!text.starts_with(expected)) return false;
  text.remove_prefix(expected.size());
  return true;
}

template <class T>
bool take_integer(std::string_view& text, T& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// Past the closing quote of a string whose opening quote stands at `at`; npos when it never closes.
std::size_t skip_string(std::string_view text, std::size_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return std::string_view::npos;
}

// Past the value that begins at `at`.
std::size_t skip_value(std::string_view text, std::size_t at) {
  int depth = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at = skip_string(text, at);
      if (at == std::string_view::npos) return at;
      if (depth == 0) return at;
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    }
    if (c == ',' && depth == 0) return at;
    ++at;
  }
  return at;
}

}  // namespace

void begin_line(std::string& out, const ChainHead& head, std::int64_t millis, std::string_view type) {
  out += kBegin;
  append_integer(out, head.seq + 1);
  out += kTime;
  append_integer(out, millis);
  out += kType;
  out += type;
  out += '"';
}

void add_text(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  if (is_plain(value)) return append_all(out, {",\"", key, "\":\"", value, "\""});
  append_key(out, key);
  json::append_quoted(out, value);
}

void add_raw(std::string& out, std::string_view key, std::string_view value) {
  if (value.empty()) return;
  append_all(out, {",\"", key, "\":", value});
}

void add_number(std::string& out, std::string_view key, std::int64_t value) {
  append_key(out, key);
  append_integer(out, value);
}

void add_hex(std::string& out, std::string_view key, std::string_view bytes) {
  append_all(out, {",\"", key, "\":\""});
  append_hex(out, bytes);
  out += '"';
}

void end_line(std::string& out, std::size_t begin, ChainHead& head) {
  out += kPrev;
  append_hex(out, view(head.hash));
  out += kEnd;
  head.hash = sha256(std::string_view(out).substr(begin));
  ++head.seq;
  out += '\n';
}

std::string_view body_of(std::string_view line) {
  const std::size_t from = line.find(kTime) + 1;
  return line.substr(from, line.size() - 1 - kTail - from);
}

void repeat_line(std::string& out, std::string_view body, ChainHead& head) {
  const std::size_t begin = out.size();
  out += kBegin;
  append_integer(out, head.seq + 1);
  out += ',';
  out += body;
  end_line(out, begin, head);
}

std::string_view LineView::member(std::string_view key) const {
  std::size_t at = 1;
  while (at < line.size() && line[at] == '"') {
    const std::size_t after = skip_string(line, at);
    if (after == std::string_view::npos || after >= line.size() || line[after] != ':') return {};
    const auto name = line.substr(at + 1, after - at - 2);
    const std::size_t value = after + 1;
    const std::size_t end = skip_value(line, value);
    if (end == std::string_view::npos) return {};
    if (name == key) {
      const bool quoted = line[value] == '"';
      return quoted ? line.substr(value + 1, end - value - 2) : line.substr(value, end - value);
    }
    if (end >= line.size() || line[end] != ',') return {};
    at = end + 1;
  }
  return {};
}

std::optional<LineView> parse_line(std::string_view line) {
  LineView out;
  out.line = line;
  std::string_view rest = line;
  if (rest.size() < kTail || !take(rest, kBegin) || !take_integer(rest, out.seq) || !take(rest, kTime) ||
      !take_integer(rest, out.millis) || !take(rest, kType))
    return std::nullopt;
  const auto quote = rest.find('"');
  if (quote == std::string_view::npos || rest.size() < quote + 1 + kTail) return std::nullopt;
  out.type = rest.substr(0, quote);
  auto tail = rest.substr(rest.size() - kTail);
  if (!take(tail, kPrev) || !tail.ends_with(kEnd)) return std::nullopt;
  out.prev = tail.substr(0, kHashHex);
  for (const char c : out.prev) {
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return std::nullopt;
  }
  return out;
}

Digest salted_digest(std::string_view salt, std::string_view payload, std::string& scratch) {
  scratch.assign(salt);
  scratch += payload;
  const Digest digest = sha256(scratch);
  if (scratch.capacity() > limits::MiB) std::string().swap(scratch);
  return digest;
}

}  // namespace sallyport::store
