#include <doctest/doctest.h>

#include "server_fixture.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;
using namespace std::chrono_literals;

namespace {
constexpr std::string_view kGet = "GET /events HTTP/1.1\r\nHost: x\r\n\r\n";
}

TEST_CASE("events arrive in order, the stream ends cleanly and the connection goes on") {
  TestServer server({}, [](Exchange& x) -> Task<> {
    Reply head;
    head.headers.emplace_back("Mcp-Session-Id", "s1");
    EventStream& stream = x.stream(std::move(head));
    CHECK(x.answered());
    CHECK(stream.push("data: 1\n\n"));
    CHECK(stream.push("data: 2\n\n"));
    co_await sleep_for(x.shard(), 5ms);
    CHECK(stream.push("data: 3\n\n"));
    CHECK(stream.open());
    CHECK(x.bytes_sent() == 27);
  });
  RawSocket s = server.dial();
  for (int i = 0; i < 2; ++i) {
    s.send(kGet);
    const RawSocket::Answer a = s.answer();
    CHECK(a.status == 200);
    CHECK(a.has("Content-Type: text/event-stream\r\n"));
    CHECK(a.has("Cache-Control: no-store\r\n"));
    CHECK(a.has("X-Accel-Buffering: no\r\n"));
    CHECK(a.has("Mcp-Session-Id: s1\r\n"));
    CHECK(a.body == "data: 1\n\ndata: 2\n\ndata: 3\n\n");
  }
  s.send("GET /events HTTP/1.0\r\nHost: x\r\n\r\n");
  const RawSocket::Answer old = s.answer();
  CHECK_FALSE(old.has("chunked"));
  CHECK(old.body == "data: 1\n\ndata: 2\n\ndata: 3\n\n");
}

TEST_CASE("a large frame goes out whole") {
  const std::string frame = "data: " + std::string(5'000'000, 'x') + "\n\n";
  TestServer server({}, [&](Exchange& x) -> Task<> {
    CHECK(x.stream({}).push(frame));
    co_return;
  });
  CHECK((server.ask(kGet).body == frame));
}

TEST_CASE("the head of a stream is sent before its first event, and silence is filled with comments") {
  TestServer server({.sse_keep_alive = 20ms}, [](Exchange& x) -> Task<> {
    EventStream& stream = x.stream({});
    Slot<bool> gone;
    auto watch = x.cancel().on_request([&] { gone.deliver(true); });
    co_await gone;
    CHECK_FALSE(stream.open());
    CHECK_FALSE(stream.push("data: late\n\n"));
  });
  RawSocket s = server.dial();
  s.send(kGet);
  CHECK(s.until("\r\n\r\n").find("200 OK") != std::string::npos);
  for (int i = 0; i < 3; ++i) CHECK(s.until("\n\n\r\n") == "3\r\n:\n\n\r\n");
  s.close();
  CHECK(TestServer::eventually([&] { return server.listener().connections() == 0; }));
}

TEST_CASE("F07 a client that leaves a stream is noticed at once, however it leaves") {
  std::atomic<int> ended = 0;
  TestServer server({}, [&](Exchange& x) -> Task<> {
    EventStream& stream = x.stream({});
    Slot<bool> gone;
    auto watch = x.cancel().on_request([&] { gone.deliver(true); });
    co_await gone;
    CHECK_FALSE(stream.open());
    ++ended;
  });
  for (int i = 0; i < 2; ++i) {
    RawSocket s = server.dial();
    s.send(kGet);
    CHECK(s.until("\r\n\r\n").find("200 OK") != std::string::npos);
    if (i == 0) s.close();
    if (i == 1) s.reset();
    CHECK(TestServer::eventually([&] { return ended == i + 1; }));
  }
}

