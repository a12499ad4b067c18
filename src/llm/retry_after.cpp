#include "sallyport/llm/retry_after.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "sallyport/core/bytes.hpp"

namespace sallyport::llm {
namespace {

using std::chrono::milliseconds;
constexpr milliseconds kMost = std::chrono::hours(24);

/// A decimal number of `unit`s: digits, and a fraction of them.
std::optional<milliseconds> amount(std::string_view text, milliseconds unit) {
  if (text.empty() || !std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '.'; }))
    return std::nullopt;
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range) return kMost;
  if (error != std::errc{}) return std::nullopt;
  const double wait = number * static_cast<double>(unit.count());
  return wait >= static_cast<double>(kMost.count()) ? kMost : milliseconds(static_cast<std::int64_t>(wait));
}

std::optional<int> digits(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

/// "Sun, 06 Nov 1994 08:49:37 GMT": the one form that senders may still use (RFC 9110 section 5.6.7).
std::optional<SystemTime> date(std::string_view text) {
  constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  constexpr std::string_view kForm = "???, ?? ??? ???? ??:??:?? GMT";
  if (text.size() != kForm.size()) return std::nullopt;
  for (std::size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] != '?' && kForm[i] != text[i]) return std::nullopt;
  }
  const auto* const month = std::ranges::find(kMonths, text.substr(8, 3));
  const auto day = digits(text.substr(5, 2)), year = digits(text.substr(12, 4)),
             hour = digits(text.substr(17, 2)), minute = digits(text.substr(20, 2)),
             second = digits(text.substr(23, 2));
  if (month == kMonths.end() || !day || !year || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day on{std::chrono::year(*year),
                                       std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
                                       std::chrono::day(static_cast<unsigned>(*day))};
  if (!on.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
  const std::chrono::sys_seconds midnight = std::chrono::sys_days(on);
  return time_of_seconds(midnight.time_since_epoch().count() + 3600 * *hour + 60 * *minute + *second);
}

}  // namespace

std::optional<milliseconds> retry_after(const HeaderLookup& header, SystemTime now) {
  for (const std::string_view name : {"retry-after-ms", "x-ms-retry-after-ms"}) {
    const auto text = header(name);
    if (const auto wait = text ? amount(trim(*text), milliseconds(1)) : std::nullopt) return wait;
  }
  const auto text = header("retry-after");
  if (!text) return std::nullopt;
  if (const auto wait = amount(trim(*text), std::chrono::seconds(1))) return wait;
  const auto at = date(trim(*text));
  if (!at) return std::nullopt;
  return std::clamp(std::chrono::ceil<milliseconds>(*at - now), milliseconds(0), kMost);
}

}  // namespace sallyport::llm
