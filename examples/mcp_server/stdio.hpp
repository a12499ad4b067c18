#pragma once
/// MCP over standard input and output: one JSON-RPC message per line. Logs go to standard error.

#include "mcp_server/server.hpp"

namespace mcp_server {

/// Answers until standard input ends. Requests are answered in the order in which they came.
void serve_stdio(const Server& server);

}  // namespace mcp_server
