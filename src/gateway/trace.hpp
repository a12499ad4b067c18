#pragma once
/// Which piece of work a request belongs to, as its client counts it.

#include <string>
#include <string_view>

#include "sallyport/net/http.hpp"

namespace sallyport::gateway {

/// Whether a text may stand for a trace: at most 128 visible ASCII characters.
bool is_trace(std::string_view text);

/// The trace of a W3C `traceparent` (Trace Context, section 3.2.2); empty where it is malformed.
std::string_view trace_of_parent(std::string_view header);

/// By `x-portkey-trace-id`, `traceparent` or `x-claude-code-session-id`; empty where the headers name none.
std::string trace_of(const net::Headers& headers);

}  // namespace sallyport::gateway
