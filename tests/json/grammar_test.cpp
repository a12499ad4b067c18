#include <doctest/doctest.h>

#include <string>

#include "sallyport/json/document.hpp"

using namespace sallyport;
using namespace std::string_literals;
using json::Document;

namespace {

struct Row {
  const char* why;
  std::string text;
};

std::string refusal(std::string text, json::Rules rules = json::kStrict) {
  auto parsed = Document::parse(std::move(text), rules);
  if (parsed) return "accepted";
  CHECK(parsed.error().code == Code::bad_json);
  CHECK(parsed.error().blame == Blame::client);
  CHECK(parsed.error().hint.starts_with("offset "));
  return parsed.error().hint;
}

}  // namespace

TEST_CASE("what RFC 8259 allows is accepted and its root is the text without surrounding space") {
  for (const auto& [why, text] : {
           Row{"literal", "true"},
           Row{"literal", "false"},
           Row{"literal", "null"},
           Row{"empty object", "{}"},
           Row{"empty array", "[]"},
           Row{"empty string", R"("")"},
           Row{"zero", "0"},
           Row{"negative zero", "-0"},
           Row{"integer", "1234567890123456789012345"},
           Row{"fraction", "-0.05"},
           Row{"exponent", "1E+2"},
           Row{"exponent", "0e-0"},
           Row{"exponent", "12.5e10"},
           Row{"beyond a double", "1e400"},
           Row{"every escape", R"("\"\\\/\b\f\n\r\t\u00e9")"},
           Row{"surrogate pair", R"("\ud83D\uDe00")"},
           Row{"escaped NUL", R"("\u0000")"},
           Row{"DEL is no control character here", "\"\x7f\""},
           Row{"two bytes", "\"\xc3\xa9\""},
           Row{"four bytes", "\"\xf0\x9f\x98\x80 and more than sixteen bytes\""},
           Row{"nested", R"({"a":[{"b":[1,2,{}]},[[]]],"c":{"a":0}})"},
           Row{"same key in different objects", R"({"a":{"a":1},"b":{"a":1}})"},
           Row{"empty key", R"({"":0})"},
           Row{"noncharacter", "\"\xef\xbf\xbf\""},
       }) {
    CAPTURE(why);
    CAPTURE(text);
    const auto plain = Document::parse(text);
    REQUIRE(plain.has_value());
    CHECK(plain->root().raw() == text);
    const auto spaced = Document::parse(" \t\r\n" + text + "\n\r\t ");
    REQUIRE(spaced.has_value());
    CHECK(spaced->root().raw() == text);
  }
  CHECK(Document::parse(" { \"a\" : [ 1 , 2 ] , \"b\" : { } } ").has_value());
}

