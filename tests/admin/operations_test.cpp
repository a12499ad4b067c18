#include "sallyport/admin/operations.hpp"

#include <doctest/doctest.h>

#include <filesystem>

#include <sys/stat.h>
#include <nlohmann/json.hpp>

#include "sallyport/admin/journal_key.hpp"
#include "sallyport/core/bytes.hpp"
#include "store/data_directory.hpp"

using namespace sallyport;
using nlohmann::json;

namespace {

constexpr const char* kCanary = "canary-5f1d0c7e-secret";

constexpr const char* kDocuments = R"(kind: Server
name: docs
transport: {type: streamable-http, url: "https://mcp.example.com/mcp"}
---
kind: Team
name: payments
members: ["agent:release-bot", "user:alice@example.com"]
---
kind: Policy
name: all-docs
subjects: ["team:payments"]
rules:
  - {effect: allow, tools: ["docs/*"]}
)";

/// Operations on a data directory of their own, with a server's ends that count.
struct Desk {
  store::DataDirectory directory;
  store::OpenRegistry open{directory.path()};
  int reloads = 0;
  Result<void> reloaded{};
  admin::Operations operations{
      *open.database,
      *open.vault,
      *open.registry,
      {.reload =
           [this] {
             ++reloads;
             return reloaded;
           },
       .test_server = [](const std::string& name) -> Result<std::string> {
         if (name != "docs") return client_error(Code::not_found, "there is no server '" + name + "'");
         return R"({"ok":true})";
       },
       .status = [] { return std::string(R"({"servers":[{"name":"docs","state":"up"}]})"); },
       .checkpoint = [] { return Result<void>{}; }}};

  json run(const std::string& op, const json& arguments) {
    auto result = operations.run(op, arguments);
    REQUIRE_MESSAGE(result, (result ? std::string() : result.error().what));
    return *result;
  }
  Error refused(const std::string& op, const json& arguments) {
    auto result = operations.run(op, arguments);
    REQUIRE_MESSAGE(!result, (result ? result->dump() : std::string()));
    return result.error();
  }
  json apply(const std::string& text, json more = json::object()) {
    more["files"] = {{{"name", "x.yaml"}, {"text", text}}};
    return run("apply", more);
  }
};

std::vector<std::string> words(const json& changes) {
  std::vector<std::string> out;
  for (const auto& change : changes) {
    out.push_back(change["what"].get<std::string>() + " " + change["kind"].get<std::string>() + " " +
                  change["name"].get<std::string>());
  }
  return out;
}

}  // namespace

TEST_CASE("apply says per document what happened, and the server takes it up before the answer") {
  Desk desk;
  const auto first = desk.apply(kDocuments);
  CHECK(words(first["changes"]) ==
        std::vector<std::string>{"created Server docs", "created Team payments", "created Policy all-docs"});
  CHECK(desk.reloads == 1);
  const auto again = desk.apply(kDocuments);
  CHECK(words(again["changes"]) == std::vector<std::string>{"unchanged Server docs",
                                                            "unchanged Team payments",
                                                            "unchanged Policy all-docs"});
  CHECK(desk.reloads == 1);
  CHECK(again["generation"] == first["generation"]);
}

TEST_CASE("a dry run shows the difference and changes nothing") {
  Desk desk;
  const auto shown = desk.apply(kDocuments, {{"dry_run", true}});
  CHECK(shown["changes"][0]["what"] == "created");
  CHECK(shown["changes"][0]["difference"].get<std::string>().contains("mcp.example.com"));
  CHECK(desk.reloads == 0);
  CHECK(desk.run("get", json::object())["documents"].empty());
}

TEST_CASE("prune removes what came from the same origin and nothing else") {
  Desk desk;
  desk.run("server.add", {{"name", "other"}, {"url", "https://other.example.com/mcp"}});
  desk.apply(kDocuments);
  const auto changes = desk.apply("kind: Team\nname: payments\n", {{"prune", true}})["changes"];
  CHECK(words(changes) ==
        std::vector<std::string>{"changed Team payments", "removed Policy all-docs", "removed Server docs"});
  CHECK(desk.run("get", {{"kind", "servers"}})["documents"].size() == 1);
}

TEST_CASE("every problem of every file is reported at once with its place, and nothing is applied") {
  Desk desk;
  const auto error = desk.refused("apply", {{"files",
                                             {{{"name", "a.yaml"}, {"text", "kind: Server\nnmae: x\n"}},
                                              {{"name", "b.yaml"}, {"text", "kind: Nonsense\nname: y\n"}},
                                              {{"name", "c.yaml"}, {"text", kDocuments}}}}});
  CHECK(error.code == Code::bad_request);
  CHECK(error.hint.contains("a.yaml:2:"));
  CHECK(error.hint.contains("b.yaml:1:"));
  CHECK(json::parse(error.data)["problems"].size() >= 2);
  CHECK(desk.run("get", json::object())["documents"].empty());
}

