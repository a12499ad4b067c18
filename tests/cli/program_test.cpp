#include "sallyport/cli/program.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ostream>
#include <streambuf>

#include "cli/command_line.hpp"
#include "support/source_tree.hpp"

using namespace sallyport;
using namespace sallyport::cli;
using sallyport::cli::testing::CommandLine;
using sallyport::cli::testing::Outcome;

namespace {

constexpr const char* kCanary = "canary-77aa41-secret";

constexpr const char* kServer =
    "kind: Server\nname: docs\ntransport: {type: streamable-http, url: \"https://mcp.example.com/mcp\"}\n";

TEST_CASE("policy test runs the tables beside policies, needs no data directory, and names what went wrong") {
  CommandLine line;
  std::vector<std::string> shipped{"policy", "test"};
  for (const char* folder : {"policies", "examples/teams/registry/policies"}) {
    for (const auto& entry :
         std::filesystem::directory_iterator(sallyport::testing::in_source_tree(folder))) {
      if (entry.path().string().ends_with(".test.yaml")) shipped.push_back(entry.path().string());
    }
  }
  REQUIRE(shipped.size() == 2 + 5 + 8);
  const auto all = line.bare(shipped);
  CHECK_MESSAGE(all.code == 0, (all.out + all.err));
  CHECK(all.out.find(" passed, 0 failed") != std::string::npos);

  line.write("p.yaml",
             "kind: Policy\nname: p\nsubjects: [\"team:a\"]\nrules:\n"
             "  - {effect: allow, tools: [\"up/*\"], when: args.n > 1}\n");
  const auto file =
      line.write("p.test.yaml",
                 "policies: [p.yaml]\ncases:\n"
                 "  - {principal: \"agent:x\", teams: [a], tool: up/go, expect: allow, rule: p#1}\n"
                 "  - {principal: \"agent:x\", teams: [a], tool: up/go, args: {n: 2}, expect: allow}\n"
                 "  - {principal: \"agent:x\", teams: [a], tool: up/go, args: {n: 1}, expect: deny}\n"
                 "  - {principal: \"agent:x\", tool: up/go, expect: allow}\n");
  const auto one = line.bare({"policy", "test", file, "-o", "json"});
  CHECK(one.code == 1);
  CHECK(one.json()["passed"] == 3);
  REQUIRE(one.json()["failures"].size() == 1);
  const std::string failure = one.json()["failures"][0];
  CHECK(
      failure.find("p.test.yaml:6: agent:x up/go: denied by default, and allow was expected. p#1 would allow "
                   "it to team:a") != std::string::npos);

  const auto bad =
      line.bare({"policy", "test",
                 line.write("bad.test.yaml",
                            "policies: [p.yaml]\ncases:\n  - {principal: x, tool: go, expect: yes}\n")});
  CHECK(bad.code == 1);
  CHECK(bad.err.find("bad.test.yaml:3:") != std::string::npos);
}

}  // namespace

TEST_CASE("--data and -o are accepted before and behind the subcommand") {
  CommandLine sallyport;
  const auto file = sallyport.write("x.yaml", kServer);
  const auto data = sallyport.data();
  CHECK(sallyport.bare({"apply", "-f", file, "--data", data}).code == 0);
  CHECK(sallyport.bare({"--data", data, "-o", "json", "get", "servers"}).json().size() == 1);
  CHECK(sallyport.bare({"get", "servers", "--data", data, "-o", "json"}).json().size() == 1);
  CHECK(sallyport.bare({"server", "list", "-o", "json", "--data", data}).json().size() == 1);
  CHECK(sallyport.bare({"server", "--data", data, "list", "--output", "json"}).json().size() == 1);
  sallyport.environment["SALLYPORT_DATA"] = data;
  CHECK(sallyport.bare({"get", "servers", "-o", "json"}).json().size() == 1);
}

