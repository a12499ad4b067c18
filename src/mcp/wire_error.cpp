#include "sallyport/mcp/message.hpp"

namespace sallyport::mcp {

WireError wire_error(Code code, bool modern, Phase phase) {
  const bool early = phase == Phase::envelope;
  // Once dispatched, an error is an answer; before that, modern clients read the status as well as the code.
  const auto unless_dispatched = [&](int status) { return early ? status : 200; };
  const auto if_modern = [&](int status) { return modern && early ? status : 200; };
  switch (code) {
    case Code::bad_json:
      return {400, -32700, "Parse error"};
    case Code::bad_envelope:
      return {400, -32600, "Invalid Request"};
    case Code::bad_request:
      return {400, -32600, "Bad request"};
    case Code::invalid_params:
      return {if_modern(400), -32602, "Invalid params"};
    case Code::method_not_found:
      return {modern ? 404 : 200, -32601, "Method not found"};
    case Code::header_mismatch:
      return {400, -32020, "Header mismatch"};
    case Code::missing_capability:
      return {modern ? 400 : 200, -32021, "Missing required client capability"};
    case Code::unsupported_version:
      return {400, -32022, "Unsupported protocol version"};
    case Code::method_not_allowed:
      return {405, -32600, "Method not allowed"};
    case Code::not_acceptable:
      return {406, -32600, "Not acceptable"};
    case Code::unsupported_media:
      return {415, -32600, "Unsupported media type"};
    case Code::not_found:
      return {404, -32600, "Not found"};
    case Code::conflict:
      return {409, -32600, "Conflict"};
    case Code::too_large:
      return {413, -32600, "Message too large"};
    case Code::uri_too_long:
      return {414, -32600, "URI too long"};
    case Code::head_too_large:
      return {431, -32600, "Request head too large"};
    case Code::denied:
      return {200, 1001, "Refused by policy"};
    case Code::upstream_unreachable:
      return {200, 1002, "Upstream unreachable"};
    case Code::circuit_open:
      return {503, 1002, "Upstream unreachable"};
    case Code::upstream_timeout:
      return {200, 1003, "Upstream timed out"};
    case Code::upstream_broken:
      return {200, 1004, "Upstream answered against the protocol"};
    case Code::limited:
      return {429, 1005, "Limit reached"};
    case Code::unavailable:
      return {503, 1006, "Unavailable"};
    case Code::storage:
      return {503, 1006, "Unavailable"};
    case Code::cancelled:
      return {200, 1007, "Cancelled"};
    case Code::unauthenticated:
      return {401, 1008, "Authentication required"};
    case Code::forbidden:
      return {403, 1009, "Forbidden"};
    case Code::insufficient_scope:
      return {403, 1010, "Insufficient scope"};
    case Code::not_implemented:
      return {unless_dispatched(501), -32603, "Not implemented"};
    case Code::internal:
      return {unless_dispatched(500), -32603, "Internal error"};
  }
  return {500, -32603, "Internal error"};
}

}  // namespace sallyport::mcp
