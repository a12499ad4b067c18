#pragma once
/// An upstream that does on each connection exactly what a test's script says, in blocking sockets on its own
/// threads.

#include <doctest/doctest.h>

#include <atomic>
#include <functional>
#include <list>
#include <mutex>
#include <thread>

#include "raw_socket.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::net::testing {

class FakeUpstream {
 public:
  /// `script` runs on a thread of its own for every connection; `index` counts them from 0.
  using Script = std::function<void(RawSocket& socket, int index)>;

  explicit FakeUpstream(Script script) : script_(std::move(script)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(::listen(listener_, 64) == 0);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~FakeUpstream() {
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    for (Served& one : served_) one.thread.join();
  }
  FakeUpstream(const FakeUpstream&) = delete;
  FakeUpstream& operator=(const FakeUpstream&) = delete;

  std::string url(std::string_view path = "/mcp") const {
    return "http://127.0.0.1:" + std::to_string(port) + std::string(path);
  }
  Origin origin() const { return {.url = *parse_url(url()), .allow_private = true}; }

  std::uint16_t port = 0;
  std::atomic<int> connections = 0;

 private:
  struct Served {
    std::thread thread;
    std::atomic<bool> over = false;
  };

  void accept_all() {
    for (;;) {
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      // A thread that is over keeps its stack until it is joined, and a long test has many.
      served_.remove_if([](Served& one) {
        if (!one.over) return false;
        one.thread.join();
        return true;
      });
      Served& served = served_.emplace_back();
      served.thread = std::thread([this, fd, &served, index = connections++] {
        {
          RawSocket socket(fd);
          script_(socket, index);
        }
        served.over = true;
      });
    }
  }

  Script script_;
  int listener_ = -1;
  std::thread acceptor_;
  std::list<Served> served_;
};

/// Reads one request, its body framed by Content-Length; empty at the end of the connection.
inline std::string read_request(RawSocket& socket) {
  std::string request = socket.until("\r\n\r\n");
  if (request.find("\r\n\r\n") == std::string::npos) return {};  // its sender broke off within the head
  if (const auto at = request.find("Content-Length: "); at != std::string::npos) {
    request += socket.exactly(static_cast<std::size_t>(std::atoll(request.c_str() + at + 16)));
  }
  return request;
}

/// Answers every request on the connection with the same bytes.
inline FakeUpstream::Script always(std::string bytes) {
  return [bytes = std::move(bytes)](RawSocket& socket, int) {
    while (!read_request(socket).empty()) {
      if (!socket.send(bytes)) return;
    }
  };
}

/// Runs `body` on a shard with a client, on this thread, and checks that no task and no busy connection is
/// left.
inline void with_client(const std::function<Task<>(Shard&, Client&)>& body) {
  const auto before = detail::live_tasks;
  {
    Shard shard(0);
    Client client(shard);
    REQUIRE(shard.post([&] {
      spawn([](const std::function<Task<>(Shard&, Client&)>& f, Shard& s, Client& c) -> Task<> {
        co_await f(s, c);
        s.stop();
      }(body, shard, client));
    }));
    shard.run();
    CHECK(client.gauges().busy == 0);
  }
  CHECK(detail::live_tasks == before);
}

inline SteadyTime soon(Duration from_now = std::chrono::seconds(10)) {
  return std::chrono::steady_clock::now() + from_now;
}

inline ClientRequest post(std::string_view body = "{}") {
  return {.method = "POST", .path = "/mcp", .headers = "Content-Type: application/json\r\n", .body = {body}};
}

inline const std::string kOk =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// Status and body, or the error's name.
inline Task<std::string> outcome(Client& client, const Origin& origin, ClientRequest request = post(),
                                 Duration within = std::chrono::seconds(10), std::size_t cap = limits::MiB) {
  auto response = co_await client.send(origin, std::move(request), soon(within), nullptr);
  if (!response) co_return std::string(name_of(response.error().code));
  auto body = co_await response->whole(cap);
  if (!body) co_return std::string(name_of(body.error().code));
  co_return std::to_string(response->status()) + " " + *body;
}

/// The same, read piece by piece.
inline Task<std::string> outcome_in_pieces(Client& client, const Origin& origin) {
  auto response = co_await client.send(origin, post(), soon(), nullptr);
  if (!response) co_return std::string(name_of(response.error().code));
  std::string out = std::to_string(response->status()) + " ";
  for (;;) {
    auto run = co_await response->some();
    if (!run) co_return std::string(name_of(run.error().code));
    if (run->empty()) co_return out;
    out += *run;
  }
}

}  // namespace sallyport::net::testing
