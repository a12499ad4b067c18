// Questions of upstreams to clients (elicitation, sampling, roots) in every pairing of eras, and the tasks
// extension: what the client is asked, what the upstream hears, and what nobody else can answer.
#include "event_reader.hpp"
#include "gateway_fixture.hpp"

#include <condition_variable>

using namespace sallyport::testing;

namespace {

const Json kForm = {{"elicitation", {{"form", Json::object()}}}};
const Json kAsked = {{"mode", "form"},
                     {"message", "Account?"},
                     {"requestedSchema", {{"type", "object"}, {"properties", Json::object()}}}};

Json text_result(const std::string& text) {
  return {{"resultType", "complete"}, {"content", Json::array({{{"type", "text"}, {"text", text}}})}};
}

/// A 2026 server that asks for `who` before it answers, with a state of its own.
std::string asking_server(const std::string&, const Json& message) {
  const Json& params = message["params"];
  if (!params.contains("inputResponses")) {
    return FakeMcp::json(FakeMcp::result(
        message, {{"resultType", "input_required"},
                  {"inputRequests", {{"who", {{"method", "elicitation/create"}, {"params", kAsked}}}}},
                  {"requestState", "theirs \"1\""}}));
  }
  return FakeMcp::json(FakeMcp::result(message, text_result(params.dump())));
}

Json meta_of(const Json& capabilities) {
  return {{"io.modelcontextprotocol/clientCapabilities", capabilities}};
}

/// A modern tools/call with these capabilities.
Response call(const GatewayFixture& gateway, const Json& params, const Json& capabilities = kForm) {
  return gateway.post(GatewayFixture::modern_body("tools/call", params, 7, meta_of(capabilities)),
                      GatewayFixture::modern_headers("tools/call", params["name"]));
}

std::string session_headers(const std::string& session) {
  return "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: 2025-11-25\r\n";
}

/// A legacy tools/call, read as a stream.
EventReader legacy_call(const GatewayFixture& gateway, const std::string& session, const Json& params) {
  RawSocket socket = gateway.connect();
  socket.send(GatewayFixture::request(
      "POST", "/mcp", gateway.bearer() + GatewayFixture::media() + session_headers(session),
      Json{{"jsonrpc", "2.0"}, {"id", 5}, {"method", "tools/call"}, {"params", params}}.dump()));
  return EventReader(std::move(socket));
}

Response answer_question(const GatewayFixture& gateway, const std::string& session, const Json& id,
                         const Json& result) {
  return gateway.post(Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", result}}.dump(),
                      session_headers(session));
}

const Json kCall = {{"name", "up__echo"}, {"arguments", {{"text", "x"}}}};
const Json kAccept = {{"action", "accept"}, {"content", {{"acct", "A-1"}}}};

}  // namespace

