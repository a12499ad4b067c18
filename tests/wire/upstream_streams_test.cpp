// Streams of upstreams: answers that are taken up again, notifications outside of calls, and subscriptions.
#include "scripted_mcp.hpp"

using namespace sallyport;
using namespace sallyport::testing;
using gateway::Notice;
using gateway::Topic;

namespace {

const Json kLists = {{"tools", {{"listChanged", true}}},
                     {"prompts", {{"listChanged", true}}},
                     {"resources", {{"listChanged", true}, {"subscribe", true}}}};

Json changed(const std::string& list) {
  return {{"jsonrpc", "2.0"}, {"method", "notifications/" + list + "/list_changed"}};
}
Json updated(const std::string& uri) {
  return {{"jsonrpc", "2.0"}, {"method", "notifications/resources/updated"}, {"params", {{"uri", uri}}}};
}
Json acknowledged(const Json& listen, Json notifications) {
  return {{"jsonrpc", "2.0"},
          {"method", "notifications/subscriptions/acknowledged"},
          {"params",
           {{"_meta", {{"io.modelcontextprotocol/subscriptionId", listen["id"]}}},
            {"notifications", std::move(notifications)}}}};
}
/// A listen that is agreed to whole; each stream is left to the tap of its turn, the last one to all that
/// follow.
ScriptedMcp::Handler agrees(ScriptedMcp& mcp, std::vector<std::shared_ptr<Tap>> taps) {
  return [&mcp, taps](RawSocket& socket, const Heard& heard) {
    const auto& tap = taps[std::min(mcp.count("subscriptions/listen"), taps.size()) - 1];
    ScriptedMcp::open_stream(
        socket, ScriptedMcp::event(acknowledged(heard.message, heard.message["params"]["notifications"])));
    tap->run(socket);
    return false;
  };
}
const std::string kPriming = "id: e-1\nretry: 300\ndata:\n\n";

}  // namespace

// --- answers ---------------------------------------------------------------------------------------------

TEST_CASE("events of other types keep a stream open and are no messages") {
  const std::string pings = "event: ping\ndata: {}\n\n: comment\n\nevent: heartbeat\ndata: 1732\n\n";
  ScriptedMcp mcp(ScriptedMcp::Era::modern);
  mcp.on("tools/call", [&](RawSocket& socket, const Heard& heard) {
    ScriptedMcp::open_stream(socket, pings + "event: message\n" +
                                         ScriptedMcp::event(ScriptedMcp::text_result(heard.message)) + pings);
    return false;
  });
  UpstreamFixture gateway(mcp);
  CHECK(gateway.call() == "fine");
}

TEST_CASE("F06 an answer's stream that is lost is taken up where it broke, after the time it asked for") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  SteadyTime lost;
  Json id;
  mcp.on("tools/call", [&](RawSocket& socket, const Heard& heard) {
    id = heard.message["id"];
    lost = std::chrono::steady_clock::now();
    // Half an event at the end is none.
    ScriptedMcp::open_stream(socket, kPriming + "id: e-2\ndata: {\"jsonrpc\":");
    return false;
  });
  Duration waited{};
  mcp.on("GET", [&](RawSocket& socket, const Heard&) {
    waited = std::chrono::steady_clock::now() - lost;
    ScriptedMcp::open_stream(socket,
                             ScriptedMcp::event(ScriptedMcp::text_result({{"id", id}}, "at last"), "e-2"));
    return false;
  });
  CHECK(gateway.call() == "at last");
  CHECK(mcp.count("tools/call") == 1);
  REQUIRE(mcp.count("GET") == 1);
  CHECK(mcp.heard("GET")[0].header("Last-Event-ID") == "e-1");
  CHECK(mcp.heard("GET")[0].session() == "session-1");
  CHECK(waited >= std::chrono::milliseconds(300));
  CHECK(waited < std::chrono::milliseconds(2000));
}

