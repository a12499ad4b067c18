// Threats N25, N33, N35, N36, N39, N41, N44, N45 and the plain promises about upstreams: what a hostile,
// broken, slow or dead server may do.
#include "gateway_fixture.hpp"

#include <thread>

using namespace sallyport::testing;

namespace {

Response echo(const GatewayFixture& gateway, const std::string& text = "x") {
  return gateway.modern("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", text}}}});
}

std::string event(const std::string& data) { return "data: " + data + "\n\n"; }
std::string answer_to(const Json& message, const std::string& text = "fine") {
  return FakeMcp::result(message, {{"resultType", "complete"},
                                   {"content", Json::array({{{"type", "text"}, {"text", text}}})}})
      .dump();
}

/// Sends a call that a client takes as a stream and returns the data lines.
std::vector<Json> stream_of(const Response& answer) {
  std::vector<Json> out;
  for (std::size_t at = 0; (at = answer.body.find("data: ", at)) != std::string::npos;) {
    const auto end = answer.body.find('\n', at);
    out.push_back(Json::parse(answer.body.substr(at + 6, end - at - 6)));
    at = end;
  }
  return out;
}

}  // namespace

TEST_CASE("N25 ten thousand interleaved calls with the same id each get their own answer") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  REQUIRE(gateway.still_works());
  std::atomic<int> wrong{0}, right{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 8; ++c) {
    clients.emplace_back([&, c] {
      RawSocket socket = gateway.connect();
      for (int i = 0; i < 1250; ++i) {
        const std::string text = "client " + std::to_string(c) + " round " + std::to_string(i);
        const std::string body = GatewayFixture::modern_body(
            "tools/call", {{"name", "up__echo"}, {"arguments", {{"text", text}}}});
        socket.send(GatewayFixture::request("POST", "/mcp",
                                            gateway.bearer() + GatewayFixture::media() +
                                                GatewayFixture::modern_headers("tools/call", "up__echo"),
                                            body));
        const auto answer = socket.answer();
        (answer.status == 200 && answer.body.find("\\\"" + text + "\\\"") != std::string::npos ? right
                                                                                               : wrong)++;
      }
    });
  }
  for (auto& client : clients) client.join();
  CHECK(wrong == 0);
  CHECK(right == 10000);
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}, 10001));
}

TEST_CASE("N33 a client's token never travels: the upstream gets its own credential") {
  FakeMcp upstream;
  GatewayFixture gateway("kind: Credential\nname: theirs\nvalue: canary-upstream-credential\n" +
                         server_document("up", upstream.url(), "credential: theirs\n") + kDefaultPolicy);
  CHECK(echo(gateway).status == 200);
  REQUIRE(upstream.call_count() == 1);
  CHECK(upstream.calls()[0].find("Authorization: Bearer canary-upstream-credential\r\n") !=
        std::string::npos);
  CHECK(upstream.calls()[0].find(gateway.key) == std::string::npos);

  upstream.on_call([](const std::string&, const Json&) {
    return FakeMcp::http(401, "text/plain", "who are you", "WWW-Authenticate: Bearer\r\n");
  });
  const Response refused = echo(gateway);
  CHECK(refused.status == 200);
  CHECK(refused.json().contains("error"));
  CHECK(refused.header("WWW-Authenticate").empty());
  CHECK(refused.body.find("canary") == std::string::npos);
  CHECK(gateway.journal_bytes().find("canary") == std::string::npos);
  for (const auto& file : std::filesystem::directory_iterator(gateway.directory.path)) {
    if (!file.is_regular_file()) continue;
    std::ifstream in(file.path(), std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), {});
    CHECK(bytes.find("canary-upstream-credential") == std::string::npos);
    CHECK(bytes.find(gateway.key) == std::string::npos);
  }
}

