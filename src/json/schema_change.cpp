#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

#include "sallyport/json/schema.hpp"
#include "schema_path.hpp"

namespace sallyport::json {
namespace {

constexpr std::size_t kReasons = 50;

constexpr auto kAnnotations = std::to_array<std::string_view>(
    {"title", "description", "default", "examples", "example", "deprecated", "readOnly", "writeOnly",
     "format", "$comment", "contentEncoding", "contentMediaType"});

struct Bound {
  std::string_view keyword;
  bool least;  ///< a larger number allows less
};
constexpr auto kBounds = std::to_array<Bound>({{"minimum", true},
                                               {"exclusiveMinimum", true},
                                               {"minLength", true},
                                               {"minItems", true},
                                               {"minProperties", true},
                                               {"maximum", false},
                                               {"exclusiveMaximum", false},
                                               {"maxLength", false},
                                               {"maxItems", false},
                                               {"maxProperties", false}});

constexpr auto kSchemas = std::to_array<std::string_view>(
    {"properties", "required", "type", "enum", "const", "items", "additionalProperties"});

/// On an argument of a tool: calls send it in a header as well, and are refused without.
constexpr std::string_view kMark = "x-mcp-header";

/// Those whose parts are compared as schemas of their own.
constexpr auto kNested = std::to_array<std::string_view>({"properties", "items", "additionalProperties"});

/// What names the dialect, and what references are relative to: prose only where there are none.
constexpr auto kBases = std::to_array<std::string_view>({"$schema", "$id", "id"});

/// Dialects, and what differs between them. Earlier drafts know neither "const" nor "if", and take 1.0 for no
/// integer. What no dialect knows ("nullable", "enumNames") says nothing in any.
constexpr auto kDialects = std::to_array<std::string_view>({"json-schema.org/draft-07/schema",
                                                            "json-schema.org/draft/2019-09/schema",
                                                            "json-schema.org/draft/2020-12/schema"});
constexpr auto kOneInAll = std::to_array<std::string_view>(
    {"items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"});
constexpr auto kListInAll = std::to_array<std::string_view>({"allOf", "anyOf", "oneOf"});
constexpr auto kMapInAll = std::to_array<std::string_view>({"properties", "patternProperties"});
constexpr auto kDiffering = std::to_array<std::string_view>(
    {"prefixItems", "additionalItems", "dependencies", "dependentRequired", "dependentSchemas", "minContains",
     "maxContains", "unevaluatedItems", "unevaluatedProperties", "$ref", "$anchor", "$dynamicRef",
     "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor", "$vocabulary"});

using Set = std::set<std::string>;
using Keywords = std::map<std::string, std::string>;

/// Types that a schema allows; nullopt: all.
std::optional<Set> types(const Value& schema) {
  const auto rule = schema.find("type");
  if (!rule) return std::nullopt;
  Set out;
  if (const auto one = rule->string()) out.insert(*one);
  for (const Value& each : rule->elements()) {
    if (const auto name = each.string()) out.insert(*name);
  }
  if (out.contains("number")) out.insert("integer");
  return out;
}

/// Values that a schema allows by enum or const; nullopt: all.
std::optional<Set> values(const Value& schema) {
  const auto only = schema.find("const");
  const auto rule = schema.find("enum");
  if (!only && !rule) return std::nullopt;
  Set out;
  if (rule) {
    for (const Value& each : rule->elements()) out.insert(canonical(each));
  }
  if (!only) return out;
  const std::string one = canonical(*only);
  return !rule || out.contains(one) ? Set{one} : Set{};
}

Set required(const Value& schema) {
  Set out;
  if (const auto rule = schema.find("required")) {
    for (const Value& each : rule->elements()) {
      if (const auto name = each.string()) out.insert(*name);
    }
  }
  return out;
}

/// Of keys that stand twice the last one, as Value::find has it.
std::map<std::string, Value> members_of(const Value& object) {
  std::map<std::string, Value> out;
  for (const auto& member : object.members()) out.insert_or_assign(member.key(), member.value);
  return out;
}

bool repeats(const Value& schema) {
  const auto properties = schema.find("properties");
  return members_of(schema).size() != schema.size() ||
         (properties && members_of(*properties).size() != properties->size());
}

std::map<std::string, Value> named(const Value& schema) {
  const auto rule = schema.find("properties");
  return rule ? members_of(*rule) : std::map<std::string, Value>();
}

bool among(std::string_view word, const auto& words) { return std::ranges::find(words, word) != words.end(); }

bool is_annotation(std::string_view keyword) {
  return among(keyword, kAnnotations) || keyword.starts_with("x-");
}

bool is_known_dialect(const Value& name) {
  auto text = name.string().value_or("");
  if (text.ends_with('#')) text.pop_back();
  const std::string_view uri = text;
  const auto scheme = uri.find("://");
  return scheme != std::string_view::npos && among(uri.substr(scheme + 3), kDialects);
}

/// Whether a schema without references means the same in each of kDialects.
bool same_in_dialects(const Value& schema) {
  const auto all_same = [](const Value& list) {
    return std::ranges::all_of(list.elements(), same_in_dialects);
  };
  return std::ranges::all_of(schema.members(), [&](const auto& member) {
    const std::string key = member.key();
    if (key == "$schema") return is_known_dialect(member.value);
    if (among(key, kOneInAll)) return !member.value.is(Kind::array) && same_in_dialects(member.value);
    if (among(key, kListInAll)) return all_same(member.value);
    if (among(key, kMapInAll)) {
      return std::ranges::all_of(member.value.members(),
                                 [](const auto& each) { return same_in_dialects(each.value); });
    }
    return !among(key, kDiffering);
  });
}

/// What of a schema decides over more than the place where it stands.
struct Reach {
  Set led_through;          ///< keywords through which references lead
  bool anywhere = false;    ///< references whose way is not told by keywords: anchors, escapes, "$dynamicRef"
  bool into_parts = false;  ///< references to what also counts where it stands
  bool rest_of_all = false;  ///< "unevaluated...": what the rest of the schema leaves over
  bool dialect = false;      ///< keywords that mean something else in another dialect
};

void add_reference(std::string_view reference, Reach& out) {
  const bool pointer = reference.starts_with("#/") && reference.find_first_of("~%") == std::string_view::npos;
  out.anywhere = out.anywhere || !pointer;
  out.into_parts =
      out.into_parts || (!reference.starts_with("#/$defs/") && !reference.starts_with("#/definitions/"));
  for (std::size_t from = 0; from < reference.size();) {
    const auto end = std::min(reference.find('/', from), reference.size());
    out.led_through.emplace(reference.substr(from, end - from));
    from = end + 1;
  }
}

void add_reach(const Value& value, Reach& out) {
  for (const auto& member : value.members()) {
    const std::string key = member.key();
    if (key == "$ref" || key == "$dynamicRef" || key == "$recursiveRef") {
      if (const auto reference = member.value.string()) add_reference(*reference, out);
      out.anywhere = out.anywhere || key != "$ref";
    }
    out.rest_of_all = out.rest_of_all || key.starts_with("unevaluated");
    add_reach(member.value, out);
  }
  for (const Value& each : value.elements()) add_reach(each, out);
}

/// Whether a keyword that is compared part by part has the kind of value that these parts have.
bool well_formed(std::string_view keyword, const Value& value) {
  const auto texts = [&] {
    return value.is(Kind::array) &&
           std::ranges::all_of(value.elements(), [](const Value& each) { return each.is(Kind::string); });
  };
  const bool one = value.is(Kind::object) || value.is(Kind::boolean);
  if (keyword == "properties") return value.is(Kind::object);
  if (keyword == "required") return texts();
  if (keyword == "type") return value.is(Kind::string) || texts();
  if (keyword == "enum") return value.is(Kind::array);
  if (keyword == "const") return true;
  if (keyword == "items") return one || value.is(Kind::array);
  if (keyword == "additionalProperties") return one;
  return value.number().has_value();
}

bool includes(const Set& all, const Set& part) { return std::ranges::includes(all, part); }

class Comparer {
 public:
  Comparer(SchemaOf of, Reach reach) : of_(of), reach_(std::move(reach)) {}