TEST_CASE("F06 a stream may be lost as often as it brings something new") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  Json id;
  mcp.on("tools/call", [&](RawSocket& socket, const Heard& heard) {
    id = heard.message["id"];
    ScriptedMcp::open_stream(socket, "id: e-0\nretry: 1\ndata:\n\n");
    return false;
  });
  std::atomic<int> heard = 0;
  // The third attempt is refused by a reset; the fourth names the same event.
  mcp.on("GET", [&, n = std::make_shared<int>(0)](RawSocket& socket, const Heard& get) {
    if (mcp.count("GET") == 3) {
      socket.reset();
      return false;
    }
    CHECK(get.header("Last-Event-ID") == "e-" + std::to_string(*n));
    const std::string here = "e-" + std::to_string(++*n);
    const Json progress = {{"jsonrpc", "2.0"},
                           {"method", "notifications/progress"},
                           {"params", {{"progressToken", 1}, {"progress", *n}}}};
    ScriptedMcp::open_stream(
        socket, ScriptedMcp::event(*n < 12 ? progress : ScriptedMcp::text_result({{"id", id}}), here));
    return false;
  });
  CHECK(gateway.call({.on_notification = [&](const gateway::UpstreamNotification&) { ++heard; }}) == "fine");
  CHECK(heard == 11);
  CHECK(mcp.count("tools/call") == 1);
}

TEST_CASE("F06 a stream that only ever ends is given up, and one without an event id at once") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  const auto once = [&](const std::string& bytes) {
    mcp.on("tools/call", [bytes](RawSocket& socket, const Heard&) {
      ScriptedMcp::open_stream(socket, bytes);
      return false;
    });
  };
  once("data: \n\n");
  CHECK(gateway.call() == "upstream_broken");
  CHECK(mcp.count("GET") == 0);

  once("id: e-1\nretry: 1\ndata:\n\n");
  CHECK(gateway.call() == "upstream_broken");  // 405
  CHECK(mcp.count("GET") == 1);

  mcp.on("GET", [](RawSocket& socket, const Heard&) {
    ScriptedMcp::open_stream(socket, ": nothing\n\n");
    return false;
  });
  CHECK(gateway.call() == "upstream_broken");
  CHECK(mcp.count("GET") < 30);

  once("id: e-1\nretry: 60000\ndata:\n\n");
  CHECK(gateway.call({.within = std::chrono::milliseconds(300)}) == "upstream_timeout");
  CHECK(mcp.count("tools/call") == 4);
}

TEST_CASE("a modern stream that is lost is the end of its call") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern);
  UpstreamFixture gateway(mcp);
  mcp.on("tools/call", [](RawSocket& socket, const Heard&) {
    ScriptedMcp::open_stream(socket, kPriming);
    return false;
  });
  CHECK(gateway.call() == "upstream_broken");
  CHECK(mcp.count("tools/call") == 1);
  CHECK(mcp.count("GET") == 0);
}

// --- era -------------------------------------------------------------------------------------------------

TEST_CASE(
    "a refused version is asked for once more where it is named as supported, and left where it is not") {
  struct Row {
    const char* supported;
    bool works;
    std::size_t discovers, initializes;
  };
  for (const Row& row :
       {Row{R"(["2026-07-28"])", true, 2, 0}, Row{R"(["2025-11-25","2025-06-18"])", true, 1, 1},
        Row{R"(["2031-01-01"])", false, 1, 0}, Row{"null", false, 1, 0}}) {
    CAPTURE(row.supported);
    ScriptedMcp mcp(ScriptedMcp::Era::modern);
    UpstreamFixture gateway(mcp);
    mcp.on("server/discover", [&](RawSocket& socket, const Heard& heard) {
      if (mcp.count("server/discover") == 1)
        return ScriptedMcp::reply(
            socket, 400,
            ScriptedMcp::error(heard.message, -32022, "Unsupported protocol version",
                               {{"supported", Json::parse(row.supported)}, {"requested", "2026-07-28"}}));
      return ScriptedMcp::reply(socket, 200,
                                ScriptedMcp::result(heard.message, {{"supportedVersions", {"2026-07-28"}},
                                                                    {"capabilities", Json::object()}}));
    });
    CHECK((gateway.call() == "fine") == row.works);
    CHECK(mcp.count("server/discover") == row.discovers);
    CHECK(mcp.count("initialize") == row.initializes);
  }
}

