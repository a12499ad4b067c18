// Scopes that single tools ask for: a call without them is told which token would do (MCP authorization,
// step-up).
#include "login_rig.hpp"
#include "sallyport/identity/token_bounds.hpp"

using namespace sallyport;
using namespace sallyport::testing;

namespace {

constexpr const char* kStepped = R"(---
kind: Policy
name: careful
subjects: ["user:*", "agent:*"]
rules:
  - {effect: allow, tools: ["up/echo"]}
  - {effect: allow, tools: ["up/region"], scopes: [region.write, audit]}
  - {effect: allow, prompts: ["up/*"], resources: ["up/note://*"], scopes: [audit]}
)";

struct Rig : LoginRig {
  explicit Rig(const std::string& more = "") : LoginRig({}, "Claude <Code>", kStepped + more) {
    // Without the rules of everybody else's tests.
    REQUIRE(
        gateway
            .apply("kind: Policy\nname: people\nsubjects: [\"user:nobody\"]\nrules: [{effect: deny, tools: "
                   "[\"up/secret\"]}]\n")
            .has_value());
  }
  Response calls(const std::string& token, const std::string& tool = "up__region",
                 const std::string& path = "/mcp") const {
    return gateway.raw(GatewayFixture::request(
        "POST", path,
        "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
            GatewayFixture::modern_headers("tools/call", tool) + "Mcp-Param-Place: here\r\n",
        GatewayFixture::modern_body("tools/call", {{"name", tool}, {"arguments", {{"place", "here"}}}})));
  }
  Response asks_for(const std::string& token, const std::string& method, const Json& params,
                    const std::string& name = "") const {
    return gateway.raw(GatewayFixture::request("POST", "/mcp",
                                               "Authorization: Bearer " + token + "\r\n" +
                                                   GatewayFixture::media() +
                                                   GatewayFixture::modern_headers(method, name),
                                               GatewayFixture::modern_body(method, params)));
  }
  std::vector<std::string> listed(const std::string& token) const {
    std::vector<std::string> out;
    const Json answer =
        gateway
            .raw(GatewayFixture::request("POST", "/mcp",
                                         "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
                                             GatewayFixture::modern_headers("tools/list"),
                                         GatewayFixture::modern_body("tools/list")))
            .json();
    for (const Json& one : answer["result"]["tools"]) out.push_back(one["name"]);
    return out;
  }
};

}  // namespace

TEST_CASE("a call whose token lacks a scope is told all that a new one needs; with that it is made") {
  const Rig rig;
  const std::string token = rig.tokens()["access_token"];
  CHECK(rig.listed(token) == std::vector<std::string>{"up__echo", "up__region"});
  const std::size_t before = rig.upstream.call_count();
  const Response no = rig.calls(token);
  CHECK(no.status == 403);
  CHECK(no.header("WWW-Authenticate") ==
        "Bearer realm=\"sallyport\", error=\"insufficient_scope\", resource_metadata=\"" + rig.url() +
            "/.well-known/oauth-protected-resource/mcp\", scope=\"mcp region.write audit\"");
  CHECK(no.json()["error"]["data"]["reason"] == "insufficient_scope");
  CHECK(rig.upstream.call_count() == before);
  CHECK(rig.gateway.recorded("refusal", {{"reason", "insufficient_scope"}, {"rule", "careful#2"}}));
  // What the client is told to ask for, it is asked about and given.
  const std::string wanted = "mcp region.write audit";
  const Response page = rig.asks({{"scope", wanted}}, rig.signed_in());
  CHECK(page.body.find("audit region.write") != std::string::npos);
  const Json better = rig.tokens({{"scope", wanted}});
  CHECK(better["scope"] == "mcp audit region.write");
  CHECK(rig.calls(better["access_token"]).status == 200);
  CHECK(rig.calls(rig.renew(better["refresh_token"]).json()["access_token"]).status == 200);
  // One of the two is not enough.
  const Response half = rig.calls(rig.tokens({{"scope", "mcp audit"}})["access_token"]);
  CHECK(half.status == 403);
  CHECK(half.header("WWW-Authenticate").find("scope=\"mcp audit region.write\"") != std::string::npos);
}