TEST_CASE("wrong use ends with 2, a refusal with 1, both with a message and no output") {
  struct Row {
    std::vector<std::string> arguments;
    int code;
    const char* says;
  };
  CommandLine sallyport;
  REQUIRE(sallyport({"key", "create", "--agent", "a"}).code == 0);
  const Row rows[] = {
      {{}, 2, "subcommand"},
      {{"fly"}, 2, ""},
      {{"apply"}, 2, "--file"},
      {{"apply", "-f", "x", "--no-such"}, 2, "--no-such"},
      {{"get", "servers", "-o", "xml"}, 2, "xml"},
      {{"key", "create"}, 2, "--agent"},
      {{"key", "create", "--agent", "a", "--expires", "soon"}, 2, "--expires"},
      {{"connect", "netscape"}, 2, "netscape"},
      {{"connect", "codex", "--key", "a b"}, 2, "--key"},
      {{"audit", "tail", "--since", "yesterday"}, 2, "--since"},
      {{"server", "add", "x", "--env", "NOVALUE", "--", "true"}, 2, "--env"},
      {{"get", "servers", "--", "x"}, 2, "--"},
      {{"apply", "-f", "/no/such/file"}, 1, "/no/such/file"},
      {{"get", "wombats"}, 1, "wombats"},
      {{"get", "team", "nobody"}, 1, "nobody"},
      {{"server", "add", "x"}, 1, "--url"},
      {{"server", "test", "x"}, 1, "sallyport serve"},
      {{"key", "revoke", "nobody"}, 1, "key list"},
      {{"key", "create", "--agent", "Not A Name"}, 1, "name"},
      {{"audit", "verify"}, 1, "public key"},
      {{"serve", "--shards", "many"}, 1, "--shards"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.arguments);
    const auto outcome = sallyport(row.arguments);
    CHECK(outcome.code == row.code);
    CHECK(outcome.out == "");
    CHECK_MESSAGE(outcome.err.contains(row.says), outcome.err);
  }
  CHECK(sallyport.bare({"--help"}).code == 0);
  CHECK(sallyport.bare({"server", "add", "--help"}).out.contains("--allow-private"));
  CHECK(sallyport.bare({"version"}).out.starts_with("sallyport "));
}

TEST_CASE("reading a data directory that is not there fails and makes none") {
  CommandLine sallyport;
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"get", "servers"},
                                                    {"server", "list"},
                                                    {"key", "list"},
                                                    {"audit", "tail"},
                                                    {"backup", "/tmp/x"}}) {
    CAPTURE(arguments);
    const auto outcome = sallyport(arguments);
    CHECK(outcome.code == 1);
    CHECK(outcome.err.contains("--data"));
  }
  CHECK_FALSE(std::filesystem::exists(sallyport.data()));
}

TEST_CASE("apply takes files, folders and standard input, and shows what it did") {
  CommandLine sallyport;
  sallyport.write("set/b.yaml", "kind: Team\nname: payments\n");
  sallyport.write("set/deeper/a.json", R"({"kind":"Agent","name":"bot"})");
  sallyport.write("set/notes.txt", "not a document");
  sallyport.write("set/.hidden.yaml", "not: [a document");
  const auto dry = sallyport({"apply", "-f", sallyport.directory.beside("set"), "--dry-run"});
  CHECK(dry.code == 0);
  CHECK(dry.out.contains("created    Team payments"));
  CHECK(dry.out.contains("    + kind: Team"));
  CHECK(dry.out.contains("nothing was changed"));
  CHECK(sallyport({"get", "-o", "json"}).json().empty());

  CHECK(sallyport({"apply", "-f", sallyport.directory.beside("set")}).out.contains("2 created"));
  CHECK(sallyport({"apply", "-f", "-"}, kServer).out.contains("created    Server docs"));
  CHECK(sallyport({"apply", "-f", "-"}, kServer).out == "unchanged  Server docs\n1 unchanged\n");
  const auto changed = sallyport({"apply", "-v", "-f", "-"}, std::string(kServer) + "description: papers\n");
  CHECK(changed.out.contains("changed    Server docs"));
  CHECK(changed.out.contains("    + description: papers"));
  const auto json = sallyport({"apply", "-f", "-", "-o", "json"}, kServer).json();
  CHECK(json["changes"][0]["what"] == "changed");

  const auto wrong = sallyport({"apply", "-f", "-"}, "kind: Server\nnmae: x\n");
  CHECK(wrong.code == 1);
  CHECK(wrong.err.contains("stdin:2:1"));
}

