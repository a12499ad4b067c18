#pragma once
/// What the shards share of one upstream over Streamable HTTP: its configuration, the way to it, request ids.

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "post_surely.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::gateway::http {

using Identity = std::shared_ptr<const UpstreamIdentity>;

Failure broken(std::string what);
/// The same, of an upstream that is there and answers, though not as the protocol has it.
Failure misanswered(std::string what);

/// What ends a request early. The cancel must outlive it.
struct Within {
  SteadyTime deadline = SteadyTime::max();
  Cancel* cancel = nullptr;
};

/// What may follow an answer on its stream: the end, which lets the connection be used again.
inline constexpr auto kTail = std::chrono::seconds(1);

/// Threads: any shard's, except where said otherwise.
class Link {
 public:
  Link(net::Shards& shards, Clients& clients, std::shared_ptr<const ServerConfig> config, OnNotice on_notice);

  const ServerConfig& config() const { return *config_; }
  net::Shards& shards() { return shards_; }
  /// Ids are unique over all shards, because they share upstream sessions.
  std::string next_id();

  /// Request headers for `identity`; `call` adds what mirrors the body in the modern era.
  std::string headers(const UpstreamIdentity& identity, const UpstreamCall* call,
                      std::string_view accept = "application/json, text/event-stream") const;
  /// Sends one request. Errors: those of net::Client, and unavailable once the gateway stops.
  Task<Result<net::ClientResponse>> send(net::ClientRequest request, Within within);
  /// GET of an event stream; `last_id` where one is taken up again.
  Task<Result<net::ClientResponse>> get(Identity identity, std::string last_id, Within within);
  /// POSTs a whole message that nobody answers: a response of ours, a notification. Errors: upstream_broken
  /// when it is not taken.
  Task<Result<void>> tell(Identity identity, std::string message, Duration within);
  /// Ends an upstream session, as far as the upstream lets us.
  static Task<> end_session(std::shared_ptr<Link> link, Identity identity);
  /// Ends the requests of the current shard that nobody's own cancel ends: fires when the upstream is closed.
  Cancel& closing();

  Failure refused_credential(int status) const;
  void notice(Notice notice) const;
  /// Passes on what says that a list, a resource or a task changed; nothing else.
  void hear(const mcp::Envelope& notification, const std::string& isolation) const;

  /// List changes of the shared session reach us by themselves.
  std::atomic<bool> notifies{false};

 private:
  net::Shards& shards_;
  Clients& clients_;
  const std::shared_ptr<const ServerConfig> config_;
  const OnNotice on_notice_;
  struct alignas(64) Local {
    std::uint64_t last_id = 0;
    Cancel closing;
  };
  std::vector<Local> local_;  // by shard; each touched on its own shard only
};

/// Waits on the current shard. False when `within` ended it early.
Task<bool> rest(Duration time, Within within);

/// True for a status that says "not now"; others refuse for good.
bool is_passing(int status);

/// True for a status with which a proxy says that it does not reach the server behind it.
bool is_absence(int status);

}  // namespace sallyport::gateway::http
