// The tasks extension: ids of our own, for their owner alone.
#include "asking.hpp"
#include "scripted_mcp.hpp"

using namespace sallyport::testing;

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

TEST_CASE("the links in a finished task's result carry the prefix that resources have") {
  FakeMcp upstream(FakeMcp::Era::modern, FakeMcp::default_tools(), kTasks);
  const auto link = [](const std::string& uri) {
    return Json{{"content", Json::array({{{"type", "resource_link"}, {"name", "r"}, {"uri", uri}}})}};
  };
  upstream.on_call([&](const std::string& head, const Json& message) {
    if (message["method"] != "tasks/get") return task_server(head, message);
    return FakeMcp::json(FakeMcp::result(message, {{"resultType", "complete"},
                                                   {"taskId", "t-1"},
                                                   {"status", "completed"},
                                                   {"result", link("file:///report")}}));
  });
  for (const bool prefix : {false, true}) {
    CAPTURE(prefix);
    GatewayFixture gateway(server_document("up", upstream.url()) + (prefix ? "uris: prefix\n" : "") +
                           kDefaultPolicy);
    const std::string id = call(gateway, kCall, kTasks).json()["result"]["taskId"];
    const Json got = task(gateway, "tasks/get", id).json()["result"];
    CHECK(got["taskId"] == id);
    CHECK(got["result"] == link(prefix ? "up+file:///report" : "file:///report"));
  }
}

TEST_CASE("who does not declare tasks is refused news of them, with the capability that is missing") {
  FakeMcp upstream(FakeMcp::Era::modern, FakeMcp::default_tools(), kTasks);
  upstream.on_call(task_server);
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string id = call(gateway, kCall, kTasks).json()["result"]["taskId"];
  const Response refused =
      gateway.post(GatewayFixture::modern_body("subscriptions/listen",
                                               {{"notifications", {{"taskIds", {id}}}}}, 7, meta_of(kForm)),
                   GatewayFixture::modern_headers("subscriptions/listen"));
  CHECK(refused.status == 400);
  CHECK(refused.code() == -32021);
  CHECK(refused.json()["error"]["data"]["requiredCapabilities"] == kTasks);
}

TEST_CASE("an endpoint whose servers know no tasks does not know the methods either") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Response refused = task(gateway, "tasks/get", "t-1");
  CHECK(refused.status == 404);
  CHECK(refused.code() == -32601);
}

TEST_CASE("who loses a tool hears no more of its tasks, on a stream that was open before") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern,
                  {{"tools", Json::object()}, {"extensions", kTasks["extensions"]}});
  const auto tap = mcp.tap();
  mcp.on("tools/list", [](RawSocket& socket, const Heard& heard) {
    return ScriptedMcp::reply(socket, 200,
                              ScriptedMcp::result(heard.message, {{"resultType", "complete"},
                                                                  {"tools", FakeMcp::default_tools()},
                                                                  {"ttlMs", 0},
                                                                  {"cacheScope", "private"}}));
  });
  mcp.on("tools/call", [](RawSocket& socket, const Heard& heard) {
    return ScriptedMcp::reply(
        socket, 200,
        ScriptedMcp::result(heard.message,
                            {{"resultType", "task"}, {"taskId", "t-1"}, {"status", "working"}}));
  });
  mcp.on("subscriptions/listen", [tap](RawSocket& socket, const Heard& heard) {
    ScriptedMcp::open_stream(
        socket,
        ScriptedMcp::event({{"jsonrpc", "2.0"},
                            {"method", "notifications/subscriptions/acknowledged"},
                            {"params", {{"notifications", heard.message["params"]["notifications"]}}}}));
    tap->run(socket);
    return false;
  });
  GatewayFixture gateway(
      server_document("up", "http://127.0.0.1:" + std::to_string(mcp.origin().url.port) + "/mcp") +
      kDefaultPolicy);
  const std::string id = call(gateway, kCall, kTasks).json()["result"]["taskId"];
  StreamReader listener(
      gateway.connect(),
      GatewayFixture::request(
          "POST", "/mcp",
          gateway.bearer() + GatewayFixture::media() + GatewayFixture::modern_headers("subscriptions/listen"),
          GatewayFixture::modern_body("subscriptions/listen",
                                      {{"notifications", {{"taskIds", {id}}, {"promptsListChanged", true}}}},
                                      "L", meta_of(kTasks))));
  CHECK(listener.message()["params"]["notifications"]["taskIds"] == Json{id});
  const auto say = [&](const std::string& status) {
    tap->event({{"jsonrpc", "2.0"},
                {"method", "notifications/tasks"},
                {"params", {{"taskId", "t-1"}, {"status", status}}}});
  };
  say("working");
  Json heard = listener.message();
  CHECK(heard["method"] == "notifications/tasks");
  CHECK(heard["params"]["taskId"] == id);

  REQUIRE(
      gateway.apply("---\nkind: Policy\nname: less\nsubjects: [\"agent:bot\"]\nrules:\n"
                    "  - {effect: deny, tools: [up/echo]}\n"));
  // From the moment that the change is acknowledged.
  say("completed");
  CHECK(tap->left());  // and the upstream is asked no more
  say("failed");
  // The key goes: what comes next is the end.
  REQUIRE(gateway.admin("key.revoke", {{"id", gateway.key}}).has_value());
  heard = listener.message();
  CAPTURE(heard.dump());
  CHECK(heard["id"] == "L");
  CHECK(listener.ended());
}
