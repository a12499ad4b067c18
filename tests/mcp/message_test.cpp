#include "sallyport/mcp/message.hpp"

#include <doctest/doctest.h>

#include "parsed.hpp"
#include "sallyport/mcp/twins.hpp"

namespace sallyport::mcp {
namespace {

using test::code_of;
using test::from_upstream;
using test::parsed;
using test::shown;
using Kind = Envelope::Kind;

std::optional<Code> client_verdict(const std::string& text, Id* id_out = nullptr) {
  const auto document = parsed(text);
  Id id;
  const auto message = read_client_message(document.root(), id);
  if (id_out) *id_out = id;
  return code_of(message);
}

TEST_CASE("a client's message is read as what its members make it") {
  struct Row {
    std::string why;
    std::string text;
    Kind kind;
    Id id;
    Method method;
  };
  const Row rows[] = {
      {"integer id", R"({"jsonrpc":"2.0","id":7,"method":"tools/list"})", Kind::request, "7",
       Method::tools_list},
      {"string id keeps its bytes", R"({"id":"\u0061b","method":"ping","jsonrpc":"2.0"})", Kind::request,
       R"("\u0061b")", Method::ping},
      {"zero", R"({"jsonrpc":"2.0","id":0,"method":"x/y"})", Kind::request, "0", Method::unknown},
      {"largest", R"({"jsonrpc":"2.0","id":9007199254740991,"method":"ping"})", Kind::request,
       "9007199254740991", Method::ping},
      {"smallest", R"({"jsonrpc":"2.0","id":-9007199254740991,"method":"ping"})", Kind::request,
       "-9007199254740991", Method::ping},
      {"empty string id", R"({"jsonrpc":"2.0","id":"","method":"ping"})", Kind::request, "\"\"",
       Method::ping},
      {"notification", R"({"jsonrpc":"2.0","method":"notifications/cancelled"})", Kind::notification, "",
       Method::n_cancelled},
      {"result", R"({"jsonrpc":"2.0","id":"s","result":{"action":"accept"}})", Kind::result, "\"s\"",
       Method::unknown},
      {"error", R"({"jsonrpc":"2.0","id":3,"error":{"code":-1,"message":"no"}})", Kind::error, "3",
       Method::unknown},
      {"error without id", R"({"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}})", Kind::error,
       "", Method::unknown},
      {"unknown members stay allowed", R"({"jsonrpc":"2.0","id":1,"method":"ping","extra":{},"x":1})",
       Kind::request, "1", Method::ping},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto document = parsed(row.text);
    Id id;
    const auto message = read_client_message(document.root(), id);
    REQUIRE(message);
    CHECK(message->kind == row.kind);
    CHECK(message->id == row.id);
    CHECK(id == row.id);
    CHECK(message->method == row.method);
  }
}

TEST_CASE("N19 N20 a client's message with a wrong shape is refused as an envelope") {
  struct Row {
    std::string why;
    std::string text;
  };
  const Row rows[] = {
      {"batch", R"([{"jsonrpc":"2.0","id":1,"method":"ping"}])"},
      {"scalar", R"("ping")"},
      {"no version", R"({"id":1,"method":"ping"})"},
      {"version 1.0", R"({"jsonrpc":"1.0","id":1,"method":"ping"})"},
      {"version as number", R"({"jsonrpc":2.0,"id":1,"method":"ping"})"},
      {"id over 2^53", R"({"jsonrpc":"2.0","id":9007199254740993,"method":"ping"})"},
      {"id is 2^53", R"({"jsonrpc":"2.0","id":9007199254740992,"method":"ping"})"},
      {"id with fraction", R"({"jsonrpc":"2.0","id":1.0,"method":"ping"})"},
      {"id with exponent", R"({"jsonrpc":"2.0","id":1e2,"method":"ping"})"},
      {"id out of range", R"({"jsonrpc":"2.0","id":1e400,"method":"ping"})"},
      {"id over 64 bits", R"({"jsonrpc":"2.0","id":18446744073709551616,"method":"ping"})"},
      {"id object", R"({"jsonrpc":"2.0","id":{},"method":"ping"})"},
      {"id boolean", R"({"jsonrpc":"2.0","id":true,"method":"ping"})"},
      {"id null", R"({"jsonrpc":"2.0","id":null,"method":"ping"})"},
      {"id of 257 bytes", R"({"jsonrpc":"2.0","id":")" + std::string(257, 'x') + R"(","method":"ping"})"},
      {"id of 10 kB", R"({"jsonrpc":"2.0","id":")" + std::string(10000, 'x') + R"(","method":"ping"})"},
      {"method no string", R"({"jsonrpc":"2.0","id":1,"method":5})"},
      {"params array", R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})"},
      {"params null", R"({"jsonrpc":"2.0","id":1,"method":"ping","params":null})"},
      {"nothing", R"({"jsonrpc":"2.0","id":1})"},
      {"both", R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})"},
      {"method and result", R"({"jsonrpc":"2.0","id":1,"method":"ping","result":{}})"},
      {"result without id", R"({"jsonrpc":"2.0","result":{}})"},
      {"result with null id", R"({"jsonrpc":"2.0","id":null,"result":{}})"},
      {"result no object", R"({"jsonrpc":"2.0","id":1,"result":5})"},
      {"error no object", R"({"jsonrpc":"2.0","id":1,"error":"no"})"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(shown(client_verdict(row.text)) == "bad_envelope");
  }
}