  void compare(const Value& before, const Value& after, const std::string& path) {
    if (canonical(before) == canonical(after)) return;
    if (!before.is(Kind::object) || !after.is(Kind::object)) {
      const auto is_schema = [](const Value& one) { return one.is(Kind::object) || one.boolean(); };
      if (!is_schema(before) || !is_schema(after)) return breaks(path, "changed, and how cannot be told");
      if (after.boolean() == true || before.boolean() == false) return loosen(path, "takes more than before");
      return tighten(path, "takes less than before");
    }
    if (repeats(before) || repeats(after))
      return breaks(path, "changed, and has a keyword or a property twice: readers differ over which counts");
    set_of(types(before), types(after), path, "type");
    set_of(values(before), values(after), path, "values");
    const Set needed = required(before), needs = required(after);
    for (const auto& name : needs) {
      if (!needed.contains(name)) tighten(path, fmt::format("\"{}\" is required now", name));
    }
    for (const auto& name : needed) {
      if (!needs.contains(name)) loosen(path, fmt::format("\"{}\" is not required any more", name));
    }
    properties(before, after, needed, needs, path);
    inner(before, after, "items", path);
    inner(before, after, "additionalProperties", path);
    for (const Bound& bound : kBounds) limit(before, after, bound, path);
    rest(before, after, path);
  }

