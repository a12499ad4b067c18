#include "support/chaos_proxy.hpp"

#include <netinet/tcp.h>

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>

#include "net/raw_socket.hpp"

namespace sallyport::testing {

namespace {

using net::testing::RawSocket;
using namespace std::chrono_literals;

constexpr auto kLook = 5ms;  // how often a connection looks whether the proxy ends

int listen_on(std::uint16_t port, std::uint16_t& bound) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(fd, 1024) != 0) {
    ::close(fd);
    return -1;
  }
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  bound = ntohs(address.sin_port);
  return fd;
}

/// Bytes of the first request in `bytes`, 0 while it is not whole.
std::size_t request_size(const std::string& bytes) {
  const auto end = bytes.find("\r\n\r\n");
  if (end == std::string::npos) return 0;
  const auto at = bytes.find("Content-Length: ");
  const std::size_t body =
      at < end ? static_cast<std::size_t>(std::strtoull(bytes.c_str() + at + 16, nullptr, 10)) : 0;
  return bytes.size() >= end + 4 + body ? end + 4 + body : 0;
}

}  // namespace

std::string Harm::text() const {
  constexpr const char* kNames[] = {"none", "delay", "cut", "reset", "hang", "half-close", "corrupt", "drip"};
  return std::string(kNames[static_cast<int>(kind)]) + " at " + std::to_string(at) +
         (way == Way::to_client ? " of the answer" : " of the request");
}

Harm Harm::random(std::mt19937_64& engine, std::size_t bytes) {
  const auto any = [&](std::size_t below) { return static_cast<std::size_t>(engine() % below); };
  return {.kind = static_cast<Kind>(1 + any(7)),
          .way = any(3) == 0 ? Way::to_server : Way::to_client,
          .at = any(std::max<std::size_t>(bytes, 1)),
          .pause = std::chrono::milliseconds(1 + any(20)),
          .mask = static_cast<std::uint8_t>(1 + any(255))};
}

struct ChaosProxy::Shared {
  std::uint16_t target = 0, port = 0;
  std::atomic<bool> over{false}, silent{false};
  std::atomic<int> struck{0}, open{0}, accepted{0};
  std::atomic<int> epoch{0};  ///< connections of an earlier one end
  std::mutex mutex;           // guards what follows
  int listener = -1;
  std::optional<Harm> armed;

  Harm take(const std::string& request) {
    const std::lock_guard lock(mutex);
    if (!armed || request.find(armed->marker) == std::string::npos) return {};
    const Harm harm = *armed;
    if (!harm.every) armed.reset();
    return harm;
  }
};

namespace {

/// One connection through the proxy. Each step is true while the connection goes on.
class Carrying {
 public:
  Carrying(ChaosProxy::Shared& shared, RawSocket client)
      : shared_(shared), epoch_(shared.epoch), client_(std::move(client)) {}

  void run() {
    if (shared_.silent) return hold();
    server_ = RawSocket::to(shared_.target);
    // Nobody listens there: the client learns it as it would without us.
    if (!server_.is_open()) return client_.reset();
    while (!over()) {
      pollfd ends[] = {{client_ended_ ? -1 : client_.fd(), POLLIN, 0}, {server_.fd(), POLLIN, 0}};
      if (::poll(ends, 2, static_cast<int>(kLook.count())) < 0) return;
      if (ends[1].revents != 0 && !take_answer()) return;
      if (ends[0].revents != 0 && !take_request()) return;
    }
  }

 private:
  bool take_request() {
    char bytes[16384];
    const ssize_t n = ::recv(client_.fd(), bytes, sizeof bytes, 0);
    if (n < 0) {
      server_.reset();
      return false;
    }
    if (n == 0) {
      // Half a request goes on as it is, and so does the end of the sending.
      client_ended_ = true;
      if (!pass(server_, std::exchange(requests_, {}), Harm::Way::to_server)) return false;
      server_.shutdown_send();
      return true;
    }
    requests_.append(bytes, static_cast<std::size_t>(n));
    while (const std::size_t size = request_size(requests_)) {
      const std::string request = requests_.substr(0, size);
      requests_.erase(0, size);
      if (harm_.kind == Harm::Kind::none || harm_.kind == Harm::Kind::half_close) {
        harm_ = shared_.take(request);
        passed_ = 0;
      }
      if (!pass(server_, request, Harm::Way::to_server)) return false;
    }
    return true;
  }

  bool take_answer() {
    char bytes[16384];
    const ssize_t n = ::recv(server_.fd(), bytes, sizeof bytes, 0);
    if (n <= 0) {
      n == 0 ? client_.close() : client_.reset();
      return false;
    }
    return pass(client_, std::string(bytes, static_cast<std::size_t>(n)), Harm::Way::to_client);
  }

