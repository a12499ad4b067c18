#include "sallyport/mcp/compose.hpp"

#include <doctest/doctest.h>
#include <fmt/core.h>

#include "parsed.hpp"

namespace sallyport::mcp {
namespace {

using test::from_upstream;
using test::parsed;

constexpr std::string_view kInfo = R"({"name":"gw","version":"1"})";
constexpr std::string_view kInfoMember =
    R"("io.modelcontextprotocol/serverInfo":{"name":"gw","version":"1"})";

TEST_CASE("messages are envelopes around raw payloads") {
  CHECK(result_message("7", R"({"a": 1.10})") == R"({"jsonrpc":"2.0","id":7,"result":{"a": 1.10}})");
  CHECK(result_message(R"("x")", "{}") == R"({"jsonrpc":"2.0","id":"x","result":{}})");
  CHECK(error_message("1", -32601, "Method \"x\"\n", "") ==
        R"({"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"Method \"x\"\n"}})");
  CHECK(error_message("", -32700, "Parse error", R"({"at":5})") ==
        R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error","data":{"at":5}}})");
  CHECK(notification_message("notifications/progress", R"({"progress":1})") ==
        R"({"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}})");
  CHECK(notification_message("notifications/initialized", "") ==
        R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
  CHECK(request_message("9", "tools/call", R"({"name":"a"})") ==
        R"({"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"a"}})");
}

TEST_CASE("a result is adapted to the era of the client and keeps its payload's bytes") {
  struct Row {
    std::string why;
    std::string result;
    Version to;
    std::optional<CacheHints> hints;
    std::string_view info;
    std::string expected;
  };
  const std::string payload =
      R"("content":[ {"type":"text","text":"\u0061 1.10"} ],"structuredContent":{"n":1E2})";
  const std::string info_member(kInfoMember);
  const Row rows[] = {
      {"legacy to modern", "{" + payload + "}", kModern, std::nullopt, kInfo,
       R"({"resultType":"complete",)" + payload + R"(,"_meta":{)" + info_member + "}}"},
      {"empty to modern", "{}", kModern, std::nullopt, "", R"({"resultType":"complete"})"},
      {"resultType stays", R"({"a":1,"resultType":"input_required"})", kModern, std::nullopt, "",
       R"({"a":1,"resultType":"input_required"})"},
      {"resultType that is no string", R"({"resultType":null,"a":1})", kModern, std::nullopt, "",
       R"({"resultType":"complete","a":1})"},
      {"hints are set", R"({"tools":[]})", kModern, CacheHints{.ttl_ms = 30000}, "",
       R"({"resultType":"complete","tools":[],"ttlMs":30000,"cacheScope":"private"})"},
      {"hints replace", R"({"resultType":"complete","ttlMs":1,"cacheScope":"public","tools":[]})", kModern,
       CacheHints{.ttl_ms = 0, .is_public = false}, "",
       R"({"resultType":"complete","tools":[],"ttlMs":0,"cacheScope":"private"})"},
      {"public", "{}", kModern, CacheHints{.ttl_ms = 5, .is_public = true}, "",
       R"({"resultType":"complete","ttlMs":5,"cacheScope":"public"})"},
      {"without hints they stay", R"({"resultType":"complete","ttlMs":1})", kModern, std::nullopt, "",
       R"({"resultType":"complete","ttlMs":1})"},
      {"server info is replaced",
       R"({"resultType":"complete","_meta":{"a": 1,"io.modelcontextprotocol/serverInfo":{"name":"up"},"b":2},"x":3})",
       kModern, std::nullopt, kInfo,
       R"({"resultType":"complete","_meta":{"a":1,"b":2,)" + info_member + R"(},"x":3})"},
      {"server info is removed",
       R"({"resultType":"complete","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"up"}},"x":3})",
       kModern, std::nullopt, "", R"({"resultType":"complete","x":3})"},
      {"_meta that is no object", R"({"resultType":"complete","_meta":5})", kModern, std::nullopt, kInfo,
       R"({"resultType":"complete","_meta":{)" + info_member + "}}"},
      {"_meta without it keeps its bytes", R"({"resultType":"complete","_meta":{ "a" : 1 }})", kModern,
       std::nullopt, "", R"({"resultType":"complete","_meta":{ "a" : 1 }})"},
      {"modern to legacy",
       R"({"resultType":"complete","tools":[ ],"ttlMs":1,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{}}})",
       kNewestLegacy, std::nullopt, kInfo, R"({"tools":[ ]})"},
      {"legacy keeps the rest of _meta",
       R"({"_meta":{"k":[1, 2],"io.modelcontextprotocol/serverInfo":{}},"a":1})", Version::v2025_06_18,
       std::nullopt, kInfo, R"({"_meta":{"k":[1, 2]},"a":1})"},
      {"legacy to legacy", R"({ "content":[ ],"_meta":{ } })", kNewestLegacy, std::nullopt, "",
       R"({"content":[ ],"_meta":{ }})"},
      {"structured content that is no object is none to legacy",
       R"({"content":[{"type":"text","text":"x"}],"structuredContent":[1,2],"isError":false})", kNewestLegacy,
       std::nullopt, "", R"({"content":[{"type":"text","text":"x"}],"isError":false})"},
      {"and is its text where there is no other", R"({"content":[],"structuredContent":["a", 1.0]})",
       kNewestLegacy, std::nullopt, "", R"({"content":[{"type":"text","text":"[\"a\", 1.0]"}]})"},
      {"also where no content is said", R"({"structuredContent":null})", Version::v2025_06_18, std::nullopt,
       "", R"({"content":[{"type":"text","text":"null"}]})"},
      {"modern has any", R"({"content":[],"structuredContent":[1]})", kModern, std::nullopt, "",
       R"({"resultType":"complete","content":[],"structuredContent":[1]})"},
      {"hints mean nothing to legacy", R"({"a":1})", kNewestLegacy, CacheHints{.ttl_ms = 5}, "",
       R"({"a":1})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto document = from_upstream(row.result);
    CHECK(adapt_result(document.root(), row.to, row.hints, row.info) == row.expected);
  }
}

