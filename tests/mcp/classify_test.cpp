#include <doctest/doctest.h>

#include <span>

#include "parsed.hpp"
#include "sallyport/mcp/message.hpp"
#include "sallyport/mcp/params.hpp"

namespace sallyport::mcp {
namespace {

using test::code_of;
using test::parsed;
using test::shown;
using Way = Classified::Way;
using Header = std::optional<std::string_view>;

constexpr std::string_view kMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}})";

std::string request(std::string_view method, std::string_view params) {
  return R"({"jsonrpc":"2.0","id":1,"method":")" + std::string(method) + R"(","params":{)" +
         std::string(params) + "}}";
}

// A modern request whose params hold `members` besides the envelope.
std::string modern(std::string_view method, std::string_view members = {}) {
  return request(method, std::string(members) + (members.empty() ? "" : ",") + std::string(kMeta));
}

std::string modern_of(std::string_view version) {
  return request("tools/list", R"("_meta":{"io.modelcontextprotocol/protocolVersion":")" +
                                   std::string(version) +
                                   R"(","io.modelcontextprotocol/clientCapabilities":{}})");
}

std::string way_name(Way way) {
  switch (way) {
    case Way::modern:
      return "modern";
    case Way::initialize:
      return "initialize";
    case Way::legacy:
      return "legacy";
    case Way::response:
      return "response";
  }
  return {};
}

// The way, or the error's name.
std::string verdict(const std::string& text, const HttpFacts& http) {
  const auto document = parsed(text);
  Id id;
  const auto call = classify(document.root(), http, id);
  return call ? way_name(call->way) : shown(code_of(call));
}

HttpFacts facts(Header version, Header method = {}, Header name = {}) {
  return {.version = version, .method = method, .name = name, .session = {}};
}

struct Row {
  std::string why;
  std::string text;
  HttpFacts http;
  std::string expected;
};

void check(std::span<const Row> rows) {
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(verdict(row.text, row.http) == row.expected);
  }
}

TEST_CASE("the era is decided by the body first and by the version header where the body is silent") {
  const std::string initialize =
      request("initialize",
              R"("protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"})");
  const std::string ask_modern =
      request("initialize", R"("protocolVersion":"2026-07-28","capabilities":{},"clientInfo":{"name":"a"})");
  const std::string answer = R"({"jsonrpc":"2.0","id":"s","result":{}})";
  const Row rows[] = {
      {"sound modern request", modern("tools/list"), facts("2026-07-28", "tools/list"), "modern"},
      {"initialize", initialize, facts({}), "initialize"},
      {"initialize with Mcp-Method", initialize, facts({}, "initialize"), "initialize"},
      {"initialize with its own version header", initialize, facts("2025-11-25"), "initialize"},
      {"initialize asking for the modern version", ask_modern, facts({}), "initialize"},
      {"initialize with a modern header", initialize, facts("2026-07-28"), "header_mismatch"},
      {"initialize asking for modern with a modern header", ask_modern, facts("2026-07-28"),
       "header_mismatch"},
      {"legacy without header", request("tools/list", ""), facts({}), "legacy"},
      {"legacy with header", request("tools/list", ""), facts("2025-06-18"), "legacy"},
      {"legacy that sends Mcp-Method", request("tools/list", ""), facts("2025-11-25", "tools/list"),
       "legacy"},
      {"Mcp-Method alone proves nothing", request("tools/list", ""), facts({}, "tools/call"), "legacy"},
      {"no _meta, modern header", R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})",
       facts("2026-07-28", "tools/list"), "invalid_params"},
      {"_meta without version, modern header", request("tools/list", R"("_meta":{"progressToken":1})"),
       facts("2026-07-28", "tools/list"), "invalid_params"},
      {"_meta without version header", modern("tools/list"), facts({}, "tools/list"), "header_mismatch"},
      {"response", answer, facts("2025-11-25"), "response"},
      {"response without header", answer, facts({}), "response"},
      {"response under a modern header", answer, facts("2026-07-28"), "bad_request"},
      {"legacy header that is no version", request("tools/list", ""), facts("1.0"), "bad_request"},
      {"legacy header with a date we do not know", request("tools/list", ""), facts("2026-01-01"),
       "bad_request"},
      {"empty legacy header", request("tools/list", ""), facts(""), "bad_request"},
      {"server/discover without envelope or header", request("server/discover", ""), facts({}),
       "method_not_found"},
      {"_meta of a legacy request", request("tools/list", R"("_meta":{"progressToken":"p"})"), facts({}),
       "legacy"},
      {"_meta of a legacy request, wrong", request("tools/list", R"("_meta":{"progressToken":[]})"),
       facts({}), "invalid_params"},
  };
  check(rows);
}

