// The server as a whole: how it stops, what it leaves, what survives its death (F01).
#include <signal.h>

#include <future>
#include <thread>

#include "gateway_fixture.hpp"
#include "sallyport/admin/journal_key.hpp"
#include "sallyport/core/bytes.hpp"
#include "scripted_mcp.hpp"
#include "support/gateway_process.hpp"

using namespace sallyport::testing;

namespace {

using namespace std::chrono_literals;
using sallyport::cli::Settings;

std::string echo_request(const GatewayFixture& gateway) {
  return GatewayFixture::request(
      "POST", "/mcp",
      gateway.bearer() + GatewayFixture::media() + GatewayFixture::modern_headers("tools/call", "up__echo"),
      GatewayFixture::modern_body("tools/call",
                                  {{"name", "up__echo"}, {"arguments", {{"text", "in the middle"}}}}));
}

std::string legacy_echo_request(const GatewayFixture& gateway, const std::string& session) {
  return GatewayFixture::request(
      "POST", "/mcp", gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + session + "\r\n",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","arguments":{}}})");
}

/// An upstream whose calls wait until the test lets them go.
struct Held {
  std::atomic<int> entered{0};
  std::atomic<bool> release{false};
  FakeMcp upstream;

  Held() {
    upstream.on_call([this](const std::string&, const Json& message) {
      ++entered;
      while (!release) std::this_thread::sleep_for(1ms);
      return FakeMcp::echo(message);
    });
  }
  ~Held() { release = true; }
  void wait_for(int calls) const {
    for (int i = 0; i < 1000 && entered < calls; ++i) std::this_thread::sleep_for(10ms);
    REQUIRE(entered >= calls);
  }
};

sallyport::store::VerifyReport verify(const GatewayFixture& gateway) {
  const auto key =
      sallyport::admin::read_public_key(sallyport::admin::journal_public_key_file(gateway.directory.path));
  REQUIRE(key.has_value());
  auto report = sallyport::store::verify_journal(gateway.directory.path, *key);
  REQUIRE(report.has_value());
  return *report;
}

}  // namespace

TEST_CASE("tests of a server that says nothing hold up neither administration nor a stop") {
  std::atomic<bool> silent{false};
  std::atomic<int> asked{0}, answered{0};
  ScriptedMcp upstream(ScriptedMcp::Era::modern);
  upstream.on("tools/list", [&](RawSocket& socket, const Heard& heard) {
    ++asked;
    while (silent && !gone(socket)) std::this_thread::sleep_for(1ms);
    return ScriptedMcp::reply(
        socket, 200,
        ScriptedMcp::result(
            heard.message,
            {{"resultType", "complete"}, {"tools", Json::array()}, {"ttlMs", 0}, {"cacheScope", "private"}}));
  });
  GatewayFixture gateway(
      server_document("up", "http://127.0.0.1:" + std::to_string(upstream.origin().url.port) + "/mcp") +
      kDefaultPolicy);
  silent = true;
  const int before = asked;
  std::vector<std::thread> tests;
  for (int i = 0; i < 6; ++i) {
    tests.emplace_back([&] {
      // The last ones may find that the gateway has gone.
      (void)gateway.admin("server.test", {{"name", "up"}});
      ++answered;
    });
  }
  for (int i = 0; i < 500 && asked < before + 2; ++i) std::this_thread::sleep_for(10ms);
  REQUIRE(asked >= before + 2);
  const auto begin = std::chrono::steady_clock::now();
  CHECK(gateway.admin("key.list", Json::object()).has_value());
  CHECK(gateway.apply("kind: Team\nname: beside\n").has_value());
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  CHECK(answered == 0);
  gateway.server.reset();
  CHECK(std::chrono::steady_clock::now() - begin < 10s);
  silent = false;
  for (auto& test : tests) test.join();
}

