#pragma once
/// How Issuer documents point into a token's claims.

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::store {

/// The names on the way: {"realm_access", "roles"} for `claims.realm_access.roles`. Names with other bytes
/// than letters, digits, '_', '-' and ':' stand in brackets: `claims["https://acme.example/teams"]`. Empty
/// for another form, and for more than 8 names.
std::vector<std::string> claim_steps(std::string_view path);

}  // namespace sallyport::store
