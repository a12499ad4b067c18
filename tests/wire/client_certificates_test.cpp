// Agents that show who they are by a certificate of their own, on a listener that asks for one.
#include "client_authority.hpp"
#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;

namespace {

struct Rig {
  explicit Rig(const std::string& names = "", bool required = false)
      : gateway(server_document("up", upstream.url()) + kDefaultPolicy, settings(names, required), clock) {}

  cli::Settings settings(const std::string& names, bool required) const {
    cli::Settings out;
    out.listen.tls_cert = server.cert_file;
    out.listen.tls_key = server.key_file;
    out.listen.client_ca = authority.file;
    out.listen.client_required = required;
    if (!names.empty()) out.listen.client_names = identity::CertificateNames::parse(names);
    return out;
  }
  static std::string list(const std::string& headers = "") {
    return GatewayFixture::request(
        "POST", "/mcp", headers + GatewayFixture::media() + GatewayFixture::modern_headers("tools/list"),
        GatewayFixture::modern_body("tools/list"));
  }
  static std::string call(const std::string& headers = "") {
    return GatewayFixture::request(
        "POST", "/mcp",
        headers + GatewayFixture::media() + GatewayFixture::modern_headers("tools/call", "up__echo"),
        GatewayFixture::modern_body("tools/call",
                                    {{"name", "up__echo"}, {"arguments", {{"text", "hello"}}}}));
  }
  Response asks(const Proof* proof, const std::string& bytes) const {
    return TlsClient(gateway.port, proof).ask(bytes);
  }
  std::string bearer(const std::string& key) const { return "Authorization: Bearer " + key + "\r\n"; }

  net::testing::Certificate server{"localhost"};
  ClientAuthority authority;
  ShiftedClock clock;
  FakeMcp upstream;
  GatewayFixture gateway;
};

}  // namespace

TEST_CASE("a certificate of an agent opens the door, and the record says who and by which") {
  Rig rig;
  const Proof bot = rig.authority.issues("bot");
  const Response answer = rig.asks(&bot, Rig::call());
  CHECK(answer.status == 200);
  CHECK(answer.body.find("hello") != std::string::npos);
  REQUIRE(rig.gateway.recorded("intent", {{"principal", "agent:bot"}}));
  for (const Json& record : rig.gateway.journal())
    if (record.value("type", "") == "intent") CHECK(record["key"].get<std::string>().starts_with("cert-"));
  // The server goes on asking who it is: from one request of a connection to the next.
  TlsClient kept(rig.gateway.port, &bot);
  CHECK(kept.ask(Rig::list()).status == 200);
  REQUIRE(rig.gateway.apply("kind: Agent\nname: bot\ndisabled: true\n").has_value());
  CHECK(kept.ask(Rig::list()).status == 401);
  REQUIRE(rig.gateway.apply("kind: Agent\nname: bot\n").has_value());
  TlsClient longer(rig.gateway.port, &bot);
  CHECK(longer.ask(Rig::list()).status == 200);
  rig.clock.advance(3601s);
  CHECK(longer.ask(Rig::list()).status == 401);
}

TEST_CASE(
    "N24 a certificate and another principal's credential are refused; the same principal twice is one") {
  Rig rig;
  const Proof bot = rig.authority.issues("bot");
  CHECK(rig.asks(&bot, Rig::list(rig.bearer(rig.gateway.key))).status == 200);
  const std::size_t before = rig.upstream.call_count();
  const Response no = rig.asks(&bot, Rig::call(rig.bearer(rig.gateway.other_key)));
  CHECK(no.status == 400);
  CHECK(no.body.find("different principals") != std::string::npos);
  CHECK(rig.upstream.call_count() == before);
  CHECK(rig.asks(&bot, Rig::list(rig.bearer("sp_wrong_key"))).status == 401);
  // What bounds a token bounds the call, whatever the certificate could do alone.
  const std::string token =
      (*rig.gateway.admin("token.mint", {{"agent", "bot"}, {"tools", {"up/region"}}}))["token"];
  CHECK(rig.asks(&bot, Rig::list(rig.bearer(token))).json()["result"]["tools"].size() == 1);
  const std::string others = (*rig.gateway.admin("token.mint", {{"agent", "other"}}))["token"];
  CHECK(rig.asks(&bot, Rig::list(rig.bearer(others))).status == 400);
  // Without a certificate keys work as they do.
  CHECK(rig.asks(nullptr, Rig::list(rig.bearer(rig.gateway.key))).status == 200);
  CHECK(rig.asks(nullptr, Rig::list()).status == 401);
}

