#pragma once
/// What a modern client carries between the rounds of one call, sealed: `requestState` (mcp-protocol section
/// 2.7).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/identity/sealed_id.hpp"

namespace sallyport::gateway {

/// Of an upstream's own requestState, as it is written; sealed it still opens.
inline constexpr std::size_t kUpstreamState = 512 * 1024;

/// Bound to the principal and endpoint by its seal, to one request by `digest`.
struct RequestState {
  std::string digest;        ///< of method and params
  std::string call{};        ///< our id of the call that asked, for the record
  std::int64_t expires = 0;  ///< Unix seconds
  std::string upstream{};    ///< the upstream's own requestState, raw; empty: it gave none
  std::string dialogue{};    ///< id of the parked call; empty: the upstream keeps no call open
  int shard = 0, round = 0;  ///< of the parked call
  std::string start{};       ///< run of the program that parked it
};

/// Digest of a request as it must come again: everything but `_meta`, `inputResponses` and `requestState`.
std::string request_digest(mcp::Method method, const std::optional<json::Value>& params);

std::string seal_state(const identity::Sealer& sealer, const RequestState& state, std::string_view bound);
/// Errors: invalid_params for what is not ours, expired, of another caller or of another request.
Result<RequestState> open_state(const identity::Sealer& sealer, std::string_view token,
                                std::string_view bound, std::string_view digest, SystemTime now);

}  // namespace sallyport::gateway
