#include "request_state.hpp"

#include "sallyport/core/crypto.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sealed_payload.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kPurpose = "state";

Failure not_ours() {
  return client_error(
      Code::invalid_params,
      "requestState is not valid here: it was changed, expired or belongs to another request. "
      "Start the call again without requestState and inputResponses.");
}

}  // namespace

std::string request_digest(mcp::Method method, const std::optional<json::Value>& params) {
  std::string text(mcp::text_of(method));
  text += '\n';
  if (params) {
    const std::string kept = mcp::rebuild_object(*params, {}, {"_meta", "inputResponses", "requestState"});
    // Clients may write the same request in another order of keys.
    if (const auto document = json::Document::parse(kept)) text += json::canonical(document->root());
  }
  return sha256_hex(text);
}

std::string seal_state(const identity::Sealer& sealer, const RequestState& state, std::string_view bound) {
  std::string out = "{\"d\":" + json::quote(state.digest) + ",\"c\":" + json::quote(state.call) +
                    ",\"x\":" + std::to_string(state.expires);
  if (!state.upstream.empty()) out += ",\"u\":" + state.upstream;
  if (!state.dialogue.empty()) {
    out += ",\"i\":" + json::quote(state.dialogue) + ",\"h\":" + std::to_string(state.shard) +
           ",\"r\":" + std::to_string(state.round) + ",\"s\":" + json::quote(state.start);
  }
  return sealer.seal(kPurpose, bound, out + "}");
}

Result<RequestState> open_state(const identity::Sealer& sealer, std::string_view token,
                                std::string_view bound, std::string_view digest, SystemTime now) {
  const auto said = SealedPayload::open(sealer, kPurpose, bound, token);
  if (!said) return not_ours();
  RequestState state{.digest = said->text("d"),
                     .call = said->text("c"),
                     .expires = said->number("x"),
                     .upstream = said->raw("u"),
                     .dialogue = said->text("i"),
                     .shard = static_cast<int>(said->number("h")),
                     .round = static_cast<int>(said->number("r")),
                     .start = said->text("s")};
  if (state.digest != digest || state.expires <= unix_millis(now) / 1000) return not_ours();
  return state;
}

}  // namespace sallyport::gateway
