// F07: clients that close, or close only the half that they send on, while their call runs. The end of what a
// client sends looks the same in both cases.
#include "upstream_bench.hpp"

using namespace sallyport::testing;

namespace {

/// A gateway in front of a child process, and what that wrote down.
struct Bed : Ledger {
  Bed()
      : gateway("---\nkind: Server\nname: up\ntransport: {type: stdio, command: \"" STDIO_PEER
                "\", args: [modern, \"" +
                path() + "\"]}\n" + kDefaultPolicy) {
    REQUIRE(gateway.modern("tools/call", {{"name", "up__echo"}, {"arguments", Json::object()}}).status ==
            200);
  }

  std::string modern(const std::string& tool, const Json& arguments) const {
    return GatewayFixture::request(
        "POST", "/mcp",
        gateway.bearer() + GatewayFixture::media() +
            GatewayFixture::modern_headers("tools/call", "up__" + tool),
        GatewayFixture::modern_body("tools/call", {{"name", "up__" + tool}, {"arguments", arguments}}));
  }
  std::string legacy(const std::string& version, const std::string& tool, const Json& arguments) const {
    return GatewayFixture::request("POST", "/mcp",
                                   gateway.bearer() + GatewayFixture::media() +
                                       "Mcp-Session-Id: " + gateway.initialize(version) +
                                       "\r\nMCP-Protocol-Version: " + version + "\r\n",
                                   Json{{"jsonrpc", "2.0"},
                                        {"id", 7},
                                        {"method", "tools/call"},
                                        {"params", {{"name", "up__" + tool}, {"arguments", arguments}}}}
                                       .dump());
  }

  /// What a client hears that calls a tool and closes its half. The tool ends soon, or
  /// long after the gateway has begun the client's stream.
  RawSocket::Answer half_closed(const std::string& request, const std::string& until, bool slow) {
    RawSocket socket = gateway.connect();
    socket.send(request);
    socket.shutdown_send();
    std::this_thread::sleep_for(slow ? 300ms : 20ms);
    std::ofstream(until) << "";
    auto answer = socket.answer();
    CHECK(socket.rest().empty());
    return answer;
  }

  GatewayFixture gateway;
};

}  // namespace

TEST_CASE("F07 a 2025 client that closes its half gets its answer, be the tool quick or slow") {
  Bed bed;
  std::size_t calls = 0;
  for (const std::string version : {"2025-03-26", "2025-06-18", "2025-11-25"}) {
    for (const bool slow : {false, true}) {
      CAPTURE(version);
      CAPTURE(slow);
      const std::string until = bed.file("until" + std::to_string(++calls));
      const auto answer = bed.half_closed(bed.legacy(version, "wait", {{"file", until}}), until, slow);
      CHECK(answer.status == 200);
      CHECK(answer.body.find("released") != std::string::npos);
      CHECK(bed.noted("call wait", calls));
    }
  }
  CHECK(bed.gateway.recorded("outcome", {{"status", "ok"}}, calls + 1));
  CHECK(bed.count("cancelled") == 0);
}

TEST_CASE("F07 a 2026 client that closes its half has left, be the tool quick or slow") {
  Bed bed;
  std::size_t calls = 0;
  for (const bool slow : {false, true, false, true}) {
    CAPTURE(slow);
    const std::string until = bed.file("until" + std::to_string(++calls));
    const auto answer = bed.half_closed(bed.modern("wait", {{"file", until}}), until, slow);
    CAPTURE(answer.body);
    CHECK(answer.body.find("\"code\":1007") != std::string::npos);
    CHECK(answer.body.find("released") == std::string::npos);
    CHECK(bed.gateway.recorded("outcome", {{"status", "cancelled"}}, calls));
  }
}

TEST_CASE("F07 a 2026 client that leaves has cancelled, whatever it sent after its call") {
  Bed bed;
  std::size_t calls = 0;
  for (const std::string& late : {std::string("\r\n"), bed.modern("echo", Json::object())}) {
    CAPTURE(late.substr(0, 20));
    RawSocket socket = bed.gateway.connect();
    socket.send(bed.modern("never", Json::object()));
    REQUIRE(bed.noted("call never", ++calls));
    std::this_thread::sleep_for(150ms);
    socket.send(late);
    std::this_thread::sleep_for(50ms);
    CHECK(bed.count("cancelled") == calls - 1);
    socket.close();
    CHECK(bed.noted("cancelled ", calls));
  }
  // With the request that came after the second.
  CHECK(bed.gateway.recorded("outcome", {{"status", "cancelled"}}, calls + 1));
  CHECK(bed.count("call echo") == 1);
}
