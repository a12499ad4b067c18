#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "cel_functions.hpp"
#include "cel_literal.hpp"
#include "cel_time.hpp"
#include "sallyport/core/utf8.hpp"

namespace sallyport::policy::cel {

namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;
constexpr Fault kRange{"this number is out of the range of the type it is converted to"};
constexpr Fault kMalformed{"this text cannot be converted: it is not written as that type is"};

template <class T>
Value parse_integer(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc::result_out_of_range) return kRange;
  if (error != std::errc{} || end != text.data() + text.size()) return kMalformed;
  return value;
}

Value to_int(const Value& value) {
  if (const auto* number = value.as<std::uint64_t>())
    return *number > std::uint64_t{INT64_MAX} ? Value(kRange) : static_cast<std::int64_t>(*number);
  if (const auto* number = value.as<double>())
    // The ends themselves are out: what was rounded to them may have been beyond.
    return *number > -kTwoTo63 && *number < kTwoTo63 ? Value(static_cast<std::int64_t>(*number)) : kRange;
  if (const auto* text = value.as<std::string_view>()) return parse_integer<std::int64_t>(*text);
  if (const auto* time = value.as<Timestamp>()) return time->seconds;
  return value.as<std::int64_t>() ? value : Fault{kNoOverload};
}

Value to_uint(const Value& value) {
  if (const auto* number = value.as<std::int64_t>())
    return *number < 0 ? Value(kRange) : static_cast<std::uint64_t>(*number);
  if (const auto* number = value.as<double>())
    return *number >= 0 && *number < kTwoTo64 ? Value(static_cast<std::uint64_t>(*number)) : kRange;
  if (const auto* text = value.as<std::string_view>()) return parse_integer<std::uint64_t>(*text);
  return value.as<std::uint64_t>() ? value : Fault{kNoOverload};
}

Value to_double(const Value& value) {
  if (const auto* number = value.as<std::int64_t>()) return static_cast<double>(*number);
  if (const auto* number = value.as<std::uint64_t>()) return static_cast<double>(*number);
  if (const auto* text = value.as<std::string_view>()) {
    const auto number = parse_double(*text);
    return number ? Value(*number) : kMalformed;
  }
  return value.as<double>() ? value : Fault{kNoOverload};
}

std::string double_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "+Infinity";
  return fmt::format("{}", value);
}

Value to_string(const Value& value, Workspace& workspace) {
  if (value.as<std::string_view>()) return value;
  if (const auto* flag = value.as<bool>()) return *flag ? std::string_view("true") : "false";
  if (const auto* number = value.as<std::int64_t>()) return kept(fmt::format("{}", *number), workspace);
  if (const auto* number = value.as<std::uint64_t>()) return kept(fmt::format("{}", *number), workspace);
  if (const auto* number = value.as<double>()) return kept(double_text(*number), workspace);
  if (const auto* time = value.as<Timestamp>()) return kept(format(*time), workspace);
  if (const auto* duration = value.as<Duration>()) return kept(format(*duration), workspace);
  const auto* bytes = value.as<Bytes>();
  if (!bytes) return Fault{kNoOverload};
  if (!workspace.spend_bytes(bytes->octets.size() * 4)) return out_of_steps();
  const char* const end = bytes->octets.data() + bytes->octets.size();
  for (const char* p = bytes->octets.data(); p != end;) {
    const auto length = utf8_length(p, end);
    if (length == 0) return Fault{"these bytes are not UTF-8"};
    p += length;
  }
  return bytes->octets;
}

Value to_bool(const Value& value) {
  const auto* text = value.as<std::string_view>();
  if (!text) return value.as<bool>() ? value : Fault{kNoOverload};
  for (const std::string_view yes : {"1", "t", "true", "TRUE", "True"})
    if (*text == yes) return true;
  for (const std::string_view no : {"0", "f", "false", "FALSE", "False"})
    if (*text == no) return false;
  return kMalformed;
}

Value to_timestamp(const Value& value) {
  if (value.as<Timestamp>()) return value;
  std::optional<Timestamp> time;
  if (const auto* text = value.as<std::string_view>())
    time = parse_timestamp(*text);
  else if (const auto* seconds = value.as<std::int64_t>())
    time = timestamp_at(*seconds);
  else
    return Fault{kNoOverload};
  if (time) return *time;
  return Fault{"no timestamp: write RFC 3339 like '2026-11-21T08:00:00Z', in the years 1 to 9999"};
}

Value to_duration(const Value& value) {
  if (value.as<Duration>()) return value;
  const auto* text = value.as<std::string_view>();
  if (!text) return Fault{kNoOverload};
  if (const auto duration = parse_duration(*text)) return *duration;
  return Fault{"no duration: write numbers with h, m, s, ms, us or ns, like '1h30m', within 292 years"};
}

}  // namespace

Value convert(Function to, const Value& value, Workspace& workspace) {
  // Long text is read before it is refused.
  if (const auto* text = value.as<std::string_view>(); text && !workspace.spend_bytes(text->size() * 4))
    return out_of_steps();
  switch (to) {
    case Function::to_int:
      return to_int(value);
    case Function::to_uint:
      return to_uint(value);
    case Function::to_double:
      return to_double(value);
    case Function::to_string:
      return to_string(value, workspace);
    case Function::to_bool:
      return to_bool(value);
    case Function::to_timestamp:
      return to_timestamp(value);
    case Function::to_duration:
      return to_duration(value);
    default:
      if (const auto* text = value.as<std::string_view>()) return Bytes{*text};
      return value.as<Bytes>() ? value : Fault{kNoOverload};
  }
}

}  // namespace sallyport::policy::cel
