// What a change of a schema means where keywords count beyond the place in which they stand.
#include <doctest/doctest.h>

#include <string>

#include "sallyport/json/schema.hpp"

using namespace sallyport;
using json::SchemaChange;
using json::SchemaOf;

namespace {

constexpr auto same = SchemaChange::compatible, more = SchemaChange::widened, less = SchemaChange::breaking;
constexpr auto input = SchemaOf::input, output = SchemaOf::output;

struct Row {
  SchemaOf of;
  std::string before, after;
  SchemaChange change;
  std::string reason{};
};

/// Each change, and the first reason that is given for it.
void check(std::initializer_list<Row> rows) {
  for (const Row& row : rows) {
    CAPTURE(row.before);
    CAPTURE(row.after);
    CAPTURE(static_cast<int>(row.of));
    const auto before = json::Document::parse(row.before, json::kUpstream);
    const auto after = json::Document::parse(row.after, json::kUpstream);
    REQUIRE((before && after));
    const auto outcome = json::compare(before->root(), after->root(), row.of);
    CHECK(static_cast<int>(outcome.change) == static_cast<int>(row.change));
    CHECK((outcome.reasons.empty() ? std::string() : outcome.reasons[0]) == row.reason);
  }
}

}  // namespace

TEST_CASE("a keyword that limits nothing counts where others count what it covers, or refer to it") {
  const std::string several = "/: parts changed that count in several places, and how cannot be told";
  check({
      {input, R"({"properties":{"a":{}},"additionalProperties":true,"unevaluatedProperties":false})",
       R"({"properties":{"a":{}},"unevaluatedProperties":false})", less, several},
      {output, R"({"properties":{"a":{}},"unevaluatedProperties":false})",
       R"({"properties":{"a":{}},"additionalProperties":true,"unevaluatedProperties":false})", less, several},
      {input, R"({"items":true,"unevaluatedItems":false})", R"({"unevaluatedItems":false})", less, several},
      {output, R"({"unevaluatedItems":false})", R"({"items":true,"unevaluatedItems":false})", less, several},
      {input,
       R"({"properties":{"a":{"additionalProperties":true},"b":{"$ref":"#/properties/a/additionalProperties"}}})",
       R"({"properties":{"a":{},"b":{"$ref":"#/properties/a/additionalProperties"}}})", less, several},
      {input, R"({"properties":{},"not":{"$ref":"#/properties"}})", R"({"not":{"$ref":"#/properties"}})",
       less, several},
      {input, R"({"enum":["a"],"not":{"$ref":"#/enum/0"}})", R"({"const":"a","not":{"$ref":"#/enum/0"}})",
       less, several},
      {input, R"({"enum":[{},{"a":1}],"not":{"$ref":"#/enum/0"}})",
       R"({"enum":[{"a":1},{}],"not":{"$ref":"#/enum/0"}})", less, several},
      // Where nobody does, they say nothing.
      {input, R"({"properties":{"a":{},"b":{"$ref":"#/properties/a"}},"additionalProperties":true})",
       R"({"properties":{"a":{},"b":{"$ref":"#/properties/a"}},"required":[]})", same},
      {input, R"({"additionalProperties":true,"items":true})", R"({})", same},
      {output, R"({})", R"({"additionalProperties":true,"items":true})", same},
      {input, R"({"enum":["a"]})", R"({"const":"a"})", same},
      {input, R"({"enum":["a","b"]})", R"({"enum":["b","a"]})", same},
      {input, R"({"properties":{"a":{"title":"x"},"b":{"$ref":"#/properties/a"}}})",
       R"({"properties":{"a":{"title":"y"},"b":{"$ref":"#/properties/a"}}})", same},
      {input, R"({"properties":{"a":{"title":"x"}},"unevaluatedProperties":false})",
       R"({"properties":{"a":{"title":"y"}},"unevaluatedProperties":false})", same},
      {input, R"({"required":["a","b"],"unevaluatedProperties":false})",
       R"({"required":["b","a"],"unevaluatedProperties":false})", same},
  });
}

TEST_CASE("another dialect changes nothing only where every keyword means the same in both") {
  const auto with = [](const std::string& dialect, const std::string& rest) {
    return dialect.empty() ? "{" + rest + "}" : R"({"$schema":")" + dialect + "\"," + rest + "}";
  };
  const std::string draft4 = "http://json-schema.org/draft-04/schema#";
  const std::string draft7 = "http://json-schema.org/draft-07/schema#";
  const std::string of2019 = "https://json-schema.org/draft/2019-09/schema";
  const std::string of2020 = "https://json-schema.org/draft/2020-12/schema";
  const std::string changed = "/: \"$schema\" changed, and how cannot be told";
  for (const std::string rest :
       {R"("maxLength":3)", R"("nullable":true,"enumNames":["a"],"discriminator":{"prefixItems":[]})",
        R"("title":"a","x-a":[{"prefixItems":1}],"default":{"prefixItems":1})",
        R"("properties":{"prefixItems":{"const":1,"exclusiveMinimum":0}},"required":["prefixItems"])",
        R"("additionalProperties":false,"patternProperties":{"^a":{"items":{"pattern":"b"}}})",
        R"("anyOf":[{"if":{"contains":{}},"then":false}],"not":{"propertyNames":{"maxLength":3}})"}) {
    CAPTURE(rest);
    check({
        {input, with(draft7, rest), with(of2020, rest), same},
        {output, with(of2020, rest), with(of2019, rest), same},
        {input, with(draft7, rest), with("", rest), same},
        {input, with("", rest), with("https://json-schema.org/draft-07/schema", rest), same},
        {input, with(draft4, rest), with(draft7, rest), less, changed},
        {input, with(of2020, rest), with("https://example.com/dialect", rest), less, changed},
    });
  }
  for (const std::string rest :
       {R"("dependentRequired":{"a":["b"]})", R"("dependencies":{"a":["b"]})", R"("prefixItems":[{}])",
        R"("items":[{}])", R"("additionalItems":false)", R"("unevaluatedProperties":false)",
        R"("contains":{},"minContains":2)", R"("dependentSchemas":{"a":{}})",
        R"("$ref":"#/$defs/a","$defs":{})", R"("properties":{"a":{"items":{"prefixItems":[{}]}}})",
        R"("additionalProperties":{"items":[]})", R"("allOf":[{},{"if":{"not":{"unevaluatedItems":false}}}])",
        R"("patternProperties":{"":{"items":[]}})",
        R"("properties":{"a":{"$schema":"http://json-schema.org/draft-04/schema#"}})"}) {
    CAPTURE(rest);
    check({
        {input, with(draft7, rest), with(of2020, rest), less, changed},
        {output, with(of2020, rest), with("", rest), less, changed},
        {input, with("", rest), with(draft7, rest), less, changed},
    });
  }
  check({
      // One that comes or goes together with the dialect, and one that the other side alone has.
      {input, with(draft7, R"("properties":{})"), with(of2020, R"("properties":{"a":{"prefixItems":[]}})"),
       less, changed},
      {input, with("", R"("properties":{"a":{"$schema":5}})"), with("", R"("properties":{"a":{}})"), less,
       "/a: \"$schema\" changed, and how cannot be told"},
      {input, with(draft4, R"("title":"a")"), with(draft4, R"("title":"b")"), same},
  });
}

TEST_CASE("a mark that sends an argument in a header as well is no prose for whoever calls") {
  const std::string marked = R"({"properties":{"a":{"type":"string","x-mcp-header":"Region"}}})";
  const std::string other = R"({"properties":{"a":{"type":"string","x-mcp-header":"Zone"}}})";
  const std::string plain = R"({"properties":{"a":{"type":"string"}}})";
  const std::string reason = "/a: \"x-mcp-header\" changed: calls carry the argument in other headers";
  check({
      {input, plain, marked, less, reason},
      {input, marked, plain, less, reason},
      {input, marked, other, less, reason},
      {input, marked, marked, same},
      {input, plain, R"({"properties":{"a":{"type":"string","x-mcp":"Region"}}})", same},
      // Results travel in no header.
      {output, plain, marked, same},
      {input, R"({})", marked, more, "/a: is new and optional"},
  });
}

TEST_CASE("an argument that is new may take less than what was declared for every other name") {
  const std::string texts = R"({"additionalProperties":{"type":"string"})";
  const std::string some = R"({"patternProperties":{"^a":{"type":"string"}})";
  const std::string described = "/a: is described now, where other names had a schema before";
  const std::string fresh = "/a: is new and optional";
  const auto and_a = [](const std::string& schema, const std::string& a) {
    return schema + R"(,"properties":{"a":)" + a + "}}";
  };
  for (const std::string& map :
       {texts, some, R"({"additionalProperties":false)" + some.substr(1).insert(0, ",")}) {
    check({
        {input, map + "}", and_a(map, R"({"type":"integer"})"), less, described},
        {input, map + "}", and_a(map, "false"), less, described},
        {input, map + "}", and_a(map, R"({"type":"string","type":"string"})"), less, described},
        {input, map + "}", and_a(map, R"({"type":"string","maxLength":3})"), less, described},
        {input, map + "}", and_a(map, "{}"), more, fresh},
        {input, map + "}", and_a(map, "true"), more, fresh},
        {input, map + "}", and_a(map, R"({"title":"A"})"), more, fresh},
    });
  }
  check({
      {input, texts + "}", and_a(texts, R"({"type":"string"})"), more, fresh},
      {input, texts + "}", and_a(texts, R"({"title":"A","type":"string"})"), more, fresh},
      {input, R"({"additionalProperties":{"title":"B","type":"string"}})",
       R"({"additionalProperties":{"title":"B","type":"string"},"properties":{"a":{"type":"string"}}})", more,
       fresh},
      // A pattern that matches counts beside it, and not instead of it.
      {input, R"({"additionalProperties":{"type":"null"},"patternProperties":{"a":{}}})",
       R"({"additionalProperties":{"type":"null"},"patternProperties":{"a":{}},"properties":{"a":{"type":"null"}}})",
       less, described},
      {input, R"({"patternProperties":{}})", R"({"patternProperties":{},"properties":{"a":{"type":"null"}}})",
       more, fresh},
      // An object that was merely open, or closed, had nothing declared.
      {input, R"({"additionalProperties":true})",
       R"({"additionalProperties":true,"properties":{"a":{"type":"null"}}})", more, fresh},
      {input, R"({"additionalProperties":false})",
       R"({"additionalProperties":false,"properties":{"a":{"type":"null"}}})", more, fresh},
      {input, R"({"additionalProperties":{}})",
       R"({"additionalProperties":{},"properties":{"a":{"type":"null"}}})", more, fresh},
      // A header that is due is declared as little as another type.
      {input, texts + "}", and_a(texts, R"({"type":"string","x-mcp-header":"A"})"), less, described},
      // Whoever reads gets less than before.
      {output, some + "}", and_a(some, R"({"type":"integer"})"), more, fresh},
      {output, texts + "}", and_a(texts, R"({"type":"integer"})"), less,
       "/a: is new where \"additionalProperties\" limited it"},
  });
}
