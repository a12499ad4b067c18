#include "sallyport/cli/serve.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "cli/command_line.hpp"
#include "net/raw_socket.hpp"
#include "sallyport/cli/audit_view.hpp"
#include "sallyport/store/journal.hpp"

using namespace sallyport;
using namespace sallyport::cli;
using nlohmann::json;
using sallyport::cli::testing::CommandLine;
using sallyport::net::testing::RawSocket;

namespace {

constexpr const char* kCanary = "canary-2b9e50-secret";

/// A server on free ports, and commands that talk to it.
struct Running {
  explicit Running(Settings more = {}) {
    more.data = sallyport.data();
    more.listen.address = "127.0.0.1:0";
    more.admin.address = "127.0.0.1:0";
    more.shards = 2;
    auto started = Server::start(more);
    REQUIRE_MESSAGE(started, (started ? "" : started.error().what + started.error().hint));
    server = std::move(*started);
  }

  static std::uint16_t port_of(const std::string& url) {
    return static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1)));
  }
  static std::string request(const std::string& method, const std::string& path, const std::string& lines,
                             const std::string& body = {}) {
    return method + " " + path + " HTTP/1.1\r\n" + lines + "Content-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n\r\n" + body;
  }
  RawSocket::Answer admin(const std::string& bytes) const {
    auto socket = RawSocket::to(port_of(server->admin_url()));
    socket.send(bytes);
    return socket.answer();
  }
  RawSocket::Answer local(const std::string& bytes) const {
    auto socket = RawSocket::to_path(sallyport.data() + "/admin.sock");
    socket.send(bytes);
    return socket.answer();
  }
  std::string key(bool for_admin) {
    std::vector<std::string> arguments{"key", "create", "--agent", "ops", "-o", "json"};
    if (for_admin) arguments.emplace_back("--admin");
    return sallyport(arguments).json()["key"].get<std::string>();
  }
  /// The records of a kind, as they stand in the journal.
  std::vector<json> records(const std::string& type) const {
    std::vector<json> out;
    REQUIRE(store::read_journal(sallyport.data(), 0, [&](std::string_view line) {
      auto record = json::parse(line);
      if (record["type"] == type) out.push_back(std::move(record));
      return true;
    }));
    return out;
  }

  CommandLine sallyport;
  std::unique_ptr<Server> server;
};

}  // namespace

TEST_CASE(
    "a server starts on an empty directory, says where it listens, and stops with a journal that verifies") {
  Running running;
  auto& sallyport = running.sallyport;
  CHECK(running.server->public_url().starts_with("http://127.0.0.1:"));
  struct stat info{};
  REQUIRE(::stat((sallyport.data() + "/admin.sock").c_str(), &info) == 0);
  CHECK((info.st_mode & 0777) == 0600);
  const auto status = sallyport({"status", "-o", "json"}).json();
  CHECK(status["running"] == true);
  CHECK(status["server"]["public_url"] == running.server->public_url());
  CHECK(status["server"]["journal"]["healthy"] == true);
  CHECK(sallyport({"status"}).out.contains("environment    default"));
  CHECK(sallyport({"audit", "verify"}).code == 0);
  REQUIRE(running.server->stop());
  running.server.reset();
  CHECK_FALSE(std::filesystem::exists(sallyport.data() + "/admin.sock"));
  CHECK(running.records("stop").size() == 2);
  const auto verified = sallyport({"audit", "verify", "-o", "json"}).json();
  CHECK(verified["ok"] == true);
  CHECK(verified["open_intents"] == 0);
  CHECK(sallyport({"status", "-o", "json"}).json()["running"] == false);
}

TEST_CASE("one server holds a data directory: the next one is told which process has it") {
  Running running;
  Settings settings;
  settings.data = running.sallyport.data();
  settings.listen.address = settings.admin.address = "127.0.0.1:0";
  const auto second = Server::start(settings);
  REQUIRE_FALSE(second);
  CHECK(second.error().code == Code::conflict);
  CHECK(second.error().what.contains(std::to_string(::getpid())));
  CHECK(running.sallyport({"status"}).code == 0);
}