TEST_CASE("an unsupported version is answered with what is supported and what was asked") {
  const auto document = parsed(modern_of("2027-01-15"));
  Id id;
  const auto call = classify(document.root(), facts("2027-01-15", "tools/list"), id);
  REQUIRE(!call);
  CHECK(call.error().code == Code::unsupported_version);
  CHECK(call.error().data == R"({"supported":["2026-07-28"],"requested":"2027-01-15"})");
  CHECK(id == "1");

  const Row rows[] = {
      {"legacy version in _meta", modern_of("2025-11-25"), facts("2025-11-25", "tools/list"),
       "unsupported_version"},
      {"no version at all", modern_of("latest"), facts("latest", "tools/list"), "unsupported_version"},
      {"quotes stay data", modern_of("a\\\"b"), facts({}), "unsupported_version"},
      {"two versions, one of them unknown", modern_of("2027-01-15"), facts("2026-07-28"), "header_mismatch"},
      {"unknown version in the header alone", request("tools/list", ""), facts("2027-01-15"),
       "invalid_params"},
  };
  check(rows);
}

TEST_CASE("required members of a modern _meta are missed by name") {
  const Row rows[] = {
      {"no capabilities",
       request("tools/list", R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"})"),
       facts("2026-07-28", "tools/list"), "invalid_params"},
      {"no version", request("tools/list", R"("_meta":{"io.modelcontextprotocol/clientCapabilities":{}})"),
       facts("2026-07-28", "tools/list"), "invalid_params"},
      {"capabilities no object",
       request("tools/list", R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
         "io.modelcontextprotocol/clientCapabilities":null})"),
       facts("2026-07-28", "tools/list"), "invalid_params"},
      {"version no string",
       request("tools/list", R"("_meta":{"io.modelcontextprotocol/protocolVersion":20260728})"),
       facts("2026-07-28", "tools/list"), "invalid_params"},
      {"_meta no object", request("tools/list", R"("_meta":"2026-07-28")"), facts("2026-07-28", "tools/list"),
       "invalid_params"},
      {"clientInfo is not required", modern("tools/list"), facts("2026-07-28", "tools/list"), "modern"},
  };
  check(rows);
}

