#pragma once
/// The functions of expressions, by name and by what they do.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "cel_value.hpp"

namespace re2 {
class RE2;
}

namespace sallyport::policy::cel {

enum class Function : std::uint8_t {
  size,
  contains,
  starts_with,
  ends_with,
  matches,
  to_bool,
  to_bytes,
  to_double,
  to_duration,
  to_int,
  to_string,
  to_timestamp,
  to_uint,
  type,
  dyn,
  // In the order of TimePart.
  full_year,
  month,
  day_of_year,
  day_of_month,
  date,
  day_of_week,
  hours,
  minutes,
  seconds,
  milliseconds,
};

struct Signature {
  std::string_view name;
  Function function;
  bool global, member;        ///< f(x), x.f()
  std::uint8_t fewest, most;  ///< arguments, the one before the dot included
};

std::span<const Signature> signatures();
/// nullptr when there is none.
const Signature* find_function(std::string_view name);

/// Requires: as many arguments as the signature takes, none of them a fault. `pattern`: for matches with a
/// constant pattern, else nullptr.
Value call(Function function, std::span<const Value> arguments, const re2::RE2* pattern,
           Workspace& workspace);
/// `+ - * / %` and the unary minus.
Value add(const Value& a, const Value& b, Workspace& workspace);
Value subtract(const Value& a, const Value& b);
Value multiply(const Value& a, const Value& b);
Value divide(const Value& a, const Value& b);
Value modulo(const Value& a, const Value& b);
Value negate(const Value& a);

/// int(x), string(x) and so on. Requires: one of those functions.
Value convert(Function to, const Value& value, Workspace& workspace);

/// Check ok() of it. Bounded in memory; a text that is too long gives one that is not ok.
std::unique_ptr<const re2::RE2> compile_pattern(std::string_view text);

}  // namespace sallyport::policy::cel
