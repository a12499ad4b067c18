#include "sallyport/net/server.hpp"

#include <doctest/doctest.h>

#include "server_fixture.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;
using namespace std::chrono_literals;

namespace {

std::string post(std::string_view path, std::string_view body, std::string_view headers = {}) {
  return std::string("POST ")
             .append(path)
             .append(" HTTP/1.1\r\nHost: x\r\n")
             .append(headers)
             .append("Content-Length: ") +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

}  // namespace

TEST_CASE("a request is answered and the connection stays for the next one") {
  TestServer server;
  RawSocket s = server.dial();
  for (int i = 0; i < 3; ++i) {
    REQUIRE(s.send(post("/echo", "hello " + std::to_string(i))));
    const RawSocket::Answer a = s.answer();
    CHECK(a.status == 200);
    CHECK(a.body == "hello " + std::to_string(i));
    CHECK(a.has("Content-Type: text/plain\r\n"));
    CHECK(a.has("\r\nDate: "));
    CHECK_FALSE(a.has("Connection:"));
  }
  CHECK(server.listener().connections() == 1);
}

TEST_CASE("pipelined requests are answered in order, none lost") {
  TestServer server;
  RawSocket s = server.dial();
  std::string all;
  for (int i = 0; i < 50; ++i) all += post("/echo", std::to_string(i));
  REQUIRE(s.send(all));
  for (int i = 0; i < 50; ++i) CHECK(s.answer().body == std::to_string(i));
}

TEST_CASE("a request that arrives byte by byte is the same request") {
  TestServer server;
  RawSocket s = server.dial();
  for (const char c : post("/echo", "slowly") + post("/echo", "again")) REQUIRE(s.send({&c, 1}));
  CHECK(s.answer().body == "slowly");
  CHECK(s.answer().body == "again");
}

TEST_CASE("large bodies arrive whole, sized and chunked, and leave the next request alone") {
  TestServer server;
  RawSocket s = server.dial();
  std::string big;
  for (int i = 0; big.size() < 1'000'000; ++i) big += std::to_string(i) + ",";
  std::string chunked = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (std::size_t at = 0; at < big.size(); at += 7777) {
    const std::string piece = big.substr(at, 7777);
    char size[32];
    std::snprintf(size, sizeof size, "%zx;ext=1\r\n", piece.size());
    chunked += size + piece + "\r\n";
  }
  chunked += "0\r\nAuthorization: evil\r\n\r\n";
  std::thread sender([&] { s.send(post("/echo", big) + chunked + post("/echo", "after")); });
  CHECK((s.answer().body == big));
  CHECK((s.answer().body == big));
  CHECK(s.answer().body == "after");
  sender.join();
}

TEST_CASE("N15 a body over the cap is refused, announced or not, and the connection ends") {
  TestServer server;
  SUBCASE("announced") {
    RawSocket s = server.dial();
    s.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n");
    const RawSocket::Answer a = s.answer();
    CHECK(a.status == 413);
    CHECK(a.has("Connection: close"));
    CHECK(s.at_end());
  }
  SUBCASE("chunked without end") {
    RawSocket s = server.dial();
    std::thread sender([&] {
      s.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
      const std::string chunk = "4000\r\n" + std::string(0x4000, 'x') + "\r\n";
      for (int i = 0; i < 66 && s.send(chunk); ++i) {
      }
    });
    CHECK(s.answer().status == 413);
    sender.join();
  }
}

TEST_CASE("N07 chunked bodies with bad framing are refused and the connection ends") {
  TestServer server;
  for (const std::string& body :
       {std::string("FFFFFFFFFFFFFFFFF\r\n"), std::string("-1\r\n"),
        "1;ext=" + std::string(64 * 1024, 'e') + "\r\n", std::string("5\nhello\n0\n\n"),
        std::string("5\r\nhelloX\r\n0\r\n\r\n"), std::string("5 \r\nhello\r\n0\r\n\r\n"),
        std::string("0x5\r\nhello\r\n0\r\n\r\n"), std::string("\r\n"),
        "0\r\n" + std::string(5000, 't') + ": v\r\n\r\n"}) {
    RawSocket s = server.dial();
    s.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body);
    CHECK(s.answer().status == 400);
    CHECK(s.at_end());
  }
  CHECK(server.ask(post("/echo", "fine")).body == "fine");
}

TEST_CASE("N07 a trailer never becomes a header") {
  TestServer server;
  RawSocket s = server.dial();
  s.send(
      "POST /headers HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\nAuthorization: evil\r\n\r\n");
  CHECK(s.answer().body.find("evil") == std::string::npos);
}