TEST_CASE("F08 a stream whose reader does not read is cut at its bound, and its call is cancelled") {
  std::atomic<int> ended = 0;
  TestServer server({.sse_queue = 200'000}, [&](Exchange& x) -> Task<> {
    EventStream& stream = x.stream({});
    const std::string frame = "data: " + std::string(10'000, 'x') + "\n\n";
    while (stream.push(frame)) co_await sleep_for(x.shard(), 0ms);
    CHECK_FALSE(stream.open());
    // What the cut cancels may come a moment later.
    if (!x.cancel().requested()) {
      Slot<bool> gone;
      auto watch = x.cancel().on_request([&] { gone.deliver(true); });
      co_await gone;
    }
    ++ended;
  });
  RawSocket s = server.dial();
  s.send(kGet);
  CHECK(TestServer::eventually([&] { return ended == 1; }));
  CHECK(s.was_reset());
}

TEST_CASE("F08 who takes what comes is not cut because others have spent the budget") {
  const std::string frame = "data: " + std::string(16'000, 'x') + "\n\n";
  HeldBytes others;
  {
    TestServer server({}, [&](Exchange& x) -> Task<> {
      EventStream& stream = x.stream({});
      CHECK(stream.push(frame));
      co_await sleep_for(x.shard(), 20ms);
      CHECK(stream.push(frame));
    });
    HeldBytes::set_budget(limits::MiB);
    REQUIRE(others.set(limits::MiB));
    RawSocket s = server.dial();
    s.send(kGet);
    CHECK(s.answer().body == frame + frame);
    others.release();
  }
  HeldBytes::set_budget(limits::kBytesInFlight);
}

TEST_CASE("F08 a frame that came with a share of the budget keeps it until its reader has taken it") {
  constexpr std::size_t kLarge = 48 * limits::MiB;  // more than the half of streams
  {
    std::atomic<bool> done = false;
    TestServer server({}, [&](Exchange& x) -> Task<> {
      HeldBytes share;
      CHECK(share.set(kLarge + limits::MiB));
      CHECK(x.stream({}).push("data: " + std::string(kLarge, 'x') + "\n\n", std::move(share)));
      done = true;
      co_return;
    });
    HeldBytes::set_budget(64 * limits::MiB);
    RawSocket s = server.dial();
    s.send(kGet);
    CHECK(TestServer::eventually([&] { return done.load(); }));
    CHECK(HeldBytes::total() >= kLarge);
    CHECK(HeldBytes::total() < kLarge + limits::KiB);
    CHECK(s.answer().body.size() > kLarge);
    CHECK(TestServer::eventually([&] { return HeldBytes::total() == 0; }));
  }
  HeldBytes::set_budget(limits::kBytesInFlight);
}

TEST_CASE("F08 a large frame without a share is counted, and cuts its stream where nothing is left") {
  HeldBytes others;
  {
    std::atomic<int> pushed = 0;
    TestServer server({}, [&](Exchange& x) -> Task<> {
      pushed += x.stream({}).push("data: " + std::string(24 * limits::MiB, 'x') + "\n\n") ? 1 : 100;
      co_return;
    });
    HeldBytes::set_budget(64 * limits::MiB);
    REQUIRE(others.set(24 * limits::MiB));
    RawSocket first = server.dial();
    first.send(kGet);
    CHECK(TestServer::eventually([&] { return pushed == 1; }));
    CHECK(HeldBytes::total() >= 48 * limits::MiB);
    RawSocket second = server.dial();
    second.send(kGet);
    CHECK(TestServer::eventually([&] { return pushed == 101; }));
    CHECK(first.answer().body.size() > 24 * limits::MiB);
    others.release();
    CHECK(TestServer::eventually([&] { return HeldBytes::total() == 0; }));
  }
  HeldBytes::set_budget(limits::kBytesInFlight);
}

TEST_CASE("F08 a stream whose reader stalls is cut after the stall bound, at its end too") {
  std::atomic<int> ended = 0;
  TestServer server({.write_stall = 50ms}, [&](Exchange& x) -> Task<> {
    x.stream({}).push("data: " + std::string(20'000'000, 'x') + "\n\n");
    ++ended;
    co_return;
  });
  RawSocket s = server.dial();
  s.send(kGet);
  CHECK(TestServer::eventually([&] { return ended == 1 && server.listener().connections() == 0; }));
  CHECK(s.was_reset());
}

TEST_CASE("stopping cuts streams after the grace") {
  TestServer server({.cancel_grace = 20ms}, [](Exchange& x) -> Task<> {
    EventStream& stream = x.stream({});
    Slot<bool> gone;
    auto watch = x.cancel().on_request([&] { gone.deliver(true); });
    co_await gone;
    CHECK_FALSE(stream.open());
  });
  std::vector<RawSocket> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(server.dial());
    clients.back().send(kGet);
    CHECK(clients.back().until("\r\n\r\n").find("200 OK") != std::string::npos);
  }
  server.listener().stop(10ms);
  CHECK(server.listener().connections() == 0);
  for (RawSocket& s : clients) s.rest();
}
