#include "sallyport/core/clock.hpp"

#include <fmt/core.h>

#include <algorithm>

namespace sallyport {
namespace {

constexpr std::int64_t kFirst = -7258118400, kLast = 7258118400;  // 1740-01-01, 2200-01-01

bool counts(std::int64_t seconds) { return seconds > kFirst && seconds < kLast; }

}  // namespace

const Clock& system_clock() {
  static const Clock clock;
  return clock;
}

std::int64_t unix_millis(SystemTime t) {
  return std::chrono::floor<std::chrono::milliseconds>(t).time_since_epoch().count();
}

SystemTime time_of_millis(std::int64_t millis) {
  return time_of_seconds(millis / 1000) +
         std::chrono::milliseconds(counts(millis / 1000) ? millis % 1000 : 0);
}

SystemTime time_of_seconds(std::int64_t seconds) {
  return SystemTime(std::chrono::seconds(std::clamp(seconds, kFirst, kLast)));
}

std::string rfc3339(SystemTime t) {
  using namespace std::chrono;
  const auto day = floor<days>(t);
  const year_month_day date{day};
  const hh_mm_ss time{floor<milliseconds>(t) - day};
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     time.hours().count(), time.minutes().count(), time.seconds().count(),
                     time.subseconds().count());
}

std::optional<SystemTime> parse_date(std::string_view text) {
  // The shape, with a digit for every 0.
  constexpr std::string_view kShape = "0000-00-00T00:00:00Z";
  if (text.size() != 10 && text.size() != kShape.size()) return std::nullopt;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return std::nullopt;
  }
  const auto number = [&](std::size_t at, std::size_t digits) {
    int value = 0;
    for (const char c : text.substr(at, digits)) value = value * 10 + (c - '0');
    return value;
  };
  const std::chrono::year_month_day date(std::chrono::year(number(0, 4)),
                                         std::chrono::month(static_cast<unsigned>(number(5, 2))),
                                         std::chrono::day(static_cast<unsigned>(number(8, 2))));
  if (!date.ok() || date.year() < std::chrono::year(1970)) return std::nullopt;
  const std::chrono::sys_seconds day = std::chrono::sys_days(date);
  if (text.size() == 10) return time_of_seconds(day.time_since_epoch().count());
  const int hours = number(11, 2), minutes = number(14, 2), seconds = number(17, 2);
  if (hours > 23 || minutes > 59 || seconds > 59) return std::nullopt;
  return time_of_seconds(day.time_since_epoch().count() + 3600 * hours + 60 * minutes + seconds);
}

}  // namespace sallyport
