#include "mcp_service.hpp"

namespace sallyport::gateway {

Task<Result<Answer>> McpService::listen(Call& call) {
  co_return client_error(Code::method_not_found, "Method not found: " + call.method);
}

}  // namespace sallyport::gateway