  bool pass(RawSocket& to, std::string bytes, Harm::Way way) {
    if (harm_.kind == Harm::Kind::none || way != harm_.way) return to.send(bytes);
    if (halved_) return true;
    const bool of_a_byte = harm_.kind == Harm::Kind::corrupt || harm_.kind == Harm::Kind::drip ||
                           harm_.kind == Harm::Kind::delay;
    const std::size_t before = std::min(bytes.size(), harm_.at - std::min(harm_.at, passed_));
    if (!to.send(std::string_view(bytes).substr(0, before))) return false;
    passed_ += before;
    bytes.erase(0, before);
    if (passed_ < harm_.at || (of_a_byte && bytes.empty())) return true;
    return strike(to, bytes);
  }

  bool strike(RawSocket& to, std::string& rest) {
    if (!dripping_) ++shared_.struck;
    switch (harm_.kind) {
      case Harm::Kind::none:
        break;
      case Harm::Kind::cut:
        client_.close();
        server_.close();
        return false;
      case Harm::Kind::reset:
        client_.reset();
        server_.reset();
        return false;
      case Harm::Kind::hang:
        hold();
        return false;
      case Harm::Kind::half_close:
        to.shutdown_send();
        halved_ = true;
        return true;
      case Harm::Kind::corrupt:
        rest.front() = static_cast<char>(rest.front() ^ harm_.mask);
        harm_ = {};
        break;
      case Harm::Kind::delay:
        if (!waits(harm_.pause)) return false;
        harm_ = {};
        break;
      case Harm::Kind::drip:
        dripping_ = true;
        for (const char byte : rest) {
          if (!waits(harm_.pause) || !to.send({&byte, 1})) return false;
        }
        return true;
    }
    return to.send(rest);
  }

  /// False when the proxy ends, the client has gone, or the server to which something is to go. One that
  /// answers ends its stream and may be gone.
  bool waits(std::chrono::milliseconds time) const {
    const auto until = std::chrono::steady_clock::now() + time;
    while (!over()) {
      const auto left =
          std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      if (left <= 0ms) return true;
      pollfd ends[] = {{client_ended_ ? -1 : client_.fd(), POLLRDHUP, 0},
                       {harm_.way == Harm::Way::to_server ? server_.fd() : -1, POLLRDHUP, 0}};
      if (::poll(ends, 2, static_cast<int>(std::min(left, kLook).count())) > 0) return false;
    }
    return false;
  }
  void hold() const {
    while (waits(1s)) {
    }
  }

  bool over() const { return shared_.over || shared_.epoch != epoch_; }

  ChaosProxy::Shared& shared_;
  const int epoch_;
  RawSocket client_, server_;
  std::string requests_;
  Harm harm_;
  std::size_t passed_ = 0;  // bytes of the harmed message, so far
  bool client_ended_ = false, halved_ = false, dripping_ = false;
};

void accept_one(const std::shared_ptr<ChaosProxy::Shared>& shared) {
  int fd = -1;
  {
    const std::lock_guard lock(shared->mutex);
    pollfd ready{shared->listener, POLLIN, 0};
    if (shared->listener >= 0 && ::poll(&ready, 1, 0) > 0)
      fd = ::accept4(shared->listener, nullptr, nullptr, SOCK_CLOEXEC);
  }
  if (fd < 0) {
    std::this_thread::sleep_for(500us);
    return;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  ++shared->open;
  ++shared->accepted;
  std::thread([shared, fd] {
    Carrying(*shared, RawSocket(fd)).run();
    --shared->open;
  }).detach();
}

}  // namespace

ChaosProxy::ChaosProxy(std::uint16_t target, std::uint16_t port) : shared_(std::make_shared<Shared>()) {
  shared_->target = target;
  shared_->listener = listen_on(port, shared_->port);
  acceptor_ = std::thread([shared = shared_] {
    while (!shared->over) accept_one(shared);
  });
}

ChaosProxy::~ChaosProxy() {
  shared_->over = true;
  acceptor_.join();
  while (shared_->open > 0) std::this_thread::sleep_for(1ms);
  if (shared_->listener >= 0) ::close(shared_->listener);
}

std::uint16_t ChaosProxy::port() const { return shared_->port; }
std::string ChaosProxy::url(const std::string& path) const {
  return "http://127.0.0.1:" + std::to_string(port()) + path;
}
void ChaosProxy::arm(const Harm& harm) {
  const std::lock_guard lock(shared_->mutex);
  shared_->armed = harm;
}
int ChaosProxy::struck() const { return shared_->struck; }
int ChaosProxy::open() const { return shared_->open; }
int ChaosProxy::accepted() const { return shared_->accepted; }
void ChaosProxy::sever() {
  ++shared_->epoch;
  while (shared_->open > 0) std::this_thread::sleep_for(1ms);
}
void ChaosProxy::silent(bool on) { shared_->silent = on; }

void ChaosProxy::refuse(bool on) {
  const std::lock_guard lock(shared_->mutex);
  if (on && shared_->listener >= 0) ::close(std::exchange(shared_->listener, -1));
  if (!on && shared_->listener < 0) shared_->listener = listen_on(shared_->port, shared_->port);
}

}  // namespace sallyport::testing
