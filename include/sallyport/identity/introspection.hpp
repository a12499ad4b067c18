#pragma once
/// Tokens that say nothing themselves: their issuer is asked about each (RFC 7662).

#include <optional>
#include <string_view>

#include "sallyport/core/cancel.hpp"
#include "sallyport/core/secret.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/identity/jwt.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::identity {

/// What the issuer says of a token; nullopt where it is not active, has expired, or is another issuer's. The
/// verdict holds for limits::kVerdictKept at most. Errors: unavailable, where no
/// answer is to be had.
Task<Result<std::optional<VerifiedToken>>> introspect(net::Client& client, const store::Issuer& issuer,
                                                      const Secret& client_secret, std::string_view token,
                                                      SystemTime now, Cancel* cancel);

}  // namespace sallyport::identity
