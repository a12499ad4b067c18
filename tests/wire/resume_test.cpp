// Streams that were lost and are come back for (2025-11-25, transports: Resumability and Redelivery).
#include <future>

#include "stream_reader.hpp"

using namespace sallyport::testing;

namespace {

/// An upstream call that waits until the test lets it go on.
class SlowCall {
 public:
  explicit SlowCall(FakeMcp& upstream) {
    upstream.on_socket([state = state_](RawSocket& socket, const Json& message) {
      if (message.value("method", "") != "tools/call") return false;
      socket.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
      const std::string token = message["params"]["_meta"].value("progressToken", Json()).dump();
      state->arrived.set_value();
      for (;;) {
        const std::string next = state->wait();
        if (next == "answer") break;
        socket.send(
            "data: "
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":" +
            token + ",\"progress\":" + next + "}}\n\n");
      }
      socket.send(
          "data: " +
          FakeMcp::result(message, {{"resultType", "complete"},
                                    {"content", Json::array({{{"type", "text"}, {"text", "at last"}}})}})
              .dump() +
          "\n\n");
      return true;
    });
  }
  ~SlowCall() { state_->say("answer"); }
  void wait_until_made() {
    REQUIRE(arrived_.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
  }
  void progress(int n) { state_->say(std::to_string(n)); }
  void answer() { state_->say("answer"); }

 private:
  struct State {
    std::promise<void> arrived;
    std::mutex mutex;
    std::condition_variable changed;
    std::vector<std::string> words;
    void say(std::string word) {
      const std::lock_guard lock(mutex);
      words.push_back(std::move(word));
      changed.notify_all();
    }
    std::string wait() {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return !words.empty(); });
      std::string word = words.front();
      words.erase(words.begin());
      return word;
    }
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
  std::future<void> arrived_ = state_->arrived.get_future();
};

StreamReader call(const GatewayFixture& gateway, const std::string& session, const Json& id = 5) {
  const Json body = {
      {"jsonrpc", "2.0"},
      {"id", id},
      {"method", "tools/call"},
      {"params", {{"name", "up__echo"}, {"arguments", Json::object()}, {"_meta", {{"progressToken", "p"}}}}}};
  return StreamReader(
      gateway.connect(),
      GatewayFixture::request("POST", "/mcp",
                              gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + session +
                                  "\r\nMCP-Protocol-Version: 2025-11-25\r\n",
                              body.dump()));
}

std::string after(const std::string& id) { return "Last-Event-ID: " + id + "\r\n"; }

}  // namespace

TEST_CASE("a slow call becomes a stream by itself, and its answer waits for a client that lost it") {
  FakeMcp upstream;
  SlowCall slow(upstream);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  std::string id;
  {
    StreamReader lost = call(gateway, session);
    REQUIRE(lost.head.status == 200);
    const auto priming = lost.next();
    REQUIRE(priming.has_value());
    CHECK(priming->data.empty());
    CHECK(priming->retry == 1000);
    id = priming->id;
  }
  // The client has gone; nobody has cancelled.
  SUBCASE("it comes back when all is over") {
    slow.answer();
    CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
    CHECK(gateway.count("outcome", {{"status", "cancelled"}}) == 0);
    for (int i = 0; i < 2; ++i) {
      StreamReader back = get_stream(gateway, session, after(id));
      REQUIRE(back.head.status == 200);
      const auto answer = back.next();
      REQUIRE(answer.has_value());
      CHECK(answer->json()["id"] == 5);
      CHECK(answer->json()["result"]["content"][0]["text"] == "at last");
      CHECK(back.ended());
      // From the answer on there is nothing more.
      StreamReader end = get_stream(gateway, session, after(answer->id));
      CHECK(end.head.status == 200);
      CHECK(end.ended());
    }
  }
  SUBCASE("it comes back while the call runs") {
    slow.progress(1);
    StreamReader back = get_stream(gateway, session, after(id));
    REQUIRE(back.head.status == 200);
    const auto first = back.next();
    REQUIRE(first.has_value());
    CHECK(first->json()["params"] == Json{{"progressToken", "p"}, {"progress", 1}});
    slow.progress(2);
    CHECK(back.message()["params"]["progress"] == 2);
    // A second loss: only what it has not seen is sent again.
    back.socket().close();
    StreamReader again = get_stream(gateway, session, after(first->id));
    CHECK(again.message()["params"]["progress"] == 2);
    slow.answer();
    CHECK(again.message()["result"]["content"][0]["text"] == "at last");
    CHECK(again.ended());
  }
  CHECK(metric_becomes(gateway, "sallyport_streams", 0));
  CHECK(gateway.recorded("intent", {{"method", "tools/call"}}, 1));
}

TEST_CASE(
    "a call that was answered at once is no stream, and an older client gets no event that it does not "
    "know") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  CHECK(call(gateway, gateway.initialize()).head.header("Content-Type") == "application/json");
  SlowCall slow(upstream);
  const std::string old = gateway.initialize("2025-06-18");
  RawSocket socket = gateway.connect();
  socket.send(GatewayFixture::request(
      "POST", "/mcp", gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + old + "\r\n",
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","arguments":{}}})"));
  slow.wait_until_made();
  slow.answer();
  CHECK(socket.answer().body.find("at last") != std::string::npos);
}