// --- notifications outside of calls: legacy --------------------------------------------------------------

TEST_CASE("a legacy upstream's notices arrive by the stream of the shared session") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
  const auto tap = mcp.tap();
  mcp.on("GET", ScriptedMcp::streams(tap));
  UpstreamFixture gateway(mcp);
  CHECK(!gateway.upstream->notifies());
  REQUIRE(gateway.identify());
  CHECK(gateway.notifies());
  CHECK(mcp.await("GET").header("Accept") == "text/event-stream");
  tap->event(changed("tools"));
  tap->event(updated("note://one"));
  CHECK(gateway.await_notice(Notice::Kind::list_changed).server == "up");
  const Notice about = gateway.await_notice(Notice::Kind::resource_updated);
  CHECK(about.id == "note://one");
  CHECK(Json::parse(about.params) == Json{{"uri", "note://one"}});
  // The connection of the stream is a call's no more than before.
  CHECK(gateway.call() == "fine");
  gateway.close();
  CHECK(tap->left());
  CHECK(!gateway.upstream->notifies());
}

TEST_CASE("a stream that the upstream does not have is not asked for again, and nothing is promised") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  mcp.await("GET");
  for (int i = 0; i < 3; ++i) CHECK(gateway.call() == "fine");
  CHECK(mcp.count("GET") == 1);
  CHECK(!gateway.upstream->notifies());
}

TEST_CASE("a lost stream of notices is opened again where it was, and what may have been missed is told") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
  const auto first = mcp.tap(), second = mcp.tap();
  mcp.on("GET", [&](RawSocket& socket, const Heard& heard) {
    if (mcp.count("GET") == 2) return ScriptedMcp::reply(socket, 503, nullptr);
    const auto tap = mcp.count("GET") == 1 ? first : second;
    return ScriptedMcp::streams(tap)(socket, heard);
  });
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  REQUIRE(gateway.notifies());
  CHECK(gateway.watch("note://one") == "watched");
  first->write("id: n-7\nretry: 100\ndata:\n\n");
  first->close();
  CHECK(gateway.notifies(false));
  CHECK(gateway.notifies());
  CHECK(mcp.heard("GET").back().header("Last-Event-ID") == "n-7");
  gateway.await_notice(Notice::Kind::list_changed);
  CHECK(gateway.await_notice(Notice::Kind::resource_updated).id == "note://one");
  CHECK(gateway.notices().size() == 2);
  second->event(changed("prompts"));
  gateway.await_notice(Notice::Kind::list_changed, 2);
}

TEST_CASE(
    "a stream whose session the upstream has forgotten leads to a new session with everything watched") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
  const auto first = mcp.tap(), second = mcp.tap();
  std::atomic<bool> restarted{false};
  mcp.on("GET", [&](RawSocket& socket, const Heard& heard) {
    if (restarted && heard.session() == "session-1") return ScriptedMcp::reply(socket, 404, nullptr);
    return ScriptedMcp::streams(restarted ? second : first)(socket, heard);
  });
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  CHECK(gateway.watch("note://one") == "watched");
  restarted = true;
  first->write("retry: 100\n\n");
  first->close();
  gateway.await_notice(Notice::Kind::list_changed);
  CHECK(mcp.await("resources/subscribe", 2).session() == "session-2");
  CHECK(gateway.notifies());
  second->event(updated("note://one"));
  gateway.await_notice(Notice::Kind::resource_updated);
}