  SchemaComparison take() {
    // What is allowed more in one place may be allowed less in another that refers to it, or under a "not".
    if (changed_ && breaks_.empty() && (reach_.into_parts || reach_.anywhere || reach_.rest_of_all))
      breaks("", "parts changed that count in several places, and how cannot be told");
    SchemaComparison out;
    out.change = !breaks_.empty()   ? SchemaChange::breaking
                 : !widens_.empty() ? SchemaChange::widened
                                    : SchemaChange::compatible;
    out.reasons = std::move(breaks_);
    out.reasons.insert(out.reasons.end(), widens_.begin(), widens_.end());
    return out;
  }

 private:
  static void add(std::vector<std::string>& to, const std::string& path, std::string_view what) {
    if (to.size() < kReasons) to.push_back(fmt::format("{}: {}", path.empty() ? "/" : path, what));
  }
  void breaks(const std::string& path, std::string_view what) { add(breaks_, path, what); }
  void widens(const std::string& path, std::string_view what) {
    changed_ = true;
    add(widens_, path, what);
  }
  /// Fewer values fit: that breaks whoever sends, and nobody who reads.
  void tighten(const std::string& path, std::string_view what) {
    changed_ = true;
    if (of_ == SchemaOf::input) breaks(path, what);
  }
  /// More values fit: that breaks whoever reads, and leaves room to whoever sends.
  void loosen(const std::string& path, std::string_view what) {
    changed_ = true;
    of_ == SchemaOf::input ? widens(path, what) : breaks(path, what);
  }

  void set_of(const std::optional<Set>& before, const std::optional<Set>& after, const std::string& path,
              std::string_view what) {
    if (before == after) return;
    const bool keeps = !after || (before && includes(*after, *before));
    const bool adds = !before ? false : !after || !includes(*before, *after);
    if (!keeps) tighten(path, fmt::format("fewer {} than before", what == "type" ? "types" : what));
    if (adds) loosen(path, fmt::format("more {} than before", what == "type" ? "types" : what));
  }

  /// What a schema says without its prose; none: everything fits.
  Keywords keywords_of(const Value& schema) const {
    if (schema.boolean() == true) return {};
    if (!schema.is(Kind::object) || repeats(schema)) return {{"", canonical(schema)}};
    Keywords out;
    for (const auto& [keyword, value] : members_of(schema)) {
      if (!is_prose(keyword)) out.emplace(keyword, canonical(value));
    }
    return out;
  }

  void properties(const Value& before, const Value& after, const Set& needed, const Set& needs,
                  const std::string& path) {
    const auto olds = named(before), news = named(after);
    for (const auto& [name, value] : olds) {
      const auto other = news.find(name);
      if (other != news.end()) {
        compare(value, other->second, below(path, name));
      } else {
        breaks(below(path, name), "is gone");
      }
    }
    const auto others = before.find("additionalProperties");
    const bool closed = of_ == SchemaOf::output && others && others->boolean() != true;
    const auto patterns = before.find("patternProperties");
    const bool by_pattern = patterns && patterns->size() > 0;
    const auto declared = others && others->boolean() != false ? keywords_of(*others) : Keywords();
    const auto takes_less = [&](const Value& value) {
      const auto now = keywords_of(value);
      return !now.empty() && (by_pattern || (!declared.empty() && now != declared));
    };
    for (const auto& [name, value] : news) {
      if (olds.contains(name)) continue;
      if (closed) {
        breaks(below(path, name), "is new where \"additionalProperties\" limited it");
      } else if (needed.contains(name)) {
        tighten(below(path, name), "is described now, and was needed before");
      } else if (of_ == SchemaOf::input && takes_less(value)) {
        tighten(below(path, name), "is described now, where other names had a schema before");
      } else if (!needs.contains(name)) {
        widens(below(path, name), "is new and optional");
      }
    }
  }

