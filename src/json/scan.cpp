#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "key_check.hpp"
#include "plain_run.hpp"
#include "sallyport/core/utf8.hpp"
#include "tape.hpp"

namespace sallyport::json {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// One pass over the bytes without recursion. The byte behind the last is the string's NUL, which no rule of
/// the grammar accepts, so single look-aheads need no comparison with the end.
class Scan {
 public:
  Scan(Tape& tape, const Rules& rules)
      : tape_(tape), rules_(rules), base_(tape.bytes.data()), end_(base_ + tape.bytes.size()), p_(base_) {}

  Result<void> run();

 private:
  enum class Next : std::uint8_t { value, after_value, refused };

  Next value();
  Next open();
  Next after_value();
  bool close();
  bool key();
  bool string();
  /// Behind the escape that begins at `p`; null when it was refused.
  const char* escape(const char* p);
  bool number();
  bool literal(std::string_view word);
  void skip_space() {
    while (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t') ++p_;
  }
  std::uint32_t offset(const char* p) const { return static_cast<std::uint32_t>(p - base_); }
  std::uint32_t here() const { return tape_.slots.size(); }
  bool in_object() const { return tape_.first(open_) == '{'; }
  bool refuse(const char* at, const char* why) {
    at_ = at;
    why_ = at == end_ && *at == '\0' ? "the document ends too early" : why;
    return false;
  }

  static constexpr std::uint32_t kNone = ~std::uint32_t{0};

  Tape& tape_;
  const Rules& rules_;
  const char* const base_;
  const char* const end_;
  const char* p_;
  const char* at_ = nullptr;  // of the refusal
  const char* why_ = "";
  // The open containers are a list through the first halves of their second slots, which get their own
  // meaning on closing.
  std::uint32_t open_ = kNone;
  int depth_ = 0;
  KeyCheck keys_;
};

Result<void> Scan::run() {
  if (tape_.bytes.starts_with("\xEF\xBB\xBF"))
    return client_error(Code::bad_json, "offset 0: a byte order mark may not stand before JSON");
  for (Next next = Next::value; next != Next::refused;) {
    if (next == Next::value) {
      next = value();
    } else if (open_ != kNone) {
      next = after_value();
    } else {
      skip_space();
      if (p_ == end_) return {};
      refuse(p_, "nothing may follow the document's value");
      break;
    }
  }
  return client_error(Code::bad_json, fmt::format("offset {}: {}", at_ - base_, why_));
}

Scan::Next Scan::value() {
  skip_space();
  bool good = false;
  switch (*p_) {
    case '{':
    case '[':
      return open();
    case '"':
      good = string();
      break;
    case 't':
      good = literal("true");
      break;
    case 'f':
      good = literal("false");
      break;
    case 'n':
      good = literal("null");
      break;
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
      good = number();
      break;
    default:
      refuse(p_, "a value must stand here");
  }
  return good ? Next::after_value : Next::refused;
}

Scan::Next Scan::open() {
  if (++depth_ > rules_.max_depth) {
    refuse(p_, "arrays and objects are nested too deeply");
    return Next::refused;
  }
  const std::uint32_t at = here();
  const bool object = *p_ == '{';
  tape_.slots.push({offset(p_), 0});
  tape_.slots.push({open_, 0});
  open_ = at;
  ++p_;
  skip_space();
  if (*p_ == (object ? '}' : ']')) return close() ? Next::after_value : Next::refused;
  tape_.slots[at + 1].b = 1;
  if (object && !key()) return Next::refused;
  return Next::value;
}

Scan::Next Scan::after_value() {
  const bool object = in_object();
  skip_space();
  if (*p_ == ',') {
    ++p_;
    ++tape_.slots[open_ + 1].b;
    if (object) {
      skip_space();
      if (!key()) return Next::refused;
    }
    return Next::value;
  }
  if (*p_ == (object ? '}' : ']')) return close() ? Next::after_value : Next::refused;
  refuse(p_, object ? "',' or '}' must follow a member" : "',' or ']' must follow an element");
  return Next::refused;
}

bool Scan::close() {
  Slot& range = tape_.slots[open_];
  Slot& content = tape_.slots[open_ + 1];
  if (rules_.unique_keys && *p_ == '}') {
    if (const auto twice = keys_.repeated(tape_, open_, here(), content.b))
      return refuse(base_ + tape_.slots[*twice].a, "the object has this key twice");
  }
  range.b = offset(++p_);
  open_ = std::exchange(content.a, here());
  --depth_;
  return true;
}

bool Scan::key() {
  if (*p_ != '"') return refuse(p_, "a key in quotes must stand here");
  if (!string()) return false;
  skip_space();
  if (*p_ != ':') return refuse(p_, "':' must follow a key");
  ++p_;
  return true;
}

bool Scan::string() {
  const char* p = p_ + 1;
  std::uint32_t escaped = 0;
  for (;;) {
    p = skip_plain(p, end_);
    if (*p == '"') break;
    if (*p == '\\') {
      escaped = Tape::kEscaped;
      p = escape(p);
      if (!p) return false;
    } else if (static_cast<unsigned char>(*p) < 0x20) {
      return refuse(p, "control characters in a string must be escaped");
    } else {
      do {
        const std::size_t length = utf8_length(p, end_);
        if (length == 0) return refuse(p, "the string is not UTF-8");
        p += length;
      } while (static_cast<unsigned char>(*p) >= 0x80);
    }
  }
  ++p;
  tape_.slots.push({offset(p_), offset(p) | escaped});
  p_ = p;
  return true;
}

/// Value of the four hex digits at `p`; -1 when they are not four. Stops at the NUL behind the document.
int hex4(const char* p) {
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const char c = p[i];
    int digit = 0;
    if (c >= '0' && c <= '9')
      digit = c - '0';
    else if (c >= 'a' && c <= 'f')
      digit = c - 'a' + 10;
    else if (c >= 'A' && c <= 'F')
      digit = c - 'A' + 10;
    else
      return -1;
    value = value << 4 | digit;
  }
  return value;
}

const char* Scan::escape(const char* p) {
  const auto refused = [&](const char* why) {
    refuse(p, why);
    return nullptr;
  };
  switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
      return p + 2;
    case 'u':
      break;
    default:
      return refused("no such escape in JSON");
  }
  const int unit = hex4(p + 2);
  if (unit < 0) return refused("\\u needs four hexadecimal digits");
  if (unit >= 0xDC00 && unit <= 0xDFFF) return refused("a low surrogate stands alone");
  if (unit < 0xD800 || unit > 0xDBFF) return p + 6;
  const int low = p[6] == '\\' && p[7] == 'u' ? hex4(p + 8) : -1;
  if (low < 0xDC00 || low > 0xDFFF) return refused("a high surrogate stands alone");
  return p + 12;
}

