#include "sallyport/core/bytes.hpp"

#include <doctest/doctest.h>

#include "sallyport/core/utf8.hpp"

using namespace sallyport;

TEST_CASE("hex writes lower-case digits and reads both cases back") {
  CHECK(hex(std::string_view("\x00\x0f\xa5\xff", 4)) == "000fa5ff");
  CHECK(unhex("000FA5ff") == std::string("\x00\x0f\xa5\xff", 4));
  CHECK(hex("").empty());
  CHECK(unhex("") == "");
  for (const auto* bad : {"0", "0g", " 00", "0x", "00 "}) {
    CAPTURE(bad);
    CHECK_FALSE(unhex(bad).has_value());
  }
}

TEST_CASE("base64 gives the vectors of RFC 4648 section 10 and reads them back") {
  struct Row {
    const char *plain, *padded, *url;
  };
  for (const auto& row :
       {Row{"", "", ""}, Row{"f", "Zg==", "Zg"}, Row{"fo", "Zm8=", "Zm8"}, Row{"foo", "Zm9v", "Zm9v"},
        Row{"foob", "Zm9vYg==", "Zm9vYg"}, Row{"fooba", "Zm9vYmE=", "Zm9vYmE"},
        Row{"foobar", "Zm9vYmFy", "Zm9vYmFy"}, Row{"\xfb\xff\xbf", "+/+/", "-_-_"}}) {
    CAPTURE(row.plain);
    CHECK(base64(row.plain) == row.padded);
    CHECK(base64url(row.plain) == row.url);
    CHECK(unbase64(row.padded) == row.plain);
    CHECK(unbase64url(row.url) == row.plain);
  }
}

TEST_CASE("base64 of every byte value survives the way back") {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  for (std::size_t n = 250; n <= bytes.size(); ++n) {
    const auto part = bytes.substr(0, n);
    CHECK(unbase64(base64(part)) == part);
    CHECK(unbase64url(base64url(part)) == part);
  }
}

TEST_CASE("base64 refuses what is not the one canonical spelling (N22)") {
  for (const auto* bad : {"Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "Zm9vYg=", "=", "==", "====", "Z===",
                          "Zg==Zg==", "Zm9v\n", "Zm 9v", "-_-_", "Zm9v=", "Zg=a", "Zm9v===="}) {
    CAPTURE(bad);
    CHECK_FALSE(unbase64(bad).has_value());
  }
  for (const auto* bad : {"Zg==", "Z", "Zh", "Zm9", "+/+/", "Zm9vY", "Zm9v\n"}) {
    CAPTURE(bad);
    CHECK_FALSE(unbase64url(bad).has_value());
  }
}

TEST_CASE("secrets are equal only with the same length and bytes") {
  CHECK(equal_secret("", ""));
  CHECK(equal_secret("abc", "abc"));
  CHECK_FALSE(equal_secret("abc", "abd"));
  CHECK_FALSE(equal_secret("abc", "abcd"));
  CHECK_FALSE(equal_secret("abc", ""));
  CHECK_FALSE(equal_secret(std::string_view("a\0b", 3), std::string_view("a\0c", 3)));
}

TEST_CASE("case folding and trimming touch ASCII only") {
  CHECK(lower("AbC-\xC3\x84Z[") == "abc-\xC3\x84z[");
  CHECK(equal_ignoring_case("Content-TYPE", "content-type"));
  CHECK_FALSE(equal_ignoring_case("a", "ab"));
  CHECK_FALSE(equal_ignoring_case("@", "`"));
  CHECK(trim(" \t a b\t ") == "a b");
  CHECK(trim(" \t ").empty());
  CHECK(trim("\na ") == "\na");
}

TEST_CASE("texts of any length are equal without case where every byte is, wherever it stands") {
  const auto folded = [](int byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; };
  int wrong = 0;
  for (std::size_t length = 1; length <= 33; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      // The bytes where one that is folded meets one that is not, and both halves of the range.
      for (const int other : std::initializer_list<int>{0x00, 0x20, 0x40, 'A', 'Z', 0x5B, 0x60, 'a', 'z',
                                                        0x7B, 0x7F, 0x80, 0xC1, 0xE1, 0xFF}) {
        for (int byte = 0; byte < 256; ++byte) {
          std::string a(length, 'm'), b(length, 'M');
          a[at] = static_cast<char>(byte);
          b[at] = static_cast<char>(other);
          wrong += equal_ignoring_case(a, b) != (folded(byte) == folded(other));
        }
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("UTF-8 is accepted and refused as RFC 3629 has it (N20)") {
  for (const auto* good :
       {"", "plain", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "0123456789\xE2\x82\xAC"}) {
    CAPTURE(good);
    CHECK(is_utf8(good));
  }
  for (const auto* bad : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2",
                          "\xC2"
                          "A",
                          "\xE0\x9F\xBF", "\xE2\x82", "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF",
                          "\xF0\x90\x80", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xFF", "0123456789\xFE"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_utf8(bad));
  }
}

TEST_CASE("every code point is written as UTF-8 that is read with the same length") {
  for (std::uint32_t code = 0; code <= 0x10FFFF; code += code < 0x900 ? 1 : 57) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    append_utf8(text, code);
    REQUIRE(utf8_length(text.data(), text.data() + text.size()) == text.size());
  }
}
