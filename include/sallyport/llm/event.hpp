#pragma once
/// The one stream of events that an answer is, whatever its wire: guards, recorders and writers see this.

#include <cstdint>
#include <string>

#include "sallyport/llm/usage.hpp"
#include "sallyport/llm/wire.hpp"
#include "sallyport/llm/wire_error.hpp"

namespace sallyport::llm {

enum class StopReason : std::uint8_t {
  done,
  stop_string,   ///< Event::text says which, where the provider does
  limit,         ///< the output limit of the request or the model
  context_full,  ///< the model's context window
  tools,         ///< calls are waiting to be run
  filtered,      ///< the provider's content filter, or a refusal on Messages
  pause,         ///< Messages: a long turn to be taken up again
};

/// An answer is: started; then blocks; then usage and stop in any order, usage possibly again; then done. Or
/// it ends at any point with failed. Several calls may be open at once and their arguments interleave; text
/// and thinking end where another block begins.
struct Event {
  enum class Kind : std::uint8_t {
    started,         ///< id and name (the model), as the provider has them; either may be empty
    text,            ///< what is new in `text`
    refusal,         ///< the same of a refusal
    thinking,        ///< the same of readable thinking, or a summary of it
    signature,       ///< ends thinking: `text` is the whole thought as `origin` wants it back, raw JSON
    redacted,        ///< a thought that nobody can read: `text` as for signature
    tool_begin,      ///< id and name of a call; `custom` where the provider itself took it as free text
    tool_arguments,  ///< what is new in `text`: JSON text, or free text of a custom call
    tool_end,
    citation,  ///< on the text of `block`: raw JSON in the form of `origin`
    opaque,    ///< a block that only `origin` knows: raw JSON, whole
    usage,     ///< so far: replaces what was said before
    stop,
    failed,  ///< `error`; nothing follows
    done,    ///< the answer is whole; nothing follows
  };
  Kind kind = Kind::text;
  StopReason reason = StopReason::done;
  Wire origin = Wire::chat;
  bool custom = false;
  std::uint32_t block = 0;  ///< which part of the answer, from 0 in order of appearance
  std::string text{};
  std::string id{};
  std::string name{};
  Usage usage{};
  WireError error{};
  bool operator==(const Event&) const = default;
};

}  // namespace sallyport::llm
