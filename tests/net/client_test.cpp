#include "sallyport/net/client.hpp"

#include <future>

#include "fake_upstream.hpp"
#include "sallyport/core/limits.hpp"
#include "server_fixture.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;
using namespace std::chrono_literals;

TEST_CASE("a request goes out in one piece as it was given, framed by the client") {
  std::promise<std::string> seen;
  FakeUpstream upstream([&](RawSocket& socket, int) {
    seen.set_value(read_request(socket));
    socket.send(kOk);
    socket.rest();
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    ClientRequest request = post();
    CHECK(append_header(request.headers, "Authorization", "Bearer upstream-own"));
    request.path = "/mcp?x=1";
    request.body = {"{\"a\":", "", "[1,2,", "3]}"};
    const Origin origin = upstream.origin();
    auto response = co_await client.send(origin, std::move(request), soon(), nullptr);
    REQUIRE(response.has_value());
    CHECK(response->status() == 200);
    CHECK(response->content_type() == "application/json");
    REQUIRE(response->headers().lines.size() == 2);
    CHECK(response->headers().lines[1].value == "2");
    CHECK((co_await response->whole(100)).value() == "{}");
    // The head stays readable after the connection has gone back.
    CHECK(response->headers().lines[0].name == "Content-Type");
    CHECK(client.gauges().idle == 1);
  });
  CHECK(seen.get_future().get() ==
        "POST /mcp?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(upstream.port) +
            "\r\nContent-Type: application/json\r\nAuthorization: Bearer upstream-own\r\n"
            "Content-Length: 13\r\n\r\n{\"a\":[1,2,3]}");
}

