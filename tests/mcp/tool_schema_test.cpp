#include "sallyport/mcp/tool_schema.hpp"

#include <doctest/doctest.h>

#include "parsed.hpp"

namespace sallyport::mcp {

using test::parsed;

TEST_CASE("a schema loses what its callers do not give, and nothing else") {
  struct Row {
    const char* schema;
    std::vector<std::string> preset, hidden;
    const char* expected;
  };
  const Row rows[] = {
      {R"({"type":"object","properties":{"tenant":{"type":"string"},"q":{"type":"string"}},"required":["tenant","q"]})",
       {"tenant"},
       {},
       R"({"type":"object","properties":{"q":{"type":"string"}},"required":["q"]})"},
      {R"({"properties":{"a":{},"debug":{}},"additionalProperties":false,"required":["a"]})",
       {},
       {"debug"},
       R"({"properties":{"a":{}},"additionalProperties":false,"required":["a"]})"},
      {R"({"properties":{"a":{}},"required":["a"]})", {"a"}, {}, R"({"properties":{},"required":[]})"},
      {R"({"properties":{"\u0074enant":{},"x":{ "y" : 1.0e2 }}})",
       {"tenant"},
       {},
       R"({"properties":{"x":{ "y" : 1.0e2 }}})"},
      {R"({"properties":{"a":{},"b":{},"c":{}},"dependentRequired":{"a":["b","c"],"b":["a"]}})",
       {"b"},
       {},
       R"({"properties":{"a":{},"c":{}},"dependentRequired":{"a":["c"]}})"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.schema);
    const auto narrowed = narrow_schema(parsed(row.schema).root(), row.preset, row.hidden);
    REQUIRE(narrowed.has_value());
    CHECK(*narrowed == row.expected);
  }
}

TEST_CASE("a tool with what only clients of 2026 read is rewritten for those of 2025") {
  struct Row {
    const char *tool, *expected;
  };
  const Row rows[] = {
      {R"({"name":"a","inputSchema":{"type":"object"},"outputSchema":{"type":"array","items":{}}})",
       R"({"name":"a","inputSchema":{"type":"object"}})"},
      {R"({"outputSchema":{"anyOf":[{"type":"object"}]},"name":"a"})", R"({"name":"a"})"},
      {R"({"outputSchema":{"type":["object","null"]},"name":"a"})", R"({"name":"a"})"},
      {R"({"outputSchema":true,"name":"a"})", R"({"name":"a"})"},
      {R"({"inputSchema":{"type":"object","properties":{"a":true,"b": {"x": 1.0},"c":false}}})",
       R"({"inputSchema":{"type":"object","properties":{"a":{},"b":{"x": 1.0},"c":{"not":{}}}}})"},
      {R"({"outputSchema":{"type":"object","properties":{"a":true}},"title":"t"})",
       R"({"outputSchema":{"type":"object","properties":{"a":{}}},"title":"t"})"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.tool);
    CHECK(legacy_tool(parsed(row.tool).root()) == row.expected);
  }
  for (const char* same : {R"({"name":"a"})", R"({"inputSchema":{"type":"object"}})",
                           R"({"outputSchema":{"type":"object","properties":{"a":{"default":true}}}})",
                           R"({"inputSchema":{"properties":[true]}})"}) {
    CAPTURE(same);
    CHECK_FALSE(legacy_tool(parsed(same).root()));
  }
}

TEST_CASE("a schema that cannot lose an argument says why") {
  struct Row {
    const char* schema;
    std::vector<std::string> preset, hidden;
    const char* says;
  };
  const Row rows[] = {
      {R"({"properties":{"q":{}}})", {"tenant"}, {}, "declares no argument \"tenant\""},
      {R"({"type":"object"})", {"tenant"}, {}, "declares no argument"},
      {R"({"properties":[]})", {}, {"x"}, "declares no argument"},
      {R"({"properties":{"x":{}},"required":["x"]})", {}, {"x"}, "give it with \"preset\""},
      {R"({"$ref":"#/$defs/a","properties":{"x":{}}})", {"x"}, {}, "\"$ref\""},
      {R"({"properties":{"x":{}},"anyOf":[{"required":["x"]}]})", {"x"}, {}, "\"anyOf\""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.schema);
    const auto narrowed = narrow_schema(parsed(row.schema).root(), row.preset, row.hidden);
    REQUIRE_FALSE(narrowed.has_value());
    const Error& error = narrowed.error();
    CHECK((error.hint + error.what).find(row.says) != std::string::npos);
  }
}

TEST_CASE("one object is laid over another") {
  CHECK(merge_objects(parsed(R"({"a":1,"b":{"c":2}})").root(), parsed(R"({"b":3,"d":4})").root()) ==
        R"({"a":1,"b":3,"d":4})");
  CHECK(merge_objects(parsed("{}").root(), parsed("{}").root()) == "{}");
}

}  // namespace sallyport::mcp
