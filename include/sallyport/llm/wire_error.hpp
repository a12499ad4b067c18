#pragma once
/// Errors of providers, and ours, as each wire spells them.

#include <string>
#include <string_view>

#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

/// A refusal or failure of a model call, in no wire's own form.
struct WireError {
  int status = 500;       ///< HTTP; where a stream failed: the one that its type stands for
  std::string type{};     ///< as its wire names it: "rate_limit_error", "invalid_request_error"; may be empty
  std::string code{};     ///< OpenAI's code, like "context_length_exceeded"; may be empty
  std::string param{};    ///< the field at fault; may be empty
  std::string message{};  ///< for people, and for clients that look for words in it
  bool operator==(const WireError&) const = default;
};

/// From any body, also one that is no JSON: then the message is what can be shown of it, at most 2 KiB.
WireError read_error(Wire from, int status, std::string_view body);

/// A whole body. Types and codes are those that the wire's clients know; `request_id` stands only in bodies
/// of the Messages wire and may be empty.
std::string write_error(Wire to, const WireError& error, std::string_view request_id);

/// The status under which `to` reports it: overload is 529 on Messages and 503 elsewhere.
int status_for(Wire to, const WireError& error);

}  // namespace sallyport::llm
