#include "trace.hpp"

#include <algorithm>

namespace sallyport::gateway {

constexpr std::size_t kTraceBytes = 128;

bool is_trace(std::string_view text) {
  return !text.empty() && text.size() <= kTraceBytes &&
         std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

std::string_view trace_of_parent(std::string_view header) {
  constexpr std::size_t kVersion = 3, kTrace = 32;
  if (header.size() < kVersion + kTrace + 1 || header[2] != '-' || header[kVersion + kTrace] != '-')
    return {};
  const std::string_view trace = header.substr(kVersion, kTrace);
  const bool hex = trace.find_first_not_of("0123456789abcdef") == std::string_view::npos;
  return hex && trace.find_first_not_of('0') != std::string_view::npos ? trace : std::string_view();
}

std::string trace_of(const net::Headers& headers) {
  for (const std::string_view name : {"x-portkey-trace-id", "traceparent", "x-claude-code-session-id"}) {
    const auto value = headers.find(name);
    if (!value) continue;
    const std::string_view trace = name == "traceparent" ? trace_of_parent(*value) : *value;
    if (is_trace(trace)) return std::string(trace);
  }
  return {};
}

}  // namespace sallyport::gateway
