#pragma once
/// The listener and what a handler sees of one request on one connection.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sallyport/core/cancel.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "sallyport/net/http.hpp"
#include "sallyport/net/shard.hpp"
#include "sallyport/net/trusted_proxies.hpp"

namespace sallyport::net {

/// A stream of server-sent events to one client. Writes never wait: what a slow reader does not take is
/// queued up to limits::kSseQueue bytes, then the stream is cut. Threads: the request's shard.
class EventStream {
 public:
  virtual ~EventStream() = default;
  /// `frame` is one whole event with its blank line. False when the stream has ended (client gone, queue
  /// full). `share`: what the frame was counted as so far. It stays counted until the client has the frame,
  /// or goes where streams have room of their own.
  virtual bool push(std::string frame, HeldBytes share) = 0;
  bool push(std::string frame) { return push(std::move(frame), {}); }
  virtual bool open() const = 0;
  /// Waits until the client has taken all that was pushed, for whoever has more than a queue holds. False
  /// when the stream has ended. One may wait at a time.
  virtual Task<bool> taken() = 0;
  /// Ends the body cleanly after what was pushed, and then the connection, while the handler goes on.
  virtual void hang_up() = 0;
};

/// One request and the one answer to it. The handler runs as soon as the head has passed the strict check,
/// before any byte of the body was read, so that it can refuse early; a body that it did not read closes the
/// connection.
class Exchange {
 public:
  virtual ~Exchange() = default;
  virtual Shard& shard() = 0;
  virtual const Request& request() const = 0;
  virtual const Peer& peer() const = 0;
  /// Where the request comes from, for records, limits and policies: the peer's address, or what trusted
  /// proxies (ListenerOptions) say of it.
  virtual const std::string& client_ip() const = 0;
  virtual SteadyTime started() const = 0;

  /// Reads the whole body (sends 100-continue where asked). Counted as HeldBytes until the
  /// exchange ends. Errors: too_large, bad_request (framing), upstream of nothing: cancelled when the client
  /// went away.
  virtual Task<Result<std::string>> read_body(std::size_t cap) = 0;

  /// Exactly one of reply() and stream() is called, once.
  virtual Task<> reply(Reply reply) = 0;
  /// Sends the head of a text/event-stream answer (`head.body` is ignored) and returns the stream, which
  /// lives as long as the exchange. Comment keep-alives are sent on a silent stream. The stream ends,
  /// cleanly, when the handler returns.
  virtual EventStream& stream(Reply head) = 0;
  /// A stream goes on for a client that sends no more: it may have closed only its half. Without this it ends
  /// there, as for one that has gone.
  virtual void keep_answering() = 0;
  virtual bool answered() const = 0;

  /// The handler needs the request no more: while a stream goes on its bytes are given back, and are not
  /// counted. Nothing may look into request() after this.
  virtual void forget_request() = 0;

  /// Holds on to something until the answer has been written, or given up.
  virtual void keep(std::shared_ptr<const void> held) = 0;

  /// Fires when the client sends no more (it closed, or closed its half: nothing tells the two apart before
  /// something is written), or when the server stops and the grace is over. A reply is still written. A TLS
  /// goodbye alone is noticed once the exchange is older than limits::kWatchAfter, or streams.
  virtual Cancel& cancel() = 0;
  /// Bytes of the answer so far, head excluded; for records.
  virtual std::size_t bytes_sent() const = 0;
};

using Handler = std::function<Task<>(Exchange&)>;

/// What a connection answers by itself, before any handler runs (400, 414, 431, 501, 408 ...).
struct HeadRefusal {
  int status;
  std::string reason;  ///< short, for records and metrics: "smuggling", "head_too_large", ...
  Peer peer;
};

struct ListenerTls {
  std::string cert_file;
  std::string key_file;
  std::string client_ca_file{};  ///< whose certificates clients may show; empty: none is asked for
  bool client_required = false;  ///< who shows none is let no further than the handshake
};

/// What one connection may take and how long. Tests shorten it; the program leaves it as it is.
struct ConnectionBounds {
  Duration head = limits::kHeadDeadline;
  Duration idle = limits::kIdleKeepAlive;
  Duration body = limits::kBodyDeadline;
  std::size_t body_rate = limits::kBodyRate;  ///< bytes that earn the body another second
  Duration write_stall = limits::kWriteStall;
  Duration watch_after = limits::kWatchAfter;
  Duration sse_keep_alive = limits::kSseKeepAlive;
  std::size_t sse_queue = limits::kSseQueue;
  Duration linger =
      std::chrono::seconds(1);  ///< reading on after an early answer, so that it is not lost to a reset
  std::size_t linger_bytes = 256 * limits::KiB;  ///< and at most so much
  Duration cancel_grace =
      std::chrono::seconds(1);  ///< from a cancelled exchange at stop() to the closed socket
  std::size_t connections = limits::kConnections;
};

struct ListenerOptions {
  std::string address{};  ///< "127.0.0.1:8080", "[::1]:0", "unix:/path" (mode 0600)
  std::optional<ListenerTls> tls{};
  Handler handler{};
  std::function<void(const HeadRefusal&)> on_refusal{};  ///< on the connection's shard
  /// As many connections as there may be, or no descriptor left: others wait. At most once a minute, on
  /// shard 0.
  std::function<void(std::size_t connections)> on_full{};
  TrustedProxies trusted_proxies{};
  int inherited_fd = -1;  ///< a listening socket handed over (LISTEN_FDS); then `address` only names it
  ConnectionBounds bounds{};
};

/// Accepts on one thread (shard 0) and deals sockets to the shards in turn. Accepting pauses at
/// limits::kConnections, or before the process's descriptors run out (limits::kDescriptorShare).
class Listener {
 public:
  /// Binds now. Errors: Code::unavailable with what could not be bound and why.
  static Result<std::unique_ptr<Listener>> open(Shards& shards, ListenerOptions options);
  virtual ~Listener() = default;
  /// "127.0.0.1:43121" as bound.
  virtual std::string local_address() const = 0;
  virtual std::uint16_t port() const = 0;
  /// Stops accepting, closes idle connections, lets exchanges end within `grace`, then cancels and closes the
  /// rest. Threads: not a shard's. Returns when no connection is left.
  virtual void stop(Duration grace) = 0;
  /// Open connections, for gauges. Threads: any.
  virtual std::size_t connections() const = 0;
};

/// File descriptors handed over by the service manager (sd_listen_fds(3)), in order; the variables are
/// cleared.
std::vector<int> inherited_sockets();

}  // namespace sallyport::net
