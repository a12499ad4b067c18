// Calls whose client or session goes at a bad moment: each ends once, and nothing of it is left.
#include "faulty_peers.hpp"
#include "stream_reader.hpp"

using namespace sallyport::testing;

namespace {

constexpr std::size_t kMiB = 1024 * 1024;
constexpr auto npos = std::string::npos;

std::string call_of(const GatewayFixture& gateway, const std::string& session, const std::string& tool,
                    const std::string& version = "2025-11-25") {
  return GatewayFixture::request("POST", "/mcp",
                                 gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + session +
                                     "\r\nMCP-Protocol-Version: " + version + "\r\n",
                                 Json{{"jsonrpc", "2.0"},
                                      {"id", 7},
                                      {"method", "tools/call"},
                                      {"params", {{"name", "up__" + tool}, {"arguments", Json::object()}}}}
                                     .dump());
}

int end_session(const GatewayFixture& gateway, const std::string& session) {
  return gateway
      .raw(GatewayFixture::request("DELETE", "/mcp", gateway.bearer() + "Mcp-Session-Id: " + session + "\r\n",
                                   ""))
      .status;
}

/// An answer that no buffer between us and a client holds.
std::string large_answer(const std::string&, const Json& message) {
  static const std::string text(24 * kMiB, 'x');
  const std::string body = R"({"jsonrpc":"2.0","id":)" + message["id"].dump() +
                           R"(,"result":{"resultType":"complete","content":[{"type":"text","text":")" + text +
                           R"("}]}})";
  return FakeMcp::http(200, "application/json", body);
}

}  // namespace

TEST_CASE(
    "F07 a 2025 client that goes while a large answer is written to it is forgotten with its call, and the "
    "server can stop") {
  // A reply as a whole, and as an event of a stream.
  for (const std::string version : {"2025-06-18", "2025-11-25"}) {
    for (const std::string how : {"half-closes and reads on", "half-closes and stops reading", "closes",
                                  "resets", "half-closes and stays through the stop"}) {
      CAPTURE(version);
      CAPTURE(how);
      FakeMcp upstream;
      upstream.on_call(large_answer);
      sallyport::cli::Settings settings;
      settings.stop_grace = 300ms;
      GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy, settings);
      REQUIRE(
          UpstreamBench::until([&] { return gateway.modern("tools/list").body.find("up__echo") != npos; }));
      const std::string session = gateway.initialize(version);
      RawSocket socket = gateway.connect();
      socket.send(call_of(gateway, session, "echo", version));
      CHECK(socket.until("\r\n\r\n").find("200 OK") != std::string::npos);
      // On a busy machine its making alone takes long.
      for (int i = 0; i < 2; ++i) CHECK(socket.more(60s));
      CHECK(socket.exactly(kMiB).size() == kMiB);
      if (how == "closes") {
        socket.close();
      } else if (how == "resets") {
        socket.reset();
      } else {
        socket.shutdown_send();
      }
      // That it goes is seen, although it may still want the rest.
      std::this_thread::sleep_for(300ms);
      if (how == "half-closes and reads on") {
        CHECK(socket.rest().size() > kMiB);
      } else if (how == "half-closes and stops reading") {
        socket.close();
      }
      if (how != "half-closes and stays through the stop") {
        CHECK(metric_becomes(gateway, "sallyport_requests_in_flight", 0));
        CHECK(metric_becomes(gateway, "sallyport_streams", 0));
        CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
      }
      const auto begin = std::chrono::steady_clock::now();
      CHECK(gateway.server->stop().has_value());
      CHECK(std::chrono::steady_clock::now() - begin < 5s);
      CHECK(gateway.count("intent") == 1);
      CHECK(gateway.count("outcome") == 1);
      CHECK(gateway.count("outcome", {{"status", "ok"}}) == 1);
    }
  }
}

TEST_CASE("calls of one session that share an id are all ended with it, each with one outcome") {
  constexpr std::size_t kCalls = 6;
  for (const bool deleted : {true, false}) {
    CAPTURE(deleted);
    HttpPeer peer(ScriptedMcp::Era::legacy);
    GatewayFixture gateway(peer.document());
    const std::string session = gateway.initialize(), another = gateway.initialize();
    std::vector<RawSocket> sockets;
    for (std::size_t i = 0; i <= kCalls; ++i) {
      sockets.push_back(gateway.connect());
      sockets.back().send(call_of(gateway, i < kCalls ? session : another, "never"));
    }
    REQUIRE(UpstreamBench::until([&] { return peer.calls("never") == kCalls + 1; }));
    if (deleted) {
      CHECK(end_session(gateway, session) == 204);
    } else {
      gateway.post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}})",
                   "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: 2025-11-25\r\n");
    }
    CHECK(UpstreamBench::until([&] { return peer.cancellations() == kCalls; }));
    CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}, kCalls));
    // The same id in another session is another call.
    CHECK(metric_becomes(gateway, "sallyport_upstream_in_flight{server=\"up\"}", 1));
    CHECK(end_session(gateway, another) == 204);
    CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}, kCalls + 1));
    std::set<std::string> ended;
    for (const Json& record : gateway.journal()) {
      if (record["type"] == "outcome") CHECK(ended.insert(record["call"]).second);
    }
    CHECK(gateway.count("intent", {{"method", "tools/call"}}) == kCalls + 1);
    CHECK(ended.size() == kCalls + 1);
    CHECK(peer.cancellations() == kCalls + 1);
    for (const char* gauge : {"sallyport_requests_in_flight", "sallyport_streams"})
      CHECK(metric_becomes(gateway, gauge, 0));
  }
}

TEST_CASE("a call that shares its id with one that has ended can still be cancelled") {
  HttpPeer peer(ScriptedMcp::Era::legacy);
  GatewayFixture gateway(peer.document());
  const std::string session = gateway.initialize();
  RawSocket first = gateway.connect(), second = gateway.connect();
  first.send(call_of(gateway, session, "never"));
  REQUIRE(UpstreamBench::until([&] { return peer.calls("never") == 1; }));
  second.send(call_of(gateway, session, "echo"));
  CHECK(second.answer().status == 200);
  gateway.post(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}})",
               "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: 2025-11-25\r\n");
  CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}, 1));
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}, 1));
}