TEST_CASE("N35 N36 a private address is dialled only where the document allows it") {
  FakeMcp upstream;
  GatewayFixture gateway(
      "kind: Server\nname: up\ntransport: {type: streamable-http, url: \"http://localhost:" +
      std::to_string(upstream.port()) + "/mcp\", allow_private: true}\n" + std::string(kDefaultPolicy));
  CHECK(echo(gateway).status == 200);
  for (const char* url :
       {"http://127.0.0.1:9/mcp", "http://0x7f.1/mcp", "http://2130706433/mcp",
        "http://[::ffff:10.0.0.1]/mcp", "http://169.254.169.254/mcp", "http://[fd00::1]/mcp",
        "http://100.64.0.1/mcp", "http://localhost./mcp", "file:///etc/passwd", "gopher://x/"}) {
    CAPTURE(url);
    const std::string document =
        "kind: Server\nname: bad\ntransport: {type: streamable-http, url: \"" + std::string(url) + "\"}\n";
    const auto admin = gateway.apply(document);
    CHECK(!admin.has_value());
  }
}

TEST_CASE("N39 a process is started from configuration only, and not with a loader's variables") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  CHECK(!gateway
             .apply("kind: Server\nname: bad\ntransport: {type: stdio, command: /bin/true, env: {LD_PRELOAD: "
                    "/tmp/x.so}}\n")
             .has_value());
  CHECK(!gateway.apply("kind: Server\nname: bad\ntransport: {type: stdio, command: \"\"}\n").has_value());
  // A client's key opens no administration, whichever way it asks.
  for (const char* path : {"/api/op/server.add", "/api/op/apply", "/api/op/server.test"}) {
    const std::string body = R"({"name":"x","command":["/bin/sh","-c","touch /tmp/owned"]})";
    CHECK(gateway.raw(GatewayFixture::request("POST", path, gateway.bearer() + GatewayFixture::media(), body))
              .status == 404);
    const int status = gateway
                           .admin_raw(GatewayFixture::request(
                               "POST", path, gateway.bearer() + GatewayFixture::media(), body))
                           .status;
    CHECK((status == 401 || status == 403));
  }
}

TEST_CASE("N41 hostile tool names never enter the catalogue") {
  const Json schema = {{"type", "object"}};
  Json tools = Json::array();
  for (const char* name : {"cre\xD0\xB0te", "zero\xE2\x80\x8Bwidth", "rtl\xE2\x80\xAEmark",
                           "tag\xF3\xA0\x81\x81", "\x1b[31mred", "two\nlines", ""}) {
    tools.push_back({{"name", name}, {"inputSchema", schema}});
  }
  tools.push_back({{"name", std::string(10000, 'a')}, {"inputSchema", schema}});
  tools.push_back({{"name", "echo"}, {"inputSchema", schema}});
  tools.push_back({{"name", "has__underscores"}, {"inputSchema", schema}});
  FakeMcp upstream(FakeMcp::Era::modern, tools);
  FakeMcp second(FakeMcp::Era::modern, tools);
  GatewayFixture gateway(server_document("up", upstream.url()) + server_document("second", second.url()) +
                         kDefaultPolicy);
  std::vector<std::string> names;
  for (const Json& tool : gateway.modern("tools/list").json()["result"]["tools"])
    names.push_back(tool["name"]);
  CHECK(names == std::vector<std::string>{"second__echo", "second__has__underscores", "up__echo",
                                          "up__has__underscores"});
  CHECK(gateway.modern("tools/call", {{"name", "up__has__underscores"}, {"arguments", Json::object()}})
            .status == 200);
  CHECK(upstream.calls()[0].find("\"name\":\"has__underscores\"") != std::string::npos);
}

