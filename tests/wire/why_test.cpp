// `sallyport why`: the same answer that the request path gives, with its reasons.
#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

const std::string kDocuments = R"(---
kind: Agent
name: bot
claims: {tenant: acme}
---
kind: Team
name: ops
members: ["agent:other"]
---
kind: Policy
name: bots
subjects: ["agent:bot"]
rules:
  - {effect: allow, tools: ["up/*"], when: 'args.text == "yes"'}
  - {effect: deny, tools: ["up/secret"]}
---
kind: Policy
name: ops
subjects: ["team:ops"]
rules: [{effect: allow, tools: ["up/region"], virtual_servers: [granting]}]
---
kind: VirtualServer
name: some
tools: [{from: up, tool: echo, as: say, preset: {text: "yes"}}]
---
kind: VirtualServer
name: granting
grants: true
owner: team:ops
tools: [{from: up}]
---
kind: VirtualServer
name: shut
tools: [{from: up}]
---
kind: Policy
name: doors
subjects: ["agent:bot"]
rules: [{effect: deny, virtual_servers: [shut]}]
)";

}  // namespace

TEST_CASE("why names the rule for every answer that the request path gives") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDocuments);
  REQUIRE(gateway.modern("tools/list").status == 200);  // and so the server was reached
  struct Row {
    const char* why;
    Json asked;
    bool allowed;
    const char* rule;
    const char* near;
    const char* note;
  };
  const Row rows[] = {
      {"listed", {{"principal", "agent:bot"}, {"target", "up/echo"}}, true, "bots#1", "", ""},
      {"by its exported name", {{"principal", "agent:bot"}, {"target", "up__echo"}}, true, "bots#1", "", ""},
      {"refused for its arguments",
       {{"principal", "agent:bot"}, {"target", "up/echo"}, {"arguments", {{"text", "no"}}}},
       false,
       "default",
       "bots#1",
       ""},
      {"denied", {{"principal", "agent:bot"}, {"target", "up/secret"}}, false, "bots#2", "bots#1", ""},
      {"of another team",
       {{"principal", "user:ann"}, {"target", "up/region"}},
       false,
       "default",
       "bots#1",
       ""},
      {"with a preset",
       {{"principal", "agent:bot"},
        {"target", "say"},
        {"virtual_server", "some"},
        {"arguments", Json::object()}},
       true,
       "bots#1",
       "",
       ""},
      {"a preset that is sent",
       {{"principal", "agent:bot"},
        {"target", "say"},
        {"virtual_server", "some"},
        {"arguments", {{"text", "x"}}}},
       false,
       "default",
       "bots#1",
       "not yours to give"},
      {"outside of the virtual server",
       {{"principal", "agent:bot"}, {"target", "up/region"}, {"virtual_server", "some"}},
       false,
       "bots#1",
       "ops#1",
       "no source of /mcp/some includes it"},
      {"behind a grant that is not for it",
       {{"principal", "agent:bot"}, {"target", "up__region"}, {"virtual_server", "granting"}},
       false,
       "default",
       "ops#1",
       "no rule allows this principal to use it"},
      {"not among what is granted",
       {{"principal", "agent:other"}, {"target", "up/nothing"}, {"virtual_server", "granting"}},
       false,
       "default",
       "bots#1",
       "no server offers it now"},
      {"behind a door that is shut",
       {{"principal", "agent:bot"}, {"target", "up__region"}, {"virtual_server", "shut"}},
       false,
       "doors#1",
       "",
       "doors#1 denies it"},
      {"offered by nobody",
       {{"principal", "agent:bot"}, {"target", "up/nothing"}},
       false,
       "bots#1",
       "",
       "no server offers it now"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const auto said = gateway.admin("why", row.asked);
    REQUIRE(said.has_value());
    CAPTURE(said->dump());
    CHECK((*said)["allowed"] == row.allowed);
    CHECK((*said)["rule"] == row.rule);
    CHECK(((*said)["near"].empty() ? "" : (*said)["near"][0]["rule"].get<std::string>()) == row.near);
    CHECK((*said)["notes"].dump().find(row.note) != std::string::npos);
  }
  CHECK_FALSE(gateway.admin("why", {{"principal", "bot"}, {"target", "up/echo"}}).has_value());
  CHECK_FALSE(gateway.admin("why", {{"principal", "agent:bot"}, {"target", "x"}, {"virtual_server", "none"}})
                  .has_value());
}

TEST_CASE("why finds a resource by the URI that clients see, with its server's name before it or without") {
  for (const bool prefixed : {true, false}) {
    CAPTURE(prefixed);
    FakeMcp upstream;
    const GatewayFixture gateway(server_document("up", upstream.url(), prefixed ? "uris: prefix\n" : "") +
                                 kDefaultPolicy);
    REQUIRE(gateway.modern("resources/list").status == 200);
    const std::string prefix = prefixed ? "up+" : "";
    for (const std::string uri : {"note://one", "note://7/text"}) {
      const auto said =
          gateway.admin("why", {{"principal", "agent:bot"}, {"target", prefix + uri}, {"kind", "resource"}});
      REQUIRE(said.has_value());
      CAPTURE(said->dump());
      CHECK((*said)["target"] == "up/" + uri);
      CHECK((*said)["allowed"] == true);
    }
  }
}
