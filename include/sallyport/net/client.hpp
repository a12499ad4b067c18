#pragma once
/// The one HTTP client for upstreams: keep-alive pools per shard, TLS, total deadlines, response caps, egress
/// guard.

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/cancel.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/egress.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "sallyport/net/http.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::net {

/// Where a client connects. Pools are per Origin object content (url origin, allow_private, ca_file).
struct Origin {
  Url url;
  bool allow_private = false;
  std::string ca_file{};
  NamedBy named_by = NamedBy::us;
};

struct ClientRequest {
  std::string_view method = "POST";
  std::string_view path;  ///< "/mcp?x"; stays until the response head is there
  std::string headers;    ///< "Name: value\r\n" lines, already checked by `append_header`; Host and
                          ///< Content-Length are added
  std::vector<std::string_view>
      body;  ///< sent in order, not copied; must stay until the response head is there
};

/// Appends a line; false (and nothing appended) when name or value has a byte that no header may carry, or
/// when the name is one of those that frame a message or belong to the connection (Host, Content-Length,
/// Transfer-Encoding, Connection ...), which the client writes itself.
[[nodiscard]] bool append_header(std::string& out, std::string_view name, std::string_view value);

/// A response whose head has arrived. Dropping it before the end closes the connection; read to the end
/// returns it to the pool. The deadline and the cancellation of the request go on to hold for the body.
class ClientResponse {
 public:
  struct Impl;
  explicit ClientResponse(std::unique_ptr<Impl> impl);
  ClientResponse(ClientResponse&&) noexcept;
  ClientResponse& operator=(ClientResponse&&) noexcept;
  ~ClientResponse();

  int status() const;
  const Headers& headers() const;
  /// Media type in lower case without parameters, e.g. "text/event-stream".
  std::string content_type() const;
  /// True when that is `type`, which is in lower case.
  bool is_type(std::string_view type) const;
  /// The next bytes of the body as they arrive; empty at its end. Valid until the next call.
  Task<Result<std::string_view>> some();
  /// All of it, counted as it comes. Errors: too_large beyond `cap`, limited (HeldBytes), upstream_timeout,
  /// upstream_broken (too short, bad chunk), cancelled.
  Task<Result<std::string>> whole(std::size_t cap);
  /// The share of the budget that the bytes of whole() hold; their keeper keeps it too.
  HeldBytes take_held();

 private:
  friend class Client;
  friend void finish_in_background(ClientResponse response, Duration within);
  std::string_view media_type() const;
  Task<Result<std::string>> rest(std::string out, std::size_t cap);
  std::unique_ptr<Impl> impl_;
};

/// Reads the rest of a body away in the background, so that its connection can be used again; after `within`
/// it is closed. From here on the request's own deadline and cancellation no longer matter to the response.
void finish_in_background(ClientResponse response, Duration within);

/// Threads: its shard's; it goes before its shard does. Idle connections are kept per origin
/// (limits::kUpstreamIdleConnections, kUpstreamIdle, or what the upstream's own Keep-Alive header allows).
class Client {
 public:
  explicit Client(Shard& shard);
  ~Client();

  /// Sends and waits for the response head, all within `deadline`. A pooled connection that turns out closed
  /// before a byte was written is replaced silently; after the first byte nothing is repeated. Errors:
  /// forbidden (egress), upstream_unreachable (nothing was sent, retry is safe), upstream_timeout,
  /// upstream_broken, limited (limits::kUpstreamConnections), cancelled. `cancel` may be null.
  /// SteadyTime::max() is no deadline, for streams that their caller watches itself. `origin` and `cancel`
  /// must outlive the task, `cancel` the response too.
  Task<Result<ClientResponse>> send(const Origin& origin, ClientRequest request, SteadyTime deadline,
                                    Cancel* cancel);

  struct Gauges {
    std::size_t idle = 0, busy = 0;
    std::uint64_t dialled = 0, reused = 0;
    std::size_t origins = 0;  ///< that are remembered: those in use, and for a while others
  };
  Gauges gauges() const;

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::net
