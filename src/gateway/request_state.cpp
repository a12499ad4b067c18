#include "request_state.hpp"

#include "sallyport/core/crypto.hpp"
#include "sallyport/mcp/compose.hpp"

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
  auto payload = sealer.open(kPurpose, bound, token);
  if (!payload) return not_ours();
  const auto document = json::Document::parse(std::move(*payload));
  if (!document) return not_ours();
  const json::Value root = document->root();
  const auto text = [&](std::string_view key) {
    const auto member = root.find(key);
    return member ? member->string().value_or("") : "";
  };
  const auto number = [&](std::string_view key) {
    const auto member = root.find(key);
    return member ? member->integer().value_or(0) : 0;
  };
  RequestState state{.digest = text("d"),
                     .call = text("c"),
                     .expires = number("x"),
                     .dialogue = text("i"),
                     .shard = static_cast<int>(number("h")),
                     .round = static_cast<int>(number("r")),
                     .start = text("s")};
  if (const auto upstream = root.find("u")) state.upstream = std::string(upstream->raw());
  if (state.digest != digest || state.expires <= unix_millis(now) / 1000) return not_ours();
  return state;
}

}  // namespace sallyport::gateway