  /// A schema within; without one, everything fits.
  void inner(const Value& before, const Value& after, const std::string& keyword, const std::string& path) {
    const auto old = before.find(keyword);
    const auto now = after.find(keyword);
    const std::string place = keyword == "items" ? path + "/*" : path;
    if (old && now) return compare(*old, *now, place);
    const bool is_open = (old ? old : now) && (old ? old : now)->boolean() == true;
    if (is_open) return;
    if (old) loosen(place, fmt::format("\"{}\" does not limit it any more", keyword));
    if (now) tighten(place, fmt::format("\"{}\" limits it now", keyword));
  }

  void limit(const Value& before, const Value& after, const Bound& bound, const std::string& path) {
    const auto number = [&](const Value& schema) -> std::optional<double> {
      const auto rule = schema.find(bound.keyword);
      return rule ? rule->number() : std::nullopt;
    };
    const auto old = number(before);
    const auto now = number(after);
    if (old == now) return;
    const bool tighter = !old || (now && (bound.least ? *now > *old : *now < *old));
    if (tighter) {
      tighten(path, fmt::format("\"{}\" is tighter", bound.keyword));
    } else {
      loosen(path, fmt::format("\"{}\" is wider", bound.keyword));
    }
  }

  /// What cannot be compared counts as breaking.
  void rest(const Value& before, const Value& after, const std::string& path) {
    const auto olds = members_of(before), news = members_of(after);
    Set keywords;
    for (const auto& [keyword, value] : olds) keywords.insert(keyword);
    for (const auto& [keyword, value] : news) keywords.insert(keyword);
    for (const auto& keyword : keywords) {
      if (is_prose(keyword)) continue;
      const auto old = olds.find(keyword), now = news.find(keyword);
      const bool was = old != olds.end(), is = now != news.end();
      if (was && is && canonical(old->second) == canonical(now->second)) continue;
      // That it stands there counts for "unevaluated..." and for references through it, how it is written for
      // references into it.
      const bool leads = reach_.anywhere || reach_.led_through.contains(keyword);
      if (was != is && (reach_.rest_of_all || leads)) changed_ = true;
      if (!among(keyword, kNested) && leads) changed_ = true;
      // In draft 4 the exclusive bounds were flags, in draft 3 "required" was one.
      const bool compared = (among(keyword, kSchemas) ||
                             std::ranges::find(kBounds, keyword, &Bound::keyword) != kBounds.end()) &&
                            (!was || well_formed(keyword, old->second)) &&
                            (!is || well_formed(keyword, now->second));
      if (keyword == kMark) {
        breaks(path, fmt::format("\"{}\" changed: calls carry the argument in other headers", keyword));
      } else if (!compared) {
        breaks(path, fmt::format("\"{}\" changed, and how cannot be told", keyword));
      }
    }
  }

  /// A reference may lead into what is prose otherwise.
  bool is_prose(const std::string& keyword) const {
    if (reach_.anywhere || reach_.led_through.contains(keyword)) return false;
    if (among(keyword, kBases))
      return reach_.led_through.empty() && (keyword != "$schema" || !reach_.dialect);
    return is_annotation(keyword) && (keyword != kMark || of_ == SchemaOf::output);
  }

  const SchemaOf of_;
  const Reach reach_;
  bool changed_ = false;
  std::vector<std::string> breaks_, widens_;
};

}  // namespace

SchemaComparison compare(const Value& before, const Value& after, SchemaOf of) {
  Reach reach;
  add_reach(before, reach);
  add_reach(after, reach);
  reach.dialect = !same_in_dialects(before) || !same_in_dialects(after);
  Comparer comparer(of, std::move(reach));
  comparer.compare(before, after, "");
  return comparer.take();
}

}  // namespace sallyport::json
