#include <algorithm>
#include <cstring>

#include "cel_functions.hpp"
#include "cel_time.hpp"

namespace sallyport::policy::cel {

namespace {

constexpr Fault kOverflow{"overflow: the result is out of range"};
constexpr Fault kZero{"division by zero"};

/// Both of one type, or nullptr.
template <class T>
struct Pair {
  Pair(const Value& left, const Value& right) : a(left.as<T>()), b(right.as<T>()) {}
  explicit operator bool() const { return a && b; }
  const T *a, *b;
};

template <class T>
Value or_overflow(bool overflown, T result) {
  return overflown ? Value(kOverflow) : Value(result);
}
template <class T>
Value or_overflow(std::optional<T> result) {
  return result ? Value(*result) : Value(kOverflow);
}

Value joined_text(std::string_view a, std::string_view b, bool bytes, Workspace& workspace) {
  char* const out = workspace.room<char>(a.size() + b.size());
  if (!out) return out_of_steps();
  std::copy(b.begin(), b.end(), std::copy(a.begin(), a.end(), out));
  const std::string_view text(out, a.size() + b.size());
  return bytes ? Value(Bytes{text}) : Value(text);
}

Value joined_lists(const Value& a, const Value& b, Workspace& workspace) {
  const std::size_t size = size_of_list(a) + size_of_list(b);
  Value* const out = workspace.room<Value>(size);
  if (!out) return out_of_steps();
  Value* next = out;
  const auto take = [&next](const Value& item) {
    std::construct_at(next++, item);
    return true;
  };
  for_each(a, workspace, take);
  for_each(b, workspace, take);
  return workspace.exhausted() ? out_of_steps() : Value(List{out, size});
}

}  // namespace

Value add(const Value& a, const Value& b, Workspace& workspace) {
  if (const Pair<std::int64_t> ints{a, b}) {
    std::int64_t sum = 0;
    return or_overflow(__builtin_add_overflow(*ints.a, *ints.b, &sum), sum);
  }
  if (const Pair<std::uint64_t> uints{a, b}) {
    std::uint64_t sum = 0;
    return or_overflow(__builtin_add_overflow(*uints.a, *uints.b, &sum), sum);
  }
  if (const Pair<double> doubles{a, b}) return *doubles.a + *doubles.b;
  if (const Pair<std::string_view> texts{a, b}) return joined_text(*texts.a, *texts.b, false, workspace);
  if (const Pair<Bytes> bytes{a, b}) return joined_text(bytes.a->octets, bytes.b->octets, true, workspace);
  if (a.is_list() && b.is_list()) return joined_lists(a, b, workspace);
  if (const Pair<Duration> durations{a, b}) return or_overflow(add(*durations.a, *durations.b));
  if (a.as<Timestamp>() && b.as<Duration>()) return or_overflow(add(*a.as<Timestamp>(), *b.as<Duration>()));
  if (a.as<Duration>() && b.as<Timestamp>()) return or_overflow(add(*b.as<Timestamp>(), *a.as<Duration>()));
  return Fault{kNoOverload};
}

Value subtract(const Value& a, const Value& b) {
  if (const Pair<std::int64_t> ints{a, b}) {
    std::int64_t difference = 0;
    return or_overflow(__builtin_sub_overflow(*ints.a, *ints.b, &difference), difference);
  }
  if (const Pair<std::uint64_t> uints{a, b}) {
    std::uint64_t difference = 0;
    return or_overflow(__builtin_sub_overflow(*uints.a, *uints.b, &difference), difference);
  }
  if (const Pair<double> doubles{a, b}) return *doubles.a - *doubles.b;
  if (const Pair<Timestamp> times{a, b}) return or_overflow(between(*times.b, *times.a));
  const auto* duration = b.as<Duration>();
  const auto opposite = duration ? negated(*duration) : std::nullopt;
  if (!duration || !(a.as<Timestamp>() || a.as<Duration>())) return Fault{kNoOverload};
  if (!opposite) return kOverflow;
  if (const auto* time = a.as<Timestamp>()) return or_overflow(add(*time, *opposite));
  return or_overflow(add(*a.as<Duration>(), *opposite));
}

Value multiply(const Value& a, const Value& b) {
  if (const Pair<std::int64_t> ints{a, b}) {
    std::int64_t product = 0;
    return or_overflow(__builtin_mul_overflow(*ints.a, *ints.b, &product), product);
  }
  if (const Pair<std::uint64_t> uints{a, b}) {
    std::uint64_t product = 0;
    return or_overflow(__builtin_mul_overflow(*uints.a, *uints.b, &product), product);
  }
  if (const Pair<double> doubles{a, b}) return *doubles.a * *doubles.b;
  return Fault{kNoOverload};
}

Value divide(const Value& a, const Value& b) {
  if (const Pair<std::int64_t> ints{a, b}) {
    if (*ints.b == 0) return kZero;
    if (*ints.b == -1) return negate(a);  // the one quotient that has no room
    return *ints.a / *ints.b;
  }
  if (const Pair<std::uint64_t> uints{a, b}) return *uints.b == 0 ? Value(kZero) : *uints.a / *uints.b;
  if (const Pair<double> doubles{a, b}) return *doubles.a / *doubles.b;
  return Fault{kNoOverload};
}

Value modulo(const Value& a, const Value& b) {
  if (const Pair<std::int64_t> ints{a, b}) {
    if (*ints.b == 0) return kZero;
    if (*ints.b == -1) return *ints.a == INT64_MIN ? Value(kOverflow) : std::int64_t{0};
    return *ints.a % *ints.b;
  }
  if (const Pair<std::uint64_t> uints{a, b}) return *uints.b == 0 ? Value(kZero) : *uints.a % *uints.b;
  return Fault{kNoOverload};
}

Value negate(const Value& a) {
  if (const auto* number = a.as<std::int64_t>()) {
    std::int64_t result = 0;
    return or_overflow(__builtin_sub_overflow(std::int64_t{0}, *number, &result), result);
  }
  if (const auto* number = a.as<double>()) return -*number;
  return Fault{kNoOverload};
}

}  // namespace sallyport::policy::cel