TEST_CASE("the id is known to the caller even when the rest of the message is refused") {
  Id id;
  CHECK(shown(client_verdict(R"({"jsonrpc":"1.0","id":"a","method":"ping"})", &id)) == "bad_envelope");
  CHECK(id == "\"a\"");
  CHECK(shown(client_verdict(R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"Name":"x"}})",
                             &id)) == "bad_envelope");
  CHECK(id == "5");
  CHECK(shown(client_verdict(R"({"jsonrpc":"2.0","id":1.5,"method":"ping"})", &id)) == "bad_envelope");
  CHECK(id.empty());
}

TEST_CASE("N16 N18 N20 documents that are refused at the door never reach the reader") {
  const std::string rows[] = {
      R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","name":"evil"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"safe","na\u006de":"evil"}})",
      R"({"jsonrpc":"2.0","id":1,"method":"ping"}x)",
      "\xEF\xBB\xBF"
      R"({"jsonrpc":"2.0","id":1,"method":"ping"})",
      R"({"jsonrpc":"2.0","id":"\ud800","method":"ping"})",
      R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":)" + std::string(70, '[') +
          std::string(70, ']') + "}}",
  };
  for (const auto& text : rows) {
    CAPTURE(text);
    CHECK(shown(code_of(json::Document::parse(text))) == "bad_json");
  }
}

TEST_CASE("N17 a twin of a known member is refused wherever a lenient reader would take it for the member") {
  const std::string envelope = R"({"jsonrpc":"2.0","id":1,"method":"tools/call",)";
  const auto with_params = [&](const std::string& members) {
    return envelope + R"("params":{)" + members + "}}";
  };
  const std::string twins[] = {
      envelope + R"("METHOD":"x"})",
      envelope + R"("Id":2})",
      envelope + "\"param\xC5\xBF\":{}}",
      envelope + R"("para\u006ds ":{}})",
      envelope + R"("\u0000params":{}})",
      envelope + R"("Result":{}})",
      with_params(R"("name":"safe","Name":"evil")"),
      with_params(R"("NAME":"evil")"),
      with_params(R"("name":"a","name ":"b")"),
      with_params(R"("name":"a","\tname":"b")"),
      with_params(R"("name":"a","na\u200bme":"b")"),
      with_params(R"("name":"a","\ufeffname":"b")"),
      with_params(R"("name":"a","name\u0000":"b")"),
      with_params(R"("name":"a","argument\u017f":{})"),
      with_params(R"("name":"a","ta\u017f\u212aId":"b")"),
      with_params(R"("name":"a","_META":{})"),
      with_params(R"("name":"a","requeststate":"")"),
      with_params(R"("name":"a","InputResponses":{})"),
      with_params(R"("uri":"a","URI":"b")"),
      with_params(R"("cursor":"a","Cursor":"b")"),
      with_params(R"("ref":{"type":"ref/prompt","name":"safe","Name":"evil"})"),
      with_params(R"("argument":{"name":"a","value":"b","VALUE":"c"})"),
      with_params(R"("_meta":{"io.modelcontextprotocol/ClientCapabilities":{}})"),
      with_params(R"("_meta":{"ProgressToken":1})"),
  };
  for (const auto& text : twins) {
    CAPTURE(text);
    CHECK(shown(client_verdict(text)) == "bad_envelope");
  }
  const std::string harmless[] = {
      with_params(R"("name":"a","arguments":{"Name":1,"name":2,"NAME":3,"_Meta":{}})"),
      with_params(R"("name":"a","names":1,"n":2,"meta":{},"Extra":{"Name":1})"),
      with_params(R"("name":"a","_meta":{"claudecode/toolUseId":"x","callId":"y","Vendor/Thing":1})"),
      envelope + R"("trace":1})",
  };
  for (const auto& text : harmless) {
    CAPTURE(text);
    CHECK(shown(client_verdict(text)) == "accepted");
  }
}

TEST_CASE("N17 keys fold as the most lenient readers compare them") {
  CHECK(folded("Arguments") == "arguments");
  CHECK(folded("argument\xC5\xBF") == "arguments");
  CHECK(folded("to\xE2\x84\xAA"
               "en") == "token");
  CHECK(folded(" \t\r\nname\xC2\xA0\xE2\x80\x8B\xE2\x81\xA0\xEF\xBB\xBF") == "name");
  CHECK(folded(std::string("na\0me", 5)) == "name");
  CHECK(folded("n\xC3\xA4me") == "n\xC3\xA4me");
  CHECK(folded("") == "");
}

TEST_CASE("N19 numbers inside arguments keep their bytes") {
  const auto document = parsed(
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"n":18446744073709551616, "m":1.10}}})");
  Id id;
  const auto message = read_client_message(document.root(), id);
  REQUIRE(message);
  CHECK(message->params->find("arguments")->raw() == R"({"n":18446744073709551616, "m":1.10})");
}

