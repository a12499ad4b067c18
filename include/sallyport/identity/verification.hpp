#pragma once
/// A signed token held against its issuer's keys, which are fetched where that is needed.

#include <string_view>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/identity/issuers.hpp"
#include "sallyport/identity/jwt.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::identity {

/// A token that has just been found good, by which set of keys.
struct Verified {
  VerifiedToken token;
  std::uint64_t version = 0;
};

/// With the newest keys where the token names one that is not known, or where nobody has looked at them for
/// long. `text` is what `jws` was read from. Errors: unauthenticated; unavailable (the keys cannot be had).
Task<Result<Verified>> verify_by_issuer(net::Shard& here, const Issuer& issuer, TokenRules rules, Jws jws,
                                        std::string_view text, const Clock& clock);

}  // namespace sallyport::identity