TEST_CASE("what is read of a file or of standard input has a bound, and the refusal says it") {
  CommandLine sallyport;
  const std::string endless(5 * 1024 * 1024, 'y');
  const auto file = sallyport.write("endless", endless);
  for (const auto& refused :
       {sallyport({"apply", "-f", "-"}, endless), sallyport({"apply", "-f", file}),
        sallyport({"why", "agent:bot", "up/echo", "--args", "-"}, endless),
        sallyport({"why", "agent:bot", "up/echo", "--args", file}), sallyport({"policy", "test", file})}) {
    CHECK(refused.code == 1);
    CHECK(refused.err.contains("is longer than 4 MiB"));
    CHECK(refused.err.size() < 1000);
  }
  const auto settings = sallyport({"--config", file, "get"});
  CHECK(settings.code == 1);
  CHECK(settings.err.contains("is longer than 1 MiB"));
}

TEST_CASE("documents are shown as a table, as YAML and as JSON") {
  CommandLine sallyport;
  sallyport(
      {"apply", "-f", "-"},
      std::string(kServer) +
          "---\nkind: Policy\nname: p\nsubjects: [\"*\"]\nrules: [{effect: allow, tools: [\"docs/*\"]}]\n"
          "---\nkind: Credential\nname: token\nenv: DOCS_TOKEN\n");
  CHECK(sallyport({"get"}).out.starts_with("KIND        NAME\n"));
  CHECK(sallyport({"get", "servers"}).out.contains("https://mcp.example.com/mcp"));
  CHECK(sallyport({"get", "policies"}).out == "NAME  SUBJECTS  RULES\np     *         1\n");
  CHECK(sallyport({"policy", "get"}).out == sallyport({"get", "policies"}).out);
  CHECK(sallyport({"get", "credentials"}).out == "NAME   FROM  REFERENCE\ntoken  env   DOCS_TOKEN\n");
  CHECK(sallyport({"get", "server", "docs"}).out.starts_with("kind: Server\n"));
  CHECK(sallyport({"get", "server", "docs", "-o", "json"}).json()["name"] == "docs");
  CHECK(sallyport({"get", "-o", "yaml"}).out.contains("---\n"));
  const auto none = sallyport({"get", "teams"});
  CHECK(none.code == 0);
  CHECK(none.out == "");
}

TEST_CASE("what stands behind -- becomes the command, whatever it looks like") {
  CommandLine sallyport;
  const auto added = sallyport(
      {"server", "add", "files", "--env", "MODE=ro", "--", "npx", "-y", "--data", "x", "--", "-o", "json"});
  REQUIRE_MESSAGE(added.code == 0, added.err);
  const auto transport = sallyport({"get", "server", "files", "-o", "json"}).json()["transport"];
  CHECK(transport["command"] == "npx");
  CHECK(transport["args"] == nlohmann::json({"-y", "--data", "x", "--", "-o", "json"}));
  CHECK(transport["env"]["MODE"] == "ro");
  CHECK(sallyport({"server", "remove", "files"}).out == "removed Server files\n");
}

TEST_CASE("key create prints the key alone, or what scripts read as JSON") {
  CommandLine sallyport;
  const auto plain = sallyport({"key", "create", "--agent", "bot"});
  CHECK(plain.code == 0);
  CHECK(plain.out.starts_with("sp_"));
  CHECK(std::ranges::count(plain.out, '\n') == 1);
  const auto json =
      sallyport({"key", "create", "--agent", "bot", "-o", "json", "--expires", "30d", "--note", "CI"}).json();
  CHECK(json["agent"] == "bot");
  CHECK(json["key"].get<std::string>().starts_with("sp_"));
  const auto listed = sallyport({"key", "list"});
  CHECK(listed.out.contains("active"));
  CHECK(listed.out.contains("CI"));
  CHECK(listed.out.find(json["key"].get<std::string>()) == std::string::npos);
  CHECK(sallyport({"key", "revoke", json["id"].get<std::string>()}).code == 0);
  CHECK(sallyport({"get", "keys"}).out.contains("revoked"));
  CHECK(sallyport({"agent", "list"}).out.contains("bot   active  1"));
}

