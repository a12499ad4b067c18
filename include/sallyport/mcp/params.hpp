#pragma once
/// The shape of a method's `params`, as far as a gateway must know it to route, decide and rebuild.

#include <optional>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/message.hpp"

namespace sallyport::mcp {

/// Errors: invalid_params, with a hint that names the member. Methods without params of interest always pass;
/// values inside `arguments` are the upstream's business.
Result<void> check_params(Method method, const std::optional<json::Value>& params);

/// The value that `Mcp-Name` mirrors: `name`, `uri` or `taskId` by method; nullopt for methods without one.
/// Requires: check_params passed.
std::optional<std::string> mirrored_name(Method method, const std::optional<json::Value>& params);

/// `alert`, `critical`, `debug`, `emergency`, `error`, `info`, `notice`, `warning` (RFC 5424).
bool is_log_level(std::string_view text);

}  // namespace sallyport::mcp
