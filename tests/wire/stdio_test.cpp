// Upstreams that are child processes (N39, N44, N45, F06 in their stdio form): what they may do to us, and
// what is left of them.
#include <signal.h>

#include <set>
#include <thread>

#include "gateway_fixture.hpp"

using namespace sallyport::testing;

namespace {

using namespace std::chrono_literals;

/// A gateway in front of one peer, and the peer's ledger.
class Bed {
 public:
  explicit Bed(const std::string& mode, const std::string& more = "", const std::string& transport = "",
               const std::string& documents = "")
      : ledger_(directory_.path + "/ledger"),
        gateway("---\nkind: Server\nname: up\ntransport: {type: stdio, command: \"" STDIO_PEER "\", args: [" +
                mode + ", \"" + ledger_ + "\"]" + transport + "}\n" + more + documents + kDefaultPolicy) {}

  std::vector<std::string> ledger() const {
    std::vector<std::string> out;
    std::ifstream in(ledger_);
    for (std::string line; std::getline(in, line);) out.push_back(line);
    return out;
  }
  std::size_t count(const std::string& line) const {
    const auto all = ledger();
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](const auto& one) { return one.starts_with(line); }));
  }
  /// count(), waiting for what is on its way.
  bool noted(const std::string& line, std::size_t wanted = 1) const {
    return until([&] { return count(line) >= wanted; }) && count(line) == wanted;
  }
  std::vector<int> pids() const {
    std::vector<int> out;
    for (const auto& line : ledger()) {
      if (line.starts_with("start ")) out.push_back(std::stoi(line.substr(6)));
    }
    return out;
  }
  std::string file(const std::string& name) const { return directory_.path + "/" + name; }

  Response call(const std::string& tool, const Json& arguments = Json::object()) const {
    return gateway.modern("tools/call", {{"name", "up__" + tool}, {"arguments", arguments}});
  }
  static std::string text(const Response& answer) {
    const Json json = answer.json();
    CAPTURE(answer.body);
    REQUIRE(json.contains("result"));
    return json["result"]["content"][0]["text"];
  }
  static std::string reason(const Response& answer) {
    const Json json = answer.json();
    CAPTURE(answer.body);
    REQUIRE(json.contains("error"));
    return json["error"]["data"].value("reason", "");
  }

  template <class Condition>
  static bool until(Condition condition, std::chrono::milliseconds within = 10s) {
    const auto end = std::chrono::steady_clock::now() + within;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(10ms);
    }
    return true;
  }

 private:
  const TempDirectory directory_;
  const std::string ledger_;

 public:
  GatewayFixture gateway;
};

/// The messages of a streamed answer.
std::vector<Json> messages(const Response& answer) {
  std::vector<Json> out;
  for (std::size_t at = 0; (at = answer.body.find("data: ", at)) != std::string::npos;) {
    const auto end = answer.body.find('\n', at);
    out.push_back(Json::parse(answer.body.substr(at + 6, end - at - 6)));
    at = end;
  }
  return out;
}

std::vector<Json> only(const std::vector<Json>& all, const std::string& method) {
  std::vector<Json> out;
  for (const Json& one : all) {
    if (one.value("method", "") == method) out.push_back(one["params"]);
  }
  return out;
}

bool gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

}  // namespace

TEST_CASE("a child of either era, and one that exits on server/discover, serves clients of both eras") {
  for (const std::string mode : {"modern", "legacy", "exits"}) {
    CAPTURE(mode);
    Bed bed(mode);
    CHECK(Bed::text(bed.call("echo", {{"text", "hi"}})) == "{\"text\":\"hi\"}");
    const std::string session = bed.gateway.initialize();
    const Response legacy = bed.gateway.legacy(session, "tools/call",
                                               {{"name", "up__echo"}, {"arguments", {{"text", "ho"}}}}, "a");
    CHECK(legacy.json()["id"] == "a");
    CHECK(Bed::text(legacy) == "{\"text\":\"ho\"}");
    CHECK(bed.pids().size() == (mode == "exits" ? 2 : 1));
    CHECK(bed.count("initialized") == (mode == "modern" ? 0 : 1));
    CHECK(bed.count("call echo") == 2);
    CHECK(bed.gateway.recorded("outcome", {{"status", "ok"}}, 2));
  }
}

TEST_CASE("a child that is of a newer era when it is started again is found out in its handshake") {
  Bed bed("turns-modern");
  CHECK(Bed::text(bed.call("echo", {{"text", "hi"}})) == "{\"text\":\"hi\"}");
  CHECK(Bed::reason(bed.call("crash")) == "upstream_broken");
  // What has just fallen over is left alone for a moment.
  REQUIRE(Bed::until([&] { return bed.call("echo", {{"text", "ho"}}).json().contains("result"); }));
  CHECK(Bed::text(bed.call("echo", {{"text", "ha"}})) == "{\"text\":\"ha\"}");
  CHECK(bed.pids().size() == 2);
  CHECK(bed.count("greeted") == 1);
}

