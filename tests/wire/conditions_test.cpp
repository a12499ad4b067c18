// Rules with conditions: decided at the call, over the bytes that go upstream.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

Json issue_tools() {
  const Json schema = {{"type", "object"},
                       {"properties", {{"repo", {{"type", "string"}}}, {"n", {{"type", "integer"}}}}}};
  return Json::array(
      {{{"name", "create_issue"}, {"inputSchema", schema}},
       {{"name", "get_issue"}, {"annotations", {{"readOnlyHint", true}}}, {"inputSchema", schema}}});
}

std::string policy(const std::string& rules, const std::string& name = "rules") {
  return "---\nkind: Policy\nname: " + name + "\nsubjects: [\"agent:bot\"]\nrules:\n" + rules;
}

std::size_t listed(const GatewayFixture& gateway) {
  return gateway.modern("tools/list").json()["result"]["tools"].size();
}

}  // namespace

TEST_CASE("a rule that reads arguments lists the tool and decides at the call") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const GatewayFixture gateway(
      server_document("hub", upstream.url()) +
      policy("  - {effect: allow, tools: [hub/create_issue], when: 'args.repo.startsWith(\"acme/\")'}\n"));
  CHECK(listed(gateway) == 1);
  struct Row {
    Json arguments;
    int code;
  };
  const Row rows[] = {
      {{{"repo", "acme/x"}}, 0}, {{{"repo", "evil/x"}}, 1001}, {Json::object(), 1001},
      {{{"repo", 7}}, 1001},     {{{"repo", "acme/"}}, 0},     {{{"repo", nullptr}}, 1001},
  };
  std::size_t passed = 0;
  for (const Row& row : rows) {
    CAPTURE(row.arguments.dump());
    const auto answer =
        gateway.modern("tools/call", {{"name", "hub__create_issue"}, {"arguments", row.arguments}});
    CHECK(answer.code() == row.code);
    passed += row.code == 0;
    if (row.code != 0) {
      CHECK(answer.json()["error"]["message"] == "Refused by policy: not with these arguments.");
      CHECK(answer.json()["error"]["data"].contains("call"));
    }
  }
  CHECK(upstream.call_count() == passed);
  CHECK(gateway.recorded("intent", {{"target", "hub/create_issue"}, {"rule", "rules#1"}}, passed));
  CHECK(gateway.recorded("refusal", {{"target", "hub/create_issue"}, {"reason", "denied"}}, 4));
}

TEST_CASE("a denial whose condition cannot be told denies, an allow does not allow") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const GatewayFixture gateway(server_document("hub", upstream.url()) +
                               policy("  - {effect: allow, tools: [\"hub/*\"]}\n"
                                      "  - {effect: deny, tools: [\"hub/*\"], when: args.n > 10}\n"));
  const auto code = [&](const Json& arguments) {
    return gateway.modern("tools/call", {{"name", "hub__get_issue"}, {"arguments", arguments}}).code();
  };
  CHECK(code({{"n", 3}}) == 0);
  CHECK(code({{"n", 11}}) == 1001);
  CHECK(code(Json::object()) == 1001);
  CHECK(code({{"n", "x"}}) == 1001);
  CHECK(upstream.call_count() == 1);
}

TEST_CASE("conditions read who asks, the tool's annotations, and where") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const GatewayFixture gateway(
      server_document("hub", upstream.url()) +
      "---\nkind: Agent\nname: bot\nroles: [reader]\nclaims: {tenant: acme}\n" +
      policy("  - {effect: allow, tools: [\"hub/*\"], when: 'tool.annotations.readOnlyHint && \"reader\" in "
             "principal.roles && principal.claims.tenant == \"acme\" && tool.server == \"hub\"'}\n"));
  // What needs no call is decided when listing.
  const Json tools = gateway.modern("tools/list").json()["result"]["tools"];
  REQUIRE(tools.size() == 1);
  CHECK(tools[0]["name"] == "hub__get_issue");
  CHECK(gateway.modern("tools/call", {{"name", "hub__get_issue"}, {"arguments", Json::object()}}).code() ==
        0);
  CHECK(gateway.modern("tools/call", {{"name", "hub__create_issue"}, {"arguments", Json::object()}}).code() ==
        -32602);
}

