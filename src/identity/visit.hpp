#pragma once
/// What the built-in authorization server keeps at others: the browser's cookie, and the codes and refresh
/// tokens of clients. All of it is sealed; nothing is stored before a grant begins.

#include <optional>
#include <string>
#include <string_view>

#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/net/http.hpp"
#include "sallyport/store/accounts.hpp"

namespace sallyport::identity {

/// A browser.
struct Visit {
  std::string nonce{};    ///< binds the pages to it; empty: it has no cookie yet
  std::string sign_in{};  ///< id of a sign-in; empty: nobody is signed in
};
std::string sealed_visit(const Sealer& sealer, const Visit& visit);
/// A visit without a nonce where the cookie is none of ours.
Visit opened_visit(const Sealer& sealer, std::string_view cookie);
/// The value of a cookie (RFC 6265 section 4.2); empty: none, or it came twice.
std::string_view cookie_of(const net::Request& request, std::string_view name);

/// An authorization code: what was agreed to.
struct AuthorizationCode {
  store::Grant grant;  ///< whose it is stands with the sign-in
  std::string sign_in, challenge, redirect;
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
