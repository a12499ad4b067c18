#include <algorithm>
#include <cmath>

#include "cel_value.hpp"

namespace sallyport::policy::cel {

namespace {

constexpr double kTwoTo63 = 9223372036854775808.0;
constexpr double kTwoTo64 = 18446744073709551616.0;

std::partial_ordering reversed(std::partial_ordering order) { return 0 <=> order; }

// Across types the integer is compared as the double next to it, within the integers' range.
std::partial_ordering against(std::int64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b > kTwoTo63) return std::partial_ordering::less;
  if (b < -kTwoTo63) return std::partial_ordering::greater;
  return static_cast<double>(a) <=> b;
}
std::partial_ordering against(std::uint64_t a, double b) {
  if (std::isnan(b)) return std::partial_ordering::unordered;
  if (b < 0) return std::partial_ordering::greater;
  if (b > kTwoTo64) return std::partial_ordering::less;
  return static_cast<double>(a) <=> b;
}
std::partial_ordering against(std::int64_t a, std::uint64_t b) {
  if (a < 0) return std::partial_ordering::less;
  return static_cast<std::uint64_t>(a) <=> b;
}

/// Nothing unless both are numbers.
std::optional<std::partial_ordering> numbers(const Value& a, const Value& b) {
  if (const auto* i = a.as<std::int64_t>()) {
    if (const auto* other = b.as<std::int64_t>()) return *i <=> *other;
    if (const auto* other = b.as<std::uint64_t>()) return against(*i, *other);
    if (const auto* other = b.as<double>()) return against(*i, *other);
  } else if (const auto* u = a.as<std::uint64_t>()) {
    if (const auto* other = b.as<std::int64_t>()) return reversed(against(*other, *u));
    if (const auto* other = b.as<std::uint64_t>()) return *u <=> *other;
    if (const auto* other = b.as<double>()) return against(*u, *other);
  } else if (const auto* d = a.as<double>()) {
    if (const auto* other = b.as<std::int64_t>()) return reversed(against(*other, *d));
    if (const auto* other = b.as<std::uint64_t>()) return reversed(against(*other, *d));
    if (const auto* other = b.as<double>()) return *d <=> *other;
  }
  return std::nullopt;
}

bool equal_lists(const Value& a, const Value& b, Workspace& workspace) {
  if (size_of_list(a) != size_of_list(b)) return false;
  // Two documents are walked side by side: an index into one costs its steps from the front.
  if (const auto* left = a.as<JsonList>()) {
    if (const auto* right = b.as<JsonList>()) {
      const auto others = right->array.elements();
      auto other = others.begin();
      for (const auto item : left->array.elements()) {
        if (!workspace.spend(1)) return false;
        if (!equal(from_json(item, workspace), from_json(*other, workspace), workspace)) return false;
        ++other;
      }
      return true;
    }
    return equal_lists(b, a, workspace);
  }
  const auto* values = a.as<List>();
  std::size_t i = 0;
  bool same = true;
  for_each(b, workspace, [&](const Value& item) { return same = equal(values->data[i++], item, workspace); });
  return same && !workspace.exhausted();
}

bool equal_maps(const Value& a, const Value& b, Workspace& workspace) {
  if (size_of_map(a) != size_of_map(b)) return false;
  if (const auto* entries = a.as<Map>()) {
    for (std::size_t i = 0; i < entries->size; ++i) {
      const auto other = find(b, entries->data[i].key, workspace);
      if (!other || workspace.exhausted() || !equal(entries->data[i].value, *other, workspace)) return false;
    }
    return true;
  }
  for (const auto& member : a.as<JsonMap>()->object.members()) {
    const auto other = find(b, key_of(member, workspace), workspace);
    if (!other || workspace.exhausted()) return false;
    if (!equal(from_json(member.value, workspace), *other, workspace)) return false;
  }
  return true;
}

}  // namespace

bool equal(const Value& a, const Value& b, Workspace& workspace) {
  if (const auto order = numbers(a, b)) return *order == 0;
  const Kind kind = kind_of(a);
  if (kind != kind_of(b)) return false;
  switch (kind) {
    case Kind::null:
      return true;
    case Kind::boolean:
      return *a.as<bool>() == *b.as<bool>();
    case Kind::text: {
      const auto &left = *a.as<std::string_view>(), &right = *b.as<std::string_view>();
      return left.size() == right.size() && workspace.spend(left.size() / 64) && left == right;
    }
    case Kind::bytes: {
      const auto &left = a.as<Bytes>()->octets, &right = b.as<Bytes>()->octets;
      return left.size() == right.size() && workspace.spend(left.size() / 64) && left == right;
    }
    case Kind::list:
      return equal_lists(a, b, workspace);
    case Kind::map:
      return equal_maps(a, b, workspace);
    case Kind::type:
      return a.as<Type>()->kind == b.as<Type>()->kind;
    default: {
      const auto order = compare(a, b, workspace);
      return order && *order == 0;
    }
  }
}

std::optional<std::partial_ordering> compare(const Value& a, const Value& b, Workspace& workspace) {
  if (const auto order = numbers(a, b)) return order;
  const Kind kind = kind_of(a);
  if (kind != kind_of(b)) return std::nullopt;
  switch (kind) {
    case Kind::boolean:
      return *a.as<bool>() <=> *b.as<bool>();
    case Kind::text: {
      // Order by code point and order by byte are the same in UTF-8.
      const auto &left = *a.as<std::string_view>(), &right = *b.as<std::string_view>();
      workspace.spend(std::min(left.size(), right.size()) / 64);
      return left <=> right;
    }
    case Kind::bytes: {
      const auto &left = a.as<Bytes>()->octets, &right = b.as<Bytes>()->octets;
      workspace.spend(std::min(left.size(), right.size()) / 64);
      return left <=> right;
    }
    case Kind::timestamp: {
      const auto *left = a.as<Timestamp>(), *right = b.as<Timestamp>();
      if (left->seconds != right->seconds) return left->seconds <=> right->seconds;
      return left->nanos <=> right->nanos;
    }
    case Kind::duration:
      return a.as<Duration>()->nanos <=> b.as<Duration>()->nanos;
    default:
      return std::nullopt;
  }
}

}  // namespace sallyport::policy::cel
