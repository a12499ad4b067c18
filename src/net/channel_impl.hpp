#pragma once
/// The inside of a Channel: an Asio socket, which waits, and perhaps an OpenSSL session over the same
/// descriptor.

#include <openssl/ssl.h>

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <coroutine>
#include <cstdint>
#include <memory>

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
  using Socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol,
                                                  boost::asio::io_context::executor_type>;
  Impl(Shard& owner, int fd);
  ~Impl() { close(); }
  void close();
  int fd() { return socket.is_open() ? socket.native_handle() : -1; }

  /// Calls `then(error_code)` once the socket is ready in that direction, or the channel was closed.
  template <class Then>
  void when_ready(Step direction, Then then) {
    socket.async_wait(direction == Step::want_write ? Socket::wait_write : Socket::wait_read,
                      std::move(then));
  }

  Shard& shard;
  Socket socket;
  std::unique_ptr<SSL, SslFree> tls;
  bool tls_broken = false;  // after a fatal TLS error nothing more may be sent, no alert either
  bool receiving_ended = false;
  std::uint64_t written = 0;
  boost::asio::cancellation_signal wait_cancel;
  bool waiting = false;
  bool wait_ended = false;
};

/// Awaits readiness of the socket; false when the channel was closed or the wait was ended.
struct Ready {
  Channel::Impl& impl;
  Step direction;
  bool cancellable = false;
  bool ok = false;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> h) {
    auto then = [this, h](const boost::system::error_code& error) {
      ok = !error;
      h.resume();
    };
    if (cancellable) {
      impl.when_ready(direction, boost::asio::bind_cancellation_slot(impl.wait_cancel.slot(), then));
    } else {
      impl.when_ready(direction, then);
    }
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