TEST_CASE("N39 a child gets a minimal environment: nothing of ours but what the document names") {
  ::setenv("SALLYPORT_CANARY", "canary-of-the-process", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "canary-of-the-operator", 1);
  Bed bed("modern", "", ", env: {REGION: north}, credentials: {API_TOKEN: theirs}",
          "---\nkind: Credential\nname: theirs\nvalue: canary-upstream-credential\n");
  const Json env = Json::parse(Bed::text(bed.call("env")));
  ::unsetenv("SALLYPORT_CANARY");
  ::unsetenv("AWS_SECRET_ACCESS_KEY");
  CHECK(env["REGION"] == "north");
  CHECK(env["API_TOKEN"] == "canary-upstream-credential");
  const std::set<std::string> expected{"PATH", "HOME", "LANG",   "LC_ALL",   "TMPDIR",
                                       "TZ",   "USER", "REGION", "API_TOKEN"};
  for (const auto& [name, value] : env.items()) {
    CAPTURE(name);
    CHECK(expected.contains(name));
  }
  CHECK(bed.gateway.journal_bytes().find("canary") == std::string::npos);
}

TEST_CASE("N45 a child that dies in the middle of a call: one typed error, one execution, then a new child") {
  Bed bed("modern");
  const Response crashed = bed.call("crash");
  CHECK(crashed.status == 200);
  CHECK(Bed::reason(crashed) == "upstream_broken");
  CHECK(!crashed.json()["error"]["data"].contains("retry"));
  CHECK(crashed.body.find("status 3") == std::string::npos);
  CHECK(bed.gateway.recorded("outcome", {{"status", "broken"}, {"code", "upstream_broken"}}));
  CHECK(Bed::until([&] {
    const Response next = bed.call("echo");
    if (next.json().contains("result")) return true;
    CHECK(Bed::reason(next) == "upstream_unreachable");
    CHECK(next.json()["error"]["data"]["retry"] == true);
    return false;
  }));
  CHECK(bed.count("call crash") == 1);
  CHECK(bed.count("call echo") == 1);
  CHECK(bed.pids().size() == 2);
  CHECK(gone(bed.pids()[0]));
}

TEST_CASE("a child's list_changed brings its new tool to the clients' lists") {
  Bed bed("legacy");
  const auto listed = [&] {
    const Response list = bed.gateway.modern("tools/list");
    return list.body.find("\"up__grown\"") != std::string::npos;
  };
  CHECK(bed.call("echo").status == 200);
  CHECK(!listed());
  CHECK(Bed::text(bed.call("grow")) == "grown");
  CHECK(Bed::until(listed, 5s));
}

TEST_CASE("N44 noise on standard output and a flood on standard error harm no call") {
  Bed bed("modern");
  CHECK(Bed::text(bed.call("noise")) == "after the noise");
  CHECK(Bed::text(bed.call("flood")) == "after the flood");
  CHECK(Bed::text(bed.call("echo")) == "{}");
  CHECK(bed.pids().size() == 1);
}

TEST_CASE("a child that asks for sampling is told that we do not offer it, and its call goes on") {
  Bed bed("legacy");
  const Json told = Json::parse(Bed::text(bed.call("ask")));
  CHECK(told["error"]["code"] == -32601);
}

TEST_CASE("a call that is never answered ends at the server's time-out, and the child is told") {
  Bed bed("modern", "timeout: 500ms\n");
  CHECK(bed.call("echo").status == 200);
  const Response answer = bed.call("never");
  CHECK(Bed::reason(answer) == "upstream_timeout");
  CHECK(bed.noted("cancelled "));
  CHECK(bed.gateway.recorded("outcome", {{"status", "timeout"}}));
  CHECK(Bed::text(bed.call("echo")) == "{}");
  CHECK(bed.pids().size() == 1);
}

TEST_CASE("a child that never answers anything neither empties nor delays the lists of others") {
  FakeMcp other;
  Bed bed("mute", "", "", server_document("other", other.url()));
  const auto begin = std::chrono::steady_clock::now();
  CHECK(bed.gateway.modern("tools/list").json()["result"]["tools"].size() == 2);
  CHECK(std::chrono::steady_clock::now() - begin < 4s);
  CHECK(bed.gateway.modern("tools/call", {{"name", "other__echo"}, {"arguments", Json::object()}}).status ==
        200);
}

