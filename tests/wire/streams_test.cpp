// The GET stream of 2025 sessions: who gets it, what it says, how it ends.
#include "stream_reader.hpp"

using namespace sallyport::testing;

namespace {

/// The first of the usual tools, as it was, and a new one.
Json two_tools() {
  return Json::array(
      {FakeMcp::default_tools()[0], {{"name", "extra"}, {"inputSchema", {{"type", "object"}}}}});
}

/// Everyone in team dev, and a second agent that sees only echo.
const char* const kTwoViews = R"(---
kind: Policy
name: views
subjects: ["agent:bot"]
rules:
  - {effect: allow, tools: ["*/*"], prompts: ["*/*"], resources: ["*/*"]}
---
kind: Policy
name: narrow
subjects: ["agent:other"]
rules:
  - {effect: allow, tools: ["up/echo"]}
)";

std::string other_session(const GatewayFixture& gateway) {
  const Response answer = gateway.raw(GatewayFixture::request(
      "POST", "/mcp", "Authorization: Bearer " + gateway.other_key + "\r\n" + GatewayFixture::media(),
      R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}})"));
  REQUIRE(answer.status == 200);
  return answer.header("Mcp-Session-Id");
}

const std::string kToolsChanged = "notifications/tools/list_changed";

}  // namespace

TEST_CASE("a GET without what a stream needs is refused in words that say what is missing") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const std::string session = "Mcp-Session-Id: " + gateway.initialize() + "\r\n";
  const std::string ended = gateway.initialize();
  REQUIRE(gateway
              .raw(GatewayFixture::request("DELETE", "/mcp",
                                           gateway.bearer() + "Mcp-Session-Id: " + ended + "\r\n", ""))
              .status == 204);
  struct Row {
    const char* why;
    std::string headers;
    int status;
  };
  for (const Row& row : {
           Row{"no session", gateway.bearer() + kTakesEvents, 400},
           Row{"unknown session", gateway.bearer() + kTakesEvents + "Mcp-Session-Id: nonsense\r\n", 404},
           Row{"deleted session", gateway.bearer() + kTakesEvents + "Mcp-Session-Id: " + ended + "\r\n", 404},
           Row{"no key", kTakesEvents + session, 401},
           Row{"no Accept", gateway.bearer() + session, 406},
           Row{"takes JSON only", gateway.bearer() + "Accept: application/json\r\n" + session, 406},
           Row{"modern", gateway.bearer() + kTakesEvents + session + "MCP-Protocol-Version: 2026-07-28\r\n",
               405},
           Row{"unknown version",
               gateway.bearer() + kTakesEvents + session + "MCP-Protocol-Version: 1999-01-01\r\n", 400},
           Row{"a stranger's page",
               gateway.bearer() + kTakesEvents + session + "Origin: https://evil.example\r\n", 403},
           Row{"bad event id", gateway.bearer() + kTakesEvents + session + "Last-Event-ID: ../../x\r\n", 404},
       }) {
    CAPTURE(row.why);
    const Response answer = gateway.raw(GatewayFixture::request("GET", "/mcp", row.headers, ""));
    CHECK(answer.status == row.status);
    if (row.status == 405) CHECK(answer.header("Allow") == "GET, POST, DELETE");
  }
  CHECK(gateway.still_works());
}

TEST_CASE("a browser client may GET where its origin is allowed") {
  FakeMcp upstream;
  sallyport::cli::Settings settings;
  settings.allowed_origins = {"https://app.example"};
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy, settings);
  reached(gateway);
  const Response answer = gateway.raw(GatewayFixture::request(
      "OPTIONS", "/mcp", "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n", ""));
  CHECK(answer.status == 204);
  CHECK(answer.header("Access-Control-Allow-Methods") == "GET, POST, DELETE");
  StreamReader stream = get_stream(gateway, gateway.initialize(), "Origin: https://app.example\r\n");
  CHECK(stream.head.status == 200);
  CHECK(stream.head.header("Access-Control-Allow-Origin") == "https://app.example");
}

TEST_CASE("a session's stream begins with an event to come back to, for clients that know what that is") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  for (const char* version : {"2025-11-25", "2025-06-18", "2025-03-26"}) {
    CAPTURE(version);
    StreamReader stream = get_stream(gateway, gateway.initialize(version));
    REQUIRE(stream.head.status == 200);
    CHECK(stream.head.header("Content-Type") == "text/event-stream");
    upstream.set_tools(version == std::string("2025-06-18") ? Json::array() : two_tools());
    REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
    auto first = stream.next();
    REQUIRE(first.has_value());
    if (version == std::string("2025-11-25")) {
      CHECK(!first->id.empty());
      CHECK(first->data.empty());
      CHECK(first->retry == 1000);
      first = stream.next();
      REQUIRE(first.has_value());
    }
    CHECK(!first->id.empty());
    CHECK(first->json() == Json{{"jsonrpc", "2.0"}, {"method", kToolsChanged}});
  }
}

TEST_CASE("a second GET takes the stream over: the first ends") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  StreamReader first = get_stream(gateway, session);
  CHECK(first.next().has_value());
  StreamReader second = get_stream(gateway, session);
  CHECK(second.next().has_value());
  CHECK(first.ended());
  upstream.set_tools(two_tools());
  REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
  CHECK(second.message()["method"] == kToolsChanged);
}

