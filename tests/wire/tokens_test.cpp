// Bearer tokens of configured issuers at the door.
#include "fake_issuer.hpp"
#include "sallyport/core/bytes.hpp"
#include "shifted_clock.hpp"

using namespace sallyport;
using namespace sallyport::testing;
using namespace std::chrono_literals;

namespace {

/// Alice of the default issuer, and team "staff" of any, may use what is not secret.
constexpr const char* kPolicy = R"(---
kind: Policy
name: people
subjects: ["user:alice", "team:staff"]
rules:
  - {effect: allow, tools: ["up/*"]}
  - {effect: deny, tools: ["up/secret"]}
)";

struct Rig {
  explicit Rig(const std::string& issuer_keys = "default: true\n", const std::string& documents = kPolicy,
               int shards = 2)
      : gateway(server_document("up", upstream.url()) + idp.document("idp", issuer_keys) + documents,
                {.shards = shards}, clock) {}

  std::string resource(const std::string& path = "/mcp") const { return gateway.server->public_url() + path; }
  std::string token(const Json& claims = Json::object(), const std::string& path = "/mcp") const {
    return idp.token(resource(path), claims, clock.now());
  }
  Response with(const std::string& token, const std::string& method = "tools/call",
                const Json& params = {{"name", "up__echo"}, {"arguments", {{"text", "hello"}}}},
                const std::string& path = "/mcp") const {
    return gateway.raw(
        GatewayFixture::request("POST", path,
                                "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
                                    GatewayFixture::modern_headers(method, params.value("name", "")),
                                GatewayFixture::modern_body(method, params)));
  }
  std::string said(const Response& answer) const {
    return answer.json()["error"].value("message", "no error");
  }

  ShiftedClock clock;
  FakeMcp upstream;
  FakeIssuer idp;
  GatewayFixture gateway;
};

bool is_ok(const Response& answer) { return answer.status == 200 && answer.code() == 0; }

}  // namespace

TEST_CASE("a token of a configured issuer opens the door, and its principal is judged and recorded") {
  const Rig rig;
  const std::string token = rig.token();
  for (int i = 0; i < 3; ++i) CHECK(is_ok(rig.with(token)));
  CHECK(rig.upstream.call_count() == 3);
  CHECK(rig.gateway.recorded("intent",
                             {{"principal", "user:alice"}, {"target", "up/echo"}, {"rule", "people#1"}}, 3));
  CHECK(rig.with(token, "tools/list").json()["result"]["tools"].size() == 2);
  CHECK(rig.with(rig.token({{"sub", "bob"}}), "tools/list").json()["result"]["tools"].empty());
  // Discovery and keys were fetched once; what was verified once is known again.
  CHECK(rig.idp.key_fetches() == 1);
  CHECK(rig.idp.asked("/.well-known/openid-configuration") == 1);
  // N33: the token goes nowhere, and into no record.
  for (const std::string& call : rig.upstream.calls()) CHECK(call.find("uthorization") == std::string::npos);
  CHECK(rig.gateway.journal_bytes().find(token.substr(token.rfind('.') + 1)) == std::string::npos);
}

TEST_CASE("sessions and their streams belong to the principal, whichever of its tokens is shown") {
  const Rig rig;
  const auto initialize = [&](const std::string& token) {
    return rig.gateway.raw(GatewayFixture::request(
        "POST", "/mcp", "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media(),
        R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}})"));
  };
  const Response opened = initialize(rig.token());
  REQUIRE(opened.status == 200);
  const std::string session = opened.header("Mcp-Session-Id");
  const auto list = [&](const std::string& token) {
    return rig.gateway.raw(
        GatewayFixture::request("POST", "/mcp",
                                "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
                                    "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: 2025-11-25\r\n",
                                R"({"jsonrpc":"2.0","id":1,"method":"tools/list"})"));
  };
  CHECK(list(rig.token({{"jti", "another"}})).status == 200);
  CHECK(list(rig.token({{"sub", "bob"}})).status == 404);
}

