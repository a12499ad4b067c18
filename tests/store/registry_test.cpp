#include "sallyport/store/registry.hpp"

#include "data_directory.hpp"

namespace sallyport::store {
namespace {

const std::string kBase =
    "kind: Credential\nname: token\nenv: SALLYPORT_TEST_TOKEN\n---\n"
    "kind: Server\nname: github\ntransport: {type: streamable-http, url: "
    "\"https://a.example/mcp\"}\ncredential: token\n---\n"
    "kind: VirtualServer\nname: payments\ntools: [{from: github}]\n---\n"
    "kind: Team\nname: payments\nmembers: [\"user:nobody@example.com\"]\n";

std::vector<std::string> names(const OpenRegistry& open) {
  std::vector<std::string> out;
  for (const AnyDocument& document : open.registry->documents().value()) {
    out.push_back(std::string(kind_of(document)) + "/" + name_of(document));
  }
  return out;
}

std::int64_t count(OpenRegistry& open, std::string_view sql) {
  auto row = open.database->prepare(sql);
  REQUIRE(row.has_value());
  REQUIRE(row->step().value());
  return row->integer(0);
}

const std::vector<std::string> kBaseNames = {"Credential/token", "Server/github", "Team/payments",
                                             "VirtualServer/payments"};

TEST_CASE("what is applied is there after a restart, in order of kind and name") {
  DataDirectory data;
  {
    OpenRegistry open(data.path());
    REQUIRE(open.apply(kBase) == "");
    REQUIRE(open.changes.size() == 4);
    for (const Change& change : open.changes) CHECK(change.what == Change::What::created);
    CHECK(open.changes[0].difference == "+ kind: Credential\n+ name: token\n+ env: SALLYPORT_TEST_TOKEN\n");
    CHECK(open.registry->generation().value() == 1);
  }
  OpenRegistry open(data.path());
  CHECK(names(open) == kBaseNames);
  CHECK(open.registry->documents("Server")->size() == 1);
  CHECK(open.registry->document("Server", "github")->has_value());
  CHECK_FALSE(open.registry->document("Server", "other")->has_value());
  CHECK(open.registry->generation().value() == 1);
}

TEST_CASE("applying the same again changes nothing, and a change is shown line by line") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply(kBase) == "");
  REQUIRE(open.apply(kBase) == "");
  for (const Change& change : open.changes) {
    CHECK(change.what == Change::What::unchanged);
    CHECK(change.difference.empty());
  }
  CHECK(open.registry->generation().value() == 1);
  REQUIRE(open.apply("kind: Team\nname: payments\nmembers: [\"agent:bot\", \"user:nobody@example.com\", "
                     "\"user:x\"]\n") == "");
  REQUIRE(open.changes.size() == 1);
  CHECK(open.changes[0].what == Change::What::changed);
  CHECK(open.changes[0].difference == "+   - \"agent:bot\"\n+   - \"user:x\"\n");
  CHECK(open.registry->generation().value() == 2);
}

