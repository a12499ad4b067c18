#pragma once
/// What the built-in authorization server keeps at others: the browser's cookie, and the codes and refresh
/// tokens of clients. All of it is sealed; nothing is stored before a grant begins.

#include <optional>
#include <string>
#include <string_view>

#include "sallyport/core/clock.hpp"
#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/net/http.hpp"
#include "sallyport/store/accounts.hpp"

namespace sallyport::identity {

/// A browser.
struct Visit {
  std::string nonce{};     ///< binds the pages to it; empty: it has no cookie yet
  std::string user{};      ///< who is signed in; empty: nobody
  std::int64_t stamp = 0;  ///< of the user's password, at that time
  std::int64_t until = 0;  ///< signed in (Unix milliseconds)
};
std::string sealed_visit(const Sealer& sealer, const Visit& visit);
/// A visit without a nonce where the cookie is none of ours; without a user where the sign-in is over.
Visit opened_visit(const Sealer& sealer, std::string_view cookie, SystemTime now);
/// The value of a cookie (RFC 6265 section 4.2); empty: none, or it came twice.
std::string_view cookie_of(const net::Request& request, std::string_view name);

/// An authorization code: what was agreed to.
struct AuthorizationCode {
  store::Grant grant;
  std::string challenge, redirect;
  std::int64_t until = 0;  ///< Unix milliseconds
};
std::string sealed_code(const Sealer& sealer, const AuthorizationCode& code);
/// nullopt where it is none, or is another client's. Whether it is too late is the caller's to judge.
std::optional<AuthorizationCode> opened_code(const Sealer& sealer, std::string_view text,
                                             const std::string& client);

struct RefreshToken {
  std::string grant;
  std::int64_t serial = 0;
};
std::string sealed_refresh(const Sealer& sealer, const RefreshToken& token, const std::string& client);
std::optional<RefreshToken> opened_refresh(const Sealer& sealer, std::string_view text,
                                           const std::string& client);

/// A client's id as grants keep it: long ones by their digest.
std::string client_key(const std::string& id);

}  // namespace sallyport::identity
