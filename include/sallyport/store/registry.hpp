#pragma once
/// Documents, API keys and catalogues in the database. What the gateway's snapshot is built from.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/store/database.hpp"
#include "sallyport/store/definitions.hpp"
#include "sallyport/store/documents.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::store {

/// What one `apply` would do or did, per document.
struct Change {
  enum class What : std::uint8_t { created, changed, unchanged, removed } what;
  std::string kind, name;
  std::string difference{};  ///< lines "- old" / "+ new" of the canonical form; no secret values
};

struct ApplyOptions {
  std::string origin = "cli";  ///< --prune removes only what came from the same origin
  std::string source{};        ///< the text, stored with the documents
  bool dry_run = false;
  bool prune = false;
};

/// An API key: `sp_<id>_<secret>`. Only the SHA-256 of the whole text is stored.
struct ApiKey {
  std::string id;
  std::string hash;  ///< 64 hex digits
  std::string agent;
  std::string note{};
  bool admin = false;        ///< opens the admin API instead of the data plane
  std::int64_t created = 0;  ///< Unix milliseconds
  std::optional<std::int64_t> expires{}, revoked{};
};

/// Last known good lists of one upstream: raw JSON arrays of definitions, exactly as they came.
struct StoredCatalogue {
  std::string server;
  std::string tools = "[]", prompts = "[]", resources = "[]", templates = "[]";
  std::string server_info = "{}";  ///< {name, version, title?, instructions?, era, capabilities}
  std::int64_t fetched = 0;        ///< Unix milliseconds
  std::int64_t recorded = 0;       ///< when its definitions were first remembered; 0: not yet
};

/// Threads: used by one thread at a time (the database executor, or the CLI).
class Registry {
 public:
  Registry(Database& database, Vault& vault, const Clock& clock);

  /// What this layer cannot see, such as where a URL leads: asked for every document before it is saved. The
  /// error's hint (or `what`) becomes part of apply's. Set by the wiring.
  using Validator = std::function<Result<void>(const AnyDocument&)>;
  void set_validator(Validator validator) { validator_ = std::move(validator); }

  /// All or nothing. References between documents are checked (a source's server, a server's credential; team
  /// members need not exist). Changes come in the order of `documents`, then what was pruned. A Credential
  /// `value: (sealed)` keeps what the vault has. Errors: bad_request listing every problem, storage.
  Result<std::vector<Change>> apply(std::vector<AnyDocument> documents, const ApplyOptions& options);
  /// Removes what belongs to it as well: a Credential's sealed value, a Server's catalogue; an Agent's keys
  /// are revoked and its tokens end. Errors: not_found, conflict naming the documents that use it, storage.
  Result<void> remove(const std::string& kind, const std::string& name);
  Result<std::vector<AnyDocument>> documents(const std::string& kind = {}) const;  ///< by kind, then name
  Result<std::optional<AnyDocument>> document(const std::string& kind, const std::string& name) const;
  /// Grows with every committed change of documents and keys; catalogues are observations and do not count.
  Result<std::int64_t> generation() const;

  /// Resolves a credential's value: vault, environment or file. Errors: not_found, unavailable with the
  /// reference, never the value.
  Result<Secret> credential_value(const Credential& credential) const;

  /// Creates the agent where it does not exist (origin "key", so that no apply prunes it). The returned text
  /// is shown once.
  struct NewKey {
    ApiKey record;
    Secret text;
  };
  Result<NewKey> create_key(const std::string& agent, const std::string& note, bool admin,
                            std::optional<std::int64_t> expires);
  Result<std::vector<ApiKey>> keys() const;
  Result<void> revoke_key(const std::string& id);

  Result<void> save_catalogue(const StoredCatalogue& catalogue);
  /// The lists, and what has changed in what is remembered of them: all or nothing.
  Result<void> save_catalogue(const StoredCatalogue& catalogue, const std::vector<StoredDefinition>& changed,
                              const std::vector<DefinitionKey>& forgotten);
  Result<std::vector<StoredCatalogue>> catalogues() const;
  /// By server, sort and name; of all servers where `server` is empty.
  Result<std::vector<StoredDefinition>> definitions(const std::string& server, bool with_objects) const;
  Result<std::optional<StoredDefinition>> definition(const DefinitionKey& key) const;
  /// All or nothing. Counts as a change. Errors: not_found, conflict (the server offers another version than
  /// the one that was decided on), storage.
  Result<void> decide(const std::vector<DefinitionDecision>& decisions, const std::string& by);

 private:
  Database& database_;
  Vault& vault_;
  const Clock& clock_;
  Validator validator_;
};

}  // namespace sallyport::store
