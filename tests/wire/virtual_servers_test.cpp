// Virtual servers: what they contain, under which names, with which arguments, and for whom.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

Json ledger_tools() {
  return Json::array({{{"name", "query"},
                       {"title", "Query"},
                       {"description", "Queries the ledger"},
                       {"annotations", {{"readOnlyHint", false}, {"idempotentHint", true}}},
                       {"inputSchema",
                        {{"type", "object"},
                         {"properties",
                          {{"tenant", {{"type", "string"}}},
                           {"q", {{"type", "string"}}},
                           {"limit", {{"type", "integer"}}},
                           {"debug", {{"type", "boolean"}}}}},
                         {"required", {"tenant", "q"}}}}},
                      {{"name", "drop"}, {"inputSchema", {{"type", "object"}}}},
                      {{"name", "mirror"},
                       {"inputSchema",
                        {{"type", "object"},
                         {"properties", {{"place", {{"type", "string"}, {"x-mcp-header", "Place"}}}}}}}}});
}

std::vector<std::string> tools_at(const GatewayFixture& gateway, const std::string& path) {
  const Json json = gateway.modern("tools/list", Json::object(), path).json();
  std::vector<std::string> out;
  if (!json.contains("result")) return {"no list"};
  for (const Json& tool : json["result"]["tools"]) out.push_back(tool["name"]);
  return out;
}

Response call(const GatewayFixture& gateway, const std::string& path, const std::string& tool,
              const Json& arguments) {
  return gateway.modern("tools/call", {{"name", tool}, {"arguments", arguments}}, path);
}

/// The arguments of the upstream's last call.
Json last_arguments(const FakeMcp& upstream) {
  const auto calls = upstream.calls();
  REQUIRE_FALSE(calls.empty());
  const std::string& last = calls.back();
  return Json::parse(last.substr(last.find("\r\n\r\n") + 4))["params"].value("arguments", Json());
}

const std::string kAllowAll =
    "---\nkind: Policy\nname: all\nsubjects: [\"*\"]\nrules: [{effect: allow, servers: [\"*\"]}]\n";

}  // namespace

TEST_CASE("a preset is injected, gone from the schema, and refused when the caller sends it") {
  FakeMcp upstream(FakeMcp::Era::modern, ledger_tools());
  const GatewayFixture gateway(
      server_document("ledger", upstream.url(), "capture: full\n") + kAllowAll +
      "---\nkind: Agent\nname: bot\nclaims: {tenant: acme}\n" +
      "---\nkind: VirtualServer\nname: pay\ntools:\n"
      "  - {from: ledger, tool: query, as: look_up, title: Look up, description: One customer.,\n"
      "     annotations: {readOnlyHint: true}, hide: [debug],\n"
      "     preset: {tenant: {from: principal.claims.tenant}, limit: 50}}\n");
  REQUIRE(tools_at(gateway, "/mcp/pay") == std::vector<std::string>{"look_up"});
  const Json tool = gateway.modern("tools/list", Json::object(), "/mcp/pay").json()["result"]["tools"][0];
  CHECK(tool["title"] == "Look up");
  CHECK(tool["description"] == "One customer.");
  CHECK(tool["annotations"] == Json{{"readOnlyHint", true}, {"idempotentHint", true}});
  CHECK(tool["inputSchema"]["properties"] == Json{{"q", {{"type", "string"}}}});
  CHECK(tool["inputSchema"]["required"] == Json::array({"q"}));

  CHECK(call(gateway, "/mcp/pay", "look_up", {{"q", "x"}}).status == 200);
  CHECK(last_arguments(upstream) == Json{{"q", "x"}, {"tenant", "acme"}, {"limit", 50}});
  CHECK(gateway.journal_bytes().find(R"(\"tenant\":\"acme\")") != std::string::npos);

  const auto before = upstream.call_count();
  for (const char* arguments : {R"({"q":"x","tenant":"evil"})", R"({"q":"x","\u0074enant":"evil"})",
                                R"({"q":"x","limit":50})", R"({"q":"x","debug":true})"}) {
    CAPTURE(arguments);
    const std::string body =
        R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"look_up","arguments":)" +
        std::string(arguments) +
        R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}})";
    const auto refused =
        gateway.post(body, GatewayFixture::modern_headers("tools/call", "look_up"), "/mcp/pay");
    CHECK(refused.code() == -32602);
  }
  CHECK(upstream.call_count() == before);

  // Directly, the tool is what it was.
  CHECK(call(gateway, "/mcp", "ledger__query", {{"q", "x"}, {"tenant", "t"}}).status == 200);
  CHECK(last_arguments(upstream) == Json{{"q", "x"}, {"tenant", "t"}});
}