TEST_CASE("N21 mirrored headers must say what the body says") {
  const std::string call = modern("tools/call", R"("name":"evil","arguments":{})");
  const std::string read = modern("resources/read", R"("uri":"file:///a b")");
  const std::string list = modern("tools/list");
  const Row rows[] = {
      {"all equal", call, facts("2026-07-28", "tools/call", "evil"), "modern"},
      {"surrounding white space is not part of a value", call,
       facts(" 2026-07-28 ", "\ttools/call ", " evil "), "modern"},
      {"other name", call, facts("2026-07-28", "tools/call", "safe"), "header_mismatch"},
      {"name in other case", call, facts("2026-07-28", "tools/call", "EVIL"), "header_mismatch"},
      {"name absent", call, facts("2026-07-28", "tools/call"), "header_mismatch"},
      {"name empty", call, facts("2026-07-28", "tools/call", ""), "header_mismatch"},
      {"other method", list, facts("2026-07-28", "tools/call"), "header_mismatch"},
      {"method in other case", list, facts("2026-07-28", "TOOLS/LIST"), "header_mismatch"},
      {"method absent", list, facts("2026-07-28"), "header_mismatch"},
      {"other version", list, facts("2025-11-25", "tools/list"), "header_mismatch"},
      {"version absent", list, facts({}, "tools/list"), "header_mismatch"},
      {"uri is the name of a resource", read, facts("2026-07-28", "resources/read", "file:///a b"), "modern"},
      {"other uri", read, facts("2026-07-28", "resources/read", "file:///a"), "header_mismatch"},
      {"prompt", modern("prompts/get", R"("name":"p")"), facts("2026-07-28", "prompts/get", "q"),
       "header_mismatch"},
      {"task", modern("tasks/get", R"("taskId":"t1")"), facts("2026-07-28", "tasks/get", "t1"), "modern"},
      {"other task", modern("tasks/cancel", R"("taskId":"t1")"), facts("2026-07-28", "tasks/cancel", "t2"),
       "header_mismatch"},
      {"task absent", modern("tasks/update", R"("taskId":"t1","inputResponses":{})"),
       facts("2026-07-28", "tasks/update"), "header_mismatch"},
      {"a name where none belongs is not looked at", list, facts("2026-07-28", "tools/list", "x"), "modern"},
  };
  check(rows);
}

TEST_CASE("N21 a header that stands twice is refused") {
  HttpFacts http = facts("2026-07-28", "tools/call", "a");
  const std::string call = modern("tools/call", R"("name":"a")");
  for (const std::string_view name :
       {"mcp-name", "mcp-method", "mcp-protocol-version", "mcp-param-project"}) {
    http.repeated = name;
    CHECK(verdict(call, http) == "header_mismatch");
  }
  HttpFacts legacy = facts("2025-11-25");
  legacy.repeated = "mcp-session-id";
  CHECK(verdict(request("tools/list", ""), legacy) == "bad_request");
}

TEST_CASE("N22 Mcp-Name is decoded before it is compared") {
  const std::string body = modern("tools/call", R"("name":"Hello")");
  const Row rows[] = {
      {"encoded", body, facts("2026-07-28", "tools/call", "=?base64?SGVsbG8=?="), "modern"},
      {"bad padding", body, facts("2026-07-28", "tools/call", "=?base64?SGVsbG8?="), "header_mismatch"},
      {"bad alphabet", body, facts("2026-07-28", "tools/call", "=?base64?SGVs*G8=?="), "header_mismatch"},
      {"inner newline", body, facts("2026-07-28", "tools/call", "=?base64?SGVs\nbG8=?="), "header_mismatch"},
      {"inner space", body, facts("2026-07-28", "tools/call", "=?base64?SGVs bG8=?="), "header_mismatch"},
      {"upper-case marker", body, facts("2026-07-28", "tools/call", "=?BASE64?SGVsbG8=?="),
       "header_mismatch"},
      {"trailing bits", body, facts("2026-07-28", "tools/call", "=?base64?SGVsbG9=?="), "header_mismatch"},
      {"other text", body, facts("2026-07-28", "tools/call", "=?base64?SGVsbA==?="), "header_mismatch"},
      {"no UTF-8", body, facts("2026-07-28", "tools/call", "=?base64?//79?="), "header_mismatch"},
      {"half a wrapper is literal", body, facts("2026-07-28", "tools/call", "=?base64?SGVsbG8="),
       "header_mismatch"},
  };
  check(rows);
  const std::string odd = modern("tools/call", R"("name":"=?base64?SGVsbG8=")");
  CHECK(verdict(odd, facts("2026-07-28", "tools/call", "=?base64?SGVsbG8=")) == "modern");
}

TEST_CASE("N23 methods belong to eras and unknown ones are not found") {
  const Row rows[] = {
      {"unknown", modern("tools/explode"), facts("2026-07-28", "tools/explode"), "method_not_found"},
      {"unknown comes before the headers", modern("tools/explode"), facts("2026-07-28"), "method_not_found"},
      {"initialize under a modern envelope", modern("initialize"), facts("2026-07-28", "initialize"),
       "method_not_found"},
      {"ping", modern("ping"), facts("2026-07-28", "ping"), "method_not_found"},
      {"logging/setLevel", modern("logging/setLevel", R"("level":"info")"),
       facts("2026-07-28", "logging/setLevel"), "method_not_found"},
      {"resources/subscribe", modern("resources/subscribe", R"("uri":"a:b")"),
       facts("2026-07-28", "resources/subscribe"), "method_not_found"},
      {"resources/unsubscribe", modern("resources/unsubscribe", R"("uri":"a:b")"),
       facts("2026-07-28", "resources/unsubscribe"), "method_not_found"},
      {"what servers ask", modern("sampling/createMessage"), facts("2026-07-28", "sampling/createMessage"),
       "method_not_found"},
      {"tasks/list left with 2025-11-25", modern("tasks/list"), facts("2026-07-28", "tasks/list"),
       "method_not_found"},
      {"a notification's name with an id", modern("notifications/cancelled"),
       facts("2026-07-28", "notifications/cancelled"), "method_not_found"},
      {"discover", modern("server/discover"), facts("2026-07-28", "server/discover"), "modern"},
      {"legacy ping", request("ping", ""), facts("2025-11-25"), "legacy"},
      {"legacy listen", request("subscriptions/listen", R"("notifications":{})"), facts({}),
       "method_not_found"},
      {"legacy unknown", request("tools/explode", ""), facts({}), "method_not_found"},
      {"legacy roots/list from a client", request("roots/list", ""), facts({}), "method_not_found"},
  };
  check(rows);
}

TEST_CASE("N23 a session id on a modern request is ignored") {
  HttpFacts http = facts("2026-07-28", "tools/list");
  http.session = "9f2c";
  CHECK(verdict(modern("tools/list"), http) == "modern");
}

TEST_CASE("notifications need no mirrored headers, but those that stand there must be right") {
  const std::string bare = R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}})";
  const std::string unknown = R"({"jsonrpc":"2.0","method":"notifications/else"})";
  const std::string enveloped =
      R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,)" + std::string(kMeta) +
      "}}";
  const Row rows[] = {
      {"version header alone", bare, facts("2026-07-28"), "modern"},
      {"with method", bare, facts("2026-07-28", "notifications/cancelled"), "modern"},
      {"other method", bare, facts("2026-07-28", "tools/call"), "header_mismatch"},
      {"envelope without headers", enveloped, facts({}), "modern"},
      {"envelope and other version header", enveloped, facts("2025-11-25"), "header_mismatch"},
      {"version that we do not have", bare, facts("2027-01-15"), "unsupported_version"},
      {"unknown notification", unknown, facts("2026-07-28"), "modern"},
      {"legacy", bare, facts("2025-11-25"), "legacy"},
      {"legacy, initialized", R"({"jsonrpc":"2.0","method":"notifications/initialized"})", facts({}),
       "legacy"},
      {"legacy, unknown", unknown, facts({}), "legacy"},
      {"legacy, initialize as notification", R"({"jsonrpc":"2.0","method":"initialize"})", facts({}),
       "legacy"},
  };
  check(rows);
}

