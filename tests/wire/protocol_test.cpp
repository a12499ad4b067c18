// Threats N16-N23, N26: what a hostile or broken MCP client may send once HTTP is sound.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string good() {
  return GatewayFixture::modern_body("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "x"}}}});
}

struct Bed {
  FakeMcp upstream;
  GatewayFixture gateway{server_document("up", upstream.url()) + kDefaultPolicy};

  Response send(const std::string& body,
                const std::string& headers = GatewayFixture::modern_headers("tools/call", "up__echo")) {
    return gateway.post(body, headers);
  }
  void refuses(const char* id, const std::string& why, const Response& answer, int status,
               std::vector<int> codes) {
    CAPTURE(id);
    CAPTURE(why);
    CAPTURE(answer.body.substr(0, 300));
    CHECK(answer.status == status);
    CHECK(std::find(codes.begin(), codes.end(), answer.code()) != codes.end());
    CHECK(upstream.call_count() == 0);
    CHECK(answer.body.find(gateway.key) == std::string::npos);
  }
  ~Bed() {
    CHECK(gateway.still_works());
    CHECK(gateway.journal_bytes().find(gateway.key) == std::string::npos);
  }
};

std::string nested(int depth) {
  return replaced(
      good(), "\"x\"",
      std::string(static_cast<std::size_t>(depth), '[') + std::string(static_cast<std::size_t>(depth), ']'));
}

}  // namespace

TEST_CASE("N16 a key that stands twice is not JSON to us") {
  Bed bed;
  bed.refuses("N16", "top level", bed.send(replaced(good(), "\"id\":1", "\"id\":1,\"id\":1")), 400, {-32700});
  bed.refuses(
      "N16", "name twice",
      bed.send(replaced(good(), "\"name\":\"up__echo\"", "\"name\":\"up__echo\",\"name\":\"up__secret\"")),
      400, {-32700});
  bed.refuses("N16", "inside the arguments",
              bed.send(replaced(good(), "\"text\":\"x\"", "\"text\":\"x\",\"text\":\"y\"")), 400, {-32700});
  bed.refuses("N16", "escaped twin",
              bed.send(replaced(good(), "\"name\":\"up__echo\"",
                                "\"name\":\"up__echo\",\"na\\u006de\":\"up__secret\"")),
              400, {-32700});
}

TEST_CASE("N17 a twin of a known member that differs in case is refused") {
  Bed bed;
  const std::string name = "\"name\":\"up__echo\"";
  bed.refuses("N17", "Name", bed.send(replaced(good(), name, name + ",\"Name\":\"up__secret\"")), 400,
              {-32600});
  bed.refuses("N17", "METHOD", bed.send(replaced(good(), "\"id\":1", "\"id\":1,\"METHOD\":\"tools/list\"")),
              400, {-32600});
  bed.refuses("N17", "long s", bed.send(replaced(good(), "\"id\":1", "\"id\":1,\"param\xC5\xBF\":{}")), 400,
              {-32600});
}

TEST_CASE("N18 nesting is bounded") {
  Bed bed;
  bed.refuses("N18", "depth 65", bed.send(nested(65)), 400, {-32700});
  bed.refuses("N18", "depth 1000000", bed.send(nested(1000000)), 400, {-32700});
  bed.refuses("N18", "a million open brackets", bed.send(std::string(1000000, '[')), 400, {-32700});
}

TEST_CASE("N19 ids are integers or short strings, and numbers in arguments travel as they came") {
  Bed bed;
  for (const std::string id : {"9007199254740993", "1.0", "1e400", "{}", "null", "true", "[1]"}) {
    bed.refuses("N19", id, bed.send(replaced(good(), "\"id\":1", "\"id\":" + id)), 400, {-32600, -32700});
  }
  bed.refuses("N19", "10 kB string",
              bed.send(replaced(good(), "\"id\":1", "\"id\":\"" + std::string(10000, 'a') + "\"")), 400,
              {-32600});
  const std::string numbers = "{\"a\":18446744073709551616,\"b\":1.10,\"c\":1e5,\"d\":-0}";
  CHECK(bed.send(replaced(good(), "{\"text\":\"x\"}", numbers)).status == 200);
  REQUIRE(bed.upstream.call_count() == 1);
  CHECK(bed.upstream.calls()[0].find("\"arguments\":" + numbers) != std::string::npos);
}

TEST_CASE("N20 text is UTF-8, and one message is one message") {
  Bed bed;
  const std::vector<std::pair<const char*, std::string>> bodies{
      {"invalid UTF-8", replaced(good(), "\"x\"", "\"\xff\"")},
      {"lone surrogate", replaced(good(), "\"x\"", "\"\\ud800\"")},
      {"byte order mark", "\xEF\xBB\xBF" + good()},
      {"trailing bytes", good() + "{}"},
      {"batch", "[" + good() + "]"},
      {"empty", ""},
      {"empty batch", "[]"},
      {"no object", "42"},
      {"wrong jsonrpc", replaced(good(), "\"2.0\"", "\"1.0\"")}};
  for (const auto& [why, body] : bodies) bed.refuses("N20", why, bed.send(body), 400, {-32700, -32600});
  bed.refuses("N20", "NUL in a name",
              bed.send(replaced(good(), "up__echo", "up__echo\\u0000"),
                       GatewayFixture::modern_headers("tools/call", "=?base64?dXBfX2VjaG8A?=")),
              200, {-32602});
}