TEST_CASE("a session that a call finds forgotten is replaced, and what nobody heard meanwhile is told") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
  const auto first = mcp.tap(), second = mcp.tap();
  std::atomic<bool> restarted{false};
  mcp.on("GET", [&](RawSocket& socket, const Heard& heard) {
    return ScriptedMcp::streams(restarted ? second : first)(socket, heard);
  });
  mcp.on("tools/call", [&](RawSocket& socket, const Heard& heard) {
    if (restarted && heard.session() == "session-1") return ScriptedMcp::reply(socket, 404, nullptr);
    return ScriptedMcp::reply(socket, 200, ScriptedMcp::text_result(heard.message));
  });
  UpstreamFixture gateway(mcp);
  CHECK(gateway.watch("note://one") == "watched");
  restarted = true;
  CHECK(gateway.call() == "fine");
  gateway.await_notice(Notice::Kind::list_changed);
  CHECK(gateway.await_notice(Notice::Kind::resource_updated).id == "note://one");
  CHECK(mcp.count("resources/subscribe") == 2);
  CHECK(mcp.heard("resources/subscribe")[1].session() == "session-2");
}

TEST_CASE("a legacy subscription is made once for all who want it, and ended with the last") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
  mcp.on("GET", ScriptedMcp::streams(mcp.tap()));
  UpstreamFixture gateway(mcp);
  auto a = gateway.watching("note://one", Topic::resource, 0);
  auto b = gateway.watching("note://one", Topic::resource, 1);
  CHECK(a.get() == "watched");
  CHECK(b.get() == "watched");
  CHECK(gateway.watch("note://one") == "watched");
  REQUIRE(mcp.count("resources/subscribe") == 1);
  CHECK(mcp.heard("resources/subscribe")[0].message["params"] == Json{{"uri", "note://one"}});
  gateway.unwatch("note://one");
  gateway.unwatch("note://one", Topic::resource, 1);
  CHECK(gateway.call() == "fine");
  CHECK(mcp.count("resources/unsubscribe") == 0);
  gateway.unwatch("note://one");
  CHECK(mcp.await("resources/unsubscribe").message["params"] == Json{{"uri", "note://one"}});
  CHECK(gateway.watch("note://one") == "watched");
  CHECK(mcp.count("resources/subscribe") == 2);

  // Sessions of others have subscriptions of their own.
  CHECK(gateway.watch("note://one", Topic::resource, 0, "agent:bot") == "watched");
  CHECK(mcp.await("resources/subscribe", 3).session() == "session-2");
}

TEST_CASE("what a legacy upstream cannot tell about cannot be watched") {
  {
    ScriptedMcp mcp(ScriptedMcp::Era::legacy, {{"resources", {{"listChanged", true}}}});
    UpstreamFixture gateway(mcp);
    CHECK(gateway.watch("note://one").starts_with("upstream_broken"));
    CHECK(gateway.watch("t-1", Topic::task).starts_with("upstream_broken"));
    CHECK(mcp.count("resources/subscribe") == 0);
  }
  {
    // No stream: nothing would ever arrive.
    ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
    UpstreamFixture gateway(mcp);
    CHECK(gateway.watch("note://one").starts_with("upstream_broken"));
    CHECK(mcp.count("resources/subscribe") == 0);
  }
  {
    ScriptedMcp mcp(ScriptedMcp::Era::legacy, kLists);
    mcp.on("GET", ScriptedMcp::streams(mcp.tap()));
    mcp.on("resources/subscribe", [](RawSocket& socket, const Heard& heard) {
      return ScriptedMcp::reply(socket, 200, ScriptedMcp::error(heard.message, -32002, "no such resource"));
    });
    UpstreamFixture gateway(mcp);
    CHECK(gateway.watch("note://nope").find("no such resource") != std::string::npos);
    CHECK(gateway.watch("note://nope").starts_with("upstream_broken"));
    CHECK(mcp.count("resources/subscribe") == 2);
  }
}

