#include "sallyport/store/documents.hpp"

#include <doctest/doctest.h>

namespace sallyport::store {
namespace {

AnyDocument one(const std::string& text, const std::string& file = "a.yaml") {
  auto documents = read_documents(text, file);
  std::string problems;
  if (!documents) {
    for (const ReadProblem& problem : documents.error()) problems += problem.text() + "\n";
  }
  CAPTURE(text);
  REQUIRE_MESSAGE(documents.has_value(), problems);
  REQUIRE(documents->size() == 1);
  return std::move(documents->front());
}

template <class T>
T one_of(const std::string& text) {
  auto document = one(text);
  REQUIRE(std::holds_alternative<T>(document));
  return std::get<T>(document);
}

/// One complete example of every kind and form.
const std::vector<std::string>& examples() {
  static const std::vector<std::string> list = {
      "kind: Credential\nname: github-token\nenv: GITHUB_TOKEN\n",
      "kind: Credential\nname: k\nfile: /run/secrets/k\nheader: X-API-Key\nscheme: \"\"\n",
      "kind: Credential\nname: k\nvalue: (sealed)\n",
      "kind: Server\nname: github\ntransport: {type: streamable-http, url: "
      "\"https://mcp.example.com/mcp\"}\n",
      "kind: Server\nname: s\ndescription: |\n  Two\n   lines\ntransport:\n  type: streamable-http\n  url: "
      "http://127.0.0.1:9/\n"
      "  allow_private: true\n  ca_file: /etc/ca.pem\n  headers: {X-Region: eu, X-Empty: \"\"}\ncredential: "
      "k\nisolation: "
      "principal\ncapture: full\ntrust: follow\nera: legacy\nuris: prefix\ntimeout: 1500ms\ndisabled: true\n",
      "kind: Server\nname: files\ntransport:\n  type: stdio\n  command: npx\n  args: [\"-y\", \"server, "
      "with: signs\", 8080, true]\n"
      "  env: {LANG: C, LEVEL: 3}\n  credentials: {API_KEY: k}\n  directory: /srv/files\n",
      "kind: VirtualServer\nname: payments\ntitle: Payments team\naccess: anonymous\ninstructions: "
      "\"a\\nb\\n\\n\"\ntools:\n"
      "  - {from: github, include: [\"get_*\", create_issue]}\n  - {from: ledger, tool: query, as: "
      "ledger_query}\n"
      "  - {from: plain, prefix: \"\", pin: {get: 0123456789abcdef0123456789abcdef, put: "
      "ffffffffffffffffffffffffffffffff}}\nprompts:\n  - {from: "
      "github, prompt: review, as: "
      "Review}\nresources:\n"
      "  - {from: github, include: [\"file:///*\"]}\n",
      "kind: Team\nname: payments\nmembers: [\"user:alice@example.com\", \"agent:release-bot\"]\n",
      "kind: Team\nname: empty\n",
      "kind: Agent\nname: release-bot\ndescription: 'It''s ours: yes'\ndisabled: true\n",
      "kind: Policy\nname: payments-tools\nsubjects: [\"team:payments\", \"agent:ci-*\", \"*\"]\nrules:\n"
      "  - {effect: allow, tools: [\"github/get_*\", \"ledger/*\"], prompts: [\"*\"]}\n"
      "  - {effect: deny, resources: [\"*/file:///etc/*\"], models: [\"claude-*\"]}\n",
      "kind: Policy\nname: default-deny\nsubjects: [\"*\"]\nrules: []\n",
      "kind: VirtualServer\nname: support\ngrants: true\nowner: \"team:payments\"\ntools:\n  - from: ledger\n"
      "    tool: query\n    as: look_up\n    title: Look up\n    description: One customer.\n"
      "    annotations: {readOnlyHint: true, \"x\": {\"y\": [1, 2.5, null]}}\n"
      "    preset: {tenant: {from: principal.claims.tenant}, limit: 50, zip: \"0815\", all: false, none: "
      "null,\n"
      "             where: {value: {a: {b: [x]}}}, tags: [a, 1]}\n"
      "    hide: [debug]\n    environments: {staging: ledger-staging, prod: ledger}\n",
      "kind: Agent\nname: deployer\nroles: [deploy, read]\nclaims: {tenant: acme, level: 3}\n",
      "kind: Agent\nname: signer\njwks: {\"keys\": [{\"kty\": \"EC\", \"x\": \"A\"}]}\n",
      "kind: Agent\nname: far\njwks_url: \"https://a.example/keys\"\nallow_private: true\nca_file: /ca.pem\n",
      "kind: Policy\nname: stepped\nsubjects: [\"*\"]\nrules: [{effect: allow, tools: [\"a/*\"], scopes: "
      "[a.b, c]}]\n",
      "kind: Issuer\nname: asserts\nissuer: \"https://idp.example/\"\nid_jag: {clients: [signer]}\n",
      "kind: Policy\nname: full\nsubjects: [\"role:deploy\", \"claim:tenant=ac*\", \"environment:prod\"]\n"
      "environments: [prod, staging]\nrules:\n  - {effect: allow, servers: [git*], virtual_servers: "
      "[support],\n"
      "     when: 'args.repo.startsWith(\"acme/\")'}\n",
      "kind: Issuer\nname: okta\nissuer: \"https://acme.okta.com\"\n",
      "kind: Issuer\nname: jobs\nissuer: \"https://idp.example/\"\nagent: claims.azp\n",
      "kind: Issuer\nname: both\nissuer: \"https://idp.example/\"\nuser: claims.sub\nagent: claims.azp\n",
      "kind: Issuer\nname: all\nissuer: \"http://127.0.0.1:9/t\"\njwks_url: "
      "\"http://127.0.0.1:9/keys\"\naudiences: "
      "[\"api://x\"]\nalgorithms: [ES384]\nscopes: [mcp, \"a:b\"]\ndefault: true\nuser: claims.email\nteams: "
      "claims.groups\nroles: claims.realm_access.roles\nclaims: {tenant: "
      "'claims[\"https://a.example/t\"].id'}\n"
      "introspection: {url: \"http://127.0.0.1:9/ask\", client_id: gate, credential: k}\nallow_private: "
      "true\nca_file: "
      "/etc/ca.pem\nleeway: 0s\nkeys: {refresh: 1m, cool_down: 5s, expiry: 2h}\n",
      "kind: Server\nname: old\ntransport: {type: sse, url: \"https://h/sse\", headers: {X-A: "
      "b}}\ncredential: "
      "k\ntrust: pinned\n",
  };
  return list;
}

TEST_CASE("what is read is written as canonical JSON and as YAML, and both read back the same") {
  for (const std::string& text : examples()) {
    const AnyDocument document = one(text);
    const std::string json = to_json(document);
    CAPTURE(json);
    auto stored = from_json(json);
    REQUIRE(stored.has_value());
    CHECK(to_json(*stored) == json);
    CHECK(to_json(one(json)) == json);
    CHECK(to_json(one(json, "a.json")) == json);
    const std::string yaml = to_yaml(document);
    CAPTURE(yaml);
    CHECK(to_json(one(yaml)) == json);
    CHECK(to_yaml(one(yaml)) == yaml);
  }
}

TEST_CASE("canonical JSON has sorted keys, every default and no space") {
  CHECK(to_json(one("kind: Agent\nname: a\n")) == R"({"disabled":false,"kind":"Agent","name":"a"})");
  CHECK(
      to_json(one(examples()[3])) ==
      R"({"capture":"digest","disabled":false,"era":"automatic","isolation":"shared","kind":"Server","name":"github",)"
      R"("timeout":"1m","transport":{"allow_private":false,"type":"streamable-http","url":"https://mcp.example.com/mcp"},)"
      R"("trust":"follow","uris":"unchanged"})");
}

TEST_CASE("YAML for people leaves defaults out") {
  CHECK(to_yaml(one(examples()[3])) ==
        "kind: Server\nname: github\ntransport:\n  type: streamable-http\n  url: "
        "\"https://mcp.example.com/mcp\"\n");
  CHECK(
      to_yaml(one("kind: Policy\nname: p\nsubjects: [\"*\"]\nrules: [{effect: allow, tools: [a/b, a/c]}]")) ==
      "kind: Policy\nname: p\nsubjects:\n  - \"*\"\nrules:\n  - effect: allow\n    tools:\n      - a/b\n     "
      " - a/c\n");
}

TEST_CASE("every key of every kind arrives where it belongs") {
  const auto credential = one_of<Credential>(examples()[1]);
  CHECK(credential.from == Credential::From::file);
  CHECK(credential.reference == "/run/secrets/k");
  CHECK(credential.header == "X-API-Key");
  CHECK(credential.scheme.empty());

  const auto http = one_of<Server>(examples()[4]);
  CHECK(http.description == "Two\n lines\n");
  const auto& transport = std::get<HttpTransport>(http.transport);
  CHECK(transport.allow_private);
  CHECK(transport.ca_file == "/etc/ca.pem");
  CHECK(transport.headers == std::map<std::string, std::string>{{"X-Region", "eu"}, {"X-Empty", ""}});
  CHECK(http.credential == "k");
  CHECK(http.isolation == Isolation::principal);
  CHECK(http.capture == Capture::full);
  CHECK(http.trust == Trust::follow);
  CHECK(http.era == Era::legacy);
  CHECK(http.uri_prefix);
  CHECK(http.timeout == std::chrono::milliseconds(1500));
  CHECK(http.disabled);

  const auto server = one_of<Server>(examples()[5]);
  const auto& stdio = std::get<StdioTransport>(server.transport);
  CHECK(stdio.command == "npx");
  CHECK(stdio.args == std::vector<std::string>{"-y", "server, with: signs", "8080", "true"});
  CHECK(stdio.env == std::map<std::string, std::string>{{"LANG", "C"}, {"LEVEL", "3"}});
  CHECK(stdio.credentials == std::map<std::string, std::string>{{"API_KEY", "k"}});
  CHECK(stdio.directory == "/srv/files");
  CHECK(server.timeout == std::chrono::minutes(1));

  const auto old = one_of<Server>(examples().back());
  CHECK(old.credential == "k");
  CHECK(std::get<HttpTransport>(old.transport).sse);
  CHECK_FALSE(transport.sse);

  const auto payments = one_of<VirtualServer>(examples()[6]);
  CHECK(payments.access == VirtualServer::Access::anonymous);
  CHECK(payments.instructions == "a\nb\n\n");
  REQUIRE(payments.tools.size() == 3);
  CHECK(payments.tools[0].include == std::vector<std::string>{"get_*", "create_issue"});
  CHECK_FALSE(payments.tools[0].prefix.has_value());
  CHECK(payments.tools[1].tool == "query");
  CHECK(payments.tools[1].as == "ledger_query");
  CHECK(payments.tools[2].prefix == "");
  CHECK(payments.tools[2].include == std::vector<std::string>{"*"});
  CHECK(payments.prompts.at(0).tool == "review");
  CHECK(payments.resources.at(0).include == std::vector<std::string>{"file:///*"});

  const auto policy = one_of<PolicyDocument>(examples()[10]);
  REQUIRE(policy.rules.size() == 2);
  CHECK(policy.rules[0].allow);
  CHECK_FALSE(policy.rules[1].allow);
  CHECK(policy.rules[1].models == std::vector<std::string>{"claude-*"});
}

TEST_CASE("times have units") {
  const std::pair<const char*, std::int64_t> rows[] = {
      {"1ms", 1}, {"500ms", 500}, {"30s", 30'000}, {"5m", 300'000}, {"1h", 3'600'000}, {"3600s", 3'600'000}};
  for (const auto& [text, millis] : rows) {
    const auto server = one_of<Server>(std::string("kind: Server\nname: s\ntimeout: ") + text +
                                       "\ntransport: {type: stdio, command: c}\n");
    CHECK(server.timeout.count() == millis);
  }
}

TEST_CASE("several documents come in order, from YAML and from a JSON list, empty ones are passed over") {
  for (const std::string& text :
       {std::string("---\n# nothing\n---\nkind: Team\nname: a\n---\nkind: Team\nname: b\n...\n---\n"),
        std::string("- kind: Team\n  name: a\n- {kind: Team, name: b}\n"),
        std::string(R"([{"kind": "Team", "name": "a"}, {"kind": "Team", "name": "b"}])")}) {
    auto documents = read_documents(text, "a.yaml");
    CAPTURE(text);
    REQUIRE(documents.has_value());
    REQUIRE(documents->size() == 2);
    CHECK(name_of(documents->at(0)) == "a");
    CHECK(name_of(documents->at(1)) == "b");
  }
  CHECK(read_documents("", "a.yaml")->empty());
  CHECK(read_documents("# only words\n", "a.yaml")->empty());
  CHECK(read_documents("[]", "a.json")->empty());
}

TEST_CASE("JSON with every escape is read as JSON, also where YAML could not") {
  const auto agent = one_of<Agent>(R"({"kind":"Agent","name":"a","description":"\ud83d\ude00 \/ \u00e9"})");
  CHECK(agent.description == "\xF0\x9F\x98\x80 / \xC3\xA9");
}

TEST_CASE("a secret value is read once and never shown") {
  const auto document = one("kind: Credential\nname: k\nvalue: canary-4711\n");
  CHECK(std::get<Credential>(document).value.reveal() == "canary-4711");
  for (const std::string& shown : {to_json(document), to_yaml(document)}) {
    CHECK(shown.find("canary") == std::string::npos);
    CHECK(shown.find("(sealed)") != std::string::npos);
  }
  const auto kept = one_of<Credential>("kind: Credential\nname: k\nvalue: (sealed)\n");
  CHECK(kept.from == Credential::From::value);
  CHECK(kept.value.empty());
}

TEST_CASE("what the registry cannot have written is a damaged registry") {
  for (const char* json : {"", "{}", "[]", "{\"kind\":\"Agent\"}", "{\"kind\":\"Agent\",\"name\":\"a\"",
                           R"([{"kind":"Agent","name":"a"},{"kind":"Agent","name":"b"}])"}) {
    auto document = from_json(json);
    REQUIRE_FALSE(document.has_value());
    CHECK(document.error().code == Code::storage);
  }
}

TEST_CASE("kinds and names are found without looking inside") {
  CHECK(kind_of(AnyDocument(VirtualServer{.name = "v"})) == "VirtualServer");
  CHECK(kind_of(AnyDocument(PolicyDocument{.name = "p"})) == "Policy");
  CHECK(name_of(AnyDocument(Team{.name = "t"})) == "t");
}

}  // namespace
TEST_CASE("presets, conditions and claims arrive as they were written") {
  const auto composed = one_of<VirtualServer>(
      "kind: VirtualServer\nname: v\ngrants: true\nowner: \"user:ann\"\ntools:\n"
      "  - {from: a, tool: q, annotations: {x: 1}, hide: [h], environments: {prod: b},\n"
      "     preset: {s: text, n: 1, q: \"1\", f: 1.5, b: true, z: null, l: [1, x], m: {value: {k: v}},\n"
      "              c: {from: principal.claims.tenant}}}\n");
  CHECK(composed.grants);
  CHECK(composed.owner == "user:ann");
  const auto& source = composed.tools.at(0);
  CHECK(source.annotations == R"({"x":1})");
  CHECK(source.hide == std::vector<std::string>{"h"});
  CHECK(source.server_in("prod") == "b");
  CHECK(source.server_in("staging") == "a");
  CHECK(source.server_in("") == "a");
  CHECK(source.preset == std::vector<Preset>{{"s", R"("text")", ""},
                                             {"n", "1", ""},
                                             {"q", R"("1")", ""},
                                             {"f", "1.5", ""},
                                             {"b", "true", ""},
                                             {"z", "null", ""},
                                             {"l", R"([1,"x"])", ""},
                                             {"m", R"({"k":"v"})", ""},
                                             {"c", "", "principal.claims.tenant"}});

  const auto agent = one_of<Agent>("kind: Agent\nname: a\nroles: [r]\nclaims: {tenant: acme, level: 3}\n");
  CHECK(agent.roles == std::vector<std::string>{"r"});
  CHECK(agent.claims == std::map<std::string, std::string>{{"tenant", "acme"}, {"level", "3"}});

  const auto policy = one_of<PolicyDocument>(
      "kind: Policy\nname: p\nsubjects: [\"*\"]\nenvironments: [prod]\nrules:\n"
      "  - {effect: allow, servers: [a], virtual_servers: [v], when: 'args.x == 1'}\n"
      "  - effect: deny\n    servers: [b]\n    when: tool.name == \"q\"\n");
  CHECK(policy.environments == std::vector<std::string>{"prod"});
  CHECK(policy.rules.at(0).servers == std::vector<std::string>{"a"});
  CHECK(policy.rules.at(0).virtual_servers == std::vector<std::string>{"v"});
  CHECK(policy.rules.at(0).when == "args.x == 1");
  CHECK(policy.rules.at(0).when_line == 6);
  CHECK(policy.rules.at(0).when_column == 64);
  CHECK(policy.rules.at(1).when == "tool.name == \"q\"");
  CHECK(policy.rules.at(1).when_line == 9);
  CHECK(policy.rules.at(1).when_column == 11);
}

}  // namespace sallyport::store