TEST_CASE("F10 an apply goes through wholly or not at all") {
  struct Row {
    const char* why;
    const char* last;
    const char* what;
  };
  const Row rows[] = {
      {"a source without server", "kind: VirtualServer\nname: v\ntools: [{from: nowhere}]\n",
       "VirtualServer v uses Server nowhere, which does not exist"},
      {"a prompt source", "kind: VirtualServer\nname: v\nprompts: [{from: nowhere}]\n",
       "uses Server nowhere"},
      {"a resource source", "kind: VirtualServer\nname: v\nresources: [{from: nowhere}]\n",
       "uses Server nowhere"},
      {"a server without credential",
       "kind: Server\nname: s\ntransport: {type: streamable-http, url: \"https://a/\"}\ncredential: lost\n",
       "Server s uses Credential lost"},
      {"a child without credential",
       "kind: Server\nname: s\ntransport: {type: stdio, command: c, credentials: {A: lost}}\n",
       "Server s uses Credential lost"},
      {"a value to keep where there is none", "kind: Credential\nname: c\nvalue: (sealed)\n",
       "give the value"},
      {"what the wiring refuses", "kind: Agent\nname: forbidden\n", "Agent forbidden: not here"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    DataDirectory data;
    OpenRegistry open(data.path());
    open.registry->set_validator([](const AnyDocument& document) -> Result<void> {
      return name_of(document) == "forbidden" ? client_error(Code::bad_request, "not here") : Result<void>{};
    });
    const std::string error = open.apply(kBase + "---\n" + row.last);
    CHECK(error.find(row.what) != std::string::npos);
    CHECK(names(open).empty());
    CHECK(open.registry->generation().value() == 0);
    CHECK(open.apply(kBase) == "");
  }
}

TEST_CASE("every problem of an apply is said at once") {
  DataDirectory data;
  OpenRegistry open(data.path());
  auto applied = open.registry->apply(
      {Server{.name = "A", .transport = StdioTransport{.command = "c"}},
       Server{.name = "s", .transport = StdioTransport{.command = "c", .env = {{"LD_PRELOAD", "x"}}}},
       Agent{.name = "a", .description = "\xff"}, Team{.name = "t"}, Team{.name = "t"},
       VirtualServer{.name = "v", .tools = {{.from = "gone"}}}},
      {});
  REQUIRE_FALSE(applied.has_value());
  CHECK(applied.error().code == Code::bad_request);
  const std::string& what = applied.error().hint;
  for (const char* part :
       {"Server A: \"name\"", "Server s: \"LD_PRELOAD\"", "Agent a: has text that is not UTF-8",
        "Team t stands twice", "VirtualServer v uses Server gone"}) {
    CAPTURE(part);
    CHECK(what.find(part) != std::string::npos);
  }
}

TEST_CASE("no two issuers are the same, the default, or asked about opaque tokens") {
  DataDirectory data;
  OpenRegistry open(data.path());
  const auto issuer = [](const std::string& name, const std::string& rest) {
    return "kind: Issuer\nname: " + name + "\nissuer: \"https://" + rest;
  };
  REQUIRE(open.apply(issuer(
              "a", "one.example/\"\ndefault: true\nintrospection: {url: \"https://one.example/i\"}\n")) ==
          "");
  struct Row {
    std::string document, what;
  };
  for (const Row& row :
       {Row{issuer("b", "one.example/\"\n"), "has this \"issuer\", and so does Issuer a"},
        Row{issuer("b", "two.example/\"\ndefault: true\n"), "is the default, and so does Issuer a"},
        Row{issuer("b", "two.example/\"\nintrospection: {url: \"https://two.example/i\"}\n"),
            "where tokens that name nobody are sent"},
        Row{issuer("b",
                   "two.example/\"\nintrospection: {url: \"https://t/i\", client_id: x, credential: no}\n"),
            "uses Credential no, which does not exist"}}) {
    CAPTURE(row.document);
    CHECK(open.apply(row.document).find(row.what) != std::string::npos);
  }
  CHECK(open.apply(issuer("b", "one.example\"\n")) == "");  // one byte less is another
}

TEST_CASE("F10 whichever step of an apply fails, the registry is as before or as after") {
  const std::string change =
      "kind: Credential\nname: token\nvalue: canary-4711\n---\nkind: Agent\nname: bot\n---\n"
      "kind: Server\nname: second\ntransport: {type: stdio, command: c, credentials: {K: token}}\n";
  for (int failing = 1;; ++failing) {
    DataDirectory data;
    std::string error;
    int steps = 0;
    {
      OpenRegistry open(data.path());
      REQUIRE(open.apply(kBase) == "");
      const Fault fault([&](std::string_view point) -> Result<void> {
        if (point == "sql" && ++steps == failing) return fail(Code::storage, Blame::us, "disk I/O error");
        return {};
      });
      error = open.apply(change);
    }
    CAPTURE(failing);
    OpenRegistry open(data.path());
    if (error.empty()) {
      CHECK(steps < failing);  // no fault was left to meet
      CHECK(names(open).size() == 6);
      CHECK(open.vault->get("credential/token")->reveal() == "canary-4711");
      break;
    }
    CHECK(names(open) == kBaseNames);
    CHECK(open.registry->generation().value() == 1);
    CHECK_FALSE(open.vault->contains("credential/token").value());
    failing += failing > 20 ? 2 : 0;  // the many steps of writing rows are alike
    REQUIRE(failing < 500);
  }
}

TEST_CASE("a dry run says what would happen and does none of it") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply(kBase) == "");
  REQUIRE(open.apply("kind: Credential\nname: token\nvalue: canary-4711\n---\nkind: Agent\nname: bot\n",
                     {.dry_run = true}) == "");
  REQUIRE(open.changes.size() == 2);
  CHECK(open.changes[0].what == Change::What::changed);
  CHECK(open.changes[0].difference == "- env: SALLYPORT_TEST_TOKEN\n+ value: (sealed)\n");
  CHECK(open.changes[1].what == Change::What::created);
  CHECK(names(open) == kBaseNames);
  CHECK(open.registry->generation().value() == 1);
  CHECK_FALSE(open.vault->contains("credential/token").value());
  CHECK_FALSE(open.apply("kind: VirtualServer\nname: v\ntools: [{from: x}]\n", {.dry_run = true}).empty());
}

