// Subscriptions at upstreams that are slow, late or of two minds.
#include "scripted_mcp.hpp"

using namespace sallyport;
using namespace sallyport::testing;
using namespace std::chrono_literals;
using gateway::Topic;

namespace {

const Json kResources = {{"resources", {{"subscribe", true}}}};

/// Holds back an answer until the test lets it go.
class Gate {
 public:
  void wait() {
    ++waiting_;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, 10s, [&] { return open_; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  std::atomic<int> waiting_{0};

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

template <class Condition>
bool until(Condition condition) {
  for (int i = 0; i < 1000 && !condition(); ++i) std::this_thread::sleep_for(10ms);
  return condition();
}

bool empty_result(RawSocket& socket, const Heard& heard) {
  return ScriptedMcp::reply(socket, 200, ScriptedMcp::result(heard.message));
}

}  // namespace

TEST_CASE("a new subscription waits for the end of a slow unsubscription of the same resource") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kResources);
  mcp.on("GET", ScriptedMcp::streams(mcp.tap()));
  Gate gate;
  std::atomic<bool> unsubscribed{false};
  mcp.on("resources/unsubscribe", [&](RawSocket& socket, const Heard& heard) {
    gate.wait();
    unsubscribed = true;
    return empty_result(socket, heard);
  });
  // What the server would tell about: the order in which it carried out what it was asked.
  std::atomic<bool> subscribed_first{false};
  mcp.on("resources/subscribe", [&](RawSocket& socket, const Heard& heard) {
    subscribed_first = mcp.count("resources/unsubscribe") > 0 && !unsubscribed;
    return empty_result(socket, heard);
  });
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.watch("note://one") == "watched");
  gateway.unwatch("note://one");
  mcp.await("resources/unsubscribe");
  auto again = gateway.watching("note://one", Topic::resource, 1);
  // Other resources have nothing to wait for.
  CHECK(gateway.watch("note://two") == "watched");
  CHECK(again.wait_for(200ms) == std::future_status::timeout);
  CHECK(mcp.count("resources/subscribe") == 2);
  gate.open();
  CHECK(again.get() == "watched");
  CHECK(!subscribed_first);
  CHECK(mcp.count("resources/subscribe") == 3);
  CHECK(mcp.count("resources/unsubscribe") == 1);
}

TEST_CASE("a subscription that is confirmed after its deadline is taken back") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy, kResources);
  mcp.on("GET", ScriptedMcp::streams(mcp.tap()));
  Gate gate;
  mcp.on("resources/subscribe", [&](RawSocket& socket, const Heard& heard) {
    if (heard.message["params"]["uri"] == "note://late") gate.wait();
    return empty_result(socket, heard);
  });
  UpstreamFixture gateway(mcp);
  REQUIRE(gateway.watch("note://one") == "watched");
  CHECK(gateway.watch("note://late", Topic::resource, 0, "", 200ms).starts_with("upstream_timeout"));
  CHECK(mcp.count("resources/unsubscribe") == 0);
  SUBCASE("where nobody wants it any more") {
    gate.open();
    CHECK(mcp.await("resources/unsubscribe").message["params"] == Json{{"uri", "note://late"}});
    CHECK(gateway.watch("note://late") == "watched");
    CHECK(mcp.count("resources/subscribe") == 3);
    CHECK(mcp.count("resources/unsubscribe") == 1);
  }
  SUBCASE("and where somebody wants it again by then, it stands at the end") {
    auto second = gateway.watching("note://late", Topic::resource, 1);
    REQUIRE(until([&] { return gate.waiting_ >= 2 || mcp.count("resources/subscribe") >= 3; }));
    gate.open();
    CHECK(second.get() == "watched");
    CHECK(gateway.call() == "fine");
    CHECK(mcp.count("resources/unsubscribe") == 0);
  }
}

