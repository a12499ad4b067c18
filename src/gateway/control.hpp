#pragma once
/// The control plane: upstream objects, catalogue refresh, and the publication of snapshots to the shards.

#include <atomic>
#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sallyport/core/executor.hpp"
#include "sallyport/gateway/gateway.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "shard_state.hpp"

namespace sallyport::gateway {

/// One configured server with everything that lives as long as its configuration does.
struct Managed {
  std::shared_ptr<const ServerConfig> config;
  std::shared_ptr<Upstream> upstream;
  std::shared_ptr<const Catalogue> catalogue;  ///< the executor's, like `awaited`
  bool awaited = false;                        ///< first contact under way and nothing known yet
  bool recorded = false;        ///< the registry has what the catalogue holds; the executor's, like the next
  std::int64_t contacted = 0;   ///< when this server's definitions were first recorded; 0: not yet
  net::Shard* shard = nullptr;  ///< runs the refresh
  std::atomic<bool> retired{false};
  // On `shard`:
  std::shared_ptr<Slot<bool>> wake;
  bool poked = false;
  Cancel end;  ///< the server is not wanted any more
  bool refreshing = false;
  Slot<bool> refreshed;  ///< the refresh has come to its end
};

/// Where this instance stands.
struct Place {
  std::string environment{};
  std::string public_url{};  ///< without a path
};

/// Threads: the database executor's, except where said otherwise. What other threads see are snapshots and
/// the status copy.
class Control {
 public:
  Control(net::Shards& shards, std::vector<std::unique_ptr<ShardState>>& states, Clients& clients,
          store::Registry& registry, store::Accounts& accounts, Executor& database, Counters& counters,
          const Clock& clock, Place place);

  /// Builds from the registry and publishes. Errors: nothing changed.
  Result<void> reload();
  /// Fetches what a server offers now, and takes it in. Threads: none of the executor's and no shard's;
  /// blocks for limits::kChildStart and what the executor has to do first.
  Result<std::string> test_server(const std::string& name);
  /// No test goes on or begins. Threads: any.
  void end_tests();
  /// Threads: any.
  std::string status() const;
  std::shared_ptr<const Snapshot> published() const;  ///< threads: any
  std::vector<BreakerView> breakers() const;          ///< threads: any
  std::vector<PinView> pins() const;                  ///< threads: any
  std::vector<IssuerView> issuers() const;            ///< threads: any
  /// JSON of what an endpoint exports. Threads: any. Errors: not_found.
  Result<std::string> exported_tools(const std::string& path) const;
  /// Threads: any.
  void note(std::string name, std::string members);
  /// Threads: not a shard's, not the executor's.
  void stop();

 private:
  std::shared_ptr<Managed> manage(std::shared_ptr<const ServerConfig> config);
  static const store::Credential* find_credential(const std::string& name,
                                                  const std::vector<store::AnyDocument>& documents);
  Result<Secret> credential_value(const std::string& name,
                                  const std::vector<store::AnyDocument>& documents) const;
  Result<std::shared_ptr<const ServerConfig>> resolve(const store::Server& server,
                                                      const std::vector<store::AnyDocument>& documents);
  /// Providers, virtual keys and routes of these documents.
  std::shared_ptr<const ModelTable> resolve_models(const std::vector<store::AnyDocument>& documents);
  /// The header line that carries a credential to a provider of this kind; what is wrong goes into `problem`.
  Secret provider_line(const std::string& credential, const llm::ProviderKind& kind,
                       const std::vector<store::AnyDocument>& documents, std::string& problem) const;
  /// Ends a server on every shard: when the calls of older snapshots have finished, or at once where we stop.
  void end(const std::shared_ptr<Managed>& managed);
  /// What these documents' issuers need; the sources of keys that there are, where nothing has changed.
  std::map<std::string, identity::IssuerParts> resolve_issuers(
      const std::vector<store::AnyDocument>& documents);
  /// This gateway as an issuer: the one that there is, while it signs with the same keys.
  Result<std::shared_ptr<identity::OwnIssuer>> resolve_own();
  void end(const std::shared_ptr<identity::KeySource>& source);
  /// Requires: no request is under way. Comes back when nothing is fetched any more.
  void end_issuers();
  static Task<> close(Control* self, std::shared_ptr<Managed> managed, net::Shard* here,
                      std::shared_ptr<std::promise<void>> done);
  void publish();
  Result<std::shared_ptr<Managed>> find(const std::string& name) const;
  Result<std::string> tested(const std::shared_ptr<Managed>& managed,
                             const std::shared_ptr<const Catalogue>& known, store::StoredCatalogue fetched,
                             std::int64_t millis);
  /// True when it differs from what was known.
  Result<bool> accept(const std::shared_ptr<Managed>& managed, store::StoredCatalogue fetched);
  Result<std::map<std::string, std::shared_ptr<const Pins>>> load_pins();
  /// Compares with what is remembered, and remembers. Errors: nothing was remembered, nothing approved.
  Result<Observation> remember(const Managed& managed, const Catalogue& catalogue);
  /// Log, journal and metric of what was seen.
  void tell(const std::string& server, const Observation& seen);
  void no_longer_awaited(const std::shared_ptr<Managed>& managed);
  static Task<> refresh_loop(Control* self, std::shared_ptr<Managed> managed);
  /// Threads: any.
  void take_notice(const Notice& notice);
  void poke(const std::string& server);

  net::Shards& shards_;
  std::vector<std::unique_ptr<ShardState>>& states_;
  Clients& clients_;
  store::Registry& registry_;
  store::Accounts& accounts_;
  Executor& database_;
  Counters& counters_;
  const Clock& clock_;
  const Place place_;

  std::vector<store::AnyDocument> documents_;  // but for policies, which are in rules_
  std::shared_ptr<const policy::RuleSet> rules_;
  std::vector<store::ApiKey> keys_;
  std::int64_t generation_ = 0;
  std::map<std::string, std::shared_ptr<Managed>> managed_;
  std::map<std::string, std::shared_ptr<const Pins>> pins_;  // by server
  std::map<std::string, identity::IssuerParts> issuers_;     // by document
  std::shared_ptr<identity::OwnIssuer> own_;                 // null: not loaded yet
  std::shared_ptr<const ModelTable> models_;
  std::atomic<bool> stopping_{false};

  std::mutex tests_mutex_;  // between those who wait for a test and the shards that carry it out
  std::condition_variable tests_changed_;
  bool no_more_tests_ = false;

  std::mutex ending_mutex_;
  std::vector<std::future<void>> ending_;  // one for each server and shard that is being ended
  std::vector<std::shared_ptr<identity::KeySource>> ended_keys_;  // that may still have a fetch under way

  mutable std::mutex
      status_mutex_;  // copied at each publication, read by the admin side and by notifications
  std::map<std::string, std::shared_ptr<Managed>> visible_;
  std::map<std::string, identity::IssuerParts> visible_issuers_;
  std::shared_ptr<const Snapshot> published_;
  std::map<std::string, std::uint64_t> quarantines_;  // by server, since the start
};

}  // namespace sallyport::gateway
