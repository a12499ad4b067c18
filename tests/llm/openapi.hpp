#pragma once
/// A walker over OpenAI's API description: whether a value is what a schema there says. It knows what that
/// description uses: references, allOf, anyOf, oneOf, type, nullable, enum, required, properties, items.

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string>

namespace sallyport::llm::test {

class OpenApi {
 public:
  explicit OpenApi(nlohmann::json description) : description_(std::move(description)) {}

  /// Empty: it fits. Else what does not, and where.
  std::string check(const std::string& name, const nlohmann::json& value) const {
    return check(description_["components"]["schemas"][name], value, "");
  }

 private:
  using Json = nlohmann::json;

  static bool is(const std::string& type, const Json& value) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    if (type == "boolean") return value.is_boolean();
    return type == "null" && value.is_null();
  }

  const Json& resolved(const Json& schema) const {
    const Json* at = &schema;
    while (at->contains("$ref"))
      at = &description_.at(Json::json_pointer((*at)["$ref"].get<std::string>().substr(1)));
    return *at;
  }

  // The first that fits; else the complaint of the one that came furthest, whose place is the longest.
  std::string any_of(const Json& schemas, const Json& value, const std::string& where) const {
    std::string best;
    for (const auto& schema : schemas) {
      auto why = check(schema, value, where);
      if (why.empty()) return {};
      if (why.size() > best.size()) best = std::move(why);
    }
    return best;
  }

  std::string check_object(const Json& schema, const Json& value, const std::string& where) const {
    for (const auto& name : schema.value("required", Json::array())) {
      if (!value.contains(name.get<std::string>())) return where + ": lacks " + name.get<std::string>();
    }
    for (const auto& [name, property] : schema.value("properties", Json::object()).items()) {
      if (!value.contains(name)) continue;
      if (auto why = check(property, value[name], where + "/" + name); !why.empty()) return why;
    }
    return {};
  }

  std::string check(const Json& unresolved, const Json& value, const std::string& where) const {
    if (unresolved.value("nullable", false) && value.is_null()) return {};
    const auto& schema = resolved(unresolved);
    if (schema.value("nullable", false) && value.is_null()) return {};
    if (schema.contains("type") && !is(schema["type"], value))
      return where + ": is no " + schema["type"].get<std::string>();
    if (schema.contains("enum") && std::ranges::find(schema["enum"], value) == schema["enum"].end())
      return where + ": " + value.dump() + " is none of " + schema["enum"].dump();
    for (const auto& part : schema.value("allOf", Json::array())) {
      if (auto why = check(part, value, where); !why.empty()) return why;
    }
    for (const auto* const word : {"anyOf", "oneOf"}) {
      if (!schema.contains(word)) continue;
      if (auto why = any_of(schema[word], value, where); !why.empty()) return why;
    }
    if (value.is_object()) return check_object(schema, value, where);
    if (!value.is_array() || !schema.contains("items")) return {};
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (auto why = check(schema["items"], value[i], where + "/" + std::to_string(i)); !why.empty())
        return why;
    }
    return {};
  }

  Json description_;
};

}  // namespace sallyport::llm::test