TEST_CASE("a result that cannot be written is a failure, which says how to take a key back") {
  /// A stream whose every write fails; a complaint is due unless its reader has gone away.
  struct Full : std::streambuf {
    explicit Full(int reason) : error(reason) {}
    int_type overflow(int_type) override {
      errno = error;
      return traits_type::eof();
    }
    int error;
  };
  struct Row {
    std::vector<std::string> command;
    int error;
    std::string said;
  };
  const Row rows[] = {
      {{"key", "create", "--agent", "bot"},
       ENOSPC,
       "standard output: No space left on device; the key was made"},
      {{"key", "create", "--agent", "bot", "-o", "json"}, EBADF, "revoke it with `sallyport key revoke "},
      {{"get", "agents"}, ENOSPC, "could not be written to standard output: No space left"},
      {{"version"}, EIO, "could not be written to standard output: Input/output error"},
      {{"--help"}, EIO, "could not be written to standard output"},
      {{"version"}, EPIPE, ""},
      {{"get", "agents"}, EPIPE, ""},
      {{"key", "create", "--agent", "bot"}, EPIPE, "Broken pipe; the key was made all the same"}};
  CommandLine sallyport;
  for (const auto& row : rows) {
    CAPTURE(row.command);
    auto arguments = row.command;
    arguments.insert(arguments.begin(), {"--data", sallyport.data()});
    Full full(row.error);
    std::ostream out(&full);
    std::istringstream in;
    std::ostringstream err;
    CHECK(run(arguments, in, out, err, [](const char*) -> const char* { return nullptr; }) == 1);
    CHECK(err.str().contains(row.said));
    if (row.said.empty()) CHECK(err.str().empty());
  }
  const auto keys = sallyport({"key", "list", "-o", "json"}).json();
  REQUIRE(keys.size() == 3);
  CHECK(sallyport({"key", "revoke", keys[0]["id"].get<std::string>()}).code == 0);
}

TEST_CASE("a key for a reader that is gone is told of, also where that would end the program") {
  /// Writes each byte, as a full stream buffer would, to a pipe that nobody reads.
  struct Broken : std::streambuf {
    Broken() {
      REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
      ::close(ends[0]);
    }
    ~Broken() override { ::close(ends[1]); }
    int_type overflow(int_type c) override {
      const char byte = traits_type::to_char_type(c);
      return ::write(ends[1], &byte, 1) == 1 ? c : traits_type::eof();
    }
    int ends[2];
  };
  CommandLine sallyport;
  Broken broken;
  std::ostream out(&broken);
  std::istringstream in;
  std::ostringstream err;
  const auto before = std::signal(SIGPIPE, SIG_DFL);
  const int code = run({"--data", sallyport.data(), "key", "create", "--agent", "bot"}, in, out, err,
                       [](const char*) -> const char* { return nullptr; });
  std::signal(SIGPIPE, before);
  CHECK(code == 1);
  const auto keys = sallyport({"key", "list", "-o", "json"}).json();
  REQUIRE(keys.size() == 1);
  CHECK(
      err.str().contains("Broken pipe; the key was made all the same, and nobody has it: revoke it with "
                         "`sallyport key revoke " +
                         keys[0]["id"].get<std::string>()));
}

TEST_CASE("a secret of a document and control characters reach no output") {
  CommandLine sallyport;
  const auto text = std::string("kind: Credential\nname: token\nvalue: ") + kCanary +
                    "\n---\nkind: Agent\nname: bot\ndescription: \"red \\e[31m text \\u202e\"\n";
  sallyport({"apply", "-v", "-f", "-"}, text);
  sallyport({"apply", "-v", "-f", "-"}, text + "disabled: true\n");
  sallyport({"apply", "-f", "-"}, text + "wrong: 1\n");
  for (const char* format : {"table", "json", "yaml"}) {
    sallyport({"get", "-o", format});
    sallyport({"get", "credentials", "-o", format});
    sallyport({"get", "credential", "token", "-o", format});
    sallyport({"get", "agent", "bot", "-o", format});
    sallyport({"agent", "list", "-o", format});
  }
  sallyport({"status", "-o", "json"});
  CHECK(sallyport.all.find(kCanary) == std::string::npos);
  CHECK(sallyport.all.find('\x1b') == std::string::npos);
  CHECK(sallyport.all.find("\xe2\x80\xae") == std::string::npos);
  CHECK(sallyport.directory.all_bytes().find(kCanary) == std::string::npos);
}

