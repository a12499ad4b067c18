#pragma once
/// Mirrored request headers of the modern era: `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*` (2026-07-28,
/// transports).

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::mcp {

/// A value as a header carries it: literal, or `=?base64?...?=` where the text needs it.
std::string encode_header_value(std::string_view text);
/// Errors: header_mismatch for a complete wrapper with bad content. Text without the complete wrapper is
/// literal.
Result<std::string> decode_header_value(std::string_view value);

/// One property of a tool's inputSchema that is mirrored into a header.
struct HeaderParam {
  std::string header;             ///< "Mcp-Param-Project"
  std::vector<std::string> path;  ///< property names from the root
  enum class Type { string, integer, boolean } type = Type::string;
};
/// Errors: upstream_broken when an `x-mcp-header` mark breaks the rules: then the tool is dropped from the
/// list.
Result<std::vector<HeaderParam>> header_params(json::Value input_schema);

/// Finds a header of the request by name; nullopt when absent; "twice" is reported by the caller's finder as
/// an error value.
using HeaderFinder = std::function<Result<std::optional<std::string_view>>(std::string_view name)>;
/// Errors: header_mismatch (absent though the argument is there, present though it is not, different,
/// malformed).
Result<void> check_param_headers(const std::vector<HeaderParam>& params,
                                 const std::optional<json::Value>& arguments, const HeaderFinder& find);
/// (name, encoded value) pairs for an upstream request.
std::vector<std::pair<std::string, std::string>> make_param_headers(
    const std::vector<HeaderParam>& params, const std::optional<json::Value>& arguments);

}  // namespace sallyport::mcp