TEST_CASE("N21 mirrored headers say what the body says, once") {
  Bed bed;
  const auto headers = [](const std::string& version, const std::string& method, const std::string& name) {
    return version + method + name;
  };
  const std::string version = "MCP-Protocol-Version: 2026-07-28\r\n", method = "Mcp-Method: tools/call\r\n",
                    name = "Mcp-Name: up__echo\r\n";
  bed.refuses("N21", "safe name, other body",
              bed.send(replaced(good(), "up__echo", "up__secret"), headers(version, method, name)), 400,
              {-32020});
  bed.refuses("N21", "other method", bed.send(good(), headers(version, "Mcp-Method: tools/list\r\n", name)),
              400, {-32020});
  bed.refuses("N21", "legacy version header",
              bed.send(good(), headers("MCP-Protocol-Version: 2025-11-25\r\n", method, name)), 400, {-32020});
  bed.refuses("N21", "no version header", bed.send(good(), headers("", method, name)), 400, {-32020});
  bed.refuses("N21", "no method header", bed.send(good(), headers(version, "", name)), 400, {-32020});
  bed.refuses("N21", "no name header", bed.send(good(), headers(version, method, "")), 400, {-32020});
  bed.refuses("N21", "name twice", bed.send(good(), headers(version, method, name + name)), 400, {-32020});
  bed.refuses("N21", "unknown version",
              bed.send(replaced(good(), "2026-07-28", "2031-01-01"),
                       headers("MCP-Protocol-Version: 2031-01-01\r\n", method, name)),
              400, {-32022});
  const std::string region =
      GatewayFixture::modern_body("tools/call", {{"name", "up__region"}, {"arguments", {{"place", "Oslo"}}}});
  const std::string region_headers = GatewayFixture::modern_headers("tools/call", "up__region");
  bed.refuses("N21", "mirrored argument absent", bed.send(region, region_headers), 400, {-32020});
  bed.refuses("N21", "mirrored argument differs",
              bed.send(region, region_headers + "Mcp-Param-Place: Bergen\r\n"), 400, {-32020});
  CHECK(bed.send(region, region_headers + "Mcp-Param-Place: Oslo\r\n").status == 200);
  REQUIRE(bed.upstream.call_count() == 1);
  CHECK(bed.upstream.calls()[0].find("Mcp-Param-Place: Oslo\r\n") != std::string::npos);
  CHECK(bed.upstream.calls()[0].find("Mcp-Name: region\r\n") != std::string::npos);
}

TEST_CASE("N22 wrapped names are decoded strictly") {
  Bed bed;
  const auto named = [&](const std::string& value) {
    return bed.send(good(), GatewayFixture::modern_headers("tools/call", value));
  };
  for (const char* value : {"=?base64?dXBfX2VjaG8?=", "=?base64?dXBfX2VjaG8=\x20=?=",
                            "=?BASE64?dXBfX2VjaG8=?=", "=?base64?dXBfX2VjaG9=?=", "=?base64?****?="}) {
    bed.refuses("N22", value, named(value), 400, {-32020});
  }
  CHECK(named("=?base64?dXBfX2VjaG8=?=").status == 200);
}

TEST_CASE("N23 unknown methods, sessions on modern requests, and 2025 requests without a session") {
  Bed bed;
  const auto modern = [&](const std::string& method) {
    return bed.send(GatewayFixture::modern_body(method), GatewayFixture::modern_headers(method));
  };
  for (const char* method : {"no/such", "initialize", "ping", "logging/setLevel", "resources/subscribe",
                             "resources/unsubscribe"}) {
    bed.refuses("N23", method, modern(method), 404, {-32601});
  }
  bed.refuses(
      "N23", "2025 request without session",
      bed.send(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})", "MCP-Protocol-Version: 2025-11-25\r\n"),
      400, {-32600});
  bed.refuses("N23", "2025 request without anything",
              bed.send(R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})", ""), 400, {-32600});
  const Response ignored = bed.send(
      good(), GatewayFixture::modern_headers("tools/call", "up__echo") + "Mcp-Session-Id: made-up\r\n");
  CHECK(ignored.status == 200);
  CHECK(ignored.header("Mcp-Session-Id").empty());
}

TEST_CASE("N24 a credential comes in one way") {
  Bed bed;
  CHECK(
      bed.send(good(), GatewayFixture::modern_headers("tools/call", "up__echo") + "Cookie: a=b\r\n").status ==
      400);
  CHECK(bed.gateway
            .raw(GatewayFixture::request("POST", "/mcp?access_token=" + bed.gateway.key,
                                         GatewayFixture::media(), good()))
            .status == 400);
  CHECK(bed.upstream.call_count() == 0);
}

TEST_CASE("N26 a session id serves its own principal, as long as it lives") {
  Bed bed;
  const std::string session = bed.gateway.initialize();
  CHECK(bed.gateway.legacy(session, "tools/list").status == 200);
  const std::string list = R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})";
  const auto with = [&](const std::string& key, const std::string& id) {
    return bed.gateway.raw(GatewayFixture::request(
        "POST", "/mcp",
        "Authorization: Bearer " + key + "\r\n" + GatewayFixture::media() + "Mcp-Session-Id: " + id + "\r\n",
        list));
  };
  CHECK(with(bed.gateway.other_key, session).status == 404);
  CHECK(with(bed.gateway.key, "0123456789abcdef0123456789abcdef").status == 404);
  std::string flipped = session;
  flipped[flipped.size() / 2] = flipped[flipped.size() / 2] == 'A' ? 'B' : 'A';
  CHECK(with(bed.gateway.key, flipped).status == 404);
  CHECK(bed.gateway.recorded("refusal", {{"reason", "session_mismatch"}}, 3));
  CHECK(bed.gateway
            .raw(GatewayFixture::request("DELETE", "/mcp",
                                         bed.gateway.bearer() + "Mcp-Session-Id: " + session + "\r\n", ""))
            .status == 204);
  for (int i = 0; i < 8; ++i) CHECK(with(bed.gateway.key, session).status == 404);
}