TEST_CASE("N06 an early answer closes the connection and the body is never read as a request") {
  TestServer server;
  RawSocket s = server.dial();
  const std::string inner = post("/echo", "smuggled");
  s.send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(inner.size()) + "\r\n\r\n");
  const RawSocket::Answer a = s.answer();
  CHECK(a.status == 401);
  CHECK(a.has("Connection: close"));
  s.send(inner);
  CHECK(s.rest().empty());
  CHECK(server.handled == 1);
}

TEST_CASE("N06 a client still sending a large body sees the early answer") {
  TestServer server;
  RawSocket s = server.dial();
  s.send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + std::string(200000, 'x'));
  CHECK(s.answer().status == 401);
  CHECK(s.at_end());
}

TEST_CASE("N05 an upgrade that is offered is ignored, and what follows is the next request") {
  TestServer server;
  RawSocket s = server.dial();
  s.send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: foo\r\nContent-Length: 1\r\n\r\na" +
      post("/echo", "b"));
  CHECK(s.answer().body == "a");
  CHECK(s.answer().body == "b");
}

TEST_CASE("a head that is refused gets a small answer, a record, and the end of the connection") {
  TestServer server;
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       "400 smuggling"},
      {"GET /" + std::string(9 * 1024, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n", "414 target_too_long"},
      {"GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(33 * 1024, 'a') + "\r\n\r\n", "431 head_too_large"},
      {"GET /a%2fb HTTP/1.1\r\nHost: x\r\n\r\n", "404 path"},
      {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n", "501 transfer_encoding"},
      {std::string("\x16\x03\x01\x02\x00", 5), "400 request_line"},
  };
  for (const auto& [bytes, expected] : rows) {
    CAPTURE(expected);
    RawSocket s = server.dial();
    s.send(bytes + post("/echo", "smuggled"));
    const RawSocket::Answer a = s.answer();
    CHECK(std::to_string(a.status) == expected.substr(0, 3));
    CHECK(a.has("Connection: close"));
    CHECK(a.body.starts_with(R"({"error":{"code":")"));
    CHECK(s.rest().empty());
    CHECK(server.refusals().back() == expected);
  }
  CHECK(server.handled == 0);
  CHECK(server.ask(post("/echo", "fine")).body == "fine");
}

TEST_CASE("F08 a head that takes too long is answered with 408, however it drips") {
  TestServer server({.head = 60ms});
  RawSocket s = server.dial();
  s.send("POST /echo HTT");
  const RawSocket::Answer a = s.answer();
  CHECK(a.status == 408);
  CHECK(server.refusals().back() == "408 head_timeout");
  CHECK(s.at_end());
}

TEST_CASE("F08 the time for a head starts with its first byte, not with the connection") {
  TestServer server({.head = 40ms, .idle = 5s});
  RawSocket s = server.dial();
  s.send(post("/echo", "a"));
  CHECK(s.answer().body == "a");
  CHECK_FALSE(s.more(120ms));  // three times the time for a head, and nothing happened
  REQUIRE(s.send(post("/echo", "b")));
  CHECK(s.answer().body == "b");
}

TEST_CASE("a connection that stays idle is closed") {
  TestServer server({.idle = 40ms});
  RawSocket s = server.dial();
  CHECK(s.at_end());
  s = server.dial();
  s.send(post("/echo", "a"));
  CHECK(s.answer().body == "a");
  CHECK(s.at_end());
}

TEST_CASE("F08 a body that comes too slowly ends the request") {
  TestServer server({.body = 60ms});
  for (const std::string_view framing :
       {"Content-Length: 100\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n5\r\nab"}) {
    RawSocket s = server.dial();
    s.send("POST /echo HTTP/1.1\r\nHost: x\r\n" + std::string(framing));
    const RawSocket::Answer a = s.answer();
    CHECK(a.status == 400);
    CHECK(a.body.find("in time") != std::string::npos);
    CHECK(s.at_end());
  }
}

TEST_CASE("F08 a body earns time by what comes, not by what it announces") {
  TestServer server({.body = 60ms});
  RawSocket s = server.dial();
  s.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc");
  const auto begin = std::chrono::steady_clock::now();
  CHECK(s.answer().status == 400);
  CHECK(std::chrono::steady_clock::now() - begin < 2s);
}

TEST_CASE("F08 a reader that takes nothing is cut, and one that takes something is not") {
  std::atomic<int> ended = 0;
  TestServer server({.write_stall = 150ms}, [&](Exchange& x) -> Task<> {
    co_await x.reply({.body = std::string(30'000'000, 'x')});
    ++ended;
  });
  RawSocket stalled = server.dial();
  stalled.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(TestServer::eventually([&] { return ended == 1; }));
  CHECK(stalled.was_reset());
  RawSocket reading = server.dial();
  reading.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(reading.answer().body.size() == 30'000'000);
}

TEST_CASE(
    "small bodies are taken when the budget is spent, however they come; a large one is told to come again") {
  TestServer server;
  HeldBytes others;
  HeldBytes::set_budget(limits::MiB);
  REQUIRE(others.set(limits::MiB));
  RawSocket s = server.dial();
  s.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n");
  s.send("hi");
  CHECK(s.answer().body == "hi");
  s.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  s.send("2\r\nho\r\n0\r\n\r\n");
  CHECK(s.answer().body == "ho");
  s.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + std::string(9000, 'x'));
  CHECK(s.answer().status != 200);
  others.release();
  HeldBytes::set_budget(limits::kBytesInFlight);
}

TEST_CASE("a client that asks first is told to go on before it sends its body") {
  TestServer server;
  RawSocket s = server.dial();
  s.send("POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(s.until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  s.send("hi");
  CHECK(s.answer().body == "hi");
  s.send("POST /early HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(s.answer().status == 401);
}

TEST_CASE("HTTP/1.0 closes unless asked to stay, and HEAD has no body") {
  TestServer server;
  RawSocket s = server.dial();
  s.send("GET /echo HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n");
  CHECK(s.answer().has("Connection: keep-alive"));
  s.send("GET /echo HTTP/1.0\r\nHost: x\r\n\r\n");
  const RawSocket::Answer a = s.answer();
  CHECK(a.has("HTTP/1.0 200"));
  CHECK(a.has("Connection: close"));
  CHECK(s.at_end());
  s = server.dial();
  s.send("HEAD /early HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = s.rest();
  CHECK(all.find("Content-Length: 2\r\n") != std::string::npos);
  CHECK(all.ends_with("\r\n\r\n"));
}

TEST_CASE("a header that could not be a field is left out of the answer") {
  TestServer server({}, [](Exchange& x) -> Task<> {
    Reply reply{.body = "ok"};
    reply.headers = {{"X-Good", "yes"}, {"X-Bad", "a\r\nSet-Cookie: evil"}, {"Bad Name", "x"}};
    co_await x.reply(std::move(reply));
  });
  const RawSocket::Answer a = server.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(a.has("X-Good: yes\r\n"));
  CHECK_FALSE(a.has("evil"));
  CHECK_FALSE(a.has("Bad Name"));
}

TEST_CASE("a handler that forgets to answer leaves nobody waiting") {
  TestServer server;
  const RawSocket::Answer a = server.ask("GET /silent HTTP/1.1\r\nHost: x\r\n\r\n");
  CHECK(a.status == 500);
}

TEST_CASE("F07 a client that goes away cancels its call") {
  TestServer server({.watch_after = 1ms});
  SUBCASE("closed") {
    RawSocket s = server.dial();
    s.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(TestServer::eventually([&] { return server.handled == 1; }));
    s.close();
    CHECK(TestServer::eventually([&] { return server.cancelled == 1; }));
  }
  SUBCASE("reset") {
    RawSocket s = server.dial();
    s.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    REQUIRE(TestServer::eventually([&] { return server.handled == 1; }));
    s.reset();
    CHECK(TestServer::eventually([&] { return server.cancelled == 1; }));
  }
  SUBCASE("in the middle of its body") {
    RawSocket s = server.dial();
    s.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    REQUIRE(TestServer::eventually([&] { return server.handled == 1; }));
    s.close();
    CHECK(TestServer::eventually([&] { return server.cancelled == 1; }));
  }
  CHECK(TestServer::eventually([&] { return server.listener().connections() == 0; }));
}

TEST_CASE("F07 a client that goes away cancels its call, whatever it sent after its request") {
  TestServer server;
  int gone = 0;
  for (const std::string& late :
       {std::string("\r\n"), std::string("P"), post("/echo", "next"), std::string(30 * limits::KiB, 'x')}) {
    for (const auto pause : {0ms, 150ms}) {
      CAPTURE(late.substr(0, 20));
      CAPTURE(pause.count());
      RawSocket s = server.dial();
      s.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
      REQUIRE(TestServer::eventually([&] { return server.handled == gone + 1; }));
      std::this_thread::sleep_for(pause);
      s.send(late);
      std::this_thread::sleep_for(pause);
      CHECK(server.cancelled == gone);
      s.close();
      ++gone;
      CHECK(TestServer::eventually([&] { return server.cancelled == gone; }));
    }
  }
  CHECK(TestServer::eventually([&] { return server.listener().connections() == 0; }));
}

TEST_CASE("a client that closes only its own half gets what its call answers, and what it had asked before") {
  for (const bool streams : {false, true}) {
    for (const std::string& late : {std::string(), post("/echo", "next")}) {
      CAPTURE(streams);
      CAPTURE(late);
      TestServer server({}, [&](Exchange& x) -> Task<> {
        Slot<bool> left;
        auto watch = x.cancel().on_request([&] { left.deliver(true); });
        if (streams) x.keep_answering();
        EventStream* const events = streams ? &x.stream({}) : nullptr;
        co_await left;
        co_await sleep_for(x.shard(), 20ms);
        if (events) {
          CHECK(events->push("data: late\n\n"));
        } else {
          co_await x.reply({.body = "late"});
        }
      });
      RawSocket s = server.dial();
      s.send("GET /late HTTP/1.1\r\nHost: x\r\n\r\n" + late);
      s.shutdown_send();
      CHECK(s.answer().body == (streams ? "data: late\n\n" : "late"));
      if (!late.empty()) CHECK(s.answer().body == "next");
      CHECK(s.rest() == "");
    }
  }
}

TEST_CASE("a body whose sender has closed its half meanwhile is read whole") {
  TestServer server({}, [](Exchange& x) -> Task<> {
    co_await sleep_for(x.shard(), 30ms);
    const Result<std::string> body = co_await x.read_body(limits::MiB);
    co_await x.reply({.body = body ? std::to_string(body->size()) : body.error().what});
  });
  for (const std::size_t size : {10UL, 300 * limits::KiB}) {
    RawSocket s = server.dial();
    s.send(post("/late", std::string(size, 'x')));
    s.shutdown_send();
    CHECK(s.answer().body == std::to_string(size));
  }
}

TEST_CASE("a call that was watched answers, and the connection goes on") {
  TestServer server({.watch_after = 1ms}, [](Exchange& x) -> Task<> {
    co_await sleep_for(x.shard(), 30ms);
    Result<std::string> body = co_await x.read_body(1000);
    co_await sleep_for(x.shard(), 30ms);
    co_await x.reply({.body = x.cancel().requested() ? "cancelled" : *body});
  });
  RawSocket s = server.dial();
  for (int i = 0; i < 3; ++i) {
    s.send("POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n");
    s.send("body");
    CHECK(s.answer().body == "body");
  }
  // The next request comes while the first is still at work: not lost, not taken for leaving.
  s.send(post("/late", "one") + post("/late", "two"));
  CHECK(s.answer().body == "one");
  CHECK(s.answer().body == "two");
}

TEST_CASE("stopping lets calls end, closes idle connections, and refuses new ones") {
  std::atomic<bool> go = false;
  auto server = std::make_unique<TestServer>(ConnectionBounds{}, [&](Exchange& x) -> Task<> {
    while (!go) co_await sleep_for(x.shard(), 1ms);
    co_await x.reply({.body = "done"});
  });
  RawSocket idle = server->dial();
  idle.send(post("/echo", "x"));
  idle.answer();
  RawSocket busy = server->dial();
  busy.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n");
  REQUIRE(TestServer::eventually([&] { return server->handled == 2; }));
  std::thread stopper([&] { server->listener().stop(20s); });
  CHECK(idle.at_end());
  CHECK_FALSE(server->dial().is_open());
  go = true;
  const RawSocket::Answer a = busy.answer();
  CHECK(a.body == "done");
  CHECK(a.has("Connection: close"));
  stopper.join();
  CHECK(server->listener().connections() == 0);
}

TEST_CASE("stopping cancels what outlives the grace") {
  TestServer server({.cancel_grace = 20ms});
  RawSocket held = server.dial();
  held.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
  RawSocket half = server.dial();
  half.send("GET /ho");
  REQUIRE(TestServer::eventually([&] { return server.handled == 1; }));
  server.listener().stop(10ms);
  CHECK(server.cancelled == 1);
  CHECK(server.listener().connections() == 0);
  CHECK(held.rest().empty());
}

TEST_CASE("a thousand connections are served side by side, and those over the bound wait their turn") {
  TestServer server({.connections = 500});
  std::vector<RawSocket> sockets;
  for (int i = 0; i < 1000; ++i) {
    sockets.push_back(server.dial());
    REQUIRE(sockets.back().is_open());
    REQUIRE(sockets.back().send(post("/echo", std::to_string(i), "Connection: close\r\n")));
  }
  for (int i = 0; i < 1000; ++i)
    CHECK(sockets[static_cast<std::size_t>(i)].answer().body == std::to_string(i));
  CHECK(server.handled == 1000);
}

TEST_CASE("that there are as many connections as there may be is told, once a minute at most") {
  TestServer server({.connections = 2});
  std::vector<RawSocket> sockets;
  for (int i = 0; i < 5; ++i) sockets.push_back(server.dial());
  CHECK(TestServer::eventually([&] { return server.told_full > 0; }));
  sockets.clear();
  CHECK(server.ask(post("/echo", "x")).status == 200);
  CHECK(server.told_full == 1);
}