TEST_CASE("what a 2025 server calls the type of its result means nothing to a 2026 client") {
  const auto document = from_upstream(R"({"resultType":"input_required","a":1,"resultType":"task"})");
  CHECK(adapt_result(document.root(), kModern, std::nullopt, "", false) ==
        R"({"resultType":"complete","a":1})");
}

TEST_CASE("N16 what an upstream says twice leaves once, at every depth") {
  struct Row {
    std::string result, expected;
  };
  const Row rows[] = {
      {R"({"a":1,"b":2,"a":3})", R"({"b":2,"a":3})"},
      {R"({"a":1,"\u0061":3})", R"({"\u0061":3})"},
      {R"({"x":[ {"k":1,"k":2}, {"k" : 1} ]})", R"({"x":[{"k":2},{"k" : 1}]})"},
      {R"({"_meta":{"k":1,"k":2,"io.modelcontextprotocol/serverInfo":1,"io.modelcontextprotocol/serverInfo":2}})",
       R"({"_meta":{"k":2}})"},
      {R"({"_meta":{"k":1},"_meta":{"l":{"m":1,"m":[]}}})", R"({"_meta":{"l":{"m":[]}}})"},
      {R"({"resultType":"a","resultType":"b","x":{}})", R"({"x":{}})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.result);
    const auto document = from_upstream(row.result);
    const auto out = adapt_result(document.root(), kNewestLegacy, std::nullopt, "");
    CHECK(out == row.expected);
    CHECK(json::Document::parse(out).has_value());
    CHECK(json::Document::parse(adapt_result(document.root(), kModern, CacheHints{}, kInfo)).has_value());
  }
}

TEST_CASE("N16 many members with duplicates among them leave once") {
  std::string text = "{";
  for (int i = 0; i < 2000; ++i) text += fmt::format("{}\"k{}\":{}", i ? "," : "", i % 700, i);
  const auto document = from_upstream(text + "}");
  const auto out = adapt_result(document.root(), kNewestLegacy, std::nullopt, "");
  const auto strict = parsed(out);
  CHECK(strict.root().size() == 700);
  CHECK(strict.root().find("k5")->raw() == "1405");
}

TEST_CASE("params for an upstream keep what is not replaced") {
  struct Row {
    std::string why;
    std::string params;
    std::vector<std::pair<std::string_view, std::string>> replace;
    std::vector<std::pair<std::string, std::string>> meta;
    std::string expected;
  };
  const Row rows[] = {
      {"name",
       R"({"name":"gw__a","arguments":{"n":18446744073709551616 , "m":1.0},"_meta":{"progressToken":1}})",
       {{"name", R"("a")"}},
       {},
       R"({"name":"a","arguments":{"n":18446744073709551616 , "m":1.0}})"},
      {"meta stays where it was",
       R"({"_meta":{"x":1},"name":"a"})",
       {},
       {{"progressToken", "7"}, {"t\"p", R"("v")"}},
       R"({"_meta":{"progressToken":7,"t\"p":"v"},"name":"a"})"},
      {"meta is added", R"({"name":"a"})", {}, {{"k", "{}"}}, R"({"name":"a","_meta":{"k":{}}})"},
      {"absent members are appended",
       R"({"uri":"a"})",
       {{"cursor", R"("c")"}},
       {},
       R"({"uri":"a","cursor":"c"})"},
      {"unknown members travel",
       R"({"name":"a","vendor":{"z":[1 ,2]}})",
       {{"name", R"("b")"}},
       {},
       R"({"name":"b","vendor":{"z":[1 ,2]}})"},
      {"a key is written plainly where its value is ours",
       R"({"n\u0061me":"a"})",
       {{"name", R"("b")"}},
       {},
       R"({"name":"b"})"},
      {"_meta is not replaced this way", R"({"a":1})", {{"_meta", R"({"evil":1})"}}, {}, R"({"a":1})"},
      {"empty", "{}", {}, {}, "{}"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto document = parsed(row.params);
    CHECK(rebuild_params(document.root(), row.replace, row.meta) == row.expected);
  }
  CHECK(rebuild_params(std::nullopt, {}, {}) == "{}");
  CHECK(rebuild_params(std::nullopt, {{"cursor", R"("c")"}}, {{"k", "1"}}) ==
        R"({"cursor":"c","_meta":{"k":1}})");
}

TEST_CASE("definitions keep every keyword of their schemas, in order") {
  const auto tool = from_upstream(
      R"({"name":"a","description":"d","inputSchema":{"$schema":"x","type":"object","$defs":{"b":{"$anchor":"c"}},)"
      R"("if":{},"then":{ "x":1 }},"execution":{"taskSupport":"optional"},"annotations":{"readOnlyHint":true}})");
  CHECK(
      rebuild_object(tool.root(), {{"name", R"("up__a")"}, {"title", R"("T")"}}, {"execution"}) ==
      R"({"name":"up__a","description":"d","inputSchema":{"$schema":"x","type":"object","$defs":{"b":{"$anchor":"c"}},)"
      R"("if":{},"then":{ "x":1 }},"annotations":{"readOnlyHint":true},"title":"T"})");
  CHECK(rebuild_object(parsed("{}").root(), {}, {"x"}) == "{}");
  CHECK(rebuild_object(parsed(R"({"a":1,"b":2})").root(), {}, {"a", "b"}) == "{}");
}

}  // namespace
}  // namespace sallyport::mcp
