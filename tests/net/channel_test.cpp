#include "sallyport/net/channel.hpp"

#include <doctest/doctest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "certificate.hpp"
#include "channel_fixture.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;
using namespace std::chrono_literals;

TEST_CASE("a channel reads what comes, up to the end of the stream") {
  Pair pair;
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    char buffer[8];
    REQUIRE(pair.theirs.send("hello"));
    Result<std::size_t> n = co_await channel.read(buffer);
    REQUIRE(n);
    CHECK(std::string(buffer, *n) == "hello");
    pair.theirs.close();
    n = co_await channel.read(buffer);
    REQUIRE(n);
    CHECK(*n == 0);
  });
}

TEST_CASE("a gathered write arrives whole and in order, however slowly it is taken") {
  Pair pair;
  const std::string big(3'000'000, 'x');
  std::string got;
  std::thread reader([&] { got = pair.theirs.rest(); });
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    std::vector<std::string_view> pieces{"", "head:", "", big, "", ":tail"};
    for (int i = 0; i < 40; ++i) pieces.push_back("+");
    Result<void> sent = co_await channel.write(pieces);
    CHECK(sent);
    CHECK(channel.bytes_written() == big.size() + 10 + 40);
    sent = co_await channel.write("end");
    CHECK(sent);
    sent = co_await channel.write(std::string_view{});
    CHECK(sent);
  });
  reader.join();
  CHECK(got.size() == big.size() + 53);
  CHECK(got == "head:" + big + ":tail" + std::string(40, '+') + "end");
}

TEST_CASE("closing a channel ends a pending read and a pending write with an error") {
  Pair pair;
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    Deadline deadline(s);
    char buffer[8];
    deadline.set(1ms, [&] { channel.close(); });
    Result<std::size_t> n = co_await channel.read(buffer);
    CHECK_FALSE(n);
    CHECK_FALSE(channel.is_open());
    CHECK(channel.fd() == -1);
    CHECK_FALSE(co_await channel.read(buffer));
    CHECK_FALSE(co_await channel.write("x"));
    CHECK(co_await channel.wait_gone());
    CHECK(channel.stale());
    channel.close();
  });
  Pair other;
  run([&](Shard& s) -> Task<> {
    Channel channel(s, other.ours);
    Deadline deadline(s);
    deadline.set(1ms, [&] { channel.close(); });
    const std::string big(8'000'000, 'x');
    CHECK_FALSE(co_await channel.write(big));
  });
}

TEST_CASE("a write to a peer that reset the connection is an error, not a signal") {
  Pair pair;
  pair.theirs.close();
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    CHECK_FALSE(co_await channel.write("x"));
  });
}

TEST_CASE("waiting for a peer to go away tells leaving from bytes, and can be taken back") {
  Pair pair;
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    Deadline deadline(s);
    CHECK_FALSE(channel.stale());

    deadline.set(1ms, [&] { channel.end_wait(); });
    CHECK_FALSE(co_await channel.wait_gone());

    deadline.set(1ms, [&] { pair.theirs.send("more"); });
    CHECK_FALSE(co_await channel.wait_gone());
    CHECK(channel.stale());
    char buffer[8];
    Result<std::size_t> n = co_await channel.read(buffer);
    CHECK(n.value_or(kFailed) == 4);

    deadline.set(1ms, [&] { pair.theirs.close(); });
    CHECK(co_await channel.wait_gone());
    CHECK(channel.stale());
  });
}

TEST_CASE("ending the reading side answers a read with the end while writing goes on") {
  Pair pair;
  run([&](Shard& s) -> Task<> {
    Channel channel(s, pair.ours);
    Deadline deadline(s);
    deadline.set(1ms, [&] { channel.end_read(); });
    char buffer[8];
    Result<std::size_t> n = co_await channel.read(buffer);
    CHECK(n.value_or(kFailed) == 0);
    n = co_await channel.read(buffer);
    CHECK(n.value_or(kFailed) == 0);
    CHECK(co_await channel.write("still"));
    channel.shutdown_send();
  });
  CHECK(pair.theirs.rest() == "still");
}

TEST_CASE("ending the writing side ends a write under way, and one that waits only afterwards") {
  const std::string big(16'000'000, 'x');
  for (const bool before : {false, true}) {
    CAPTURE(before);
    Pair pair;
    run([&](Shard& s) -> Task<> {
      Channel channel(s, pair.ours);
      Channel::Write write = channel.write(big);
      CHECK_FALSE(write.try_now());
      Deadline deadline(s);
      if (before) {
        channel.end_write();
      } else {
        deadline.set(1ms, [&] { channel.end_write(); });
      }
      CHECK_FALSE(co_await write);
      CHECK(channel.is_open());
      CHECK_FALSE(co_await channel.write("more"));
    });
  }
}

TEST_CASE("connecting reaches a listener and says why it could not") {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  const auto* const raw = reinterpret_cast<const unsigned char*>(&address);
  const SocketAddress target{{raw, raw + sizeof address}, "127.0.0.1"};

  SUBCASE("nobody listens") {
    run([&](Shard& s) -> Task<> {
      Result<Channel> channel = co_await Channel::connect(s, target);
      REQUIRE_FALSE(channel);
      CHECK(channel.error().code == Code::upstream_unreachable);
      CHECK(channel.error().retry);
      CHECK(channel.error().what.find("refused") != std::string::npos);
    });
  }
  SUBCASE("somebody listens") {
    REQUIRE(::listen(listener, 8) == 0);
    run([&](Shard& s) -> Task<> {
      Result<Channel> channel = co_await Channel::connect(s, target);
      REQUIRE(channel);
      CHECK(co_await channel->write("hi"));
    });
    RawSocket accepted(::accept(listener, nullptr, nullptr));
    CHECK(accepted.rest() == "hi");
  }
  ::close(listener);
}

