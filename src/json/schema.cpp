#include "sallyport/json/schema.hpp"

#include <algorithm>
#include <array>
#include <bitset>
#include <cmath>
#include <map>
#include <set>

#include "sallyport/core/limits.hpp"
#include "schema_path.hpp"

namespace sallyport::json {
namespace {

constexpr int kDepth = 200;  ///< of schemas within schemas, references followed
// What one step pays for, besides a keyword: members that are passed over, bytes that are copied.
constexpr std::size_t kMembers = 8, kBytes = 32;

constexpr auto kIgnored = std::to_array<std::string_view>({"title",
                                                           "description",
                                                           "default",
                                                           "examples",
                                                           "example",
                                                           "deprecated",
                                                           "readOnly",
                                                           "writeOnly",
                                                           "format",
                                                           "$schema",
                                                           "$id",
                                                           "id",
                                                           "$comment",
                                                           "$defs",
                                                           "definitions",
                                                           "$anchor",
                                                           "contentEncoding",
                                                           "contentMediaType",
                                                           "then",
                                                           "else"});

/// Keywords that are read together with another one, or by name below.
constexpr auto kKnown = std::to_array<std::string_view>({"type",
                                                         "enum",
                                                         "const",
                                                         "required",
                                                         "properties",
                                                         "additionalProperties",
                                                         "items",
                                                         "prefixItems",
                                                         "propertyNames",
                                                         "minProperties",
                                                         "maxProperties",
                                                         "minItems",
                                                         "maxItems",
                                                         "uniqueItems",
                                                         "minLength",
                                                         "maxLength",
                                                         "minimum",
                                                         "maximum",
                                                         "exclusiveMinimum",
                                                         "exclusiveMaximum",
                                                         "allOf",
                                                         "anyOf",
                                                         "oneOf",
                                                         "not",
                                                         "if",
                                                         "$ref"});

/// Of the ignored ones those that "if" asks for.
constexpr auto kBranches = std::to_array<std::string_view>({"then", "else"});

std::size_t place_in(std::string_view word, const auto& words) {
  return static_cast<std::size_t>(std::ranges::find(words, word) - words.begin());
}
bool among(std::string_view word, const auto& words) { return place_in(word, words) != words.size(); }

bool is_integer(const Value& value) {
  if (value.integer()) return true;
  const auto number = value.number();
  return number && std::isfinite(*number) && std::floor(*number) == *number;
}

bool is_type(const Value& value, std::string_view type) {
  switch (value.kind()) {
    case Kind::null:
      return type == "null";
    case Kind::boolean:
      return type == "boolean";
    case Kind::number:
      return type == "number" || (type == "integer" && is_integer(value));
    case Kind::string:
      return type == "string";
    case Kind::array:
      return type == "array";
    case Kind::object:
      return type == "object";
  }
  return false;
}

std::size_t letters(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// The worse of two: failing beats not knowing, which beats fitting.
FitVerdict both(FitVerdict a, FitVerdict b) {
  if (a.fit == Fit::fails || b.fit == Fit::fits) return a;
  if (b.fit == Fit::fails || a.fit == Fit::fits) return b;
  return a;
}

FitVerdict fails(const std::string& path, std::string_view keyword) {
  return {.fit = Fit::fails, .why = (path.empty() ? "/" : path) + ": " + std::string(keyword)};
}
FitVerdict unknown(const std::string& path, std::string_view keyword) {
  return {.fit = Fit::undetermined, .why = (path.empty() ? "/" : path) + ": " + std::string(keyword)};
}

/// What it takes to look for a name among the members of an object, or to go through them.
std::size_t weight(const Value& object) {
  std::size_t bytes = 0;
  for (const auto& member : object.members()) bytes += member.raw_key().size();
  return object.size() / kMembers + bytes / kBytes;
}

/// A keyword that stands twice and decides something: readers differ over which of the two counts.
std::optional<std::string> repeated_keyword(const Value& schema) {
  std::bitset<kKnown.size() + kBranches.size()> seen;
  for (const auto& member : schema.members()) {
    std::string keyword = member.key();
    std::size_t index = place_in(keyword, kKnown);
    if (index == kKnown.size()) index += place_in(keyword, kBranches);
    if (index == seen.size()) continue;
    if (seen.test(index)) return keyword;
    seen.set(index);
  }
  return std::nullopt;
}

class Checker {
 public:
  Checker(const Value& root, std::int64_t steps) : root_(root), steps_(steps) {}
  std::int64_t left() const { return steps_; }

  FitVerdict check(const Value& schema, const Value& value, const std::string& path, int depth) {
    if (depth > kDepth || !spend(1)) return unknown(path, "takes too long");
    if (const auto all = schema.boolean())
      return *all ? FitVerdict{} : fails(path, "nothing is allowed here");
    if (!schema.is(Kind::object)) return unknown(path, "the schema is none");
    FitVerdict out;
    const std::size_t search = weight(schema);
    if (!spend(2 * search)) return unknown(path, "takes too long");
    if (const auto twice = repeated_keyword(schema)) return unknown(path, *twice);
    for (const auto& member : schema.members()) {
      const std::string keyword = member.key();
      if (among(keyword, kIgnored) || keyword.starts_with("x-")) continue;
      if (!among(keyword, kKnown)) {
        out = both(std::move(out), unknown(path, keyword));
        continue;
      }
      // Several keywords look for another one beside them.
      if (!spend(search)) return unknown(path, "takes too long");
      out = both(std::move(out), one(schema, keyword, member.value, value, path, depth));
      if (out.fit == Fit::fails) return out;
    }
    return out;
  }

 private:
  bool spend(std::size_t steps) {
    steps_ -= static_cast<std::int64_t>(steps);
    return steps_ >= 0;
  }

  bool spent() const { return steps_ < 0; }
  bool spend_on(const Value& value) { return spend(value.raw().size() / kBytes); }

  /// Whether a part of the schema has an identifier of its own, to which references in it are relative.
  bool has_other_bases() {
    if (!other_bases_) {
      if (!spend_on(root_)) return true;
      other_bases_ =
          std::ranges::any_of(root_.members(), [](const auto& m) { return names_a_base(m.value); });
    }
    return *other_bases_;
  }
  static bool names_a_base(const Value& part) {
    const auto elements = part.elements();
    return std::ranges::any_of(
               part.members(),
               [](const auto& member) {
                 return (member.value.is(Kind::string) && (member.is("$id") || member.is("id"))) ||
                        names_a_base(member.value);
               }) ||
           std::ranges::any_of(elements, names_a_base);
  }

  /// Whether the key of a member of `object` is also another member's.
  static bool stands_twice(const Value& object, const Value& member) {
    const auto is_it = [&](const auto& each) { return each.value.raw().data() == member.raw().data(); };
    const auto members = object.members();
    const auto found = std::ranges::find_if(members, is_it);
    if (found == members.end()) return false;
    const std::string key = (*found).key();
    return std::ranges::count_if(members, [&](const auto& each) { return each.key() == key; }) > 1;
  }

  /// Where a reference within the schema leads; nullopt: nowhere, or readers differ over it.
  std::optional<Value> follow(std::string_view pointer) {
    std::optional<Value> at = root_;
    while (at && !pointer.empty()) {
      const auto token = pointer.substr(0, pointer.find('/', 1));
      pointer.remove_prefix(token.size());
      if (!spend(1 + 2 * weight(*at))) return std::nullopt;
      const auto next = at_pointer(*at, token);
      if (next && stands_twice(*at, *next)) return std::nullopt;
      at = next;
    }
    return at;
  }

  FitVerdict one(const Value& schema, const std::string& keyword, const Value& rule, const Value& value,
                 const std::string& path, int depth) {
    const auto verdict = [&](bool ok) { return ok ? FitVerdict{} : fails(path, keyword); };
    const bool scalar = rule.is(Kind::number) || rule.is(Kind::string);
    if ((scalar && !spend_on(rule)) || (value.is(Kind::number) && !spend_on(value)))
      return unknown(path, "takes too long");
    if (keyword == "type") return type(rule, value, path);
    if (keyword == "const" || keyword == "enum") {
      if (!spend_on(rule) || !spend_on(value) || !spend(rule.size())) return unknown(path, "takes too long");
      if (keyword == "const") return verdict(canonical(rule) == canonical(value));
      const std::string text = canonical(value);
      return verdict(
          std::ranges::any_of(rule.elements(), [&](const Value& each) { return canonical(each) == text; }));
    }
    if (keyword == "$ref" || keyword == "allOf" || keyword == "anyOf" || keyword == "oneOf" ||
        keyword == "not" || keyword == "if")
      return combined(schema, keyword, rule, value, path, depth);
    if (value.is(Kind::object)) return of_object(schema, keyword, rule, value, path, depth);
    if (value.is(Kind::array)) return of_array(schema, keyword, rule, value, path, depth);
    if (value.is(Kind::string)) {
      const auto bound = rule.number();
      if (!spend_on(value)) return unknown(path, "takes too long");
      const auto size = [&] { return static_cast<double>(letters(value.string().value_or(""))); };
      if (keyword == "minLength") return bound ? verdict(size() >= *bound) : unknown(path, keyword);
      if (keyword == "maxLength") return bound ? verdict(size() <= *bound) : unknown(path, keyword);
    }
    if (value.is(Kind::number)) {
      const auto bound = rule.number();
      const auto number = value.number();
      const bool bounds = keyword.ends_with("inimum") || keyword.ends_with("aximum");
      if (bounds && (!bound || !number)) return unknown(path, keyword);
      if (keyword == "minimum") return verdict(*number >= *bound);
      if (keyword == "maximum") return verdict(*number <= *bound);
      if (keyword == "exclusiveMinimum") return verdict(*number > *bound);
      if (keyword == "exclusiveMaximum") return verdict(*number < *bound);
    }
    return {};
  }

  FitVerdict type(const Value& rule, const Value& value, const std::string& path) {
    if (!spend_on(rule)) return unknown(path, "takes too long");
    if (const auto name = rule.string()) return is_type(value, *name) ? FitVerdict{} : fails(path, "type");
    if (!rule.is(Kind::array)) return unknown(path, "type");
    for (const Value& each : rule.elements()) {
      if (const auto name = each.string(); name && is_type(value, *name)) return {};
    }
    return fails(path, "type");
  }

  FitVerdict combined(const Value& schema, const std::string& keyword, const Value& rule, const Value& value,
                      const std::string& path, int depth) {
    if (keyword == "$ref") {
      const auto reference = rule.string();
      if (!reference || !reference->starts_with("#")) return unknown(path, keyword);
      if (has_other_bases()) return unknown(path, keyword);
      const auto target = follow(std::string_view(*reference).substr(1));
      return target ? check(*target, value, path, depth + 1) : unknown(path, keyword);
    }
    if (keyword == "not") {
      auto inner = check(rule, value, path, depth + 1);
      if (inner.fit == Fit::undetermined) return inner;
      return inner.fit == Fit::fails ? FitVerdict{} : fails(path, keyword);
    }
    if (keyword == "if") {
      auto condition = check(rule, value, path, depth + 1);
      if (condition.fit == Fit::undetermined) return condition;
      const auto branch = schema.find(condition.fit == Fit::fits ? "then" : "else");
      return branch ? check(*branch, value, path, depth + 1) : FitVerdict{};
    }
    std::size_t fitting = 0, open = 0;
    FitVerdict all;
    for (const Value& each : rule.elements()) {
      if (spent()) return unknown(path, "takes too long");
      auto inner = check(each, value, path, depth + 1);
      fitting += inner.fit == Fit::fits ? 1 : 0;
      open += inner.fit == Fit::undetermined ? 1 : 0;
      all = both(std::move(all), std::move(inner));
    }
    if (keyword == "allOf") return all;
    if (keyword == "anyOf" && fitting > 0) return {};
    if (keyword == "oneOf" && fitting > 1) return fails(path, keyword);
    if (open > 0) return unknown(path, keyword);
    return fitting > 0 ? FitVerdict{} : fails(path, keyword);
  }

  /// Names of one side are looked for among the members of the other.
  static std::size_t search_cost(const std::string& keyword, const Value& rule, const Value& value,
                                 const std::optional<Value>& named) {
    const std::size_t search = weight(value);
    if (keyword == "required") return search + rule.size() * search + rule.raw().size() / kBytes;
    if (keyword == "properties") return search + value.raw().size() / kBytes + weight(rule);
    if (keyword == "additionalProperties") return search + (named ? value.size() * weight(*named) : 0);
    return 0;
  }

  FitVerdict of_object(const Value& schema, const std::string& keyword, const Value& rule, const Value& value,
                       const std::string& path, int depth) {
    FitVerdict out;
    const auto named = schema.find("properties");
    if (!spend(search_cost(keyword, rule, value, named))) return unknown(path, "takes too long");
    if (keyword == "required") {
      for (const Value& each : rule.elements()) {
        const auto name = each.string();
        if (name && !value.find(*name)) return fails(below(path, *name), keyword);
      }
    } else if (keyword == "properties") {
      return of_properties(rule, value, path, depth);
    } else if (keyword == "additionalProperties") {
      if (schema.find("patternProperties")) return unknown(path, "patternProperties");
      for (const auto& member : value.members()) {
        if (spent()) return unknown(path, "takes too long");
        const std::string name = member.key();
        if (named && named->find(name)) continue;
        auto inner = check(rule, member.value, below(path, name), depth + 1);
        if (inner.fit == Fit::fails && rule.boolean()) return fails(below(path, name), keyword);
        out = both(std::move(out), std::move(inner));
      }
    } else if (keyword == "propertyNames") {
      if (!spend_on(value)) return unknown(path, "takes too long");
      for (const auto& member : value.members()) {
        if (spent()) return unknown(path, "takes too long");
        const auto name = Document::parse(quote(member.key()));
        if (!name) return unknown(path, keyword);
        out = both(std::move(out), check(rule, name->root(), path, depth + 1));
      }
    } else if (keyword == "minProperties" || keyword == "maxProperties") {
      return count(keyword == "minProperties", rule, value.size(), path, keyword);
    }
    return out;
  }

  FitVerdict of_properties(const Value& rule, const Value& value, const std::string& path, int depth) {
    std::map<std::string, Value> there;
    for (const auto& member : value.members()) there.insert_or_assign(member.key(), member.value);
    std::map<std::string, Value> rules;
    for (const auto& member : rule.members()) {
      const std::string name = member.key();
      if (!there.contains(name)) continue;
      if (!rules.emplace(name, member.value).second) return unknown(below(path, name), "properties");
    }
    FitVerdict out;
    for (const auto& [name, its] : rules) {
      if (spent()) return unknown(path, "takes too long");
      out = both(std::move(out), check(its, there.at(name), below(path, name), depth + 1));
    }
    return out;
  }

  FitVerdict of_array(const Value& schema, const std::string& keyword, const Value& rule, const Value& value,
                      const std::string& path, int depth) {
    FitVerdict out;
    if (keyword == "items" || keyword == "prefixItems") {
      // In older drafts a list of schemas under "items" was what "prefixItems" is now.
      const bool by_place = rule.is(Kind::array);
      const auto prefix = schema.find("prefixItems");
      const std::size_t skip = !by_place && prefix ? prefix->size() : 0;
      auto place = rule.elements().begin();
      std::size_t index = 0;
      for (const Value& each : value.elements()) {
        if (by_place && index >= rule.size()) break;
        if (spent()) return unknown(path, "takes too long");
        if (index >= skip) {
          out = both(std::move(out),
                     check(by_place ? *place : rule, each, below(path, std::to_string(index)), depth + 1));
        }
        if (by_place) ++place;
        ++index;
      }
    } else if (keyword == "minItems" || keyword == "maxItems") {
      return count(keyword == "minItems", rule, value.size(), path, keyword);
    } else if (keyword == "uniqueItems" && rule.boolean() == true) {
      if (!spend_on(value) || !spend(value.size())) return unknown(path, "takes too long");
      std::set<std::string> seen;
      for (const Value& each : value.elements()) {
        if (!seen.insert(canonical(each)).second) return fails(path, keyword);
      }
    }
    return out;
  }

  static FitVerdict count(bool least, const Value& rule, std::size_t size, const std::string& path,
                          const std::string& keyword) {
    const auto bound = rule.number();
    if (!bound) return unknown(path, keyword);
    const auto n = static_cast<double>(size);
    return (least ? n >= *bound : n <= *bound) ? FitVerdict{} : fails(path, keyword);
  }

  Value root_;
  std::int64_t steps_;
  std::optional<bool> other_bases_{};
};

}  // namespace

FitVerdict check(const Value& schema, const Value& value) {
  std::int64_t steps = limits::kSchemaSteps;
  return check(schema, value, steps);
}

FitVerdict check(const Value& schema, const Value& value, std::int64_t& steps) {
  const std::int64_t most = std::min<std::int64_t>(steps, limits::kSchemaSteps);
  Checker checker(schema, most);
  auto out = checker.check(schema, value, "", 0);
  steps -= most - std::max<std::int64_t>(checker.left(), 0);
  return out;
}

}  // namespace sallyport::json