TEST_CASE("N44 an upstream's stream is framed again: one event per message, whatever line ends it used") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const auto call =
      [&](const std::function<std::string(const std::string& progress, const std::string& last)>& make) {
        upstream.on_call([make](const std::string&, const Json& message) {
          const Json token = message["params"]["_meta"]["progressToken"];
          const Json progress = {
              {"jsonrpc", "2.0"},
              {"method", "notifications/progress"},
              {"params", {{"progressToken", token}, {"progress", 1}, {"message", "a\u2028b"}}}};
          return FakeMcp::events(make(progress.dump(), answer_to(message)));
        });
        return gateway.post(
            GatewayFixture::modern_body("tools/call", {{"name", "up__echo"}, {"arguments", Json::object()}},
                                        7, {{"progressToken", "mine"}}),
            GatewayFixture::modern_headers("tools/call", "up__echo"));
      };
  for (const std::string end : {"\n", "\r", "\r\n"}) {
    CAPTURE(end);
    const auto events = stream_of(call([&](const std::string& progress, const std::string& last) {
      return "event: message" + end + "data: " + progress + end + end + ": comment" + end + "id: 5" + end +
             "data: " + last + end + end;
    }));
    REQUIRE(events.size() == 2);
    CHECK(events[0]["params"]["progressToken"] == "mine");
    CHECK(events[0]["params"]["message"] == "a\u2028b");
    CHECK(events[1]["id"] == 7);
  }
  // Fields inside the data of one event stay data.
  const auto injected = call([&](const std::string&, const std::string& last) {
    return "data: " + last.substr(0, last.size() - 1) + "\ndata: ,\"x\":\"\\nid: 9\\nevent: evil\"}\n\n";
  });
  CHECK(injected.status == 200);
  CHECK(injected.json()["id"] == 7);

  const auto endless = call(
      [](const std::string&, const std::string&) { return "data: " + std::string(11 * 1024 * 1024, 'a'); });
  CHECK(endless.json().contains("error"));
  const auto half = call([](const std::string&, const std::string& last) { return "data: " + last + "\n"; });
  CHECK(half.json().contains("error"));
  upstream.on_call(nullptr);
  CHECK(gateway.still_works());
}

TEST_CASE(
    "N45 an answer that is not one gives the client exactly one typed error, and the connection is not used "
    "again") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url(), "timeout: 2s\n") + kDefaultPolicy);
  struct Row {
    const char* why;
    FakeMcp::OnCall make;
    bool fine = false;
  };
  const std::vector<Row> rows{
      {"another id",
       [](const std::string&, const Json&) {
         return FakeMcp::json({{"jsonrpc", "2.0"}, {"id", 424242}, {"result", Json::object()}});
       }},
      {"two results on one stream",
       [](const std::string&, const Json& m) {
         return FakeMcp::events(event(answer_to(m, "one")) + event(answer_to(m, "two")));
       },
       true},
      {"a question on the stream",
       [](const std::string&, const Json& m) {
         return FakeMcp::events(
             event(R"({"jsonrpc":"2.0","id":"q","method":"sampling/createMessage","params":{}})") +
             event(answer_to(m)));
       }},
      {"HTML",
       [](const std::string&, const Json&) { return FakeMcp::http(200, "text/html", "<html>login</html>"); }},
      {"length too long",
       [](const std::string&, const Json& m) {
         const std::string body = answer_to(m);
         return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
                std::to_string(body.size() + 10) + "\r\n\r\n" + body;
       }},
      {"length too short",
       [](const std::string&, const Json& m) {
         const std::string body = answer_to(m);
         return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                std::to_string(body.size() - 5) + "\r\n\r\n" + body;
       }},
      {"not JSON",
       [](const std::string&, const Json&) { return FakeMcp::http(200, "application/json", "{oops"); }},
      {"no JSON-RPC",
       [](const std::string&, const Json&) { return FakeMcp::http(200, "application/json", "[]"); }},
      {"nothing at all",
       [](const std::string&, const Json&) {
         return std::string("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
       }},
      {"a redirect",
       [](const std::string&, const Json&) {
         return FakeMcp::http(302, "text/plain", "", "Location: http://169.254.169.254/\r\n");
       }},
      {"HTTP 500", [](const std::string&, const Json&) { return FakeMcp::http(500, "text/plain", "boom"); }},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    upstream.on_call(row.make);
    const Response answer = echo(gateway);
    CAPTURE(answer.body);
    CHECK(answer.status == 200);
    CHECK(answer.json()["id"] == 1);
    CHECK((answer.json().contains("error") != answer.json().contains("result")));
    if (!row.fine) CHECK(answer.json().contains("error"));
    upstream.on_call(nullptr);
    CHECK(gateway.still_works());
  }
}