TEST_CASE("pruning removes what came from the same origin and nothing else") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply(kBase, {.origin = "repo"}) == "");
  REQUIRE(open.apply("kind: Agent\nname: by-hand\n", {.origin = "cli"}) == "");
  REQUIRE(open.registry->create_key("by-key", "", false, {}).has_value());
  const std::string error = open.apply("kind: VirtualServer\nname: payments\ntools: [{from: github}]\n",
                                       {.origin = "repo", .prune = true});
  CHECK(error.find("VirtualServer payments uses Server github") != std::string::npos);
  REQUIRE(open.apply("kind: Team\nname: payments\n", {.origin = "repo", .prune = true}) == "");
  CHECK(names(open) == std::vector<std::string>{"Agent/by-hand", "Agent/by-key", "Team/payments"});
  CHECK(open.changes.size() == 4);
  CHECK(open.changes[1].what == Change::What::removed);
  CHECK(open.changes[1].difference == "- kind: Credential\n- name: token\n- env: SALLYPORT_TEST_TOKEN\n");
  REQUIRE(open.apply("", {.origin = "repo", .prune = true}) == "");
  CHECK(names(open) == std::vector<std::string>{"Agent/by-hand", "Agent/by-key"});
}

TEST_CASE("an unchanged document belongs to whoever applied it last") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply("kind: Agent\nname: a\n", {.origin = "one"}) == "");
  REQUIRE(open.apply("kind: Agent\nname: a\n", {.origin = "two"}) == "");
  CHECK(open.registry->generation().value() == 1);
  REQUIRE(open.apply("", {.origin = "one", .prune = true}) == "");
  CHECK(names(open).size() == 1);
}

TEST_CASE("what is in use is not removed, and the refusal names who uses it") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply(kBase + "---\nkind: VirtualServer\nname: b\nprompts: [{from: github}]\n") == "");
  auto server = open.registry->remove("Server", "github");
  REQUIRE_FALSE(server.has_value());
  CHECK(server.error().code == Code::conflict);
  CHECK(server.error().hint ==
        "Server github is used by VirtualServer b, VirtualServer payments: change or remove that first");
  CHECK(open.registry->remove("Credential", "token").error().hint.find("Server github") != std::string::npos);
  CHECK(open.registry->remove("Server", "nowhere").error().code == Code::not_found);
  CHECK(open.registry->generation().value() == 1);
  for (const char* name : {"b", "payments"}) CHECK(open.registry->remove("VirtualServer", name).has_value());
  CHECK(open.registry->remove("Server", "github").has_value());
  CHECK(open.registry->remove("Credential", "token").has_value());
  CHECK(open.registry->generation().value() == 5);
}

TEST_CASE("a secret value lies in no file, difference, error or stored source, and follows its document") {
  DataDirectory data;
  const std::string sealed = "kind: Credential\nname: token\nvalue: canary-4711\n# canary-4711 in a remark\n";
  std::string seen;
  {
    OpenRegistry open(data.path());
    REQUIRE(open.apply(sealed, {.source = sealed}) == "");
    seen += open.changes.at(0).difference;
    const auto stored = std::get<Credential>(open.registry->document("Credential", "token")->value());
    CHECK(stored.value.empty());
    CHECK(open.registry->credential_value(stored)->reveal() == "canary-4711");

    REQUIRE(open.apply(sealed) == "");
    CHECK(open.changes.at(0).what == Change::What::unchanged);
    REQUIRE(open.apply("kind: Credential\nname: token\nvalue: (sealed)\n") == "");
    CHECK(open.changes.at(0).what == Change::What::unchanged);
    REQUIRE(open.apply("kind: Credential\nname: token\nvalue: canary-4712\n") == "");
    CHECK(open.changes.at(0).what == Change::What::changed);
    CHECK(open.changes.at(0).difference == "- value: (sealed)\n+ value: (sealed), a new one\n");
    CHECK(open.registry->generation().value() == 2);
    CHECK(open.registry->credential_value(stored)->reveal() == "canary-4712");
    seen += open.apply(sealed + "---\nkind: VirtualServer\nname: v\ntools: [{from: x}]\n");
    CHECK(open.registry->credential_value(stored)->reveal() == "canary-4712");
    seen += data.all_bytes();

    REQUIRE(open.apply("kind: Credential\nname: token\nfile: /nowhere\n") == "");
    CHECK_FALSE(open.vault->contains("credential/token").value());
    REQUIRE(open.apply(sealed) == "");
    REQUIRE(open.registry->remove("Credential", "token").has_value());
    CHECK_FALSE(open.vault->contains("credential/token").value());
  }
  seen += data.all_bytes();
  CHECK(seen.find("canary") == std::string::npos);
}

