#include "sallyport/mcp/headers.hpp"

#include <doctest/doctest.h>

#include <map>

#include "parsed.hpp"
#include "sallyport/core/bytes.hpp"

namespace sallyport::mcp {
namespace {

using test::code_of;
using test::from_upstream;
using test::parsed;
using test::shown;

TEST_CASE("a header value is literal where it can be and wrapped where it must be") {
  struct Row {
    std::string text, header;
  };
  const Row rows[] = {
      {"CORE", "CORE"},
      {"", ""},
      {"a b", "a b"},
      {"file:///a?b=%20#c", "file:///a?b=%20#c"},
      {"Hello, \xE4\xB8\x96\xE7\x95\x8C", "=?base64?SGVsbG8sIOS4lueVjA==?="},
      {" a", "=?base64?IGE=?="},
      {"a ", "=?base64?YSA=?="},
      {"a\tb", "=?base64?YQli?="},
      {"a\r\nX: y", "=?base64?YQ0KWDogeQ==?="},
      {std::string("a\0b", 3), "=?base64?YQBi?="},
      {"\x7F", "=?base64?fw==?="},
      {"=?base64?SGVsbG8=?=", "=?base64?PT9iYXNlNjQ/U0dWc2JHOD0/PQ==?="},
      {"=?BASE64?x?=", "=?base64?PT9CQVNFNjQ/eD89?="},
  };
  for (const auto& row : rows) {
    CAPTURE(row.header);
    CHECK(encode_header_value(row.text) == row.header);
    const auto back = decode_header_value(row.header);
    REQUIRE(back);
    CHECK(*back == row.text);
  }
}

TEST_CASE("N22 a wrapped value that is not canonical base64 of UTF-8 is malformed") {
  for (const std::string_view value : {
           "=?base64?SGVsbG8?=",     // no padding
           "=?base64?SGVsbG8==?=",   // too much padding
           "=?base64?SGVsbG9=?=",    // trailing bits
           "=?base64?SGVs bG8=?=",   // white space
           "=?base64?SGVs\nbG8=?=",  // newline
           "=?base64?SGVs-G8_?=",    // other alphabet
           "=?base64?gICA?=",        // no UTF-8
           "caf\xC3\xA9",            // must have been wrapped
           "a\x01z",
       }) {
    CAPTURE(value);
    CHECK(shown(code_of(decode_header_value(value))) == "header_mismatch");
  }
  for (const std::string_view literal :
       {"=?BASE64?SGVsbG8=?=", "=?base64?SGVsbG8=", "SGVsbG8=?=", "=?base64?="}) {
    CHECK(decode_header_value(literal).value_or("refused") == literal);
  }
  CHECK(decode_header_value("=?base64?"
                            "?=")
            .value_or("refused")
            .empty());
}

TEST_CASE("marked properties are found through properties alone") {
  const auto schema = parsed(R"({"type":"object","properties":{
    "project":{"type":"string","x-mcp-header":"Project"},
    "q":{"type":"string"},
    "x-mcp-header":{"type":"string"},
    "opt":{"type":["integer","null"],"x-mcp-header":"Opt"},
    "deep":{"type":"object","properties":{"flag":{"type":"boolean","x-mcp-header":"X-Flag"}},
            "default":{"x-mcp-header":"not a mark"}}},
    "examples":[{"x-mcp-header":"data"}],"enum":[{"x-mcp-header":5}]})");
  const auto params = header_params(schema.root());
  REQUIRE(params);
  REQUIRE(params->size() == 3);
  CHECK((*params)[0].header == "Mcp-Param-Project");
  CHECK((*params)[0].path == std::vector<std::string>{"project"});
  CHECK((*params)[0].type == HeaderParam::Type::string);
  CHECK((*params)[1].type == HeaderParam::Type::integer);
  CHECK((*params)[2].header == "Mcp-Param-X-Flag");
  CHECK((*params)[2].path == std::vector<std::string>{"deep", "flag"});
  CHECK((*params)[2].type == HeaderParam::Type::boolean);
  CHECK(header_params(parsed("{}").root())->empty());
  CHECK(header_params(parsed("true").root())->empty());
}

