// Questions of 2025 upstreams to clients of either era: the call waits for the answer, runs once, and ends
// with us.
#include <condition_variable>

#include "asking.hpp"

using namespace sallyport::testing;

TEST_CASE("a 2025 upstream that wants a URL opened first makes a 2026 client open it and call again") {
  FakeMcp upstream(FakeMcp::Era::legacy);
  std::atomic<int> calls{0};
  Json second;
  upstream.on_call([&](const std::string&, const Json& message) {
    second = message["params"];
    if (++calls == 1) {
      const Json elicitation = {{"mode", "url"},
                                {"elicitationId", "e-1"},
                                {"url", "https://id.example/consent"},
                                {"message", "Sign in"}};
      return FakeMcp::json({{"jsonrpc", "2.0"},
                            {"id", message["id"]},
                            {"error",
                             {{"code", -32042},
                              {"message", "URL elicitation required"},
                              {"data", {{"elicitations", Json::array({elicitation})}}}}}});
    }
    return FakeMcp::json(FakeMcp::result(message, text_result("signed in")));
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Json urls = {{"elicitation", {{"url", Json::object()}}}};
  const Json result = call(gateway, kCall, urls).json()["result"];
  CHECK(result["resultType"] == "input_required");
  const Json params = result["inputRequests"]["q1"]["params"];
  CHECK(params["url"] == "https://id.example/consent");
  CHECK_FALSE(params.contains("elicitationId"));
  Json again = kCall;
  again["inputResponses"] = {{"q1", {{"action", "accept"}}}};
  again["requestState"] = result["requestState"];
  CHECK(call(gateway, again, urls).json()["result"]["content"][0]["text"] == "signed in");
  // What we sealed is none of its business, and it knows no such answers.
  CHECK_FALSE(second.contains("requestState"));
  CHECK_FALSE(second.contains("inputResponses"));
  CHECK(second["arguments"] == kCall["arguments"]);
}

namespace {

/// A 2025 server that asks `questions` at once on the stream of each call and answers when all are answered.
class AskingLegacyServer {
 public:
  explicit AskingLegacyServer(int questions = 1, int rounds = 1)
      : questions_(questions), rounds_(rounds), server_([this](RawSocket& socket, int) { serve(socket); }) {}
  ~AskingLegacyServer() {
    const std::lock_guard lock(mutex_);
    over_ = true;
    heard_.notify_all();
  }

  std::string url() const { return server_.url(); }
  /// Takes the questions of this round back, and goes on once that was read.
  void take_back() {
    std::unique_lock lock(mutex_);
    takes_back_ = true;
    const auto read = ++pings_;
    heard_.notify_all();
    heard_.wait_for(lock, std::chrono::seconds(10), [&] { return pongs_ >= read; });
  }
  /// Goes on without an answer.
  void go_on() {
    const std::lock_guard lock(mutex_);
    leaves_ = true;
    heard_.notify_all();
  }
  std::atomic<int> calls{0};
  std::vector<Json> initializes() const {
    const std::lock_guard lock(mutex_);
    return initializes_;
  }
  bool cancelled() const {
    std::unique_lock lock(mutex_);
    return heard_.wait_for(lock, std::chrono::seconds(5), [&] { return cancelled_; });
  }
  /// The client's answers in the order of the questions.
  std::vector<Json> answers() const {
    const std::lock_guard lock(mutex_);
    std::vector<Json> out;
    for (const auto& [id, result] : answers_) out.push_back(result);
    return out;
  }

 private:
  void serve(RawSocket& socket) {
    for (;;) {
      const std::string request = sallyport::net::testing::read_request(socket);
      if (request.empty()) return;
      const Json message = Json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
      if (!message.is_object()) {
        socket.send(FakeMcp::http(405, "text/plain", ""));
      } else if (!message.contains("method")) {
        const std::lock_guard lock(mutex_);
        if (message["id"] == "ping") ++pongs_;
        if (message["id"] != "ping")
          answers_[message["id"]] = message.contains("result") ? message["result"] : message["error"];
        heard_.notify_all();
        socket.send(FakeMcp::http(202, "text/plain", ""));
      } else if (message["method"] == "tools/call") {
        ++calls;
        return converse(socket, message);
      } else {
        socket.send(handshake(message));
      }
    }
  }

  std::string handshake(const Json& message) {
    const std::string method = message["method"];
    if (method == "initialize") {
      const std::lock_guard lock(mutex_);
      initializes_.push_back(message["params"]["capabilities"]);
      return FakeMcp::json(FakeMcp::result(message, {{"protocolVersion", "2025-11-25"},
                                                     {"capabilities", {{"tools", Json::object()}}},
                                                     {"serverInfo", {{"name", "f"}, {"version", "1"}}}}),
                           "Mcp-Session-Id: s-" + std::to_string(initializes_.size()) + "\r\n");
    }
    if (method == "tools/list")
      return FakeMcp::json(FakeMcp::result(message, {{"tools", FakeMcp::default_tools()}}));
    if (method == "notifications/cancelled") {
      const std::lock_guard lock(mutex_);
      cancelled_ = true;
      heard_.notify_all();
    }
    if (!message.contains("id")) return FakeMcp::http(202, "text/plain", "");
    return FakeMcp::http(400, "application/json",
                         R"({"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no"}})");
  }

  void converse(RawSocket& socket, const Json& message) {
    socket.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
    const auto event = [&](const Json& json) { socket.send("data: " + json.dump() + "\n\n"); };
    std::string said;
    for (int round = 0; round < rounds_; ++round) {
      if (message["params"].contains("_meta"))
        event({{"jsonrpc", "2.0"},
               {"method", "notifications/progress"},
               {"params",
                {{"progressToken", message["params"]["_meta"]["progressToken"]}, {"progress", round + 1}}}});
      std::vector<std::string> ids;
      for (int q = 0; q < questions_; ++q) {
        ids.push_back("ask-" + std::to_string(round) + "-" + std::to_string(q));
        event({{"jsonrpc", "2.0"}, {"id", ids.back()}, {"method", "elicitation/create"}, {"params", kAsked}});
      }
      std::unique_lock lock(mutex_);
      const auto all = [&] {
        return std::all_of(ids.begin(), ids.end(), [&](const auto& id) { return answers_.contains(id); });
      };
      const auto left = [&] { return takes_back_ || leaves_; };
      if (!heard_.wait_for(lock, std::chrono::seconds(10),
                           [&] { return over_ || cancelled_ || all() || left(); }) ||
          !(all() || left()))
        return;
      for (const auto& id : ids) {
        said += answers_.contains(id) ? answers_[id].value("action", "none") + " " : "nothing ";
        if (!answers_.contains(id) && takes_back_)
          event({{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", id}}}});
      }
      if (takes_back_) event({{"jsonrpc", "2.0"}, {"id", "ping"}, {"method", "ping"}});
      takes_back_ = leaves_ = false;
    }
    event(FakeMcp::result(message, {{"content", Json::array({{{"type", "text"}, {"text", said}}})}}));
  }

  const int questions_, rounds_;
  mutable std::mutex mutex_;
  mutable std::condition_variable heard_;
  std::map<std::string, Json> answers_;
  std::vector<Json> initializes_;
  bool cancelled_ = false, over_ = false, takes_back_ = false, leaves_ = false;
  int pings_ = 0, pongs_ = 0;
  FakeUpstream server_;
};

Json with_answers(const Json& result, const Json& responses) {
  Json again = kCall;
  again["inputResponses"] = responses;
  again["requestState"] = result["requestState"];
  return again;
}

}  // namespace

TEST_CASE("a 2025 upstream's question waits for a 2026 client's next request, and the call runs once") {
  AskingLegacyServer upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Json first = call(gateway, kCall).json()["result"];
  REQUIRE(first["resultType"] == "input_required");
  CHECK(first["inputRequests"]["q1"]["method"] == "elicitation/create");
  CHECK(first["inputRequests"]["q1"]["params"] == kAsked);

  // The state is one caller's, and a request without the answer is asked again.
  std::swap(gateway.key, gateway.other_key);
  CHECK(call(gateway, with_answers(first, {{"q1", kAccept}})).code() == -32602);
  std::swap(gateway.key, gateway.other_key);
  const Json asked_again = call(gateway, with_answers(first, Json::object())).json()["result"];
  CHECK(asked_again["resultType"] == "input_required");
  CHECK(asked_again["inputRequests"].contains("q1"));
  CHECK(call(gateway, with_answers(first, {{"q1", kAccept}})).code() == -32602);

  const Json answer = call(gateway, with_answers(asked_again, {{"q1", kAccept}, {"other", 1}})).json();
  CHECK(answer["error"]["code"] == -32602);  // an answer that is no object
  const Json done = call(gateway, with_answers(asked_again, {{"q1", kAccept}})).json()["result"];
  CHECK(done["resultType"] == "complete");
  CHECK(done["content"][0]["text"] == "accept ");
  CHECK(upstream.calls == 1);
  CHECK(upstream.answers() == std::vector<Json>{kAccept});
  CHECK(upstream.initializes().back() == kForm);
  // What was answered cannot be answered again.
  CHECK(call(gateway, with_answers(asked_again, {{"q1", kAccept}})).code() == -32602);
  CHECK(upstream.calls == 1);
}

TEST_CASE("several questions of a 2025 upstream are one round, and what is not answered is asked again") {
  AskingLegacyServer upstream(2);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  Json result = call(gateway, kCall).json()["result"];
  // The two questions are two events; they may come in two rounds.
  for (int round = 0; round < 4 && result["resultType"] == "input_required"; ++round) {
    Json responses = Json::object();
    responses[result["inputRequests"].begin().key()] = kAccept;
    result = call(gateway, with_answers(result, responses)).json()["result"];
  }
  CHECK(result["content"][0]["text"] == "accept accept ");
  CHECK(upstream.calls == 1);
}

TEST_CASE("a 2026 client that declines is not asked again by the same call of a 2025 upstream") {
  AskingLegacyServer upstream(1, 3);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Json first = call(gateway, kCall).json()["result"];
  const Json done = call(gateway, with_answers(first, {{"q1", {{"action", "decline"}}}})).json()["result"];
  CHECK(done["content"][0]["text"] == "decline decline decline ");
  CHECK(upstream.calls == 1);
}

TEST_CASE("a 2025 upstream's question reaches a 2025 client, and the answer goes back under its own id") {
  AskingLegacyServer upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-11-25", "/mcp", kForm);
  StreamReader stream = legacy_call(gateway, session, kCall);
  const Json asked = stream.message();
  CHECK(asked["method"] == "elicitation/create");
  CHECK(asked["id"] != "ask-0-0");
  CHECK(answer_question(gateway, session, asked["id"], kAccept).status == 202);
  CHECK(stream.message()["result"]["content"][0]["text"] == "accept ");
  CHECK(upstream.answers() == std::vector<Json>{kAccept});
}

TEST_CASE("a client without capabilities is not asked, and its 2025 upstream hears so") {
  AskingLegacyServer upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Json done = call(gateway, kCall, Json::object()).json()["result"];
  CHECK(done["content"][0]["text"] == "none ");
  CHECK(upstream.initializes().back() == Json::object());
  REQUIRE(upstream.answers().size() == 1);
  CHECK(upstream.answers()[0]["code"] == -32601);
}

TEST_CASE("a 2025 upstream that asks twice makes two rounds of one call") {
  AskingLegacyServer upstream(1, 2);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Json first = call(gateway, kCall).json()["result"];
  REQUIRE(first["resultType"] == "input_required");
  const Json second = call(gateway, with_answers(first, {{"q1", kAccept}})).json()["result"];
  REQUIRE(second["resultType"] == "input_required");
  CHECK(second["inputRequests"].size() == 1);
  const Json done = call(gateway, with_answers(second, {{"q2", {{"action", "cancel"}}}})).json()["result"];
  CHECK(done["content"][0]["text"] == "accept cancel ");
  CHECK(upstream.calls == 1);
}

TEST_CASE(
    "a 2025 client hears that a question was taken back, or that its call has ended without the answer") {
  for (const bool says_so : {true, false}) {
    CAPTURE(says_so);
    AskingLegacyServer upstream;
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    const std::string session = gateway.initialize("2025-11-25", "/mcp", kForm);
    StreamReader stream = legacy_call(gateway, session, kCall);
    const Json asked = stream.message();
    if (says_so) upstream.take_back();
    if (!says_so) upstream.go_on();
    const Json told = stream.message();
    CHECK(told["method"] == "notifications/cancelled");
    CHECK(told["params"]["requestId"] == asked["id"]);
    CHECK(told["params"]["reason"] == (says_so ? "the server has taken it back" : "the call has ended"));
    CHECK(stream.message()["result"]["content"][0]["text"] == "nothing ");
    // An answer that was on its way harms nobody.
    CHECK(answer_question(gateway, session, asked["id"], kAccept).status < 500);
    if (says_so) CHECK(upstream.answers().empty());
  }
}

TEST_CASE("a 2026 client is not asked again what the 2025 upstream has taken back") {
  AskingLegacyServer upstream(1, 2);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Json first = call(gateway, kCall).json()["result"];
  REQUIRE(first["inputRequests"].contains("q1"));
  upstream.take_back();
  const Json second = call(gateway, with_answers(first, {{"q1", kAccept}})).json()["result"];
  REQUIRE(second["resultType"] == "input_required");
  CHECK(second["inputRequests"].size() == 1);
  REQUIRE(second["inputRequests"].contains("q2"));
  upstream.take_back();
  const Json done = call(gateway, with_answers(second, Json::object())).json()["result"];
  CHECK(done["content"][0]["text"] == "nothing nothing ");
  CHECK(upstream.answers().empty());
  CHECK(upstream.calls == 1);
}

TEST_CASE("a gateway that stops cancels the calls that wait for their clients") {
  AskingLegacyServer upstream;
  {
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    CHECK(call(gateway, kCall).json()["result"]["resultType"] == "input_required");
    CHECK(gateway.server->stop().has_value());
    // Nobody can come back for it: the record says so, once.
    std::vector<Json> abandoned;
    Json intent;
    for (const Json& record : gateway.journal()) {
      if (record.value("note", "") == "abandoned") abandoned.push_back(record);
      if (record["type"] == "intent") intent = record;
    }
    REQUIRE(abandoned.size() == 1);
    CHECK(abandoned[0]["with"]["call"] == intent["call"]);
  }
  CHECK(upstream.calls == 1);
}