TEST_CASE("an upstream that ends each stream of notices at once is asked less and less often") {
  for (const auto era : {ScriptedMcp::Era::modern, ScriptedMcp::Era::legacy}) {
    CAPTURE(static_cast<int>(era));
    ScriptedMcp mcp(era, {{"tools", {{"listChanged", true}}}});
    std::mutex mutex;
    std::vector<SteadyTime> times;
    const auto note = [&] {
      const std::lock_guard lock(mutex);
      times.push_back(std::chrono::steady_clock::now());
    };
    mcp.on("subscriptions/listen", [&](RawSocket& socket, const Heard& heard) {
      note();
      ScriptedMcp::open_stream(
          socket,
          "retry: 0\n\n" + ScriptedMcp::event(
                               {{"jsonrpc", "2.0"},
                                {"method", "notifications/subscriptions/acknowledged"},
                                {"params", {{"notifications", heard.message["params"]["notifications"]}}}}));
      return false;
    });
    mcp.on("GET", [&](RawSocket& socket, const Heard&) {
      note();
      ScriptedMcp::open_stream(socket, "retry: 0\n\n");
      return false;
    });
    UpstreamFixture gateway(mcp);
    REQUIRE(gateway.identify());
    REQUIRE(until([&] {
      const std::lock_guard lock(mutex);
      return times.size() >= 7;
    }));
    const std::lock_guard lock(mutex);
    CHECK(times[1] - times[0] >= 95ms);
    CHECK(times[5] - times[4] >= 350ms);
    CHECK(times[6] - times[5] >= 700ms);
    CHECK(gateway.call() == "fine");
  }
}

TEST_CASE("an upstream that will not have one of many wishes gets the others") {
  for (const bool on_stream : {true, false}) {
    CAPTURE(on_stream);
    ScriptedMcp mcp(ScriptedMcp::Era::modern, kResources);
    std::mutex mutex;
    std::shared_ptr<Tap> newest;
    Json accepted;
    std::atomic<bool> strict{true};
    mcp.on("subscriptions/listen", [&](RawSocket& socket, const Heard& heard) {
      const Json asked = heard.message["params"]["notifications"];
      const Json uris = asked.value("resourceSubscriptions", Json::array());
      if (strict && std::ranges::find(uris, Json("note://bad")) != uris.end()) {
        const Json error = ScriptedMcp::error(heard.message, -32602, "no such resource");
        if (!on_stream) return ScriptedMcp::reply(socket, 400, error);
        ScriptedMcp::open_stream(socket, ScriptedMcp::event(error));
        return false;
      }
      const auto tap = mcp.tap();
      {
        const std::lock_guard lock(mutex);
        newest = tap;
        accepted = uris;
      }
      return ScriptedMcp::streams(
          tap, ScriptedMcp::event({{"jsonrpc", "2.0"},
                                   {"method", "notifications/subscriptions/acknowledged"},
                                   {"params", {{"notifications", asked}}}}))(socket, heard);
    });
    UpstreamFixture gateway(mcp);
    REQUIRE(gateway.watch("note://first") == "watched");
    std::vector<std::future<std::string>> good;
    for (int i = 0; i < 9; ++i) good.push_back(gateway.watching("note://" + std::to_string(i)));
    auto bad = gateway.watching("note://bad");
    for (auto& each : good) CHECK(each.get() == "watched");
    CHECK(bad.get().starts_with("upstream_broken"));
    CHECK(mcp.count("subscriptions/listen") < 16);
    {
      const std::lock_guard lock(mutex);
      CHECK(accepted.size() == 10);
      newest->event({{"jsonrpc", "2.0"},
                     {"method", "notifications/resources/updated"},
                     {"params", {{"uri", "note://3"}}}});
    }
    CHECK(gateway.await_notice(gateway::Notice::Kind::resource_updated).id == "note://3");
    // It may think better of it.
    CHECK(gateway.watch("note://bad").starts_with("upstream_broken"));
    strict = false;
    CHECK(gateway.watch("note://bad") == "watched");
  }
}

TEST_CASE(
    "an answer's stream that brings nothing but new ids and asks for no pause is not taken up without one") {
  ScriptedMcp mcp(ScriptedMcp::Era::legacy);
  UpstreamFixture gateway(mcp);
  mcp.on("tools/call", [](RawSocket& socket, const Heard&) {
    ScriptedMcp::open_stream(socket, "id: e-0\nretry: 0\ndata:\n\n");
    return false;
  });
  std::atomic<int> n{0};
  mcp.on("GET", [&](RawSocket& socket, const Heard&) {
    ScriptedMcp::open_stream(socket, "id: e-" + std::to_string(++n) + "\nretry: 0\ndata:\n\n");
    return false;
  });
  CHECK(gateway.call({.within = 1s}) == "upstream_timeout");
  CHECK(n >= 2);
  CHECK(n <= 10);
}