TEST_CASE("an answer whose head brings much of its body is as long as it says, however large the head") {
  struct Row {
    std::size_t head, body;
  };
  static const Row rows[] = {{1000, 40'000},   {9000, 24'000},   {9000, 30'000},   {17'000, 30'000},
                             {17'000, 32'000}, {20'000, 31'000}, {24'000, 33'000}, {31'000, 49'000}};
  const auto body_of = [](std::size_t size) {
    std::string body;
    while (body.size() < size) body += std::to_string(body.size()) + " ";
    return body.substr(0, size);
  };
  for (const Row& row : rows) {
    CAPTURE(row.head);
    FakeUpstream upstream([&](RawSocket& socket, int) {
      read_request(socket);
      std::string head = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(row.body) + "\r\n";
      for (int i = 0; head.size() < row.head; ++i)
        head += "X-" + std::to_string(i) + ": " + std::string(900, 'h') + "\r\n";
      socket.send(head + "\r\n" + body_of(row.body));
      socket.rest();
    });
    with_client([&](Shard&, Client& client) -> Task<> {
      const Origin origin = upstream.origin();
      auto response = co_await client.send(origin, post(), soon(), nullptr);
      REQUIRE(response.has_value());
      const auto body = co_await response->whole(100'000);
      REQUIRE(body.has_value());
      CHECK(body->size() == row.body);
      CHECK(*body == body_of(row.body));
    });
  }
}

TEST_CASE("a request without a body says so only where a body is usual") {
  std::vector<std::string> seen;
  {
    FakeUpstream upstream([&](RawSocket& socket, int) {
      for (std::string request = read_request(socket); !request.empty(); request = read_request(socket)) {
        seen.push_back(request);
        socket.send(request.starts_with("HEAD") ? "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" : kOk);
      }
    });
    with_client([&](Shard&, Client& client) -> Task<> {
      for (const char* method : {"GET", "HEAD", "DELETE", "POST"}) {
        const Origin origin = upstream.origin();
        CHECK(
            (co_await outcome(client, origin, {.method = method, .path = "/x", .headers = "", .body = {}})) ==
            (std::string_view(method) == "HEAD" ? "200 " : "200 {}"));
      }
      CHECK(client.gauges().dialled == 1);
    });
  }
  REQUIRE(seen.size() == 4);
  for (const std::string& request : seen) {
    CHECK((request.find("Content-Length: 0\r\n") != std::string::npos) == request.starts_with("POST"));
  }
}

TEST_CASE("N33: no header, path or method can carry a second message or a token of its own") {
  std::string out = "A: b\r\n";
  struct Row {
    std::string why;
    std::string name;
    std::string value;
  };
  const Row rows[] = {
      {"CRLF in value", "X", "a\r\nAuthorization: Bearer stolen"},
      {"LF in value", "X", "a\nb"},
      {"NUL in value", "X", std::string("a\0b", 3)},
      {"DEL in value", "X", "a\x7f"},
      {"empty name", "", "a"},
      {"space in name", "X Y", "a"},
      {"colon in name", "X:", "a"},
      {"CRLF in name", "X\r\nY", "a"},
      {"byte outside ASCII in name", "X\xc3\xbc", "a"},
      {"Host", "host", "evil"},
      {"Content-Length", "Content-Length", "0"},
      {"Transfer-Encoding", "TRANSFER-ENCODING", "chunked"},
      {"Connection", "Connection", "close"},
      {"Upgrade", "Upgrade", "h2c"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK_FALSE(append_header(out, row.name, row.value));
    CHECK(out == "A: b\r\n");
  }
  CHECK(append_header(out, "X-Name", "caf\xc3\xa9 \t x"));

  FakeUpstream upstream(always(kOk));
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    const ClientRequest bad[] = {
        {.method = "GET /x HTTP/1.1\r\nA: b", .path = "/", .headers = "", .body = {}},
        {.method = "", .path = "/", .headers = "", .body = {}},
        {.method = "GET", .path = "/ HTTP/1.1\r\nA:b", .headers = "", .body = {}},
        {.method = "GET", .path = "http://other/", .headers = "", .body = {}},
        {.method = "GET", .path = "", .headers = "", .body = {}},
        {.method = "GET", .path = "/", .headers = "A: b", .body = {}},
    };
    for (const ClientRequest& request : bad) {
      ClientRequest copy = request;
      CHECK((co_await outcome(client, origin, std::move(copy))) == "internal");
    }
    CHECK(client.gauges().dialled == 0);
  });
  CHECK(upstream.connections == 0);
}

TEST_CASE("a connection serves one request after the other, the one used last first") {
  FakeUpstream upstream(always(kOk));
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    for (int i = 0; i < 20; ++i) CHECK((co_await outcome(client, origin)) == "200 {}");
    CHECK(client.gauges().dialled == 1);
    CHECK(client.gauges().reused == 19);
    CHECK(client.gauges().idle == 1);
  });
  CHECK(upstream.connections == 1);
}

TEST_CASE("pools do not mix: other permissions or another CA are another origin") {
  FakeUpstream upstream(always(kOk));
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    Origin strict = origin;
    strict.allow_private = false;
    CHECK((co_await outcome(client, origin)) == "200 {}");
    CHECK((co_await outcome(client, strict)) == "forbidden");
    Origin other = origin;
    other.ca_file = "/nowhere.pem";
    CHECK((co_await outcome(client, other)) == "200 {}");
    CHECK(client.gauges().dialled == 2);
  });
}

TEST_CASE("origins that nothing connects to are forgotten, and those in use are not") {
  FakeUpstream first(always(kOk)), second(always(kOk));
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin busy = first.origin(), idle = second.origin();
    auto response = co_await client.send(busy, post(), soon(), nullptr);
    REQUIRE(response.has_value());
    CHECK((co_await outcome(client, idle)) == "200 {}");
    std::size_t most = 0;
    for (int port = 1; port <= 2000; ++port) {
      const Origin strange{.url = *parse_url("http://10.0.0.1:" + std::to_string(port) + "/")};
      CHECK((co_await outcome(client, strange)) == "forbidden");
      most = std::max(most, client.gauges().origins);
    }
    CHECK(most < 100);
    CHECK((co_await response->whole(100)).value() == "{}");
    CHECK((co_await outcome(client, busy)) == "200 {}");
    CHECK((co_await outcome(client, idle)) == "200 {}");
    CHECK(client.gauges().dialled == 2);
    CHECK(client.gauges().reused == 2);
  });
}

