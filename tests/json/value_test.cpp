#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

#include "sallyport/json/document.hpp"

using namespace sallyport;
using json::Document;
using json::Kind;
using json::Value;

namespace {
Document parse(std::string text, json::Rules rules = json::kStrict) {
  auto parsed = Document::parse(std::move(text), rules);
  REQUIRE(parsed.has_value());
  return *std::move(parsed);
}
}  // namespace

TEST_CASE("a value knows its kind and its own bytes") {
  const auto document =
      parse(R"( {"s":"a\tb", "n" : -1.50e2 ,"t":true,"f":false,"z":null,"a":[1, 2],"o":{"x":[]}} )");
  const auto root = document.root();
  struct Row {
    const char *key, *raw;
    Kind kind;
    std::size_t size;
  };
  for (const auto& row : {Row{"s", R"("a\tb")", Kind::string, 0}, Row{"n", "-1.50e2", Kind::number, 0},
                          Row{"t", "true", Kind::boolean, 0}, Row{"f", "false", Kind::boolean, 0},
                          Row{"z", "null", Kind::null, 0}, Row{"a", "[1, 2]", Kind::array, 2},
                          Row{"o", R"({"x":[]})", Kind::object, 1}}) {
    CAPTURE(row.key);
    const auto value = root.find(row.key);
    REQUIRE(value.has_value());
    CHECK(value->kind() == row.kind);
    CHECK(value->raw() == row.raw);
    CHECK(value->size() == row.size);
  }
  CHECK(root.size() == 7);
  CHECK(root.kind() == Kind::object);
  CHECK_FALSE(root.find("missing").has_value());
  CHECK_FALSE(root.find("a")->find("x").has_value());
}

TEST_CASE("strings are decoded, and given without a copy only when nothing needs decoding") {
  const auto document =
      parse(R"(["plain","q\"\\\/\b\f\n\r\t","\u0041\u00e9\u20ac\ud83d\ude00",1,"a\u0000b","\u00AF\uaBcD"])");
  std::vector<Value> values;
  for (const auto value : document.root().elements()) values.push_back(value);
  CHECK(values[0].string() == "plain");
  CHECK(values[0].plain() == "plain");
  CHECK(values[1].string() == "q\"\\/\b\f\n\r\t");
  CHECK_FALSE(values[1].plain().has_value());
  CHECK(values[2].string() == "A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  CHECK_FALSE(values[3].string().has_value());
  CHECK_FALSE(values[3].plain().has_value());
  CHECK(values[4].string() == std::string("a\0b", 3));
  CHECK(values[5].string() == "\xc2\xaf\xea\xaf\x8d");
}

TEST_CASE("integers are those written as integers that fit (N19)") {
  struct Row {
    const char* text;
    std::optional<std::int64_t> integer;
  };
  for (const auto& row : {Row{"0", 0}, Row{"-0", 0}, Row{"-7", -7}, Row{"9223372036854775807", INT64_MAX},
                          Row{"-9223372036854775808", INT64_MIN}, Row{"9223372036854775808", std::nullopt},
                          Row{"1.0", std::nullopt}, Row{"1e2", std::nullopt}, Row{"\"1\"", std::nullopt},
                          Row{"9007199254740993", 9007199254740993}}) {
    CAPTURE(row.text);
    CHECK(parse(row.text).root().integer() == row.integer);
  }
}

TEST_CASE("numbers are doubles, or nothing when they exceed one") {
  CHECK(parse("1.5e3").root().number() == 1500.0);
  CHECK(parse("-0.0").root().number() == 0.0);
  CHECK(parse("1e-400").root().number() == 0.0);
  CHECK(parse("5e-324").root().number() == std::numeric_limits<double>::denorm_min());
  CHECK_FALSE(parse("1e400").root().number().has_value());
  CHECK_FALSE(parse("true").root().number().has_value());
  CHECK(parse("true").root().boolean() == true);
  CHECK(parse("false").root().boolean() == false);
  CHECK_FALSE(parse("0").root().boolean().has_value());
}

