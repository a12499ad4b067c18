// Whether values fit a schema, and what a change of a schema means.
#include "sallyport/json/schema.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>

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
           Row{R"({"type":"string","type":"number"})", "1", open, "/: type"},
           Row{R"({"if":true,"then":{"type":"string"},"then":{"type":"number"}})", "1", open, "/: then"},
           Row{R"({"properties":{"a":{"type":"string"},"a":{"type":"number"}}})", R"({"a":1})", open,
               "/a: properties"},
           Row{R"({"properties":{"a":{"type":"string"},"a":{}}})", R"({"b":1})", yes},
           Row{R"({"$ref":"#/$defs/s","$defs":{"s":{"type":"string"},"s":{}}})", "1", open, "/: $ref"},
           Row{R"({"$ref":"#/$defs/s","$defs":{"s":{}},"$defs":{"s":{}}})", "1", open, "/: $ref"},
           Row{R"({"$id":"urn:x","$ref":"#/$defs/s","$defs":{"s":{"type":"string"}}})", "1", no, "/: type"},
           Row{R"({"$defs":{"s":{}},"anyOf":[{"$id":"urn:m","$defs":{"s":false},"$ref":"#/$defs/s"}]})", "1",
               open, "/: anyOf"},
           Row{R"({"$ref":"#/$defs/s","$defs":{"s":{"properties":{"id":{"type":"null"}}}}})", R"({"id":1})",
               no, "/id: type"},
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

TEST_CASE("what a definition can make a check do costs steps, however few keywords it takes") {
  const auto many = [](const std::string& one, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) out += (i > 0 ? "," : "") + one;
    return out;
  };
  const std::string large(100'000, 'x');
  struct Row {
    const char* what;
    std::string schema, value;
  };
  const Row rows[] = {
      {"a long text is compared again and again",
       R"({"$defs":{"e":{"enum":[")" + large + R"("]}},"anyOf":[)" + many(R"({"$ref":"#/$defs/e"})", 5000) +
           "]}",
       "1"},
      {"a long constant is",
       R"({"$defs":{"e":{"const":")" + large + R"("}},"anyOf":[)" + many(R"({"$ref":"#/$defs/e"})", 5000) +
           "]}",
       "1"},
      {"a long text is measured again and again",
       R"({"$defs":{"e":{"minLength":1000000}},"anyOf":[)" + many(R"({"$ref":"#/$defs/e"})", 5000) + "]}",
       '"' + large + '"'},
      {"a long list of types is gone through",
       R"({"$defs":{"e":{"type":[)" + many("\"null\"", 15000) + R"(]}},"anyOf":[)" +
           many(R"({"$ref":"#/$defs/e"})", 5000) + "]}",
       "1"},
      {"items are compared with each other again and again",
       R"({"$defs":{"e":{"uniqueItems":true}},"not":{"allOf":[)" + many(R"({"$ref":"#/$defs/e"})", 5000) +
           "]}}",
       "[\"" + large + "\",1]"},
      {"names are looked for among many others",
       R"({"anyOf":[)" + many(R"({"$ref":"#/a"})", 9000) +
           R"(],"a":{"additionalProperties":false,"properties":{)" + many(R"("n":1)", 18000) + "}}}",
       R"({"unknown":1})"},
      {"many go on after the steps are gone",
       R"({"$defs":{"e":{"enum":[")" + large + R"("]}},"allOf":[)" + many(R"({"$ref":"#/$defs/e"})", 5000) +
           "," + many("0", 100'000) + "]}",
       "1"},
      {"names are looked for among few others, again and again",
       R"({"anyOf":[)" + many(R"({"$ref":"#/a"})", 9000) + R"(],"a":{"properties":{)" +
           many(R"("n":1)", 18000) + R"(},"type":"null"}})",
       R"({"a":1})"},
      {"a name is written in escapes",
       "{\"" +
           [] {
             std::string name;
             for (int i = 0; i < 20000; ++i) name += "\\u0061";
             return name;
           }() +
           R"(":1,"a":{"type":"null"},"anyOf":[)" + many(R"({"$ref":"#/a"})", 5000) + "]}",
       "1"},
      {"what is referred to stands behind many members",
       "{" + many(R"("x-a":1)", 20000) + R"(,"$defs":{"e":{"type":"null"}},"anyOf":[)" +
           many(R"({"$ref":"#/$defs/e"})", 8000) + "]}",
       "1"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    const auto schema = parsed(row.schema), value = parsed(row.value);
    std::int64_t steps = 100'000;
    CHECK(static_cast<int>(json::check(schema.root(), value.root(), steps).fit) ==
          static_cast<int>(Fit::undetermined));
  }
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
           Row{R"({"required":["a"]})", R"({"required":["a"],"properties":{"a":{"type":"null"}}})", less,
               "/a: is described now, and was needed before"},
           Row{R"({"enum":["a","b"],"const":"c"})", R"({"const":"c"})", more, "/: more values than before"},
           Row{R"({"const":"c"})", R"({"enum":["a","c"],"const":"c"})", same},
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
           Row{R"({"$ref":"#/x-a~1b","x-a/b":{"type":"string"}})",
               R"({"$ref":"#/x-a~1b","x-a/b":{"type":"number"}})", less,
               "/: \"x-a/b\" changed, and how cannot be told"},
           Row{R"({"$ref":"#/%64efault","default":{"type":"string"}})",
               R"({"$ref":"#/%64efault","default":{"type":"number"}})", less,
               "/: \"default\" changed, and how cannot be told"},
           Row{R"({"$ref":"#foo","x-a":{"$anchor":"foo"}})",
               R"({"$ref":"#foo","x-a":{"$anchor":"foo","type":"null"}})", less,
               "/: \"x-a\" changed, and how cannot be told"},
           Row{R"({"properties":{"x":{"maxLength":5},"y":{"not":{"$ref":"#/properties/x"}}}})",
               R"({"properties":{"x":{"maxLength":10},"y":{"not":{"$ref":"#/properties/x"}}}})", less,
               "/: parts changed that count in several places, and how cannot be told"},
           Row{R"({"type":"string"})", R"({"type":"null","type":"string"})", less,
               "/: changed, and has a keyword or a property twice: readers differ over which counts"},
           Row{R"({"properties":{"a":{}}})", R"({"properties":{"a":false,"a":{}}})", less,
               "/: changed, and has a keyword or a property twice: readers differ over which counts"},
           Row{R"({"properties":{"a":{}},"unevaluatedProperties":false})",
               R"({"properties":{"a":{},"b":{}},"unevaluatedProperties":false})", less,
               "/: parts changed that count in several places, and how cannot be told"},
           Row{R"({"properties":{"a":{"type":"null"}}})",
               R"({"properties":{"a":{"type":"null","required":true}}})", less,
               "/a: \"required\" changed, and how cannot be told"},
           Row{R"({"type":5})", R"({"type":"string"})", less, "/: \"type\" changed, and how cannot be told"},
           Row{R"({"enum":["a"]})", R"({"enum":"a"})", less, "/: fewer values than before"},
           Row{R"({"minLength":5})", R"({"minLength":"9"})", less,
               "/: \"minLength\" changed, and how cannot be told"},
           Row{R"({"minimum":5,"exclusiveMinimum":3})", R"({"minimum":5,"exclusiveMinimum":true})", less,
               "/: \"exclusiveMinimum\" changed, and how cannot be told"},
           Row{R"({"additionalProperties":5})", R"({})", less,
               "/: \"additionalProperties\" changed, and how cannot be told"},
           Row{R"({"$defs":{"s":{}},"properties":{"m":{"$ref":"#/$defs/s"}}})",
               R"({"$defs":{"s":{}},"properties":{"m":{"$ref":"#/$defs/s","$id":"urn:x:m"}}})", less,
               "/m: \"$id\" changed, and how cannot be told"},
           Row{R"({"$schema":"http://json-schema.org/draft-07/schema#","items":{"$ref":"#/$defs/s"}})",
               R"({"items":{"$ref":"#/$defs/s"}})", less, "/: \"$schema\" changed, and how cannot be told"},
           Row{R"({"$schema":"http://json-schema.org/draft-07/schema#","maxLength":3})",
               R"({"$schema":"https://json-schema.org/draft/2020-12/schema","maxLength":3})", same},
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
           Row{R"({"additionalProperties":false})", R"({"additionalProperties":false,"properties":{"a":{}}})",
               SchemaChange::breaking},
           Row{R"({"additionalProperties":false})",
               R"({"additionalProperties":false,"properties":{"a":{}},"required":["a"]})",
               SchemaChange::breaking},
           Row{R"({"additionalProperties":true})", R"({"additionalProperties":true,"properties":{"a":{}}})",
               SchemaChange::widened},
           Row{R"({"items":[{"type":"string"}]})", R"({"items":[{"type":"number"}]})",
               SchemaChange::breaking},
           Row{R"({"type":"string"})", R"({"type":5})", SchemaChange::breaking},
           Row{R"({"enum":["a"]})", R"({"enum":"a"})", SchemaChange::breaking},
           Row{R"({"required":["a"]})", R"({"required":["a",1]})", SchemaChange::breaking},
           Row{R"({"properties":{"a":{}}})", R"({"properties":{"a":{"required":true}}})",
               SchemaChange::breaking},
           Row{R"({"unevaluatedItems":false})", R"({"unevaluatedItems":false,"items":{"type":"null"}})",
               SchemaChange::breaking},
           Row{R"({"properties":{"x":{"maxLength":10},"y":{"not":{"$ref":"#/properties/x"}}}})",
               R"({"properties":{"x":{"maxLength":5},"y":{"not":{"$ref":"#/properties/x"}}}})",
               SchemaChange::breaking},
       }) {
    CAPTURE(row.before);
    CAPTURE(row.after);
    const auto outcome = json::compare(parsed(row.before).root(), parsed(row.after).root(), SchemaOf::output);
    CHECK(static_cast<int>(outcome.change) == static_cast<int>(row.change));
  }
}

namespace {

/// Small schemas and values that meet often.
class Random {
 public:
  explicit Random(std::uint32_t seed) : random_(seed) {}
  std::size_t below(std::size_t n) { return random_() % n; }
  std::string one_of(std::initializer_list<const char*> texts) { return texts.begin()[below(texts.size())]; }

  std::string value(int depth = 2) {
    switch (below(depth > 0 ? 6 : 4)) {
      case 0:
        return one_of({"0", "1", "2", "1.5", "-1"});
      case 1:
        return one_of({"\"\"", "\"a\"", "\"ab\"", "\"abc\""});
      case 2:
        return one_of({"true", "false"});
      case 3:
        return "null";
      case 4: {
        std::string out;
        for (std::size_t i = below(4); i > 0; --i) out += (out.empty() ? "" : ",") + value(depth - 1);
        return "[" + out + "]";
      }
      default: {
        std::string out;
        for (const char* name : {"a", "b", "c"})
          if (below(2) == 0)
            out += (out.empty() ? "\"" : ",\"") + std::string(name) + "\":" + value(depth - 1);
        return "{" + out + "}";
      }
    }
  }

  std::string schema(int depth = 2) {
    if (below(8) == 0) return one_of({"true", "false", "{}"});
    std::string out;
    for (std::size_t i = below(4); i > 0; --i) {
      const std::string keyword = one_of({"type",
                                          "enum",
                                          "const",
                                          "required",
                                          "properties",
                                          "items",
                                          "additionalProperties",
                                          "minimum",
                                          "maximum",
                                          "exclusiveMinimum",
                                          "minLength",
                                          "maxLength",
                                          "minItems",
                                          "maxItems",
                                          "minProperties",
                                          "maxProperties",
                                          "uniqueItems",
                                          "anyOf",
                                          "not",
                                          "title",
                                          "prefixItems",
                                          "propertyNames",
                                          "if",
                                          "then",
                                          "else",
                                          "patternProperties"});
      if (out.find("\"" + keyword + "\":") != std::string::npos) continue;
      out += (out.empty() ? "\"" : ",\"") + keyword + "\":" + rule(keyword, depth);
    }
    return "{" + out + "}";
  }

  /// The same with one place changed.
  std::string changed(const std::string& schema) {
    const auto document = parsed(schema);
    const auto members = document.root().members();
    if (!document.root().is(json::Kind::object) || document.root().size() == 0 || below(4) == 0)
      return this->schema();
    std::string out;
    const std::size_t which = below(document.root().size() + 1);
    std::size_t i = 0;
    for (const auto& member : members) {
      const bool here = i++ == which;
      if (here && below(3) == 0) continue;
      const bool nested = member.value.is(json::Kind::object) && below(2) == 0;
      const std::string text = !here                          ? std::string(member.value.raw())
                               : !nested                      ? rule(member.key(), 1)
                               : member.key() == "properties" ? changed_properties(member.value)
                                                              : changed(std::string(member.value.raw()));
      out += (out.empty() ? "" : ",") + std::string(member.raw_key()) + ":" + text;
    }
    if (which == i && out.find("\"maximum\"") == std::string::npos)
      out += std::string(out.empty() ? "" : ",") + R"("maximum":)" + rule("maximum", 1);
    return "{" + out + "}";
  }

 private:
  std::string changed_properties(const json::Value& properties) {
    std::string out;
    for (const auto& member : properties.members())
      out += (out.empty() ? "" : ",") + std::string(member.raw_key()) + ":" +
             changed(std::string(member.value.raw()));
    return "{" + out + "}";
  }

  std::string rule(const std::string& keyword, int depth) {
    const std::string type =
        one_of({"\"string\"", "\"integer\"", "\"number\"", "\"object\"", "\"array\"", "\"null\""});
    if (keyword == "type") return below(2) == 0 ? type : "[" + type + ",\"boolean\"]";
    if (keyword == "enum") return "[" + value(1) + "," + value(1) + "]";
    if (keyword == "const") return value(1);
    if (keyword == "required") return one_of({"[]", R"(["a"])", R"(["a","b"])", R"(["c"])"});
    if (keyword == "title") return "\"t\"";
    if (keyword == "uniqueItems") return one_of({"true", "false"});
    if (keyword == "prefixItems" || keyword == "anyOf") return "[" + inner(depth) + "," + inner(depth) + "]";
    if (keyword == "properties" || keyword == "patternProperties") {
      std::string out;
      for (const char* name : {"a", "b", "c"})
        if (below(2) == 0) out += (out.empty() ? "\"" : ",\"") + std::string(name) + "\":" + inner(depth);
      return "{" + out + "}";
    }
    if (keyword.starts_with("min") || keyword.starts_with("max") || keyword.starts_with("excl"))
      return one_of({"0", "1", "2", "3", "1.5"});
    return inner(depth);
  }
  std::string inner(int depth) { return depth > 0 ? schema(depth - 1) : "{}"; }

  std::mt19937 random_;
};

}  // namespace

TEST_CASE("what a comparison calls compatible takes no value away from those who hold to the old schema") {
  const char* const given = std::getenv("SALLYPORT_SEED");
  const std::uint32_t seed = given ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 10)) : 1;
  CAPTURE(seed);
  Random random(seed);
  int compatible = 0, used = 0;
  for (int i = 0; i < 5'000; ++i) {
    const std::string before = random.schema(), after = random.changed(before);
    const auto old_schema = parsed(before), new_schema = parsed(after);
    const auto input = json::compare(old_schema.root(), new_schema.root(), SchemaOf::input).change;
    const auto output = json::compare(old_schema.root(), new_schema.root(), SchemaOf::output).change;
    compatible += input == SchemaChange::compatible || output == SchemaChange::compatible ? 1 : 0;
    for (int k = 0; k < 10; ++k) {
      const std::string text = random.value();
      const auto value = parsed(text);
      const Fit old_fit = json::check(old_schema.root(), value.root()).fit;
      const Fit new_fit = json::check(new_schema.root(), value.root()).fit;
      CAPTURE(before);
      CAPTURE(after);
      CAPTURE(text);
      if (input == SchemaChange::compatible) {
        used += old_fit == Fit::fits ? 1 : 0;
        REQUIRE_FALSE((old_fit == Fit::fits && new_fit == Fit::fails));
      }
      if (output != SchemaChange::breaking) {
        used += new_fit == Fit::fits ? 1 : 0;
        REQUIRE_FALSE((new_fit == Fit::fits && old_fit == Fit::fails));
      }
    }
  }
  CHECK(compatible > 300);
  CHECK(used > 300);
}