TEST_CASE(
    "a dead upstream neither empties the list nor delays it, and a call to it gets a typed error that says a "
    "retry is safe") {
  auto upstream = std::make_unique<FakeMcp>();
  FakeMcp other;
  GatewayFixture gateway(server_document("up", upstream->url()) + server_document("other", other.url()) +
                         kDefaultPolicy);
  CHECK(gateway.modern("tools/list").json()["result"]["tools"].size() == 4);
  upstream.reset();
  const auto begin = std::chrono::steady_clock::now();
  CHECK(gateway.modern("tools/list").json()["result"]["tools"].size() == 4);
  const Response call = echo(gateway);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  CHECK(call.status == 200);
  REQUIRE(call.json().contains("error"));
  CHECK(call.json()["error"]["data"]["reason"] == "upstream_unreachable");
  CHECK(call.json()["error"]["data"]["retry"] == true);
  CHECK(gateway.recorded("outcome", {{"code", "upstream_unreachable"}}));

  // A restart of ours changes nothing about that: the catalogue comes from the registry.
  gateway.server.reset();
  gateway.start();
  CHECK(gateway.modern("tools/list").json()["result"]["tools"].size() == 4);
}

TEST_CASE("an upstream that hangs or drips ends within the server's time-out") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url(), "timeout: 500ms\n") + kDefaultPolicy);
  for (const std::string head :
       {"", "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\""}) {
    upstream.on_call([head](const std::string&, const Json&) { return head; });
    const auto begin = std::chrono::steady_clock::now();
    const Response answer = echo(gateway);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(3));
    CHECK(answer.json()["error"]["data"]["reason"] == "upstream_timeout");
  }
  CHECK(gateway.recorded("outcome", {{"status", "timeout"}}, 2));
  upstream.on_call(nullptr);
  CHECK(gateway.still_works());
}

TEST_CASE("a server's own error comes through with its code, however large that is") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  for (const std::int64_t code : {-32050LL, 7LL, 99999999999999LL, -99999999999999LL}) {
    upstream.on_call([code](const std::string&, const Json& message) {
      return FakeMcp::json(
          {{"jsonrpc", "2.0"}, {"id", message["id"]}, {"error", {{"code", code}, {"message", "own"}}}});
    });
    const Json error = echo(gateway).json()["error"];
    CHECK(error["code"] == code);
    CHECK(error["message"] == "own");
  }
}

TEST_CASE(
    "resources, templates, prompts and completion reach their server, and modern results carry what the era "
    "wants") {
  for (const auto era : {FakeMcp::Era::modern, FakeMcp::Era::legacy}) {
    FakeMcp upstream(era);
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    const Json read = gateway.modern("resources/read", {{"uri", "note://one"}}).json();
    CHECK(read["result"]["contents"][0]["uri"] == "note://one");
    CHECK(read["result"]["cacheScope"] == "private");
    CHECK(read["result"]["ttlMs"] == 0);
    CHECK(
        gateway.modern("resources/read", {{"uri", "note://5/text"}}).json()["result"]["contents"][0]["uri"] ==
        "note://5/text");
    const Json missing = gateway.modern("resources/read", {{"uri", "note://none/at/all"}}).json();
    CHECK(missing["error"]["code"] == -32602);
    CHECK(missing["error"]["data"]["uri"] == "note://none/at/all");
    CHECK(gateway.modern("prompts/get", {{"name", "up__greet"}}).json()["result"]["messages"].size() == 1);
    const Json completed =
        gateway
            .modern("completion/complete", {{"ref", {{"type", "ref/prompt"}, {"name", "up__greet"}}},
                                            {"argument", {{"name", "who"}, {"value", "a"}}}})
            .json();
    CHECK(completed["result"]["completion"]["values"][0] == "alpha");
    CHECK(upstream.calls().back().find("\"name\":\"greet\"") != std::string::npos);

    const std::string session = gateway.initialize();
    CHECK(gateway.legacy(session, "resources/read", {{"uri", "note://none/at/all"}}).code() == -32002);
    CHECK(gateway.legacy(session, "resources/templates/list").json()["result"]["resourceTemplates"].size() ==
          1);
  }
}

