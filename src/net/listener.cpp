#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <utility>

#include "address.hpp"
#include "connection.hpp"
#include "sallyport/net/server.hpp"
#include "shard_impl.hpp"

namespace sallyport::net {

namespace {

constexpr int kAcceptsPerTurn = 64;  // then the connections that are there get their turn
constexpr auto kPause = std::chrono::milliseconds(50);
constexpr auto kTellAgain = std::chrono::minutes(1);

/// Takes sockets from the listening descriptor and deals them out. Threads: shard 0.
class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  Acceptor(Shards& shards, int fd, std::shared_ptr<ListenerState> state)
      : shards_(shards), listening_(shards[0].impl().poller), state_(std::move(state)), pause_(shards[0]) {
    if (!listening_.open(fd)) throw std::system_error(errno, std::system_category(), "listening socket");
  }

  void wait() {
    listening_.wait(Polled::Waiter::reader, Direction::in, [self = shared_from_this()](bool ready) {
      if (ready) self->accept_some();
    });
  }
  void close() {
    pause_.clear();
    listening_.close();
  }

 private:
  void accept_some() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      if (state_->stopping) return;
      if (state_->live >= state_->options.bounds.connections) return pause_full();
      sockaddr_storage address{};
      socklen_t size = sizeof address;
      const int fd = ::accept4(listening_.fd(), reinterpret_cast<sockaddr*>(&address), &size,
                               SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd >= 0) {
        deal(fd, address);
        continue;
      }
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) return pause_full();
      if (errno == EAGAIN || errno == EWOULDBLOCK) {
        listening_.note(Direction::in, 1, -1);
        break;
      }
      // Anything else concerns the one connection that did not come about.
    }
    wait();
  }

  /// Connections wait in the backlog: at the bound, or without descriptors, looking again at once would only
  /// spin.
  void pause_full() {
    pause_.set(kPause, [this] { accept_some(); });
    const SteadyTime now = std::chrono::steady_clock::now();
    if (!state_->options.on_full || (told_ && now - *told_ < kTellAgain)) return;
    told_ = now;
    state_->options.on_full(state_->live);
  }

  void deal(int fd, const sockaddr_storage& address) {
    Shard& shard = shards_[static_cast<int>(next_++ % static_cast<std::size_t>(shards_.size()))];
    state_->live.fetch_add(1);
    auto start = [fd, address, state = state_, &shard] {
      Peer peer = peer_of(fd, address, state->tls != nullptr);
      spawn(Connection::run(std::make_shared<Connection>(shard, fd, std::move(peer), state)));
    };
    if (shard.is_current()) {
      start();
    } else if (!shard.post(start)) {
      ::close(fd);
      state_->live.fetch_sub(1);
    }
  }

  Shards& shards_;
  Polled listening_;
  const std::shared_ptr<ListenerState> state_;
  Deadline pause_;
  std::optional<SteadyTime> told_{};
  std::size_t next_ = 0;
};

class TcpOrUnixListener final : public Listener {
 public:
  TcpOrUnixListener(Shards& shards, Bound bound, std::shared_ptr<ListenerState> state)
      : shards_(shards),
        bound_(std::move(bound)),
        state_(std::move(state)),
        fd_(std::make_shared<Socket>(bound_.fd)) {
    text_ = local_text(bound_.fd, port_);
    begun_ = shards_[0].post([&shards, socket = fd_, state = state_] {
      state->accepting = true;
      if (state->stopping) return end_accepting(*state);
      socket->acceptor = std::make_shared<Acceptor>(shards, std::exchange(socket->fd, -1), state);
      socket->acceptor->wait();
    });
  }

  ~TcpOrUnixListener() override { stop(Duration::zero()); }

  std::string local_address() const override { return text_; }
  std::uint16_t port() const override { return port_; }
  std::size_t connections() const override { return state_->live; }

