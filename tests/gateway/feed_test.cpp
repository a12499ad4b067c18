// What the streams of a shard subscribe to: counted at the upstream, told to those who may know.
#include "../../src/gateway/feed.hpp"

#include <doctest/doctest.h>

#include "../../src/gateway/shard_state.hpp"
#include "sallyport/core/clock.hpp"

using namespace sallyport;
using namespace sallyport::gateway;

namespace {

class NoJournal final : public store::JournalWriter {
 public:
  void intent(const store::Intent&, Durable durable) override { durable({}); }
  void outcome(const store::Outcome&) override {}
  void refusal(const store::Refusal&) override {}
  void note(std::string_view, std::string_view) override {}
  bool pending() const override { return false; }
  void commit() override {}
  bool failing() const override { return false; }
};

/// Counts what is watched.
class Watchable final : public Upstream {
 public:
  Task<Result<UpstreamAnswer>> call(UpstreamCall, std::string) override {
    co_return fail(Code::internal, Blame::us, "not here");
  }
  Task<Result<std::shared_ptr<const UpstreamIdentity>>> identify(std::string, SteadyTime) override {
    co_return fail(Code::internal, Blame::us, "not here");
  }
  Task<Result<bool>> watch(Topic, std::string id, std::string isolation, SteadyTime) override {
    if (during) during();
    if (refuses) co_return fail(Code::upstream_broken, Blame::upstream, "no subscriptions");
    ++watched[isolation + "|" + id];
    co_return true;
  }
  Task<> unwatch(Topic, std::string id, std::string isolation) override {
    --watched[isolation + "|" + id];
    co_return;
  }
  bool notifies() const override { return false; }
  Task<> close() override { co_return; }
  Health health() const override { return {}; }

  std::map<std::string, int> watched;
  bool refuses = false;
  std::function<void()> during;  // before it answers
};

class Ear final : public Follower {
 public:
  void tell(std::string_view method, std::string_view members) override {
    heard.push_back(std::string(method) + " " + std::string(members));
  }
  void end() override { ended = true; }
  std::vector<std::string> heard;
  bool ended = false;
};

const char* const kOpen = R"(---
kind: VirtualServer
name: open
access: anonymous
tools: [{from: notes}]
resources: [{from: notes, include: ["note://*"]}]
)";
const char* const kClosed = R"(---
kind: VirtualServer
name: open
access: anonymous
tools: [{from: notes}]
resources: [{from: notes, include: ["note://b*"]}]
)";

