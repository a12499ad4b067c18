#pragma once
/// Which paths tokens are for.

#include <string_view>

namespace sallyport::identity {

/// "/mcp", "/mcp/NAME" with the letters and length of a virtual server's name, or "/v1". It goes into tokens,
/// metadata and records; whether there is a virtual server of that name is another matter.
bool is_endpoint_path(std::string_view path);

}  // namespace sallyport::identity
