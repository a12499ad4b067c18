#include "cel_time.hpp"

#include <fmt/format.h>

#include <chrono>

namespace sallyport::policy::cel {

namespace {

namespace chr = std::chrono;

constexpr std::int64_t kNanos = 1'000'000'000;
constexpr std::int64_t kFirst = -62135596800;  // 0001-01-01T00:00:00Z
constexpr std::int64_t kLast = 253402300799;   // 9999-12-31T23:59:59Z

/// Reads a text from the front; every step fails for good once one has failed.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}
  bool done() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool take(char c) {
    if (peek() != c || rest_.empty()) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool take(std::string_view text) {
    if (!rest_.starts_with(text)) return false;
    rest_.remove_prefix(text.size());
    return true;
  }
  bool digit() const { return peek() >= '0' && peek() <= '9'; }
  int take_digit() {
    const int value = peek() - '0';
    rest_.remove_prefix(1);
    return value;
  }
  /// Exactly so many digits; -1 when there are fewer.
  int number(int digits) {
    int value = 0;
    for (; digits > 0; --digits) {
      if (!digit()) return -1;
      value = value * 10 + take_digit();
    }
    return value;
  }

 private:
  std::string_view rest_;
};

std::optional<std::int64_t> read_offset(Reader& reader) {
  const bool minus = reader.peek() == '-';
  if (minus || reader.peek() == '+') reader.take(reader.peek());
  const int hours = reader.number(2);
  if (hours < 0 || hours > 23 || !reader.take(':')) return std::nullopt;
  const int minutes = reader.number(2);
  if (minutes < 0 || minutes > 59) return std::nullopt;
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return minus ? -seconds : seconds;
}

/// The digits of a fraction, as nanoseconds; nothing without a digit or with more than nine.
std::optional<std::int32_t> read_nanos(Reader& reader) {
  std::int32_t value = 0;
  int digits = 0;
  for (; reader.digit(); ++digits) {
    if (digits == 9) return std::nullopt;
    value = value * 10 + reader.take_digit();
  }
  if (digits == 0) return std::nullopt;
  for (; digits < 9; ++digits) value *= 10;
  return value;
}

std::string fraction(std::int64_t nanos) {
  if (nanos == 0) return "";
  auto text = fmt::format(".{:09}", nanos);
  text.erase(text.find_last_not_of('0') + 1);
  return text;
}

/// Nanoseconds of one unit; 0 for none.
std::int64_t read_unit(Reader& reader) {
  if (reader.take("ns")) return 1;
  if (reader.take("us") || reader.take("\xc2\xb5s") || reader.take("\xce\xbcs")) return 1000;
  if (reader.take("ms")) return 1'000'000;
  if (reader.take('s')) return kNanos;
  if (reader.take('m')) return 60 * kNanos;
  if (reader.take('h')) return 3600 * kNanos;
  return 0;
}

}  // namespace

std::optional<Timestamp> timestamp_at(std::int64_t seconds, std::int32_t nanos) {
  if (seconds < kFirst || seconds > kLast) return std::nullopt;
  return Timestamp{seconds, nanos};
}

std::optional<Timestamp> parse_timestamp(std::string_view text) {
  Reader reader(text);
  const int year = reader.number(4);
  if (year < 1 || !reader.take('-')) return std::nullopt;
  const int month = reader.number(2);
  if (month < 1 || !reader.take('-')) return std::nullopt;
  const int day = reader.number(2);
  const chr::year_month_day date(chr::year(year), chr::month(static_cast<unsigned>(month)),
                                 chr::day(static_cast<unsigned>(day < 0 ? 0 : day)));
  if (!date.ok() || !(reader.take('T') || reader.take('t'))) return std::nullopt;
  const int hour = reader.number(2);
  if (hour < 0 || hour > 23 || !reader.take(':')) return std::nullopt;
  const int minute = reader.number(2);
  if (minute < 0 || minute > 59 || !reader.take(':')) return std::nullopt;
  const int second = reader.number(2);
  if (second < 0 || second > 59) return std::nullopt;
  std::optional<std::int32_t> nanos = 0;
  if (reader.take('.')) nanos = read_nanos(reader);
  if (!nanos) return std::nullopt;
  std::optional<std::int64_t> offset = 0;
  if (!reader.take('Z') && !reader.take('z')) {
    if (reader.peek() != '+' && reader.peek() != '-') return std::nullopt;
    offset = read_offset(reader);
  }
  if (!offset || !reader.done()) return std::nullopt;
  const std::int64_t days = chr::sys_days(date).time_since_epoch().count();
  return timestamp_at(days * 86400 + hour * 3600 + minute * 60 + second - *offset, *nanos);
}

std::optional<Duration> parse_duration(std::string_view text) {
  Reader reader(text);
  const bool minus = reader.take('-');
  if (!minus) reader.take('+');
  if (reader.peek() == '0' && text.ends_with('0') && text.find_first_not_of("+-0") == std::string_view::npos)
    return Duration{0};
  if (reader.done()) return std::nullopt;
  std::int64_t total = 0;
  while (!reader.done()) {
    std::int64_t whole = 0;
    bool digits = false;
    for (; reader.digit(); digits = true)
      if (__builtin_mul_overflow(whole, 10, &whole) ||
          __builtin_add_overflow(whole, reader.take_digit(), &whole))
        return std::nullopt;
    std::optional<std::int32_t> nanos = 0;
    const bool fractional = reader.take('.');
    if (fractional && reader.digit()) nanos = read_nanos(reader), digits = true;
    if (!digits || !nanos) return std::nullopt;
    const std::int64_t unit = read_unit(reader);
    std::int64_t amount = 0;
    if (unit == 0 || __builtin_mul_overflow(whole, unit, &amount)) return std::nullopt;
    // The fraction counts units; in steps, because nanoseconds times an hour have no room.
    const std::int64_t part = unit >= kNanos ? *nanos * (unit / kNanos) : *nanos / (kNanos / unit);
    if (__builtin_add_overflow(amount, part, &amount) || __builtin_add_overflow(total, amount, &total))
      return std::nullopt;
  }
  return Duration{minus ? -total : total};
}

std::optional<std::int64_t> parse_offset(std::string_view text) {
  if (text == "UTC" || text == "Z") return 0;
  Reader reader(text);
  const auto offset = read_offset(reader);
  return reader.done() ? offset : std::nullopt;
}

std::string format(Timestamp time) {
  const chr::sys_seconds at{chr::seconds(time.seconds)};
  const auto day = chr::floor<chr::days>(at);
  const chr::year_month_day date(day);
  const chr::hh_mm_ss clock(at - day);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{}Z", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
                     fraction(time.nanos));
}

