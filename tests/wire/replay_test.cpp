// `sallyport policy replay`, and what `tool list --virtual-server` says: from a journal that a gateway wrote.
#include "cli/command_line.hpp"
#include "gateway_fixture.hpp"

using namespace sallyport::testing;
using sallyport::cli::testing::CommandLine;
using sallyport::cli::testing::Outcome;

namespace {

const std::string kDocuments = R"(---
kind: Policy
name: now
subjects: ["*"]
rules:
  - {effect: allow, tools: ["kept/*", "digest/*"]}
  - {effect: deny, tools: ["*/secret"]}
---
kind: VirtualServer
name: small
tools: [{from: kept, tool: echo, as: say}, {from: kept, tool: region}]
)";

const char* const kDraft = R"(kind: Policy
name: now
subjects: ["*"]
rules:
  - {effect: allow, tools: ["*/echo"], when: 'args.text == "yes"'}
  - {effect: allow, tools: ["*/secret"]}
)";

struct Place {
  FakeMcp kept, digest;
  GatewayFixture gateway{server_document("kept", kept.url(), "capture: full\n") +
                         server_document("digest", digest.url()) + kDocuments};
  CommandLine line;

  Place() { CHECK(gateway.modern("tools/list").status == 200); }

  Outcome operator()(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--data", gateway.directory.path});
    return line.bare(arguments);
  }
  void call(const std::string& tool, const Json& arguments, const std::string& path = "/mcp") {
    (void)gateway.modern("tools/call", {{"name", tool}, {"arguments", arguments}}, path);
  }
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// {was, would be, calls} by target.
std::map<std::string, std::vector<std::string>> changes(const Json& said) {
  std::map<std::string, std::vector<std::string>> out;
  for (const auto& row : said["changes"]) {
    out[row["target"].get<std::string>()].push_back(
        row["was_by"].get<std::string>() + " -> " + row["would_be"].get<std::string>() + " " +
        row["would_be_by"].get<std::string>() + " x" + std::to_string(row["calls"].get<int>()));
  }
  return out;
}

}  // namespace

TEST_CASE("a draft is tried on the recorded calls, and says whose decision would change") {
  Place place;
  for (const char* text : {"yes", "no", "no"}) place.call("kept__echo", {{"text", text}});
  place.call("digest__echo", {{"text", "yes"}});
  place.call("kept__region", {{"region", "eu"}});
  place.call("kept__secret", Json::object());
  REQUIRE(place.gateway.recorded("outcome", {{"status", "ok"}}, 5));
  REQUIRE(place.gateway.recorded("refusal", {{"reason", "denied"}}));
  place.line.write("draft/policy.yaml", kDraft);
  const std::string draft = place.line.directory.beside("draft");

  const Outcome table = place({"policy", "replay", "--draft", draft, "--since", "1h"});
  CAPTURE(table.out);
  CAPTURE(table.err);
  CHECK(table.code == 0);
  CHECK(has(table.out, "6 decisions since "));
  CHECK(has(table.out, ": 3 would be denied, 1 would be allowed, 1 undetermined"));
  const Json json = place({"-o", "json", "policy", "replay", "--draft", draft}).json();
  CHECK(json["calls"] == 6);
  const auto found = changes(json);
  CHECK(found.at("kept/echo") == std::vector<std::string>{"now#1 -> denied default x2"});
  CHECK(found.at("digest/echo") ==
        std::vector<std::string>{"now#1 -> undetermined its arguments were not kept x1"});
  CHECK(found.at("kept/region") == std::vector<std::string>{"now#1 -> denied default x1"});
  CHECK(found.at("kept/secret") == std::vector<std::string>{"now#2 -> allowed now#2 x1"});
  // What the draft decides is tried, not applied.
  CHECK(place.gateway.modern("tools/call", {{"name", "kept__region"}, {"arguments", {{"region", "eu"}}}})
            .json()
            .contains("result"));

  // What is in force changes nothing, and without its policy nothing is allowed.
  place.line.write("same.yaml", kDocuments);
  CHECK(place({"-o", "json", "policy", "replay", "--draft", place.line.directory.beside("same.yaml")})
            .json()["changes"]
            .empty());
  place.line.write("team.yaml", "kind: Team\nname: nobody\n");
  const std::string team = place.line.directory.beside("team.yaml");
  CHECK(place({"-o", "json", "policy", "replay", "--draft", team}).json()["denied"] == 0);
  CHECK(place({"-o", "json", "policy", "replay", "--draft", team, "--prune"}).json()["denied"] == 6);
}

TEST_CASE("a draft that cannot be used is refused with its file and line") {
  Place place;
  place.line.write("typo.yaml", "kind: Policy\nname: now\nsubject: [\"*\"]\nrules: []\n");
  const Outcome typo = place({"policy", "replay", "--draft", place.line.directory.beside("typo.yaml")});
  CHECK(typo.code == 1);
  CHECK(has(typo.err, "typo.yaml:3"));
  place.line.write(
      "when.yaml",
      "kind: Policy\nname: now\nsubjects: [\"*\"]\nrules: [{effect: allow, tools: [\"*\"], when: "
      "'nothing.known'}]\n");
  const Outcome when = place({"policy", "replay", "--draft", place.line.directory.beside("when.yaml")});
  CHECK(when.code == 1);
  CHECK(has(when.err, "policy 'now'"));
  place.line.write("twice.yaml", std::string(kDraft) + "---\n" + kDraft);
  CHECK(place({"policy", "replay", "--draft", place.line.directory.beside("twice.yaml")}).code == 1);
  CHECK(place({"policy", "replay"}).code == 2);
  CHECK(place({"policy", "replay", "--draft", place.line.directory.beside("nosuch")}).code == 1);
  place.line.write("good.yaml", kDraft);
  const Outcome since =
      place({"policy", "replay", "--draft", place.line.directory.beside("good.yaml"), "--since", "soon"});
  CHECK(since.code == 2);
  CHECK(has(since.err, "--since takes an age"));
}

TEST_CASE("what a virtual server exports is listed with what it costs in context and when it was called") {
  Place place;
  place.call("say", {{"text", "hello"}}, "/mcp/small");
  place.call("kept__region", {{"region", "eu"}});  // elsewhere
  REQUIRE(place.gateway.recorded("outcome", {{"status", "ok"}}, 2));
  const Outcome table = place({"tool", "list", "--virtual-server", "small"});
  CAPTURE(table.out);
  CHECK(table.code == 0);
  CHECK(has(table.out, "TOKENS"));
  CHECK(has(table.out, "never"));
  CHECK(has(table.out, "2 tools, about "));
  const Json json = place({"-o", "json", "tool", "list", "--virtual-server", "small"}).json();
  std::uint64_t total = 0;
  for (const auto& row : json["tools"]) {
    const bool said = row["name"] == "say";
    CHECK(row["last_called"].is_number() == said);
    CHECK(row["tool"] == (said ? "kept/echo" : "kept/region"));
    // As many as a fourth of the bytes that a client is shown.
    const Json listed = place.gateway.modern("tools/list", Json::object(), "/mcp/small").json();
    for (const auto& shown : listed["result"]["tools"]) {
      if (shown["name"] == row["name"]) CHECK(row["tokens"] == (shown.dump().size() + 3) / 4);
    }
    total += row["tokens"].get<std::uint64_t>();
  }
  CHECK(json["tokens"] == total);
  CHECK(total > 0);
  CHECK(place({"tool", "list", "--virtual-server", "nosuch"}).code == 1);
  CHECK(place({"tool", "list", "--virtual-server", "small", "--server", "kept"}).code == 2);
}