TEST_CASE("N31 what is wrong with a token is said, with a challenge, alike in both eras") {
  const Rig rig;
  const std::int64_t now = unix_millis(rig.clock.now()) / 1000;
  struct Row {
    const char* about;
    std::string token, why;
  };
  const std::string good = rig.token();
  const Row rows[] = {
      {"expired", rig.token({{"exp", now - 31}}), "it has expired"},
      {"for another endpoint", rig.token({}, "/mcp/pay"), "it is for somebody else than " + rig.resource()},
      {"with a slash more", rig.token({}, "/mcp/"), "it is for somebody else than " + rig.resource()},
      {"for nobody", rig.token({{"aud", Json::array()}}), "it is for somebody else than " + rig.resource()},
      {"of another issuer", rig.token({{"iss", rig.idp.url() + "/"}}), "its issuer is not known here"},
      {"of no issuer", rig.token({{"iss", nullptr}}), "its issuer is not known here"},
      {"with another signature", good.substr(0, good.size() - 8) + "AAAAAAAA", "its signature does not fit"},
      {"without one", good.substr(0, good.rfind('.') + 1), "it has no signature"},
      {"that is no token", "opaque", "it is neither a JWT nor a key"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.about);
    const Response modern = rig.with(row.token);
    CHECK(modern.status == 401);
    CHECK(rig.said(modern) == "The token is not accepted: " + row.why + ".");
    CHECK(modern.header("WWW-Authenticate") ==
          "Bearer realm=\"sallyport\", error=\"invalid_token\", resource_metadata=\"" +
              rig.gateway.server->public_url() + "/.well-known/oauth-protected-resource/mcp\"");
    const Response legacy = rig.gateway.raw(GatewayFixture::request(
        "POST", "/mcp", "Authorization: Bearer " + row.token + "\r\n" + GatewayFixture::media(),
        R"({"jsonrpc":"2.0","id":1,"method":"ping"})"));
    CHECK(legacy.status == 401);
    CHECK(legacy.header("WWW-Authenticate") == modern.header("WWW-Authenticate"));
    CHECK(rig.said(legacy) == rig.said(modern));
  }
  CHECK(rig.upstream.call_count() == 0);
  // Without a credential there is nothing that could be invalid.
  const Response none =
      rig.gateway.raw(GatewayFixture::request("POST", "/mcp", GatewayFixture::media(), "{}"));
  CHECK(none.status == 401);
  CHECK(none.header("WWW-Authenticate") == "Bearer realm=\"sallyport\", resource_metadata=\"" +
                                               rig.gateway.server->public_url() +
                                               "/.well-known/oauth-protected-resource/mcp\"");
}

TEST_CASE("a virtual server takes tokens that were made for it; /mcp takes its own") {
  const Rig rig("default: true\naudiences: [\"api://everything\"]\n",
                std::string(kPolicy) + "---\nkind: VirtualServer\nname: pay\ntools: [{from: up}]\n");
  const auto list = [&](const std::string& token, const std::string& path) {
    return rig.with(token, "tools/list", Json::object(), path).status;
  };
  CHECK(list(rig.token({}, "/mcp/pay"), "/mcp/pay") == 200);
  CHECK(list(rig.token({}, "/mcp/pay"), "/mcp") == 401);
  CHECK(list(rig.token({}, "/mcp"), "/mcp/pay") == 401);
  // One that was verified elsewhere is not therefore good here.
  const std::string pay = rig.token({}, "/mcp/pay");
  CHECK(list(pay, "/mcp/pay") == 200);
  CHECK(list(pay, "/mcp") == 401);
  for (const char* path : {"/mcp", "/mcp/pay"})
    CHECK(list(rig.token({{"aud", "api://everything"}}), path) == 200);
  // What does not exist answers a stranger like what does.
  CHECK(list(rig.token({}, "/mcp"), "/mcp/none") == 401);
  CHECK(list(rig.token({}, "/mcp/none"), "/mcp/none") == 404);
}

TEST_CASE(
    "metadata stands at every place where clients look for it, for endpoints that exist and for others") {
  const Rig rig("default: true\nscopes: [mcp]\n");
  const std::string url = rig.gateway.server->public_url();
  struct Row {
    const char *path, *resource;
  };
  const Row rows[] = {
      {"/.well-known/oauth-protected-resource", "/mcp"},
      {"/.well-known/oauth-protected-resource/mcp", "/mcp"},
      {"/.well-known/oauth-protected-resource/mcp/pay", "/mcp/pay"},
      {"/.well-known/oauth-protected-resource/mcp/does-not-exist", "/mcp/does-not-exist"},
      {"/mcp/.well-known/oauth-protected-resource", "/mcp"},
      {"/mcp/pay/.well-known/oauth-protected-resource", "/mcp/pay"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.path);
    // From a page anywhere, and under whatever name this host is reached.
    const Response answer = rig.gateway.raw(GatewayFixture::request(
        "GET", row.path, "Origin: https://app.example\r\n", "", "proxy.internal:8080"));
    CHECK(answer.status == 200);
    CHECK(answer.header("Access-Control-Allow-Origin") == "*");
    CHECK(answer.json() == Json{{"resource", url + row.resource},
                                {"authorization_servers", {rig.idp.url()}},
                                {"scopes_supported", {"mcp"}},
                                {"bearer_methods_supported", {"header"}},
                                {"resource_name", "Sallyport"}});
  }
  for (const char* path :
       {"/.well-known/oauth-protected-resource/other", "/.well-known/oauth-protected-resource/mcp/A",
        "/.well-known/oauth-protected-resource/mcp/a/b", "/.well-known/jwks.json"}) {
    CAPTURE(path);
    CHECK(rig.gateway.raw(GatewayFixture::request("GET", path, "", "")).status == 404);
  }
  const Response preflight = rig.gateway.raw(GatewayFixture::request(
      "OPTIONS", rows[0].path, "Origin: https://app.example\r\nAccess-Control-Request-Method: GET\r\n", ""));
  CHECK(preflight.status == 204);
  CHECK(preflight.header("Access-Control-Allow-Methods") == "GET");
}

