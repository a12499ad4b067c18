// F10: every call that SQLite makes fails once, in every operation on the registry.
#include <algorithm>
#include <functional>

#include "data_directory.hpp"
#include "faulty_sqlite.hpp"

namespace sallyport::store {
namespace {

const std::string kBase =
    "kind: Credential\nname: token\nvalue: canary-old\n---\n"
    "kind: Server\nname: up\ntransport: {type: streamable-http, url: \"https://a.example/mcp\"}\n"
    "credential: token\n---\nkind: Team\nname: one\nmembers: [\"agent:a\"]\n";

/// A tool of server up, approved once, that is offered in another version now.
StoredDefinition definition(const std::string& name, const std::string& version) {
  return {.key = {.server = "up", .sort = "tool", .name = name},
          .approved = {.hash = "h-approved", .object = "{}"},
          .current = {.hash = "h-" + version, .object = "{\"d\":\"" + version + "\"}"}};
}

/// Everything that a registry holds and that an operation could leave half done.
std::string contents(OpenRegistry& open) {
  std::string out;
  for (const auto& document : open.registry->documents().value()) out += to_json(document) + "\n";
  std::vector<std::string> names;  // their ids, and so their order, are random
  for (const auto& key : open.registry->keys().value())
    names.push_back(key.agent + (key.revoked ? " revoked\n" : key.admin ? " admin\n" : "\n"));
  std::ranges::sort(names);
  for (const std::string& name : names) out += name;
  for (const auto& catalogue : open.registry->catalogues().value())
    out += catalogue.server + catalogue.tools + "\n";
  for (const auto& definition : open.registry->definitions("", true).value())
    out += definition.key.name + definition.approved.hash + definition.current.object +
           std::to_string(definition.rejected.size()) + "\n";
  const auto secret = open.vault->get("credential/token");
  out += secret ? secret->reveal() : std::string_view(name_of(secret.error().code));
  return out + " " + std::to_string(open.registry->generation().value());
}

struct Operation {
  const char* name;
  std::function<Result<void>(OpenRegistry&)> run;
};

template <class T>
Result<void> only_error(Result<T> result) {
  if (!result) return Failure(result.error());
  return {};
}

std::vector<Operation> operations(const std::string& key) {
  return {
      {"apply",
       [](OpenRegistry& open) {
         auto documents = read_documents(
             "kind: Credential\nname: token\nvalue: canary-new\n---\nkind: Team\nname: one\nmembers: "
             "[\"agent:b\"]\n"
             "---\nkind: Agent\nname: c\n",
             "t.yaml");
         return only_error(open.registry->apply(std::move(*documents), {}));
       }},
      {"remove", [](OpenRegistry& open) { return open.registry->remove("Server", "up"); }},
      {"create key",
       [](OpenRegistry& open) {
         return only_error(open.registry->create_key("fresh", "", false, std::nullopt));
       }},
      {"revoke key", [key](OpenRegistry& open) { return open.registry->revoke_key(key); }},
      {"save catalogue",
       [](OpenRegistry& open) {
         return open.registry->save_catalogue({.server = "up", .tools = R"([{"name":"t"}])"});
       }},
      {"remember definitions",
       [](OpenRegistry& open) {
         return open.registry->save_catalogue({.server = "up", .tools = R"([{"name":"t"}])", .recorded = 7},
                                              {definition("t", "new"), definition("fresh", "first")},
                                              {{"up", "tool", "old"}});
       }},
      {"decide on definitions",
       [](OpenRegistry& open) {
         return open.registry->decide({{.key = {"up", "tool", "t"}, .hash = "h-waiting", .approve = true},
                                       {.key = {"up", "tool", "old"}, .hash = "h-waiting", .approve = false}},
                                      "uid:1");
       }},
      {"rotate the master key", [](OpenRegistry& open) { return open.vault->rotate_master_key(); }},
      {"read", [](OpenRegistry& open) { return only_error(open.registry->documents()); }},
  };
}

/// Runs an operation with its `n`th call to the disk failing; false when it had fewer.
bool run_with_fault(const Operation& operation, const std::string& base, FaultySqlite& sqlite, int n,
                    bool full, bool busy, const std::string& before, const std::string& after) {
  DataDirectory data;
  std::filesystem::copy(base, data.path());
  Result<void> done;
  {
    OpenRegistry open(data.path());
    sqlite.arm(n, full, busy);
    done = operation.run(open);
    sqlite.disarm();
    if (!done) {
      CHECK(done.error().code == Code::storage);
      CHECK(done.error().what.find("canary") == std::string::npos);
    }
    // What failed once must not have spoilt the connection.
    CHECK(open.registry->generation().has_value());
  }
  OpenRegistry open(data.path());
  const std::string now = contents(open);
  if (done) {
    CHECK(now == after);
  } else {
    // A commit whose sync fails may be found whole by the next start: that is after, and not half.
    const bool whole = now == before || now == after;
    CHECK_MESSAGE(whole, now);
  }
  auto check = open.database->prepare("PRAGMA integrity_check");
  REQUIRE(check.has_value());
  REQUIRE(check->step().value());
  CHECK(check->text(0) == "ok");
  return sqlite.fired();
}

}  // namespace

TEST_CASE("F10 whichever call of SQLite fails, an operation is done wholly or not at all, and says which") {
  FaultySqlite sqlite;
  DataDirectory base;
  std::string key;
  {
    OpenRegistry open(base.path());
    REQUIRE(open.apply(kBase) == "");
    REQUIRE(
        open.registry
            ->save_catalogue({.server = "up"}, {definition("t", "waiting"), definition("old", "waiting")}, {})
            .has_value());
    auto made = open.registry->create_key("a", "", false, std::nullopt);
    REQUIRE(made.has_value());
    key = made->record.id;
  }
  struct Way {
    const char* name;
    bool full, busy;
  };
  for (const Way& way : {Way{"broken", false, false}, Way{"full", true, false}, Way{"busy", false, true}}) {
    for (const Operation& operation : operations(key)) {
      CAPTURE(way.name);
      CAPTURE(operation.name);
      std::string before, after;
      {
        DataDirectory data;
        std::filesystem::copy(base.path(), data.path());
        OpenRegistry open(data.path());
        before = contents(open);
        REQUIRE(operation.run(open).has_value());
        after = contents(open);
      }
      for (int n = 1;; ++n) {
        CAPTURE(n);
        REQUIRE(n < 1000);
        if (!run_with_fault(operation, base.path(), sqlite, n, way.full, way.busy, before, after)) break;
      }
    }
  }
}

TEST_CASE("F10 whichever call of SQLite fails while a registry is opened, the next opening finds it whole") {
  FaultySqlite sqlite;
  for (int n = 1;; ++n) {
    CAPTURE(n);
    REQUIRE(n < 1000);
    DataDirectory data;
    sqlite.arm(n, false, false);
    {
      auto opened = Database::open(data.path(), Database::Open::offline);
      if (opened) {
        auto vault = Vault::open(**opened);
        if (!vault) CHECK(vault.error().code == Code::storage);
      } else {
        CHECK(opened.error().code == Code::storage);
      }
    }
    sqlite.disarm();
    const bool any = sqlite.fired();
    OpenRegistry open(data.path());
    CHECK(open.apply(kBase) == "");
    if (!any) break;
  }
}

}  // namespace sallyport::store
