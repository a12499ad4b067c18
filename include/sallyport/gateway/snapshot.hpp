#pragma once
/// Everything a request reads, immutable: keys, rules, upstream configurations and the endpoints composed
/// from their catalogues.

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"
#include "sallyport/gateway/catalogue.hpp"
#include "sallyport/gateway/model_table.hpp"
#include "sallyport/gateway/pins.hpp"
#include "sallyport/identity/issuers.hpp"
#include "sallyport/identity/keys.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/policy/rules.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::gateway {

class Upstream;

/// One upstream server as configured, with its credential resolved. Immutable; a changed document makes a new
/// one.
struct ServerConfig {
  store::Server document;
  std::string
      fingerprint;       ///< digest of document and credential: upstream sessions belong to one fingerprint
  std::size_t slot = 0;  ///< index of its counters
  // Streamable HTTP
  net::Origin origin{};
  Secret credential_line{};   ///< "Authorization: Bearer ...\r\n", or empty
  std::string fixed_lines{};  ///< configured headers as lines
  // stdio
  std::map<std::string, Secret> secret_env{};
  std::string problem{};  ///< why it cannot be used now (a credential that does not resolve); empty: usable
  bool is_stdio() const { return std::holds_alternative<store::StdioTransport>(document.transport); }
  bool is_sse() const {
    const auto* http = std::get_if<store::HttpTransport>(&document.transport);
    return http && http->sse;
  }
};

/// A server in a snapshot: configuration, and its catalogue where it was ever reached.
struct ServerEntry {
  std::shared_ptr<const ServerConfig> config;
  std::shared_ptr<Upstream> upstream;
  std::shared_ptr<const Catalogue> catalogue;  ///< null: never reached
  bool awaited = false;                ///< first contact is under way: a list may wait for it, briefly
  std::shared_ptr<const Pins> pins{};  ///< null: nothing was decided about its definitions
  bool serves(Sort sort, const Definition& definition) const;
  /// What its resource URIs begin with for clients; empty: nothing (`uris` of the document).
  std::string uri_prefix() const;
};

/// Arguments of an exported tool that its callers do not give.
struct OwnArguments {
  std::vector<store::Preset> preset;
  std::vector<std::string> hidden;
  bool operator==(const OwnArguments&) const = default;
};

/// One exported thing: what clients call it and what it is.
struct Export {
  std::string name;  ///< exported name or URI
  const ServerEntry* server = nullptr;
  const Definition* definition = nullptr;
  std::string modern, legacy;  ///< the definition with its exported name, as lists show it in each era
  bool rewrites_uri = false;   ///< `uris: prefix`: URIs in its results carry the server's name too
  std::shared_ptr<const OwnArguments> own{};  ///< null: callers give all of its arguments
  bool by_name = false;                       ///< its source names it, and no pattern does
  std::size_t digest = 0;  ///< of the definition as lists show it: tells whether a list changed
};

/// A table of exports of one sort: in list order (by name) and by name.
class Exports {
 public:
  std::vector<Export> items;
  const Export* find(std::string_view name) const;
  void index();

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> by_name_;
};

/// What one URL serves: `/mcp` (everything the caller may use) or `/mcp/{virtual-server}`.
struct Endpoint {
  std::string path;  ///< "/mcp/payments"
  std::string name;  ///< serverInfo.name
  std::string title{}, instructions{};
  bool anonymous = false;  ///< no credential needed, loopback only, grants what it contains
  bool grants = false;     ///< who is allowed to use it may use what it contains
  Exports tools, prompts, resources, templates;
  std::set<std::string, std::less<>> contested;  ///< URIs that two claim: no template serves them either
  std::vector<const ServerEntry*> servers;       ///< that it draws on
  std::vector<std::string> problems;             ///< collisions and missing sources, for the log and `get`
  std::string extensions = "{}";                 ///< raw: capabilities.extensions of all servers together
  std::string server_info;                       ///< raw JSON {name, version, title?}
  /// The resource that serves `uri`: exact first, then templates (only one may match).
  struct ResourceHit {
    const Export* entry = nullptr;
    bool by_template = false;
  };
  std::optional<ResourceHit> resource(std::string_view uri) const;
  /// The first contact with one of its servers is under way: nobody was shown a list yet.
  bool awaited() const;
};

struct Snapshot {
  std::int64_t generation = 0;
  std::string environment{};  ///< of this instance; empty: none was named
  std::string public_url{};   ///< without a path
  std::shared_ptr<const identity::KeyTable> keys;
  std::shared_ptr<const identity::IssuerTable> issuers;
  std::shared_ptr<const policy::RuleSet> rules;
  std::vector<std::unique_ptr<ServerEntry>> servers;
  std::unordered_map<std::string, std::unique_ptr<Endpoint>> endpoints;  ///< by path
  Endpoint model_calls;                                                  ///< "/v1": exports nothing
  std::shared_ptr<const ModelTable> models;
  const Endpoint* endpoint(std::string_view path) const;
  const ServerEntry* server(std::string_view name) const;
};

/// The parts a snapshot is made from.
struct SnapshotParts {
  std::int64_t generation = 0;
  std::string environment{};  ///< of this instance
  std::string public_url{};
  std::vector<store::AnyDocument> documents;       ///< but for policies, which are in `rules`
  std::shared_ptr<const policy::RuleSet> rules{};  ///< null: nothing is allowed
  std::vector<store::ApiKey> keys;
  std::vector<ServerEntry> servers;
  std::map<std::string, identity::IssuerParts> issuers{};  ///< by document
  std::shared_ptr<identity::OwnIssuer> own{};              ///< null: this gateway issues nothing
  std::shared_ptr<const ModelTable> models{};              ///< null: none
};

/// A Policy document as the policy layer reads it.
policy::Policy policy_of(store::PolicyDocument document);

/// Takes the Policy documents out of these and compiles them. Pure. Errors: bad_request when one does not
/// compile; then the documents are spoilt.
Result<std::shared_ptr<const policy::RuleSet>> take_policies(std::vector<store::AnyDocument>& documents,
                                                             std::string_view environment);

/// Pure.
std::shared_ptr<const Snapshot> build_snapshot(SnapshotParts parts);

}  // namespace sallyport::gateway
