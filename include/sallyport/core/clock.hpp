#pragma once
/// Time: wall clock for records and expiry, steady clock for waiting.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport {

using SystemTime = std::chrono::system_clock::time_point;
using SteadyTime = std::chrono::steady_clock::time_point;
using Duration = std::chrono::steady_clock::duration;

/// Where time comes from. Real in the program, a settable one in tests.
/// Threads: now() and steady() may be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual SystemTime now() const { return std::chrono::system_clock::now(); }
  virtual SteadyTime steady() const { return std::chrono::steady_clock::now(); }
};

/// The machine's own clock.
const Clock& system_clock();

/// Milliseconds since 1970-01-01 UTC.
std::int64_t unix_millis(SystemTime t);
/// The moment so many milliseconds, or seconds, after 1970-01-01 UTC. SystemTime counts 64 bits of
/// nanoseconds, which end in 2262: what lies before 1740 or after 2200 counts as the first moment of that
/// year, so that what is added to it still fits.
SystemTime time_of_millis(std::int64_t millis);
SystemTime time_of_seconds(std::int64_t seconds);
/// RFC 3339 in UTC with milliseconds: 2026-11-21T00:00:00.000Z
std::string rfc3339(SystemTime t);
/// "2027-01-31" (its midnight) or "2027-01-31T12:00:00Z", both in UTC; nothing for any other text.
/// Years after 2200 as in time_of_millis.
std::optional<SystemTime> parse_date(std::string_view text);

}  // namespace sallyport
