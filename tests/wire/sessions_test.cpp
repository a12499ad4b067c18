// Sessions of 2025 clients: how they begin, what they carry, how they end.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

Response initialize(const GatewayFixture& gateway, const std::string& version) {
  return gateway.post(Json{{"jsonrpc", "2.0"},
                           {"id", 0},
                           {"method", "initialize"},
                           {"params",
                            {{"protocolVersion", version},
                             {"capabilities", Json::object()},
                             {"clientInfo", {{"name", "t"}, {"version", "1"}}}}}}
                          .dump(),
                      "");
}

Response in_session(const GatewayFixture& gateway, const std::string& session, const std::string& version,
                    const std::string& body) {
  return gateway.post(body, "Mcp-Session-Id: " + session + "\r\n" +
                                (version.empty() ? "" : "MCP-Protocol-Version: " + version + "\r\n"));
}

Response end_session(const GatewayFixture& gateway, const std::string& session) {
  return gateway.raw(GatewayFixture::request("DELETE", "/mcp",
                                             gateway.bearer() + "Mcp-Session-Id: " + session + "\r\n", ""));
}

const std::string kPing = R"({"jsonrpc":"2.0","id":"p","method":"ping"})";
const std::string kList = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
const std::string kInitialized = R"({"jsonrpc":"2.0","method":"notifications/initialized"})";

std::string echo_call(const Json& id, const std::string& text) {
  return Json{{"jsonrpc", "2.0"},
              {"id", id},
              {"method", "tools/call"},
              {"params", {{"name", "up__echo"}, {"arguments", {{"text", text}}}}}}
      .dump();
}

}  // namespace

TEST_CASE(
    "initialize takes the version that was asked for where we speak it, else offers our newest of 2025") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  struct Row {
    const char *asked, *given;
  };
  for (const Row& row :
       {Row{"2025-03-26", "2025-03-26"}, Row{"2025-06-18", "2025-06-18"}, Row{"2025-11-25", "2025-11-25"},
        Row{"2026-07-28", "2025-11-25"}, Row{"2024-11-05", "2025-11-25"}, Row{"1999-01-01", "2025-11-25"}}) {
    CAPTURE(row.asked);
    const Response answer = initialize(gateway, row.asked);
    CAPTURE(answer.body);
    CHECK(answer.status == 200);
    CHECK(answer.json()["result"]["protocolVersion"] == row.given);
    CHECK(answer.json()["result"]["serverInfo"]["name"] == "sallyport");
    CHECK(!answer.json()["result"].contains("resultType"));
    const std::string session = answer.header("Mcp-Session-Id");
    CHECK(!session.empty());
    CHECK(session.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~") ==
          std::string::npos);
    CHECK(in_session(gateway, session, row.given, kInitialized).status == 202);
    const Response list = in_session(gateway, session, row.given, kList);
    CHECK(list.status == 200);
    CHECK(list.json()["result"]["tools"].size() == 2);
    // The header came with 2025-06-18; without it the session knows its version.
    CHECK(in_session(gateway, session, "", kList).status == 200);
  }
  CHECK(gateway.post(R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{}})", "").code() == -32602);
}

TEST_CASE("a version header that we do not speak is refused with 400") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  for (const char* version : {"1999-01-01", "2031-12-31", "latest"}) {
    CAPTURE(version);
    CHECK(in_session(gateway, session, version, echo_call(1, "x")).status == 400);
  }
  CHECK(upstream.call_count() == 0);
  CHECK(in_session(gateway, session, "2025-11-25", echo_call(1, "x")).status == 200);
}

TEST_CASE("a session outlives a restart of the server, its end does not come back") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-06-18");
  CHECK(in_session(gateway, session, "2025-06-18", echo_call(1, "before")).status == 200);
  gateway.server.reset();
  gateway.start();
  const Response after = in_session(gateway, session, "2025-06-18", echo_call(2, "after"));
  CHECK(after.status == 200);
  CHECK(after.body.find("after") != std::string::npos);
  CHECK(end_session(gateway, session).status == 204);
  CHECK(in_session(gateway, session, "2025-06-18", kPing).status == 404);
}

TEST_CASE("a batch works in a session of 2025-03-26 and nowhere else") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string old = gateway.initialize("2025-03-26");
  const Response answer = in_session(
      gateway, old, "",
      "[" + echo_call(1, "one") + "," + kInitialized + "," + echo_call("two", "zwei") + "," + kPing +
          R"(,{"jsonrpc":"2.0","id":9,"method":"no/such"},{"jsonrpc":"2.0","id":10,"method":"tools/call","params":{"name":"up__secret"}}])");
  CAPTURE(answer.body);
  CHECK(answer.status == 200);
  const Json all = answer.json();
  REQUIRE(all.is_array());
  REQUIRE(all.size() == 5);
  CHECK(all[0]["id"] == 1);
  CHECK(all[0]["result"]["content"][0]["text"] == "{\"text\":\"one\"}");
  CHECK(all[1]["id"] == "two");
  CHECK(all[2]["id"] == "p");
  CHECK(all[3]["error"]["code"] == -32601);
  CHECK(all[4]["error"]["code"] == -32602);
  CHECK(upstream.call_count() == 2);
  CHECK(gateway.recorded("intent", {{"method", "tools/call"}}, 2));
  CHECK(gateway.recorded("refusal", {{"target", "up/secret"}}));
  CHECK(in_session(gateway, old, "", "[" + kInitialized + "]").status == 202);

  struct Row {
    const char* why;
    std::string session, body;
  };
  const std::string one = "[" + echo_call(1, "x") + "]";
  std::string many = "[" + kPing;
  for (int i = 0; i < 50; ++i) many += "," + kPing;
  for (const Row& row : {Row{"2025-06-18", gateway.initialize("2025-06-18"), one},
                         Row{"2025-11-25", gateway.initialize(), one}, Row{"empty", old, "[]"},
                         Row{"fifty-one", old, many + "]"}}) {
    CAPTURE(row.why);
    const Response refused = in_session(gateway, row.session, "", row.body);
    CHECK(refused.status == 400);
    CHECK(refused.code() == -32600);
  }
  CHECK(gateway.post(one, "").status == 400);
  CHECK(upstream.call_count() == 2);
}