// --- notifications outside of calls: modern --------------------------------------------------------------

TEST_CASE("a modern upstream is listened to for the lists that it tells about, and its notices arrive") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern, kLists);
  const auto tap = mcp.tap();
  mcp.on("subscriptions/listen", agrees(mcp, {tap}));
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  CHECK(gateway.notifies());
  const Heard listen = mcp.await("subscriptions/listen");
  CHECK(listen.message["params"]["notifications"] ==
        Json{{"toolsListChanged", true}, {"promptsListChanged", true}, {"resourcesListChanged", true}});
  CHECK(listen.header("Mcp-Method") == "subscriptions/listen");
  CHECK(listen.message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] == "2026-07-28");
  tap->event(changed("tools"));
  gateway.await_notice(Notice::Kind::list_changed);
  gateway.close();
  CHECK(tap->left());
  CHECK(!gateway.upstream->notifies());
}

TEST_CASE("nothing is promised while the upstream agrees to less than it has") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern, kLists);
  const auto tap = mcp.tap();
  mcp.on("subscriptions/listen", [&](RawSocket& socket, const Heard& heard) {
    return ScriptedMcp::streams(
        tap, ScriptedMcp::event(acknowledged(heard.message, {{"toolsListChanged", true}})))(socket, heard);
  });
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  mcp.await("subscriptions/listen");
  tap->event(changed("tools"));
  gateway.await_notice(Notice::Kind::list_changed);
  CHECK(!gateway.upstream->notifies());
}

TEST_CASE("an upstream that does not know subscriptions/listen is asked once") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern, kLists);
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  mcp.await("subscriptions/listen");
  for (int i = 0; i < 3; ++i) CHECK(gateway.call() == "fine");
  CHECK(gateway.watch("note://one").starts_with("upstream_broken"));
  CHECK(mcp.count("subscriptions/listen") < 4);
  CHECK(!gateway.upstream->notifies());
}

TEST_CASE(
    "what is watched joins the stream before the old one is closed, and is confirmed by its "
    "acknowledgement") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern, kLists);
  const auto first = mcp.tap(), second = mcp.tap(), third = mcp.tap();
  std::atomic<bool> may_acknowledge{false};
  mcp.on("subscriptions/listen", [&](RawSocket& socket, const Heard& heard) {
    const std::size_t n = mcp.count("subscriptions/listen");
    if (n == 2) {
      while (!may_acknowledge) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      CHECK(!first->left(false));
    }
    return agrees(mcp, {first, second, third})(socket, heard);
  });
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  REQUIRE(gateway.notifies());
  auto a = gateway.watching("note://a", Topic::resource, 0);
  mcp.await("subscriptions/listen", 2);
  CHECK(a.wait_for(std::chrono::milliseconds(100)) == std::future_status::timeout);
  CHECK(gateway.upstream->notifies());
  first->event(changed("tools"));
  gateway.await_notice(Notice::Kind::list_changed);
  may_acknowledge = true;
  CHECK(a.get() == "watched");
  CHECK(first->left());
  CHECK(mcp.heard("subscriptions/listen")[1].message["params"]["notifications"]["resourceSubscriptions"] ==
        Json{"note://a"});
  second->event(updated("note://a"));
  CHECK(gateway.await_notice(Notice::Kind::resource_updated).id == "note://a");

  // Wanted already: nothing is opened.
  CHECK(gateway.watch("note://a", Topic::resource, 1) == "watched");
  CHECK(mcp.count("subscriptions/listen") == 2);
  gateway.unwatch("note://a");
  CHECK(mcp.count("subscriptions/listen") == 2);
  gateway.unwatch("note://a");
  CHECK(!mcp.await("subscriptions/listen", 3)
             .message["params"]["notifications"]
             .contains("resourceSubscriptions"));
  CHECK(second->left());
  CHECK(gateway.notifies());
}

