#include "sallyport/mcp/tool_schema.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "distinct.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/names.hpp"

namespace sallyport::mcp {
namespace {

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Failure unfit(const std::string& what) { return client_error(Code::bad_request, what); }

/// A list of texts without those that `gone` holds; what is no list stays as it is.
std::string without(json::Value list, const auto& gone) {
  std::string out;
  if (!list.is(json::Kind::array)) {
    append_distinct(out, list);
    return out;
  }
  out += '[';
  for (const json::Value item : list.elements()) {
    if (const auto text = item.string(); text && gone(*text)) continue;
    if (out.size() > 1) out += ',';
    append_distinct(out, item);
  }
  return out + "]";
}

/// A schema with objects in place of true and false among its properties; nullopt where there are none.
std::optional<std::string> without_booleans(json::Value schema) {
  const auto properties = schema.find("properties");
  if (!properties) return std::nullopt;
  ObjectWriter spelled(properties->raw().size());
  bool any = false;
  for (const auto& member : distinct_members(*properties)) {
    if (const auto verdict = member.value.boolean()) {
      any = true;
      spelled.add(member.key(), *verdict ? "{}" : R"({"not":{}})");
    } else {
      spelled.copy(member);
    }
  }
  if (!any) return std::nullopt;
  return rebuild_object(schema, {{"properties", std::move(spelled).take()}}, {});
}

}  // namespace

Result<std::string> narrow_schema(json::Value schema, const std::vector<std::string>& preset,
                                  const std::vector<std::string>& hidden) {
  constexpr std::array<std::string_view, 8> kEntangled = {
      "$ref", "allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "minProperties"};
  for (const std::string_view keyword : kEntangled) {
    if (schema.find(keyword))
      return unfit("its schema has \"" + std::string(keyword) +
                   "\" at the top: which arguments may go cannot be told from it");
  }
  const auto properties = schema.find("properties");
  for (const auto* names : {&preset, &hidden}) {
    for (const std::string& name : *names) {
      if (!properties || !properties->is(json::Kind::object) || !properties->find(name))
        return unfit("it declares no argument \"" + escaped(name) + "\"");
    }
  }
  const auto required = schema.find("required");
  if (required && required->is(json::Kind::array)) {
    for (const json::Value item : required->elements()) {
      if (const auto name = item.string(); name && contains(hidden, *name))
        return unfit("it requires the argument \"" + escaped(*name) +
                     "\": give it with \"preset\" in place of \"hide\"");
    }
  }
  const auto gone = [&](std::string_view name) { return contains(preset, name) || contains(hidden, name); };
  std::vector<std::string_view> removed;
  for (const auto* names : {&preset, &hidden}) removed.insert(removed.end(), names->begin(), names->end());
  std::vector<std::pair<std::string_view, std::string>> replaced{
      {"properties", rebuild_object(*properties, {}, removed)}};
  if (required) replaced.emplace_back("required", without(*required, gone));
  if (const auto dependent = schema.find("dependentRequired");
      dependent && dependent->is(json::Kind::object)) {
    ObjectWriter lists(dependent->raw().size());
    for (const auto& member : distinct_members(*dependent)) {
      if (!gone(member.key())) lists.add(member.key(), without(member.value, gone));
    }
    replaced.emplace_back("dependentRequired", std::move(lists).take());
  }
  return rebuild_object(schema, replaced, {});
}

std::optional<std::string> legacy_tool(json::Value tool) {
  std::vector<std::pair<std::string_view, std::string>> replaced;
  std::vector<std::string_view> removed;
  for (const std::string_view key : {"inputSchema", "outputSchema"}) {
    const auto schema = tool.find(key);
    if (!schema) continue;
    const auto type = schema->find("type");
    if (key == "outputSchema" && (!type || type->string() != "object")) {
      removed.push_back(key);
    } else if (auto spelled = without_booleans(*schema)) {
      replaced.emplace_back(key, std::move(*spelled));
    }
  }
  if (replaced.empty() && removed.empty()) return std::nullopt;
  return rebuild_object(tool, replaced, removed);
}

std::string merge_objects(json::Value base, json::Value over) {
  std::vector<std::string> keys;
  std::vector<std::pair<std::string_view, std::string>> members;
  for (const auto& member : over.members()) keys.push_back(member.key());
  for (std::size_t i = 0; i < keys.size(); ++i)
    members.emplace_back(keys[i], std::string(over.find(keys[i])->raw()));
  return rebuild_object(base, members, {});
}

}  // namespace sallyport::mcp
