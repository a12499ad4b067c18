#pragma once
/// Calls whose upstream asks the client something first: what clients say, in either era.

#include "gateway_fixture.hpp"
#include "stream_reader.hpp"

namespace sallyport::testing {

inline const Json kForm = {{"elicitation", {{"form", Json::object()}}}};
inline const Json kAsked = {{"mode", "form"},
                            {"message", "Account?"},
                            {"requestedSchema", {{"type", "object"}, {"properties", Json::object()}}}};

inline Json text_result(const std::string& text) {
  return {{"resultType", "complete"}, {"content", Json::array({{{"type", "text"}, {"text", text}}})}};
}

inline Json meta_of(const Json& capabilities) {
  return {{"io.modelcontextprotocol/clientCapabilities", capabilities}};
}

/// A modern tools/call with these capabilities.
inline Response call(const GatewayFixture& gateway, const Json& params, const Json& capabilities = kForm) {
  return gateway.post(GatewayFixture::modern_body("tools/call", params, 7, meta_of(capabilities)),
                      GatewayFixture::modern_headers("tools/call", params["name"]));
}

inline std::string session_headers(const std::string& session) {
  return "Mcp-Session-Id: " + session + "\r\nMCP-Protocol-Version: 2025-11-25\r\n";
}

/// A legacy tools/call, read as a stream.
inline StreamReader legacy_call(const GatewayFixture& gateway, const std::string& session,
                                const Json& params) {
  return StreamReader(
      gateway.connect(),
      GatewayFixture::request(
          "POST", "/mcp", gateway.bearer() + GatewayFixture::media() + session_headers(session),
          Json{{"jsonrpc", "2.0"}, {"id", 5}, {"method", "tools/call"}, {"params", params}}.dump()));
}

inline Response answer_question(const GatewayFixture& gateway, const std::string& session, const Json& id,
                                const Json& result) {
  return gateway.post(Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", result}}.dump(),
                      session_headers(session));
}

inline const Json kCall = {{"name", "up__echo"}, {"arguments", {{"text", "x"}}}};
inline const Json kAccept = {{"action", "accept"}, {"content", {{"acct", "A-1"}}}};

}  // namespace sallyport::testing