TEST_CASE("TLS carries bytes both ways and verifies the host name") {
  const Certificate certificate("localhost");
  Result<std::shared_ptr<TlsContext>> server = make_server_tls(certificate.cert_file, certificate.key_file);
  REQUIRE(server);
  Result<std::shared_ptr<TlsContext>> client = make_client_tls(certificate.cert_file);
  REQUIRE(client);
  std::string host;
  bool good = true;
  SUBCASE("right name") { host = "localhost"; }
  SUBCASE("wrong name") {
    host = "other.example";
    good = false;
  }
  SUBCASE("address in the certificate") { host = "127.0.0.1"; }
  CAPTURE(host);

  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  const std::string big(500'000, 'y');
  std::string echoed;
  run([&](Shard& s) -> Task<> {
    Slot<bool> server_done;
    auto serve = [](Shard& shard, int fd, std::shared_ptr<TlsContext> tls, bool expect,
                    Slot<bool>& done) -> Task<> {
      Channel channel(shard, fd);
      Result<void> shaken = co_await channel.accept_tls(tls);
      // TLS 1.3: the server is done before the client has judged its certificate.
      if (expect) CHECK(shaken);
      const std::string all = co_await read_all(channel);
      const std::vector<std::string_view> pieces{"<", all, ">"};
      if (expect) CHECK(co_await channel.write(pieces));
      channel.close();
      done.deliver(true);
    };
    spawn(serve(s, fds[0], *server, good, server_done));
    {
      Channel channel(s, fds[1]);
      Result<void> shaken = co_await channel.connect_tls(*client, host);
      CHECK(shaken.has_value() == good);
      if (!good) CHECK(shaken.error().what.find("mismatch") != std::string::npos);
      if (good) {
        const std::vector<std::string_view> pieces{"a", "", big, "b"};
        CHECK(co_await channel.write(pieces));
        channel.shutdown_send();
        echoed = co_await read_all(channel);
      }
    }
    co_await server_done;
  });
  if (good) CHECK(echoed == "<a" + big + "b>");
}

TEST_CASE("a quiet TLS connection is not stale, and one whose peer said goodbye is gone") {
  const Certificate certificate("localhost");
  Result<std::shared_ptr<TlsContext>> server = make_server_tls(certificate.cert_file, certificate.key_file);
  Result<std::shared_ptr<TlsContext>> client = make_client_tls(certificate.cert_file);
  REQUIRE(server);
  REQUIRE(client);
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) == 0);
  run([&](Shard& s) -> Task<> {
    Channel theirs(s, fds[0]);
    Slot<bool> accepted;
    spawn([](Channel& c, std::shared_ptr<TlsContext> tls, Slot<bool>& done) -> Task<> {
      const bool ok = (co_await c.accept_tls(tls)).has_value();
      done.deliver(ok);
    }(theirs, *server, accepted));
    Channel ours(s, fds[1]);
    CHECK((co_await ours.connect_tls(*client, "localhost")).has_value());
    CHECK(co_await accepted);
    CHECK(co_await theirs.write("x"));
    char byte[4];
    Result<std::size_t> n = co_await ours.read(byte);
    CHECK(n.value_or(kFailed) == 1);
    CHECK_FALSE(ours.stale());
    // What is left of a record waits within TLS, where the socket does not tell of it.
    CHECK(co_await theirs.write("ab"));
    n = co_await ours.read(std::span(byte, 1));
    CHECK(n.value_or(kFailed) == 1);
    CHECK_FALSE(ours.quiet());
    CHECK(ours.stale());
    n = co_await ours.read(byte);
    CHECK(n.value_or(kFailed) == 1);
    CHECK(ours.quiet());
    CHECK_FALSE(ours.stale());
    Deadline deadline(s);
    deadline.set(1ms, [&] { theirs.close(); });
    CHECK(co_await ours.wait_gone());
    CHECK(ours.stale());
  });
}

TEST_CASE("a peer that says goodbye in the middle of a TLS handshake has not shaken hands") {
  Result<std::shared_ptr<TlsContext>> client = make_client_tls("");
  REQUIRE(client);
  Pair pair;
  CHECK(pair.theirs.send(std::string("\x15\x03\x01\x00\x02\x01\x00", 7)));
  run([&](Shard& s) -> Task<> {
    Channel ours(s, pair.ours);
    const Result<void> shaken = co_await ours.connect_tls(*client, "localhost");
    REQUIRE_FALSE(shaken.has_value());
    CHECK(shaken.error().what == "TLS handshake: closed");
  });
}

TEST_CASE("TLS settings name the file that is wrong") {
  Result<std::shared_ptr<TlsContext>> tls = make_server_tls("/nonexistent/cert.pem", "/nonexistent/key.pem");
  REQUIRE_FALSE(tls);
  CHECK(tls.error().what.find("/nonexistent/cert.pem") != std::string::npos);
  CHECK_FALSE(make_client_tls("/nonexistent/ca.pem"));
  CHECK(make_client_tls(""));
}
