#include "sallyport/net/channel.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "channel_impl.hpp"
#include "shard_impl.hpp"

namespace sallyport::net {

namespace {

Error broken(std::string what) {
  return Error{.code = Code::upstream_broken, .blame = Blame::upstream, .what = std::move(what)};
}
std::string system_reason(int error) { return std::system_category().message(error); }

/// An upstream's stream may be silent for hours, and what stands between may forget it without a word: this
/// finds out in two minutes. Fails on a local socket, where it means nothing.
void keep_alive(int fd) {
  const int on = 1, idle = 60, between = 15, times = 4;
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &between, sizeof between);
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof times);
}

}  // namespace

Channel::Impl::Impl(Shard& owner, int fd, bool connecting) : shard(owner), polled(owner.impl().poller) {
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof on);  // fails on a local socket, where it means nothing
  if (connecting) keep_alive(fd);
  polled.open(fd, connecting);
}

void Channel::Impl::close() {
  if (!is_open()) return;
  if (tls) tls_close_notify(*this);
  polled.close();
}

ssize_t Channel::Impl::receive(char* into, std::size_t size, int flags) {
  // A closed one has its error from the system.
  if (is_open() && !polled.ready(Direction::in)) {
    errno = EAGAIN;
    return -1;
  }
  ssize_t n = 0;
  do {
    n = ::recv(fd(), into, size, flags | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  polled.note(Direction::in, size, n);
  return n;
}

ssize_t Channel::Impl::transmit(const msghdr& message, std::size_t size) {
  if (is_open() && !polled.ready(Direction::out)) {
    errno = EAGAIN;
    return -1;
  }
  ssize_t n = 0;
  do {
    n = ::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  polled.note(Direction::out, size, n);
  return n;
}

Channel::Channel(Shard& shard, int fd) : impl_(std::make_unique<Impl>(shard, fd, false)) {}
Channel::Channel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Channel::~Channel() = default;
Channel::Channel(Channel&&) noexcept = default;
Channel& Channel::operator=(Channel&&) noexcept = default;

bool Channel::is_open() const { return impl_->is_open(); }
int Channel::fd() const { return impl_->fd(); }
Shard& Channel::shard() { return impl_->shard; }
void Channel::close() { impl_->close(); }
void Channel::abort() {
  if (!is_open()) return;
  const linger none{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd(), SOL_SOCKET, SO_LINGER, &none, sizeof none);
  impl_->polled.close();
}
std::uint64_t Channel::bytes_written() const { return impl_->written; }

Channel::Read Channel::read(std::span<char> into) { return Read(*impl_, into); }
Channel::Write Channel::write(std::span<const std::string_view> pieces) { return Write(*impl_, pieces); }
Channel::Write Channel::write(std::string_view bytes) { return Write(*impl_, bytes); }

bool Channel::Read::await_suspend(std::coroutine_handle<> h) {
  if (impl_.receiving_ended) return false;
  // Bytes that OpenSSL holds are announced by nobody, so this one comes back by itself.
  if (impl_.is_open() && !impl_.polled.take_share()) {
    impl_.polled.yield(Polled::Waiter::reader, [this, h](bool open) { ready(h, open); });
    return true;
  }
  if (attempt()) return false;
  wait(h);
  return true;
}

bool Channel::Read::attempt() { return impl_.tls ? attempt_tls() : attempt_plain(); }

bool Channel::Read::attempt_plain() {
  const ssize_t n = impl_.receive(into_.data(), into_.size());
  if (n >= 0) {
    result_ = static_cast<std::size_t>(n);
  } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
    return false;
  } else {
    result_ = std::unexpected(broken("reading: " + system_reason(errno)));
  }
  return true;
}

bool Channel::Read::attempt_tls() {
  std::size_t count = 0;
  want_write_ = false;
  switch (tls_read(impl_, into_, count)) {
    case Step::done:
      result_ = count;
      return true;
    case Step::failed:
      result_ = std::unexpected(broken("reading: " + tls_reason()));
      return true;
    case Step::want_write:
      want_write_ = true;
      return false;
    case Step::want_read:
      return false;
  }
  return false;
}

void Channel::Read::wait(std::coroutine_handle<> h) {
  impl_.when_ready(Polled::Waiter::reader, want_write_ ? Step::want_write : Step::want_read,
                   [this, h](bool open) { ready(h, open); });
}

void Channel::Read::ready(std::coroutine_handle<> h, bool open) {
  if (!open) {
    result_ = std::unexpected(broken("reading: " + system_reason(ECANCELED)));
  } else if (impl_.receiving_ended) {
    result_ = std::size_t{0};
  } else if (!attempt()) {
    return wait(h);
  }
  h.resume();
}

Result<std::size_t> Channel::Read::await_resume() { return std::move(result_); }

Channel::Write::Write(Impl& impl, std::span<const std::string_view> pieces) : impl_(impl), pieces_(pieces) {}
Channel::Write::Write(Impl& impl, std::string_view bytes) : impl_(impl), single_(bytes) {}

bool Channel::Write::try_now() {
  if (impl_.writing_ended) {
    result_ = std::unexpected(broken("writing: ended"));
    return ended_ = true;
  }
  if (single_.data() != nullptr) pieces_ = std::span(&single_, 1);
  return ended_ = attempt();
}

bool Channel::Write::await_suspend(std::coroutine_handle<> h) {
  if (try_now()) return false;  // the common case: the kernel takes it all and nothing waits
  wait(h);
  return true;
}

void Channel::Write::wait(std::coroutine_handle<> h) {
  impl_.when_ready(Polled::Waiter::writer, want_read_ ? Step::want_read : Step::want_write,
                   [this, h](bool open) {
                     if (!open) {
                       result_ = std::unexpected(broken("writing: " + system_reason(ECANCELED)));
                     } else if (!attempt()) {
                       return wait(h);
                     }
                     h.resume();
                   });
}

bool Channel::Write::attempt() { return impl_.tls ? attempt_tls() : attempt_plain(); }

void Channel::Write::advance(std::size_t count) {
  impl_.written += count;
  while (!pieces_.empty() && count >= pieces_.front().size() - offset_) {
    count -= pieces_.front().size() - offset_;
    pieces_ = pieces_.subspan(1);
    offset_ = 0;
  }
  offset_ += count;
}

bool Channel::Write::attempt_plain() {
  advance(0);
  while (!pieces_.empty()) {
    std::array<iovec, 16> parts;
    std::size_t used = 0;
    std::size_t size = 0;
    for (; used < parts.size() && used < pieces_.size(); ++used) {
      const std::string_view piece = pieces_[used].substr(used == 0 ? offset_ : 0);
      parts[used] = {const_cast<char*>(piece.data()), piece.size()};
      size += piece.size();
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = used;
    const ssize_t n = impl_.transmit(message, size);
    if (n < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
      result_ = std::unexpected(broken("writing: " + system_reason(errno)));
      return true;
    }
    advance(static_cast<std::size_t>(n));
  }
  return true;
}

bool Channel::Write::attempt_tls() {
  constexpr std::size_t kRecord = 16384;
  advance(0);
  while (!pieces_.empty() || !record_.empty()) {
    std::string_view bytes = record_;
    if (record_.empty()) {
      bytes = pieces_.front().substr(offset_);
      if (pieces_.size() > 1 && bytes.size() < kRecord) {  // small pieces share a record
        for (std::size_t i = 0; i < pieces_.size() && record_.size() < kRecord; ++i) {
          record_.append(pieces_[i].substr(i == 0 ? offset_ : 0).substr(0, kRecord - record_.size()));
        }
        bytes = record_;
      }
    }
    std::size_t count = 0;
    want_read_ = false;
    switch (tls_write(impl_, bytes, count)) {
      case Step::done:
        if (!record_.empty()) record_.erase(0, count);
        advance(count);
        break;
      case Step::failed:
        result_ = std::unexpected(broken("writing: " + tls_reason()));
        return true;
      case Step::want_read:
        want_read_ = true;
        return false;
      case Step::want_write:
        return false;
    }
  }
  return true;
}

Result<void> Channel::Write::await_resume() { return std::move(result_); }

Task<bool> Channel::wait_gone() {
  Impl& impl = *impl_;
  impl.wait_ended = false;
  for (;;) {
    if (!impl.is_open()) co_return true;
    bool gone = false;
    if (impl.tls && SSL_has_pending(impl.tls.get()) == 1 && tls_readable(impl, gone)) co_return gone;
    impl.waiting = true;
    const bool ready =
        co_await Ready{.impl = impl, .who = Polled::Waiter::watcher, .direction = Step::want_read};
    impl.waiting = false;
    if (impl.wait_ended) co_return false;
    if (!ready) co_return true;
    if (impl.tls) {
      if (tls_readable(impl, gone)) co_return gone;
      continue;
    }
    char byte;
    const ssize_t n = impl.receive(&byte, 1, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) continue;
    co_return n <= 0;
  }
}

void Channel::end_wait() {
  if (!impl_->waiting) return;
  impl_->wait_ended = true;
  impl_->polled.cancel(Polled::Waiter::watcher);
}

void Channel::watch_end(std::move_only_function<void(bool told)> then) {
  impl_->polled.wait(Polled::Waiter::ender, Direction::end, std::move(then));
}

void Channel::forget_end() { impl_->polled.forget(Polled::Waiter::ender); }

bool Channel::end_known() const { return impl_->polled.ready(Direction::end); }

void Channel::end_write() {
  impl_->writing_ended = true;
  impl_->polled.cancel(Polled::Waiter::writer);
}

void Channel::end_read() {
  impl_->receiving_ended = true;
  if (impl_->is_open()) ::shutdown(impl_->fd(), SHUT_RD);
}

bool Channel::quiet() const {
  // What came with the bytes that were read may wait within TLS.
  return impl_->is_open() && !impl_->polled.ready(Direction::in) &&
         (!impl_->tls || SSL_has_pending(impl_->tls.get()) == 0);
}

bool Channel::stale() {
  Impl& impl = *impl_;
  if (!impl.is_open()) return true;
  char byte;
  const ssize_t n = ::recv(impl.fd(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  impl.polled.note(Direction::in, 1, n);
  const bool none = n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  if (!impl.tls) return !none;
  if (none && SSL_has_pending(impl.tls.get()) == 0) return false;
  bool gone = false;
  return tls_readable(impl, gone);  // session tickets may arrive at any time and are no application data
}

void Channel::shutdown_send() {
  if (!impl_->is_open()) return;
  if (impl_->tls) tls_close_notify(*impl_);
  ::shutdown(impl_->fd(), SHUT_WR);
}

Task<Result<Channel>> Channel::connect(Shard& shard, SocketAddress address, Duration within) {
  auto unreachable = [&](int error) {
    // Without descriptors or memory the fault is ours, and the upstream is not to pay for it.
    const bool ours = error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
    return fail(Code::upstream_unreachable, ours ? Blame::us : Blame::upstream,
                "connecting to " + address.text + ": " + system_reason(error), true);
  };
  sockaddr_storage storage{};
  if (address.bytes.size() < sizeof(sa_family_t) || address.bytes.size() > sizeof storage) {
    co_return unreachable(EINVAL);
  }
  std::copy(address.bytes.begin(), address.bytes.end(), reinterpret_cast<unsigned char*>(&storage));
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return unreachable(errno);
  // Before the loop watches it: until then the system calls such a socket hung up.
  const bool at_once = ::connect(fd, reinterpret_cast<const sockaddr*>(&storage),
                                 static_cast<socklen_t>(address.bytes.size())) == 0;
  if (!at_once && errno != EINPROGRESS && errno != EINTR) {
    const int error = errno;
    ::close(fd);
    co_return unreachable(error);
  }
  Channel channel(std::make_unique<Impl>(shard, fd, !at_once));
  if (!channel.is_open()) co_return unreachable(ENOMEM);
  if (!at_once) {
    Deadline deadline(shard);
    Impl& impl = *channel.impl_;
    deadline.set(within, [&impl] { impl.close(); });
    if (!co_await Ready{.impl = impl, .who = Polled::Waiter::writer, .direction = Step::want_write}) {
      co_return unreachable(ETIMEDOUT);
    }
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) co_return unreachable(error);
  }
  co_return channel;
}

}  // namespace sallyport::net
