#pragma once
/// People who sign in at the gateway itself, and the grants that they gave to clients.

#include <cstdint>
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

/// What a person let a client do.
struct Grant {
  std::string id;           ///< of the code that it began with
  std::string user;         ///< who gave it
  std::string client;       ///< its id (RFC 6749 section 2.2), or the digest of a long one
  std::string client_name;  ///< as it calls itself
  std::string resource;     ///< URL of the endpoint that it is for (RFC 8707)
  std::string scope{};
  std::int64_t serial = 0;                             ///< of its newest refresh token
  std::int64_t created = 0, renewed = 0, expires = 0;  ///< Unix milliseconds
  std::optional<std::int64_t> ended{};
  std::string why{};  ///< it ended: "revoked", "reused", "replayed", "password", "user"
  bool active(std::int64_t now) const { return !ended && now < expires; }
};

/// Threads: used by one thread at a time, with its Database.
class Accounts {
 public:
  Accounts(Database& database, Vault& vault, const Clock& clock)
      : database_(database), vault_(vault), clock_(clock) {}

  Result<std::vector<User>> users() const;  ///< by name
  Result<bool> any_user() const;
  Result<std::optional<User>> user(std::string_view name) const;
  /// True where that is a new user. Another password ends what the user has granted. Errors: bad_request (the
  /// name), storage.
  Result<bool> save_user(const std::string& name, const std::string& password);
  /// Ends what the user has granted. Errors: not_found, storage.
  Result<void> remove_user(const std::string& name);

  /// Records a grant whose code is redeemed. False where that code was redeemed before: then the grant has
  /// ended, because two hold the code. Errors: not_found (the user is gone), storage.
  Result<bool> begin_grant(const Grant& grant);
  enum class Renewal : std::uint8_t { fresh, ended, reused };
  struct Renewed {
    Renewal what = Renewal::ended;
    Grant grant{};  ///< where `fresh`: with the serial of the next refresh token
  };
  /// A refresh token with this serial is shown by the client. The one before the newest is good for a moment
  /// longer, for a client that lost the answer; an older one ends the grant.
  Result<Renewed> renew_grant(const std::string& id, std::int64_t serial);
  Result<std::vector<Grant>> grants(const std::string& user = {}) const;  ///< newest first
  /// False where it is over already. Errors: not_found, storage.
  Result<bool> end_grant(const std::string& id, std::string_view why);
  /// Ids of those that ended so lately that an access token of theirs could still be about.
  Result<std::vector<std::string>> ended_grants() const;

  /// Seeds of the keys that sign access tokens; [0] signs. Rotated when the newest is
  /// limits::kSigningKeyLife old.
  Result<std::vector<Secret>> signing_ring();

 private:
  Result<void> end_grants_of(const std::string& user, std::string_view why);
  Database& database_;
  Vault& vault_;
  const Clock& clock_;
};

}  // namespace sallyport::store