TEST_CASE("initialize inside a batch opens no session") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-03-26");
  const Response answer = in_session(
      gateway, session, "",
      R"([{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{}}}])");
  CHECK(answer.status == 200);
  CHECK(answer.json()[0].contains("error"));
  CHECK(answer.header("Mcp-Session-Id").empty());
}

TEST_CASE("methods that MCP does not know are answered 405 with what is allowed") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  for (const char* method : {"PUT", "PATCH"}) {
    CAPTURE(method);
    const Response answer = gateway.raw(GatewayFixture::request(
        method, "/mcp", gateway.bearer() + "Accept: text/event-stream\r\nMcp-Session-Id: " + session + "\r\n",
        ""));
    CHECK(answer.status == 405);
    CHECK(answer.header("Allow") == "GET, POST, DELETE");
  }
}

TEST_CASE("what a client of a session names first in Accept is what its answers are") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  const std::string json = "application/json", stream = "text/event-stream";
  struct Row {
    std::string accept, type;
    int status = 200;
  };
  for (const Row& row : {Row{json + ", " + stream, json}, Row{stream + ", " + json, stream},
                         Row{"Application/JSON;q=0.5 ,\tText/Event-Stream", json}, Row{stream, stream},
                         Row{json, json}, Row{"*/*", json}, Row{"application/*", json}, Row{"text/*", stream},
                         Row{"*/*;q=0.1, " + stream + ", " + json, stream}, Row{"*/*, " + stream, stream},
                         Row{"application/*, " + stream, stream}, Row{"text/*, " + json, json},
                         Row{"text/html, application/jsonl, event-stream", json, 406}}) {
    CAPTURE(row.accept);
    const Response answer = gateway.raw(
        GatewayFixture::request("POST", "/mcp",
                                gateway.bearer() + "Content-Type: application/json\r\nAccept: " + row.accept +
                                    "\r\nMcp-Session-Id: " + session + "\r\n",
                                kPing));
    CHECK(answer.status == row.status);
    CHECK(answer.header("Content-Type") == row.type);
  }
}

TEST_CASE("a client that takes only event streams gets its session's id with its first one") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Response begun = gateway.raw(GatewayFixture::request(
      "POST", "/mcp", gateway.bearer() + "Content-Type: application/json\r\nAccept: text/event-stream\r\n",
      R"({"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},)"
      R"("clientInfo":{"name":"c","version":"1"}}})"));
  CHECK(begun.status == 200);
  CHECK(begun.header("Content-Type") == "text/event-stream");
  const std::string session = begun.header("Mcp-Session-Id");
  REQUIRE_FALSE(session.empty());
  CHECK(gateway.legacy(session, "tools/list", Json::object()).status == 200);
}

TEST_CASE("ping and logging/setLevel answer with nothing, and only known levels are taken") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  const Json ping = in_session(gateway, session, "2025-11-25", kPing).json();
  CHECK(ping["id"] == "p");
  CHECK(ping["result"] == Json::object());
  for (const char* level :
       {"debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"}) {
    CAPTURE(level);
    CHECK(gateway.legacy(session, "logging/setLevel", {{"level", level}}).json()["result"] == Json::object());
  }
  for (const Json& params : {Json{{"level", "loud"}}, Json{{"level", 3}}, Json::object()}) {
    CAPTURE(params.dump());
    CHECK(gateway.legacy(session, "logging/setLevel", params).code() == -32602);
  }
  CHECK(upstream.call_count() == 0);
}

TEST_CASE("DELETE ends a session once; afterwards there is nothing to end or to use") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize(), another = gateway.initialize();
  CHECK(session != another);
  CHECK(end_session(gateway, session).status == 204);
  CHECK(end_session(gateway, session).status == 404);
  for (int i = 0; i < 4; ++i) CHECK(in_session(gateway, session, "", echo_call(i, "x")).status == 404);
  CHECK(gateway.raw(GatewayFixture::request("DELETE", "/mcp", gateway.bearer(), "")).status == 400);
  CHECK(upstream.call_count() == 0);
  CHECK(in_session(gateway, another, "", echo_call(1, "x")).status == 200);
}

TEST_CASE("a session belongs to the endpoint that opened it") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy +
                         "---\nkind: VirtualServer\nname: part\ntools: [{from: up}]\n");
  const std::string session = gateway.initialize("2025-11-25", "/mcp/part");
  CHECK(gateway.post(kList, "Mcp-Session-Id: " + session + "\r\n", "/mcp/part").status == 200);
  CHECK(gateway.post(kList, "Mcp-Session-Id: " + session + "\r\n", "/mcp").status == 404);
}