TEST_CASE("resources are listed without the scopes that reading them takes, and reading says which") {
  const Rig rig;
  const std::string token = rig.tokens()["access_token"];
  CHECK(rig.asks_for(token, "resources/list", Json::object()).body.find("note://one") != std::string::npos);
  const std::size_t before = rig.upstream.call_count();
  for (const char* uri : {"note://one", "note://7/text"}) {
    CAPTURE(uri);
    const Response no = rig.asks_for(token, "resources/read", {{"uri", uri}}, uri);
    CHECK(no.status == 403);
    CHECK(no.header("WWW-Authenticate").find("scope=\"mcp audit\"") != std::string::npos);
    CHECK(no.json()["error"]["data"]["reason"] == "insufficient_scope");
  }
  CHECK(rig.upstream.call_count() == before);
  CHECK(rig.gateway.recorded("refusal", {{"reason", "insufficient_scope"}, {"rule", "careful#3"}}, 2));
  // What is not there is still not there.
  CHECK(rig.asks_for(token, "resources/read", {{"uri", "memo://one"}}, "memo://one").status != 403);
  const std::string better = rig.tokens({{"scope", "mcp audit"}})["access_token"];
  CHECK(rig.asks_for(better, "resources/read", {{"uri", "note://one"}}, "note://one").body.find("a note") !=
        std::string::npos);
}

TEST_CASE("completions take the scopes of the prompt or resource that they are for") {
  const Rig rig;
  const std::string token = rig.tokens()["access_token"];
  const std::string better = rig.tokens({{"scope", "mcp audit"}})["access_token"];
  const std::string prompt =
      rig.asks_for(token, "prompts/list", Json::object()).json()["result"]["prompts"][0]["name"];
  const Json references[] = {{{"type", "ref/prompt"}, {"name", prompt}},
                             {{"type", "ref/resource"}, {"uri", "note://{id}/text"}}};
  for (const Json& reference : references) {
    CAPTURE(reference.dump());
    const Json params{{"ref", reference}, {"argument", {{"name", "id"}, {"value", "a"}}}};
    const std::size_t before = rig.upstream.call_count();
    const Response no = rig.asks_for(token, "completion/complete", params);
    CHECK(no.status == 403);
    CHECK(no.header("WWW-Authenticate").find("scope=\"mcp audit\"") != std::string::npos);
    CHECK(rig.upstream.call_count() == before);
    CHECK(rig.asks_for(better, "completion/complete", params).body.find("alpha") != std::string::npos);
  }
}

TEST_CASE("a client is told of scopes that are words, each once, and of what it lacks however many it has") {
  FakeIssuer idp;
  const Rig rig(idp.document("corp", "user: claims.sub\n"));
  const auto wanted = [&](const Json& scopes) {
    const Response no = rig.calls(idp.token(rig.url() + "/mcp", {{"scp", scopes}}));
    CHECK(no.status == 403);
    return between(no.header("WWW-Authenticate"), "scope=\"", "\"");
  };
  CHECK(wanted({"a", "a", "b\"c", "d\\e", "\xc3\xa9", "f g", std::string(200, 'x'), "b"}) ==
        "a b region.write audit");
  Json many = Json::array();
  for (int i = 0; i < 100; ++i) many.push_back("s" + std::to_string(i));
  const auto words = identity::words_of(wanted(many));
  REQUIRE(words.size() == limits::kTokenScopes);
  CHECK(words.front() == "s0");
  CHECK(words.back() == "audit");
}