TEST_CASE("a test of a server that is removed meanwhile says so") {
  std::atomic<bool> up{false}, silent{true};
  std::atomic<int> failed{0}, asked{0};
  ScriptedMcp upstream(ScriptedMcp::Era::modern, Json::object());
  upstream.on("server/discover", [&](RawSocket& socket, const Heard& heard) {
    if (!up) {
      ++failed;
      return ScriptedMcp::reply(socket, 503, Json());
    }
    ++asked;
    while (silent && !gone(socket)) std::this_thread::sleep_for(1ms);
    return ScriptedMcp::reply(socket, 200,
                              ScriptedMcp::result(heard.message, {{"resultType", "complete"},
                                                                  {"supportedVersions", {"2026-07-28"}},
                                                                  {"capabilities", Json::object()},
                                                                  {"ttlMs", 0},
                                                                  {"cacheScope", "private"}}));
  });
  const std::string url = "http://127.0.0.1:" + std::to_string(upstream.origin().url.port) + "/mcp";
  GatewayFixture gateway(server_document("up", url) + kDefaultPolicy);
  for (int i = 0; i < 500 && failed < 1; ++i) std::this_thread::sleep_for(10ms);
  REQUIRE(failed >= 1);
  up = true;
  auto test = std::async(std::launch::async, [&] { return gateway.admin("server.test", {{"name", "up"}}); });
  for (int i = 0; i < 500 && asked < 1; ++i) std::this_thread::sleep_for(10ms);
  REQUIRE(asked >= 1);
  REQUIRE(gateway.admin("server.remove", {{"name", "up"}}).has_value());
  silent = false;
  const auto tested = test.get();
  REQUIRE_FALSE(tested.has_value());
  CAPTURE(tested.error());
  CHECK(tested.error().find("changed during its test") != std::string::npos);
}

TEST_CASE("a stop lets a call that runs finish, and takes no new one") {
  Held held;
  GatewayFixture gateway(server_document("up", held.upstream.url()) + kDefaultPolicy);
  RawSocket socket = gateway.connect();
  socket.send(echo_request(gateway));
  held.wait_for(1);
  std::thread stopping([&] { gateway.server.reset(); });
  bool refused = false;
  for (int i = 0; i < 500 && !refused; ++i) {
    refused = !gateway.connect().is_open();
    std::this_thread::sleep_for(10ms);
  }
  CHECK(refused);
  held.release = true;
  const Response answer{socket.answer()};
  stopping.join();
  CHECK(answer.status == 200);
  CHECK(answer.body.find("in the middle") != std::string::npos);
  CHECK(gateway.count("intent") == 1);
  CHECK(gateway.count("outcome", {{"status", "ok"}}) == 1);
  CHECK(verify(gateway).ok);
}

namespace {

/// Stops a server in the middle of a call that goes on for longer than the grace.
void stop_during_call(bool legacy) {
  Held held;
  Settings settings;
  settings.stop_grace = 200ms;
  GatewayFixture gateway(server_document("up", held.upstream.url(), "timeout: 4s\n") + kDefaultPolicy,
                         settings);
  const std::string session = gateway.initialize();
  RawSocket socket = gateway.connect();
  socket.send(legacy ? legacy_echo_request(gateway, session) : echo_request(gateway));
  held.wait_for(1);
  const auto begin = std::chrono::steady_clock::now();
  gateway.server.reset();
  CHECK(std::chrono::steady_clock::now() - begin < 3s);
  CHECK(gateway.count("intent") == 1);
  CHECK(gateway.count("outcome", {{"status", "cancelled"}}) == 1);
  const auto report = verify(gateway);
  CHECK(report.ok);
  CHECK(report.open_intents == 0);
  held.release = true;
  gateway.start();
  CHECK(gateway.still_works());
  CHECK(gateway.count("unknown") == 0);
}

}  // namespace

TEST_CASE("a modern call that does not end within the grace is recorded as cancelled") {
  stop_during_call(false);
}

// A 2025 call outlives its connection, but not the server.
TEST_CASE("a 2025 call that does not end within the grace is recorded as cancelled") {
  stop_during_call(true);
}

TEST_CASE("a page of an allowed origin passes the preflight and reads the answer; others get neither") {
  FakeMcp upstream;
  Settings settings;
  settings.allowed_origins = {"https://app.example"};
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy, settings);
  const auto preflight = [&](const std::string& origin) {
    return gateway.raw(GatewayFixture::request(
        "OPTIONS", "/mcp",
        "Origin: " + origin +
            "\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n",
        ""));
  };
  const Response allowed = preflight("https://app.example");
  CHECK(allowed.status == 204);
  CHECK(allowed.header("Access-Control-Allow-Origin") == "https://app.example");
  CHECK(allowed.header("Vary") == "Origin");
  CHECK(allowed.header("Access-Control-Allow-Methods").find("POST") != std::string::npos);
  for (const char* name :
       {"Authorization", "MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Mcp-Session-Id"})
    CHECK(allowed.header("Access-Control-Allow-Headers").find(name) != std::string::npos);
  CHECK(allowed.header("Access-Control-Allow-Credentials").empty());
  const Response answer =
      gateway.post(GatewayFixture::modern_body("tools/list"),
                   GatewayFixture::modern_headers("tools/list") + "Origin: https://app.example\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.header("Access-Control-Allow-Origin") == "https://app.example");
  // A browser must be able to read a refusal, too.
  const Response unknown = gateway.raw(GatewayFixture::request(
      "POST", "/mcp", GatewayFixture::media() + "Origin: https://app.example\r\n", "{}"));
  CHECK(unknown.status == 401);
  CHECK(unknown.header("Access-Control-Allow-Origin") == "https://app.example");

  for (const char* origin : {"https://evil.example", "https://app.example.evil.example", "null",
                             "http://app.example", "https://app.example:444"}) {
    CAPTURE(origin);
    const Response refused = preflight(origin);
    CHECK(refused.status == 403);
    CHECK(refused.header("Access-Control-Allow-Origin").empty());
  }
}

