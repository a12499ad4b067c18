#include <doctest/doctest.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "server_fixture.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace sallyport::net::testing;
using namespace std::chrono_literals;

namespace {

Task<> say_who(Exchange& x) {
  const Peer& peer = x.peer();
  co_await x.reply({.body = peer.ip + (peer.loopback ? " loopback" : "") + (peer.tls ? " tls" : "") +
                            (peer.uid ? " uid " + std::to_string(*peer.uid) : "")});
}

constexpr std::string_view kWho = "GET /who HTTP/1.1\r\nHost: x\r\n\r\n";

struct Directory {
  Directory() {
    char name[] = "/tmp/sallyport-listen-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string path;
};

/// OpenSSL's own socket writes may raise SIGPIPE; only the test's thread, and only meanwhile, does not hear
/// it.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    ::sigemptyset(&pipe_);
    ::sigaddset(&pipe_, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoPipeSignal() {
    const timespec now{};
    while (::sigtimedwait(&pipe_, nullptr, &now) > 0) {
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_;
  sigset_t before_;
};

/// A TLS client that blocks.
class TlsClient {
 public:
  TlsClient(RawSocket socket, const std::string& ca_file, int max_version = 0) : socket_(std::move(socket)) {
    SSL_CTX_load_verify_file(ctx_, ca_file.c_str());
    SSL_CTX_set_verify(ctx_, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_min_proto_version(ctx_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx_, max_version);
    SSL_CTX_set_cipher_list(ctx_, "ALL:@SECLEVEL=0");
    ssl_ = SSL_new(ctx_);
    SSL_set_fd(ssl_, socket_.fd());
    const NoPipeSignal quiet;
    connected = SSL_connect(ssl_) == 1;
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(ctx_);
  }
  std::string ask(std::string_view bytes, std::size_t at_least) {
    const NoPipeSignal quiet;
    SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size()));
    std::string out;
    char buffer[4096];
    int n;
    while (out.size() < at_least && (n = SSL_read(ssl_, buffer, sizeof buffer)) > 0) {
      out.append(buffer, static_cast<std::size_t>(n));
    }
    return out;
  }
  bool connected = false;

 private:
  RawSocket socket_;
  SSL_CTX* ctx_ = SSL_CTX_new(TLS_client_method());
  SSL* ssl_ = nullptr;
};

}  // namespace

TEST_CASE("a TCP listener names the port it got, and its peers") {
  TestServer server({}, say_who);
  CHECK(server.listener().port() != 0);
  CHECK(server.listener().local_address() == "127.0.0.1:" + std::to_string(server.listener().port()));
  CHECK(server.ask(kWho).body == "127.0.0.1 loopback");
}

TEST_CASE("IPv6 listens too") {
  TestServer server({}, say_who, "[::1]:0");
  CHECK(server.listener().local_address() == "[::1]:" + std::to_string(server.listener().port()));
}

TEST_CASE("a local socket is private, tells who called, and goes with the listener") {
  const Directory directory;
  const std::string path = directory.path + "/admin.sock";
  {
    TestServer server({}, say_who, "unix:" + path);
    CHECK(server.listener().local_address() == "unix:" + path);
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777) == 0600);
    RawSocket s = RawSocket::to_path(path);
    s.send(kWho);
    CHECK(s.answer().body == "unix uid " + std::to_string(::getuid()));

    Shards other(1);
    Result<std::unique_ptr<Listener>> second =
        Listener::open(other, {.address = "unix:" + path, .handler = say_who});
    REQUIRE_FALSE(second);
    CHECK(second.error().code == Code::unavailable);
  }
  CHECK_FALSE(std::filesystem::exists(path));
}

TEST_CASE("a listener whose folder was moved leaves the socket of the next one alone") {
  const Directory directory;
  const std::string folder = directory.path + "/data", path = folder + "/admin.sock";
  std::filesystem::create_directory(folder);
  auto first = std::make_unique<TestServer>(ConnectionBounds{}, say_who, "unix:" + path);
  std::filesystem::rename(folder, folder + ".old");
  std::filesystem::create_directory(folder);
  TestServer second({}, say_who, "unix:" + path);
  first.reset();
  CHECK(std::filesystem::exists(path));
  CHECK(RawSocket::to_path(path).is_open());
}

