#pragma once
/// What expressions compute with. Values are small and borrow: from the tree, from the variables, or from the
/// workspace of one evaluation.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory_resource>
#include <optional>
#include <string_view>
#include <type_traits>
#include <variant>

#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::policy::cel {

/// The types as `type()` has them.
enum class Kind : std::uint8_t {
  null,
  boolean,
  integer,
  uinteger,
  real,
  text,
  bytes,
  list,
  map,
  timestamp,
  duration,
  type,
  fault,  ///< no value: an error on its way up
};

struct Value;
struct Entry;

struct Null {};
struct Bytes {
  std::string_view octets;
};
struct List {
  const Value* data;
  std::size_t size;
};
struct JsonList {
  json::Value array;
};
struct Map {
  const Entry* data;
  std::size_t size;
};
struct JsonMap {
  json::Value object;
};
/// Years 1 to 9999.
struct Timestamp {
  std::int64_t seconds;  ///< since 1970, UTC
  std::int32_t nanos;    ///< 0 to 999999999
};
struct Duration {
  std::int64_t nanos;
};
struct Type {
  Kind kind;
};
struct Fault {
  static constexpr std::uint32_t kNowhere = ~std::uint32_t{0};
  const char* what;
  std::uint32_t at = kNowhere;  ///< byte in the source
};

struct Value : std::variant<Null, bool, std::int64_t, std::uint64_t, double, std::string_view, Bytes, List,
                            JsonList, Map, JsonMap, Timestamp, Duration, Type, Fault> {
  using variant::variant;
  template <class T>
  const T* as() const {
    return std::get_if<T>(static_cast<const variant*>(this));
  }
  bool is_fault() const { return std::holds_alternative<Fault>(*this); }
  bool is_list() const {
    return std::holds_alternative<List>(*this) || std::holds_alternative<JsonList>(*this);
  }
  bool is_map() const { return std::holds_alternative<Map>(*this) || std::holds_alternative<JsonMap>(*this); }
};
static_assert(std::is_trivially_copyable_v<Value> && std::is_trivially_destructible_v<Value>);

struct Entry {
  Value key, value;
};

inline constexpr const char* kNoOverload = "no matching overload: these types do not go together here";

Kind kind_of(const Value& value);
/// As expressions write it: "int", "google.protobuf.Timestamp".
std::string_view name_of(Kind kind);
/// False for what a map literal may not have as a key.
bool is_key(const Value& value);

/// What one evaluation may use: steps, and memory that lives as long as its values.
class Workspace {
 public:
  explicit Workspace(std::uint64_t steps = limits::kExpressionCost)
      : left_(steps), memory_(buffer_, sizeof buffer_) {}
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  /// False when that was too much; every later call says so too.
  bool spend(std::uint64_t steps) {
    if (steps > left_) {
      left_ = 0;
      exhausted_ = true;
    } else {
      left_ -= steps;
    }
    return !exhausted_;
  }
  bool spend_bytes(std::size_t bytes) { return spend(1 + bytes / 64); }
  bool exhausted() const { return exhausted_; }
  std::uint64_t left() const { return left_; }

  /// Room for `count` values or bytes, paid for; nullptr when that is too much.
  template <class T>
  T* room(std::size_t count) {
    if (!(sizeof(T) == 1 ? spend_bytes(count) : spend(1 + count))) return nullptr;
    return static_cast<T*>(memory_.allocate(count * sizeof(T) + 1, alignof(T)));
  }

 private:
  std::uint64_t left_;
  bool exhausted_ = false;
  alignas(std::max_align_t) std::byte buffer_[1024];
  std::pmr::monotonic_buffer_resource memory_;
};

/// A copy of the text that lives as long as the workspace.
Value kept(std::string_view text, Workspace& workspace);

inline Value out_of_steps() { return Fault{"cost exceeded: the expression takes too many steps"}; }

/// Integers that fit are int, other numbers double. Arrays and objects stay as they are until something in
/// them is read.
Value from_json(const json::Value& value, Workspace& workspace);

std::size_t size_of_list(const Value& list);
std::size_t size_of_map(const Value& map);
/// Value at a key, or nothing; numeric keys meet across their types. Requires: map.is_map().
/// A fault when the steps are used up.
std::optional<Value> find(const Value& map, const Value& key, Workspace& workspace);
Value element(const Value& list, std::size_t index, Workspace& workspace);

/// visit(Value) -> bool: false ends it. Each costs a step. Requires: a list, or a map, whose keys are
/// visited.
template <class Visit>
void for_each(const Value& container, Workspace& workspace, Visit visit);
Value key_of(const json::Value::Member& member, Workspace& workspace);

/// CEL's ==: never an error, false across types that are not both numbers.
bool equal(const Value& a, const Value& b, Workspace& workspace);
/// CEL's < and its kin; nothing when the types have no order between them. Pays for what it reads.
std::optional<std::partial_ordering> compare(const Value& a, const Value& b, Workspace& workspace);

template <class Visit>
void for_each(const Value& container, Workspace& workspace, Visit visit) {
  if (const auto* list = container.as<List>()) {
    for (std::size_t i = 0; i < list->size; ++i)
      if (!workspace.spend(1) || !visit(list->data[i])) return;
  } else if (const auto* array = container.as<JsonList>()) {
    for (const auto item : array->array.elements())
      if (!workspace.spend(1) || !visit(from_json(item, workspace))) return;
  } else if (const auto* map = container.as<Map>()) {
    for (std::size_t i = 0; i < map->size; ++i)
      if (!workspace.spend(1) || !visit(map->data[i].key)) return;
  } else if (const auto* object = container.as<JsonMap>()) {
    for (const auto& member : object->object.members())
      if (!workspace.spend(1) || !visit(key_of(member, workspace))) return;
  }
}

}  // namespace sallyport::policy::cel
