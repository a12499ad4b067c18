#pragma once
/// Usage as each wire spells it. The wires differ in what they add up: llm::Usage is disjoint.

#include <string>

#include "sallyport/json/document.hpp"
#include "sallyport/llm/usage.hpp"
#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

/// Takes what `said` states; on Messages counters that it does not name keep their value (a message_delta
/// replaces, it does not add). Numbers below zero count as zero. False: it states nothing.
bool read_usage(Wire from, const json::Value& said, Usage& usage);
/// Raw JSON: `usage` of a completion, a response or a message.
std::string write_usage(Wire to, const Usage& usage);
/// Raw JSON: `usage` of a message_delta.
std::string delta_usage(const Usage& usage);

}  // namespace sallyport::llm
