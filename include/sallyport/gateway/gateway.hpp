#pragma once
/// The gateway: builds snapshots from the registry, keeps the upstreams, and serves requests on the public
/// listener.

#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/executor.hpp"
#include "sallyport/identity/certificate_names.hpp"
#include "sallyport/identity/login_options.hpp"
#include "sallyport/net/server.hpp"
#include "sallyport/net/shard.hpp"
#include "sallyport/store/accounts.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/registry.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::gateway {

class Counters;
struct Snapshot;

/// One finished request, for the access log.
struct AccessLine {
  std::string_view call, client, principal, endpoint, era, method, target, code;
  int status = 0;
  std::int64_t micros = 0;
  std::size_t bytes_in = 0, bytes_out = 0;
};

/// The breaker of one server, for /metrics.
struct BreakerView {
  std::string server;
  bool open = false;
  std::uint64_t opened = 0;
};

/// Definitions of one server that are not served, for /metrics.
struct PinView {
  std::string server;
  std::size_t withheld = 0;       ///< now: waiting for a person, or rejected
  std::uint64_t quarantined = 0;  ///< versions that were held back since the start
};

/// The keys of one issuer, for status and /metrics.
struct IssuerView {
  std::string issuer;     ///< name of its document
  std::size_t keys = 0;   ///< that tokens are verified with; 0: none that may be trusted
  std::string problem{};  ///< of the last fetch; empty: it succeeded, or there was none
};

struct GatewayOptions {
  std::vector<std::string>
      allowed_hosts{};  ///< host names (without port) besides loopback names and IP literals
  std::vector<std::string> allowed_origins{};  ///< "https://app.example"; answered with CORS headers
  std::string public_url{};                    ///< its host is allowed too
  std::string environment{};                   ///< of this instance: what documents may depend on
  identity::LoginOptions login{};
  identity::CertificateNames certificates{};            ///< which agents clients' certificates stand for
  std::function<void(const AccessLine&)> access_log{};  ///< on the request's shard
};

class Gateway {
 public:
  /// Loads the registry and publishes the first snapshot; upstreams are connected in the background.
  /// Requires: the shards run; called outside of them. All arguments outlive the gateway.
  static Result<std::unique_ptr<Gateway>> create(net::Shards& shards, store::Registry& registry,
                                                 store::Vault& vault, store::Accounts& accounts,
                                                 store::Journal& journal, Executor& database,
                                                 const Clock& clock, GatewayOptions options);
  virtual ~Gateway() = default;

  /// For the public listener.
  virtual net::Handler handler() = 0;
  /// Records what a connection refused by itself.
  virtual std::function<void(const net::HeadRefusal&)> head_refusals() = 0;

  /// Reads the registry again and swaps every shard to it; when it returns, the next request sees the change.
  /// Threads: the database executor's, or any when it is idle. Errors: nothing was swapped.
  virtual Result<void> reload() = 0;
  /// Connects to a server now and fetches its catalogue: JSON {ok, era, tools, prompts, resources, templates,
  /// millis, dropped} or {ok:false, problem}. Threads: none of the database executor's and no shard's;
  /// blocks.
  virtual Result<std::string> test_server(const std::string& name) = 0;
  /// JSON {generation, servers: [{name, state, problem, version, tools, ...}], endpoints: [{path, tools,
  /// problems}], issuers: [{name, keys, problem}]}. Threads: any.
  virtual std::string status() const = 0;
  virtual std::vector<BreakerView> breakers() const = 0;  ///< of all servers in use; threads: any
  virtual std::vector<PinView> pins() const = 0;          ///< of all servers in use; threads: any
  virtual std::vector<IssuerView> issuers() const = 0;    ///< by name; threads: any
  /// JSON [{name, tool, hash, bytes}] by name: the tools that a path ("/mcp", "/mcp/payments") exports now,
  /// with the hashes of their definitions. Threads: any. Errors: not_found.
  virtual Result<std::string> exported_tools(const std::string& path) const = 0;
  /// Writes a record of the program's own into the journal: `members` are those of a JSON object, without
  /// braces. Threads: any.
  virtual void note(std::string_view name, std::string members) = 0;
  /// What the next request will see. Threads: any.
  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
  /// Empty when ready; else why not. Threads: any.
  virtual std::string not_ready() const = 0;
  /// Counters for /metrics. Threads: any.
  virtual const Counters& counters() const = 0;
  /// The listener is about to stop: calls whose clients leave are cancelled from now on, tests of servers
  /// end, and /readyz says so. Threads: any.
  virtual void drain() = 0;
  /// After the listener has stopped: ends upstream sessions and children. Threads: not a shard's.
  virtual void stop() = 0;
};

}  // namespace sallyport::gateway
