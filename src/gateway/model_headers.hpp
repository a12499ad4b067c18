#pragma once
/// Which headers of a model call travel on.

#include <string>
#include <utility>
#include <vector>

#include "sallyport/gateway/model_table.hpp"
#include "sallyport/net/http.hpp"

namespace sallyport::gateway {

/// The lines of a request to a provider. Of the client's own headers those that the handle forwards, and
/// where it speaks the provider's wire (`relayed`) all but what is meant for us, what is a credential and
/// what belongs to a connection.
std::string provider_headers(const ModelHandle& handle, const net::Headers& client, bool relayed);
/// Whether a request may have this header (in lower case) forwarded: not what is meant for us, holds a
/// credential or belongs to a connection.
bool may_be_forwarded(std::string_view name);

/// What of a provider's answer the client gets: everything but what belongs to a connection, where `all`;
/// else only what says when to try again.
std::vector<std::pair<std::string, std::string>> answer_headers(const net::Headers& provider, bool all);

}  // namespace sallyport::gateway
