#include "slow_clients.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;

constexpr int kConnectsPerTurn = 100;

std::string modern(const std::string& key, const std::string& method, const std::string& name,
                   const std::string& params) {
  const std::string body =
      R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":{)" + params +
      R"("_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
      R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
  return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key +
         "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
         "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: " +
         method + "\r\n" + (name.empty() ? "" : "Mcp-Name: " + name + "\r\n") +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

SlowClients::SlowClients(Options options)
    : options_(std::move(options)), epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (std::size_t sort = 0; sort < kSorts; ++sort) {
    for (int i = 0; i < options_.count[sort]; ++i) all_.push_back({.sort = static_cast<Sort>(sort)});
  }
  thread_ = std::thread([this] { run(); });
}

SlowClients::~SlowClients() {
  over_ = true;
  thread_.join();
  for (const One& one : all_) {
    if (one.fd >= 0) ::close(one.fd);
  }
  ::close(epoll_);
}

SlowClients::Seen SlowClients::seen(Sort sort) const {
  const std::lock_guard lock(mutex_);
  return seen_[static_cast<std::size_t>(sort)];
}

int SlowClients::open() const {
  const std::lock_guard lock(mutex_);
  int n = 0;
  for (const Seen& each : seen_) n += each.open;
  return n;
}

std::string SlowClients::opening(Sort sort) const {
  switch (sort) {
    case Sort::head:
      return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: a head that takes its time, a byte in 5 s";
    case Sort::body:
      return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + options_.key +
             "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
             "Content-Length: 1048576\r\n\r\n{";
    case Sort::reader:
      return modern(options_.key, "subscriptions/listen", "",
                    R"("notifications":{"toolsListChanged":true},)");
    case Sort::flood:
      return modern(options_.key, "tools/call", "up__flood", R"("name":"up__flood","arguments":{},)");
  }
  return {};
}

bool SlowClients::connect(One& one) {
  one.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (one.fd < 0) return false;
  if (one.sort == Sort::flood) {
    const int small = 4096;
    ::setsockopt(one.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(options_.port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(one.fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(std::exchange(one.fd, -1));
    return false;
  }
  epoll_event event{.events = EPOLLRDHUP, .data = {.ptr = &one}};
  ::epoll_ctl(epoll_, EPOLL_CTL_ADD, one.fd, &event);
  one.begun = one.next = std::chrono::steady_clock::now();
  one.sent = 0;
  return true;
}

void SlowClients::send_some(One& one) {
  const std::string bytes = opening(one.sort);
  // A head comes byte by byte from its beginning; the others are slow in what follows.
  const std::size_t count = one.sort == Sort::head ? 1 : one.sent == 0 ? bytes.size() : 1;
  const char* const from = one.sent < bytes.size() ? bytes.data() + one.sent : " ";
  if (::send(one.fd, from, count, MSG_NOSIGNAL | MSG_DONTWAIT) > 0) one.sent += count;
  const bool talks = one.sort == Sort::head || one.sort == Sort::body;
  one.next += one.sort == Sort::head ? 5s : talks ? 1s : 24h;
}

void SlowClients::ended(One& one) {
  ::close(std::exchange(one.fd, -1));
  const auto lived =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - one.begun);
  const std::lock_guard lock(mutex_);
  Seen& seen = seen_[static_cast<std::size_t>(one.sort)];
  --seen.open;
  ++seen.cut;
  seen.longest = std::max(seen.longest, lived);
  one.begun = {};
}

void SlowClients::run() {
  std::vector<bool> was(all_.size(), false);
  while (!over_) {
    int connects = 0;
    const auto now = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < all_.size(); ++i) {
      One& one = all_[i];
      if (one.fd < 0) {
        if ((was[i] && !options_.again) || connects >= kConnectsPerTurn) continue;
        ++connects;
        if (!connect(one)) {
          ++failed_;
          continue;
        }
        was[i] = true;
        const std::lock_guard lock(mutex_);
        ++seen_[static_cast<std::size_t>(one.sort)].open;
      }
      if (one.next <= now) send_some(one);
    }
    epoll_event events[256];
    const int n = ::epoll_wait(epoll_, events, 256, 20);
    for (int i = 0; i < n; ++i) ended(*static_cast<One*>(events[i].data.ptr));
  }
}

}  // namespace sallyport::faults