TEST_CASE("rules see the arguments as they go upstream, presets included") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const GatewayFixture gateway(
      server_document("hub", upstream.url()) +
      policy("  - {effect: allow, tools: [\"hub/*\"], when: 'args.repo == \"acme/x\"'}\n") +
      "---\nkind: VirtualServer\nname: v\ntools: [{from: hub, preset: {repo: acme/x}}]\n"
      "---\nkind: VirtualServer\nname: w\ntools: [{from: hub, preset: {repo: evil/x}}]\n");
  const Json params = {{"name", "hub__get_issue"}, {"arguments", {{"n", 1}}}};
  CHECK(gateway.modern("tools/call", params, "/mcp/v").code() == 0);
  CHECK(gateway.modern("tools/call", params, "/mcp/w").code() == 1001);
}

TEST_CASE("F12 a condition that was tightened holds for the very next call") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const GatewayFixture gateway(server_document("hub", upstream.url()) +
                               policy("  - {effect: allow, tools: [\"hub/*\"], when: args.n > 0}\n"));
  const Json params = {{"name", "hub__get_issue"}, {"arguments", {{"n", 1}}}};
  for (int i = 0; i < 10; ++i) {
    CHECK(gateway.modern("tools/call", params).code() == 0);
    REQUIRE(gateway.apply(policy("  - {effect: allow, tools: [\"hub/*\"], when: args.n > 1}\n")).has_value());
    CHECK(gateway.modern("tools/call", params).code() == 1001);
    REQUIRE(gateway.apply(policy("  - {effect: allow, tools: [\"hub/*\"], when: args.n > 0}\n")).has_value());
  }
}

TEST_CASE("a condition that does not compile is refused as a whole, with its place") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const GatewayFixture gateway(server_document("hub", upstream.url()) +
                               policy("  - {effect: allow, tools: [\"hub/*\"]}\n"));
  const auto refused =
      gateway.apply(policy("  - {effect: allow, tools: [\"hub/get_*\"], when: agrs.n > 0}\n"));
  REQUIRE_FALSE(refused.has_value());
  CAPTURE(refused.error());
  CHECK(refused.error().find("line 6, column 49") != std::string::npos);
  CHECK(listed(gateway) == 2);
}

TEST_CASE("a condition on a virtual server is decided with each request") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const GatewayFixture gateway(
      server_document("hub", upstream.url()) +
      "---\nkind: VirtualServer\nname: v\ntools: [{from: hub}]\n"
      "---\nkind: VirtualServer\nname: w\ntools: [{from: hub}]\n" +
      policy("  - {effect: allow, servers: [hub]}\n"
             "  - {effect: deny, virtual_servers: [v], when: request.client_ip == \"127.0.0.1\"}\n"
             "  - {effect: deny, virtual_servers: [w], when: request.client_ip == \"192.0.2.1\"}\n"));
  CHECK(gateway.modern("tools/list", Json::object(), "/mcp/v").status == 404);
  CHECK(gateway.modern("tools/list", Json::object(), "/mcp/w").status == 200);
}

TEST_CASE("N10 conditions and records know whom a trusted proxy speaks for, and believe nobody else") {
  FakeMcp upstream(FakeMcp::Era::modern, issue_tools());
  const std::string documents =
      server_document("hub", upstream.url()) +
      policy("  - {effect: allow, tools: [\"hub/*\"], when: request.client_ip == \"203.0.113.7\"}\n");
  sallyport::cli::Settings settings;
  for (const bool trusting : {false, true}) {
    CAPTURE(trusting);
    if (trusting) settings.trusted_proxies = sallyport::net::TrustedProxies::of({"127.0.0.0/8"}).value();
    const GatewayFixture gateway(documents, settings);
    const auto code = [&](const std::string& forwarding) {
      return gateway
          .post(GatewayFixture::modern_body("tools/call",
                                            {{"name", "hub__get_issue"}, {"arguments", Json::object()}}),
                GatewayFixture::modern_headers("tools/call", "hub__get_issue") + forwarding)
          .code();
    };
    CHECK(code("X-Forwarded-For: 198.51.100.1, 203.0.113.7\r\n") == (trusting ? 0 : 1001));
    CHECK(code("X-Forwarded-For: 203.0.113.7, 198.51.100.1\r\n") == 1001);
    CHECK(code("Forwarded: for=203.0.113.7\r\n") == 1001);
    CHECK(code("") == 1001);
    CHECK(gateway.recorded("refusal", {{"reason", "denied"}, {"client", "127.0.0.1"}}, trusting ? 2 : 4));
    CHECK(gateway.recorded("refusal", {{"reason", "denied"}, {"client", "198.51.100.1"}}, trusting ? 1 : 0));
    CHECK(gateway.recorded("intent", {{"client", "203.0.113.7"}}, trusting ? 1 : 0));
  }
}
