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