TEST_CASE("an idle connection that the upstream closed is replaced unnoticed") {
  std::promise<void> closed;
  FakeUpstream upstream([&](RawSocket& socket, int index) {
    if (index > 0) return always(kOk)(socket, index);
    read_request(socket);
    socket.send(kOk);
    socket.close();
    closed.set_value();
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    CHECK((co_await outcome(client, origin)) == "200 {}");
    closed.get_future().wait();
    CHECK((co_await outcome(client, origin)) == "200 {}");
    CHECK(client.gauges().dialled == 2);
    CHECK(client.gauges().reused == 0);
  });
}

TEST_CASE("an upstream that announces how long it keeps a connection is believed") {
  FakeUpstream upstream(
      always("HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=5\r\nContent-Length: 2\r\n\r\n{}"));
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    CHECK((co_await outcome(client, origin)) == "200 {}");
    CHECK(client.gauges().idle == 0);
  });
}

TEST_CASE("a port where nobody listens is unreachable, and trying again cannot act twice") {
  std::uint16_t port = 0;
  {
    port = FakeUpstream([](RawSocket&, int) {}).port;
  }
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin{.url = *parse_url("http://127.0.0.1:" + std::to_string(port) + "/"),
                        .allow_private = true};
    auto response = co_await client.send(origin, post(), soon(), nullptr);
    REQUIRE_FALSE(response.has_value());
    CHECK(response.error().code == Code::upstream_unreachable);
    CHECK(response.error().retry);
  });
}

TEST_CASE("of several addresses the next one is tried, and the checked ones are the dialled ones (N36)") {
  FakeUpstream upstream(always(kOk));
  std::atomic<int> asked = 0;
  set_resolver_for_test([&](const std::string&, std::uint16_t port) -> Result<std::vector<SocketAddress>> {
    // The second answer would be another address: a second look-up would show.
    if (++asked > 1) return std::vector{*address_of("127.0.0.99", port)};
    return std::vector{*address_of("169.254.169.254", port), *address_of("127.0.0.77", port),
                       *address_of("127.0.0.1", port)};
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    const std::string text = "http://mcp.example.com:" + std::to_string(upstream.port) + "/";
    const Origin origin{.url = *parse_url(text), .allow_private = true};
    CHECK((co_await outcome(client, origin)) == "200 {}");
    const Origin strict{.url = *parse_url(text)};
    CHECK((co_await outcome(client, strict)) == "forbidden");
  });
  set_resolver_for_test({});
  CHECK(asked == 1);
  CHECK(upstream.connections == 1);
}