TEST_CASE("what the grammar does not allow is refused with its offset (N20)") {
  for (const auto& [why, text] : {
           Row{"nothing", ""},
           Row{"only space", "  "},
           Row{"cut literal", "tru"},
           Row{"long literal", "nulll"},
           Row{"case", "True"},
           Row{"NaN", "NaN"},
           Row{"infinity", "-Infinity"},
           Row{"plus", "+1"},
           Row{"leading zero", "01"},
           Row{"leading zero", "-012"},
           Row{"lone minus", "-"},
           Row{"no fraction", "1."},
           Row{"no integer", ".5"},
           Row{"no exponent", "1e"},
           Row{"no exponent", "1e+"},
           Row{"hex", "0x10"},
           Row{"two values", "1 2"},
           Row{"trailing bytes", "{}x"},
           Row{"trailing NUL", "{}\0"s},
           Row{"NUL before", "\0{}"s},
           Row{"NUL inside", "[1,\0]"s},
           Row{"trailing comma", "[1,]"},
           Row{"trailing comma", R"({"a":1,})"},
           Row{"only comma", "[,]"},
           Row{"only comma", "{,}"},
           Row{"no comma", "[1 2]"},
           Row{"no comma", R"({"a":1 "b":2})"},
           Row{"no colon", R"({"a" 1})"},
           Row{"no value", R"({"a":})"},
           Row{"no key", "{1:2}"},
           Row{"no key", "{:1}"},
           Row{"bare key", "{a:1}"},
           Row{"single quotes", "{'a':1}"},
           Row{"wrong closer", "[1}"},
           Row{"wrong closer", R"({"a":1])"},
           Row{"open array", "[1"},
           Row{"open object", R"({"a":1)"},
           Row{"open object", "{"},
           Row{"only closer", "]"},
           Row{"open string", R"("abc)"},
           Row{"open string ends in an escape", "\"abc\\"},
           Row{"comment", "[1/*x*/]"},
           Row{"comment", "//x\n1"},
           Row{"form feed is no space", "\f1"},
           Row{"no-break space",
               "\xc2\xa0"
               "1"},
           Row{"newline in string", "\"a\nb\""},
           Row{"tab in string", "\"\t\""},
           Row{"NUL in string", "\"a\0b\""s},
           Row{"unit separator in string", "\"\x1f\""},
           Row{"unknown escape", R"("\a")"},
           Row{"unknown escape", R"("\'")"},
           Row{"upper-case escape", R"("\U0041")"},
           Row{"short escape", R"("\u12")"},
           Row{"short escape", R"("\u123")"},
           Row{"not hex", R"("\u12G4")"},
           Row{"cut escape", "\"\\u1"},
           Row{"lone high surrogate", R"("\ud800")"},
           Row{"lone low surrogate", R"("\udc00")"},
           Row{"two high surrogates", R"("\ud800\ud800")"},
           Row{"high surrogate, then letter", R"("\ud800A")"},
           Row{"reversed surrogates", R"("\ude00\ud83d")"},
           Row{"cut after high surrogate", "\"\\ud800\\u"},
           Row{"lone high surrogate in a key", R"({"\ud800":1})"},
           Row{"stray continuation", "\"\x80\""},
           Row{"overlong", "\"\xc0\x80\""},
           Row{"overlong", "\"\xe0\x80\x80\""},
           Row{"raw surrogate", "\"\xed\xa0\x80\""},
           Row{"beyond U+10FFFF", "\"\xf4\x90\x80\x80\""},
           Row{"cut sequence", "\"\xe2\x82\""},
           Row{"cut at the end", "\"\xe2\x82"},
           Row{"FF", "\"\xff\""},
           Row{"bad byte behind sixteen good ones", "\"0123456789abcdef\xff\""},
           Row{"bad UTF-8 in a key", "{\"\xff\":1}"},
           Row{"bytes outside strings", "\xff"},
           Row{"byte order mark", "\xef\xbb\xbf{}"},
           Row{"UTF-16", "\xff\xfe{\0}\0"s},
       }) {
    CAPTURE(why);
    CAPTURE(text);
    CHECK(refusal(text) != "accepted");
    CHECK(refusal(text, json::kUpstream) != "accepted");
  }
}

TEST_CASE("a refusal names the place and the reason") {
  CHECK(refusal("[1,,2]") == "offset 3: a value must stand here");
  CHECK(refusal("[1") == "offset 2: the document ends too early");
  CHECK(refusal(R"({"a":1,"b":2,"a":3})") == "offset 13: the object has this key twice");
  CHECK(refusal("{} {}") == "offset 3: nothing may follow the document's value");
  CHECK(refusal("\xef\xbb\xbf{}") == "offset 0: a byte order mark may not stand before JSON");
}

TEST_CASE("every proper prefix of a document is refused") {
  const std::string text = R"({"k\u00e9y":[true,false,null,-1.5e+3,"\ud83d\ude00"],"o":{"x":{}}})";
  REQUIRE(Document::parse(text).has_value());
  for (std::size_t n = 0; n < text.size(); ++n) CHECK(refusal(text.substr(0, n)) != "accepted");
}

TEST_CASE("a key that stands twice is refused, however it is written and wherever it stands (N16)") {
  for (const auto& [why, text] : {
           Row{"top level", R"({"a":1,"a":2})"},
           Row{"nested", R"([{"x":{"a":1,"b":2,"a":3}}])"},
           Row{"equal values", R"({"a":1,"a":1})"},
           Row{"escaped twin", R"({"name":1,"na\u006de":2})"},
           Row{"escaped twin first", R"({"na\u006de":1,"name":2})"},
           Row{"both escaped, differently", R"({"\u006eame":1,"na\u006de":2})"},
           Row{"surrogate pair and raw", "{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}"},
           Row{"slash", R"({"a/b":1,"a\/b":2})"},
           Row{"empty", R"({"":1,"":2})"},
           Row{"eight bytes", R"({"12345678":1,"12345678":2})"},
           Row{"long", R"({"a-key-of-more-than-sixteen-bytes":1,"a-key-of-more-than-sixteen-bytes":2})"},
           Row{"containers between", R"({"a":[[],{}],"b":{"c":[1]},"a":{}})"},
       }) {
    CAPTURE(why);
    CHECK(refusal(text).ends_with("the object has this key twice"));
    CHECK(refusal(text, json::kUpstream) == "accepted");
  }
}

TEST_CASE("keys that only resemble each other are kept apart (N17)") {
  for (const auto* text :
       {R"({"a":1,"A":2})", R"({"a":1,"a ":2})", R"({"a":1,"a\u0000":2})", R"({"12345678":1,"123456789":2})",
        R"({"params":1,"param\u017f":2})", R"({"abcdefgh-1-abcdefgh":1,"abcdefgh-2-abcdefgh":2})",
        R"({"":1,"\u0000":2})", R"({"\u0000":1,"\u0000\u0000":2})", R"({"\\u0061":1,"a":2})"}) {
    CAPTURE(text);
    CHECK(refusal(text) == "accepted");
  }
}

TEST_CASE("a repeated key is found at every size of object, on both sides of the change of method (N16)") {
  for (int members = 2; members <= 70; ++members) {
    std::string distinct = "{";
    for (int i = 0; i < members; ++i)
      distinct += (i ? ",\"key-" : "\"key-") + std::to_string(i) + "\":" + std::to_string(i);
    CAPTURE(members);
    CHECK(refusal(distinct + "}") == "accepted");
    for (const int twin : {0, members / 2, members - 1})
      CHECK(refusal(distinct + ",\"key\\u002d" + std::to_string(twin) + "\":0}")
                .ends_with("the object has this key twice"));
  }
}

TEST_CASE("the depth bound counts arrays and objects together (N18)") {
  const auto nested = [](int levels, const char* open, const char* close) {
    std::string text;
    for (int i = 0; i < levels; ++i) text += open;
    text += "0";
    for (int i = 0; i < levels; ++i) text += close;
    return text;
  };
  CHECK(refusal(nested(64, "[", "]")) == "accepted");
  CHECK(refusal(nested(65, "[", "]")) == "offset 64: arrays and objects are nested too deeply");
  CHECK(refusal(nested(64, "{\"a\":", "}")) == "accepted");
  CHECK(refusal(nested(65, "{\"a\":", "}")) != "accepted");
  CHECK(refusal(nested(32, "[{\"a\":", "}]")) == "accepted");
  CHECK(refusal(nested(33, "[{\"a\":", "}]")) != "accepted");
  CHECK(refusal("[" + nested(63, "[", "]") + "," + nested(63, "[", "]") + "]") == "accepted");
  CHECK(refusal("0", {.max_depth = 0}) == "accepted");
  CHECK(refusal("[]", {.max_depth = 0}) != "accepted");
}
