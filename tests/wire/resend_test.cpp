// Which calls are sent a second time: only those that their server surely refused unread.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

Response echo(const GatewayFixture& gateway, const std::string& text = "x") {
  return gateway.modern("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", text}}}});
}

/// A body with the call's own id in the place of ID.
std::string tied(std::string body, const Json& message) {
  if (const auto at = body.find(":ID,"); at != std::string::npos)
    body.replace(at + 1, 2, message["id"].dump());
  return body;
}

}  // namespace

TEST_CASE("a legacy upstream that lost our session gets a new one, and the call runs once") {
  FakeMcp upstream(FakeMcp::Era::legacy);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  REQUIRE(gateway.still_works());
  const int before = upstream.initializes();
  upstream.on_call([](const std::string& request, const Json& message) {
    if (request.find("fake-session-1\r\n") != std::string::npos)
      return FakeMcp::http(404, "text/plain", "no such session");
    return FakeMcp::echo(message);
  });
  CHECK(echo(gateway, "again").body.find("again") != std::string::npos);
  CHECK(upstream.initializes() == before + 1);
  for (int i = 0; i < 20; ++i) CHECK(echo(gateway).status == 200);
  CHECK(upstream.initializes() == before + 1);
}

TEST_CASE("a call is sent again only where a server surely refused it for its session or era") {
  const std::string text = "text/plain", json = "application/json";
  const auto error = [](const char* id, int code, const char* message) {
    return "{\"jsonrpc\":\"2.0\",\"id\":" + std::string(id) + ",\"error\":{\"code\":" + std::to_string(code) +
           ",\"message\":\"" + message + "\"}}";
  };
  struct Row {
    int status;
    std::string type, body;
    std::size_t modern, session, stateless;  ///< how often the call arrives at each sort of server
  };
  const Row rows[] = {
      {404, text, "no such ticket", 1, 2, 1},
      {404, json, R"({"detail":"no such ticket"})", 1, 2, 1},
      {404, json, error("null", -32001, "Session not found"), 1, 2, 1},
      {404, json, error("\"server-error\"", -32600, "Session not found"), 1, 2, 1},
      {404, json, error("ID", -32001, "Session not found"), 1, 2, 1},
      {404, json, error("ID", -32602, "There is no browser session 12"), 1, 1, 1},
      {400, json, error("ID", -32000, "The session of the browser is closed"), 1, 1, 1},
      {405, text, "", 1, 1, 1},
      {400, text, "ticket is closed", 1, 1, 1},
      {400, text, "Bad Request: No valid session ID provided", 2, 2, 2},
      {400, json, error("null", -32602, "ticket is closed"), 1, 1, 1},
      {400, json, error("null", -32000, "Bad Request: Server not initialized"), 2, 2, 2},
      {400, json, error("\"server-error\"", -32600, "Bad Request: Missing session ID"), 2, 2, 2},
      {500, text, "the session has ended", 1, 1, 1},
      {404, "text/event-stream", "data: " + error("ID", -32001, "Session not found") + "\n\n", 1, 1, 1},
      {400, "text/event-stream", "data: " + error("null", -32000, "Session not found") + "\n\n", 1, 1, 1},
  };
  for (const std::string sort : {"modern", "session", "stateless"}) {
    FakeMcp upstream(sort == "modern" ? FakeMcp::Era::modern : FakeMcp::Era::legacy);
    if (sort == "stateless") upstream.without_sessions();
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    REQUIRE(gateway.still_works());
    for (const Row& row : rows) {
      CAPTURE(sort);
      CAPTURE(row.status);
      CAPTURE(row.body);
      const std::size_t before = upstream.call_count();
      const std::size_t wanted = sort == "modern"    ? row.modern
                                 : sort == "session" ? row.session
                                                     : row.stateless;
      upstream.on_call([&, before](const std::string&, const Json& message) {
        return upstream.call_count() > before + 1
                   ? FakeMcp::echo(message)
                   : FakeMcp::http(row.status, row.type, tied(row.body, message));
      });
      const Json answer = echo(gateway, "once").json();
      CHECK(upstream.call_count() == before + wanted);
      CHECK(answer.contains("result") == (wanted == 2));
      CHECK(gateway.still_works());
    }
  }
}

TEST_CASE("a result is the answer to its call, whatever HTTP status comes with it") {
  for (const auto era : {FakeMcp::Era::modern, FakeMcp::Era::legacy}) {
    FakeMcp upstream(era);
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    REQUIRE(gateway.still_works());
    for (const int status : {400, 404, 405, 500}) {
      CAPTURE(status);
      const std::size_t before = upstream.call_count();
      upstream.on_call([&](const std::string&, const Json& message) {
        const Json failed = {
            {"resultType", "complete"},
            {"isError", true},
            {"content", Json::array({{{"type", "text"}, {"text", "Session 12 is closed"}}})}};
        return FakeMcp::http(status, "application/json", FakeMcp::result(message, failed).dump());
      });
      CHECK(echo(gateway).json()["result"]["isError"] == true);
      CHECK(upstream.call_count() == before + 1);
    }
    upstream.on_call(nullptr);
    CHECK(gateway.still_works());
  }
}

TEST_CASE("a server that has no such path any more is looked at anew with the next call") {
  FakeMcp upstream(FakeMcp::Era::legacy);
  upstream.without_sessions();
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  REQUIRE(gateway.still_works());
  const int before = upstream.initializes();
  upstream.on_call([](const std::string&, const Json&) { return FakeMcp::http(404, "text/html", "gone"); });
  const Json answer = echo(gateway).json();
  CHECK(answer["error"]["data"]["reason"] == "upstream_broken");
  CHECK_FALSE(answer["error"]["data"].value("retry", false));
  CHECK(upstream.initializes() == before);
  upstream.on_call(nullptr);
  CHECK(echo(gateway).json().contains("result"));
  CHECK(upstream.initializes() == before + 1);
}
