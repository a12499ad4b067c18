#pragma once
/// Which issuers' tokens open the door, and which principal a token stands for.

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/identity/directory.hpp"
#include "sallyport/identity/jwt.hpp"
#include "sallyport/identity/key_source.hpp"
#include "sallyport/identity/own_issuer.hpp"
#include "sallyport/policy/rules.hpp"
#include "sallyport/store/accounts.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::identity {

/// An issuer as configured.
struct Issuer {
  store::Issuer document;
  TokenRules rules;
  std::string fingerprint;  ///< of the document: what was verified under another one is verified again
  std::shared_ptr<KeySource> keys;
  std::shared_ptr<const Secret> client_secret;     ///< for introspection; null: none
  std::shared_ptr<const Secret> sign_in_secret{};  ///< the client's that people sign in by; null: it has none
  std::shared_ptr<const OwnIssuer> own{};          ///< it is this gateway; null: it is not
  /// What this token stands on has ended before its time.
  bool has_ended(const VerifiedToken& token) const;
};

/// What belongs to an issuer beside its document.
struct IssuerParts {
  std::shared_ptr<KeySource> keys;
  std::shared_ptr<const Secret> client_secret{}, sign_in_secret{};
};

/// Immutable.
class IssuerTable {
 public:
  /// `own`: null where this gateway issues nothing.
  IssuerTable(const std::vector<store::AnyDocument>& documents,
              const std::map<std::string, IssuerParts>& parts, std::shared_ptr<const Directory> directory,
              std::shared_ptr<OwnIssuer> own = nullptr);

  /// No tokens that clients could be told to get.
  bool empty() const;
  /// No two tables have the same.
  std::uint64_t serial() const { return serial_; }
  /// By the exact bytes of `iss`; null for a stranger.
  const Issuer* find(std::string_view url) const;
  /// The one that is asked about tokens that are no JWT; null where none is.
  const Issuer* introspecting() const { return introspecting_; }
  /// This gateway's own; null: it issues nothing.
  const std::shared_ptr<OwnIssuer>& own() const { return own_; }
  /// Whether people can sign in here.
  bool has_people() const { return people_; }
  /// Whether clients are told to get tokens from this gateway: people can sign in, agents have keys, or
  /// providers speak for people.
  bool gives_tokens() const { return own_ && (people_ || !agents_.empty() || has_assertions()); }
  /// Those by which people sign in here, the default first.
  std::vector<const Issuer*> providers() const;
  /// Of that name, by which people sign in here; null where there is none (any more).
  const Issuer* provider(std::string_view name) const;
  /// An agent that has keys of its own, as the issuer of what it signs; null where it has none.
  const Issuer* agent(std::string_view name) const;
  /// By the exact bytes of `iss`, whose assertions this agent may bring (ID-JAG); null where there is none.
  const Issuer* asserting(std::string_view url, std::string_view agent) const;
  /// Whether any issuer's assertions may be brought.
  bool has_assertions() const;
  /// The teams that a token itself names, as its issuer's document says; none where they are no names.
  static std::vector<std::string> teams_named(const Issuer& issuer, const VerifiedToken& token);
  /// Whom a sign-in stands for. Errors: unauthenticated (its issuer is gone, or the agent, or that is
  /// disabled).
  Result<policy::Principal> signed_in(const store::SignIn& sign_in) const;
  /// Of a document; what verify_token has to be told.
  static TokenRules rules_of(const store::Issuer& document);

  /// Who shows a token of that issuer. Errors: unauthenticated (no claim names anybody, an address that
  /// nobody has verified, names that no document could hold, or more of them than limits::kClaimTexts); the
  /// hint says which.
  Result<policy::Principal> principal(const Issuer& issuer, const VerifiedToken& token) const;

  /// The scopes of a token (`scope` as text, `scp` as text or list) hold all that its issuer demands.
  static bool has_scopes(const Issuer& issuer, const VerifiedToken& token);
  /// For metadata: the `issuer` of each whose tokens clients get from itself, the default first, then this
  /// gateway, then by document name: many clients take the first.
  std::vector<std::string> urls() const;
  /// For metadata and challenges, where nobody knows yet whose token comes: what the default issuer demands,
  /// or without one what all do.
  std::vector<std::string> scopes() const;

 private:
  Result<policy::Principal> signed_in(std::string_view issuer, std::string user, json::Value identity) const;
  bool is_announced(const Issuer& issuer) const;
  std::map<std::string, Issuer, std::less<>> agents_;
  std::map<std::string, Issuer, std::less<>> by_url_;
  bool people_ = false;
  const Issuer* introspecting_ = nullptr;
  std::uint64_t serial_;
  std::shared_ptr<const Directory> directory_;
  std::shared_ptr<OwnIssuer> own_;
};

}  // namespace sallyport::identity
