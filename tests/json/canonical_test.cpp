#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <charconv>
#include <string>

#include "sallyport/json/document.hpp"

using namespace sallyport;
using json::Document;

namespace {
std::string canonical(std::string text, json::Rules rules = json::kStrict) {
  const auto parsed = Document::parse(std::move(text), rules);
  REQUIRE(parsed.has_value());
  return json::canonical(parsed->root());
}
}  // namespace

TEST_CASE("the example of RFC 8785 section 3.2.2 comes out as its section 3.2.3 shows") {
  CHECK(canonical(R"({
    "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
    "literals": [null, true, false]
  })") ==
        "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1e+30,4.5,0.002,1e-27],"
        "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

TEST_CASE("keys are sorted by UTF-16 code units as in RFC 8785 section 3.2.3") {
  CHECK(
      canonical(R"({"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh",
    "1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"})") ==
      "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
      "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\",\"\xe2\x82\xac\":\"Euro Sign\","
      "\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\",\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
}

TEST_CASE("a key that begins another one stands before it") {
  CHECK(canonical(R"({"ab":1,"a":2,"":3,"B":4,"aa":5})") == R"({"":3,"B":4,"a":2,"aa":5,"ab":1})");
}

TEST_CASE("numbers are written as in RFC 8785 appendix B") {
  struct Row {
    std::uint64_t bits;
    const char* text;
  };
  for (const auto& row : {
           Row{0x0000000000000000, "0"},
           Row{0x8000000000000000, "0"},
           Row{0x0000000000000001, "5e-324"},
           Row{0x8000000000000001, "-5e-324"},
           Row{0x7fefffffffffffff, "1.7976931348623157e+308"},
           Row{0xffefffffffffffff, "-1.7976931348623157e+308"},
           Row{0x4340000000000000, "9007199254740992"},
           Row{0xc340000000000000, "-9007199254740992"},
           Row{0x4430000000000000, "295147905179352830000"},
           Row{0x44b52d02c7e14af5, "9.999999999999997e+22"},
           Row{0x44b52d02c7e14af6, "1e+23"},
           Row{0x44b52d02c7e14af7, "1.0000000000000001e+23"},
           Row{0x444b1ae4d6e2ef4e, "999999999999999700000"},
           Row{0x444b1ae4d6e2ef4f, "999999999999999900000"},
           Row{0x444b1ae4d6e2ef50, "1e+21"},
           Row{0x3eb0c6f7a0b5ed8c, "9.999999999999997e-7"},
           Row{0x3eb0c6f7a0b5ed8d, "0.000001"},
           Row{0x41b3de4355555553, "333333333.3333332"},
           Row{0x41b3de4355555554, "333333333.33333325"},
           Row{0x41b3de4355555555, "333333333.3333333"},
           Row{0x41b3de4355555556, "333333333.3333334"},
           Row{0x41b3de4355555557, "333333333.33333343"},
           Row{0xbecbf647612f3696, "-0.0000033333333333333333"},
           Row{0x43143ff3c1cb0959, "1424953923781206.2"},
       }) {
    CAPTURE(row.text);
    std::array<char, 64> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(),
                                   std::bit_cast<double>(row.bits), std::chars_format::scientific, 20);
    CHECK(canonical(std::string(buffer.data(), end.ptr)) == row.text);
  }
}

TEST_CASE("different spellings of one value have one canonical form") {
  struct Row {
    const char *text, *expected;
  };
  for (const auto& row :
       {Row{"1.0", "1"}, Row{"1e2", "100"}, Row{"-0", "0"}, Row{"-0.0e5", "0"}, Row{"0.10", "0.1"},
        Row{"1E-7", "1e-7"}, Row{"123456789012345678901", "123456789012345680000"}, Row{"1e21", "1e+21"},
        Row{"1e20", "100000000000000000000"}, Row{"1e-400", "0"},
        Row{R"("\u0041\/\u007f\u001F")", "\"A/\x7f\\u001f\""}, Row{" [ 1 , { } ] ", "[1,{}]"}}) {
    CAPTURE(row.text);
    CHECK(canonical(row.text) == row.expected);
    CHECK(canonical(row.expected) == row.expected);
  }
}

TEST_CASE("what RFC 8785 does not cover loses nothing: huge numbers and duplicate keys show in the form") {
  CHECK(canonical("[1e400,-1E+999]") == "[1e400,-1E+999]");
  CHECK(canonical(R"({"b":0,"a":2,"\u0061":1,"a":2})", json::kUpstream) == R"({"a":2,"a":1,"a":2,"b":0})");
}

TEST_CASE("a part of a document has a canonical form of its own") {
  const auto parsed = Document::parse(R"({"x":{"b":[2,{"d":1,"c":2}],"a":1},"y":0})");
  REQUIRE(parsed.has_value());
  CHECK(json::canonical(*parsed->root().find("x")) == R"({"a":1,"b":[2,{"c":2,"d":1}]})");
}