TEST_CASE("connect prints what each client wants, with a variable in place of the key") {
  CommandLine sallyport;
  struct Row {
    const char* client;
    std::vector<std::string> without, with;
  };
  const Row rows[] = {
      {"claude-code",
       {"claude mcp add --transport http sallyport http://127.0.0.1:8080/mcp/payments --header "
        "\"Authorization: Bearer $SALLYPORT_KEY\"\n"},
       {"'Authorization: Bearer sp_a_b'"}},
      {"codex",
       {"[mcp_servers.sallyport]\nurl = \"http://127.0.0.1:8080/mcp/payments\"\nbearer_token_env_var = "
        "\"SALLYPORT_KEY\"\n"},
       {"\"Bearer sp_a_b\""}},
      {"cursor",
       {"\"url\": \"http://127.0.0.1:8080/mcp/payments\"", "Bearer ${env:SALLYPORT_KEY}"},
       {"\"Bearer sp_a_b\""}},
      {"inspector",
       {"--cli http://127.0.0.1:8080/mcp/payments --transport http"},
       {"'Authorization: Bearer sp_a_b'"}},
  };
  for (const auto& row : rows) {
    CAPTURE(row.client);
    const auto without = sallyport({"connect", row.client, "--server", "payments"});
    CHECK(without.code == 0);
    for (const auto& part : row.without) CHECK_MESSAGE(without.out.contains(part), without.out);
    const auto with = sallyport({"connect", row.client, "--key", "sp_a_b"});
    for (const auto& part : row.with) CHECK_MESSAGE(with.out.contains(part), with.out);
  }
  sallyport.environment["SALLYPORT_PUBLIC_URL"] = "https://mcp.example.com";
  CHECK(sallyport({"connect", "codex"}).out.contains("\"https://mcp.example.com/mcp\""));
}

TEST_CASE("backup and vault rotate work on a directory that no server holds") {
  CommandLine sallyport;
  sallyport({"apply", "-f", "-"}, std::string("kind: Credential\nname: token\nvalue: ") + kCanary + "\n");
  CHECK(sallyport({"vault", "rotate"}).out.contains("master key"));
  CHECK(sallyport({"vault", "rotate", "ring", "-o", "json"}).json()["ring"] == "sealed-ids");
  const auto copy = sallyport.directory.beside("copy");
  CHECK(sallyport({"backup", copy}).out.contains("registry.db"));
  CHECK(sallyport({"backup", copy}).code == 1);
  CHECK(sallyport.all.find(kCanary) == std::string::npos);
}

TEST_CASE("tokens are made by a running server; without one the command says so, and lists what there is") {
  CommandLine sallyport;
  CHECK(sallyport({"key", "create", "--agent", "bot"}).code == kDone);
  const auto minted = sallyport({"token", "mint", "--agent", "bot", "--tools", "github/get_*,ledger/query"});
  CHECK(minted.code == kFailed);
  CHECK(minted.err.find("running server") != std::string::npos);
  CHECK(sallyport({"token", "mint", "--agent", "bot", "--ttl", "soon"}).code == kWrongUse);
  CHECK(sallyport({"token", "mint"}).code == kWrongUse);
  CHECK(sallyport({"token", "mint", "--agent", "bot", "--tools", "echo"}).err.find("SERVER/TOOL") !=
        std::string::npos);
  CHECK(sallyport({"-o", "json", "token", "list"}).json().empty());
  const auto revoked = sallyport({"token", "revoke", "nothing"});
  CHECK(revoked.code == kFailed);
  CHECK(revoked.err.find("token list") != std::string::npos);
}
