#pragma once
/// People who sign in at the gateway itself, and the grants that they gave to clients.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/store/database.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::store {

/// Somebody with a password here.
struct User {
  std::string name;                       ///< lower case; see user_name_problem
  std::string password;                   ///< encoded (Argon2id); never shown
  std::int64_t created = 0, changed = 0;  ///< Unix milliseconds
};
/// What is wrong with a name that somebody could sign in by; empty: nothing. An e-mail address is fine.
std::string user_name_problem(std::string_view name);

/// Somebody who has signed in, here or at a provider.
struct SignIn {
  std::string id{};
  std::string user{};          ///< name at the issuer
  std::string issuer{};        ///< kLocalUsers, or the name of an Issuer document
  std::string identity{"{}"};  ///< what that says of the person: a JSON object
  std::int64_t until = 0;      ///< Unix milliseconds
};

/// What a person let a client do, or a token that a program was given.
struct Grant {
  std::string id;      ///< of the code that it began with
  std::string user;    ///< who gave it: name at the issuer
  std::string issuer;  ///< as of the sign-in, like the next; empty: `user` is an agent
  std::string identity{"{}"};
  std::string client;       ///< its id (RFC 6749 section 2.2), or the digest of a long one
  std::string client_name;  ///< as it calls itself
  std::string resource;     ///< URL of the endpoint that it is for (RFC 8707)
  std::string scope{};
  std::int64_t ends = 0;    ///< Unix milliseconds: at the latest, however often it is renewed; 0: never
  std::int64_t serial = 0;  ///< of its newest refresh token
  std::int64_t created = 0, renewed = 0, expires = 0;  ///< Unix milliseconds
  std::optional<std::int64_t> ended{};
  std::string why{};  ///< it ended: "revoked", "reused", "replayed", "password", "user", "agent"
  std::string how{kConsent};
  std::string actor{};                              ///< name of who acts for `user`; empty: itself
  std::optional<std::vector<std::string>> tools{};  ///< the only ones that it is good for, as globs
  std::vector<std::string> above{};  ///< what it stands on: grants, and keys as key_ground() says
  static constexpr std::string_view kConsent = "consent";
  bool active(std::int64_t now) const { return !ended && now < expires; }
};

/// An API key as something that tokens stand on.
inline std::string key_ground(std::string_view id) { return "key:" + std::string(id); }

/// A signed statement that is good once.
struct Assertion {
  std::string issuer;      ///< who signed it
  std::string id;          ///< its `jti`
  std::int64_t until = 0;  ///< Unix milliseconds: later nobody takes it any more
};

/// Threads: used by one thread at a time, with its Database.
class Accounts {
 public:
  Accounts(Database& database, Vault& vault, const Clock& clock)
      : database_(database), vault_(vault), clock_(clock) {}

  Result<std::vector<User>> users() const;  ///< by name
  Result<bool> any_user() const;
  Result<std::optional<User>> user(std::string_view name) const;
  /// True where that is a new user. Another password ends sign-ins and grants. Errors: bad_request (the
  /// name), storage.
  Result<bool> save_user(const std::string& name, const std::string& password);
  /// Ends sign-ins and grants. Errors: not_found, storage.
  Result<void> remove_user(const std::string& name);

  /// False where the password of a user of ours is not (any more) the one that was compared with.
  Result<bool> begin_sign_in(const SignIn& sign_in, const std::string& password);
  /// nullopt where it is over, or was so for longer than `slack`.
  Result<std::optional<SignIn>> sign_in(std::string_view id, Duration slack = {}) const;
  /// Of the person whose grant that is.
  Result<void> end_sign_ins(const Grant& grant);

  enum class Start : std::uint8_t { begun, over, replayed, full };
  struct Started {
    Start what = Start::over;
    Grant grant{};
    bool ended_now = false;  ///< a replay has just ended it
  };
  /// Says whether somebody who signed in so may still grant something, and completes the grant (`ends`).
  using Complete = std::function<bool(const SignIn&, Grant&)>;
  /// Records a grant whose code is redeemed, under the name of who signed in. `over`: that is over.
  /// `replayed`: the code was redeemed before; then the grant has ended, because two hold the code.
  Result<Started> begin_grant(const Grant& grant, const std::string& sign_in, const Complete& complete);
  /// Records a token that is good until `expires`, and that these assertions were taken. `over`: its agent is
  /// gone, or something that it stands on has ended. `replayed`: one of them was taken before. `full`: so
  /// many tokens of this principal are good now, or so many assertions of one issuer, that there is no room.
  Result<Start> begin_token(const Grant& token, const std::vector<Assertion>& taken = {});
  enum class Renewal : std::uint8_t { fresh, ended, reused };
  struct Renewed {
    Renewal what = Renewal::ended;
    Grant grant{};  ///< where `fresh`: with the serial of the next refresh token
  };
  /// A refresh token with this serial is shown by the client. The one before the newest is good for a moment
  /// longer, for a client that lost the answer; an older one ends the grant.
  /// `ended` where `accept` says no, and then nothing has changed.
  Result<Renewed> renew_grant(const std::string& id, std::int64_t serial,
                              const std::function<bool(const Grant&)>& accept);
  Result<std::vector<Grant>> grants(const std::string& user = {}) const;  ///< newest first
  /// False where it is over already. Errors: not_found, storage.
  Result<bool> end_grant(const std::string& id, std::string_view why);
  /// Ids of those that ended so lately that a token of theirs could still be about, and of revoked keys the
  /// same as key_ground() has them.
  Result<std::vector<std::string>> ended_grants() const;

  /// Seeds of the keys that sign access tokens; [0] signs. Rotated when the newest is
  /// limits::kSigningKeyLife old.
  Result<std::vector<Secret>> signing_ring();

 private:
  /// Whether all that it stands on still holds.
  Result<bool> stands(const Grant& token) const;
  /// False where one of them was taken before.
  Result<bool> take(const std::vector<Assertion>& assertions);
  /// Whether there is room for one more.
  Result<bool> has_room(const Grant& token, const std::vector<Assertion>& assertions) const;
  /// Of a user with a password here.
  Result<void> end_all_of(const std::string& user, std::string_view why);
  Database& database_;
  Vault& vault_;
  const Clock& clock_;
};

}  // namespace sallyport::store
