// Recorded calls decided again: allowed, denied, or nobody can tell without their arguments.
#include "sallyport/gateway/replay.hpp"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace sallyport::gateway;
using What = Redecision::What;

namespace {

constexpr const char* kDraft = R"(kind: Agent
name: bot
claims: {tenant: acme}
---
kind: Policy
name: draft
subjects: ["agent:bot"]
rules:
  - {effect: allow, tools: [up/plain, up/mixed]}
  - {effect: allow, tools: [up/asked], when: 'args.n < 10'}
  - {effect: deny, tools: [up/mixed], when: 'args.n == 1'}
  - {effect: deny, tools: [up/plain], when: 'principal.claims.tenant == "other" && args.n == 1'}
  - {effect: allow, tools: [up/from_home], when: 'request.client_ip == "127.0.0.1"'}
  - {effect: allow, prompts: ["up/*"], resources: ["up/doc://*"]}
  - {effect: deny, virtual_servers: [shut]}
  - {effect: allow, resources: ["up/note://*"], when: 'args.uri == "note://mine"'}
  - {effect: deny, virtual_servers: [small], when: 'has(args.force) && args.force'}
---
kind: Policy
name: everybody
subjects: ["*"]
rules: [{effect: allow, tools: [up/open]}]
---
kind: VirtualServer
name: small
tools:
  - {from: up, tool: plain}
  - {from: up, tool: open, preset: {n: {from: principal.claims.tenant}}}
---
kind: VirtualServer
name: shut
tools: [{from: up}]
---
kind: VirtualServer
name: given
grants: true
owner: "user:ann"
tools: [{from: up, tool: other}]
---
kind: VirtualServer
name: open-house
access: anonymous
tools: [{from: up}]
)";

struct Bench {
  std::vector<store::AnyDocument> documents;
  std::unique_ptr<Replay> replay;

