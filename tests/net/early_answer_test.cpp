// An upstream that answers before it has the whole request.
#include <future>

#include "certificate.hpp"
#include "fake_upstream.hpp"
#include "sallyport/core/limits.hpp"
#include "server_fixture.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;
using namespace std::chrono_literals;

namespace {

/// More than the buffers of both ends take.
const std::string& long_body() {
  static const std::string body(16 * limits::MiB, 'x');
  return body;
}

const std::string kTooLarge = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\nenough!";

}  // namespace

TEST_CASE("a refusal before the end of a long request is the answer, whatever its sender does afterwards") {
  enum class Then : std::uint8_t { stays, half_closes, resets };
  for (const Then then : {Then::stays, Then::half_closes, Then::resets}) {
    for (const bool kept : {false, true}) {
      CAPTURE(static_cast<int>(then));
      CAPTURE(kept);
      std::promise<void> answered;
      const auto gate = answered.get_future().share();
      FakeUpstream upstream([&](RawSocket& socket, int index) {
        if (index > 0) return always(kOk)(socket, index);
        if (kept) {
          read_request(socket);
          socket.send(kOk);
        }
        socket.until("\r\n\r\n");
        socket.send(kTooLarge);
        if (then == Then::half_closes) socket.shutdown_send();
        if (then == Then::resets) return socket.reset();
        gate.wait();
        // What the client has given up it has closed.
        socket.rest();
      });
      with_client([&](Shard&, Client& client) -> Task<> {
        const Origin origin = upstream.origin();
        if (kept) CHECK((co_await outcome(client, origin)) == "200 {}");
        CHECK((co_await outcome(client, origin, post(long_body()))) == "413 enough!");
        CHECK(client.gauges().idle == 0);
        answered.set_value();
        CHECK((co_await outcome(client, origin)) == "200 {}");
      });
      CHECK(upstream.connections == 2);
    }
  }
}

TEST_CASE("a refusal that arrives in pieces while a long request is written is put together") {
  std::promise<void> answered;
  const auto gate = answered.get_future().share();
  FakeUpstream upstream([&](RawSocket& socket, int) {
    socket.until("\r\n\r\n");
    for (const char c : "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n" + kTooLarge) {
      socket.send({&c, 1});
      socket.exactly(1000);
    }
    gate.wait();
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    CHECK((co_await outcome(client, origin, post(long_body()))) == "413 enough!");
    answered.set_value();
  });
}

TEST_CASE("what is no final answer stops no request, and its connection is used again") {
  std::atomic<std::size_t> received = 0;
  FakeUpstream upstream([&](RawSocket& socket, int) {
    for (int i = 0; i < 2; ++i) {
      socket.until("\r\n\r\n");
      socket.send("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 1");
      received = socket.exactly(long_body().size()).size();
      socket.send("03 Early Hints\r\n\r\n" + kOk);
    }
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    for (int i = 0; i < 2; ++i) {
      CHECK((co_await outcome(client, origin, post(long_body()))) == "200 {}");
      CHECK(received == long_body().size());
      CHECK(client.gauges().idle == 1);
    }
    CHECK(client.gauges().reused == 1);
  });
  CHECK(upstream.connections == 1);
}