TEST_CASE("a caller without the claim that a preset needs does not see the tool") {
  FakeMcp upstream(FakeMcp::Era::modern, ledger_tools());
  const GatewayFixture gateway(
      server_document("ledger", upstream.url()) + kAllowAll +
      "---\nkind: VirtualServer\nname: pay\ntools:\n"
      "  - {from: ledger, tool: query, preset: {tenant: {from: principal.claims.tenant}}}\n"
      "  - {from: ledger, tool: drop}\n");
  CHECK(tools_at(gateway, "/mcp/pay") == std::vector<std::string>{"ledger__drop"});
  const auto refused = call(gateway, "/mcp/pay", "ledger__query", {{"q", "x"}});
  CHECK(refused.code() == -32602);
  CHECK(refused.body.find("Unknown tool: ledger__query") != std::string::npos);
  CHECK(upstream.call_count() == 0);
}

TEST_CASE("a preset that is mirrored into a header goes up in both places") {
  FakeMcp upstream(FakeMcp::Era::modern, ledger_tools());
  const GatewayFixture gateway(server_document("ledger", upstream.url()) + kAllowAll +
                               "---\nkind: VirtualServer\nname: pay\ntools:\n"
                               "  - {from: ledger, tool: mirror, preset: {place: here}}\n");
  CHECK(call(gateway, "/mcp/pay", "ledger__mirror", Json::object()).status == 200);
  CHECK(last_arguments(upstream) == Json{{"place", "here"}});
  CHECK(upstream.calls().back().find("Mcp-Param-Place: here\r\n") != std::string::npos);
}

TEST_CASE("a tool whose arguments cannot be taken out is left out, and the status says why") {
  FakeMcp upstream(FakeMcp::Era::modern, ledger_tools());
  const GatewayFixture gateway(server_document("ledger", upstream.url()) + kAllowAll +
                               "---\nkind: VirtualServer\nname: pay\ntools:\n"
                               "  - {from: ledger, preset: {tenant: acme}, prefix: \"\"}\n"
                               "---\nkind: VirtualServer\nname: hidden\ntools:\n"
                               "  - {from: ledger, tool: query, hide: [q], as: query}\n");
  CHECK(tools_at(gateway, "/mcp/pay") == std::vector<std::string>{"query"});
  CHECK(tools_at(gateway, "/mcp/hidden").empty());
  const auto status = gateway.admin("status", Json::object());
  REQUIRE(status.has_value());
  CHECK(status->dump().find("it declares no argument") != std::string::npos);
  CHECK(status->dump().find("it requires the argument") != std::string::npos);
}

TEST_CASE("a source that names a tool says how it is exported, one whose pattern includes it does not") {
  FakeMcp upstream(FakeMcp::Era::modern, ledger_tools());
  const GatewayFixture gateway(
      server_document("ledger", upstream.url()) + kAllowAll +
      "---\nkind: VirtualServer\nname: pay\ntools:\n"
      "  - {from: ledger}\n"
      "  - {from: ledger, tool: query, description: Ours, preset: {tenant: acme}}\n");
  CHECK(tools_at(gateway, "/mcp/pay") ==
        std::vector<std::string>{"ledger__drop", "ledger__mirror", "ledger__query"});
  CHECK(call(gateway, "/mcp/pay", "ledger__query", {{"q", "x"}}).status == 200);
  CHECK(last_arguments(upstream) == Json{{"q", "x"}, {"tenant", "acme"}});
}

TEST_CASE(
    "N46 what a virtual server does not contain does not exist there, whatever the caller may use "
    "elsewhere") {
  FakeMcp upstream(FakeMcp::Era::modern, ledger_tools());
  const GatewayFixture gateway(
      server_document("ledger", upstream.url()) + kAllowAll +
      "---\nkind: VirtualServer\nname: pay\ntools:\n  - {from: ledger, tool: query}\n");
  const auto absent = call(gateway, "/mcp/pay", "ledger__nothing", Json::object());
  const auto outside = call(gateway, "/mcp/pay", "ledger__drop", Json::object());
  CHECK(outside.code() == absent.code());
  CHECK(outside.status == absent.status);
  CHECK(outside.json()["error"]["message"] == "Unknown tool: ledger__drop");
  CHECK(upstream.call_count() == 0);
}

