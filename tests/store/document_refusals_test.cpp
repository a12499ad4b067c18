#include <doctest/doctest.h>

#include <algorithm>

#include "sallyport/store/documents.hpp"

namespace sallyport::store {
namespace {

struct Refusal {
  const char* why;
  std::string text;
  int line, column;
  const char* what;  ///< part of the message
};

void check(const Refusal& row, const std::string& file = "f.yaml") {
  CAPTURE(row.why);
  CAPTURE(row.text);
  auto documents = read_documents(row.text, file);
  REQUIRE_FALSE(documents.has_value());
  const auto& problems = documents.error();
  std::string all;
  for (const auto& problem : problems) all += problem.text() + "\n";
  CAPTURE(all);
  CHECK(std::ranges::any_of(problems, [&](const ReadProblem& problem) {
    return problem.line == row.line && problem.column == row.column &&
           problem.what.find(row.what) != std::string::npos;
  }));
  CHECK(problems.size() == 1);
}

const std::string kTransport = "transport: {type: streamable-http, url: \"https://a.example/\"}\n";
const std::string kServer = "kind: Server\nname: s\n";

TEST_CASE("the shape of a file is refused with its place") {
  const Refusal rows[] = {
      {"no YAML", "kind: [\n", 2, 1, "not YAML"},
      {"not a mapping", "just words\n", 1, 1, "must be a mapping"},
      {"a list in a list", "- - a\n", 1, 3, "must be a mapping"},
      {"a stray comma", ",\n", 1, 1, "nothing may stand here"},
      {"a stray comma behind a document", "kind: Team\nname: a\n---\n, x\n", 4, 1, "nothing may stand here"},
      {"no kind", "name: a\n", 1, 1, "needs the key \"kind\""},
      {"unknown kind", "kind: Sever\nname: a\n", 1, 7, "must be one of Credential, Server"},
      {"algorithm with a shared secret",
       "kind: Issuer\nname: a\nissuer: \"https://i\"\nalgorithms: [HS256]\n", 4, 14, "must be one of RS256"},
      {"claim that is no path", "kind: Issuer\nname: a\nissuer: \"https://i\"\nteams: groups\n", 4, 8,
       "must be claims.NAME"},
      {"keys given up before they are renewed",
       "kind: Issuer\nname: a\nissuer: \"https://i\"\nkeys: {refresh: 1h, expiry: 1m}\n", 4, 21,
       "comes before"},
      {"kind of a later version", "kind: Guardrail\nname: a\n", 1, 7, "not implemented in this version"},
      {"no name", "kind: Team\n", 1, 1, "needs the key \"name\""},
      {"empty name", "kind: Team\nname: \"\"\n", 2, 7, "1 to 63"},
      {"null name", "kind: Team\nname: null\n", 2, 7, "has no value"},
      {"absent name", "kind: Team\nname:\n", 2, 1, "has no value"},
      {"capital", "kind: Team\nname: Payments\n", 2, 7, "1 to 63"},
      {"leading dash", "kind: Team\nname: -a\n", 2, 7, "1 to 63"},
      {"64 letters", "kind: Team\nname: " + std::string(64, 'a') + "\n", 2, 7, "1 to 63"},
      {"list for text", "kind: Team\nname: [a]\n", 2, 7, "must be text"},
      {"text for list", "kind: Team\nname: a\nmembers: user:x\n", 3, 10, "must be a list"},
      {"unknown key", "kind: Team\nname: a\nmember: []\n", 3, 1, "it takes kind, name, members"},
      {"duplicate key", "kind: Team\nname: a\nname: b\n", 3, 1, "stands twice"},
      {"key that is no text", "kind: Team\nname: a\n? [x]\n: y\n", 3, 3, "is not text"},
      {"anchor", "kind: Team\nname: &x a\n", 2, 7, "anchors"},
      {"directive", "%YAML 1.2\n---\nkind: Team\nname: a\n", 1, 1, "directives"},
      {"tag", "kind: Team\nname: !!str a\n", 2, 7, "tags"},
      {"a document twice", "kind: Team\nname: a\n---\nkind: Team\nname: a\n", 4, 1, "Team a stands twice"},
      {"byte order mark", "\xEF\xBB\xBFkind: Team\nname: a\n", 1, 1, "byte order mark"},
      {"not UTF-8", "kind: Team\nname: \xff\n", 1, 1, "not UTF-8"},
      {"control character", "kind: Team\nname: a\x01\n", 2, 8, "control character"},
      {"NUL", std::string("kind: Team\nname: a\0\n", 20), 2, 8, "control character"},
      {"escaped NUL", "kind: Agent\nname: a\ndescription: \"x\\0y\"\n", 3, 14, "control character"},
      {"longer than 4 MiB", std::string(4 * 1024 * 1024 + 1, '#'), 1, 1, "4 MiB"},
      {"too deep", "kind: Team\nname: " + std::string(40, '[') + std::string(40, ']'), 2, 38,
       "nested too deeply"},
      {"too many values", "a: [" + std::string(1'000'000, ',') + "]", 1, 1, "too many values"},
  };
  for (const auto& row : rows) check(row);
}

TEST_CASE("an alias ends the file, because what follows cannot be trusted") {
  auto documents = read_documents("kind: Team\nname: &x a\nmembers: [*x]\n", "f.yaml");
  REQUIRE_FALSE(documents.has_value());
  REQUIRE(documents.error().size() == 2);
  CHECK(documents.error()[0].text() == "f.yaml:2:7: anchors (&name) are not accepted: remove it");
  CHECK(documents.error()[1].text() == "f.yaml:3:11: aliases (*name) are not accepted: write the value out");
}

TEST_CASE("JSON is held to the same rules with the same places") {
  const Refusal rows[] = {
      {"duplicate key", "{\"kind\": \"Team\",\n \"name\": \"a\",\n \"na\\u006de\": \"b\"}", 3, 2,
       "stands twice"},
      {"unknown key", "{\"kind\": \"Team\",\n \"name\": \"a\", \"x\": 1}", 2, 15, "unknown key \"x\""},
      {"string for flag", R"({"kind": "Agent", "name": "a", "disabled": "true"})", 1, 44, "true or false"},
      {"null", R"({"kind": "Team", "name": null})", 1, 26, "has no value"},
      {"nothing", "{\"kind\": \"Team\",\n \"name\": }", 2, 10, "not JSON"},
      {"YAML in a .json file", "kind: Team\nname: a\n", 1, 1, "not JSON"},
      {"empty .json file", "", 1, 1, "not JSON"},
      {"too deep", "{\"kind\":" + std::string(40, '[') + std::string(40, ']') + "}", 1, 40, "not JSON"},
  };
  for (const auto& row : rows) check(row, "f.json");
}

TEST_CASE("credentials are refused with their place") {
  const std::string head = "kind: Credential\nname: k\n";
  const Refusal rows[] = {
      {"no source", head, 1, 1, "exactly one of"},
      {"two sources", head + "env: A\nfile: /a\n", 1, 1, "exactly one of"},
      {"bad variable", head + "env: \"ghp secret\"\n", 3, 6, "not a variable's name"},
      {"the master key", head + "env: SALLYPORT_MASTER_KEY\n", 3, 6, "goes nowhere else"},
      {"empty value", head + "value: \"\"\n", 3, 8, "is empty"},
      {"empty file", head + "file: \"\"\n", 3, 7, "is empty"},
      {"header with a blank", head + "env: A\nheader: \"X Key\"\n", 4, 9, "not a header's name"},
      {"header that frames", head + "env: A\nheader: Content-Length\n", 4, 9, "the gateway sets itself"},
      {"header of MCP", head + "env: A\nheader: mcp-session-id\n", 4, 9, "the gateway sets itself"},
      {"scheme with a blank", head + "env: A\nscheme: \"Bearer \"\n", 4, 9, "one word"},
      {"later key", head + "env: A\nenvironments: [prod]\n", 4, 1, "not implemented in this version"},
  };
  for (const auto& row : rows) check(row);
}

TEST_CASE("servers are refused with their place") {
  const Refusal rows[] = {
      {"no transport", kServer, 1, 1, "needs the key \"transport\""},
      {"no type", kServer + "transport: {url: x}\n", 3, 12, "needs the key \"type\""},
      {"sse has the keys of streamable-http", kServer + "transport: {type: sse}\n", 3, 12,
       "needs the key \"url\""},
      {"sse is never modern", kServer + "transport: {type: sse, url: \"https://h/sse\"}\nera: modern\n", 4, 1,
       "never modern"},
      {"openapi is not here yet", kServer + "transport: {type: openapi}\n", 3, 19,
       "not implemented in this version"},
      {"unknown transport", kServer + "transport: {type: http}\n", 3, 19, "streamable-http, sse, stdio"},
      {"no url", kServer + "transport: {type: streamable-http}\n", 3, 12, "needs the key \"url\""},
      {"key of the other transport", kServer + "transport: {type: stdio, command: c, url: x}\n", 3, 38,
       "unknown key"},
      {"header twice",
       kServer + "transport: {type: streamable-http, url: \"https://a/\", headers: {X-A: b, x-a: c}}\n", 3,
       55, "case makes no difference"},
      {"secret header",
       kServer + "transport: {type: streamable-http, url: \"https://a/\", headers: {authorization: b}}\n", 3,
       65, "use a Credential"},
      {"header value of two lines",
       kServer + "transport: {type: streamable-http, url: \"https://a/\", headers: {X-A: \"b\\r\\nX: c\"}}\n",
       3, 70, "one line"},
      {"unknown isolation", kServer + kTransport + "isolation: none\n", 4, 12, "shared, principal, session"},
      {"masked capture", kServer + kTransport + "capture: masked\n", 4, 10,
       "not implemented in this version"},
      {"time without unit", kServer + kTransport + "timeout: 30\n", 4, 10, "with its unit"},
      {"time of nothing", kServer + kTransport + "timeout: 0s\n", 4, 10, "between"},
      {"negative time", kServer + kTransport + "timeout: -1s\n", 4, 10, "with its unit"},
      {"time beyond its bound", kServer + kTransport + "timeout: 2h\n", 4, 10, "between"},
      {"time beyond all bounds", kServer + kTransport + "timeout: 9223372036854775807h\n", 4, 10, "between"},
      {"time as a list", kServer + kTransport + "timeout: [1s]\n", 4, 10, "with its unit"},
      {"YAML 1.1 flag", kServer + kTransport + "disabled: yes\n", 4, 11, "true or false"},
      {"quoted flag", kServer + kTransport + "disabled: \"true\"\n", 4, 11, "true or false"},
      {"pin", kServer + kTransport + "pin: x\n", 4, 1, "not implemented in this version"},
      {"grants", kServer + kTransport + "grants: []\n", 4, 1, "not implemented in this version"},
      {"credential of a child", kServer + "credential: k\ntransport: {type: stdio, command: c}\n", 3, 1,
       "transport.credentials"},
      {"empty command", kServer + "transport: {type: stdio, command: \" \"}\n", 3, 35, "is empty"},
      {"command with NUL", kServer + "transport: {type: stdio, command: \"a\\0b\"}\n", 3, 35,
       "control character"},
      {"argument with NUL", kServer + "transport: {type: stdio, command: a, args: [\"a\\0b\"]}\n", 3, 45,
       "control character"},
      {"variable twice", kServer + "transport: {type: stdio, command: a, env: {A: b}, credentials: {A: k}}\n",
       3, 51, "keep one"},
  };
  for (const auto& row : rows) check(row);
}

TEST_CASE("N35 a URL that is no plain http(s) URL with a host is refused when it is read") {
  for (const char* url :
       {"file:///etc/passwd", "gopher://a/", "HTTPS://a/", "ftp://a/", "//a/", "a", "https://", "https:///x",
        "http://:80/", "https://user:pass@a/", "https://user@a", "https://a/#b", "https://a b/",
        "https://a\\\\@b/", "https://\xC3\xA9/", "javascript:alert(1)"}) {
    check({url, kServer + "transport: {type: streamable-http, url: \"" + url + "\"}\n", 3, 41, "\"url\" "});
  }
  check({"long",
         kServer + "transport: {type: streamable-http, url: \"https://a/" + std::string(2048, 'a') + "\"}\n",
         3, 41, "longer than"});
}

TEST_CASE(
    "N39 a variable that makes a loader, shell or run-time do something else is refused in env and "
    "credentials") {
  for (const char* variable : {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES",
                               "BASH_ENV", "ENV", "NODE_OPTIONS", "PYTHONSTARTUP", "PYTHONPATH", "PYTHONHOME",
                               "PERL5OPT", "RUBYOPT", "JAVA_TOOL_OPTIONS", "GCONV_PATH", "GLIBC_TUNABLES",
                               "IFS", "SALLYPORT_MASTER_KEY", "BASH_FUNC_ls", "LUA_INIT_5_4"}) {
    check({variable, kServer + "transport: {type: stdio, command: c, env: {" + variable + ": x}}\n", 3, 44,
           "is refused"});
    check({variable, kServer + "transport: {type: stdio, command: c, credentials: {" + variable + ": k}}\n",
           3, 52, "is refused"});
  }
  for (const char* variable : {"A=B", "1A", "A-B", "\"A B\"", "\"\""}) {
    check({variable, kServer + "transport: {type: stdio, command: c, env: {" + variable + ": x}}\n", 3, 44,
           "not a variable's name"});
  }
}

TEST_CASE("virtual servers are refused with their place") {
  const std::string head = "kind: VirtualServer\nname: v\ntools:\n";
  const Refusal rows[] = {
      {"no from", head + "  - {tool: x}\n", 4, 5, "needs the key \"from\""},
      {"from is a name", head + "  - {from: \"a/b\"}\n", 4, 12, "1 to 63"},
      {"preset from nowhere", head + "  - {from: a, tool: q, preset: {tenant: {from: env.HOME}}}\n", 4, 48,
       "principal.claims.NAME"},
      {"preset twice over", head + "  - {from: a, preset: {t: {from: principal.name, value: 1}}}\n", 4, 27,
       "a preset is a constant"},
      {"preset that is a map", head + "  - {from: a, preset: {t: {deep: 1}}}\n", 4, 27,
       "a preset is a constant"},
      {"preset beyond 64 bits", head + "  - {from: a, preset: {t: 9223372036854775808}}\n", 4, 27,
       "in quotes"},
      {"hidden and preset", head + "  - {from: a, preset: {t: 1}, hide: [t]}\n", 4, 31, "which hides it"},
      {"preset of a prompt", "kind: VirtualServer\nname: v\nprompts: [{from: a, preset: {t: 1}}]\n", 3, 21,
       "unknown key"},
      {"title of many", head + "  - {from: a, title: x}\n", 4, 15, "needs \"tool\""},
      {"annotations", head + "  - {from: a, tool: q, annotations: [x]}\n", 4, 24, "must be a map"},
      {"another server", head + "  - {from: a, environments: {prod: \"a/b\"}}\n", 4, 36, "1 to 63"},
      {"grant without owner", "kind: VirtualServer\nname: v\ngrants: true\n", 3, 1, "\"owner\""},
      {"owner", "kind: VirtualServer\nname: v\nowner: alice\n", 3, 8, "team:NAME"},
      {"grant to everybody",
       "kind: VirtualServer\nname: v\naccess: anonymous\ngrants: true\nowner: \"team:a\"\n", 4, 1,
       "remove \"grants\""},
      {"when", head + "  - {from: a, when: x}\n", 4, 15, "not implemented in this version"},
      {"pin that is no hash", head + "  - {from: a, pin: {q: latest}}\n", 4, 24, "32 to 64 hex digits"},
      {"pin that is too short", head + "  - {from: a, pin: {q: abcdef0123456789abcdef012345678}}\n", 4, 24,
       "32 to 64 hex digits"},
      {"pin of a pattern", head + "  - {from: a, pin: {q*: abcdef0123456789abcdef0123456789}}\n", 4, 21,
       "name each exactly"},
      {"pin of another tool", head + "  - {from: a, tool: q, pin: {r: abcdef0123456789abcdef0123456789}}\n",
       4, 24, "write it as {q:"},
      {"tool and include", head + "  - {from: a, tool: q, include: [x]}\n", 4, 24, "remove \"include\""},
      {"as without tool", head + "  - {from: a, as: q}\n", 4, 15, "needs \"tool\""},
      {"as with prefix", head + "  - {from: a, tool: q, as: r, prefix: x}\n", 4, 31, "never prefixed"},
      {"bad exported name", head + "  - {from: a, tool: q, as: a.b}\n", 4, 28, "1 to 64"},
      {"bad prefix", head + "  - {from: a, prefix: a/}\n", 4, 23, "at most 32"},
      {"nothing included", head + "  - {from: a, include: []}\n", 4, 15, "is empty"},
      {"empty pattern", head + "  - {from: a, include: [\"\"]}\n", 4, 25, "is empty"},
      {"prompt among tools", head + "  - {from: a, prompt: x}\n", 4, 15, "unknown key"},
      {"one resource", "kind: VirtualServer\nname: v\nresources: [{from: a, as: b}]\n", 3, 23, "unknown key"},
      {"unknown access", "kind: VirtualServer\nname: v\naccess: public\n", 3, 9, "authenticated, anonymous"},
      {"environments", "kind: VirtualServer\nname: v\nenvironments: [prod]\n", 3, 1,
       "not implemented in this version"},
  };
  for (const auto& row : rows) check(row);
}

TEST_CASE("teams, agents and policies are refused with their place") {
  const std::string head = "kind: Policy\nname: p\nsubjects: [\"*\"]\n";
  const Refusal rows[] = {
      {"member without kind", "kind: Team\nname: t\nmembers: [alice]\n", 3, 11, "user:NAME or agent:NAME"},
      {"member of another kind", "kind: Team\nname: t\nmembers: [\"team:x\"]\n", 3, 11,
       "user:NAME or agent:NAME"},
      {"member without name", "kind: Team\nname: t\nmembers: [\"user:\"]\n", 3, 11,
       "user:NAME or agent:NAME"},
      {"agent's key", "kind: Agent\nname: a\nkey: x\n", 3, 1, "unknown key"},
      {"no subjects", "kind: Policy\nname: p\nrules: []\n", 1, 1, "needs the key \"subjects\""},
      {"empty subjects", "kind: Policy\nname: p\nsubjects: []\nrules: []\n", 3, 1, "is empty"},
      {"unknown subject", "kind: Policy\nname: p\nsubjects: [everyone]\nrules: []\n", 3, 12, "team:NAME"},
      {"no rules", head, 1, 1, "needs the key \"rules\""},
      {"no effect", head + "rules: [{tools: [\"*\"]}]\n", 4, 9, "needs the key \"effect\""},
      {"unknown effect", head + "rules: [{effect: permit, tools: [\"*\"]}]\n", 4, 18, "allow, deny"},
      {"idle rule", head + "rules: [{effect: allow}]\n", 4, 10, "names nothing"},
      {"empty condition", head + "rules: [{effect: allow, tools: [\"*\"], when: \" \"}]\n", 4, 45,
       "leave it out"},
      {"claim without value", "kind: Policy\nname: p\nsubjects: [\"claim:tenant\"]\nrules: []\n", 3, 12,
       "claim:NAME=PATTERN"},
      {"nowhere", head + "environments: []\nrules: []\n", 4, 1, "leave it out for all"},
      {"no scopes", head + "rules: [{effect: allow, tools: [\"*\"], scopes: []}]\n", 4, 39, "leave it out"},
      {"environments", head + "environments: [\"a b\"]\nrules: []\n", 4, 16, "1 to 63"},
      {"role of two words", "kind: Agent\nname: a\nroles: [\"a b\"]\n", 3, 9, "one word"},
      {"claim with =", "kind: Agent\nname: a\nclaims: {\"a=b\": c}\n", 3, 10, "without ="},
      {"target without server", head + "rules: [{effect: deny, tools: [delete_repo]}]\n", 4, 32,
       "never matches"},
      {"rule that is text", head + "rules: [allow]\n", 4, 9, "must be a mapping"},
  };
  for (const auto& row : rows) check(row);
}

TEST_CASE("all that is wrong in a file is said at once, over documents, up to a bound") {
  auto documents = read_documents(
      "kind: Team\nname: A\nx: 1\n---\nkind: Agent\nname: fine\n---\nkind: Server\nname: s\ntimeout: 5\n",
      "f.yaml");
  REQUIRE_FALSE(documents.has_value());
  std::vector<std::pair<int, int>> places;
  for (const auto& problem : documents.error()) places.emplace_back(problem.line, problem.column);
  CHECK(places == std::vector<std::pair<int, int>>{{2, 7}, {3, 1}, {8, 1}, {10, 10}});

  std::string many = "kind: Team\nname: a\n";
  for (int i = 0; i < 1000; ++i) many += "k" + std::to_string(i) + ": 1\n";
  auto bounded = read_documents(many, "f.yaml");
  REQUIRE_FALSE(bounded.has_value());
  CHECK(bounded.error().size() == 100);
  CHECK(bounded.error().back().what.find("more may follow") != std::string::npos);
}

TEST_CASE("a message never repeats what may be a secret in the wrong place") {
  for (const char* text : {
           "kind: Credential\nname: canary\nvalue: [canary-4711]\n",
           "kind: Credential\nname: canary-4711!\nvalue: x\n",
           "kind: Credential\nname: k\nenv: \"canary 4711\"\n",
           "kind: Credential\nname: k\nheader: \"canary 4711\"\nscheme: \"canary 4711\"\nenv: A\n",
           "kind: Credential\nname: k\nvalue: canary-4711\nfile: canary\n",
           "kind: canary-4711\n",
           "kind: Server\nname: s\ntransport: {type: canary-4711}\n",
           "kind: Server\nname: s\ntransport: {type: streamable-http, url: \"https://canary:4711@a/\"}\n",
           "kind: Server\nname: s\ntimeout: canary\ntransport: {type: streamable-http, url: \"https://a/\", "
           "headers: "
           "{Authorization: canary-4711}}\n",
       }) {
    auto documents = read_documents(text, "f.yaml");
    REQUIRE_FALSE(documents.has_value());
    for (const auto& problem : documents.error()) CHECK(problem.what.find("canary") == std::string::npos);
  }
}

TEST_CASE("F10 hostile text ends in a refusal, soon, whatever its shape") {
  const auto repeat = [](std::string_view piece, std::size_t times) {
    std::string out;
    for (std::size_t i = 0; i < times; ++i) out += piece;
    return out;
  };
  for (const std::string& text :
       {repeat("[", 200'000), repeat("{", 200'000), repeat("- ", 200'000), repeat("? ", 100'000),
        repeat("a: ", 1000), repeat("{a: ", 100'000), repeat("[\n", 100'000), repeat("'", 100'000),
        repeat("&a ", 1000), repeat("!a ", 1000), repeat("---\n", 100'000) + "x", repeat("a:\n ", 300),
        repeat("\"", 99'999), repeat("%a\n", 1000), "a: &a [" + repeat("*a,", 100) + "]",
        std::string("|\n") + repeat(" ", 100'000), repeat("]", 1000), repeat("{\"a\":", 100'000)}) {
    CAPTURE(text.substr(0, 20));
    for (const char* file : {"f.yaml", "f.json"}) CHECK_FALSE(read_documents(text, file).has_value());
  }
}

}  // namespace
}  // namespace sallyport::store