TEST_CASE("the source of an apply is kept once, and goes with the last document that came from it") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply("kind: Agent\nname: a\n---\nkind: Agent\nname: b\n") == "");
  CHECK(count(open, "SELECT count(*) FROM sources") == 1);
  REQUIRE(open.apply("kind: Agent\nname: a\ndisabled: true\n") == "");
  CHECK(count(open, "SELECT count(*) FROM sources") == 2);
  REQUIRE(open.apply("kind: Agent\nname: b\ndisabled: true\n") == "");
  CHECK(count(open, "SELECT count(*) FROM sources") == 2);
}

TEST_CASE("a credential's value comes from where it points, or the error says where that is") {
  DataDirectory data;
  OpenRegistry open(data.path());
  const auto from_env = [](const char* name) { return Credential{.name = "c", .reference = name}; };
  const auto from_file = [](const std::string& path) {
    return Credential{.name = "c", .from = Credential::From::file, .reference = path};
  };
  const auto error_of = [&](const Credential& credential) {
    auto value = open.registry->credential_value(credential);
    REQUIRE_FALSE(value.has_value());
    return value.error();
  };
  {
    const Variable set("SALLYPORT_TEST_TOKEN", "canary-1");
    CHECK(open.registry->credential_value(from_env("SALLYPORT_TEST_TOKEN"))->reveal() == "canary-1");
  }
  CHECK(error_of(from_env("SALLYPORT_TEST_TOKEN")).code == Code::unavailable);
  CHECK(error_of(from_env("SALLYPORT_TEST_TOKEN")).what.find("SALLYPORT_TEST_TOKEN") != std::string::npos);

  const std::string path = data.beside("token");
  CHECK(error_of(from_file(path)).what.find(path) != std::string::npos);
  std::ofstream(path) << "canary-2\n";
  CHECK(open.registry->credential_value(from_file(path))->reveal() == "canary-2");
  std::ofstream(path, std::ios::trunc) << "\n";
  CHECK(error_of(from_file(path)).what.find("is empty") != std::string::npos);
  std::ofstream(path, std::ios::trunc) << std::string(70'000, 'x');
  CHECK(error_of(from_file(path)).what.find("64 KiB") != std::string::npos);
  CHECK(error_of(from_file(data.path())).what.find("not a regular file") != std::string::npos);
  CHECK(error_of(from_file(data.file("master.key"))).what.find("goes nowhere else") != std::string::npos);
  CHECK(error_of(Credential{.name = "c", .from = Credential::From::value, .reference = {}}).code ==
        Code::not_found);
}

TEST_CASE("catalogues come back as they were saved and go with their server") {
  DataDirectory data;
  OpenRegistry open(data.path());
  REQUIRE(open.apply("kind: Server\nname: s\ntransport: {type: stdio, command: c}\n") == "");
  StoredCatalogue catalogue{
      .server = "s", .tools = R"([{"name":"a"}])", .server_info = R"({"name":"x"})", .fetched = 7};
  REQUIRE(open.registry->save_catalogue(catalogue).has_value());
  catalogue.prompts = R"([{"name":"p"}])";
  REQUIRE(open.registry->save_catalogue(catalogue).has_value());
  const auto stored = open.registry->catalogues();
  REQUIRE(stored->size() == 1);
  CHECK(stored->at(0).tools == catalogue.tools);
  CHECK(stored->at(0).prompts == catalogue.prompts);
  CHECK(stored->at(0).resources == "[]");
  CHECK(stored->at(0).server_info == catalogue.server_info);
  CHECK(stored->at(0).fetched == 7);
  CHECK(open.registry->generation().value() == 1);
  REQUIRE(open.registry->remove("Server", "s").has_value());
  CHECK(open.registry->catalogues()->empty());
}

}  // namespace
}  // namespace sallyport::store
