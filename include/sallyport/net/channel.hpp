#pragma once
/// A connected byte stream: TCP or local socket, plain or TLS. Hides the event loop and OpenSSL from
/// everything above.

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/http.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::net {

/// An address that passed the egress guard (or a local one), ready to dial: sockaddr bytes.
struct SocketAddress {
  std::vector<unsigned char> bytes;
  std::string text;  ///< "10.0.0.1:443"
};

/// TLS settings made once and shared by the connections of one listener or client. Immutable.
class TlsContext;
/// Errors name the file and OpenSSL's reason.
/// `client_ca_file`: clients are asked for a certificate by those authorities; empty: they are not.
Result<std::shared_ptr<TlsContext>> make_server_tls(const std::string& cert_file, const std::string& key_file,
                                                    const std::string& client_ca_file = {},
                                                    bool client_required = false);
/// System CAs, or `ca_file` where not empty; verifies chain and host name.
Result<std::shared_ptr<TlsContext>> make_client_tls(const std::string& ca_file);

/// Threads: its shard's. One read and one write may be under way at once. There is no timer inside: whoever
/// waits sets a Deadline that calls close(), and the pending operation ends with an error.
class Channel {
 public:
  /// Takes a connected, non-blocking socket.
  Channel(Shard& shard, int fd);
  ~Channel();
  Channel(Channel&&) noexcept;
  Channel& operator=(Channel&&) noexcept;

  /// Errors: upstream_unreachable with the system's reason, also when it takes longer than `within`.
  static Task<Result<Channel>> connect(Shard& shard, SocketAddress address,
                                       Duration within = limits::kConnectDeadline);

  /// Server and client side handshakes; afterwards reads and writes are encrypted.
  Task<Result<void>> accept_tls(std::shared_ptr<TlsContext> tls);
  /// What the other side has proved to be; null where it showed no certificate.
  std::shared_ptr<const ClientCertificate> certificate() const;
  Task<Result<void>> connect_tls(std::shared_ptr<TlsContext> tls, std::string host);

  /// At least one byte, or 0 at the end of the stream. Errors: upstream_broken with the system's reason.
  /// Awaitable without a coroutine frame: a plain read on an event-loop turn costs no allocation.
  class Read;
  class Write;
  Read read(std::span<char> into);
  /// All of the pieces, in order (gathered into as few system calls as possible). The bytes must stay until
  /// it ends.
  Write write(std::span<const std::string_view> pieces);
  Write write(std::string_view bytes);

  /// Waits until the peer closed or bytes are readable; true = closed or broken. Leaves the bytes there.
  Task<bool> wait_gone();
  /// Ends a wait_gone() under way (it returns false).
  void end_wait();
  /// Calls `then` in a turn of its own once the peer sends no more or the connection is broken, whatever
  /// bytes come before that; they stay. With `told` false, and perhaps later than this lives, when the
  /// channel was closed meanwhile. One at a time; costs no system call, and does not see a TLS goodbye that
  /// no end of the connection follows.
  void watch_end(std::move_only_function<void(bool told)> then);
  /// `then` is not called any more.
  void forget_end();
  /// True when that is known already.
  bool end_known() const;
  /// Without waiting: closed by the peer, broken, or holding unexpected bytes (an idle pooled connection must
  /// be quiet). Asks the system.
  bool stale();
  /// True when nothing of that is known: the loop tells it at each turn, so this costs no system call. Over
  /// TLS bytes that are no application data count as well.
  bool quiet() const;

  /// Ends a write under way (it fails), for whoever need not send the rest; nothing can be written after it.
  void end_write();
  /// A read under way and every later one answers 0, as if the peer had half-closed; writing goes on.
  void end_read();
  /// Half-closes the sending side; then the reader drains or closes.
  void shutdown_send();
  /// Pending operations end with an error. May be called at any time, more than once.
  void close();
  /// The same for a peer that takes nothing: the system keeps nothing for it, and it is told by a reset.
  void abort();
  bool is_open() const;
  int fd() const;  ///< -1 when closed
  /// Payload bytes that the system has taken so far: whoever guards a long write sees whether it moves.
  std::uint64_t bytes_written() const;
  Shard& shard();

  struct Impl;

 private:
  explicit Channel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class Channel::Read {
 public:
  bool await_ready() noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> h);
  Result<std::size_t> await_resume();
  Read(Impl& impl, std::span<char> into) : impl_(impl), into_(into) {}

 private:
  bool attempt();
  bool attempt_plain();
  bool attempt_tls();
  void wait(std::coroutine_handle<> h);
  void ready(std::coroutine_handle<> h, bool open);
  Impl& impl_;
  std::span<char> into_;
  bool want_write_ = false;
  Result<std::size_t> result_{std::size_t{0}};
};

class Channel::Write {
 public:
  /// As far as it goes without waiting: true when it has ended. Before it is awaited.
  bool try_now();
  bool await_ready() noexcept { return ended_; }
  bool await_suspend(std::coroutine_handle<> h);
  Result<void> await_resume();
  Write(Impl& impl, std::span<const std::string_view> pieces);
  Write(Impl& impl, std::string_view bytes);

 private:
  bool attempt();
  bool attempt_plain();
  bool attempt_tls();
  void advance(std::size_t count);
  void wait(std::coroutine_handle<> h);
  Impl& impl_;
  std::string_view single_{};
  std::span<const std::string_view> pieces_{};
  std::size_t offset_ = 0;  // into the first piece
  std::string record_{};    // small pieces gathered for one TLS record
  bool want_read_ = false;
  bool ended_ = false;
  Result<void> result_{};
};

}  // namespace sallyport::net