TEST_CASE("cancelling reaches the child: a modern client leaves, a 2025 client notifies") {
  Bed bed("modern");
  REQUIRE(bed.call("echo").status == 200);
  {
    RawSocket leaving = bed.gateway.connect();
    leaving.send(GatewayFixture::request(
        "POST", "/mcp",
        bed.gateway.bearer() + GatewayFixture::media() +
            GatewayFixture::modern_headers("tools/call", "up__never"),
        GatewayFixture::modern_body("tools/call", {{"name", "up__never"}, {"arguments", Json::object()}})));
    REQUIRE(bed.noted("call never"));
  }
  CHECK(bed.noted("cancelled "));
  const std::string session = bed.gateway.initialize();
  RawSocket waiting = bed.gateway.connect();
  waiting.send(GatewayFixture::request(
      "POST", "/mcp", bed.gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + session + "\r\n",
      R"({"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"up__never","arguments":{}}})"));
  REQUIRE(bed.noted("call never", 2));
  CHECK(bed.gateway
            .post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"x"}})",
                  "Mcp-Session-Id: " + session + "\r\n")
            .status == 202);
  CHECK(bed.noted("cancelled ", 2));
  CHECK(waiting.answer().body.find("\"cancelled\"") != std::string::npos);
  CHECK(bed.gateway.recorded("outcome", {{"status", "cancelled"}}, 2));
  CHECK(bed.pids().size() == 1);
}

TEST_CASE("progress carries the client's own token, in order; log messages come only where they are wanted") {
  Bed bed("modern");
  REQUIRE(bed.call("echo").status == 200);
  struct Row {
    const char* level;
    const char* token;
    std::size_t progress, logs;
  };
  for (const Row& row : {Row{"", "", 0, 0}, Row{"", "mine", 3, 0}, Row{"debug", "mine", 3, 2},
                         Row{"error", "", 0, 1}, Row{"emergency", "", 0, 0}}) {
    CAPTURE(row.level);
    CAPTURE(row.token);
    Json meta = Json::object();
    if (*row.level) meta["io.modelcontextprotocol/logLevel"] = row.level;
    if (*row.token) meta["progressToken"] = row.token;
    const Response answer =
        bed.gateway.post(GatewayFixture::modern_body(
                             "tools/call", {{"name", "up__talk"}, {"arguments", Json::object()}}, 5, meta),
                         GatewayFixture::modern_headers("tools/call", "up__talk"));
    const auto stream = messages(answer);
    CHECK(stream.empty() == (row.progress + row.logs == 0));
    const Json last = stream.empty() ? answer.json() : stream.back();
    CHECK(last["id"] == 5);
    CHECK(last["result"]["content"][0]["text"] == "talked");
    const auto progress = only(stream, "notifications/progress");
    REQUIRE(progress.size() == row.progress);
    for (std::size_t i = 0; i < progress.size(); ++i) {
      CHECK(progress[i]["progressToken"] == "mine");
      CHECK(progress[i]["progress"] == i + 1);
    }
    const auto logs = only(stream, "notifications/message");
    REQUIRE(logs.size() == row.logs);
    if (!logs.empty()) CHECK(logs.back()["data"] == "bad news");
  }
  CHECK(bed.count("level none") == 2);
  CHECK(bed.count("level error") == 1);

  // A 2025 client gets everything until it says how much it wants, and then only that.
  const std::string session = bed.gateway.initialize();
  const auto logs = [&] {
    return only(messages(bed.gateway.legacy(session, "tools/call",
                                            {{"name", "up__talk"}, {"arguments", Json::object()}})),
                "notifications/message");
  };
  CHECK(bed.gateway.legacy(session, "logging/setLevel", {{"level", "error"}}).status == 200);
  CHECK(Bed::until([&] { return logs().size() == 1; }, 2s));
  CHECK(bed.gateway.legacy(session, "logging/setLevel", {{"level", "emergency"}}).status == 200);
  CHECK(Bed::until([&] { return logs().empty(); }, 2s));
}

TEST_CASE("isolation: principal gives every caller a process of its own, shared gives all the same") {
  for (const std::string isolation : {"shared", "principal"}) {
    CAPTURE(isolation);
    Bed bed("modern", "isolation: " + isolation + "\n");
    const auto pid = [&](const std::string& key) {
      return Bed::text(bed.gateway.raw(GatewayFixture::request(
          "POST", "/mcp",
          "Authorization: Bearer " + key + "\r\n" + GatewayFixture::media() +
              GatewayFixture::modern_headers("tools/call", "up__pid"),
          GatewayFixture::modern_body("tools/call", {{"name", "up__pid"}, {"arguments", Json::object()}}))));
    };
    const std::string mine = pid(bed.gateway.key), theirs = pid(bed.gateway.other_key);
    CHECK((mine == theirs) == (isolation == "shared"));
    CHECK(pid(bed.gateway.key) == mine);
    CHECK(pid(bed.gateway.other_key) == theirs);
  }
}

TEST_CASE("when the server has stopped, no child process is left") {
  Bed bed("modern", "isolation: principal\n");
  CHECK(bed.call("echo").status == 200);
  const auto pids = bed.pids();
  CHECK(pids.size() == 2);  // the list's and the caller's
  for (const int pid : pids) CHECK(!gone(pid));
  bed.gateway.server.reset();
  for (const int pid : pids) CHECK(gone(pid));
}
