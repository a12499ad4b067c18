#pragma once
/// Channels over socket pairs, on a shard that runs on the test's own thread.

#include <doctest/doctest.h>
#include <fcntl.h>

#include <functional>
#include <string>
#include <vector>

#include "raw_socket.hpp"
#include "sallyport/net/channel.hpp"

namespace sallyport::net::testing {

/// What value_or() makes of a read that failed.
constexpr std::size_t kFailed = 999'999;

/// Two connected sockets: the channel's end (non-blocking) and the test's end.
struct Pair {
  Pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    ::fcntl(fds[0], F_SETFL, O_NONBLOCK);
    ours = fds[0];
    theirs = RawSocket(fds[1]);
  }
  int ours;
  RawSocket theirs;
};

inline void run(const std::function<Task<>(Shard&)>& body) {
  const auto before = detail::live_tasks;
  Shard shard(0);
  REQUIRE(shard.post([&] {
    spawn([](const std::function<Task<>(Shard&)>& f, Shard& s) -> Task<> {
      co_await f(s);
      s.stop();
    }(body, shard));
  }));
  shard.run();
  CHECK(detail::live_tasks == before);
}

inline Task<std::string> read_all(Channel& channel) {
  std::string out;
  std::vector<char> buffer(4096);
  for (;;) {
    Result<std::size_t> n = co_await channel.read(buffer);
    if (!n || *n == 0) co_return out;
    out.append(buffer.data(), *n);
  }
}

}  // namespace sallyport::net::testing
