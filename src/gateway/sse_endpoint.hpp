#pragma once
/// Where the messages of a 2024-11-05 SSE connection go.

#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::gateway {

/// Path and query of the URI reference that an `endpoint` event gave on the stream at `base`. Errors:
/// upstream_broken: malformed, or on another origin than the stream, where neither our messages nor our
/// credential may go.
Result<std::string> message_endpoint(const net::Url& base, std::string_view reference);

}  // namespace sallyport::gateway
