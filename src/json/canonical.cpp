#include <algorithm>
#include <array>
#include <charconv>

#include "sallyport/json/document.hpp"
#include "tape.hpp"

namespace sallyport::json {
namespace {

/// As ECMAScript writes a Number (ECMA-262 Number::toString), which RFC 8785 §3.2.2.3 asks for.
void append_number(std::string& out, double value) {
  if (value == 0) {
    out += '0';
    return;
  }
  std::array<char, 32> buffer;
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  if (text.front() == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const auto e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, text.data() + text.size(), exponent);
  std::string digits(text.substr(0, 1));
  if (e > 2) digits += text.substr(2, e - 2);

  const int count = static_cast<int>(digits.size());
  const int point = exponent + 1;  // where the decimal point stands, counted in digits
  if (count <= point && point <= 21) {
    out += digits;
    out.append(static_cast<std::size_t>(point - count), '0');
  } else if (0 < point && point <= 21) {
    out += digits.insert(static_cast<std::size_t>(point), 1, '.');
  } else if (-6 < point && point <= 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-point), '0');
    out += digits;
  } else {
    if (count > 1) digits.insert(1, 1, '.');
    out += digits;
    out += exponent < 0 ? "e-" : "e+";
    out += std::to_string(exponent < 0 ? -exponent : exponent);
  }
}

/// UTF-8 texts in the order of their UTF-16 code units (RFC 8785 §3.2.3). It differs from byte order in one
/// place: lead bytes F0 to F4 stand for surrogate pairs, which sort before U+E000 to U+FFFF (lead bytes EE
/// and EF).
bool utf16_less(std::string_view a, std::string_view b) {
  const auto [x, y] = std::ranges::mismatch(a, b);
  if (x == a.end() || y == b.end()) return x == a.end() && y != b.end();
  const auto rank = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte == 0xEE || byte == 0xEF ? byte + 0x10 : static_cast<int>(byte);
  };
  return rank(*x) < rank(*y);
}

class Writer {
 public:
  std::string write(const Value& root);

 private:
  struct Item {
    std::string key;
    Value value;
  };
  struct Frame {
    std::vector<Item> items;
    std::size_t next = 0;
    bool object = false;
  };
  void begin(const Value& value);
  static std::vector<Item> content(const Value& value);

  std::string out_;
  std::vector<Frame> open_;  // not the call stack: a document may have been parsed with any depth
};

std::string Writer::write(const Value& root) {
  begin(root);
  while (!open_.empty()) {
    Frame& frame = open_.back();
    if (frame.next == frame.items.size()) {
      out_ += frame.object ? '}' : ']';
      open_.pop_back();
      continue;
    }
    if (frame.next != 0) out_ += ',';
    const Item& item = frame.items[frame.next++];
    if (frame.object) {
      append_quoted(out_, item.key);
      out_ += ':';
    }
    begin(Value(item.value));  // a copy: a new frame may move the items
  }
  return std::move(out_);
}

void Writer::begin(const Value& value) {
  switch (value.kind()) {
    case Kind::array:
    case Kind::object:
      open_.push_back({.items = content(value), .object = value.is(Kind::object)});
      out_ += open_.back().object ? '{' : '[';
      return;
    case Kind::string:
      if (const auto plain = value.plain())
        out_ += value.raw();
      else
        append_quoted(out_, *value.string());
      return;
    case Kind::number:
      if (const auto number = value.number())
        append_number(out_, *number);
      else
        out_ += value.raw();
      return;
    case Kind::boolean:
    case Kind::null:
      out_ += value.raw();
  }
}

std::vector<Writer::Item> Writer::content(const Value& value) {
  std::vector<Item> items;
  items.reserve(value.size());
  for (const auto element : value.elements()) items.push_back({{}, element});
  for (const auto& member : value.members()) items.push_back({member.key(), member.value});
  if (value.is(Kind::object))
    std::ranges::sort(items, [](const Item& a, const Item& b) {
      if (a.key == b.key) return Tape::at(a.value) < Tape::at(b.value);
      return utf16_less(a.key, b.key);
    });
  return items;
}

}  // namespace

std::string canonical(const Value& value) { return Writer().write(value); }

}  // namespace sallyport::json
