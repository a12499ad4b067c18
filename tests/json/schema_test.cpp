// Whether values fit a schema, and what a change of a schema means.
#include "sallyport/json/schema.hpp"

#include <doctest/doctest.h>

using namespace sallyport;
using json::Fit;
using json::SchemaChange;
using json::SchemaOf;

namespace {

json::Document parsed(const std::string& text) {
  auto document = json::Document::parse(text, json::kUpstream);
  REQUIRE_MESSAGE(document.has_value(), text);
  return std::move(*document);
}

}  // namespace

TEST_CASE("a value fits a schema, fails it, or nobody can tell") {
  struct Row {
    const char *schema, *value;
    Fit fit;
    const char* why = "";
  };
  constexpr Fit yes = Fit::fits, no = Fit::fails, open = Fit::undetermined;
  for (const Row& row : {
           Row{"true", "1", yes},
           Row{"false", "1", no, "/: nothing is allowed here"},
           Row{"{}", "[1]", yes},
           Row{"7", "1", open, "/: the schema is none"},
           Row{R"({"type":"string"})", R"("a")", yes},
           Row{R"({"type":"string"})", "1", no, "/: type"},
           Row{R"({"type":["string","null"]})", "null", yes},
           Row{R"({"type":["string","null"]})", "[]", no, "/: type"},
           Row{R"({"type":7})", "1", open, "/: type"},
           Row{R"({"type":"integer"})", "1.0", yes},
           Row{R"({"type":"integer"})", "1.5", no, "/: type"},
           Row{R"({"type":"number"})", "3", yes},
           Row{R"({"enum":[1,"a",{"b":[2]}]})", R"({"b":[2.0]})", yes},
           Row{R"({"enum":[1,"a"]})", R"("A")", no, "/: enum"},
           Row{R"({"const":"x"})", R"("x")", yes},
           Row{R"({"const":"x"})", R"("y")", no, "/: const"},
           Row{R"({"required":["a"]})", R"({"a":null})", yes},
           Row{R"({"required":["a"]})", R"({})", no, "/a: required"},
           Row{R"({"required":["a"]})", R"("no object")", yes},
           Row{R"({"properties":{"a":{"type":"string"}}})", R"({"b":1})", yes},
           Row{R"({"properties":{"a":{"properties":{"b":{"type":"string"}}}}})", R"({"a":{"b":1}})", no,
               "/a/b: type"},
           Row{R"({"properties":{"a":{}},"additionalProperties":false})", R"({"a":1})", yes},
           Row{R"({"properties":{"a":{}},"additionalProperties":false})", R"({"b":1})", no,
               "/b: additionalProperties"},
           Row{R"({"additionalProperties":{"type":"string"}})", R"({"b":1})", no, "/b: type"},
           Row{R"({"patternProperties":{"^a":{}},"additionalProperties":false})", R"({"b":1})", open,
               "/: patternProperties"},
           Row{R"({"propertyNames":{"maxLength":1}})", R"({"ab":1})", no, "/: maxLength"},
           Row{R"({"minProperties":1,"maxProperties":2})", R"({"a":1})", yes},
           Row{R"({"minProperties":1})", R"({})", no, "/: minProperties"},
           Row{R"({"items":{"type":"integer"}})", R"([1,2,"x"])", no, "/2: type"},
           Row{R"({"prefixItems":[{"type":"string"}],"items":{"type":"integer"}})", R"(["a",1])", yes},
           Row{R"({"prefixItems":[{"type":"string"}],"items":{"type":"integer"}})", R"([1,1])", no,
               "/0: type"},
           Row{R"({"items":[{"type":"string"}]})", R"(["a",1])", yes},
           Row{R"({"minItems":1,"maxItems":1})", R"([1])", yes},
           Row{R"({"maxItems":1})", R"([1,2])", no, "/: maxItems"},
           Row{R"({"uniqueItems":true})", R"([1,1.0])", no, "/: uniqueItems"},
           Row{R"({"uniqueItems":false})", R"([1,1])", yes},
           Row{R"({"minLength":2,"maxLength":2})", R"("üü")", yes},
           Row{R"({"maxLength":2})", R"("abc")", no, "/: maxLength"},
           Row{R"({"minimum":1,"maximum":3})", "3", yes},
           Row{R"({"minimum":1})", "0.5", no, "/: minimum"},
           Row{R"({"exclusiveMaximum":3})", "3", no, "/: exclusiveMaximum"},
           Row{R"({"exclusiveMinimum":true,"minimum":1})", "1", open, "/: exclusiveMinimum"},
           Row{R"({"allOf":[{"type":"string"},{"minLength":1}]})", R"("")", no, "/: minLength"},
           Row{R"({"anyOf":[{"type":"string"},{"type":"null"}]})", "null", yes},
           Row{R"({"anyOf":[{"type":"string"},{"type":"null"}]})", "1", no, "/: anyOf"},
           Row{R"({"anyOf":[{"pattern":"a"},{"type":"null"}]})", "null", yes},
           Row{R"({"oneOf":[{"type":"integer"},{"minimum":0}]})", "1", no, "/: oneOf"},
           Row{R"({"oneOf":[{"type":"integer"},{"type":"string"}]})", "1", yes},
           Row{R"({"not":{"type":"string"}})", "1", yes},
           Row{R"({"not":{"type":"string"}})", R"("a")", no, "/: not"},
           Row{R"({"if":{"required":["a"]},"then":{"required":["b"]}})", R"({"a":1})", no, "/b: required"},
           Row{R"({"if":{"required":["a"]},"then":{"required":["b"]}})", R"({"c":1})", yes},
           Row{R"({"$defs":{"s":{"type":"string"}},"properties":{"a":{"$ref":"#/$defs/s"}}})", R"({"a":1})",
               no, "/a: type"},
           Row{R"({"$ref":"https://example.com/schema"})", "1", open, "/: $ref"},
           Row{R"({"$ref":"#/nowhere"})", "1", open, "/: $ref"},
           Row{R"({"$ref":"#"})", "1", open, "/: takes too long"},
           Row{R"({"type":"string","pattern":"^a"})", R"("b")", open, "/: pattern"},
           Row{R"({"type":"string","pattern":"^a"})", "1", no, "/: type"},
           Row{R"({"someday":1})", "1", open, "/: someday"},
           Row{R"({"x-mcp-header":"A","title":"t","format":"uri","default":1})", "1", yes},
       }) {
    CAPTURE(row.schema);
    CAPTURE(row.value);
    const auto verdict = json::check(parsed(row.schema).root(), parsed(row.value).root());
    CHECK(static_cast<int>(verdict.fit) == static_cast<int>(row.fit));
    CHECK(verdict.why == row.why);
  }
}

TEST_CASE("a schema that refers to itself without end, or branches without end, comes to an answer") {
  std::string bush = R"({"$defs":{"a":{"allOf":[)";
  for (int i = 0; i < 50; ++i) bush += std::string(i ? "," : "") + R"({"$ref":"#/$defs/a"})";
  bush += R"(]}},"$ref":"#/$defs/a"})";
  const auto verdict = json::check(parsed(bush).root(), parsed("1").root());
  CHECK(static_cast<int>(verdict.fit) == static_cast<int>(Fit::undetermined));
}

TEST_CASE("many checks share what they may take, and what does not fit into it is undetermined") {
  std::string many;
  for (int i = 0; i < 20000; ++i) many += (i > 0 ? "," : "") + std::to_string(i);
  const auto schema = parsed(
      "{\"anyOf\":[{\"$ref\":\"#/$defs/e\"},{\"$ref\":\"#/$defs/e\"},{\"$ref\":\"#/$defs/e\"}],"
      "\"$defs\":{\"e\":{\"enum\":[" +
      many + "]}}}");
  const auto value = parsed("\"none of them\"");
  std::int64_t steps = 100'000;
  CHECK(json::check(schema.root(), value.root(), steps).fit == json::Fit::fails);
  CHECK(steps < 45'000);
  CHECK(json::check(schema.root(), value.root(), steps).fit == json::Fit::undetermined);
  CHECK(steps <= 0);
}

TEST_CASE("a change of a schema is compatible, widened or breaking for whoever sends") {
  struct Row {
    const char *before, *after;
    SchemaChange change;
    const char* reason = "";
  };
  constexpr auto same = SchemaChange::compatible, more = SchemaChange::widened, less = SchemaChange::breaking;
  for (const Row& row : {
           Row{R"({"type":"object"})", R"({"type":"object"})", same},
           Row{R"({"description":"a","title":"x"})", R"({"description":"b","default":1,"x-a":1})", same},
           Row{R"({"properties":{}})", R"({"properties":{"a":{}}})", more, "/a: is new and optional"},
           Row{R"({"properties":{"a":{}}})", R"({"properties":{}})", less, "/a: is gone"},
           Row{R"({"properties":{"a":{}}})", R"({})", less, "/a: is gone"},
           Row{R"({})", R"({"properties":{"a":{}},"required":["a"]})", less, "/: \"a\" is required now"},
           Row{R"({"required":["a"]})", R"({})", more, "/: \"a\" is not required any more"},
           Row{R"({"type":"string"})", R"({"type":["string","null"]})", more, "/: more types than before"},
           Row{R"({"type":["string","null"]})", R"({"type":"string"})", less, "/: fewer types than before"},
           Row{R"({"type":"integer"})", R"({"type":"number"})", more, "/: more types than before"},
           Row{R"({"type":"number"})", R"({"type":"integer"})", less, "/: fewer types than before"},
           Row{R"({"type":"string"})", R"({"type":"integer"})", less, "/: fewer types than before"},
           Row{R"({"type":"string"})", R"({})", more, "/: more types than before"},
           Row{R"({})", R"({"type":"string"})", less, "/: fewer types than before"},
           Row{R"({"enum":["a"]})", R"({"enum":["a","b"]})", more, "/: more values than before"},
           Row{R"({"enum":["a","b"]})", R"({"enum":["a"]})", less, "/: fewer values than before"},
           Row{R"({"enum":["a"]})", R"({"const":"a"})", same},
           Row{R"({"properties":{"a":{"maximum":5}}})", R"({"properties":{"a":{"maximum":9}}})", more,
               "/a: \"maximum\" is wider"},
           Row{R"({"minimum":1})", R"({"minimum":2})", less, "/: \"minimum\" is tighter"},
           Row{R"({})", R"({"maxLength":2})", less, "/: \"maxLength\" is tighter"},
           Row{R"({"maxItems":2})", R"({})", more, "/: \"maxItems\" is wider"},
           Row{R"({"items":{"type":"string"}})", R"({"items":{}})", more, "/*: more types than before"},
           Row{R"({})", R"({"items":{"type":"string"}})", less, "/*: \"items\" limits it now"},
           Row{R"({})", R"({"additionalProperties":false})", less,
               "/: \"additionalProperties\" limits it now"},
           Row{R"({})", R"({"additionalProperties":true})", same},
           Row{R"({"additionalProperties":false})", R"({"additionalProperties":true})", more,
               "/: takes more than before"},
           Row{R"({"pattern":"a"})", R"({"pattern":"b"})", less,
               "/: \"pattern\" changed, and how cannot be told"},
           Row{R"({"anyOf":[{}]})", R"({})", less, "/: \"anyOf\" changed, and how cannot be told"},
           Row{R"({"maximum":5,"exclusiveMaximum":false})", R"({"maximum":5,"exclusiveMaximum":true})", less,
               "/: \"exclusiveMaximum\" changed, and how cannot be told"},
           Row{R"({"$ref":"#/default","default":{"type":"string"}})",
               R"({"$ref":"#/default","default":{"type":"number"}})", less,
               "/: \"default\" changed, and how cannot be told"},
           Row{R"({"$ref":"#/x-types/A","x-types":{"A":{}}})",
               R"({"$ref":"#/x-types/A","x-types":{"A":false}})", less,
               "/: \"x-types\" changed, and how cannot be told"},
           Row{R"({"$ref":"#/$defs/A","$defs":{"A":{}},"title":"a"})",
               R"({"$ref":"#/$defs/A","$defs":{"A":{}},"title":"b"})", same},
       }) {
    CAPTURE(row.before);
    CAPTURE(row.after);
    const auto outcome = json::compare(parsed(row.before).root(), parsed(row.after).root(), SchemaOf::input);
    CHECK(static_cast<int>(outcome.change) == static_cast<int>(row.change));
    CHECK((outcome.reasons.empty() ? std::string() : outcome.reasons[0]) == row.reason);
  }
}

TEST_CASE("for whoever reads, what a sender may welcome breaks") {
  struct Row {
    const char *before, *after;
    SchemaChange change;
  };
  for (const Row& row : {
           Row{R"({"type":"string"})", R"({"type":["string","null"]})", SchemaChange::breaking},
           Row{R"({"type":["string","null"]})", R"({"type":"string"})", SchemaChange::compatible},
           Row{R"({"required":["a"]})", R"({})", SchemaChange::breaking},
           Row{R"({})", R"({"required":["a"],"properties":{"a":{}}})", SchemaChange::compatible},
           Row{R"({"properties":{"a":{}}})", R"({"properties":{"a":{},"b":{}}})", SchemaChange::widened},
           Row{R"({"properties":{"a":{}}})", R"({"properties":{}})", SchemaChange::breaking},
           Row{R"({"items":[{"type":"string"}]})", R"({"items":[{"type":"number"}]})",
               SchemaChange::breaking},
       }) {
    CAPTURE(row.before);
    CAPTURE(row.after);
    const auto outcome = json::compare(parsed(row.before).root(), parsed(row.after).root(), SchemaOf::output);
    CHECK(static_cast<int>(outcome.change) == static_cast<int>(row.change));
  }
}