TEST_CASE("a resource that the upstream leaves out of its acknowledgement is not watched") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern, kLists);
  const auto tap = mcp.tap();
  mcp.on("subscriptions/listen", [&](RawSocket& socket, const Heard& heard) {
    Json agreed = heard.message["params"]["notifications"];
    if (agreed.contains("resourceSubscriptions"))
      agreed["resourceSubscriptions"] = Json::array({"note://good"});
    return ScriptedMcp::streams(tap, ScriptedMcp::event(acknowledged(heard.message, agreed)))(socket, heard);
  });
  UpstreamFixture gateway(mcp);
  auto good = gateway.watching("note://good", Topic::resource, 0);
  auto bad = gateway.watching("note://bad", Topic::resource, 1);
  CHECK(good.get() == "watched");
  CHECK(bad.get() == "upstream_broken: does not offer subscriptions to 'note://bad'");
  CHECK(gateway.watch("note://good") == "watched");
}

TEST_CASE("tasks are watched by their id, by a client that says that it knows tasks") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern, {{"tools", Json::object()}});
  const auto tap = mcp.tap();
  mcp.on("subscriptions/listen", agrees(mcp, {tap}));
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  CHECK(mcp.count("subscriptions/listen") == 0);
  CHECK(gateway.watch("t-1", Topic::task) == "watched");
  const Heard listen = mcp.await("subscriptions/listen");
  CHECK(listen.message["params"]["notifications"] == Json{{"taskIds", {"t-1"}}});
  CHECK(
      listen.message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]["extensions"].contains(
          "io.modelcontextprotocol/tasks"));
  tap->event({{"jsonrpc", "2.0"},
              {"method", "notifications/tasks"},
              {"params", {{"taskId", "t-1"}, {"status", "completed"}}}});
  const Notice notice = gateway.await_notice(Notice::Kind::task_changed);
  CHECK(notice.id == "t-1");
  CHECK(Json::parse(notice.params)["status"] == "completed");
  // Nothing left to hear: the stream is closed.
  gateway.unwatch("t-1", Topic::task);
  CHECK(tap->left());
  CHECK(mcp.count("subscriptions/listen") == 1);
}

TEST_CASE("a modern stream that ends is opened again with all that is watched") {
  ScriptedMcp mcp(ScriptedMcp::Era::modern, kLists);
  const auto first = mcp.tap(), second = mcp.tap(), third = mcp.tap();
  mcp.on("subscriptions/listen", agrees(mcp, {first, second, third}));
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.identify());
  // Otherwise both wishes may share the first stream.
  REQUIRE(gateway.notifies());
  CHECK(gateway.watch("note://a") == "watched");
  second->write("retry: 100\n\n");
  second->close();
  CHECK(gateway.notifies(false));
  CHECK(gateway.notifies());
  CHECK(
      mcp.heard("subscriptions/listen").back().message["params"]["notifications"]["resourceSubscriptions"] ==
      Json{"note://a"});
  gateway.await_notice(Notice::Kind::list_changed);
  gateway.await_notice(Notice::Kind::resource_updated);
}

TEST_CASE("closing ends streams that are being opened, or waited for, as well") {
  for (const auto era : {ScriptedMcp::Era::legacy, ScriptedMcp::Era::modern}) {
    ScriptedMcp mcp(era, kLists);
    const auto silent = [](RawSocket& socket, const Heard&) {
      socket.rest();
      return false;
    };
    mcp.on("GET", silent);
    mcp.on("subscriptions/listen", silent);
    UpstreamFixture gateway(mcp);
    REQUIRE(gateway.identify());
    auto watched = gateway.watching("note://one");
    mcp.await(era == ScriptedMcp::Era::legacy ? "GET" : "subscriptions/listen");
    gateway.close();
    CHECK(watched.get() != "watched");
    CHECK(gateway.call() == "unavailable");
  }
}
