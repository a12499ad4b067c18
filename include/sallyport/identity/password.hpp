#pragma once
/// Passwords, by Argon2id (RFC 9106). Slow on purpose (some 50 ms): not for a shard's thread.

#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/core/secret.hpp"

namespace sallyport::identity {

/// What is wrong with a password that somebody wants to have; empty: nothing.
std::string password_problem(const Secret& password);
/// In the encoded form, salt and costs included. Errors: unavailable (no memory).
Result<std::string> hash_password(const Secret& password);
/// Whether that is the password. It takes as long for an empty `encoded`, which nobody has.
bool is_password(const Secret& password, const std::string& encoded);

}  // namespace sallyport::identity