TEST_CASE("params are checked as far as routing needs them, in both eras") {
  struct Params {
    std::string method;
    std::string members;
    bool sound;
  };
  const Params rows[] = {
      {"tools/call", R"("name":"a")", true},
      {"tools/call", R"("name":"a","arguments":{"x":[1]})", true},
      {"tools/call", R"("arguments":{})", false},
      {"tools/call", R"("name":5)", false},
      {"tools/call", R"("name":null)", false},
      {"tools/call", R"("name":"a","arguments":[])", false},
      {"tools/call", R"("name":"a","arguments":null)", false},
      {"tools/call", R"("name":"a","requestState":"s","inputResponses":{})", true},
      {"tools/call", R"("name":"a","requestState":{})", false},
      {"tools/call", R"("name":"a","inputResponses":[])", false},
      {"prompts/get", R"("name":"a","arguments":{"x":"1"})", true},
      {"prompts/get", R"("uri":"a")", false},
      {"resources/read", R"("uri":"file:///a")", true},
      {"resources/read", R"("uri":["file:///a"])", false},
      {"completion/complete", R"("ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a","value":""})",
       true},
      {"completion/complete",
       R"("ref":{"type":"ref/resource","uri":"u"},"argument":{"name":"a","value":"b"})", true},
      {"completion/complete", R"("ref":{"type":"ref/prompt","uri":"u"},"argument":{"name":"a","value":"b"})",
       false},
      {"completion/complete", R"("ref":{"type":"ref/tool","name":"p"},"argument":{"name":"a","value":"b"})",
       false},
      {"completion/complete", R"("ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"a"})", false},
      {"completion/complete", R"("ref":{"type":"ref/prompt","name":"p"})", false},
      {"completion/complete", R"("ref":"p","argument":{"name":"a","value":"b"})", false},
      {"tools/list", R"("cursor":"")", true},
      {"tools/list", R"("cursor":5)", false},
      {"prompts/list", R"("cursor":null)", false},
      {"resources/list", R"("cursor":"x")", true},
      {"resources/templates/list", R"("cursor":{})", false},
      {"resources/subscribe", R"("uri":"a:b")", true},
      {"resources/unsubscribe", R"("a":1)", false},
      {"logging/setLevel", R"("level":"warning")", true},
      {"logging/setLevel", R"("level":"loud")", false},
      {"initialize", R"("protocolVersion":"2025-11-25","capabilities":{})", true},
      {"initialize", R"("protocolVersion":5,"capabilities":{})", false},
      {"initialize", R"("protocolVersion":"2025-11-25")", false},
      {"subscriptions/listen", R"("notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:b"]})",
       true},
      {"subscriptions/listen", R"("notifications":{"toolsListChanged":"yes"})", false},
      {"subscriptions/listen", R"("notifications":{"resourceSubscriptions":[5]})", false},
      {"subscriptions/listen", R"("notifications":{"resourceSubscriptions":"a:b"})", false},
      {"subscriptions/listen", R"("x":1)", false},
      {"tasks/get", R"("taskId":"t")", true},
      {"tasks/get", R"("taskId":1)", false},
      {"tasks/update", R"("taskId":"t")", false},
      {"tasks/cancel", R"("x":1)", false},
      {"ping", R"("x":1)", true},
  };
  for (const auto& row : rows) {
    CAPTURE(row.method);
    CAPTURE(row.members);
    const auto params = parsed("{" + std::string(row.members) + "}");
    const auto method = method_from(row.method);
    CHECK(shown(code_of(check_params(method, params.root()))) == (row.sound ? "accepted" : "invalid_params"));
    if (client_may_send(method, kNewestLegacy) && method != Method::initialize) {
      CHECK(verdict(request(row.method, row.members), facts({})) ==
            (row.sound ? "legacy" : "invalid_params"));
    }
    if (client_may_send(method, kModern) && !row.sound) {
      CHECK(verdict(modern(row.method, row.members), facts("2026-07-28", row.method)) == "invalid_params");
    }
  }
  CHECK(shown(code_of(check_params(Method::tools_call, std::nullopt))) == "invalid_params");
  CHECK(shown(code_of(check_params(Method::tools_list, std::nullopt))) == "accepted");
}

TEST_CASE("what classify hands on is the message and its meta") {
  const auto document = parsed(modern("tools/call", R"("name":"a","arguments":{"x": 1})"));
  Id id;
  const auto call = classify(document.root(), facts("2026-07-28", "tools/call", "a"), id);
  REQUIRE(call);
  CHECK(call->message.method == Method::tools_call);
  CHECK(call->message.id == "1");
  CHECK(call->message.params->find("arguments")->raw() == R"({"x": 1})");
  CHECK(call->meta.protocol_version == "2026-07-28");
  CHECK(call->meta.capabilities == "{}");
}

}  // namespace
}  // namespace sallyport::mcp
