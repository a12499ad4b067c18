// Questions of 2026 upstreams to clients (elicitation, sampling, roots) of either era: what the client is
// asked, what the upstream hears, and what nobody else can answer.
#include "asking.hpp"

using namespace sallyport::testing;

namespace {

/// A 2026 server that asks for `who` before it answers, with a state of its own.
std::string asking_with(const std::string& state, const Json& message) {
  const Json& params = message["params"];
  if (!params.contains("inputResponses")) {
    return FakeMcp::json(FakeMcp::result(
        message, {{"resultType", "input_required"},
                  {"inputRequests", {{"who", {{"method", "elicitation/create"}, {"params", kAsked}}}}},
                  {"requestState", state}}));
  }
  return FakeMcp::json(FakeMcp::result(message, text_result(params.dump())));
}

std::string asking_server(const std::string&, const Json& message) {
  return asking_with("theirs \"1\"", message);
}

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

TEST_CASE("a 2026 upstream that keeps nothing may have a large state, up to a bound that it hears of") {
  for (const std::size_t size : {20'000UL, 512UL * 1024 - 2, 512UL * 1024}) {
    CAPTURE(size);
    const std::string state(size, 's');
    FakeMcp upstream;
    upstream.on_call([&](const std::string&, const Json& message) { return asking_with(state, message); });
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    const Response first = call(gateway, kCall);
    if (size == 512 * 1024) {
      CHECK(first.code() == 1004);
      continue;
    }
    Json again = kCall;
    again["inputResponses"] = {{"who", kAccept}};
    again["requestState"] = first.json()["result"]["requestState"];
    CHECK(call(gateway, again).json()["result"]["resultType"] == "complete");
    REQUIRE(upstream.call_count() == 2);
    const std::string sent = upstream.calls()[1];
    CHECK(Json::parse(sent.substr(sent.find("\r\n\r\n") + 4))["params"]["requestState"] == state);
  }
}

TEST_CASE("what a 2026 upstream answers instead of a result never reaches a client that cannot know it") {
  for (const char* instead : {
           R"({"resultType":"input_required","requestState":"theirs","inputRequests":{"who":
               {"method":"elicitation/create","params":{"message":"Your password?"}}}})",
           R"({"resultType":"input_required","requestState":"theirs"})",
           R"({"resultType":"task","taskId":"theirs","status":"working"})",
           R"({"resultType":"someday","theirs":1})",
       }) {
    const std::string what = instead;
    CAPTURE(what);
    FakeMcp upstream;
    upstream.on_call([&](const std::string&, const Json& message) {
      return FakeMcp::json(FakeMcp::result(message, Json::parse(what)));
    });
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    const Response answer = gateway.legacy(gateway.initialize(), "tools/call", kCall);
    CHECK(answer.code() == 1004);
    CHECK(answer.body.find("theirs") == std::string::npos);
    CHECK(upstream.call_count() == 1);
    CHECK(gateway.recorded("outcome", {{"status", "broken"}, {"code", "upstream_broken"}}));
  }
}

TEST_CASE("what a 2025 upstream calls a question in its results is its own, and its tool runs once") {
  FakeMcp upstream(FakeMcp::Era::legacy);
  upstream.on_call([&](const std::string&, const Json& message) {
    return FakeMcp::json(
        FakeMcp::result(message, {{"resultType", "input_required"}, {"requestState", "theirs"}}));
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize(
      "2025-11-25", "/mcp", {{"elicitation", Json::object()}, {"sampling", Json::object()}});
  CHECK(gateway.legacy(session, "tools/call", kCall).json()["result"]["requestState"] == "theirs");
  CHECK(upstream.call_count() == 1);
  const Json modern = call(gateway, kCall).json()["result"];
  CHECK(modern["resultType"] == "complete");
  CHECK(modern["requestState"] == "theirs");
  CHECK(upstream.call_count() == 2);
}

TEST_CASE("questions that are no object of questions are no questions") {
  FakeMcp upstream;
  upstream.on_call([](const std::string&, const Json& message) {
    return FakeMcp::json(FakeMcp::result(
        message, {{"resultType", "input_required"}, {"inputRequests", Json::array({"who?"})}}));
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  CHECK(call(gateway, kCall).code() == 1004);
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
  StreamReader stream = legacy_call(gateway, session, kCall);
  REQUIRE(stream.head.header("Content-Type") == "text/event-stream");
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
  CHECK(stream.ended());
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
  StreamReader stream = legacy_call(gateway, session, kCall);
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
  StreamReader stream = legacy_call(gateway, session, kCall);
  if ((stream.head.header("Content-Type") == "text/event-stream"))
    CHECK(stream.message()["error"]["code"] == 1004);
  CHECK(upstream.call_count() == 11);
}

TEST_CASE("a 2025 client that cancels the call while it is asked ends it") {
  FakeMcp upstream;
  upstream.on_call(asking_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string session = gateway.initialize("2025-11-25", "/mcp", kForm);
  StreamReader stream = legacy_call(gateway, session, kCall);
  CHECK(stream.message()["method"] == "elicitation/create");
  gateway.post(
      Json{{"jsonrpc", "2.0"}, {"method", "notifications/cancelled"}, {"params", {{"requestId", 5}}}}.dump(),
      session_headers(session));
  CHECK(stream.message()["error"]["code"] == 1007);
  CHECK(gateway.recorded("outcome", {{"status", "cancelled"}}));
  CHECK(upstream.call_count() == 1);
}