TEST_CASE("without an issuer there is no metadata, and a challenge that points to none") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  CHECK(gateway.raw(GatewayFixture::request("GET", "/.well-known/oauth-protected-resource/mcp", "", ""))
            .status == 404);
  const Response none = gateway.raw(GatewayFixture::request("POST", "/mcp", GatewayFixture::media(), "{}"));
  CHECK(none.header("WWW-Authenticate") == "Bearer realm=\"sallyport\"");
}

TEST_CASE("a token without a scope that is demanded is told which, and is no stranger's") {
  const Rig rig("default: true\nscopes: [mcp, \"tools:call\"]\n");
  const Response answer = rig.with(rig.token({{"scope", "mcp"}}));
  CHECK(answer.status == 403);
  CHECK(answer.json()["error"]["data"]["reason"] == "insufficient_scope");
  CHECK(answer.header("WWW-Authenticate") ==
        "Bearer realm=\"sallyport\", error=\"insufficient_scope\", resource_metadata=\"" +
            rig.gateway.server->public_url() +
            "/.well-known/oauth-protected-resource/mcp\", scope=\"mcp tools:call\"");
  CHECK(is_ok(rig.with(rig.token({{"scope", "mcp tools:call"}}))));
}

TEST_CASE("API keys go on beside tokens; both at once are never taken") {
  const Rig rig("default: true\n", std::string(kPolicy) + kDefaultPolicy);
  CHECK(rig.gateway.still_works());
  CHECK(is_ok(rig.with(rig.token())));
  const Response two = rig.gateway.raw(GatewayFixture::request(
      "POST", "/mcp",
      rig.gateway.bearer() + "Authorization: Bearer " + rig.token() + "\r\n" + GatewayFixture::media(),
      "{}"));
  CHECK(two.status == 400);
}

TEST_CASE(
    "F09 a new key is found at once when the last look is long ago, and the removed one is then refused") {
  Rig rig("default: true\nkeys: {refresh: 10m, cool_down: 30s, expiry: 1h}\n");
  const std::string old = rig.token();
  CHECK(is_ok(rig.with(old)));
  rig.clock.advance(60s);
  // With overlap: both keys are listed.
  const std::string before = rig.idp.jwk();
  const std::string next = rig.idp.rotate("k2");
  rig.idp.publish({before, next});
  CHECK(is_ok(rig.with(rig.token())));
  CHECK(is_ok(rig.with(old)));
  CHECK(rig.idp.key_fetches() == 2);
  // Without: what was verified by the key that is gone is not good any more, although it was once.
  rig.clock.advance(60s);
  const std::string last = rig.idp.rotate("k3");
  rig.idp.publish({last});
  CHECK(is_ok(rig.with(rig.token())));
  CHECK(rig.with(old).status == 401);
  CHECK(rig.idp.key_fetches() == 3);
}

TEST_CASE("F09 a key that was withdrawn while nobody came is refused to the first who does") {
  Rig rig("default: true\nkeys: {refresh: 10m, cool_down: 30s, expiry: 24h}\n");
  const std::string old = rig.token({{"exp", unix_millis(rig.clock.now()) / 1000 + 90000}});
  CHECK(is_ok(rig.with(old)));
  rig.idp.publish({rig.idp.rotate("k2")});
  rig.clock.advance(8h);
  CHECK(rig.with(old).status == 401);
  CHECK(is_ok(rig.with(rig.token())));
  CHECK(rig.idp.key_fetches() == 2);
}

