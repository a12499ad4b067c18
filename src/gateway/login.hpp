#pragma once
/// Requests to the built-in authorization server, and what the gateway lends to them.

#include <functional>

#include "call.hpp"
#include "door.hpp"
#include "sallyport/identity/authorization_server.hpp"

namespace sallyport::gateway {

/// A request below `/oauth/`: no MCP, and nobody is known yet. `keys_changed` runs on the database executor;
/// `now` is for what expires, such as virtual keys. Errors: forbidden (Host, Origin).
Task<Result<Answer>> log_in(Call& call, const Door& door, identity::AuthorizationServer& server,
                            std::function<void()> keys_changed, SystemTime now);

}  // namespace sallyport::gateway
