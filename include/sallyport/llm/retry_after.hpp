#pragma once
/// How long a provider wants us to wait before we call it again.

#include <chrono>
#include <functional>
#include <optional>
#include <string_view>

#include "sallyport/core/clock.hpp"

namespace sallyport::llm {

/// A header of the answer by its name in lower case; nullopt where it is absent.
using HeaderLookup = std::function<std::optional<std::string_view>(std::string_view name)>;

/// By `retry-after-ms`, `x-ms-retry-after-ms` or `retry-after` (RFC 9110 section 10.2.3: seconds, which may
/// have a fraction, or a date), the first that is there and makes sense. Never negative, at most a day.
std::optional<std::chrono::milliseconds> retry_after(const HeaderLookup& header, SystemTime now);

}  // namespace sallyport::llm