TEST_CASE("an issuer's document that changes keeps the keys that were fetched for it") {
  Rig rig;
  const std::string good = rig.token();
  CHECK(is_ok(rig.with(good)));
  rig.idp.on_request(
      [](const std::string&, const std::string&) { return FakeMcp::http(500, "text/plain", "down"); });
  REQUIRE(rig.gateway.apply(rig.idp.document("idp", "default: true\nroles: claims.roles\n")).has_value());
  CHECK(is_ok(rig.with(good)));
}

TEST_CASE(
    "F09 while its issuer is down its tokens are good until the keys expire; then there is an honest 503") {
  Rig rig("default: true\nkeys: {refresh: 1m, cool_down: 10s, expiry: 10m}\n");
  CHECK(is_ok(rig.with(rig.token())));
  for (const std::string& harm :
       {FakeMcp::http(500, "text/plain", "down"), FakeMcp::http(200, "text/html", "<html>"),
        FakeMcp::http(302, "text/plain", "", "Location: http://169.254.169.254/\r\n"),
        FakeMcp::http(200, "application/json", R"({"keys":[]})"),
        FakeMcp::http(200, "application/json", Json{{"issuer", "https://evil.example"}}.dump())}) {
    rig.idp.on_request([harm](const std::string&, const std::string&) { return harm; });
    rig.clock.advance(70s);
    CHECK(is_ok(rig.with(rig.token())));
  }
  const auto issuers = [&] { return (*rig.gateway.admin("status", Json::object()))["server"]["issuers"]; };
  CHECK(issuers()[0]["name"] == "idp");
  CHECK(issuers()[0]["keys"] == 1);
  CHECK(issuers()[0]["problem"].get<std::string>().find("its metadata") != std::string::npos);
  rig.clock.advance(600s);
  const Response answer = rig.with(rig.token());
  CHECK(answer.status == 503);
  CHECK(rig.said(answer) == "The keys of this token's issuer cannot be had now.");
  CHECK(answer.json()["error"]["data"]["retry"] == true);
  CHECK(issuers()[0]["keys"] == 0);
  rig.idp.on_request({});
  rig.clock.advance(30s);
  CHECK(is_ok(rig.with(rig.token())));
}

TEST_CASE(
    "N37 N38 what an issuer's metadata points to is fetched only where that is allowed, without redirects") {
  Rig rig("default: true\nkeys: {refresh: 1s, cool_down: 1s, expiry: 1s}\n");
  CHECK(is_ok(rig.with(rig.token())));
  const std::string back = FakeMcp::http(302, "text/plain", "", "Location: " + rig.idp.url() + "/keys\r\n");
  for (const char* keys :
       {"javascript:alert(1)", "--upload-pack=x", "file:///etc/passwd", "gopher://127.0.0.1/",
        "http://user:pass@127.0.0.1/", "http://169.254.169.254/latest", "http://0x7f.1/", "/keys", "",
        "http://127.0.0.1/$(id)", "REDIRECT"}) {
    CAPTURE(keys);
    rig.idp.on_request([&](const std::string& path, const std::string&) -> std::string {
      if (path == "/again") return back;
      if (path != "/.well-known/openid-configuration") return "";
      const std::string to = std::string(keys) == "REDIRECT" ? rig.idp.url() + "/again" : std::string(keys);
      return FakeMcp::http(200, "application/json", Json{{"issuer", rig.idp.url()}, {"jwks_uri", to}}.dump());
    });
    rig.clock.advance(10s);
    const int before = rig.idp.key_fetches();
    CHECK(rig.with(rig.token()).status == 503);
    CHECK(rig.idp.key_fetches() == before);
  }
}

TEST_CASE("N29 a flood of unknown key ids makes one fetch in a cool-down, and good tokens keep working") {
  Rig rig;
  const std::string good = rig.token();
  CHECK(is_ok(rig.with(good)));
  rig.clock.advance(60s);
  const auto stranger = SigningIssuer::ec("x");
  for (int i = 0; i < 200; ++i) {
    const std::string token =
        stranger.token("ES256", R"({"alg":"ES256","kid":"x)" + std::to_string(i) + "\"}",
                       Json{{"iss", rig.idp.url()},
                            {"aud", rig.resource()},
                            {"sub", "alice"},
                            {"exp", unix_millis(rig.clock.now()) / 1000 + 60}}
                           .dump());
    CHECK(rig.with(token).status == 401);
  }
  CHECK(rig.idp.key_fetches() == 2);
  CHECK(is_ok(rig.with(good)));
}