  Bench() {
    auto read = store::read_documents(kDraft, "draft.yaml");
    REQUIRE(read.has_value());
    documents = std::move(*read);
    auto config = std::make_shared<ServerConfig>();
    config->document.name = "up";
    const std::string schema = R"(,"inputSchema":{"type":"object","properties":{"n":{}}}})";
    std::string tools;
    for (const char* name : {"plain", "asked", "mixed", "from_home", "other", "open"})
      tools += (tools.empty() ? "[{\"name\":\"" : ",{\"name\":\"") + std::string(name) + "\"" + schema;
    auto catalogue = Catalogue::build(
        {.server = "up",
         .tools = tools + "]",
         .prompts = R"([{"name":"hello"}])",
         .resources =
             R"([{"uri":"doc://a","name":"a"},{"uri":"note://mine","name":"m"},{"uri":"note://yours","name":"y"}])",
         .templates = R"([{"uriTemplate":"doc://{name}","name":"any"}])"});
    REQUIRE(catalogue.has_value());
    SnapshotParts parts;
    parts.documents = documents;
    auto rules = take_policies(parts.documents, {});
    REQUIRE(rules.has_value());
    parts.rules = std::move(*rules);
    parts.servers.push_back(
        {.config = std::move(config), .upstream = nullptr, .catalogue = std::move(*catalogue)});
    replay = std::make_unique<Replay>(build_snapshot(std::move(parts)), documents);
  }
};

}  // namespace

TEST_CASE("a recorded call is decided again, and only what its arguments decide needs them") {
  Bench bench;
  struct Row {
    const char* about;
    RecordedCall call;
    std::optional<std::string> arguments;
    What what;
    const char* rule;
  };
  const auto call = [](const char* target, const char* endpoint = "/mcp", const char* principal = "agent:bot",
                       const char* method = "tools/call") {
    return RecordedCall{.id = "1",
                        .principal = principal,
                        .endpoint = endpoint,
                        .method = method,
                        .target = target,
                        .client_ip = "127.0.0.1"};
  };
  auto from_afar = call("up/from_home");
  from_afar.client_ip = "10.0.0.1";
  const Row rows[] = {
      {"no condition", call("up/plain"), std::nullopt, What::allowed, "draft#1"},
      {"an allow that reads arguments", call("up/asked"), std::nullopt, What::undetermined,
       "its arguments are not known"},
      {"with them, allowed", call("up/asked"), R"({"n":3})", What::allowed, "draft#2"},
      {"with them, denied", call("up/asked"), R"({"n":30})", What::denied, "default"},
      {"a denial that reads arguments", call("up/mixed"), std::nullopt, What::undetermined,
       "its arguments are not known"},
      {"with them, it holds", call("up/mixed"), R"({"n":1})", What::denied, "draft#3"},
      {"with none, the condition fails and so it holds", call("up/mixed"), "", What::denied, "draft#3"},
      {"what the request says needs no arguments", call("up/from_home"), std::nullopt, What::allowed,
       "draft#5"},
      {"and from elsewhere it is denied", from_afar, std::nullopt, What::denied, "default"},
      {"no rule", call("up/other"), std::nullopt, What::denied, "default"},
      {"another caller", call("up/plain", "/mcp", "agent:else"), std::nullopt, What::denied, "default"},
      {"a name that is no principal", call("up/plain", "/mcp", "??"), std::nullopt, What::denied,
       "there is no such principal"},
      {"a prompt", call("up/hello", "/mcp", "agent:bot", "prompts/get"), std::nullopt, What::allowed,
       "draft#6"},
      {"a resource", call("up/doc://a", "/mcp", "agent:bot", "resources/read"), std::nullopt, What::allowed,
       "draft#6"},
      {"a resource of a template", call("up/doc://b", "/mcp", "agent:bot", "resources/read"), std::nullopt,
       What::allowed, "draft#6"},
      {"a condition reads a resource's URI", call("up/note://mine", "/mcp", "agent:bot", "resources/read"),
       "", What::allowed, "draft#8"},
      {"which is known of every read", call("up/note://yours", "/mcp", "agent:bot", "resources/read"),
       std::nullopt, What::denied, "default"},
      {"in a virtual server", call("up/plain", "/mcp/small"), std::nullopt, What::allowed, "draft#1"},
      {"what that one does not include", call("up/mixed", "/mcp/small"), std::nullopt, What::denied,
       "no source of /mcp/small includes it"},
      {"a preset whose claim is missing", call("up/open", "/mcp/small", "user:ann"), std::nullopt,
       What::denied, "a claim that a preset is made from is missing"},
      {"where it is not set", call("up/open", "/mcp", "user:ann"), std::nullopt, What::allowed,
       "everybody#1"},
      {"a virtual server that is denied", call("up/plain", "/mcp/shut"), std::nullopt, What::denied,
       "draft#7"},
      {"at its door", call("", "/mcp/shut"), std::nullopt, What::denied, "draft#7"},
      {"at an open door", call("", "/mcp/small"), std::nullopt, What::allowed, "default"},
      {"a virtual server that grants, to one whom no rule lets in", call("up/other", "/mcp/given"),
       std::nullopt, What::denied, "default"},
      {"what no server offers, where the endpoint grants", call("up/gone", "/mcp/open-house"), std::nullopt,
       What::undetermined, "no server offers it now"},
      {"a virtual server that is gone", call("up/plain", "/mcp/gone"), std::nullopt, What::denied,
       "there is no /mcp/gone"},
      {"a tool that no server offers any more, by its name", call("up/gone"), std::nullopt, What::denied,
       "default"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.about);
    const auto said = bench.replay->decide(
        row.call, row.arguments ? std::optional<std::string_view>(*row.arguments) : std::nullopt);
    CHECK(said.what == row.what);
    CHECK(said.rule == row.rule);
  }
}

TEST_CASE("only records of decisions about tools, prompts, resources and doors concern a replay") {
  CHECK(Replay::concerns("tools/call", "up/x"));
  CHECK(Replay::concerns("prompts/get", "up/x"));
  CHECK(Replay::concerns("resources/read", "up/x"));
  CHECK(Replay::concerns("initialize", ""));
  CHECK_FALSE(Replay::concerns("completion/complete", "up/x"));
}