TEST_CASE("what only other layers can judge is refused when it is applied") {
  struct Row {
    std::string why;
    const char* text;
    const char* says;
  };
  const Row rows[] = {
      {"private address without consent",
       "kind: Server\nname: x\ntransport: {type: streamable-http, url: \"http://127.0.0.1:9/mcp\"}\n",
       "transport.url"},
      {"private address without consent, over SSE",
       "kind: Server\nname: x\ntransport: {type: sse, url: \"http://localhost:9/sse\"}\n", "transport.url"},
      {"metadata address in spite of consent",
       "kind: Server\nname: x\ntransport: {type: streamable-http, url: \"http://169.254.169.254/\", "
       "allow_private: true}\n",
       "transport.url"},
      {"loader variable",
       "kind: Server\nname: x\ntransport: {type: stdio, command: \"true\", env: {LD_PRELOAD: /tmp/x.so}}\n",
       "LD_PRELOAD"},
      {"subject of no known form",
       "kind: Policy\nname: p\nsubjects: [\"alice\"]\nrules: [{effect: allow, tools: [\"*\"]}]\n",
       "subjects"},
      {"one name exported twice",
       "kind: Server\nname: x\ntransport: {type: streamable-http, url: "
       "\"https://x.example.com/mcp\"}\n---\nkind: VirtualServer\nname: v\n"
       "tools: [{from: x, tool: a, as: same}, {from: x, tool: b, as: same}]\n",
       "same"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    Desk desk;
    const auto error = desk.refused("apply", {{"files", {{{"name", "x.yaml"}, {"text", row.text}}}}});
    CHECK(error.code == Code::bad_request);
    CHECK_MESSAGE(error.hint.contains(row.says), error.hint);
    CHECK(desk.reloads == 0);
    CHECK(desk.run("get", json::object())["documents"].empty());
  }
}

TEST_CASE("a change that the running server cannot take up is not acknowledged") {
  Desk desk;
  desk.reloaded = client_error(Code::conflict, "two tools are called alike");
  const auto error = desk.refused("apply", {{"files", {{{"name", "x.yaml"}, {"text", kDocuments}}}}});
  CHECK(error.hint.contains("two tools are called alike"));
  CHECK(error.hint.contains("apply"));
}

TEST_CASE("a secret value stands in no answer and in no file in the clear") {
  Desk desk;
  const std::string text = std::string("kind: Credential\nname: token\nvalue: ") + kCanary + "\n";
  std::string answers;
  answers += desk.apply(text, {{"dry_run", true}}).dump();
  answers += desk.apply(text).dump();
  answers += desk.apply(text + "header: X-Token\n").dump();
  for (const char* format : {"json", "yaml"}) {
    answers += desk.run("get", {{"kind", "credentials"}, {"format", format}}).dump();
    answers += desk.run("get", {{"kind", "Credential"}, {"name", "token"}, {"format", format}}).dump();
  }
  answers += desk.refused("apply", {{"files", {{{"name", "x.yaml"}, {"text", text + "wrong: 1\n"}}}}}).hint;
  answers += desk.run("status", json::object()).dump();
  answers += desk.run("backup", {{"directory", desk.directory.beside("copy")}}).dump();
  CHECK(answers.find(kCanary) == std::string::npos);
  CHECK(desk.directory.all_bytes().find(kCanary) == std::string::npos);
}

TEST_CASE("get answers by kind in any spelling, and by name") {
  Desk desk;
  desk.apply(kDocuments);
  for (const char* kind : {"Server", "server", "servers", "SERVERS"}) {
    CAPTURE(kind);
    CHECK(desk.run("get", {{"kind", kind}})["documents"][0]["name"] == "docs");
  }
  for (const char* kind : {"policies", "policy"})
    CHECK(desk.run("get", {{"kind", kind}})["kind"] == "Policy");
  CHECK(desk.run("get", {{"kind", "virtual-servers"}})["kind"] == "VirtualServer");
  CHECK(desk.run("get", {{"kind", "team"}, {"name", "payments"}})["documents"].size() == 1);
  CHECK(desk.run("get", {{"format", "yaml"}})["text"].get<std::string>().contains("---\n"));
  CHECK(desk.refused("get", {{"kind", "team"}, {"name", "nobody"}}).code == Code::not_found);
  CHECK(desk.refused("get", {{"kind", "wombats"}}).code == Code::bad_request);
}

TEST_CASE("what get shows as YAML can be applied again and changes nothing") {
  Desk desk;
  desk.apply(kDocuments);
  const auto text = desk.run("get", {{"format", "yaml"}})["text"].get<std::string>();
  for (const auto& change : desk.apply(text)["changes"]) CHECK(change["what"] == "unchanged");
}

TEST_CASE("server.add takes either a url or a command, once") {
  Desk desk;
  CHECK(words(desk.run("server.add", {{"name", "web"}, {"url", "https://mcp.example.com/mcp"}})["changes"]) ==
        std::vector<std::string>{"created Server web"});
  desk.run("server.add", {{"name", "local"},
                          {"command", "mcp-files"},
                          {"args", {"--root", "/srv/a b"}},
                          {"env", {{"MODE", "ro"}}}});
  const auto stored = desk.run("get", {{"kind", "server"}, {"name", "local"}})["documents"][0];
  CHECK(stored["transport"]["args"] == json({"--root", "/srv/a b"}));
  CHECK(stored["transport"]["env"]["MODE"] == "ro");
  CHECK(desk.refused("server.add", {{"name", "web"}, {"url", "https://mcp.example.com/mcp"}}).code ==
        Code::conflict);
  desk.run("server.add", {{"name", "web"}, {"url", "https://two.example.com/mcp"}, {"replace", true}});

  const json wrong[] = {{{"name", "x"}},
                        {{"name", "x"}, {"url", "https://a.example.com"}, {"command", "y"}},
                        {{"name", "x"}, {"url", "http://10.0.0.1/mcp"}},
                        {{"name", "x"}, {"url", "ftp://a.example.com"}},
                        {{"name", "Not A Name"}, {"url", "https://a.example.com"}},
                        {{"name", "x"}, {"url", "https://a.example.com"}, {"credential", "absent"}},
                        {{"name", "x"}, {"url", "https://a.example.com"}, {"env", {{"A", "b"}}}},
                        {{"name", "x"}, {"command", "y"}, {"allow_private", true}},
                        {{"name", "x"}, {"command", "y"}, {"sse", true}},
                        {{"name", "x"}, {"url", 7}}};
  for (const auto& arguments : wrong) {
    CAPTURE(arguments.dump());
    CHECK(desk.refused("server.add", arguments).code == Code::bad_request);
  }
  desk.run("server.add", {{"name", "x"}, {"url", "http://10.0.0.1/mcp"}, {"allow_private", true}});
  desk.run("server.add", {{"name", "old"}, {"url", "https://old.example.com/sse"}, {"sse", true}});
  CHECK(desk.run("get", {{"kind", "server"}, {"name", "old"}})["documents"][0]["transport"]["type"] == "sse");
}

TEST_CASE("server.list joins documents, catalogues and what the running server says") {
  Desk desk;
  desk.apply(kDocuments);
  REQUIRE(desk.open.registry->save_catalogue(
      {.server = "docs", .tools = R"([{"name":"a"},{"name":"b"}])", .fetched = 1}));
  const auto row = desk.run("server.list", json::object())["servers"][0];
  CHECK(row["tools"] == 2);
  CHECK(row["state"]["state"] == "up");
  CHECK(row["address"] == "https://mcp.example.com/mcp");
  CHECK(row["transport"] == "streamable-http");
  desk.apply("kind: Server\nname: old\ntransport: {type: sse, url: \"https://old.example.com/sse\"}\n");
  const auto old = desk.run("server.list", json::object())["servers"][1];
  CHECK(old["transport"] == "sse");
  CHECK(old["address"] == "https://old.example.com/sse");
  CHECK(desk.run("server.remove", {{"name", "docs"}})["removed"] == "docs");
  CHECK(desk.refused("server.remove", {{"name", "docs"}}).code == Code::not_found);
  CHECK(desk.refused("server.test", {{"name", "absent"}}).code == Code::not_found);
}

TEST_CASE("a key is shown when it is made and never again; its agent comes with it") {
  Desk desk;
  const auto made = desk.run("key.create", {{"agent", "release-bot"}, {"note", "for CI"}});
  const auto key = made["key"].get<std::string>();
  CHECK(key.starts_with("sp_"));
  CHECK(made["agent"] == "release-bot");
  CHECK(desk.reloads == 1);
  const auto listed = desk.run("key.list", json::object());
  CHECK(listed["keys"][0]["state"] == "active");
  CHECK(listed.dump().find(key) == std::string::npos);
  CHECK(desk.run("agent.list", json::object())["agents"][0]["keys"] == 1);
  CHECK(desk.directory.all_bytes().find(key) == std::string::npos);

  SUBCASE("it is revoked by its id") { desk.run("key.revoke", {{"id", made["id"]}}); }
  SUBCASE("it is revoked by its text, which is not repeated") {
    CHECK(desk.run("key.revoke", {{"id", key}}).dump().find(key) == std::string::npos);
  }
  CHECK(desk.run("key.list", {{"agent", "release-bot"}})["keys"][0]["state"] == "revoked");
  CHECK(desk.reloads == 2);
  CHECK(desk.refused("key.revoke", {{"id", "sp_unknown_text"}}).hint.find("sp_unknown_text") ==
        std::string::npos);
  CHECK(desk.refused("key.create", {{"agent", "x"}, {"expires", 1}}).code == Code::bad_request);
}

TEST_CASE("agents and teams are listed with what belongs to them") {
  Desk desk;
  desk.apply(kDocuments);
  desk.run("key.create", {{"agent", "release-bot"}});
  CHECK(desk.run("agent.list", json::object())["agents"][0]["teams"] == json({"payments"}));
  CHECK(desk.run("team.list", json::object())["teams"][0]["members"].size() == 2);
}

TEST_CASE("a backup restores to the same registry with the master key and to a shut vault without it") {
  Desk desk;
  desk.apply(std::string("kind: Credential\nname: token\nvalue: ") + kCanary + "\n");
  const auto copy = desk.directory.beside("copy"), full = desk.directory.beside("full");
  const auto plain = desk.run("backup", {{"directory", copy}});
  CHECK_FALSE(std::filesystem::exists(copy + "/master.key"));
  CHECK(std::filesystem::exists(copy + "/README.txt"));
  CHECK(desk.run("backup", {{"directory", full}, {"with_master_key", true}})["files"].size() == 5);
  for (const auto& entry : std::filesystem::directory_iterator(full)) {
    struct stat info{};
    REQUIRE(::stat(entry.path().c_str(), &info) == 0);
    CHECK((info.st_mode & 077) == 0);
  }
  CHECK(desk.refused("backup", {{"directory", copy}}).code == Code::conflict);
  CHECK(desk.refused("backup", {{"directory", "relative"}}).code == Code::bad_request);

  const auto restored = desk.directory.beside("restored");
  std::filesystem::create_directory(restored);
  std::filesystem::permissions(restored, std::filesystem::perms::owner_all);
  std::filesystem::copy_file(full + "/registry.db", restored + "/sallyport.db");
  std::filesystem::copy_file(full + "/master.key", restored + "/master.key");
  store::OpenRegistry again(restored);
  const auto credential = again.registry->document("Credential", "token");
  REQUIRE((credential && *credential));
  const auto value = again.registry->credential_value(std::get<store::Credential>(**credential));
  REQUIRE(value);
  CHECK(value->reveal() == kCanary);
}

TEST_CASE("keys of the vault are made new and what was sealed stays readable") {
  Desk desk;
  desk.apply(std::string("kind: Credential\nname: token\nvalue: ") + kCanary + "\n");
  CHECK(desk.run("vault.rotate", {{"what", "master"}})["rotated"] == "master");
  const auto before = desk.open.vault->key_ring("sealed-ids");
  desk.run("vault.rotate", {{"what", "ring"}});
  const auto after = desk.open.vault->key_ring("sealed-ids");
  REQUIRE((before && after));
  CHECK(after->size() == before->size() + 1);
  CHECK(desk.refused("vault.rotate", {{"what", "everything"}}).code == Code::bad_request);
  const auto credential = desk.open.registry->document("Credential", "token");
  REQUIRE((credential && *credential));
  CHECK(desk.open.registry->credential_value(std::get<store::Credential>(**credential)).value().reveal() ==
        kCanary);
}

TEST_CASE("the journal's signing key is made once and its public half can be read back") {
  Desk desk;
  const auto first = admin::journal_signing_key(*desk.open.vault, desk.directory.path());
  const auto again = admin::journal_signing_key(*desk.open.vault, desk.directory.path());
  REQUIRE((first && again));
  CHECK(first->public_key == again->public_key);
  const auto read = admin::read_public_key(admin::journal_public_key_file(desk.directory.path()));
  REQUIRE(read);
  CHECK(*read == first->public_key);
  CHECK(verify(*read, "text", sign(*again, "text")));
  CHECK(desk.directory.all_bytes().find(hex(first->private_key.reveal())) == std::string::npos);
}

TEST_CASE("an operation's arguments are checked as a whole, unknown ones included") {
  Desk desk;
  CHECK(desk.refused("no.such.thing", json::object()).code == Code::not_found);
  const auto error = desk.refused("key.create", {{"agnet", "x"}, {"admin", "yes"}});
  CHECK(error.hint.contains("\"agent\" is missing"));
  CHECK(error.hint.contains("\"admin\" must be true or false"));
  CHECK(error.hint.contains("unknown argument \"agnet\""));
  for (const auto& op : admin::Operations::names()) {
    CAPTURE(op);
    CHECK(desk.refused(op, {{"no-such-argument", 1}}).code == Code::bad_request);
    CHECK(desk.refused(op, json::array()).code == Code::bad_request);
  }
}