TEST_CASE("certificates that prove nothing end in the handshake, or name nobody") {
  Rig rig;
  const ClientAuthority stranger;
  const Proof foreign = stranger.issues("bot"), expired = rig.authority.issues("bot", "", -60),
              of_server = rig.authority.issues("bot", "", 3600, "serverAuth");
  for (const Proof* proof : {&foreign, &expired, &of_server}) {
    CHECK(rig.asks(proof, Rig::list()).status == 0);
    CHECK(rig.asks(proof, Rig::list(rig.bearer(rig.gateway.key))).status == 0);
  }
  const Proof nobody = rig.authority.issues("nobody"), unnamed = rig.authority.issues("", "DNS:bot"),
              hidden = rig.authority.issues(std::string("bot\0.evil", 9)),
              cased = rig.authority.issues("Bot");
  for (const Proof* proof : {&nobody, &unnamed, &hidden, &cased}) {
    CHECK(rig.asks(proof, Rig::list()).status == 401);
    CHECK(rig.asks(proof, Rig::list(rig.bearer(rig.gateway.key))).status == 401);
  }
  CHECK(rig.asks(nullptr, Rig::list(rig.bearer(rig.gateway.key))).status == 200);
}

TEST_CASE("the settings say where in a certificate the agent's name stands") {
  struct Row {
    const char *names, *cn, *alternatives;
    int status;
  };
  for (const Row& row : {
           Row{"subject_cn:*.agents", "bot.agents", "", 200},
           Row{"subject_cn:*.agents", "bot", "", 401},
           Row{"san_uri:spiffe://corp.example/agent/*", "x", "URI:spiffe://corp.example/agent/bot", 200},
           Row{"san_uri:spiffe://corp.example/agent/*", "bot", "URI:spiffe://evil.example/agent/bot", 401},
           Row{"san_uri:spiffe://corp.example/agent/*", "x",
               "URI:spiffe://corp.example/agent/bot,URI:spiffe://corp.example/agent/other", 401},
           Row{"san_dns:*.agents.example", "x", "DNS:bot.agents.example,DNS:elsewhere.example", 200},
           Row{"san_email:*@agents.example", "x", "email:bot@agents.example", 200},
           Row{"san_email:*@agents.example", "x", "email:bot@evil.example", 401},
       }) {
    CAPTURE(row.names);
    CAPTURE(row.alternatives);
    const Rig rig(row.names);
    const Proof proof = rig.authority.issues(row.cn, row.alternatives);
    CHECK(rig.asks(&proof, Rig::list()).status == row.status);
  }
}

TEST_CASE("where certificates are required nobody gets in without one") {
  const Rig rig("", true);
  const Proof bot = rig.authority.issues("bot");
  CHECK(rig.asks(&bot, Rig::list()).status == 200);
  CHECK(rig.asks(nullptr, Rig::list(rig.bearer(rig.gateway.key))).status == 0);
}

TEST_CASE("a session that a client kept brings no certificate back: each connection shows its own") {
  const Rig rig;
  const Proof bot = rig.authority.issues("bot");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    TlsClient first(rig.gateway.port, &bot, nullptr, version);
    CHECK(first.ask(Rig::list()).status == 200);
    const auto session = first.session();
    TlsClient second(rig.gateway.port, nullptr, session.get(), version);
    CHECK_FALSE(second.reused());
    CHECK(second.ask(Rig::list()).status == 401);
  }
}

TEST_CASE("a stream that a certificate opened ends when its agent is disabled") {
  Rig rig;
  const Proof bot = rig.authority.issues("bot");
  TlsClient client(rig.gateway.port, &bot);
  const Response opened =
      client.ask(GatewayFixture::request("POST", "/mcp", GatewayFixture::media(),
                                         Json{{"jsonrpc", "2.0"},
                                              {"id", 0},
                                              {"method", "initialize"},
                                              {"params",
                                               {{"protocolVersion", "2025-11-25"},
                                                {"capabilities", Json::object()},
                                                {"clientInfo", {{"name", "t"}, {"version", "1"}}}}}}
                                             .dump()));
  REQUIRE(opened.status == 200);
  const std::string session =
      "Mcp-Session-Id: " + opened.header("Mcp-Session-Id") + "\r\nMCP-Protocol-Version: 2025-11-25\r\n";
  TlsClient stream(rig.gateway.port, &bot);
  REQUIRE(stream.send("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n" + session +
                      "\r\n"));
  CHECK(stream.reads_until("200 OK"));
  REQUIRE(rig.gateway.apply("kind: Agent\nname: bot\ndisabled: true\n").has_value());
  CHECK(stream.reads_until("\r\n0\r\n\r\n"));
}