TEST_CASE("a mark that breaks the rules drops the tool") {
  const auto property = [](const std::string& schema) {
    return R"({"type":"object","properties":{"a":)" + schema + "}}";
  };
  struct Row {
    std::string why;
    std::string schema;
  };
  const Row rows[] = {
      {"empty", property(R"({"type":"string","x-mcp-header":""})")},
      {"space", property(R"({"type":"string","x-mcp-header":"a b"})")},
      {"colon", property(R"({"type":"string","x-mcp-header":"a:b"})")},
      {"newline", property(R"({"type":"string","x-mcp-header":"a\nb"})")},
      {"non-ASCII", property(R"({"type":"string","x-mcp-header":"\u00e4"})")},
      {"no string", property(R"({"type":"string","x-mcp-header":5})")},
      {"null", property(R"({"type":"string","x-mcp-header":null})")},
      {"number", property(R"({"type":"number","x-mcp-header":"A"})")},
      {"object", property(R"({"type":"object","x-mcp-header":"A"})")},
      {"array", property(R"({"type":"array","items":{},"x-mcp-header":"A"})")},
      {"no type", property(R"({"x-mcp-header":"A"})")},
      {"two types", property(R"({"type":["string","integer"],"x-mcp-header":"A"})")},
      {"only null", property(R"({"type":["null"],"x-mcp-header":"A"})")},
      {"in items", property(R"({"type":"array","items":{"type":"string","x-mcp-header":"A"}})")},
      {"below items", property(R"({"items":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}})")},
      {"in prefixItems", property(R"({"prefixItems":[{"type":"string","x-mcp-header":"A"}]})")},
      {"in anyOf", R"({"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]})"},
      {"in allOf of a property", property(R"({"allOf":[{"type":"string","x-mcp-header":"A"}]})")},
      {"in then", R"({"if":{},"then":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}})"},
      {"in $defs", R"({"$defs":{"a":{"type":"string","x-mcp-header":"A"}}})"},
      {"in patternProperties", R"({"patternProperties":{"a":{"type":"string","x-mcp-header":"A"}}})"},
      {"in additionalProperties", R"({"additionalProperties":{"type":"string","x-mcp-header":"A"}})"},
      {"on the root", R"({"type":"string","x-mcp-header":"A"})"},
      {"twice, other case",
       R"({"properties":{"a":{"type":"string","x-mcp-header":"Re"},"b":{"type":"string","x-mcp-header":"rE"}}})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto document = parsed(row.schema);
    CHECK(shown(code_of(header_params(document.root()))) == "upstream_broken");
  }
}

TEST_CASE("with duplicate keys in a schema the last one counts, as in what clients are shown") {
  const auto schema = from_upstream(
      R"({"properties":{"a":{"type":"object","type":"string","x-mcp-header":"A B","x-mcp-header":"A"}}})");
  const auto params = header_params(schema.root());
  REQUIRE(params);
  REQUIRE(params->size() == 1);
  CHECK((*params)[0].header == "Mcp-Param-A");
}

class Headers {
 public:
  Headers(std::initializer_list<std::pair<const std::string, std::string>> rows) {
    for (const auto& [name, value] : rows) values_[lower(name)] = value;
  }
  HeaderFinder finder() const {
    return [this](std::string_view name) -> Result<std::optional<std::string_view>> {
      const auto found = values_.find(lower(name));
      if (found == values_.end()) return std::nullopt;
      if (found->second == "TWICE") return client_error(Code::header_mismatch, "twice");
      return found->second;
    };
  }

 private:
  std::map<std::string, std::string> values_;
};

