#pragma once
/// What can be known of a model call without translating it, and the few changes that the same wire needs.

#include <string>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

struct Envelope {
  std::string model{};
  bool stream = false;
  bool wants_usage = false;  ///< chat streams: stream_options.include_usage
  std::string user{};        ///< safety_identifier, user or metadata.user_id, in this order; empty: unsaid
};

/// Errors: bad_request, whose hint names the field.
Result<Envelope> read_envelope(Wire wire, json::Value body);

/// A body of the Responses wire, as some clients send it to the path of chat: `input` and no `messages`.
bool is_responses_shaped(json::Value body);

struct Rewrite {
  std::string model{};  ///< empty: as it came
  std::string
      overrides{};         ///< a raw JSON object whose members replace or join those of the body; empty: none
  bool ask_usage = false;  ///< chat streams: sets stream_options.include_usage
};

/// The same wire in and out: the body with only that changed; every other member keeps its bytes and its
/// order. What a provider of another wire once thought (docs/model-calls.md) is taken out, because only its
/// origin takes it back, and on chat the readable text beside it; the chat wire's own `reasoning_details`
/// stay. Requires: the body is an object.
std::string rewrite(json::Value body, const Rewrite& rewrite);

}  // namespace sallyport::llm
