#include "cel_value.hpp"

#include <algorithm>

namespace sallyport::policy::cel {

namespace {

/// A string of a document: as it stands there, or decoded into the workspace.
template <class Decode>
Value text_from(std::optional<std::string_view> plain, std::size_t raw_bytes, Workspace& workspace,
                Decode decode) {
  if (plain) return *plain;
  if (!workspace.spend_bytes(raw_bytes * 4)) return out_of_steps();
  return kept(decode(), workspace);
}

/// The key if it is this text; decodes only what could be.
bool has_key(const json::Value::Member& member, std::string_view wanted, Workspace& workspace) {
  if (const auto plain = member.plain_key()) return *plain == wanted;
  return member.raw_key().size() > wanted.size() && workspace.spend_bytes(member.raw_key().size() * 4) &&
         member.is(wanted);
}

}  // namespace

Value kept(std::string_view text, Workspace& workspace) {
  char* const copy = workspace.room<char>(text.size());
  if (!copy) return out_of_steps();
  std::ranges::copy(text, copy);
  return std::string_view(copy, text.size());
}

Kind kind_of(const Value& value) {
  static constexpr Kind kinds[] = {Kind::null, Kind::boolean,   Kind::integer,  Kind::uinteger, Kind::real,
                                   Kind::text, Kind::bytes,     Kind::list,     Kind::list,     Kind::map,
                                   Kind::map,  Kind::timestamp, Kind::duration, Kind::type,     Kind::fault};
  static_assert(std::size(kinds) == std::variant_size_v<Value::variant>);
  return kinds[value.index()];
}

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "null_type";
    case Kind::boolean:
      return "bool";
    case Kind::integer:
      return "int";
    case Kind::uinteger:
      return "uint";
    case Kind::real:
      return "double";
    case Kind::text:
      return "string";
    case Kind::bytes:
      return "bytes";
    case Kind::list:
      return "list";
    case Kind::map:
      return "map";
    case Kind::timestamp:
      return "google.protobuf.Timestamp";
    case Kind::duration:
      return "google.protobuf.Duration";
    case Kind::type:
      return "type";
    case Kind::fault:
      break;
  }
  return "error";
}

bool is_key(const Value& value) {
  switch (kind_of(value)) {
    case Kind::boolean:
    case Kind::integer:
    case Kind::uinteger:
    case Kind::text:
      return true;
    default:
      return false;
  }
}

Value from_json(const json::Value& value, Workspace& workspace) {
  switch (value.kind()) {
    case json::Kind::null:
      return Null{};
    case json::Kind::boolean:
      return *value.boolean();
    case json::Kind::string:
      return text_from(value.plain(), value.raw().size(), workspace, [&] { return *value.string(); });
    case json::Kind::array:
      return JsonList{value};
    case json::Kind::object:
      return JsonMap{value};
    case json::Kind::number:
      break;
  }
  if (!workspace.spend_bytes(value.raw().size() * 4)) return out_of_steps();
  if (const auto integer = value.integer()) return *integer;
  if (const auto number = value.number()) return *number;
  return Fault{"a number here is beyond the range of a double"};
}

Value key_of(const json::Value::Member& member, Workspace& workspace) {
  return text_from(member.plain_key(), member.raw_key().size(), workspace, [&] { return member.key(); });
}

std::size_t size_of_list(const Value& list) {
  if (const auto* values = list.as<List>()) return values->size;
  return list.as<JsonList>()->array.size();
}

std::size_t size_of_map(const Value& map) {
  if (const auto* entries = map.as<Map>()) return entries->size;
  return map.as<JsonMap>()->object.size();
}

std::optional<Value> find(const Value& map, const Value& key, Workspace& workspace) {
  if (const auto* entries = map.as<Map>()) {
    for (std::size_t i = 0; i < entries->size; ++i) {
      if (!workspace.spend(1)) return out_of_steps();
      if (equal(entries->data[i].key, key, workspace)) return entries->data[i].value;
    }
    return std::nullopt;
  }
  const auto* text = key.as<std::string_view>();
  if (!text) return std::nullopt;
  for (const auto& member : map.as<JsonMap>()->object.members()) {
    if (!workspace.spend(1)) return out_of_steps();
    if (has_key(member, *text, workspace)) return from_json(member.value, workspace);
  }
  if (workspace.exhausted()) return out_of_steps();
  return std::nullopt;
}

Value element(const Value& list, std::size_t index, Workspace& workspace) {
  if (const auto* values = list.as<List>()) return values->data[index];
  if (!workspace.spend(index)) return out_of_steps();
  const auto elements = list.as<JsonList>()->array.elements();
  auto at = elements.begin();
  for (; index > 0; --index) ++at;
  return from_json(*at, workspace);
}

}  // namespace sallyport::policy::cel