bool Scan::number() {
  const char* p = p_;
  const auto digits = [&p, this] {
    if (!is_digit(*p)) return refuse(p, "a digit must stand here");
    while (is_digit(*p)) ++p;
    return true;
  };
  if (*p == '-') ++p;
  if (*p == '0') {
    ++p;
    if (is_digit(*p)) return refuse(p, "a number may not begin with 0");
  } else if (!digits()) {
    return false;
  }
  if (*p == '.') {
    ++p;
    if (!digits()) return false;
  }
  if (*p == 'e' || *p == 'E') {
    ++p;
    if (*p == '+' || *p == '-') ++p;
    if (!digits()) return false;
  }
  tape_.slots.push({offset(p_), offset(p)});
  p_ = p;
  return true;
}

bool Scan::literal(std::string_view word) {
  if (std::string_view(p_, static_cast<std::size_t>(end_ - p_)).substr(0, word.size()) != word)
    return refuse(p_, "only true, false and null are written without quotes");
  tape_.slots.push({offset(p_), offset(p_ + word.size())});
  p_ += word.size();
  return true;
}

}  // namespace

Result<void> scan(Tape& tape, const Rules& rules) {
  if (tape.bytes.size() > Document::kMaxBytes)
    return client_error(Code::bad_json, "offset 1073741824: a document has at most 1 GiB");
  constexpr std::size_t kFirstSlots = 512;
  tape.slots.reserve(static_cast<std::uint32_t>(std::min(tape.bytes.size() / 8 + 4, kFirstSlots)));
  return Scan(tape, rules).run();
}

}  // namespace sallyport::json
