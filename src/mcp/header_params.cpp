#include <algorithm>
#include <set>
#include <span>

#include "distinct.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/mcp/headers.hpp"

namespace sallyport::mcp {

namespace {

constexpr std::string_view kMark = "x-mcp-header";

// JSON Schema 2020-12 keywords (and those of older drafts) that hold schemas. What any other keyword holds is
// data.
constexpr std::string_view kOneSchema[] = {
    "items",
    "additionalItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
    "contains",
    "not",
    "if",
    "then",
    "else",
    "propertyNames",
    "contentSchema",
};
constexpr std::string_view kListOfSchemas[] = {"items", "prefixItems", "allOf", "anyOf", "oneOf"};
constexpr std::string_view kMapOfSchemas[] = {"patternProperties", "$defs", "definitions", "dependentSchemas",
                                              "dependencies"};

bool is_one_of(std::string_view key, std::span<const std::string_view> keys) {
  return std::ranges::find(keys, key) != keys.end();
}

// RFC 9110, section 5.6.2
bool is_token(std::string_view text) {
  static constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || (c >= '0' && c <= '9') || kMarks.find(c) != std::string_view::npos;
  });
}

Failure broken(std::string_view why) {
  return fail(Code::upstream_broken, Blame::upstream, "x-mcp-header: " + std::string(why));
}

std::optional<HeaderParam::Type> type_from(std::string_view text) {
  if (text == "string") return HeaderParam::Type::string;
  if (text == "integer") return HeaderParam::Type::integer;
  if (text == "boolean") return HeaderParam::Type::boolean;
  return std::nullopt;
}

// `"string"`, or the same beside "null": an argument that is null is not mirrored.
std::optional<HeaderParam::Type> type_of(const json::Value& schema) {
  const auto type = schema.find("type");
  if (!type) return std::nullopt;
  if (const auto text = type->string()) return type_from(*text);
  std::optional<HeaderParam::Type> found;
  for (const auto& element : type->elements()) {
    const auto text = element.string();
    if (text == "null") continue;
    const auto one = text ? type_from(*text) : std::nullopt;
    if (!one || found) return std::nullopt;
    found = one;
  }
  return found;
}

class Marks {
 public:
  // `reachable`: from the root through `properties` alone.
  Result<void> walk(const json::Value& schema, bool reachable) {
    if (!schema.is(json::Kind::object)) return {};
    for (const auto& member : distinct_members(schema)) {
      auto ok = member.is(kMark) ? take_mark(schema, member.value, reachable)
                                 : descend(member.key(), member.value, reachable);
      if (!ok) return ok;
    }
    return {};
  }

  std::vector<HeaderParam> take() { return std::move(found_); }

 private:
  Result<void> descend(std::string_view key, const json::Value& value, bool reachable) {
    if (key == "properties") return walk_map(value, reachable);
    if (is_one_of(key, kMapOfSchemas)) return walk_map(value, false);
    if (value.is(json::Kind::array) && is_one_of(key, kListOfSchemas)) {
      for (const auto& element : value.elements()) {
        if (auto ok = walk(element, false); !ok) return ok;
      }
      return {};
    }
    return is_one_of(key, kOneSchema) ? walk(value, false) : Result<void>{};
  }

  Result<void> walk_map(const json::Value& map, bool reachable) {
    for (const auto& member : distinct_members(map)) {
      path_.push_back(member.key());
      auto ok = walk(member.value, reachable);
      path_.pop_back();
      if (!ok) return ok;
    }
    return {};
  }

  Result<void> take_mark(const json::Value& schema, const json::Value& mark, bool reachable) {
    if (!reachable || path_.empty()) return broken("on something other than a property of the arguments");
    const auto name = mark.string();
    if (!name || !is_token(*name)) return broken("the value is no header token");
    const auto type = type_of(schema);
    if (!type) return broken("the property is neither string, integer nor boolean");
    if (!names_.insert(lower(*name)).second) return broken("two properties claim one header");
    found_.push_back({.header = "Mcp-Param-" + *name, .path = path_, .type = *type});
    return {};
  }

  std::vector<std::string> path_;
  std::set<std::string> names_;
  std::vector<HeaderParam> found_;
};