TEST_CASE("a page of an allowed origin may send the headers that mirror its arguments") {
  FakeMcp upstream;
  Settings settings;
  settings.allowed_origins = {"https://app.example"};
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy, settings);
  const Response allowed = gateway.raw(GatewayFixture::request(
      "OPTIONS", "/mcp",
      "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n"
      "Access-Control-Request-Headers: authorization, mcp-method, mcp-name, mcp-param-place\r\n",
      ""));
  CHECK(allowed.status == 204);
  CHECK(sallyport::lower(allowed.header("Access-Control-Allow-Headers")).find("mcp-param-place") !=
        std::string::npos);
}

TEST_CASE("/healthz and /readyz answer without a key") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  for (const char* path : {"/healthz", "/readyz"}) {
    CAPTURE(path);
    const Response answer = gateway.raw(GatewayFixture::request("GET", path, "", ""));
    CHECK(answer.status == 200);
    CHECK(answer.json()["status"] == "ok");
  }
  CHECK(gateway.count("refusal") == 0);
}

TEST_CASE("a second server on the same data directory is refused, and the first goes on") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  Settings settings;
  settings.data = gateway.directory.path;
  settings.listen.address = "127.0.0.1:0";
  settings.admin.address = "127.0.0.1:0";
  settings.shards = 1;
  const auto second = sallyport::cli::Server::start(settings);
  REQUIRE(!second.has_value());
  CHECK(second.error().code == sallyport::Code::conflict);
  CHECK(gateway.still_works());
  CHECK(gateway.admin("status", Json::object()).has_value());
}

TEST_CASE(
    "F01 a server killed in the middle of a call: its intent is recorded as unknown at the next start") {
  Held held;
  GatewayFixture gateway(server_document("up", held.upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  gateway.server.reset();
  {
    GatewayProcess program({.program = SALLYPORT_PROGRAM, .data = gateway.directory.path});
    REQUIRE(program.ready());
    RawSocket modern = RawSocket::to(program.port), legacy = RawSocket::to(program.port);
    modern.send(echo_request(gateway));
    legacy.send(legacy_echo_request(gateway, session));
    held.wait_for(2);
    CHECK(program.end(SIGKILL) == 128 + SIGKILL);
    CHECK(modern.answer().status == 0);
  }
  CHECK(gateway.count("intent") == 2);
  CHECK(gateway.count("outcome") == 0);
  held.release = true;
  gateway.start();
  CHECK(gateway.recorded("unknown", {{"target", "up/echo"}}, 2));
  // Nothing is done twice on our account: what ran, ran once.
  CHECK(held.upstream.call_count() == 2);
  CHECK(gateway.still_works());
  gateway.server.reset();
  const auto report = verify(gateway);
  CAPTURE(report.problems.empty() ? "" : report.problems.front());
  CHECK(report.ok);
  CHECK(report.open_intents == 0);
  CHECK(report.chains >= 3);
}

TEST_CASE("the program ends with status 0 on SIGTERM and leaves a journal that verifies") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  gateway.server.reset();
  GatewayProcess program({.program = SALLYPORT_PROGRAM, .data = gateway.directory.path});
  REQUIRE(program.ready());
  RawSocket socket = RawSocket::to(program.port);
  socket.send(echo_request(gateway));
  CHECK(socket.answer().status == 200);
  CHECK(program.end(SIGTERM) == 0);
  CHECK(gateway.count("outcome", {{"status", "ok"}}) == 1);
  CHECK(verify(gateway).ok);
}