std::shared_ptr<const Snapshot> snapshot(const std::shared_ptr<Upstream>& upstream, const std::string& yaml,
                                         const std::string& tools = "[]", bool awaited = false,
                                         store::Isolation isolation = store::Isolation::shared) {
  auto config = std::make_shared<ServerConfig>();
  config->document.name = "notes";
  config->document.isolation = isolation;
  auto catalogue =
      Catalogue::build({.server = "notes",
                        .tools = tools,
                        .resources = R"([{"uri":"note://a"},{"uri":"note://b"},{"uri":"note://a/x"}])",
                        .templates = R"([{"uriTemplate":"note://many/{n}"}])"});
  REQUIRE(catalogue.has_value());
  SnapshotParts parts;
  parts.servers.push_back(
      {.config = config, .upstream = upstream, .catalogue = *catalogue, .awaited = awaited});
  auto documents = store::read_documents(yaml, "test.yaml");
  REQUIRE(documents.has_value());
  auto rules = take_policies(*documents, {});
  REQUIRE(rules.has_value());
  parts.documents = std::move(*documents);
  parts.rules = std::move(*rules);
  return build_snapshot(std::move(parts));
}

Watched note(const std::shared_ptr<Upstream>& upstream, const std::string& uri,
             const std::string& isolation = "") {
  return {.topic = Topic::resource,
          .upstream = upstream,
          .server = "notes",
          .isolation = isolation,
          .id = uri,
          .client_id = uri,
          .canonical = "notes/" + uri};
}

Notice updated(const std::string& uri, const std::string& isolation = "") {
  return {.kind = Notice::Kind::resource_updated, .server = "notes", .isolation = isolation, .id = uri};
}

const Caller kCaller{.key_id = "", .path = "/mcp/open"};
const SteadyTime kLater = SteadyTime::max();

/// A shard of one's own, on this thread.
struct Desk {
  net::Shard shard{0};
  NoJournal journal;
  ShardCounters counters;
  ShardState state{shard, journal, counters, "t-"};
  std::shared_ptr<Watchable> upstream = std::make_shared<Watchable>();

  void run(const std::function<Task<>(Desk&, Feed&)>& body) {
    state.feed = std::make_shared<Feed>(state, system_clock());
    state.swap(snapshot(upstream, kOpen));
    REQUIRE(shard.post([&] {
      spawn([](const std::function<Task<>(Desk&, Feed&)>& f, Desk& desk) -> Task<> {
        co_await f(desk, *desk.state.feed);
        desk.state.feed->clear();
        desk.shard.stop();
      }(body, *this));
    }));
    shard.run();
  }
  /// Everything that is ready has run, and the feed has told what it had to tell.
  Task<> settle() {
    for (int i = 0; i < 20 || !state.feed->idle(); ++i) {
      auto turn = std::make_shared<Slot<bool>>();
      REQUIRE(shard.post([turn] { turn->deliver(true); }));
      co_await *turn;
    }
  }
};

}  // namespace

TEST_CASE("two streams share nothing but the upstream's count, which falls to nothing when both have gone") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto one = std::make_shared<Ear>(), two = std::make_shared<Ear>();
    CHECK(feed.join(one, kCaller, Follower::kAll).has_value());
    CHECK(feed.join(two, kCaller, Follower::kAll).has_value());
    for (const auto& ear : {one, two, one}) {
      auto done = co_await feed.watch(ear, note(d.upstream, "note://a"), kLater);
      CHECK(done.has_value());
    }
    CHECK(d.upstream->watched["|note://a"] == 2);
    feed.hear(updated("note://a"));
    feed.hear(updated("note://a"));  // said twice before anyone looked: told once
    feed.hear(updated("note://b"));
    feed.hear(updated("note://a", "agent:someone"));
    co_await d.settle();
    for (const auto& ear : {one, two})
      CHECK(ear->heard == std::vector<std::string>{R"(notifications/resources/updated "uri":"note://a")"});
    CHECK(feed.unwatch(*one, Topic::resource, "note://a"));
    CHECK(!feed.unwatch(*one, Topic::resource, "note://a"));
    CHECK(d.upstream->watched["|note://a"] == 1);
    feed.leave(*two);
    CHECK(d.upstream->watched["|note://a"] == 0);
    feed.leave(*one);
  });
}

TEST_CASE("what lies below a subscribed resource is told to those who may read it") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, Follower::kAll).has_value());
    CHECK((co_await feed.watch(ear, note(d.upstream, "note://a"), kLater)).has_value());
    feed.hear(updated("note://a/x"));
    feed.hear(updated("note://a/hidden"));
    co_await d.settle();
    CHECK(ear->heard == std::vector<std::string>{R"(notifications/resources/updated "uri":"note://a/x")"});
  });
}