  void stop(Duration grace) override {
    if (state_->stopping.exchange(true)) return;
    remove_file(bound_);
    const bool sent = begun_ && shards_[0].post([socket = fd_, state = state_] {
      if (socket->acceptor) socket->acceptor->close();
      socket->acceptor.reset();
      if (socket->fd >= 0) ::close(std::exchange(socket->fd, -1));
      end_accepting(*state);
    });
    if (!sent) return;
    {
      std::unique_lock lock(state_->mutex);
      state_->ended.wait(lock, [&] { return !state_->accepting; });
    }
    each([](Connection& c) { c.stop_when_idle(); });
    if (wait_until_none(grace)) return;
    each([](Connection& c) { c.stop_now(); });
    while (!wait_until_none(std::chrono::seconds(1))) {
      each([](Connection& c) { c.stop_now(); });  // those that were on their way to their shard
    }
  }

 private:
  /// The listening descriptor until shard 0 takes it over.
  struct Socket {
    explicit Socket(int listening) : fd(listening) {}
    ~Socket() {
      if (fd >= 0) ::close(fd);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int fd;
    std::shared_ptr<Acceptor> acceptor;
  };

  static void end_accepting(ListenerState& state) {
    state.accepting = false;
    const std::scoped_lock lock(state.mutex);
    state.ended.notify_all();
  }

  void each(void (*action)(Connection&)) {
    for (int i = 0; i < shards_.size(); ++i) {
      [[maybe_unused]] const bool sent = shards_[i].post([state = state_, i, action] {
        // A connection may end, and others change place, while one is told.
        std::vector<std::shared_ptr<Connection>> all;
        for (Connection* c : state->by_shard[static_cast<std::size_t>(i)]) {
          if (auto alive = c->weak_from_this().lock()) all.push_back(std::move(alive));
        }
        for (const auto& c : all) action(*c);
      });
    }
  }

  bool wait_until_none(Duration within) {
    std::unique_lock lock(state_->mutex);
    return state_->ended.wait_for(lock, within, [&] { return state_->live == 0; });
  }

  Shards& shards_;
  const Bound bound_;
  const std::shared_ptr<ListenerState> state_;
  const std::shared_ptr<Socket> fd_;
  std::string text_;
  std::uint16_t port_ = 0;
  bool begun_ = false;
};

/// Clients never take the descriptors that upstreams, files and children need.
std::size_t connections_for(std::size_t wanted) {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) != 0 || descriptors.rlim_cur == RLIM_INFINITY) return wanted;
  const auto all = static_cast<std::size_t>(descriptors.rlim_cur);
  return std::max<std::size_t>(std::min(wanted, all - all / limits::kDescriptorShare), 1);
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::open(Shards& shards, ListenerOptions options) {
  auto state = std::make_shared<ListenerState>();
  if (options.tls) {
    Result<std::shared_ptr<TlsContext>> tls =
        make_server_tls(options.tls->cert_file, options.tls->key_file, options.tls->client_ca_file,
                        options.tls->client_required);
    if (!tls) return std::unexpected(std::move(tls.error()));
    state->tls = std::move(*tls);
  }
  Bound bound;
  if (options.inherited_fd >= 0) {
    bound.fd = options.inherited_fd;
    ::fcntl(bound.fd, F_SETFL, ::fcntl(bound.fd, F_GETFL) | O_NONBLOCK);
  } else {
    Result<Bound> made = bind_and_listen(options.address);
    if (!made) return std::unexpected(std::move(made.error()));
    bound = std::move(*made);
  }
  state->options = std::move(options);
  state->options.bounds.connections = connections_for(state->options.bounds.connections);
  state->by_shard.resize(static_cast<std::size_t>(shards.size()));
  return std::make_unique<TcpOrUnixListener>(shards, std::move(bound), std::move(state));
}

std::vector<int> inherited_sockets() {
  constexpr int kFirst = 3;
  auto number = [](const char* name) {
    const char* const text = std::getenv(name);
    int n = 0;
    if (text != nullptr) std::from_chars(text, text + std::strlen(text), n);
    return n;
  };
  std::vector<int> sockets;
  if (number("LISTEN_PID") == ::getpid()) {
    for (int fd = kFirst; fd < kFirst + number("LISTEN_FDS"); ++fd) {
      ::fcntl(fd, F_SETFD, FD_CLOEXEC);
      sockets.push_back(fd);
    }
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  return sockets;
}

}  // namespace sallyport::net