TEST_CASE("what the caller may not see is answered like what does not exist, and recorded as denied") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  Json denied =
      gateway.modern("tools/call", {{"name", "up__secret"}, {"arguments", Json::object()}}).json()["error"];
  Json unknown =
      gateway.modern("tools/call", {{"name", "up__nosuch"}, {"arguments", Json::object()}}).json()["error"];
  CHECK(denied["message"] == "Unknown tool: up__secret");
  CHECK(unknown["message"] == "Unknown tool: up__nosuch");
  CHECK(denied["code"] == unknown["code"]);
  CHECK(denied["data"]["reason"] == unknown["data"]["reason"]);
  CHECK(upstream.call_count() == 0);
  CHECK(
      gateway.recorded("refusal", {{"reason", "denied"}, {"target", "up/secret"}, {"rule", "dev-tools#2"}}));
}

TEST_CASE("a modern client that closes its stream cancels the upstream within a second") {
  FakeMcp upstream(FakeMcp::Era::legacy);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  REQUIRE(gateway.still_works());
  std::atomic<bool> entered{false};
  upstream.on_call([&](const std::string&, const Json&) {
    entered = true;
    return std::string();
  });
  {
    RawSocket socket = gateway.connect();
    socket.send(GatewayFixture::request(
        "POST", "/mcp",
        gateway.bearer() + GatewayFixture::media() + GatewayFixture::modern_headers("tools/call", "up__echo"),
        GatewayFixture::modern_body("tools/call", {{"name", "up__echo"}, {"arguments", Json::object()}})));
    while (!entered) std::this_thread::yield();
  }
  const auto begin = std::chrono::steady_clock::now();
  CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(1));
  bool told = false;
  for (int i = 0; i < 200 && !told; ++i) {
    for (const auto& text : upstream.notifications())
      told |= text.find("notifications/cancelled") != std::string::npos;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(told);
}

TEST_CASE("a 2025 client cancels by notification, on any connection, and a mere disconnect cancels nothing") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  std::atomic<int> entered{0};
  std::atomic<bool> release{false};
  upstream.on_call([&](const std::string&, const Json& message) {
    ++entered;
    if (message["params"]["arguments"].value("text", "") == "wait") return std::string();
    while (!release) std::this_thread::yield();
    return FakeMcp::echo(message);
  });
  const auto request = [&](const std::string& text, int id) {
    return GatewayFixture::request("POST", "/mcp",
                                   gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + session +
                                       "\r\nMCP-Protocol-Version: 2025-11-25\r\n",
                                   Json{{"jsonrpc", "2.0"},
                                        {"id", id},
                                        {"method", "tools/call"},
                                        {"params", {{"name", "up__echo"}, {"arguments", {{"text", text}}}}}}
                                       .dump());
  };
  RawSocket waiting = gateway.connect();
  waiting.send(request("wait", 31));
  while (entered < 1) std::this_thread::yield();
  const Response told =
      gateway.post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":31}})",
                   "Mcp-Session-Id: " + session + "\r\n");
  CHECK(told.status == 202);
  CHECK(waiting.answer().body.find("\"cancelled\"") != std::string::npos);
  CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}));
  {
    RawSocket leaving = gateway.connect();
    leaving.send(request("go on", 32));
    while (entered < 2) std::this_thread::yield();
  }
  std::this_thread::sleep_for(
      std::chrono::milliseconds(300));  // longer than the watch for clients that left needs
  release = true;
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
}

TEST_CASE("a revoked key and a tightened policy hold for the very next request") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  CHECK(gateway.still_works());
  REQUIRE(gateway
              .apply("kind: Policy\nname: freeze\nsubjects: [\"*\"]\nrules: [{effect: deny, tools: "
                     "[\"up/echo\"]}]\n")
              .has_value());
  CHECK(echo(gateway).body.find("Unknown tool") != std::string::npos);
  REQUIRE(gateway.admin("key.revoke", {{"id", gateway.key.substr(3, 10)}}).has_value());
  CHECK(echo(gateway).status == 401);
}