TEST_CASE("a legacy client is told the same") {
  const Rig rig;
  const std::string token = rig.tokens()["access_token"];
  const auto send = [&](const std::string& headers, const Json& body) {
    return rig.gateway.raw(GatewayFixture::request(
        "POST", "/mcp", "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() + headers,
        body.dump()));
  };
  const Response opened = send("", {{"jsonrpc", "2.0"},
                                    {"id", 0},
                                    {"method", "initialize"},
                                    {"params",
                                     {{"protocolVersion", "2025-11-25"},
                                      {"capabilities", Json::object()},
                                      {"clientInfo", {{"name", "t"}, {"version", "1"}}}}}});
  const Response no =
      send("Mcp-Session-Id: " + opened.header("Mcp-Session-Id") + "\r\nMCP-Protocol-Version: 2025-11-25\r\n",
           {{"jsonrpc", "2.0"},
            {"id", 1},
            {"method", "tools/call"},
            {"params", {{"name", "up__region"}, {"arguments", {{"place", "here"}}}}}});
  CHECK(no.status == 403);
  CHECK(no.header("WWW-Authenticate").find("insufficient_scope") != std::string::npos);
  for (const char* method : {"resources/read", "resources/subscribe"}) {
    CAPTURE(method);
    const Response unread = send(
        "Mcp-Session-Id: " + opened.header("Mcp-Session-Id") + "\r\nMCP-Protocol-Version: 2025-11-25\r\n",
        {{"jsonrpc", "2.0"}, {"id", 2}, {"method", method}, {"params", {{"uri", "note://one"}}}});
    CHECK(unread.status == 403);
    CHECK(unread.header("WWW-Authenticate").find("scope=\"mcp audit\"") != std::string::npos);
  }
}

TEST_CASE("keys know no scopes and are asked for none; tokens made from them are") {
  const Rig rig;
  CHECK(rig.calls(rig.gateway.key).status == 200);
  const auto token = [&](const Fields& fields) {
    return rig
        .post("/oauth/token", fields, "Authorization: Basic " + base64("bot:" + rig.gateway.key) + "\r\n")
        .json();
  };
  CHECK(rig.calls(token({{"grant_type", "client_credentials"}})["access_token"]).status == 403);
  CHECK(rig.calls(token({{"grant_type", "client_credentials"},
                         {"scope", "mcp audit region.write"}})["access_token"])
            .status == 200);
  CHECK(token({{"grant_type", "client_credentials"}, {"scope", "unheard-of"}})["error"] == "invalid_scope");
}

TEST_CASE("tokens of other issuers are asked for scopes too") {
  FakeIssuer idp;
  const Rig rig(idp.document("corp", "user: claims.sub\n"));
  CHECK(rig.calls(idp.token(rig.url() + "/mcp")).status == 403);
  CHECK(rig.calls(idp.token(rig.url() + "/mcp", {{"scope", "audit region.write"}})).status == 200);
  CHECK(rig.calls(idp.token(rig.url() + "/mcp", {{"scp", Json{"audit", "region.write"}}})).status == 200);
}

TEST_CASE("a rule without scopes allows as before, and a denial beats both") {
  const Rig rig(
      "---\nkind: Policy\nname: more\nsubjects: [\"user:alice\"]\nrules:\n"
      "  - {effect: allow, tools: [\"up/region\"], when: 'args.place == \"here\"'}\n");
  const std::string token = rig.tokens()["access_token"];
  CHECK(rig.calls(token).status == 200);
  REQUIRE(rig.gateway
              .apply("kind: Policy\nname: more\nsubjects: [\"user:alice\"]\nrules: [{effect: deny, tools: "
                     "[\"up/region\"]}]\n")
              .has_value());
  const Response no = rig.calls(rig.tokens({{"scope", "mcp audit region.write"}})["access_token"]);
  CHECK(no.status != 403);
  CHECK(no.json().contains("error"));
}

TEST_CASE("a rule that denies, or opens a virtual server, asks for no scopes") {
  const Rig rig;
  for (const char* rule : {"{effect: deny, tools: [\"up/x\"], scopes: [a]}",
                           "{effect: allow, virtual_servers: [pay], scopes: [a]}"}) {
    const auto refused = rig.gateway.apply(
        std::string("kind: Policy\nname: wrong\nsubjects: [\"*\"]\nrules: [") + rule + "]\n");
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().find("scopes") != std::string::npos);
  }
}