TEST_CASE("mirrored arguments must say what the body says") {
  const std::vector<HeaderParam> params = {
      {.header = "Mcp-Param-S", .path = {"s"}, .type = HeaderParam::Type::string},
      {.header = "Mcp-Param-N", .path = {"deep", "n"}, .type = HeaderParam::Type::integer},
      {.header = "Mcp-Param-B", .path = {"b"}, .type = HeaderParam::Type::boolean},
  };
  struct Row {
    std::string why;
    std::string arguments;
    Headers headers;
    bool sound;
  };
  const Row rows[] = {
      {"none", "{}", {}, true},
      {"all",
       R"({"s":"x","deep":{"n":42},"b":true})",
       {{"mcp-param-s", "x"}, {"MCP-PARAM-N", "42"}, {"Mcp-Param-B", "true"}},
       true},
      {"null counts as absent", R"({"s":null})", {}, true},
      {"null but header", R"({"s":null})", {{"Mcp-Param-S", "null"}}, false},
      {"header missing", R"({"s":"x"})", {}, false},
      {"nested header missing", R"({"deep":{"n":1}})", {}, false},
      {"argument missing", "{}", {{"Mcp-Param-S", "x"}}, false},
      {"argument of nothing", R"({"deep":5})", {{"Mcp-Param-N", "5"}}, false},
      {"different", R"({"s":"x"})", {{"Mcp-Param-S", "y"}}, false},
      {"other case", R"({"s":"x"})", {{"Mcp-Param-S", "X"}}, false},
      {"escapes are decoded", R"({"s":"\u0078"})", {{"Mcp-Param-S", "x"}}, true},
      {"wrapped", R"({"s":"Hello"})", {{"Mcp-Param-S", "=?base64?SGVsbG8=?="}}, true},
      {"badly wrapped", R"({"s":"Hello"})", {{"Mcp-Param-S", "=?base64?SGVsbG8?="}}, false},
      {"empty text", R"({"s":""})", {{"Mcp-Param-S", ""}}, true},
      {"twice", R"({"s":"x"})", {{"Mcp-Param-S", "TWICE"}}, false},
      {"integers are numbers", R"({"deep":{"n":42.0}})", {{"Mcp-Param-N", "42"}}, true},
      {"exponents too", R"({"deep":{"n":4200}})", {{"Mcp-Param-N", "42e2"}}, true},
      {"minus zero", R"({"deep":{"n":-0}})", {{"Mcp-Param-N", "0"}}, true},
      {"sign", R"({"deep":{"n":42}})", {{"Mcp-Param-N", "-42"}}, false},
      {"plus is no number", R"({"deep":{"n":42}})", {{"Mcp-Param-N", "+42"}}, false},
      {"leading zero", R"({"deep":{"n":42}})", {{"Mcp-Param-N", "042"}}, false},
      {"hexadecimal", R"({"deep":{"n":42}})", {{"Mcp-Param-N", "0x2a"}}, false},
      {"trailing text", R"({"deep":{"n":42}})", {{"Mcp-Param-N", "42 apples"}}, false},
      {"big numbers are exact",
       R"({"deep":{"n":18446744073709551617}})",
       {{"Mcp-Param-N", "18446744073709551616"}},
       false},
      {"big numbers",
       R"({"deep":{"n":18446744073709551617}})",
       {{"Mcp-Param-N", "18446744073709551617"}},
       true},
      {"absurd exponent", R"({"deep":{"n":1}})", {{"Mcp-Param-N", "1e9999999999999999999"}}, false},
      {"boolean in other case", R"({"b":true})", {{"Mcp-Param-B", "True"}}, false},
      {"boolean is no number", R"({"b":true})", {{"Mcp-Param-B", "1"}}, false},
      {"object cannot be mirrored", R"({"s":{}})", {{"Mcp-Param-S", "{}"}}, false},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto arguments = parsed(row.arguments);
    const auto verdict = check_param_headers(params, arguments.root(), row.headers.finder());
    CHECK(shown(code_of(verdict)) == (row.sound ? "accepted" : "header_mismatch"));
  }
  CHECK(check_param_headers(params, std::nullopt, Headers({}).finder()).has_value());
}

TEST_CASE("headers made for an upstream pass its check") {
  const auto schema = parsed(R"({"properties":{"s":{"type":"string","x-mcp-header":"S"},
    "n":{"type":"integer","x-mcp-header":"N"},"b":{"type":"boolean","x-mcp-header":"B"},
    "o":{"type":"object","properties":{"d":{"type":"string","x-mcp-header":"D"}}}}})");
  const auto params = header_params(schema.root());
  REQUIRE(params);
  const auto arguments = parsed(R"({"s":" \u4e16","n":7,"b":false,"o":{"d":null},"else":1})");
  const auto made = make_param_headers(*params, arguments.root());
  REQUIRE(made.size() == 3);
  CHECK(made[0] == std::pair<std::string, std::string>("Mcp-Param-S", "=?base64?IOS4lg==?="));
  CHECK(made[1] == std::pair<std::string, std::string>("Mcp-Param-N", "7"));
  CHECK(made[2] == std::pair<std::string, std::string>("Mcp-Param-B", "false"));
  const Headers headers{
      {made[0].first, made[0].second}, {made[1].first, made[1].second}, {made[2].first, made[2].second}};
  CHECK(check_param_headers(*params, arguments.root(), headers.finder()).has_value());
  CHECK(make_param_headers(*params, std::nullopt).empty());
}

}  // namespace
}  // namespace sallyport::mcp
