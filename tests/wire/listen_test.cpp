// subscriptions/listen: the stream on which 2026 clients hear of changes.
#include "stream_reader.hpp"

using namespace sallyport::testing;

namespace {

Json id_of(const Json& message) {
  return message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
}

void change_tools(FakeMcp& upstream, const GatewayFixture& gateway, const std::string& name) {
  upstream.set_tools(Json::array({{{"name", name}, {"inputSchema", {{"type", "object"}}}}}));
  REQUIRE(gateway.admin("server.test", {{"name", "up"}}).has_value());
}

const char* const kNoPrompts = R"(---
kind: Policy
name: no-prompts
subjects: ["agent:bot"]
rules: [{effect: deny, prompts: ["*/*"]}]
)";

}  // namespace

TEST_CASE("a listen is acknowledged first, with what is honoured, under the id of its request") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  struct Row {
    const char* why;
    Json filter, honoured, id;
  };
  for (const Row& row :
       {Row{"all lists",
            {{"toolsListChanged", true}, {"promptsListChanged", true}, {"resourcesListChanged", true}},
            {{"toolsListChanged", true}, {"promptsListChanged", true}, {"resourcesListChanged", true}},
            "L1"},
        Row{"only what is true",
            {{"toolsListChanged", false}, {"promptsListChanged", true}},
            {{"promptsListChanged", true}},
            7},
        Row{"a resource that is not there",
            {{"resourceSubscriptions", {"note://none"}}},
            Json::object(),
            "x y"},
        Row{"a task that is not there",
            {{"taskIds", {"t-1"}}, {"toolsListChanged", true}},
            {{"toolsListChanged", true}},
            0},
        Row{"what nobody knows", {{"weatherChanged", true}}, Json::object(), -3}}) {
    CAPTURE(row.why);
    StreamReader stream = listen(gateway, row.filter, row.id);
    REQUIRE(stream.head.status == 200);
    CHECK(stream.head.header("Content-Type") == "text/event-stream");
    const auto first = stream.next();
    REQUIRE(first.has_value());
    CHECK(first->id.empty());
    const Json ack = first->json();
    CHECK(ack["method"] == "notifications/subscriptions/acknowledged");
    CHECK(ack["params"]["notifications"] == row.honoured);
    CHECK(id_of(ack) == row.id);
    CHECK(id_of(ack).is_string() == row.id.is_string());
  }
}

TEST_CASE("a listen that cannot be answered with a stream is refused") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const std::string body =
      GatewayFixture::modern_body("subscriptions/listen", {{"notifications", Json::object()}});
  const Response refused = gateway.raw(GatewayFixture::request(
      "POST", "/mcp",
      gateway.bearer() + "Content-Type: application/json\r\nAccept: application/json\r\n" +
          GatewayFixture::modern_headers("subscriptions/listen"),
      body));
  CHECK(refused.status == 406);
  CHECK(refused.code() == -32600);
  const Response without = gateway.post(GatewayFixture::modern_body("subscriptions/listen"),
                                        GatewayFixture::modern_headers("subscriptions/listen"));
  CHECK(without.status == 400);
  CHECK(without.code() == -32602);
  // It does not exist for 2025 clients.
  CHECK(gateway.legacy(gateway.initialize(), "subscriptions/listen", {{"notifications", Json::object()}})
            .code() == -32601);
}

TEST_CASE("a listener hears what it asked for and nothing else") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  StreamReader tools = listen(gateway, {{"toolsListChanged", true}}, 1);
  StreamReader prompts = listen(gateway, {{"promptsListChanged", true}}, "two");
  StreamReader nothing = listen(gateway, Json::object(), 3);
  for (StreamReader* stream : {&tools, &prompts, &nothing}) REQUIRE(stream->next().has_value());

  change_tools(upstream, gateway, "fresh");
  Json message = tools.message();
  CHECK(message["method"] == "notifications/tools/list_changed");
  CHECK(id_of(message) == 1);
  CHECK(gateway.modern("tools/list").body.find("up__fresh") != std::string::npos);

  REQUIRE(gateway.apply(kNoPrompts));
  message = prompts.message();
  CHECK(message["method"] == "notifications/prompts/list_changed");
  CHECK(id_of(message) == "two");

  // The key goes: every stream hears that, in the same way, after all that it was told.
  REQUIRE(gateway.admin("key.revoke", {{"id", gateway.key}}).has_value());
  struct Row {
    StreamReader* stream;
    Json id;
  };
  for (const Row& row : {Row{&tools, 1}, Row{&prompts, "two"}, Row{&nothing, 3}}) {
    message = row.stream->message();
    CAPTURE(message.dump());
    CHECK(message["id"] == row.id);
    CHECK(message["result"]["resultType"] == "complete");
    CHECK(message["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == row.id);
    CHECK(row.stream->ended());
  }
}

TEST_CASE("what an upstream says about its lists reaches the listener soon") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  StreamReader stream = listen(gateway, {{"toolsListChanged", true}});
  REQUIRE(stream.next().has_value());
  change_tools(upstream, gateway, "one");
  CHECK(stream.message()["method"] == "notifications/tools/list_changed");
}

TEST_CASE("a listen at a virtual server hears of that one alone") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy +
                         "---\nkind: VirtualServer\nname: part\ntools: [{from: up, include: [echo]}]\n");
  reached(gateway);
  StreamReader part = listen(gateway, {{"toolsListChanged", true}}, "part", "/mcp/part");
  StreamReader all = listen(gateway, {{"toolsListChanged", true}}, "all");
  REQUIRE(part.next().has_value());
  REQUIRE(all.next().has_value());
  change_tools(upstream, gateway, "elsewhere");
  CHECK(all.message()["method"] == "notifications/tools/list_changed");
  CHECK(part.message()["method"] == "notifications/tools/list_changed");  // echo went
  change_tools(upstream, gateway, "again");
  CHECK(all.message()["method"] == "notifications/tools/list_changed");
  REQUIRE(gateway.apply("---\nkind: VirtualServer\nname: part\ntools: [{from: up, include: [\"*\"]}]\n"));
  CHECK(part.message()["method"] == "notifications/tools/list_changed");
}

TEST_CASE("a server that stops says goodbye to its listeners") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  StreamReader stream = listen(gateway, {{"toolsListChanged", true}}, "bye");
  REQUIRE(stream.next().has_value());
  gateway.server.reset();
  const Json result = stream.message();
  CHECK(result["id"] == "bye");
  CHECK(result["result"]["resultType"] == "complete");
  CHECK(stream.ended());
}

TEST_CASE("what the lists can do is advertised in both eras") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  reached(gateway);
  const Json modern = gateway.modern("server/discover").json()["result"]["capabilities"];
  for (const char* list : {"tools", "prompts", "resources"}) CHECK(modern[list]["listChanged"] == true);
  CHECK(modern["resources"]["subscribe"] == true);
  const Json legacy =
      gateway
          .post(
              R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{}}})",
              "")
          .json()["result"]["capabilities"];
  for (const char* list : {"tools", "prompts", "resources"}) CHECK(legacy[list]["listChanged"] == true);
  CHECK(legacy["resources"]["subscribe"] == true);
}
