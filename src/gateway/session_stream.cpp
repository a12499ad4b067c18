#include "mcp_service.hpp"

namespace sallyport::gateway {

Task<Result<Answer>> McpService::subscribe(Call& call) {
  co_return client_error(Code::method_not_found, "Method not found: " + call.method);
}

Task<Result<Answer>> McpService::unsubscribe(Call& call) {
  co_return client_error(Code::method_not_found, "Method not found: " + call.method);
}

Task<Result<Answer>> McpService::session_stream(Call&) {
  co_return client_error(Code::method_not_allowed, "Send MCP messages with POST.");
}

}  // namespace sallyport::gateway