TEST_CASE("teams of a claim carry policies, and the next request sees a changed issuer document") {
  Rig rig("default: true\nteams: claims.groups\n");
  const std::string carol = rig.token({{"sub", "carol"}, {"groups", {"staff"}}});
  CHECK(is_ok(rig.with(carol)));
  CHECK(rig.gateway.recorded("intent", {{"principal", "user:carol"}}));
  REQUIRE(rig.gateway.apply(rig.idp.document("idp", "default: true\n")).has_value());
  CHECK(rig.with(carol).code() == -32602);  // she is in no team now, so there is no such tool
  REQUIRE(rig.gateway.apply(rig.idp.document("idp", "teams: claims.groups\n")).has_value());
  CHECK(is_ok(rig.with(carol)));
  CHECK(rig.gateway.recorded("intent", {{"principal", "user:idp/carol"}}));
  // Alice is the default issuer's, and now there is none.
  CHECK(rig.with(rig.token()).code() == -32602);
}

TEST_CASE("a token that says nothing itself is asked about, and the answer is remembered for a minute") {
  Rig rig("default: true\n", kPolicy, 1);  // each shard remembers for itself
  REQUIRE(rig.gateway
              .apply("---\nkind: Credential\nname: at-idp\nvalue: \"pa ss:word\"\n" +
                     rig.idp.document("idp", "default: true\nintrospection: {url: \"" + rig.idp.url() +
                                                 "/ask\", client_id: gate, credential: at-idp}\n"))
              .has_value());
  std::atomic<int> asked = 0;
  const std::string resource = rig.resource();
  rig.idp.on_request([&](const std::string& path, const std::string& request) -> std::string {
    if (path != "/ask") return "";
    ++asked;
    CHECK(request.find("Authorization: Basic " + base64("gate:pa%20ss%3Aword")) != std::string::npos);
    if (request.find("token=down&") != std::string::npos) return FakeMcp::http(500, "text/plain", "no");
    Json answer = {{"active", request.find("token=good") != std::string::npos},
                   {"sub", "alice"},
                   {"aud", request.find("token=good.elsewhere") != std::string::npos ? "x" : resource}};
    if (request.find("token=good-stranger") != std::string::npos) answer["iss"] = "https://evil.example";
    return FakeMcp::http(200, "application/json", answer.dump());
  });
  for (int i = 0; i < 3; ++i) CHECK(is_ok(rig.with("good")));
  CHECK(asked.load() == 1);
  CHECK(rig.gateway.recorded("intent", {{"principal", "user:alice"}}, 3));
  for (int i = 0; i < 3; ++i) {
    const Response no = rig.with("bad");
    CHECK(no.status == 401);
    CHECK(rig.said(no) == "The token is not accepted: its issuer does not stand by it.");
  }
  CHECK(asked.load() == 2);
  // Many who come at once are one question.
  std::vector<std::thread> many;
  std::atomic<int> fine = 0;
  const int until_now = asked;
  for (int i = 0; i < 20; ++i) many.emplace_back([&] { fine += is_ok(rig.with("good-many")); });
  for (auto& one : many) one.join();
  CHECK(fine.load() == 20);
  CHECK(asked.load() == until_now + 1);
  CHECK(rig.with("good.elsewhere").status == 401);
  CHECK(rig.with("good-stranger").status == 401);
  CHECK(rig.with("down").status == 503);
  // What was revoked meanwhile is known within the minute.
  rig.clock.advance(61s);
  const int before = asked;
  CHECK(is_ok(rig.with("good")));
  CHECK(asked.load() == before + 1);
  // The age of the issuer's keys has nothing to do with it: nobody asks more often because they are old.
  rig.clock.advance(1h);
  const int later = asked;
  for (int i = 0; i < 3; ++i) CHECK(is_ok(rig.with("good")));
  CHECK(asked.load() == later + 1);
  CHECK(rig.gateway.journal_bytes().find("pa ss:word") == std::string::npos);
}

TEST_CASE("a stream ends when the token that opened it does") {
  Rig rig;
  RawSocket socket = rig.gateway.connect();
  socket.send(GatewayFixture::request(
      "POST", "/mcp",
      "Authorization: Bearer " + rig.token({{"exp", unix_millis(rig.clock.now()) / 1000 + 60}}) + "\r\n" +
          GatewayFixture::media() + GatewayFixture::modern_headers("subscriptions/listen"),
      GatewayFixture::modern_body("subscriptions/listen",
                                  {{"notifications", {{"toolsListChanged", true}}}})));
  CHECK(socket.until("subscriptions/acknowledged").find("200 OK") != std::string::npos);
  rig.clock.advance(100s);
  CHECK(socket.until("\"complete\"").find("\"complete\"") != std::string::npos);
}