TEST_CASE("a second server is refused before it touches the journal, also where the lock file was removed") {
  Running running;
  const auto data = running.sallyport.data();
  std::filesystem::remove(data + "/lock");
  const auto journal = [&] {
    return std::distance(std::filesystem::directory_iterator(data + "/journal"),
                         std::filesystem::directory_iterator());
  };
  const auto before = journal();
  Settings settings;
  settings.data = data;
  settings.listen.address = settings.admin.address = "127.0.0.1:0";
  for (int i = 0; i < 2; ++i) {
    const auto second = Server::start(settings);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Code::conflict);
    CHECK(second.error().what.contains("is in use by another process"));
  }
  CHECK(journal() == before);
  CHECK(running.sallyport({"key", "create", "--agent", "bot"}).code == 0);
  REQUIRE(running.server->stop());
  CHECK(running.sallyport({"audit", "verify"}).code == 0);
  running.server.reset();
  CHECK(running.sallyport({"get"}).code == 0);
}

TEST_CASE("an address that is taken ends the start and leaves the directory free") {
  Running running;
  CommandLine other;
  Settings settings;
  settings.data = other.data();
  settings.listen.address = running.server->public_url().substr(7);
  settings.admin.address = "127.0.0.1:0";
  REQUIRE_FALSE(Server::start(settings));
  CHECK(other({"get"}).code == 0);
}

