// Subscriptions to resources, in both eras of clients and of upstreams, through the whole program.
#include "notes.hpp"
#include "stream_reader.hpp"

using namespace sallyport::testing;

namespace {

const char* const kNoSecrets = R"(---
kind: Policy
name: no-secrets
subjects: ["*"]
rules: [{effect: deny, resources: ["*/note://secret"]}]
)";

int subscribe(const GatewayFixture& gateway, const std::string& session, const std::string& uri) {
  const Response answer = gateway.legacy(session, "resources/subscribe", {{"uri", uri}});
  CAPTURE(answer.body);
  CHECK(answer.status == 200);
  return answer.code();
}

}  // namespace

TEST_CASE(
    "an update reaches who subscribed, in the words of each client's era, and counts once at the upstream") {
  for (const auto era : {ScriptedMcp::Era::legacy, ScriptedMcp::Era::modern}) {
    CAPTURE(static_cast<int>(era));
    Notes notes(era);
    GatewayFixture gateway(notes.document() + kDefaultPolicy);
    reached(gateway);
    const std::string session = gateway.initialize(), idle = gateway.initialize();
    StreamReader get = get_stream(gateway, session), silent = get_stream(gateway, idle);
    REQUIRE(get.next().has_value());
    REQUIRE(silent.next().has_value());
    CHECK(subscribe(gateway, session, "note://one") == 0);
    CHECK(subscribe(gateway, session, "note://one") == 0);
    StreamReader listener = listen(gateway, {{"resourceSubscriptions", {"note://one", "note://none"}}}, 9);
    Json ack = listener.message();
    CHECK(ack["params"]["notifications"] == Json{{"resourceSubscriptions", {"note://one"}}});
    if (era == ScriptedMcp::Era::legacy) CHECK(notes.mcp.count("resources/subscribe") == 1);

    notes.updated("note://one");
    Json update = get.message();
    CHECK(update == Json{{"jsonrpc", "2.0"},
                         {"method", "notifications/resources/updated"},
                         {"params", {{"uri", "note://one"}}}});
    update = listener.message();
    CHECK(update["method"] == "notifications/resources/updated");
    CHECK(update["params"]["uri"] == "note://one");
    CHECK(update["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == 9);

    // One goes: the other still hears.
    CHECK(gateway.legacy(session, "resources/unsubscribe", {{"uri", "note://one"}}).json()["result"] ==
          Json::object());
    notes.updated("note://one");
    CHECK(listener.message()["method"] == "notifications/resources/updated");
    CHECK(notes.mcp.count("resources/unsubscribe") == 0);
    const int before = notes.listens();
    listener.socket().close();
    if (era == ScriptedMcp::Era::legacy) {
      notes.mcp.await("resources/unsubscribe");
    } else {
      notes.listens(before + 1);
    }

    // Nobody was told anything else: the next thing that both sessions hear is a list.
    notes.list("tools/list", "tools", Json::array());
    notes.say("notifications/tools/list_changed", Json::object());
    CHECK(get.message()["method"] == "notifications/tools/list_changed");
    CHECK(silent.message()["method"] == "notifications/tools/list_changed");
  }
}

TEST_CASE("what an upstream says about its lists is with the clients within 1.2 seconds") {
  for (const auto era : {ScriptedMcp::Era::legacy, ScriptedMcp::Era::modern}) {
    CAPTURE(static_cast<int>(era));
    Notes notes(era);
    GatewayFixture gateway(notes.document() + kDefaultPolicy);
    reached(gateway);
    StreamReader get = get_stream(gateway, gateway.initialize());
    StreamReader listener = listen(gateway, {{"toolsListChanged", true}});
    REQUIRE(get.next().has_value());
    REQUIRE(listener.next().has_value());
    if (era == ScriptedMcp::Era::legacy) {
      notes.mcp.await("GET");
    } else {
      notes.listens(1);
    }
    for (const char* name : {"first", "second", "third"}) {
      notes.list("tools/list", "tools",
                 Json::array({{{"name", name}, {"inputSchema", {{"type", "object"}}}}}));
      const auto begin = std::chrono::steady_clock::now();
      notes.say("notifications/tools/list_changed", Json::object());
      CHECK(get.message()["method"] == "notifications/tools/list_changed");
      CHECK(listener.message()["method"] == "notifications/tools/list_changed");
      CHECK(std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(1200));
      CHECK(gateway.modern("tools/list").body.find(std::string("up__") + name) != std::string::npos);
    }
  }
}

TEST_CASE("what may not be read cannot be subscribed to, and answers as what does not exist") {
  Notes notes(ScriptedMcp::Era::legacy);
  GatewayFixture gateway(notes.document() + kDefaultPolicy + kNoSecrets);
  reached(gateway);
  const std::string session = gateway.initialize();
  for (const char* uri : {"note://secret", "note://none", ""}) {
    CAPTURE(uri);
    for (const char* method : {"resources/subscribe", "resources/unsubscribe"}) {
      const Response refused = gateway.legacy(session, method, {{"uri", uri}});
      CHECK(refused.code() == -32002);
      CHECK(refused.json()["error"]["data"]["uri"] == uri);
    }
  }
  StreamReader listener = listen(gateway, {{"resourceSubscriptions", {"note://secret", "note://none"}}});
  CHECK(listener.message()["params"]["notifications"] == Json::object());
  CHECK(notes.mcp.count("resources/subscribe") == 0);
  CHECK(gateway.recorded("refusal", {{"method", "resources/subscribe"}, {"target", "up/note://secret"}}, 1));
  // What was never subscribed to can be given up all the same.
  CHECK(gateway.legacy(session, "resources/unsubscribe", {{"uri", "note://one"}}).code() == 0);
}

TEST_CASE("a resource is known to the client by the name that the client used") {
  Notes notes(ScriptedMcp::Era::legacy);
  GatewayFixture gateway(notes.document("uris: prefix\n") + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  StreamReader get = get_stream(gateway, session);
  REQUIRE(get.next().has_value());
  CHECK(subscribe(gateway, session, "note://one") == -32002);
  CHECK(subscribe(gateway, session, "up+note://one") == 0);
  CHECK(notes.mcp.await("resources/subscribe").message["params"]["uri"] == "note://one");
  notes.updated("note://one");
  CHECK(get.message()["params"]["uri"] == "up+note://one");
}

TEST_CASE("an upstream that refuses a subscription is heard, and leaves nothing behind") {
  Notes notes(ScriptedMcp::Era::legacy);
  notes.mcp.on("resources/subscribe", [](RawSocket& socket, const Heard& heard) {
    return ScriptedMcp::reply(socket, 200, ScriptedMcp::error(heard.message, -32603, "not today"));
  });
  GatewayFixture gateway(notes.document() + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  CHECK(subscribe(gateway, session, "note://one") == 1004);
  StreamReader listener = listen(gateway, {{"resourceSubscriptions", {"note://one"}}});
  CHECK(listener.message()["params"]["notifications"] == Json::object());
}

TEST_CASE("subscriptions end with their session and with the right to read") {
  Notes notes(ScriptedMcp::Era::legacy);
  GatewayFixture gateway(notes.document() + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  CHECK(subscribe(gateway, session, "note://one") == 0);
  SUBCASE("DELETE") {
    CHECK(gateway
              .raw(GatewayFixture::request("DELETE", "/mcp",
                                           gateway.bearer() + "Mcp-Session-Id: " + session + "\r\n", ""))
              .status == 204);
  }
  SUBCASE("a policy") {
    REQUIRE(
        gateway.apply("---\nkind: Policy\nname: no-notes\nsubjects: [\"*\"]\nrules: [{effect: deny, "
                      "resources: [\"*/*\"]}]\n"));
  }
  SUBCASE("the key") { REQUIRE(gateway.admin("key.revoke", {{"id", gateway.key}})); }
  CHECK(notes.mcp.await("resources/unsubscribe").message["params"]["uri"] == "note://one");
}

TEST_CASE(
    "a session that goes on with another key keeps its stream, however late its first one's request ends") {
  Notes notes(ScriptedMcp::Era::legacy);
  std::promise<void> allow;
  const auto allowed = allow.get_future().share();
  notes.mcp.on("resources/subscribe", [allowed](RawSocket& socket, const Heard& heard) {
    allowed.wait_for(std::chrono::seconds(10));
    return ScriptedMcp::reply(socket, 200, ScriptedMcp::result(heard.message));
  });
  GatewayFixture gateway(notes.document() + kDefaultPolicy);
  reached(gateway);
  const std::string session = gateway.initialize();
  const std::string old_key = gateway.key;
  const auto made = gateway.admin("key.create", {{"agent", "bot"}});
  REQUIRE(made.has_value());
  RawSocket pending = gateway.connect();
  pending.send(GatewayFixture::request(
      "POST", "/mcp", gateway.bearer() + GatewayFixture::media() + "Mcp-Session-Id: " + session + "\r\n",
      R"({"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"note://one"}})"));
  notes.mcp.await("resources/subscribe");
  StreamReader first = get_stream(gateway, session);
  REQUIRE(first.next().has_value());
  REQUIRE(gateway.admin("key.revoke", {{"id", old_key}}));
  CHECK(first.ended());

  gateway.key = made->at("key").get<std::string>();
  StreamReader second = get_stream(gateway, session);
  REQUIRE(second.next().has_value());
  allow.set_value();
  CHECK(Response{pending.answer()}.code() != 0);
  // Nobody wants it any more.
  CHECK(notes.mcp.await("resources/unsubscribe").message["params"]["uri"] == "note://one");
  // It still is the session's one stream: it is told, and taken over.
  notes.list("tools/list", "tools", Json::array());
  notes.say("notifications/tools/list_changed", Json::object());
  CHECK(second.message()["method"] == "notifications/tools/list_changed");
  StreamReader third = get_stream(gateway, session);
  REQUIRE(third.next().has_value());
  CHECK(second.ended());
}