TEST_CASE("an upstream that refuses leaves nothing behind, and a change during its answer is not missed") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, Follower::kAll).has_value());
    d.upstream->refuses = true;
    CHECK(!(co_await feed.watch(ear, note(d.upstream, "note://a"), kLater)).has_value());
    CHECK(Feed::watches(*ear) == 0);
    feed.hear(updated("note://a"));
    co_await d.settle();
    CHECK(ear->heard.empty());
    d.upstream->refuses = false;
    d.upstream->during = [&] { feed.hear(updated("note://a")); };
    CHECK((co_await feed.watch(ear, note(d.upstream, "note://a"), kLater)).has_value());
    co_await d.settle();
    CHECK(ear->heard.size() == 1);
    // Given up while the upstream confirms: the upstream is told.
    d.upstream->during = [&] { feed.unwatch(*ear, Topic::resource, "note://b"); };
    CHECK(!(co_await feed.watch(ear, note(d.upstream, "note://b"), kLater)).has_value());
    CHECK(d.upstream->watched["|note://b"] == 0);
    d.upstream->during = [&] { feed.leave(*ear); };
    CHECK(!(co_await feed.watch(ear, note(d.upstream, "note://b"), kLater)).has_value());
    CHECK(d.upstream->watched["|note://b"] == 0);
    CHECK(d.upstream->watched["|note://a"] == 0);
  });
}

TEST_CASE("a right that goes while the upstream confirms takes the subscription along") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, 0).has_value());
    d.upstream->during = [&] { d.state.swap(snapshot(d.upstream, kClosed)); };
    CHECK(!(co_await feed.watch(ear, note(d.upstream, "note://a"), kLater)).has_value());
    d.upstream->during = nullptr;
    CHECK((co_await feed.watch(ear, note(d.upstream, "note://b"), kLater)).has_value());
    co_await d.settle();
    CHECK(d.upstream->watched["|note://a"] == 0);
    CHECK(d.upstream->watched["|note://b"] == 1);
  });
}

TEST_CASE("an upstream that names endless URIs costs nobody anything") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, 0).has_value());
    CHECK((co_await feed.watch(ear, note(d.upstream, "note://a"), kLater)).has_value());
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 100; ++i)
      feed.hear(updated("note://a/" + std::to_string(i) + std::string(1'000'000, '/')));
    feed.hear(updated("note://a/" + std::string(8000, '/')));
    co_await d.settle();
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
    CHECK(ear->heard.empty());
  });
}

TEST_CASE("a change of configuration takes away what may not be read and asks a new server again") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, 0).has_value());
    for (const char* uri : {"note://a", "note://b"})
      CHECK((co_await feed.watch(ear, note(d.upstream, uri), kLater)).has_value());
    const auto next = std::make_shared<Watchable>();
    d.state.swap(snapshot(next, kClosed));
    feed.snapshot_changed();
    co_await d.settle();
    CHECK(d.upstream->watched["|note://a"] == 0);
    CHECK(d.upstream->watched["|note://b"] == 0);
    CHECK(next->watched["|note://a"] == 0);
    CHECK(next->watched["|note://b"] == 1);
    // Nobody heard what happened between the two.
    CHECK(ear->heard == std::vector<std::string>{R"(notifications/resources/updated "uri":"note://b")"});
    CHECK(!ear->ended);
    d.state.swap(snapshot(next, "---\nkind: Team\nname: t\nmembers: []\n"));
    feed.snapshot_changed();
    co_await d.settle();
    CHECK(ear->ended);
    feed.leave(*ear);
    CHECK(next->watched["|note://b"] == 0);
  });
}

TEST_CASE(
    "a snapshot that changes nothing for a caller is no news; one that does is told once to each stream") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    std::vector<std::shared_ptr<Ear>> ears;
    for (int i = 0; i < 1000; ++i) {  // more than one turn of the loop serves
      ears.push_back(std::make_shared<Ear>());
      CHECK(feed.join(ears.back(), kCaller, i % 2 == 0 ? Follower::kTools : Follower::kPrompts).has_value());
    }
    d.state.swap(snapshot(d.upstream, kOpen));
    feed.snapshot_changed();
    co_await d.settle();
    for (const auto& ear : ears) REQUIRE(ear->heard.empty());
    d.state.swap(snapshot(d.upstream, kOpen, R"([{"name":"new","inputSchema":{"type":"object"}}])"));
    feed.snapshot_changed();
    // Some leave in the middle.
    for (std::size_t i = 0; i < ears.size(); i += 10) feed.leave(*ears[i]);
    co_await d.settle();
    for (std::size_t i = 0; i < ears.size(); ++i) {
      CAPTURE(i);
      REQUIRE(ears[i]->heard.size() == (i % 10 != 0 && i % 2 == 0 ? 1 : 0));
    }
  });
}