TEST_CASE("an upstream that begins a good answer early still gets all of the request that it takes") {
  struct Row {
    std::string head;
    std::string body;
    std::string outcome;
  };
  const Row rows[] = {
      {"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 2\r\n\r\n", "{}", "200 {}"},
      {"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "{}", "200 {}"},
      {"HTTP/1.0 200 OK\r\n\r\n", "{}", "200 {}"},
      {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "", "202 "},
      {"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "", "202 "},
      {"HTTP/1.1 204 No Content\r\n\r\n", "", "204 "},
  };
  for (const Row& row : rows) {
    CAPTURE(row.head);
    std::promise<std::size_t> received;
    FakeUpstream upstream([&](RawSocket& socket, int) {
      socket.until("\r\n\r\n");
      socket.send(row.head);
      received.set_value(socket.exactly(long_body().size()).size());
      socket.send(row.body);
    });
    with_client([&](Shard&, Client& client) -> Task<> {
      const Origin origin = upstream.origin();
      CHECK((co_await outcome(client, origin, post(long_body()))) == row.outcome);
      // Who knows what such a server does with the next request.
      CHECK(client.gauges().idle == 0);
      CHECK(client.gauges().busy == 0);
    });
    CHECK(received.get_future().get() == long_body().size());
  }
}

TEST_CASE("an upstream that has answered well and takes nothing more is not written to for ever") {
  std::promise<void> answered;
  const auto gate = answered.get_future().share();
  FakeUpstream upstream([&](RawSocket& socket, int) {
    socket.until("\r\n\r\n");
    socket.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    gate.wait();
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    CHECK((co_await outcome(client, origin, post(long_body()))) == "200 {}");
    CHECK(client.gauges().idle == 0);
    answered.set_value();
  });
}

TEST_CASE(
    "a connection that ends before the end of a long request fails the call once, and it may have run") {
  for (const bool reset : {false, true}) {
    CAPTURE(reset);
    std::promise<void> answered;
    const auto gate = answered.get_future().share();
    FakeUpstream upstream([&](RawSocket& socket, int) {
      socket.until("\r\n\r\n");
      if (reset) return socket.reset();
      socket.shutdown_send();
      gate.wait();
    });
    with_client([&](Shard&, Client& client) -> Task<> {
      const Origin origin = upstream.origin();
      auto response = co_await client.send(origin, post(long_body()), soon(), nullptr);
      REQUIRE_FALSE(response.has_value());
      CHECK(response.error().code == Code::upstream_broken);
      CHECK_FALSE(response.error().retry);
      answered.set_value();
    });
    CHECK(upstream.connections == 1);
  }
}

TEST_CASE("cancelling ends a long request that is being written and an answer that is awaited beside it") {
  std::promise<void> noticed;
  FakeUpstream upstream([&](RawSocket& socket, int) {
    socket.until("\r\n\r\n");
    socket.send("HTTP/1.1 4");
    noticed.get_future().wait();
  });
  with_client([&](Shard& shard, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    Cancel cancel;
    Deadline later(shard);
    later.set(30ms, [&] { cancel.request(); });
    auto response = co_await client.send(origin, post(long_body()), soon(), &cancel);
    REQUIRE_FALSE(response.has_value());
    CHECK(response.error().code == Code::cancelled);
    CHECK(client.gauges().busy == 0);
    noticed.set_value();
  });
}

TEST_CASE("over TLS a refusal before the end of a long request is the answer as well") {
  const Certificate certificate("mcp.example.com");
  TestServer upstream(
      {},
      [](Exchange& exchange) -> Task<> {
        // Nothing of the body is read, and the connection stays.
        EventStream& answer = exchange.stream({.status = 413});
        answer.push("data: enough\n\n");
        Slot<bool> gone;
        const auto watch = exchange.cancel().on_request([&] { gone.deliver(true); });
        co_await gone;
      },
      "127.0.0.1:0", ListenerTls{certificate.cert_file, certificate.key_file});
  set_resolver_for_test([](const std::string&, std::uint16_t port) -> Result<std::vector<SocketAddress>> {
    return std::vector{*address_of("127.0.0.1", port)};
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin{
        .url = *parse_url("https://mcp.example.com:" + std::to_string(upstream.listener().port()) + "/"),
        .allow_private = true,
        .ca_file = certificate.cert_file};
    auto response = co_await client.send(origin, post(long_body()), soon(), nullptr);
    REQUIRE_MESSAGE(response.has_value(), (response ? "" : response.error().what));
    CHECK(response->status() == 413);
    CHECK((co_await response->some()).value() == "data: enough\n\n");
  });
  set_resolver_for_test({});
}