TEST_CASE("a session's stream tells a client that comes back what it missed") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  std::string id;
  {
    StreamReader stream = get_stream(gateway, session);
    id = stream.next().value().id;
  }
  CHECK(metric_becomes(gateway, "sallyport_streams", 0));
  upstream.set_tools(Json::array());
  REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
  SUBCASE("by the event it saw last") {
    StreamReader back = get_stream(gateway, session, after(id));
    CHECK(back.message()["method"] == "notifications/tools/list_changed");
  }
  SUBCASE("or from the beginning") {
    StreamReader back = get_stream(gateway, session);
    CHECK(back.message()["method"] == "notifications/tools/list_changed");
  }
}

TEST_CASE("N26: an event id is worth nothing in another session, and nothing after a restart") {
  FakeMcp upstream;
  SlowCall slow(upstream);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize(), another = gateway.initialize();
  std::string id;
  {
    StreamReader lost = call(gateway, session);
    id = lost.next().value().id;
  }
  slow.answer();
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
  CHECK(get_stream(gateway, another, after(id)).head.status == 404);
  CHECK(gateway.recorded("refusal", {{"reason", "session_mismatch"}}));
  for (const char* made_up :
       {"0.AAAAAAAAAAA.0", "1.AAAAAAAAAAA.5", "9.AAAAAAAAAAA.0", "-1.x.0", "0..0", "0.x", "", "x"}) {
    CAPTURE(made_up);
    CHECK(get_stream(gateway, session, after(made_up)).head.status == (*made_up == 0 ? 200 : 404));
  }
  CHECK(get_stream(gateway, session, after(id + "0")).head.status == 404);
  CHECK(get_stream(gateway, session, after(id)).head.status == 200);
  gateway.server.reset();
  gateway.start();
  CHECK(get_stream(gateway, session, after(id)).head.status == 404);
  CHECK(get_stream(gateway, session).head.status == 200);
}

TEST_CASE("a deleted session's calls end, and nothing of them is kept") {
  FakeMcp upstream;
  SlowCall slow(upstream);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize();
  StreamReader stream = call(gateway, session);
  REQUIRE(stream.next().has_value());
  CHECK(gateway
            .raw(GatewayFixture::request("DELETE", "/mcp",
                                         gateway.bearer() + "Mcp-Session-Id: " + session + "\r\n", ""))
            .status == 204);
  CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}));
  while (stream.next()) {
  }
  CHECK(metric_becomes(gateway, "sallyport_streams", 0));
}

TEST_CASE("a server that stops does not wait for calls whose clients have gone") {
  FakeMcp upstream;
  SlowCall slow(upstream);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  {
    StreamReader lost = call(gateway, gateway.initialize());
    REQUIRE(lost.next().has_value());
  }
  const auto begin = std::chrono::steady_clock::now();
  gateway.server.reset();
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("a call under way ends as it began, whatever is configured meanwhile") {
  struct Row {
    const char* why;
    const char* documents;
  };
  for (const Row& row :
       {Row{"nothing that concerns it", "---\nkind: Team\nname: t\nmembers: []\n"},
        Row{"its right is taken away",
            "---\nkind: Policy\nname: none\nsubjects: [\"*\"]\nrules: [{effect: deny, tools: [\"*/*\"]}]\n"},
        Row{"its server is another one", nullptr}}) {
    CAPTURE(row.why);
    FakeMcp upstream, other;
    SlowCall slow(upstream);
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    StreamReader stream = call(gateway, gateway.initialize());
    slow.wait_until_made();
    REQUIRE(gateway.apply(row.documents ? row.documents : server_document("up", other.url())));
    slow.progress(1);
    CHECK(stream.message()["params"]["progress"] == 1);
    slow.answer();
    CHECK(stream.message()["result"]["content"][0]["text"] == "at last");
    CHECK(stream.ended());
    CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
    CHECK(other.call_count() == 0);
  }
}

TEST_CASE("a large answer that is asked for many times at once is sent so often and no more") {
  FakeMcp upstream;
  static const std::string text(20U << 20U, 'x');
  upstream.on_call([](const std::string&, const Json& message) {
    return FakeMcp::http(200, "application/json",
                         R"({"jsonrpc":"2.0","id":)" + message["id"].dump() +
                             R"(,"result":{"resultType":"complete","content":[{"type":"text","text":")" +
                             text + R"("}]}})");
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  std::string id;
  {
    // One that would rather have a stream.
    StreamReader lost(gateway.connect(),
                      GatewayFixture::request(
                          "POST", "/mcp",
                          gateway.bearer() +
                              "Content-Type: application/json\r\nAccept: text/event-stream, "
                              "application/json\r\nMcp-Session-Id: " +
                              session + "\r\n",
                          R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo"}})"));
    id = lost.next().value().id;
  }
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
  std::vector<RawSocket> readers;
  for (int i = 0; i < 3; ++i) {
    readers.push_back(gateway.connect());
    readers.back().send(GatewayFixture::request(
        "GET", "/mcp", gateway.bearer() + kTakesEvents + "Mcp-Session-Id: " + session + "\r\n" + after(id),
        ""));
    REQUIRE(readers.back().more(std::chrono::seconds(60)));
    CHECK(readers.back().until("\r\n") == "HTTP/1.1 200 OK\r\n");
  }
  StreamReader refused = get_stream(gateway, session, after(id));
  CHECK(refused.head.status == 429);
  CHECK(refused.head.header("Retry-After") == "1");
  // What else the session does is not concerned.
  CHECK(get_stream(gateway, session).head.status == 200);
  readers.clear();
  CHECK(metric_becomes(gateway, "sallyport_streams", 0));
  for (int i = 0;; ++i) {
    const int status = get_stream(gateway, session, after(id)).head.status;
    if (status == 200 || i == 500) {
      CHECK(status == 200);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}