TEST_CASE("answers of every framing are read whole and in pieces") {
  struct Row {
    std::string why;
    std::string bytes;
    std::string outcome;
    bool reused;
  };
  const std::string large(300000, 'x');
  const std::string chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const Row rows[] = {
      {"length", kOk, "200 {}", true},
      {"length 0", "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "202 ", true},
      {"no content", "HTTP/1.1 204 No Content\r\n\r\n", "204 ", true},
      {"not modified with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", "304 ", true},
      {"no reason", "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}", "200 {}", true},
      {"obs-text in reason and value", "HTTP/1.1 200 \xc3\xbc\r\nA: \xff\r\nContent-Length: 2\r\n\r\n{}",
       "200 {}", true},
      {"interim first", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + kOk,
       "200 {}", true},
      {"large", "HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + large, "200 " + large, true},
      {"chunks", chunked + "2\r\n{}\r\n0\r\n\r\n", "200 {}", true},
      {"no chunks", chunked + "0\r\n\r\n", "200 ", true},
      {"chunks, extensions, trailers", chunked + "01;a=b\r\n{\r\n1 \r\n}\r\n0\r\nX: y\r\nZ:\r\n\r\n",
       "upstream_broken", false},
      {"chunks, extensions and trailers",
       chunked + "01;a=b\r\n{\r\n1;c=\"d\"\r\n}\r\n000;e\r\nX: y\r\nAuthorization: z\r\n\r\n", "200 {}",
       true},
      {"large chunk", chunked + "493E0\r\n" + large + "\r\n0\r\n\r\n", "200 " + large, true},
      {"until close", "HTTP/1.1 200 OK\r\n\r\n{}", "200 {}", false},
      {"until close in HTTP/1.0", "HTTP/1.0 200 OK\r\n\r\n" + large, "200 " + large, false},
      {"connection: close", "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\n{}",
       "200 {}", false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const bool until_close = row.why.starts_with("until");
    FakeUpstream upstream([&](RawSocket& socket, int) {
      while (!read_request(socket).empty()) {
        socket.send(row.bytes);
        if (until_close) return;
      }
    });
    with_client([&](Shard&, Client& client) -> Task<> {
      const Origin origin = upstream.origin();
      CHECK((co_await outcome(client, origin)) == row.outcome);
      CHECK(client.gauges().idle == (row.reused ? 1 : 0));
      CHECK((co_await outcome_in_pieces(client, origin)) == row.outcome);
      CHECK(client.gauges().dialled == (row.reused ? 1 : 2));
    });
  }
}

TEST_CASE("a chunked answer is read right wherever the network cuts it") {
  const std::string bytes =
      "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;x=y\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: u\r\n\r\n";
  FakeUpstream upstream([&](RawSocket& socket, int index) {
    const auto on = 1;
    ::setsockopt(socket.fd(), IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    for (std::size_t cut = static_cast<std::size_t>(index); !read_request(socket).empty(); ++cut) {
      socket.send(bytes.substr(0, cut));
      std::this_thread::yield();
      if (cut % 3 == 0) {
        for (const char c : bytes.substr(cut)) socket.send(std::string_view(&c, 1));
      } else {
        socket.send(bytes.substr(cut));
      }
    }
  });
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      CAPTURE(cut);
      CHECK((co_await outcome_in_pieces(client, origin)) == "200 abc0123456789");
    }
    CHECK(client.gauges().dialled == 1);
  });
}

TEST_CASE("a deadline that has passed ends the call, without a deadline it runs as long as it takes") {
  FakeUpstream upstream(always(kOk));
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    auto response = co_await client.send(origin, post(), SteadyTime::max(), nullptr);
    REQUIRE(response.has_value());
    CHECK((co_await response->whole(100)).value() == "{}");
  });
}

TEST_CASE("an answer that nobody reads on is read away in the background, for a while") {
  std::promise<void> go;
  const auto gate = go.get_future().share();
  FakeUpstream upstream([&](RawSocket& socket, int index) {
    read_request(socket);
    socket.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n");
    if (index == 0) {
      gate.wait();
      socket.send("0\r\n\r\n");
    }
    socket.rest();
  });
  with_client([&](Shard& shard, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    auto first = co_await client.send(origin, post(), soon(), nullptr);
    REQUIRE(first.has_value());
    finish_in_background(std::move(*first), 10s);
    auto second = co_await client.send(origin, post(), soon(), nullptr);
    REQUIRE(second.has_value());
    finish_in_background(std::move(*second), 30ms);
    go.set_value();
    while (client.gauges().busy > 0) co_await sleep_for(shard, 10ms);
    CHECK(client.gauges().idle == 1);
  });
}

TEST_CASE("many calls at once each get their own connection, and all of those come back") {
  FakeUpstream upstream(always(kOk));
  with_client([&](Shard& shard, Client& client) -> Task<> {
    const Origin origin = upstream.origin();
    int fine = 0;
    for (int i = 0; i < 40; ++i) {
      spawn([](Client& c, const Origin& o, int& good) -> Task<> {
        if ((co_await outcome(c, o)) == "200 {}") ++good;
      }(client, origin, fine));
    }
    while (fine < 40) co_await sleep_for(shard, 10ms);
    CHECK(client.gauges().busy == 0);
    CHECK(client.gauges().idle == client.gauges().dialled);
    CHECK(client.gauges().dialled <= 40);
  });
}