TEST_CASE("an upstream's message is read leniently where that is safe") {
  struct Row {
    std::string why;
    std::string text;
    Kind kind;
    Id id;
  };
  const Row rows[] = {
      {"error null beside result", R"({"jsonrpc":"2.0","id":1,"result":{},"error":null})", Kind::result, "1"},
      {"result null beside error", R"({"jsonrpc":"2.0","id":1,"result":null,"error":{"code":1}})",
       Kind::error, "1"},
      {"params null", R"({"jsonrpc":"2.0","method":"notifications/message","params":null})",
       Kind::notification, ""},
      {"twins", R"({"jsonrpc":"2.0","id":1,"ID":2,"result":{},"Result":{"a":1}})", Kind::result, "1"},
      {"duplicates: the last wins", R"({"jsonrpc":"2.0","id":1,"id":"b","result":{}})", Kind::result,
       "\"b\""},
      {"request", R"({"jsonrpc":"2.0","id":"s1","method":"elicitation/create","params":{}})", Kind::request,
       "\"s1\""},
      {"error with null id", R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":""}})",
       Kind::error, ""},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto document = from_upstream(row.text);
    const auto message = read_upstream_message(document.root());
    REQUIRE(message);
    CHECK(message->kind == row.kind);
    CHECK(message->id == row.id);
  }
}

TEST_CASE("N45 an upstream's message that is none is the upstream's fault") {
  const std::string rows[] = {
      R"([])",
      R"({"id":1,"result":{}})",
      R"({"jsonrpc":"2.0","id":1.5,"result":{}})",
      R"({"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}})",
      R"({"jsonrpc":"2.0","id":1,"result":null})",
      R"({"jsonrpc":"2.0","id":1,"result":[1]})",
      R"({"jsonrpc":"2.0","result":{}})",
      R"({"jsonrpc":"2.0","id":null,"method":"sampling/createMessage"})",
  };
  for (const auto& text : rows) {
    CAPTURE(text);
    const auto document = from_upstream(text);
    const auto message = read_upstream_message(document.root());
    REQUIRE(!message);
    CHECK(message.error().code == Code::upstream_broken);
    CHECK(message.error().blame == Blame::upstream);
  }
}

TEST_CASE("the _meta of a request is taken apart and what is not ours travels on") {
  const auto document = parsed(R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {"roots":{}} ,"io.modelcontextprotocol/clientInfo":{"name":"a"},
    "io.modelcontextprotocol/logLevel":"info","progressToken":"p\u0031","traceparent":"00-1","x":[1, 2]}})");
  const auto meta = read_meta(document.root());
  REQUIRE(meta);
  CHECK(meta->protocol_version == "2026-07-28");
  CHECK(meta->capabilities == R"({"roots":{}})");
  CHECK(meta->client_info == R"({"name":"a"})");
  CHECK(meta->log_level == "info");
  CHECK(meta->progress_token == R"("p\u0031")");
  REQUIRE(meta->carried.size() == 2);
  CHECK(meta->carried[0].first == "traceparent");
  CHECK(meta->carried[1].second == "[1, 2]");
  CHECK(read_meta(std::nullopt)->carried.empty());
}

TEST_CASE("members of _meta with a wrong type are invalid params") {
  const std::string rows[] = {
      R"([])",
      R"("x")",
      R"({"io.modelcontextprotocol/protocolVersion":5})",
      R"({"io.modelcontextprotocol/clientCapabilities":[]})",
      R"({"io.modelcontextprotocol/clientCapabilities":{"x":")" + std::string(16 * 1024, 'x') + R"("}})",
      R"({"io.modelcontextprotocol/clientInfo":"agent"})",
      R"({"io.modelcontextprotocol/logLevel":"loud"})",
      R"({"io.modelcontextprotocol/logLevel":3})",
      R"({"progressToken":1.5})",
      R"({"progressToken":null})",
      R"({"progressToken":{}})",
  };
  for (const auto& text : rows) {
    CAPTURE(text);
    const auto document = parsed(R"({"_meta":)" + text + "}");
    CHECK(shown(code_of(read_meta(document.root()))) == "invalid_params");
  }
}

TEST_CASE("versions and methods have one text each way") {
  for (const auto v : {Version::v2024_11_05, Version::v2025_03_26, Version::v2025_06_18, Version::v2025_11_25,
                       Version::v2026_07_28}) {
    CHECK(version_from(text_of(v)) == v);
  }
  CHECK(!version_from("2026-07-29"));
  CHECK(!version_from(""));
  for (int i = 1; i <= static_cast<int>(Method::n_roots_changed); ++i) {
    const auto method = static_cast<Method>(i);
    CAPTURE(i);
    REQUIRE(!text_of(method).empty());
    CHECK(method_from(text_of(method)) == method);
  }
  CHECK(method_from("Tools/List") == Method::unknown);
  CHECK(text_of(Method::unknown).empty());
}

}  // namespace
}  // namespace sallyport::mcp
