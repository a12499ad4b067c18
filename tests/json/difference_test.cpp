// What differs between two values, field by field.
#include "sallyport/json/difference.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace sallyport;

namespace {

std::string shown(const std::string& before, const std::string& after) {
  const auto a = json::Document::parse(before, json::kUpstream);
  const auto b = json::Document::parse(after, json::kUpstream);
  REQUIRE(a.has_value());
  REQUIRE(b.has_value());
  std::string out;
  for (const auto& change : json::difference(a->root(), b->root()))
    out += change.path + " " + change.before + ">" + change.after + "\n";
  return out;
}

}  // namespace

TEST_CASE("each field that differs is told once, with what stood and what stands there") {
  struct Row {
    const char *before, *after, *told;
  };
  for (const Row& row : {
           Row{R"({"a":1})", R"({ "a" : 1.0 })", ""},
           Row{R"({"a":1,"b":2})", R"({"b":2,"a":1})", ""},
           Row{R"({"a":1})", R"({"a":2})", "/a 1>2\n"},
           Row{R"({"a":1})", R"({})", "/a 1>\n"},
           Row{R"({})", R"({"a":{"b":1}})", "/a >{\"b\":1}\n"},
           Row{R"({"a":{"b":[1,2,3]}})", R"({"a":{"b":[1,4]}})", "/a/b/1 2>4\n/a/b/2 3>\n"},
           Row{R"({"a":[]})", R"({"a":[0]})", "/a/0 >0\n"},
           Row{R"({"a":[]})", R"({"a":{}})", "/a []>{}\n"},
           Row{R"({"a/b":1,"c~d":1})", R"({"a/b":2,"c~d":2})", "/a~1b 1>2\n/c~0d 1>2\n"},
           Row{R"("x")", R"("y")", " \"x\">\"y\"\n"},
           Row{R"({"a":{"k":1,"k":2}})", R"({"a":{"k":3,"k":2}})",
               "/a {\"k\":1,\"k\":2}>{\"k\":3,\"k\":2}\n"},
       }) {
    CAPTURE(row.before);
    CAPTURE(row.after);
    CHECK(shown(row.before, row.after) == row.told);
  }
}

TEST_CASE("what stands below a long name is one field, so that no name is told a thousand times") {
  const std::string name(600, 'k');
  const std::string before = R"({"c":{"a":1},")" + name + R"(":{"a":1,"b":1}})";
  const std::string after = R"({"c":{"a":2},")" + name + R"(":{"a":2,"b":2}})";
  CHECK(shown(before, after) == " " + before + ">" + after + "\n");
  std::string deep_before = "1", deep_after = "2";
  for (int i = 0; i < 20; ++i) {
    deep_before = "{\"" + name.substr(0, 90) + "\":" + deep_before + "}";
    deep_after = "{\"" + name.substr(0, 90) + "\":" + deep_after + "}";
  }
  const std::string told = shown(deep_before, deep_after);
  CHECK(told.find(' ') == 5 * 91);
}

TEST_CASE(
    "of a part with more than a thousand fields that differ the whole is told, and the others as they are") {
  const auto list = [](const std::string& one, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += (i > 0 ? "," : "") + one;
    return "[" + out + "]";
  };
  const auto object = [](int names, const std::string& value) {
    std::string out;
    for (int i = 1000; i < 1000 + names; ++i)
      out += (i > 1000 ? ",\"" : "\"") + std::to_string(i) + "\":" + value;
    return "{" + out + "}";
  };
  const std::string name(500, 'k');
  struct Row {
    const char* what;
    std::string before, after;
  };
  for (const Row& row : {
           Row{"elements", list("1", 1001), list("2", 1001)},
           Row{"new elements", "[]", list("2", 1001)},
           Row{"gone elements", list("2", 1001), "[]"},
           Row{"members", object(1001, "1"), object(1001, "2")},
           Row{"new members", "{}", object(1001, "2")},
           Row{"elements of elements", list(list("1", 10), 101), list(list("2", 10), 101)},
       }) {
    CAPTURE(row.what);
    CHECK(shown("{\"a\":1,\"" + name + "\":" + row.before + ",\"z\":1}",
                "{\"a\":2,\"" + name + "\":" + row.after + ",\"z\":2}") ==
          "/a 1>2\n/" + name + " " + row.before + ">" + row.after + "\n/z 1>2\n");
  }
  const std::string told = shown(list("1", 1000), list("2", 1000));
  CHECK(std::ranges::count(told, '\n') == 1000);
}
