// F05 and what follows from it: upstreams that hang, drip or say nothing cost a deadline and no more, and the
// breaker spares the calls after them.
#include "faulty_peers.hpp"
#include "harmed_calls.hpp"
#include "sallyport/net/held_bytes.hpp"

using namespace sallyport::testing;
namespace limits = sallyport::limits;
using sallyport::net::HeldBytes;

namespace {

using Kind = Harm::Kind;
using Way = Harm::Way;

constexpr auto kTimeout = 400ms;

Response echo(const GatewayFixture& gateway) {
  return gateway.modern("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "hello"}}}});
}
std::string reason(const Response& answer) {
  const Json body = answer.json();
  return body.is_object() && body.contains("error") ? body["error"]["data"].value("reason", "") : "";
}
/// What `sallyport get servers` is told of the server.
Json state_of(const GatewayFixture& gateway) {
  const auto listed = gateway.admin("server.list", Json::object());
  REQUIRE(listed.has_value());
  return (*listed)["servers"][0]["state"];
}
/// Calls until the breaker refuses; how many failed before.
int fail_until_open(const GatewayFixture& gateway) {
  for (int failed = 0; failed < 20; ++failed) {
    if (reason(echo(gateway)) == "circuit_open") return failed;
  }
  return -1;
}

/// An upstream behind a proxy, reached at least once.
struct Bed {
  explicit Bed(Era era, const std::string& more = "timeout: 400ms\n")
      : peer(era), proxy(peer.port()), gateway(peer.document(proxy, more)) {
    REQUIRE(UpstreamBench::until([&] { return gateway.still_works(); }));
  }
  void silence() {
    proxy.silent(true);
    proxy.sever();
  }
  HarmedPeer peer;
  ChaosProxy proxy;
  GatewayFixture gateway;
};

}  // namespace

TEST_CASE(
    "F05 an upstream that says nothing, half of something, or drips: one error at the deadline, and all "
    "that the call held is given back") {
  const Harm rows[] = {
      {.kind = Kind::hang, .at = 0},
      {.kind = Kind::hang, .at = 20},
      {.kind = Kind::hang, .at = 120},
      {.kind = Kind::drip, .at = 0},
      {.kind = Kind::drip, .at = 100},
      {.kind = Kind::hang, .way = Way::to_server, .at = 0},
      {.kind = Kind::hang, .way = Way::to_server, .at = 200},
  };
  for (const Era era : {Era::modern, Era::legacy}) {
    Bed bed(era);
    std::vector<std::string> wanted;
    bool stream = false;
    for (Harm harm : rows) {
      for (const bool modern : {true, false}) {
        CAPTURE(harm.text());
        CAPTURE(modern);
        bed.peer.form = stream ? Form::stream : Form::json;
        stream = modern != stream;  // json, stream; stream, json; and so on
        harm.marker = "\"name\":\"harm\"";
        bed.proxy.arm(harm);
        const int executed = bed.peer.executed;
        const Told got = HarmedClient(bed.gateway, modern).call();
        CAPTURE(got.answer.dump());
        CHECK(got.clean());
        CHECK(got.reason() == "upstream_timeout");
        CHECK(got.took >= kTimeout - 20ms);
        CHECK(got.took < kTimeout + 1500ms);
        CHECK_FALSE(got.retry());
        CHECK(bed.peer.executed - executed == (harm.way == Way::to_client ? 1 : 0));
        wanted.emplace_back("timeout");
        CHECK(bed.gateway.still_works());
      }
    }
    CHECK(UpstreamBench::until([&] { return ends_of(bed.gateway, "up/harm") == wanted; }));
    check_baseline(bed.gateway);
    // The connections of those calls were given up; what is kept is at rest.
    int kept = 0;
    const bool none_left = UpstreamBench::until([&] {
      for (int i = 0; i < 4; ++i) CHECK(bed.gateway.still_works());
      kept = metric(bed.gateway, "sallyport_upstream_connections_idle") +
             metric(bed.gateway, "sallyport_upstream_connections_busy");
      return bed.proxy.open() == kept;
    });
    CAPTURE(kept);
    CAPTURE(bed.proxy.open());
    CHECK(none_left);
    CHECK(bed.proxy.open() < static_cast<int>(wanted.size()));
  }
}

TEST_CASE(
    "F05 a server that accepts and says nothing costs the first calls their deadline, the others nothing; "
    "when it speaks again it is called again") {
  for (const Era era : {Era::modern, Era::legacy}) {
    CAPTURE(static_cast<int>(era));
    Bed bed(era, "timeout: 200ms\n");
    bed.silence();
    CHECK(fail_until_open(bed.gateway) == limits::kBreakerFailures);

    const int accepted = bed.proxy.accepted();
    const auto begin = std::chrono::steady_clock::now();
    const Response held = echo(bed.gateway);
    CHECK(std::chrono::steady_clock::now() - begin < 150ms);
    CHECK(held.status == 503);
    CHECK(std::stoi(held.header("Retry-After")) >= 1);
    CHECK(held.code() == 1002);
    CHECK(reason(held) == "circuit_open");
    CHECK(held.json()["error"]["data"]["retry"] == true);
    CHECK(held.json()["error"]["data"]["retryAfter"] >= 1);
    CHECK(held.body.find("127.0.0.1") == std::string::npos);
    const Told legacy = HarmedClient(bed.gateway, false).call();
    CHECK(legacy.reason() == "circuit_open");
    CHECK(legacy.clean());
    CHECK(bed.proxy.accepted() <= accepted + 1);  // the catalogue may have been looked at

    CHECK(bed.gateway.recorded("outcome", {{"status", "error"}, {"code", "circuit_open"}}, 3));
    CHECK(state_of(bed.gateway)["state"] == "down");
    CHECK(state_of(bed.gateway)["breaker"] == "open");
    const std::string problem = state_of(bed.gateway)["problem"];
    CAPTURE(problem);
    CHECK(problem.find("5 calls in a row have failed") != std::string::npos);
    CHECK(metric_becomes(bed.gateway, "sallyport_upstream_breaker_open{server=\"up\"}", 1));
    CHECK(metric_becomes(bed.gateway, "sallyport_upstream_held_back_total{server=\"up\"}", 3));

    bed.proxy.silent(false);
    CHECK(UpstreamBench::until([&] { return bed.gateway.still_works(); }));
    CHECK(metric_becomes(bed.gateway, "sallyport_upstream_breaker_open{server=\"up\"}", 0));
    CHECK(metric_becomes(bed.gateway, "sallyport_upstream_breaker_opened_total{server=\"up\"}", 1));
    CHECK(state_of(bed.gateway)["breaker"] == "closed");
    CHECK(state_of(bed.gateway)["problem"] == "");
    for (int i = 0; i < 10; ++i) CHECK(bed.gateway.still_works());
    check_baseline(bed.gateway);
  }
}

TEST_CASE("of many callers that come back after the pause one finds out for all") {
  Bed bed(Era::modern, "timeout: 300ms\n");
  bed.silence();
  REQUIRE(fail_until_open(bed.gateway) == limits::kBreakerFailures);
  const int accepted = bed.proxy.accepted();
  std::this_thread::sleep_for(limits::kBreakerPause + 50ms);
  std::atomic<int> held{0}, timed_out{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const std::string why = reason(echo(bed.gateway));
      held += why == "circuit_open" ? 1 : 0;
      timed_out += why == "upstream_timeout" ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  CHECK(timed_out == 1);
  CHECK(held == 7);
  CHECK(bed.proxy.accepted() <= accepted + 2);
}

TEST_CASE("a server that is there is never held back, whatever it answers; a proxy that misses it is") {
  struct Row {
    const char* answer;
    bool opens = false;
  };
  const Row rows[] = {
      {"HTTP/1.1 500 X\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\noops"},
      {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{no}"},
      {"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>"},
      {"HTTP/1.1 401 X\r\nContent-Length: 0\r\n\r\n"},
      {"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n"},
      {"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n"
       R"({"jsonrpc":"2.0","id":-5,"result":1})"},
      {"HTTP/1.1 503 X\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>", true},
      {"HTTP/1.1 200 OK\r\nContent-Length: 44\r\n\r\n", true},
  };
  for (const Row& row : rows) {
    CAPTURE(row.answer);
    Bed bed(Era::modern);
    bed.peer.mcp.on("tools/call", [&](RawSocket& socket, const Heard&) {
      return socket.send(row.answer) && std::string_view(row.answer).find(" 44") == std::string_view::npos;
    });
    const int failed = fail_until_open(bed.gateway);
    CHECK(failed == (row.opens ? limits::kBreakerFailures : -1));
  }
}

TEST_CASE("a call that ran and whose answer finds no room is never offered for a repeat") {
  Bed bed(Era::modern);
  bed.peer.mcp.on("tools/call", [](RawSocket& socket, const Heard& heard) {
    const std::string result = ScriptedMcp::text_result(heard.message, std::string(20'000, 'x')).dump();
    return socket.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                       std::to_string(result.size()) + "\r\n\r\n" + result);
  });
  HeldBytes others;
  REQUIRE(others.set(HeldBytes::budget()));
  const Response told = echo(bed.gateway);
  others.release();
  CHECK(told.status == 200);
  CHECK(told.code() == 1005);
  CHECK(reason(told) == "limited");
  CHECK(told.header("Retry-After").empty());
  CHECK_FALSE(told.json()["error"]["data"].contains("retry"));
  CHECK(echo(bed.gateway).json().contains("result"));
}

TEST_CASE("F08 a large answer is counted until its reader has taken it, once, however it goes out") {
  constexpr std::size_t kLarge = 9 * limits::MiB;
  Bed bed(Era::modern, "timeout: 10s\n");
  bed.peer.mcp.on("tools/call", [](RawSocket& socket, const Heard& heard) {
    const std::string result = ScriptedMcp::text_result(heard.message, std::string(kLarge, 'x')).dump();
    return socket.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
                       std::to_string(result.size()) + "\r\n\r\n" + result);
  });
  const std::string session = bed.gateway.initialize();
  const Json params{{"name", "up__echo"}, {"arguments", {{"text", "hello"}}}};
  const std::string modern = GatewayFixture::modern_headers("tools/call", "up__echo") + bed.gateway.bearer() +
                             "Content-Type: application/json\r\n";
  struct Row {
    const char* what;
    std::string headers;
    bool modern;
  };
  for (const Row& row : {
           Row{"as JSON", modern + "Accept: application/json, text/event-stream\r\n", true},
           Row{"as an event", modern + "Accept: text/event-stream\r\n", true},
           Row{"as an event of a session",
               bed.gateway.bearer() + "Content-Type: application/json\r\nMcp-Session-Id: " + session +
                   "\r\nMCP-Protocol-Version: 2025-11-25\r\nAccept: text/event-stream\r\n",
               false},
       }) {
    CAPTURE(row.what);
    REQUIRE(UpstreamBench::until([] { return HeldBytes::total() == 0; }));
    // Too little for streams, enough for the call.
    HeldBytes others;
    REQUIRE(others.set(HeldBytes::budget() - 64 * limits::MiB));
    RawSocket socket = bed.gateway.connect();
    const std::string body =
        row.modern ? GatewayFixture::modern_body("tools/call", params)
                   : Json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", "tools/call"}, {"params", params}}.dump();
    socket.send(GatewayFixture::request("POST", "/mcp", row.headers, body));
    const auto held = [&] { return HeldBytes::total() - others.bytes(); };
    CHECK(UpstreamBench::until([&] { return held() > kLarge && held() < kLarge + limits::KiB; }));
    CHECK(socket.answer().body.size() > kLarge);
    CHECK(UpstreamBench::until([&] { return held() == 0; }));
  }
}

TEST_CASE("a child that never answers, and a connection of 2024, are held back like any other") {
  const std::unique_ptr<Peer> peers[] = {std::make_unique<ChildPeer>("modern"),
                                         std::make_unique<ChildPeer>("legacy"), std::make_unique<SsePeer>()};
  for (const auto& peer : peers) {
    GatewayFixture gateway(peer->document("timeout: 150ms\n"));
    REQUIRE(UpstreamBench::until([&] { return gateway.still_works(); }));
    const auto never = [&] {
      return reason(gateway.modern("tools/call", {{"name", "up__never"}, {"arguments", Json::object()}}));
    };
    for (int i = 0; i < limits::kBreakerFailures; ++i) CHECK(never() == "upstream_timeout");
    CHECK(never() == "circuit_open");
    CHECK(peer->calls("never") == static_cast<std::size_t>(limits::kBreakerFailures));
    CHECK(UpstreamBench::until([&] { return gateway.still_works(); }));
  }
}

TEST_CASE("a server that is started again within a moment is called as if nothing had been, once") {
  for (const Era era : {Era::modern, Era::legacy}) {
    Bed bed(era);
    for (int i = 0; i < 5; ++i) {
      const std::size_t calls = bed.peer.mcp.count("tools/call");
      bed.proxy.refuse(true);
      bed.proxy.sever();
      std::thread starts([&] {
        std::this_thread::sleep_for(30ms);
        bed.proxy.refuse(false);
      });
      CHECK(bed.gateway.still_works());
      starts.join();
      CHECK(bed.peer.mcp.count("tools/call") == calls + 1);
    }
  }
}

TEST_CASE(
    "a call that may have run is never sent again: a kept connection that breaks under it fails the call") {
  for (const Era era : {Era::modern, Era::legacy}) {
    for (const Kind kind : {Kind::cut, Kind::reset}) {
      Bed bed(era);
      const HarmedClient client(bed.gateway, true);
      for (const Harm& harm : {Harm{.kind = kind, .way = Way::to_server, .at = 0},
                               Harm{.kind = kind, .way = Way::to_client, .at = 0}}) {
        CAPTURE(harm.text());
        REQUIRE(bed.gateway.still_works());
        const int executed = bed.peer.executed;
        Harm marked = harm;
        marked.marker = "\"name\":\"harm\"";
        bed.proxy.arm(marked);
        const Told got = client.call();
        CHECK(got.reason() == "upstream_broken");
        CHECK_FALSE(got.retry());
        CHECK(bed.peer.executed - executed == (harm.way == Way::to_client ? 1 : 0));
      }
    }
  }
}