TEST_CASE("a socket file left behind by a dead server is replaced, any other file is not") {
  const Directory directory;
  const std::string path = directory.path + "/admin.sock";
  {
    const int dead = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    REQUIRE(::bind(dead, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::close(dead);
  }
  {
    TestServer server({}, say_who, "unix:" + path);
    CHECK(RawSocket::to_path(path).is_open());
  }
  std::fclose(std::fopen(path.c_str(), "w"));
  Shards shards(1);
  CHECK_FALSE(Listener::open(shards, {.address = "unix:" + path, .handler = say_who}));
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("what cannot be bound is said plainly") {
  Shards shards(1);
  TestServer server;
  const std::string taken = server.listener().local_address();
  for (const std::string& address :
       {taken, std::string("127.0.0.1"), std::string("nowhere.invalid:80"), std::string("127.0.0.1:http"),
        std::string(":80"), std::string("unix:"), "unix:/" + std::string(200, 'x')}) {
    Result<std::unique_ptr<Listener>> opened =
        Listener::open(shards, {.address = address, .handler = say_who});
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Code::unavailable);
    CHECK(opened.error().what.find(address) != std::string::npos);
  }
}

TEST_CASE("a listener that never ran can be dropped") {
  Shards shards(1);
  Result<std::unique_ptr<Listener>> opened =
      Listener::open(shards, {.address = "127.0.0.1:0", .handler = say_who});
  REQUIRE(opened);
  opened->reset();
}

TEST_CASE("TLS serves with the given certificate and nothing older than 1.2") {
  const Certificate certificate("localhost");
  TestServer server({.head = 300ms}, say_who, "127.0.0.1:0",
                    ListenerTls{certificate.cert_file, certificate.key_file});
  {
    TlsClient client(server.dial(), certificate.cert_file);
    REQUIRE(client.connected);
    for (int i = 0; i < 3; ++i) {
      const std::string answer = client.ask(kWho, 90);
      CHECK(answer.find("127.0.0.1 loopback tls") != std::string::npos);
    }
    // Two requests in one record, answered in order.
    const std::string both =
        client.ask("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\none" + std::string(kWho), 150);
    CHECK(both.find("one") < both.find("loopback tls"));
  }
  CHECK(TlsClient(server.dial(), certificate.cert_file, TLS1_2_VERSION).connected);
  CHECK_FALSE(TlsClient(server.dial(), certificate.cert_file, TLS1_1_VERSION).connected);
  // Who speaks plain text, or nothing, is not kept.
  RawSocket plain = server.dial();
  plain.send(kWho);
  CHECK(plain.rest().find("HTTP/1.1") == std::string::npos);
  RawSocket silent = server.dial();
  CHECK(silent.at_end());
}

TEST_CASE("F07 a TLS client that leaves a stream is noticed") {
  const Certificate certificate("localhost");
  TestServer server({.watch_after = 1ms}, say_who, "127.0.0.1:0",
                    ListenerTls{certificate.cert_file, certificate.key_file});
  {
    TlsClient client(server.dial(), certificate.cert_file);
    REQUIRE(client.connected);
    client.ask("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n", 0);
    REQUIRE(TestServer::eventually([&] { return server.handled == 1; }));
  }
  CHECK(TestServer::eventually([&] { return server.cancelled == 1; }));
}

TEST_CASE("a listening socket that was handed over is served") {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(fd, 16) == 0);
  Shards shards(1);
  Result<std::unique_ptr<Listener>> listener =
      Listener::open(shards, {.address = "inherited", .handler = say_who, .inherited_fd = fd});
  REQUIRE(listener);
  shards.start();
  RawSocket s = RawSocket::to((*listener)->port());
  s.send(kWho);
  CHECK(s.answer().body == "127.0.0.1 loopback");
  (*listener)->stop(1s);
  listener->reset();
  shards.stop();
}

TEST_CASE("handed-over sockets are ours only when they were meant for us") {
  ::setenv("LISTEN_PID", "1", 1);
  ::setenv("LISTEN_FDS", "2", 1);
  CHECK(inherited_sockets().empty());
  CHECK(std::getenv("LISTEN_FDS") == nullptr);
  ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
  ::setenv("LISTEN_FDS", "0", 1);
  CHECK(inherited_sockets().empty());
  CHECK(std::getenv("LISTEN_PID") == nullptr);
}
