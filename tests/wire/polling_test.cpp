// Upstreams that have their clients poll: they break off the stream of a call, and answer who comes back
// (2025-11-25, transports: Sending Messages to the Server, 6; SEP-1699).
#include <future>

#include "scripted_mcp.hpp"
#include "stream_reader.hpp"

using namespace sallyport::testing;

namespace {

/// A server of 2025 whose tool breaks off its stream, and answers on the next one once it may.
class PollingServer {
 public:
  PollingServer() {
    mcp.on("tools/list", [](RawSocket& socket, const Heard& heard) {
      return ScriptedMcp::reply(
          socket, 200,
          ScriptedMcp::result(
              heard.message,
              {{"tools", Json::array({{{"name", "slow"}, {"inputSchema", {{"type", "object"}}}}})}}));
    });
    mcp.on("tools/call", [this](RawSocket& socket, const Heard& heard) {
      call_ = heard.message;
      ScriptedMcp::open_stream(socket, "id: e-1\nretry: 1\ndata:\n\n");
      return false;
    });
    mcp.on("GET", [this](RawSocket& socket, const Heard&) {
      allowed_.wait();
      ScriptedMcp::open_stream(socket, ScriptedMcp::event(ScriptedMcp::text_result(call_, "at last"), "e-2"));
      return false;
    });
  }
  ~PollingServer() { answer(); }
  std::string document() const {
    return server_document("up", "http://127.0.0.1:" + std::to_string(mcp.origin().url.port) + "/mcp");
  }
  void answer() {
    if (!std::exchange(answered_, true)) allow_.set_value();
  }

 private:
  Json call_;
  std::promise<void> allow_;
  std::shared_future<void> allowed_ = allow_.get_future().share();
  bool answered_ = false;

 public:
  ScriptedMcp mcp{ScriptedMcp::Era::legacy};  // goes first: its threads use the others
};

const char* const kCall =
    R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"up__slow","arguments":{}}})";

}  // namespace

TEST_CASE("an upstream's client that has to poll has our client poll, and nothing is run twice") {
  PollingServer upstream;
  GatewayFixture gateway(upstream.document() + kDefaultPolicy);
  const std::string session = gateway.initialize();
  StreamReader first(gateway.connect(), GatewayFixture::request("POST", "/mcp",
                                                                gateway.bearer() + GatewayFixture::media() +
                                                                    "Mcp-Session-Id: " + session + "\r\n",
                                                                kCall));
  // Nobody may send another request on a connection that is about to end.
  CHECK(first.head.header("Connection") == "close");
  const auto priming = first.next();
  REQUIRE(priming.has_value());
  CHECK(priming->data.empty());
  CHECK(first.ended());
  CHECK(first.socket().at_end());
  StreamReader back = get_stream(gateway, session, "Last-Event-ID: " + priming->id + "\r\n");
  REQUIRE(back.head.status == 200);
  upstream.answer();
  const Json answer = back.message();
  CHECK(answer["id"] == 5);
  CHECK(answer["result"]["content"][0]["text"] == "at last");
  CHECK(back.ended());
  CHECK(upstream.mcp.count("tools/call") == 1);
  CHECK(gateway.recorded("intent", {{"method", "tools/call"}}));
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
  CHECK(metric_becomes(gateway, "sallyport_streams", 0));
}

TEST_CASE("a client that does not know how to poll waits on the connection that it has") {
  PollingServer upstream;
  GatewayFixture gateway(upstream.document() + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-06-18");
  RawSocket socket = gateway.connect();
  socket.send(GatewayFixture::request(
      "POST", "/mcp", gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + session + "\r\n",
      kCall));
  upstream.mcp.await("GET");
  upstream.answer();
  CHECK(socket.answer().body.find("at last") != std::string::npos);
}

TEST_CASE("a question that waits for its client survives that its upstream has us poll") {
  PollingServer upstream;
  upstream.mcp.on("tools/call", [](RawSocket& socket, const Heard&) {
    const Json asked = {{"jsonrpc", "2.0"},
                        {"id", 1},
                        {"method", "elicitation/create"},
                        {"params", {{"message", "?"}, {"requestedSchema", {{"type", "object"}}}}}};
    ScriptedMcp::open_stream(socket, "id: e-0\nretry: 300\ndata:\n\n" + ScriptedMcp::event(asked, "e-1"));
    return false;
  });
  upstream.mcp.on("GET", [](RawSocket&, const Heard&) { return false; });
  GatewayFixture gateway(upstream.document() + kDefaultPolicy);
  const Json params = {{"name", "up__slow"}, {"arguments", Json::object()}};
  const Json meta = {{"io.modelcontextprotocol/clientCapabilities", {{"elicitation", Json::object()}}}};
  const Response asked = gateway.post(GatewayFixture::modern_body("tools/call", params, 7, meta),
                                      GatewayFixture::modern_headers("tools/call", "up__slow"));
  CAPTURE(asked.head);
  CAPTURE(asked.body);
  REQUIRE(asked.body.find("input_required") != std::string::npos);
  upstream.mcp.await("GET");
  CHECK(gateway.modern("tools/list").status == 200);
}

TEST_CASE("a stream that nothing can break off leaves its connection to the next request") {
  FakeMcp upstream;
  upstream.on_socket([](RawSocket& socket, const Json& message) {
    if (message.value("method", "") != "tools/call") return false;
    socket.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    socket.send(
        "data: " + FakeMcp::result(message, {{"resultType", "complete"}, {"content", Json::array()}}).dump() +
        "\n\n");
    return true;
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const std::string request = GatewayFixture::request(
      "POST", "/mcp",
      gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + gateway.initialize() + "\r\n",
      R"({"jsonrpc":"2.0","id":5,"method":"tools/call","params":{"name":"up__echo","arguments":{}}})");
  RawSocket socket = gateway.connect();
  for (int i = 0; i < 2; ++i) {
    socket.send(request);
    const auto answer = socket.answer();
    CHECK(answer.has("text/event-stream"));
    CHECK_FALSE(answer.has("Connection: close"));
    CHECK(answer.body.find("\"id\":5") != std::string::npos);
  }
}