std::string format(Duration duration) {
  const std::int64_t seconds = duration.nanos / kNanos;
  const std::int64_t nanos = duration.nanos % kNanos;
  return fmt::format("{}{}{}s", duration.nanos < 0 ? "-" : "", seconds < 0 ? -seconds : seconds,
                     fraction(nanos < 0 ? -nanos : nanos));
}

std::optional<Timestamp> add(Timestamp time, Duration duration) {
  std::int64_t seconds = duration.nanos / kNanos;
  std::int64_t nanos = time.nanos + duration.nanos % kNanos;
  if (nanos < 0) {
    nanos += kNanos;
    --seconds;
  } else if (nanos >= kNanos) {
    nanos -= kNanos;
    ++seconds;
  }
  return timestamp_at(time.seconds + seconds, static_cast<std::int32_t>(nanos));
}

std::optional<Duration> between(Timestamp from, Timestamp to) {
  std::int64_t nanos = 0;
  if (__builtin_mul_overflow(to.seconds - from.seconds, kNanos, &nanos) ||
      __builtin_add_overflow(nanos, to.nanos - from.nanos, &nanos))
    return std::nullopt;
  return Duration{nanos};
}

std::optional<Duration> negated(Duration duration) {
  if (__builtin_sub_overflow(std::int64_t{0}, duration.nanos, &duration.nanos)) return std::nullopt;
  return duration;
}

std::optional<Duration> add(Duration a, Duration b) {
  if (__builtin_add_overflow(a.nanos, b.nanos, &a.nanos)) return std::nullopt;
  return a;
}

std::int64_t part_of(Timestamp time, TimePart part, std::int64_t offset_seconds) {
  const chr::sys_seconds at{chr::seconds(time.seconds + offset_seconds)};
  const auto day = chr::floor<chr::days>(at);
  const chr::year_month_day date(day);
  const chr::hh_mm_ss clock(at - day);
  switch (part) {
    case TimePart::full_year:
      return static_cast<int>(date.year());
    case TimePart::month:
      return static_cast<unsigned>(date.month()) - 1;
    case TimePart::day_of_year:
      return (day - chr::sys_days(date.year() / chr::January / 1)).count();
    case TimePart::day_of_month:
      return static_cast<unsigned>(date.day()) - 1;
    case TimePart::date:
      return static_cast<unsigned>(date.day());
    case TimePart::day_of_week:
      return chr::weekday(day).c_encoding();
    case TimePart::hours:
      return clock.hours().count();
    case TimePart::minutes:
      return clock.minutes().count();
    case TimePart::seconds:
      return clock.seconds().count();
    case TimePart::milliseconds:
      break;
  }
  return time.nanos / 1'000'000;
}

std::optional<std::int64_t> part_of(Duration duration, TimePart part) {
  switch (part) {
    case TimePart::hours:
      return duration.nanos / (3600 * kNanos);
    case TimePart::minutes:
      return duration.nanos / (60 * kNanos);
    case TimePart::seconds:
      return duration.nanos / kNanos;
    case TimePart::milliseconds:
      return duration.nanos % kNanos / 1'000'000;
    default:
      return std::nullopt;
  }
}

}  // namespace sallyport::policy::cel