TEST_CASE("over TLS only the host that the certificate names is spoken to, and only under a known CA") {
  const Certificate certificate("mcp.example.com");
  const Certificate stranger("mcp.example.com");
  TestServer upstream({}, {}, "127.0.0.1:0", ListenerTls{certificate.cert_file, certificate.key_file});
  set_resolver_for_test([](const std::string&, std::uint16_t port) -> Result<std::vector<SocketAddress>> {
    return std::vector{*address_of("127.0.0.1", port)};
  });
  const std::string port = ":" + std::to_string(upstream.listener().port());
  with_client([&](Shard&, Client& client) -> Task<> {
    const Origin good{.url = *parse_url("https://mcp.example.com" + port + "/"),
                      .allow_private = true,
                      .ca_file = certificate.cert_file};
    for (int i = 0; i < 3; ++i) {
      ClientRequest request = post();
      request.path = "/echo";
      CHECK((co_await outcome(client, good, std::move(request))) == "200 {}");
    }
    CHECK(client.gauges().dialled == 1);
    CHECK(client.gauges().reused == 2);
  });
  const int before = upstream.handled;
  with_client([&](Shard&, Client& client) -> Task<> {
    struct Row {
      std::string why;
      std::string url;
      std::string ca_file;
    };
    const Row rows[] = {
        {"another host's certificate", "https://other.example.com", certificate.cert_file},
        {"an address that it does not name", "https://127.0.0.2", certificate.cert_file},
        {"an unknown CA", "https://mcp.example.com", stranger.cert_file},
        {"not among the system's CAs", "https://mcp.example.com", ""},
        {"no CA file", "https://mcp.example.com", "/nonexistent/ca.pem"},
    };
    for (const Row& row : rows) {
      CAPTURE(row.why);
      const Origin origin{
          .url = *parse_url(row.url + port + "/"), .allow_private = true, .ca_file = row.ca_file};
      auto response = co_await client.send(origin, post(), soon(), nullptr);
      REQUIRE_FALSE(response.has_value());
      CHECK(response.error().code != Code::cancelled);
      CHECK(client.gauges().dialled == 0);
    }
  });
  set_resolver_for_test({});
  CHECK(upstream.handled == before);
}

TEST_CASE("an authority that is taken out of its file is trusted no more, and one that is put in is") {
  const Certificate certificate("mcp.example.com"), other("mcp.example.com"), place("place");
  TestServer upstream({}, {}, "127.0.0.1:0", ListenerTls{certificate.cert_file, certificate.key_file});
  set_resolver_for_test([](const std::string&, std::uint16_t port) -> Result<std::vector<SocketAddress>> {
    return std::vector{*address_of("127.0.0.1", port)};
  });
  const auto put = [&](const Certificate& one) {
    std::filesystem::copy_file(one.cert_file, place.cert_file,
                               std::filesystem::copy_options::overwrite_existing);
  };
  put(certificate);
  with_client([&](Shard& shard, Client& client) -> Task<> {
    const Origin origin{
        .url = *parse_url("https://mcp.example.com:" + std::to_string(upstream.listener().port()) + "/echo"),
        .allow_private = true,
        .ca_file = place.cert_file};
    const auto echo = [] {
      ClientRequest request = post();
      request.path = "/echo";
      return request;
    };
    // The file is looked at once a second.
    const auto becomes = [&](bool good) -> Task<bool> {
      for (int i = 0; i < 500; ++i) {
        if (((co_await outcome(client, origin, echo())) == "200 {}") == good) co_return true;
        co_await sleep_for(shard, 10ms);
      }
      co_return false;
    };
    CHECK((co_await outcome(client, origin, echo())) == "200 {}");
    auto busy = co_await client.send(origin, echo(), soon(), nullptr);
    REQUIRE(busy.has_value());
    put(other);
    CHECK(co_await becomes(false));
    CHECK(client.gauges().idle == 0);
    CHECK((co_await busy->whole(100)).value() == "{}");
    CHECK(client.gauges().idle == 0);
    put(certificate);
    CHECK(co_await becomes(true));
    std::filesystem::remove(place.cert_file);
    CHECK(co_await becomes(false));
  });
  set_resolver_for_test({});
}
