#pragma once
/// The registry's documents as checked types, and the reader that makes them from YAML or JSON text.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"
#include "sallyport/store/model_documents.hpp"

namespace sallyport::store {

/// `kind: Credential`. Static in this version: a value (sealed in the vault), a variable of our environment,
/// or a file.
struct Credential {
  std::string name;
  enum class From : std::uint8_t { value, env, file } from = From::env;
  std::string reference;                 ///< variable or path; empty for `value`
  Secret value{};                        ///< only on its way into the vault
  std::string header = "Authorization";  ///< where it goes on HTTP
  std::string scheme = "Bearer";         ///< prefix before the value ("" for none)
};

enum class Isolation : std::uint8_t { shared, principal, session };
enum class Trust : std::uint8_t { follow, pinned };
enum class Era : std::uint8_t { automatic, modern, legacy };

/// `type: streamable-http`, or `type: sse` (HTTP+SSE of 2024-11-05).
struct HttpTransport {
  std::string url;
  bool allow_private = false;
  std::string ca_file{};
  std::map<std::string, std::string> headers{};  ///< fixed, not secret
  bool sse = false;
};
struct StdioTransport {
  std::string command;
  std::vector<std::string> args{};
  std::map<std::string, std::string> env{};          ///< not secret
  std::map<std::string, std::string> credentials{};  ///< variable -> Credential name
  std::string directory{};
};

/// `kind: Server`: one upstream MCP server.
struct Server {
  std::string name;  ///< [a-z0-9][a-z0-9-]{0,62}
  std::string description{};
  std::variant<HttpTransport, StdioTransport> transport;
  std::string credential{};  ///< name of a Credential; HTTP only
  Isolation isolation = Isolation::shared;
  Capture capture = Capture::digest;
  Trust trust = Trust::follow;
  Era era = Era::automatic;
  bool uri_prefix = false;  ///< `uris: prefix`
  std::chrono::milliseconds timeout{60000};
  bool disabled = false;
};

/// An argument that a virtual server sets itself: a constant, or what the caller's principal carries.
struct Preset {
  std::string argument;
  std::string constant{};  ///< raw JSON; empty: `path` says where the value comes from
  std::string path{};  ///< "principal.name", "principal.subject", "principal.issuer", "principal.claims.X"
  bool operator==(const Preset&) const = default;
};

/// `kind: VirtualServer`.
struct VirtualServer {
  struct Source {
    std::string from;                       ///< Server name
    std::vector<std::string> include{"*"};  ///< globs over the upstream's own names
    std::optional<std::string> prefix{};    ///< nullopt: "server__"; "" is explicit
    std::string tool{};                     ///< exactly one, instead of include
    std::string as{};                       ///< its exported name; never prefixed
    std::string title{}, description{};     ///< in place of the upstream's own; with `tool` only
    std::string annotations{};              ///< raw JSON object, laid over the upstream's; with `tool` only
    std::vector<Preset> preset{};           ///< tools only
    std::vector<std::string> hide{};        ///< optional arguments that callers neither see nor may send
    std::map<std::string, std::string> pin{};  ///< upstream name -> how the hash of its definition begins
    /// Environment of this instance -> Server that stands there in place of `from`.
    std::map<std::string, std::string> environments{};
    /// The Server that this source means in an environment.
    const std::string& server_in(const std::string& environment) const {
      const auto other = environments.find(environment);
      return other == environments.end() ? from : other->second;
    }
  };
  std::string name;
  std::string title{};
  std::string description{};
  std::string instructions{};
  enum class Access : std::uint8_t { authenticated, anonymous } access = Access::authenticated;
  bool grants = false;  ///< who may use it may use what it contains
  std::string owner{};  ///< "team:x" | "user:x" | "agent:x": who answers for the grant
  std::vector<Source> tools{}, prompts{}, resources{};
};

/// `kind: Team`.
struct Team {
  std::string name;
  std::vector<std::string> members{};  ///< "user:x" | "agent:x"
};

/// `kind: Agent`.
struct Agent {
  std::string name;
  std::string description{};
  bool disabled = false;
  std::vector<std::string> roles{};
  std::map<std::string, std::string> claims{};
  /// Its public keys, which verify what it signs (RFC 7523): raw JSON of a set, or where one is; empty: none.
  std::string jwks{}, jwks_url{};
  bool allow_private = false;  ///< for jwks_url, like the next
  std::string ca_file{};
};

/// `kind: Policy`; its rules are policy::Rule in shape (store does not see that layer, the gateway converts).
struct PolicyDocument {
  struct Rule {
    bool allow = false;
    std::vector<std::string> tools{}, prompts{}, resources{}, servers{}, virtual_servers{}, models{},
        brings{};
    std::vector<std::string> scopes{};
    std::string when{};                  ///< CEL; empty: always
    int when_line = 0, when_column = 0;  ///< where the expression begins in its file; 0: not from a file
  };
  std::string name;
  std::vector<std::string> subjects{};
  std::vector<std::string> environments{};  ///< of the instance, in which it holds; empty: all
  std::vector<Rule> rules{};
};

/// What stands for an Issuer's name in those of the people whose passwords this gateway keeps.
inline constexpr std::string_view kLocalUsers = "local";

/// `kind: Issuer`: who signs the bearer tokens that open the door, and what their claims mean.
struct Issuer {
  /// RFC 7662, for tokens that are no JWT.
  struct Introspection {
    std::string url{};
    std::string client_id{};
    std::string credential{};  ///< name of a Credential: the client's secret
    bool operator==(const Introspection&) const = default;
  };
  /// Its people sign in at the gateway by it, as at any site that it is the provider of (OpenID Connect).
  struct SignIn {
    std::string client_id{};   ///< as registered there, with the redirect of docs/identity.md
    std::string credential{};  ///< name of a Credential: the client's secret
    std::vector<std::string> scopes{"openid", "email", "profile"};
    std::string title{};                              ///< what people know it as; empty: the document's name
    std::chrono::milliseconds lasts{7 * 86'400'000};  ///< a grant; then its user has to sign in again
    bool operator==(const SignIn&) const = default;
  };
  std::string name;
  std::string issuer{};                  ///< exact bytes of `iss`
  std::string jwks_url{};                ///< where its keys are; empty: what discovery says
  std::vector<std::string> audiences{};  ///< of `aud`, besides the URL of the endpoint itself
  std::vector<std::string> algorithms{"RS256", "PS256", "ES256"};
  std::vector<std::string> scopes{};  ///< that every token needs, and that clients are told to ask for
  bool is_default = false;            ///< `default`: "user:x" in documents is its x
  std::string user{"claims.sub"};     ///< the claim that names a person; empty: it knows no people
  std::string agent{};                ///< the claim that names a program, for tokens that name no person
  std::string teams{}, roles{};       ///< claims with a name or a list of names; empty: none
  std::map<std::string, std::string> claims{};  ///< name in rules -> claim
  Introspection introspection{};                ///< url empty: none
  SignIn sign_in{};                             ///< client_id empty: nobody signs in by it
  std::vector<std::string> id_jag{};            ///< `id_jag.clients`: agents that may bring its assertions
  bool allow_private = false;
  std::string ca_file{};
  std::chrono::milliseconds leeway{30'000};      ///< for clocks that differ
  std::chrono::milliseconds refresh{600'000};    ///< keys older than this are fetched again
  std::chrono::milliseconds cool_down{30'000};   ///< between two fetches
  std::chrono::milliseconds expiry{86'400'000};  ///< keys older than this are not used
};

using AnyDocument = std::variant<Credential, Server, VirtualServer, Team, Agent, PolicyDocument, Issuer,
                                 Provider, VirtualKey, Route>;

std::string_view kind_of(const AnyDocument& document);
/// What is wrong with `text` as a name in documents: "must be ..."; empty: nothing.
std::string name_problem(std::string_view text);
const std::string& name_of(const AnyDocument& document);

/// Reads every document of a file. All errors of the file are collected, each "FILE:LINE:COLUMN: what, and
/// what to do". Unknown keys, duplicate keys, keys of a later version, wrong types, anchors/aliases and files
/// over 4 MiB are errors.
struct ReadProblem {
  std::string file;
  int line = 0, column = 0;
  std::string what;
  std::string text() const;
};
std::expected<std::vector<AnyDocument>, std::vector<ReadProblem>> read_documents(std::string_view text,
                                                                                 const std::string& file);

/// Canonical JSON of a document, as the registry stores it and `get -o json` shows it. Never contains a
/// secret value.
std::string to_json(const AnyDocument& document);
/// Reads what to_json wrote. Errors: storage (the registry is damaged).
Result<AnyDocument> from_json(std::string_view json);

/// Human YAML of a document for `get -o yaml`.
std::string to_yaml(const AnyDocument& document);

}  // namespace sallyport::store