// nullopt: absent, null, or below something that is no object. Those are not mirrored.
std::optional<json::Value> argument_at(const std::optional<json::Value>& arguments,
                                       const std::vector<std::string>& path) {
  auto at = arguments;
  for (const auto& name : path) {
    if (!at) return std::nullopt;
    at = at->find(name);
  }
  return at && !at->is(json::Kind::null) ? at : std::nullopt;
}

/// A JSON number as sign, digits without zeros at either end, and a power of ten: equal numbers have equal
/// forms.
struct Decimal {
  bool negative = false;
  std::string digits{};
  std::int64_t exponent = 0;
  bool operator==(const Decimal&) const = default;
};

std::string_view take_digits(std::string_view& text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto digits = text.substr(0, end);
  text.remove_prefix(end);
  return digits;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_exponent(std::string_view& text) {
  if (!take(text, 'e') && !take(text, 'E')) return 0;
  const bool negative = take(text, '-');
  if (!negative) take(text, '+');
  const auto digits = take_digits(text);
  constexpr std::size_t kMostDigits = 9;
  if (digits.empty() || digits.size() > kMostDigits) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return negative ? -value : value;
}

std::optional<Decimal> decimal_from(std::string_view text) {
  Decimal out;
  out.negative = take(text, '-');
  const auto whole = take_digits(text);
  if (whole.empty() || (whole.size() > 1 && whole.front() == '0')) return std::nullopt;
  std::string_view fraction;
  if (take(text, '.')) {
    fraction = take_digits(text);
    if (fraction.empty()) return std::nullopt;
  }
  const auto exponent = take_exponent(text);
  if (!exponent || !text.empty()) return std::nullopt;
  out.digits = std::string(whole) + std::string(fraction);
  out.exponent = *exponent - static_cast<std::int64_t>(fraction.size());
  const std::size_t last = out.digits.find_last_not_of('0');
  if (last == std::string::npos) return Decimal{};
  out.exponent += static_cast<std::int64_t>(out.digits.size() - last - 1);
  out.digits.erase(last + 1);
  out.digits.erase(0, out.digits.find_first_not_of('0'));
  return out;
}

bool says_the_same(const json::Value& argument, std::string_view header) {
  switch (argument.kind()) {
    case json::Kind::string:
      return argument.string() == header;
    case json::Kind::boolean:
      return argument.raw() == header;
    case json::Kind::number: {
      if (argument.raw() == header) return true;
      const auto a = decimal_from(argument.raw()), b = decimal_from(header);
      return a && b && *a == *b;
    }
    case json::Kind::null:
    case json::Kind::array:
    case json::Kind::object:
      return false;
  }
  return false;
}

Failure mismatch(const HeaderParam& param, std::string_view what) {
  return client_error(Code::header_mismatch, param.header + " " + std::string(what));
}

Result<void> check_one(const HeaderParam& param, const std::optional<json::Value>& argument,
                       const HeaderFinder& find) {
  const auto header = find(param.header);
  if (!header) return std::unexpected(header.error());
  if (!*header) return argument ? mismatch(param, "is missing") : Result<void>{};
  if (!argument) return mismatch(param, "is there, but the argument is not");
  const auto text = decode_header_value(**header);
  if (!text) return std::unexpected(text.error());
  return says_the_same(*argument, *text) ? Result<void>{} : mismatch(param, "differs from the argument");
}

}  // namespace

Result<std::vector<HeaderParam>> header_params(json::Value input_schema) {
  Marks marks;
  if (auto ok = marks.walk(input_schema, true); !ok) return std::unexpected(std::move(ok.error()));
  return marks.take();
}

Result<void> check_param_headers(const std::vector<HeaderParam>& params,
                                 const std::optional<json::Value>& arguments, const HeaderFinder& find) {
  for (const auto& param : params) {
    if (auto ok = check_one(param, argument_at(arguments, param.path), find); !ok) return ok;
  }
  return {};
}

std::vector<std::pair<std::string, std::string>> make_param_headers(
    const std::vector<HeaderParam>& params, const std::optional<json::Value>& arguments) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& param : params) {
    const auto argument = argument_at(arguments, param.path);
    if (!argument) continue;
    if (const auto text = argument->string()) {
      out.emplace_back(param.header, encode_header_value(*text));
    } else if (argument->is(json::Kind::number) || argument->is(json::Kind::boolean)) {
      out.emplace_back(param.header, std::string(argument->raw()));
    }
  }
  return out;
}

}  // namespace sallyport::mcp
