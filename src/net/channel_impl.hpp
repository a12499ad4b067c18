#pragma once
/// The inside of a Channel: a socket in the shard's loop, and perhaps an OpenSSL session over the same
/// descriptor.

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <coroutine>
#include <cstdint>
#include <memory>
#include <utility>

#include "poller.hpp"
#include "sallyport/net/channel.hpp"

namespace sallyport::net {

class TlsContext {
 public:
  explicit TlsContext(SSL_CTX* ctx) : ctx_(ctx) {}
  ~TlsContext() { SSL_CTX_free(ctx_); }
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  SSL_CTX* get() const { return ctx_; }

 private:
  SSL_CTX* ctx_;
};

/// What one attempt to move bytes came to.
enum class Step : std::uint8_t { done, want_read, want_write, failed };

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};

struct Channel::Impl {
  /// `connecting`: the socket cannot be written to until the system says so.
  Impl(Shard& owner, int fd, bool connecting);
  ~Impl() { close(); }
  void close();
  bool is_open() const { return polled.is_open(); }
  int fd() const { return polled.fd(); }

  /// Calls `then(bool open)` once the socket is ready in that direction, or the channel was closed.
  void when_ready(Polled::Waiter who, Step direction, Polled::Wake then) {
    polled.wait(who, direction == Step::want_write ? Direction::out : Direction::in, std::move(then));
  }
  /// As recv(2) and sendmsg(2) that never wait; EAGAIN without a call where the loop knows better.
  ssize_t receive(char* into, std::size_t size, int flags = 0);
  ssize_t transmit(const msghdr& message, std::size_t size);

  Shard& shard;
  Polled polled;
  std::unique_ptr<SSL, SslFree> tls;
  bool tls_broken = false;  // after a fatal TLS error nothing more may be sent, no alert either
  bool receiving_ended = false;
  bool writing_ended = false;
  bool waiting = false;
  bool wait_ended = false;
  std::uint64_t written = 0;
};

/// Awaits readiness of the socket; false when the channel was closed or the wait was ended.
struct Ready {
  Channel::Impl& impl;
  Polled::Waiter who;
  Step direction;
  bool ok = false;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    impl.when_ready(who, direction, [this, h](bool open) {
      ok = open;
      h.resume();
    });
  }
  bool await_resume() const noexcept { return ok; }
};

/// The pieces of tls.cpp that channel.cpp calls. `count` is the number of bytes moved; done with 0 is the end
/// of the stream.
Step tls_read(Channel::Impl& impl, std::span<char> into, std::size_t& count);
Step tls_write(Channel::Impl& impl, std::string_view bytes, std::size_t& count);
/// True when a read would yield bytes, the end or an error without waiting.
bool tls_readable(Channel::Impl& impl, bool& gone);
void tls_close_notify(Channel::Impl& impl);
/// OpenSSL's reason for the last failure, and its queue emptied.
std::string tls_reason();

}  // namespace sallyport::net
