#pragma once
/// The one error type: what went wrong, whose fault it is, and whether trying again can help.

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace sallyport {

/// Who is at fault. Decides the log level and what an operator looks at first.
enum class Blame : std::uint8_t { client, upstream, admin, us };

/// Stable, documented codes: they appear in the journal, in metrics and in docs/errors.md.
enum class Code : std::uint8_t {
  bad_request,          ///< HTTP framing or a value that is malformed
  bad_json,             ///< not JSON as RFC 8259 and our bounds have it
  bad_envelope,         ///< JSON, but not a JSON-RPC message we accept
  invalid_params,       ///< a method's params are wrong, or what they name does not exist for this caller
  header_mismatch,      ///< a mirrored MCP header is absent, malformed or differs from the body
  unsupported_version,  ///< MCP protocol version
  missing_capability,   ///< the client did not declare what the operation needs
  method_not_found,     ///< unknown MCP method
  method_not_allowed,   ///< HTTP method
  unsupported_media,    ///< Content-Type or Content-Encoding
  not_acceptable,       ///< Accept
  not_found,            ///< path, session or object
  unauthenticated,      ///< no credential, or one that is not valid
  forbidden,            ///< Host, Origin or admin rights
  denied,               ///< policy
  conflict,             ///< the state of the registry forbids it
  too_large,            ///< body or message over its bound
  uri_too_long,
  head_too_large,
  limited,               ///< a rate, a queue or a budget is exhausted
  unavailable,           ///< storage or start-up: we cannot serve now
  upstream_unreachable,  ///< nothing was sent: a retry cannot act twice
  upstream_timeout,
  upstream_broken,  ///< answered, but not as the protocol says
  cancelled,
  not_implemented,
  storage,  ///< disk or database
  internal,
};

/// Name of a code as it stands in the journal and the metrics.
std::string_view name_of(Code code);

struct [[nodiscard]] Error {
  Code code = Code::internal;
  Blame blame = Blame::us;
  std::string what;    ///< for the log; never sent to a client
  std::string hint{};  ///< for the client: what is wrong with its own input and what to do; empty means the
                       ///< code's text
  std::string data{};  ///< raw JSON for JSON-RPC error.data; empty means none
  bool retry = false;  ///< true only if repeating cannot act twice
};

template <class T>
using Result = std::expected<T, Error>;

using Failure = std::unexpected<Error>;

/// The client's fault; `hint` is safe to show to it.
inline Failure client_error(Code code, std::string hint) {
  return Failure(Error{.code = code, .blame = Blame::client, .what = hint, .hint = hint});
}
inline Failure fail(Code code, Blame blame, std::string what, bool retry = false) {
  return Failure(Error{.code = code, .blame = blame, .what = std::move(what), .retry = retry});
}

}  // namespace sallyport