TEST_CASE("a 2026 upstream's question reaches a 2026 client, and its state comes back byte for byte") {
  FakeMcp upstream;
  upstream.on_call(asking_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Response first = call(gateway, kCall);
  REQUIRE(first.status == 200);
  const Json result = first.json()["result"];
  CHECK(result["resultType"] == "input_required");
  CHECK(result["inputRequests"]["who"]["params"] == kAsked);
  CHECK_FALSE(result.contains("ttlMs"));
  const std::string state = result["requestState"];
  CHECK(state.find("theirs") == std::string::npos);

  Json again = kCall;
  again["inputResponses"] = {{"who", kAccept}};
  again["requestState"] = state;
  const Response second = call(gateway, again);
  CHECK(second.json()["result"]["resultType"] == "complete");
  REQUIRE(upstream.call_count() == 2);
  const std::string sent = upstream.calls()[1];
  const Json params = Json::parse(sent.substr(sent.find("\r\n\r\n") + 4))["params"];
  CHECK(params["requestState"] == "theirs \"1\"");
  CHECK(params["inputResponses"] == again["inputResponses"]);
  CHECK(params["_meta"]["io.modelcontextprotocol/clientCapabilities"] == kForm);
  CHECK(gateway.recorded("outcome", {{"status", "input_required"}}));
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
  // The record says which call the second request went on with.
  std::vector<Json> intents;
  for (const Json& record : gateway.journal()) {
    if (record["type"] == "intent") intents.push_back(record);
  }
  REQUIRE(intents.size() == 2);
  CHECK(intents[1]["continues"] == intents[0]["call"]);
}

TEST_CASE("a requestState is good for its own caller and request only") {
  FakeMcp upstream;
  upstream.on_call(asking_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string state = call(gateway, kCall).json()["result"]["requestState"];
  std::string flipped = state;
  flipped[flipped.size() / 2] = flipped[flipped.size() / 2] == 'A' ? 'B' : 'A';

  const auto retry = [&](const Json& arguments, const std::string& with) {
    return Json{{"name", "up__echo"},
                {"arguments", arguments},
                {"inputResponses", {{"who", kAccept}}},
                {"requestState", with}};
  };
  const std::size_t before = upstream.call_count();
  CHECK(call(gateway, retry({{"text", "x"}}, flipped)).code() == -32602);
  CHECK(call(gateway, retry({{"text", "another"}}, state)).code() == -32602);
  CHECK(call(gateway, retry({{"text", "x"}}, "made up")).code() == -32602);
  std::swap(gateway.key, gateway.other_key);
  CHECK(call(gateway, retry({{"text", "x"}}, state)).code() == -32602);
  std::swap(gateway.key, gateway.other_key);
  CHECK(upstream.call_count() == before);
  CHECK(call(gateway, retry({{"text", "x"}}, state)).json()["result"]["resultType"] == "complete");
}

TEST_CASE("a 2026 upstream cannot ask what the client did not declare") {
  FakeMcp upstream;
  upstream.on_call(asking_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  for (const Json& capabilities : {Json::object(), Json{{"sampling", Json::object()}},
                                   Json{{"elicitation", {{"url", Json::object()}}}}}) {
    const Response refused = call(gateway, kCall, capabilities);
    CHECK(refused.code() == 1004);
    CHECK(refused.body.find("Account?") == std::string::npos);
  }
}

TEST_CASE("a 2026 upstream's question reaches a 2025 client on the stream of its call") {
  FakeMcp upstream;
  upstream.on_call(asking_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-11-25", "/mcp", kForm);
  EventReader stream = legacy_call(gateway, session, kCall);
  REQUIRE(stream.is_stream());
  const Json asked = stream.message();
  CHECK(asked["method"] == "elicitation/create");
  CHECK(asked["params"] == kAsked);
  // Another session of the same caller cannot answer, nor can nonsense.
  CHECK(answer_question(gateway, gateway.initialize(), asked["id"], {{"action", "decline"}}).status == 202);
  CHECK(answer_question(gateway, session, "sp-0-1-00000000", {{"action", "decline"}}).status == 202);
  CHECK(answer_question(gateway, session, asked["id"], kAccept).status == 202);

  const Json answer = stream.message();
  CHECK(answer["id"] == 5);
  const std::string heard = answer["result"]["content"][0]["text"];
  const Json params = Json::parse(heard);
  CHECK(params["inputResponses"]["who"] == kAccept);
  CHECK(params["requestState"] == "theirs \"1\"");
  CHECK_FALSE(answer["result"].contains("resultType"));
  CHECK(stream.ends());
  CHECK(gateway.recorded("outcome", {{"status", "ok"}}));
}

TEST_CASE("a 2025 client that cancels is not asked again by the same call") {
  FakeMcp upstream;
  std::atomic<int> rounds{0};
  upstream.on_call([&](const std::string& request, const Json& message) {
    // A server that takes no for nothing.
    if (++rounds < 4) {
      Json asks = message;
      asks["params"].erase("inputResponses");
      return asking_server(request, asks);
    }
    return asking_server(request, message);
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-11-25", "/mcp", kForm);
  EventReader stream = legacy_call(gateway, session, kCall);
  const Json asked = stream.message();
  CHECK(asked["method"] == "elicitation/create");
  answer_question(gateway, session, asked["id"], {{"action", "cancel"}});
  const Json answer = stream.message();
  CHECK(answer["id"] == 5);
  const Json params = Json::parse(answer["result"]["content"][0]["text"].get<std::string>());
  CHECK(params["inputResponses"]["who"]["action"] == "cancel");
  CHECK(rounds == 4);
}

TEST_CASE("a 2026 upstream that asks without end is stopped") {
  FakeMcp upstream;
  upstream.on_call([](const std::string&, const Json& message) {
    return FakeMcp::json(
        FakeMcp::result(message, {{"resultType", "input_required"}, {"requestState", "again"}}));
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-11-25", "/mcp", kForm);
  EventReader stream = legacy_call(gateway, session, kCall);
  if (stream.is_stream()) CHECK(stream.message()["error"]["code"] == 1004);
  CHECK(upstream.call_count() == 11);
}

TEST_CASE("a 2025 client that cancels the call while it is asked ends it") {
  FakeMcp upstream;
  upstream.on_call(asking_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-11-25", "/mcp", kForm);
  EventReader stream = legacy_call(gateway, session, kCall);
  CHECK(stream.message()["method"] == "elicitation/create");
  gateway.post(
      Json{{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", 5}}}}.dump(),
      session_headers(session));
  CHECK(stream.message()["error"]["code"] == 1007);
  CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}));
  CHECK(upstream.call_count() == 1);
}

namespace {

/// A 2026 server with the tasks extension: a call makes task `t-1`.
std::string task_server(const std::string&, const Json& message) {
  const std::string method = message["method"];
  const Json task = {{"taskId", "t-1"},
                     {"status", "working"},
                     {"createdAt", "2026-08-01T00:00:00Z"},
                     {"lastUpdatedAt", "2026-08-01T00:00:00Z"},
                     {"ttlMs", nullptr}};
  Json result = {{"resultType", method == "tools/call" ? "task" : "complete"}};
  if (method != "tasks/cancel") result.update(task);
  if (method != "tools/call" && message["params"]["taskId"] != "t-1")
    return FakeMcp::json(
        {{"jsonrpc", "2.0"}, {"id", message["id"]}, {"error", {{"code", -32602}, {"message", "?"}}}});
  return FakeMcp::json(FakeMcp::result(message, result));
}

const Json kTasks = {{"extensions", {{"io.modelcontextprotocol/tasks", Json::object()}}}};

Response task(const GatewayFixture& gateway, const std::string& method, const std::string& id,
              const Json& capabilities = kTasks) {
  Json params = {{"taskId", id}};
  if (method == "tasks/update") params["inputResponses"] = Json::object();
  return gateway.post(GatewayFixture::modern_body(method, params, 7, meta_of(capabilities)),
                      GatewayFixture::modern_headers(method, id));
}

}  // namespace

TEST_CASE("tasks pass through under ids that only their owner can use") {
  FakeMcp upstream(FakeMcp::Era::modern, FakeMcp::default_tools(), kTasks);
  upstream.on_call(task_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Json made = call(gateway, kCall, kTasks).json()["result"];
  CHECK(made["resultType"] == "task");
  const std::string id = made["taskId"];
  CHECK(id.find("t-1") == std::string::npos);

  const Json got = task(gateway, "tasks/get", id).json()["result"];
  CHECK(got["taskId"] == id);
  CHECK(got["status"] == "working");
  CHECK(task(gateway, "tasks/update", id).status == 200);
  CHECK(task(gateway, "tasks/cancel", id).json()["result"]["resultType"] == "complete");
  const std::string sent = upstream.calls().back();
  CHECK(sent.find("Mcp-Name: t-1\r\n") != std::string::npos);
  CHECK(sent.find("Mcp-Method: tasks/cancel\r\n") != std::string::npos);

  const std::size_t before = upstream.call_count();
  CHECK(task(gateway, "tasks/get", "t-1").code() == -32602);
  CHECK(task(gateway, "tasks/get", id, Json::object()).code() == -32021);
  CHECK(task(gateway, "tasks/get", id, Json::object()).status == 400);
  std::swap(gateway.key, gateway.other_key);
  CHECK(task(gateway, "tasks/get", id).code() == -32602);
  std::swap(gateway.key, gateway.other_key);
  CHECK(upstream.call_count() == before);
  // Who loses the tool loses its tasks.
  REQUIRE(
      gateway.apply("kind: Policy\nname: less\nsubjects: [\"agent:bot\"]\nrules:\n"
                    "  - {effect: deny, tools: [up/echo]}\n"));
  CHECK(task(gateway, "tasks/get", id).code() == -32602);
  CHECK(upstream.call_count() == before);
}

TEST_CASE("an endpoint whose servers know no tasks does not know the methods either") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Response refused = task(gateway, "tasks/get", "t-1");
  CHECK(refused.status == 404);
  CHECK(refused.code() == -32601);
}

TEST_CASE("a 2025 upstream that wants a URL opened first makes a 2026 client open it and call again") {
  FakeMcp upstream(FakeMcp::Era::legacy);
  std::atomic<int> calls{0};
  upstream.on_call([&](const std::string&, const Json& message) {
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
      if (!heard_.wait_for(lock, std::chrono::seconds(10), [&] { return over_ || cancelled_ || all(); }) ||
          !all())
        return;
      for (const auto& id : ids) said += answers_[id].value("action", "none") + " ";
    }
    event(FakeMcp::result(message, {{"content", Json::array({{{"type", "text"}, {"text", said}}})}}));
  }

  const int questions_, rounds_;
  mutable std::mutex mutex_;
  mutable std::condition_variable heard_;
  std::map<std::string, Json> answers_;
  std::vector<Json> initializes_;
  bool cancelled_ = false, over_ = false;
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
  EventReader stream = legacy_call(gateway, session, kCall);
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

TEST_CASE("a gateway that stops cancels the calls that wait for their clients") {
  AskingLegacyServer upstream;
  {
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    CHECK(call(gateway, kCall).json()["result"]["resultType"] == "input_required");
  }
  CHECK(upstream.calls == 1);
}
