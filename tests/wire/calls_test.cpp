#include "gateway_fixture.hpp"

using namespace sallyport::testing;

TEST_CASE("a tools/call travels from either client era to either upstream era and is recorded") {
  for (const auto era : {FakeMcp::Era::modern, FakeMcp::Era::legacy}) {
    CAPTURE(static_cast<int>(era));
    FakeMcp upstream(era);
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);

    const Response modern =
        gateway.modern("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "hi"}}}});
    CHECK(modern.status == 200);
    CHECK(modern.json()["result"]["resultType"] == "complete");
    CHECK(modern.json()["result"]["content"][0]["text"] == "{\"text\":\"hi\"}");

    const std::string session = gateway.initialize();
    const Response legacy =
        gateway.legacy(session, "tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "ho"}}}}, "a");
    CHECK(legacy.status == 200);
    CHECK(legacy.json()["id"] == "a");
    CHECK(!legacy.json()["result"].contains("resultType"));

    CHECK(upstream.call_count() == 2);
    CHECK(gateway.recorded("intent",
                           {{"method", "tools/call"}, {"target", "up/echo"}, {"principal", "agent:bot"}}, 2));
    CHECK(gateway.recorded("outcome", {{"status", "ok"}}, 2));
  }
}

TEST_CASE("a 2025 client reads the tools and the results of a 2026 server whose outputs are no objects") {
  const Json rows = {{"name", "rows"},
                     {"inputSchema", {{"type", "object"}, {"properties", {{"any", true}}}}},
                     {"outputSchema", {{"type", "array"}, {"items", {{"type", "integer"}}}}}};
  FakeMcp upstream(FakeMcp::Era::modern, Json::array({rows}));
  upstream.on_call([](const std::string&, const Json& message) {
    return FakeMcp::json(FakeMcp::result(message, {{"resultType", "complete"},
                                                   {"content", Json::array()},
                                                   {"structuredContent", Json::array({1, 2})}}));
  });
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);

  const Json modern = gateway.modern("tools/list").json()["result"]["tools"][0];
  CHECK(modern["outputSchema"] == rows["outputSchema"]);
  CHECK(modern["inputSchema"] == rows["inputSchema"]);
  const Json call = {{"name", "up__rows"}, {"arguments", Json::object()}};
  CHECK(gateway.modern("tools/call", call).json()["result"]["structuredContent"] == Json::array({1, 2}));

  const std::string session = gateway.initialize();
  const Json legacy = gateway.legacy(session, "tools/list").json()["result"]["tools"][0];
  CHECK_FALSE(legacy.contains("outputSchema"));
  CHECK(legacy["inputSchema"]["properties"]["any"] == Json::object());
  const Json result = gateway.legacy(session, "tools/call", call).json()["result"];
  CHECK_FALSE(result.contains("structuredContent"));
  CHECK(result["content"][0]["text"] == "[1,2]");
}