TEST_CASE("a list that changed is announced to those who see the change, and to nobody else") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  REQUIRE(gateway.apply(std::string("---\nkind: Policy\nname: dev-tools\nsubjects: [\"agent:nobody\"]\n"
                                    "rules: [{effect: allow, tools: [\"x/y\"]}]\n") +
                        kTwoViews));
  StreamReader wide = get_stream(gateway, gateway.initialize());
  StreamReader narrow = get_stream(gateway, other_session(gateway), "", "/mcp", gateway.other_key);
  CHECK(wide.next().has_value());
  CHECK(narrow.next().has_value());

  // An upstream's new tool: only one of them may see it.
  upstream.set_tools(two_tools());
  REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
  CHECK(wide.message()["method"] == kToolsChanged);

  // A change of policy: now the other one hears, for the first time, and of its prompts alone.
  REQUIRE(gateway.apply(R"(---
kind: Policy
name: narrow
subjects: ["agent:other"]
rules:
  - {effect: allow, tools: ["up/echo"], prompts: ["up/greet"]}
)"));
  CHECK(narrow.message()["method"] == "notifications/prompts/list_changed");

  REQUIRE(gateway.apply(R"(---
kind: Policy
name: views
subjects: ["agent:bot"]
rules:
  - {effect: allow, tools: ["*/*"], prompts: ["*/*"]}
)"));
  CHECK(wide.message()["method"] == "notifications/resources/list_changed");
}

TEST_CASE("changes that follow each other at once are announced together") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  StreamReader stream = get_stream(gateway, gateway.initialize());
  CHECK(stream.next().has_value());
  for (int i = 0; i < 10; ++i) {
    upstream.set_tools(
        Json::array({{{"name", "tool" + std::to_string(i)}, {"inputSchema", {{"type", "object"}}}}}));
    REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
  }
  // The last thing that is said comes after the last change; then a change of another kind.
  REQUIRE(gateway.apply(R"(---
kind: Policy
name: no-prompts
subjects: ["agent:bot"]
rules: [{effect: deny, prompts: ["*/*"]}]
)"));
  int announced = 0;
  for (;;) {
    const std::string method = stream.message().value("method", "");
    if (method != kToolsChanged) {
      CHECK(method == "notifications/prompts/list_changed");
      break;
    }
    ++announced;
  }
  CHECK(announced >= 1);
  CHECK(announced < 10);
}

TEST_CASE("streams end with their key, their endpoint, their session and the server") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const auto apply_part = [&](const std::string& text) {
    return gateway.admin("apply", {{"files", Json::array({{{"name", "part.yaml"}, {"text", text}}})},
                                   {"origin", "part"},
                                   {"prune", true}});
  };
  REQUIRE(apply_part("---\nkind: VirtualServer\nname: part\ntools: [{from: up}]\n"));
  const auto open = [&](const std::string& path) {
    const std::string session = gateway.initialize("2025-11-25", path);
    auto stream = std::make_unique<StreamReader>(get_stream(gateway, session, "", path));
    CHECK(stream->next().has_value());
    return std::pair(session, std::move(stream));
  };
  SUBCASE("the key is revoked") {
    auto [session, stream] = open("/mcp");
    REQUIRE(gateway.admin("key.revoke", {{"id", gateway.key}}).has_value());
    CHECK(stream->ended());
  }
  SUBCASE("the virtual server goes") {
    auto [session, stream] = open("/mcp/part");
    auto [kept_session, kept] = open("/mcp");
    REQUIRE(apply_part("---\nkind: Team\nname: unrelated\nmembers: []\n"));
    CHECK(stream->ended());
    upstream.set_tools(two_tools());
    REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
    CHECK(kept->message()["method"] == kToolsChanged);
  }
  SUBCASE("the session is deleted") {
    auto [session, stream] = open("/mcp");
    CHECK(gateway
              .raw(GatewayFixture::request("DELETE", "/mcp",
                                           gateway.bearer() + "Mcp-Session-Id: " + session + "\r\n", ""))
              .status == 204);
    CHECK(stream->ended());
    CHECK(get_stream(gateway, session).head.status == 404);
  }
  SUBCASE("the server stops") {
    auto [session, stream] = open("/mcp");
    auto [other, second] = open("/mcp");
    const auto begin = std::chrono::steady_clock::now();
    gateway.server.reset();
    CHECK(stream->ended());
    CHECK(second->ended());
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
  }
}

TEST_CASE("a client that goes leaves no stream behind") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  {
    StreamReader get = get_stream(gateway, gateway.initialize());
    StreamReader listener = listen(gateway, {{"toolsListChanged", true}});
    CHECK(get.next().has_value());
    CHECK(listener.next().has_value());
    CHECK(metric_becomes(gateway, "sallyport_streams", 2));
  }
  CHECK(metric_becomes(gateway, "sallyport_streams", 0));
  CHECK(metric_becomes(gateway, "sallyport_requests_in_flight", 0));
}

TEST_CASE("N26: a session's stream is its own principal's: anyone else finds nothing, and that is recorded") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  StreamReader own = get_stream(gateway, session);
  const auto priming = own.next();
  REQUIRE(priming.has_value());
  StreamReader foreign = get_stream(gateway, session, "", "/mcp", gateway.other_key);
  CHECK(foreign.head.status == 404);
  CHECK(gateway.recorded("refusal", {{"reason", "session_mismatch"}, {"method", "GET"}}, 1));
  // One's own session does not open another's stream either.
  const std::string theirs = other_session(gateway);
  StreamReader stolen =
      get_stream(gateway, theirs, "Last-Event-ID: " + priming->id + "\r\n", "/mcp", gateway.other_key);
  CHECK(stolen.head.status == 404);
  CHECK(gateway.recorded("refusal", {{"reason", "session_mismatch"}, {"method", "GET"}}, 2));
  // The owner has not noticed.
  upstream.set_tools(two_tools());
  REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
  CHECK(own.message()["method"] == kToolsChanged);
}
