#pragma once
/// What the gateway says about itself to clients that have to log in (RFC 9728).

#include <optional>
#include <string>

#include "sallyport/gateway/snapshot.hpp"
#include "sallyport/identity/authorization_server.hpp"
#include "sallyport/net/server.hpp"

namespace sallyport::gateway {

/// The answer to a request for metadata, at every place where clients look for it; nullopt for other paths.
/// It is the same for endpoints that exist and for those that do not.
/// `login`: whose metadata stands at the places of RFC 8414 and OpenID Connect Discovery, where people can
/// sign in here.
std::optional<net::Reply> metadata_reply(const net::Request& request, const Snapshot& snapshot,
                                         const identity::AuthorizationServer& login);

/// WWW-Authenticate of a 401, and of a 403 for want of a scope (RFC 6750 section 3, RFC 9728 section 5.1).
/// `error` as RFC 6750 names it; empty: no credential came.
/// `scopes`: those to ask for.
std::string challenge(const Snapshot& snapshot, const std::string& endpoint_path, std::string_view error,
                      const std::vector<std::string>& scopes);

}  // namespace sallyport::gateway