TEST_CASE("a server that comes while a stream is open is news, however soon its lists are there") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, Follower::kTools).has_value());
    d.state.swap(snapshot(d.upstream, kOpen, "[]", true));
    feed.snapshot_changed();
    co_await d.settle();
    CHECK(ear->heard.empty());
    d.state.swap(snapshot(d.upstream, kOpen, R"([{"name":"new","inputSchema":{"type":"object"}}])"));
    feed.snapshot_changed();
    co_await d.settle();
    CHECK(ear->heard == std::vector<std::string>{"notifications/tools/list_changed "});
  });
}

TEST_CASE("the lists that a stream's caller waits for anyway are no news") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    d.state.swap(snapshot(d.upstream, kOpen, "[]", true));
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, Follower::kTools).has_value());
    d.state.swap(snapshot(d.upstream, kOpen, R"([{"name":"new","inputSchema":{"type":"object"}}])"));
    feed.snapshot_changed();
    co_await d.settle();
    CHECK(ear->heard.empty());
  });
}

TEST_CASE("a server that keeps its callers apart from now on is asked for each of them") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, 0).has_value());
    CHECK((co_await feed.watch(ear, note(d.upstream, "note://b"), kLater)).has_value());
    const auto next = std::make_shared<Watchable>();
    d.state.swap(snapshot(next, kOpen, "[]", false, store::Isolation::principal));
    feed.snapshot_changed();
    co_await d.settle();
    CHECK(next->watched == std::map<std::string, int>{{"anonymous|note://b", 1}});
    feed.hear(updated("note://b", "anonymous"));
    co_await d.settle();
    CHECK(ear->heard.size() == 2);  // the renewal was told as well
    feed.leave(*ear);
    co_await d.settle();
    CHECK(next->watched["anonymous|note://b"] == 0);
  });
}

TEST_CASE("what is watched counts as bytes in flight, and its URIs have a bound") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, 0).has_value());
    const auto before = net::HeldBytes::total();
    const auto uri = [](std::size_t size) { return "note://many/" + std::string(size - 12, 'n'); };
    CHECK((co_await feed.watch(ear, note(d.upstream, uri(2048)), kLater)).has_value());
    CHECK(net::HeldBytes::total() > before + 3 * 2048);
    auto longer = co_await feed.watch(ear, note(d.upstream, uri(2049)), kLater);
    REQUIRE(!longer.has_value());
    CHECK(longer.error().code == Code::limited);
    CHECK(feed.unwatch(*ear, Topic::resource, uri(2048)));
    co_await d.settle();
    CHECK(net::HeldBytes::total() == before);
    CHECK((co_await feed.watch(ear, note(d.upstream, uri(2048)), kLater)).has_value());
    feed.leave(*ear);
    ear.reset();
    co_await d.settle();
    CHECK(net::HeldBytes::total() == before);
  });
}

TEST_CASE("what is too much is refused: streams of one caller, subscriptions of one stream") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto ear = std::make_shared<Ear>();
    CHECK(feed.join(ear, kCaller, Follower::kAll).has_value());
    for (std::size_t i = 0; i < limits::kSubscriptions; ++i)
      REQUIRE((co_await feed.watch(ear, note(d.upstream, "note://many/" + std::to_string(i)), kLater))
                  .has_value());
    auto one_more = co_await feed.watch(ear, note(d.upstream, "note://many/more"), kLater);
    REQUIRE(!one_more.has_value());
    CHECK(one_more.error().code == Code::limited);
    std::vector<std::shared_ptr<Ear>> ears;
    for (std::size_t i = 1; i < limits::kStreamsOfOne; ++i) {
      ears.push_back(std::make_shared<Ear>());
      REQUIRE(feed.join(ears.back(), kCaller, Follower::kAll).has_value());
    }
    auto last = feed.join(std::make_shared<Ear>(), kCaller, Follower::kAll);
    REQUIRE(!last.has_value());
    CHECK(last.error().code == Code::limited);
    feed.close();
    CHECK(ear->ended);
    auto late = feed.join(std::make_shared<Ear>(), kCaller, Follower::kAll);
    REQUIRE(!late.has_value());
    CHECK(late.error().code == Code::unavailable);
  });
}