TEST_CASE(
    "a virtual server that grants opens what it contains to whom a policy allows it, and to nobody else") {
  FakeMcp upstream(FakeMcp::Era::modern, ledger_tools());
  const std::string documents =
      server_document("ledger", upstream.url()) +
      "---\nkind: VirtualServer\nname: pay\ngrants: true\nowner: \"team:pay\"\ntools:\n  - {from: ledger}\n";
  const std::string allow =
      "---\nkind: Policy\nname: use\nsubjects: [\"agent:bot\"]\nrules: [{effect: allow, virtual_servers: "
      "[pay]}]\n";
  const GatewayFixture gateway(documents);
  const auto hidden = gateway.modern("tools/list", Json::object(), "/mcp/pay");
  const auto absent = gateway.modern("tools/list", Json::object(), "/mcp/nothing");
  CHECK(hidden.status == 404);
  CHECK(absent.status == 404);
  CHECK(hidden.json()["error"]["message"] == absent.json()["error"]["message"]);

  REQUIRE(gateway.apply(allow).has_value());
  CHECK(tools_at(gateway, "/mcp/pay").size() == 3);
  CHECK(call(gateway, "/mcp/pay", "ledger__drop", Json::object()).status == 200);
  CHECK(gateway.recorded("intent", {{"target", "ledger/drop"}, {"rule", "virtual-server:pay"}}));
  // Elsewhere it grants nothing.
  CHECK(tools_at(gateway, "/mcp").empty());
  const std::string body = GatewayFixture::modern_body("tools/list");
  CHECK(gateway
            .raw(GatewayFixture::request("POST", "/mcp/pay",
                                         "Authorization: Bearer " + gateway.other_key + "\r\n" +
                                             GatewayFixture::media() +
                                             GatewayFixture::modern_headers("tools/list"),
                                         body))
            .status == 404);

  // A denial holds there as well.
  REQUIRE(gateway
              .apply("---\nkind: Policy\nname: never\nsubjects: [\"*\"]\nrules: [{effect: deny, tools: "
                     "[\"*/drop\"]}]\n")
              .has_value());
  CHECK(tools_at(gateway, "/mcp/pay") == std::vector<std::string>{"ledger__mirror", "ledger__query"});
  CHECK(call(gateway, "/mcp/pay", "ledger__drop", Json::object()).code() == -32602);

  // And so does one of the virtual server itself.
  REQUIRE(gateway
              .apply("---\nkind: Policy\nname: closed\nsubjects: [\"agent:bot\"]\nrules: [{effect: deny, "
                     "virtual_servers: [\"p*\"]}]\n")
              .has_value());
  CHECK(gateway.modern("tools/list", Json::object(), "/mcp/pay").status == 404);
}

TEST_CASE("an environment binds a source to another server under the same names") {
  FakeMcp staging(FakeMcp::Era::modern, ledger_tools()), prod(FakeMcp::Era::modern, ledger_tools());
  const std::string documents =
      server_document("ledger", prod.url()) + server_document("ledger-staging", staging.url()) +
      "---\nkind: Policy\nname: all\nsubjects: [\"environment:staging\"]\nrules: [{effect: allow, servers: "
      "[\"*\"]}]\n"
      "---\nkind: VirtualServer\nname: pay\ntools:\n"
      "  - {from: ledger, tool: query, environments: {staging: ledger-staging}}\n";
  sallyport::cli::Settings settings;
  settings.environment = "staging";
  const GatewayFixture gateway(documents, settings);
  CHECK(tools_at(gateway, "/mcp/pay") == std::vector<std::string>{"ledger__query"});
  CHECK(call(gateway, "/mcp/pay", "ledger__query", {{"q", "x"}, {"tenant", "t"}}).status == 200);
  CHECK(staging.call_count() == 1);
  CHECK(prod.call_count() == 0);
  CHECK(gateway.recorded("intent", {{"target", "ledger-staging/query"}}));
}
