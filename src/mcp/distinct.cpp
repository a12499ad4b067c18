#include "distinct.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <numeric>

namespace sallyport::mcp {

namespace {

using Member = json::Value::Member;

// Up to this many members, comparing each with each is faster than sorting and needs no memory.
constexpr std::size_t kFew = 16;

bool same_key(const Member& a, const Member& b) {
  const auto plain_a = a.plain_key(), plain_b = b.plain_key();
  return plain_a && plain_b ? *plain_a == *plain_b : a.key() == b.key();
}

// Indices of members that a later one of the same name replaces, in no order.
std::vector<std::size_t> superseded(const std::vector<Member>& members) {
  std::deque<std::string> decoded;
  std::vector<std::string_view> keys;
  keys.reserve(members.size());
  for (const auto& member : members) {
    const auto plain = member.plain_key();
    keys.push_back(plain ? *plain : std::string_view(decoded.emplace_back(member.key())));
  }
  std::vector<std::size_t> order(members.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(
      order, [&](std::size_t a, std::size_t b) { return keys[a] != keys[b] ? keys[a] < keys[b] : a < b; });
  std::vector<std::size_t> out;
  for (std::size_t i = 1; i < order.size(); ++i) {
    if (keys[order[i - 1]] == keys[order[i]]) out.push_back(order[i - 1]);
  }
  return out;
}

bool repeats_few(const json::Value& object) {
  const auto members = object.members();
  for (auto a = members.begin(); a != members.end(); ++a) {
    for (auto b = std::next(a); b != members.end(); ++b) {
      if (same_key(*a, *b)) return true;
    }
  }
  return false;
}

std::vector<Member> all_members(const json::Value& object) {
  std::vector<Member> out;
  out.reserve(object.size());
  for (const auto& member : object.members()) out.push_back(member);
  return out;
}

bool repeats(const json::Value& object) {
  return object.size() <= kFew ? repeats_few(object) : !superseded(all_members(object)).empty();
}

bool repeats_within(const json::Value& value) {
  if (value.is(json::Kind::array)) {
    for (const auto& element : value.elements()) {
      if (repeats_within(element)) return true;
    }
    return false;
  }
  if (!value.is(json::Kind::object)) return false;
  if (repeats(value)) return true;
  for (const auto& member : value.members()) {
    if (repeats_within(member.value)) return true;
  }
  return false;
}

}  // namespace

std::vector<Member> distinct_members(const json::Value& object) {
  auto members = all_members(object);
  if (object.size() <= kFew && !repeats_few(object)) return members;
  const auto gone = superseded(members);
  if (gone.empty()) return members;
  std::vector<char> drop(members.size());
  for (const std::size_t i : gone) drop[i] = 1;
  std::vector<Member> out;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (!drop[i]) out.push_back(members[i]);
  }
  return out;
}

void append_distinct(std::string& out, const json::Value& value) {
  if (!repeats_within(value)) {
    out += value.raw();
    return;
  }
  if (value.is(json::Kind::object)) {
    ObjectWriter object(value.raw().size());
    for (const auto& member : distinct_members(value)) object.copy(member);
    out += std::move(object).take();
    return;
  }
  char separator = '[';
  for (const auto& element : value.elements()) {
    out += std::exchange(separator, ',');
    append_distinct(out, element);
  }
  out += ']';
}

void ObjectWriter::copy(const Member& member) { append_distinct(begin_raw(member.raw_key()), member.value); }

}  // namespace sallyport::mcp