TEST_CASE(
    "one principal has its share of what a shared upstream session can be asked to tell, each thing once") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    auto one = std::make_shared<Ear>(), two = std::make_shared<Ear>();
    for (const auto& ear : {one, two}) REQUIRE(feed.join(ear, kCaller, Follower::kAll).has_value());
    const auto many = [](std::size_t i) { return "note://many/" + std::to_string(i); };
    for (std::size_t i = 0; i < limits::kWatchedOfOne; ++i)
      REQUIRE((co_await feed.watch(one, note(d.upstream, many(i)), kLater)).has_value());
    CHECK((co_await feed.watch(two, note(d.upstream, many(0)), kLater)).has_value());
    auto more = co_await feed.watch(two, note(d.upstream, many(9999)), kLater);
    REQUIRE(!more.has_value());
    CHECK(more.error().code == Code::limited);
    CHECK(!d.upstream->watched.contains("|" + many(9999)));
    // A session of its own is nobody else's.
    CHECK((co_await feed.watch(two, note(d.upstream, many(9999), "own"), kLater)).has_value());
    CHECK(feed.unwatch(*one, Topic::resource, many(0)));
    CHECK(!(co_await feed.watch(two, note(d.upstream, many(9998)), kLater)).has_value());
    CHECK(feed.unwatch(*two, Topic::resource, many(0)));
    CHECK((co_await feed.watch(two, note(d.upstream, many(9998)), kLater)).has_value());
    feed.leave(*one);
    for (std::size_t i = 1; i < 200; ++i)
      REQUIRE((co_await feed.watch(two, note(d.upstream, many(i)), kLater)).has_value());
    feed.leave(*two);
  });
}

TEST_CASE("a session that nobody reads lets its subscriptions go after a while") {
  Desk desk;
  desk.run([](Desk& d, Feed& feed) -> Task<> {
    SessionStreams& streams = feed.sessions();
    const auto session = [](const std::string& nonce) {
      return Session{.nonce = nonce, .expires = std::int64_t{1} << 40};
    };
    const auto reader = std::make_shared<Outlet>(d.shard);
    CHECK((co_await streams.subscribe(session("deaf"), kCaller, note(d.upstream, "note://a"), kLater))
              .has_value());
    CHECK((co_await streams.subscribe(session("left"), kCaller, note(d.upstream, "note://b"), kLater))
              .has_value());
    CHECK((co_await streams.subscribe(session("reads"), kCaller, note(d.upstream, "note://a"), kLater))
              .has_value());
    CHECK(streams.attach(session("reads"), kCaller, reader).has_value());
    const auto leaver = std::make_shared<Outlet>(d.shard);
    const auto left = streams.attach(session("left"), kCaller, leaver);
    REQUIRE(left.has_value());
    streams.detach(left->stream, "left", *leaver);
    const SteadyTime now = std::chrono::steady_clock::now();
    CHECK(streams.sweep(now + limits::kStreamAway - std::chrono::seconds(5), 0));
    co_await d.settle();
    CHECK(d.upstream->watched["|note://a"] == 2);
    CHECK(streams.sweep(now + limits::kStreamAway + std::chrono::seconds(5), 0));
    co_await d.settle();
    CHECK(d.upstream->watched["|note://a"] == 1);
    CHECK(d.upstream->watched["|note://b"] == 0);
    // It can begin again.
    CHECK(streams.attach(session("left"), kCaller, leaver).has_value());
    streams.end("left");
    streams.end("reads");
  });
}
