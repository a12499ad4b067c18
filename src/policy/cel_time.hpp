#pragma once
/// Timestamps and durations of expressions: their text, their arithmetic, their parts in UTC or at an offset.

#include <string>
#include <string_view>

#include "cel_value.hpp"

namespace sallyport::policy::cel {

/// RFC 3339 with up to nine digits of a second; nothing for what is malformed or outside the years 1 to 9999.
std::optional<Timestamp> parse_timestamp(std::string_view text);
/// "1h30m", "-1.5s", "250ms": numbers with h, m, s, ms, us or ns; nothing when malformed or beyond 292 years.
std::optional<Duration> parse_duration(std::string_view text);
/// "Z", "UTC", "+01:00", "-09:30", "02:00" in seconds; nothing for every other text, names of zones included.
std::optional<std::int64_t> parse_offset(std::string_view text);

std::string format(Timestamp time);     ///< RFC 3339 in UTC; as many digits of a second as it has
std::string format(Duration duration);  ///< seconds: "90s", "-0.25s"

/// Nothing when the seconds are outside the years 1 to 9999.
std::optional<Timestamp> timestamp_at(std::int64_t seconds, std::int32_t nanos = 0);
std::optional<Timestamp> add(Timestamp time, Duration duration);
std::optional<Duration> between(Timestamp from, Timestamp to);
std::optional<Duration> negated(Duration duration);
std::optional<Duration> add(Duration a, Duration b);

/// What getFullYear() and so on ask for.
enum class TimePart : std::uint8_t {
  full_year,
  month,         ///< 0 to 11
  day_of_year,   ///< from 0
  day_of_month,  ///< from 0
  date,          ///< day of the month from 1
  day_of_week,   ///< 0 is Sunday
  hours,
  minutes,
  seconds,
  milliseconds,
};
std::int64_t part_of(Timestamp time, TimePart part, std::int64_t offset_seconds);
/// hours to seconds: the whole duration in that unit; milliseconds: those of its last second. Nothing for a
/// part that durations do not have.
std::optional<std::int64_t> part_of(Duration duration, TimePart part);

}  // namespace sallyport::policy::cel