TEST_CASE("members come in document order with their keys raw and decoded") {
  const auto document = parse(R"({"b":1,"a\u0062":[{}],"":{"c":0},"z":"end"})");
  std::vector<std::string> keys, raws, values;
  for (const auto& member : document.root().members()) {
    keys.push_back(member.key());
    raws.emplace_back(member.raw_key());
    values.emplace_back(member.value.raw());
    CHECK(member.is(member.key()));
    CHECK_FALSE(member.is(member.key() + "x"));
    CHECK(member.plain_key().has_value() == (member.key() != "ab"));
  }
  CHECK(keys == std::vector<std::string>{"b", "ab", "", "z"});
  CHECK(raws == std::vector<std::string>{R"("b")", R"("a\u0062")", R"("")", R"("z")"});
  CHECK(values == std::vector<std::string>{"1", "[{}]", R"({"c":0})", R"("end")"});
  CHECK(document.root().find("ab")->raw() == "[{}]");
  CHECK_FALSE(document.root().find(R"(a\u0062)").has_value());
}

TEST_CASE("ranges over other kinds are empty") {
  for (const auto* text : {"1", "\"x\"", "null", "[]", "{}"}) {
    const auto document = parse(text);
    for ([[maybe_unused]] const auto& member : document.root().members()) FAIL("a member");
    for ([[maybe_unused]] const auto element : document.root().elements()) FAIL("an element");
    CHECK(document.root().size() == 0);
  }
}

TEST_CASE("with duplicate keys from an upstream the last one wins, and all are visited") {
  const auto document = parse(R"({"a":1,"b":2,"\u0061":3})", json::kUpstream);
  CHECK(document.root().find("a")->integer() == 3);
  CHECK(document.root().size() == 3);
}

TEST_CASE("values stay valid when their document is moved") {
  auto first = parse(R"({"a":"x"})");
  const auto value = *first.root().find("a");
  const auto second = std::move(first);
  CHECK(value.string() == "x");
  CHECK(value.raw().data() > second.bytes().data());
}

TEST_CASE("the document keeps the bytes exactly as they came") {
  const std::string text = " {\"a\" :\t1.50 }\n";
  CHECK(parse(text).bytes() == text);
}

TEST_CASE("pointers lead where RFC 6901 section 5 says") {
  const auto document =
      parse(R"({"foo":["bar","baz"],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,"k\"l":6," ":7,"m~n":8})");
  struct Row {
    const char* pointer;
    const char* raw;
  };
  for (const auto& row :
       {Row{"/foo", R"(["bar","baz"])"}, Row{"/foo/0", R"("bar")"}, Row{"/foo/1", R"("baz")"}, Row{"/", "0"},
        Row{"/a~1b", "1"}, Row{"/c%d", "2"}, Row{"/e^f", "3"}, Row{"/g|h", "4"}, Row{"/i\\j", "5"},
        Row{"/k\"l", "6"}, Row{"/ ", "7"}, Row{"/m~0n", "8"}}) {
    CAPTURE(row.pointer);
    const auto value = json::at_pointer(document.root(), row.pointer);
    REQUIRE(value.has_value());
    CHECK(value->raw() == row.raw);
  }
  CHECK(json::at_pointer(document.root(), "")->raw() == document.root().raw());
  for (const auto* nowhere :
       {"foo", "/foo/2", "/foo/-", "/foo/00", "/foo/01", "/foo/1x", "/foo/", "/foo/+1",
        "/foo/18446744073709551616", "/m~n", "/m~2n", "/m~", "/foo/0/x", "//", "/missing/x"}) {
    CAPTURE(nowhere);
    CHECK_FALSE(json::at_pointer(document.root(), nowhere).has_value());
  }
}

TEST_CASE("quoting escapes what it must and repairs what is not UTF-8") {
  CHECK(json::quote("") == R"("")");
  CHECK(json::quote("a\"b\\c/") == R"("a\"b\\c/")");
  CHECK(json::quote(std::string_view("\0\x01\b\t\n\f\r\x1f\x7f", 9)) ==
        "\"\\u0000\\u0001\\b\\t\\n\\f\\r\\u001f\x7f\"");
  CHECK(json::quote("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80") == "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
  CHECK(json::quote("a\xff"
                    "b\xe2\x82") ==
        "\"a\xef\xbf\xbd"
        "b\xef\xbf\xbd\xef\xbf\xbd\"");
  std::string every;
  for (int i = 0; i < 128; ++i) every += static_cast<char>(i);
  CHECK(parse(json::quote(every)).root().string() == every);
  std::string out = "x";
  json::append_quoted(out, "y");
  CHECK(out == "x\"y\"");
}