TEST_CASE("a segment that is deleted under a server is noticed without a call, and a new one begun") {
  Running running;
  const auto folder = std::filesystem::path(running.sallyport.data()) / "journal";
  std::vector<std::string> gone;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    if (name.ends_with("-00001.jsonl")) gone.push_back(name);
  }
  REQUIRE(gone.size() == 2);
  for (const auto& name : gone) std::filesystem::remove(folder / name);
  const auto begun = [&] { return running.records("note").size() == 4; };
  for (int i = 0; i < 1000 && !begun(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  REQUIRE(begun());
  const auto notes = running.records("note");
  CHECK(std::ranges::count_if(notes, [&](const json& note) {
          return note["note"] == "segment_missing" &&
                 std::ranges::find(gone, note["with"]["file"].get<std::string>()) != gone.end();
        }) == 2);
  CHECK(running.sallyport({"status", "-o", "json"}).json()["server"]["journal"]["healthy"] == true);
  const auto verified = running.sallyport({"audit", "verify"});
  CHECK(verified.code == 1);
  for (const auto& name : gone) CHECK(verified.err.contains(name + ": this segment is missing"));
}

TEST_CASE("commands work through the running server as they do on the files") {
  Running running;
  auto& sallyport = running.sallyport;
  const auto text =
      std::string("kind: Credential\nname: token\nvalue: ") + kCanary +
      "\n---\nkind: Server\nname: docs\ncredential: token\ntransport: {type: streamable-http, url: "
      "\"http://127.0.0.1:9/mcp\", allow_private: true}\n";
  CHECK(sallyport({"apply", "-f", "-"}, text).out.contains("2 created"));
  CHECK(sallyport({"apply", "-f", "-"}, text).out.contains("2 unchanged"));
  CHECK(sallyport({"get", "servers"}).out.contains("docs"));
  const auto tested = sallyport({"server", "test", "docs"});
  CHECK(tested.code == 1);
  CHECK(tested.err.contains("docs"));
  CHECK(sallyport({"server", "test", "absent"}).code == 1);
  const auto wrong = sallyport({"apply", "-f", "-"}, "kind: Server\nnmae: x\n");
  CHECK(wrong.code == 1);
  CHECK(wrong.err.contains("stdin:2:1"));
  CHECK(sallyport({"backup", sallyport.directory.beside("copy")}).code == 0);
  CHECK(sallyport({"vault", "rotate"}).code == 0);
  CHECK(sallyport({"connect", "codex"}).out.contains(running.server->public_url() + "/mcp"));
  CHECK(sallyport({"audit", "export", sallyport.directory.beside("journal.tar")}).code == 0);
  CHECK(sallyport({"server", "remove", "docs"}).code == 0);
  const auto tail = sallyport({"audit", "tail"});
  CHECK(tail.out.contains("operation=apply"));
  CHECK(sallyport({"audit", "tail", "-o", "json", "-n", "1"}).json().is_object());
  CHECK(sallyport.all.find(kCanary) == std::string::npos);
  CHECK(sallyport.directory.all_bytes().find(kCanary) == std::string::npos);
}

TEST_CASE("who changed something through a running server stands in the journal") {
  Running running;
  const auto key = running.sallyport({"key", "create", "--agent", "bot", "-o", "json"}).json();
  running.sallyport({"key", "list"});
  running.sallyport({"key", "revoke", key["key"].get<std::string>()});
  running.sallyport({"apply", "-f", "-"},
                    std::string("kind: Credential\nname: token\nvalue: ") + kCanary + "\n");
  running.sallyport({"server", "remove", "docs"});
  REQUIRE(running.server->stop());
  std::vector<json> notes;
  for (auto& record : running.records("note")) {
    if (record["note"] == "admin") notes.push_back(record["with"]);
  }
  const auto me = "uid:" + std::to_string(::geteuid());
  const json expected[] = {
      {{"operation", "key.create"}, {"by", me}, {"ok", true}, {"agent", "bot"}, {"id", key["id"]}},
      {{"operation", "key.revoke"}, {"by", me}, {"ok", true}, {"revoked", key["id"]}},
      {{"operation", "apply"}, {"by", me}, {"ok", true}, {"changes", {"created Credential/token"}}},
      {{"operation", "server.remove"}, {"by", me}, {"ok", false}, {"name", "docs"}, {"code", "not_found"}},
  };
  CHECK(json(notes) == json(expected));
}

TEST_CASE("the admin listener wants an admin key, and a Host that is its own") {
  Running running;
  const auto agent = running.key(false), admin = running.key(true);
  const auto port = std::to_string(Running::port_of(running.server->admin_url()));
  const auto bearer = [](const std::string& key) { return "Authorization: Bearer " + key + "\r\n"; };
  struct Row {
    std::string why;
    std::string lines;
    int status;
  };
  const Row rows[] = {
      {"no key", "Host: localhost\r\n", 401},
      {"not a key", "Host: localhost\r\n" + bearer("nonsense"), 401},
      {"wrong secret", "Host: localhost\r\n" + bearer(admin.substr(0, admin.size() - 4) + "AAAA"), 401},
      {"an agent's key", "Host: localhost\r\n" + bearer(agent), 403},
      {"admin key", "Host: localhost:" + port + "\r\n" + bearer(admin), 200},
      {"admin key by address", "Host: 127.0.0.1:" + port + "\r\n" + bearer(admin), 200},
      {"admin key by IPv6 address", "Host: [::1]:" + port + "\r\n" + bearer(admin), 200},
      {"a name that was bent to this address", "Host: attacker.example:" + port + "\r\n" + bearer(admin),
       403},
      {"a name that begins like ours", "Host: localhost.attacker.example\r\n" + bearer(admin), 403},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    CHECK(running.admin(Running::request("GET", "/api/status", row.lines)).status == row.status);
  }
  CHECK(running.admin(Running::request("GET", "/healthz", "Host: localhost\r\n")).status == 200);
  CHECK(running.admin(Running::request("GET", "/healthz", "Host: attacker.example\r\n")).status == 403);
  CHECK(running.admin(Running::request("GET", "/metrics", "Host: localhost\r\n")).status == 401);

  const auto id = running.sallyport({"key", "list", "-o", "json"}).json()[1]["id"].get<std::string>();
  REQUIRE(running.sallyport({"key", "revoke", id}).code == 0);
  CHECK(running.admin(Running::request("GET", "/api/status", "Host: localhost\r\n" + bearer(admin))).status ==
        401);
}

TEST_CASE("operations over HTTP: bodies pass the strict door, answers say what is wrong") {
  Running running;
  const std::string host = "Host: localhost\r\n", json_type = "Content-Type: application/json\r\n";
  struct Row {
    std::string why;
    std::string bytes;
    int status;
    const char* says;
  };
  const Row rows[] = {
      {"no body is no argument", Running::request("POST", "/api/op/server.list", host), 200, "servers"},
      {"an object", Running::request("POST", "/api/op/get", host + json_type, R"({"kind":"servers"})"), 200,
       "documents"},
      {"a key twice", Running::request("POST", "/api/op/get", host + json_type, R"({"kind":"a","kind":"b"})"),
       400, "bad_json"},
      {"not JSON", Running::request("POST", "/api/op/get", host + json_type, "kind=servers"), 400,
       "bad_json"},
      {"a form of another site",
       Running::request("POST", "/api/op/get", host + "Content-Type: text/plain\r\n", "{}"), 415,
       "application/json"},
      {"unknown argument", Running::request("POST", "/api/op/get", host + json_type, R"({"knd":1})"), 400,
       "knd"},
      {"unknown operation", Running::request("POST", "/api/op/launch", host + json_type, "{}"), 404,
       "launch"},
      {"reading an operation", Running::request("GET", "/api/op/get", host), 405, "POST"},
      {"nothing there", Running::request("GET", "/api/nothing", host), 404, "openapi"},
      {"description", Running::request("GET", "/api/openapi.json", host), 200, "\"/api/op/apply\""},
      {"status", Running::request("GET", "/api/status", host), 200, "generation"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.why);
    const auto answer = running.local(row.bytes);
    CHECK(answer.status == row.status);
    CHECK_MESSAGE(answer.body.contains(row.says), answer.body);
  }
  const auto admin = "Authorization: Bearer " + running.key(true) + "\r\n";
  CHECK(running
            .admin(Running::request("POST", "/api/op/backup", host + admin + json_type,
                                    R"({"directory":"/tmp/no"})"))
            .status == 403);
  CHECK_FALSE(std::filesystem::exists("/tmp/no"));
}

TEST_CASE("a data directory whose path is longer than a socket address serves all the same") {
  CommandLine sallyport;
  Settings settings;
  settings.data = sallyport.directory.beside(std::string(120, 'd'));
  settings.listen.address = settings.admin.address = "127.0.0.1:0";
  settings.shards = 1;
  auto server = Server::start(settings);
  REQUIRE_MESSAGE(server, (server ? "" : server.error().what));
  CHECK(sallyport.bare({"--data", settings.data, "status", "-o", "json"}).json()["running"] == true);
  REQUIRE((*server)->stop());
}

TEST_CASE("what is appended to the journal is followed across segments") {
  Running running;
  AuditFollower follower(running.sallyport.data());
  REQUIRE(follower.begin());
  CHECK(follower.look().value().empty());
  running.sallyport({"key", "create", "--agent", "bot"});
  REQUIRE(running.server->stop());
  const auto lines = follower.look().value();
  REQUIRE(!lines.empty());
  CHECK(std::ranges::any_of(lines, [](const std::string& line) { return line.contains("key.create"); }));
  CHECK(follower.look().value().empty());
}

TEST_CASE("an export says how much it wrote, also into a FIFO, and not behind the archive") {
  Running running;
  auto& sallyport = running.sallyport;
  const auto pipe = sallyport.directory.beside("pipe");
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const auto all_of = [](int fd) {
    std::string text(1 << 20, '\0');
    std::size_t had = 0;
    for (ssize_t n = 1; n > 0; had += static_cast<std::size_t>(std::max<ssize_t>(n, 0)))
      n = ::read(fd, text.data() + had, text.size() - had);
    ::close(fd);
    return had;
  };
  std::size_t got = 0;
  std::jthread reader([&] { got = all_of(::open(pipe.c_str(), O_RDONLY | O_CLOEXEC)); });
  const auto into_pipe = sallyport({"audit", "export", pipe, "-o", "json"});
  reader.join();
  REQUIRE(into_pipe.code == 0);
  CHECK(into_pipe.json()["bytes"] == got);

  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const int output = ::dup(STDOUT_FILENO);
  ::dup2(ends[1], STDOUT_FILENO);
  ::close(ends[1]);
  std::jthread again([&] { got = all_of(ends[0]); });
  const auto to_output = sallyport({"audit", "export", "/dev/stdout"});
  ::dup2(output, STDOUT_FILENO);
  ::close(output);
  again.join();
  CHECK(to_output.code == 0);
  CHECK(to_output.out.empty());
  CHECK(to_output.err == "wrote /dev/stdout (" + std::to_string(got) + " bytes)\n");
}

TEST_CASE("a command that may not write so much says so and fails, as on a full disk") {
  Running running;  // for what it exports
  auto& sallyport = running.sallyport;
  struct rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto action = std::signal(SIGXFSZ, SIG_DFL);
  struct rlimit small = before;
  small.rlim_cur = 1;
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &small) == 0);
  const auto written = sallyport({"lock", sallyport.directory.beside("mcp.lock")});
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, action);
  CHECK(written.code == 1);
  CHECK_MESSAGE(written.err.contains("File too large"), written.err);
  CHECK_FALSE(std::filesystem::exists(sallyport.directory.beside("mcp.lock")));
}
