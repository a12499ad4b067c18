// The tasks extension: ids of our own, for their owner alone.
#include "asking.hpp"

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

TEST_CASE("an endpoint whose servers know no tasks does not know the methods either") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const Response refused = task(gateway, "tasks/get", "t-1");
  CHECK(refused.status == 404);
  CHECK(refused.code() == -32601);
}
