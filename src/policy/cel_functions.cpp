#include "cel_functions.hpp"

#include <re2/re2.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "cel_time.hpp"

namespace sallyport::policy::cel {

namespace {

constexpr std::array<Signature, 25> kSignatures{{
    {"size", Function::size, true, true, 1, 1},
    {"contains", Function::contains, false, true, 2, 2},
    {"startsWith", Function::starts_with, false, true, 2, 2},
    {"endsWith", Function::ends_with, false, true, 2, 2},
    {"matches", Function::matches, true, true, 2, 2},
    {"bool", Function::to_bool, true, false, 1, 1},
    {"bytes", Function::to_bytes, true, false, 1, 1},
    {"double", Function::to_double, true, false, 1, 1},
    {"duration", Function::to_duration, true, false, 1, 1},
    {"int", Function::to_int, true, false, 1, 1},
    {"string", Function::to_string, true, false, 1, 1},
    {"timestamp", Function::to_timestamp, true, false, 1, 1},
    {"uint", Function::to_uint, true, false, 1, 1},
    {"type", Function::type, true, false, 1, 1},
    {"dyn", Function::dyn, true, false, 1, 1},
    {"getFullYear", Function::full_year, false, true, 1, 2},
    {"getMonth", Function::month, false, true, 1, 2},
    {"getDayOfYear", Function::day_of_year, false, true, 1, 2},
    {"getDayOfMonth", Function::day_of_month, false, true, 1, 2},
    {"getDate", Function::date, false, true, 1, 2},
    {"getDayOfWeek", Function::day_of_week, false, true, 1, 2},
    {"getHours", Function::hours, false, true, 1, 2},
    {"getMinutes", Function::minutes, false, true, 1, 2},
    {"getSeconds", Function::seconds, false, true, 1, 2},
    {"getMilliseconds", Function::milliseconds, false, true, 1, 2},
}};

Value size(const Value& value, Workspace& workspace) {
  if (const auto* text = value.as<std::string_view>()) {
    if (!workspace.spend_bytes(text->size())) return out_of_steps();
    return std::int64_t{std::ranges::count_if(
        *text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; })};
  }
  if (const auto* bytes = value.as<Bytes>()) return static_cast<std::int64_t>(bytes->octets.size());
  if (value.is_list()) return static_cast<std::int64_t>(size_of_list(value));
  if (value.is_map()) return static_cast<std::int64_t>(size_of_map(value));
  return Fault{kNoOverload};
}

Value search(Function function, const Value& value, const Value& wanted, Workspace& workspace) {
  const auto *text = value.as<std::string_view>(), *part = wanted.as<std::string_view>();
  if (!text || !part) return Fault{kNoOverload};
  // memmem may compare up to 256 bytes at every place, and never more.
  const std::size_t places = function == Function::contains ? text->size() / 64 : 0;
  if (!workspace.spend(1 + places * (1 + std::min<std::size_t>(part->size(), 256) / 64) + part->size() / 64))
    return out_of_steps();
  switch (function) {
    case Function::contains:
      return part->empty() || memmem(text->data(), text->size(), part->data(), part->size()) != nullptr;
    case Function::starts_with:
      return text->starts_with(*part);
    default:
      return text->ends_with(*part);
  }
}

Value matches(const Value& value, const Value& pattern, const re2::RE2* compiled, Workspace& workspace) {
  const auto *text = value.as<std::string_view>(), *written = pattern.as<std::string_view>();
  if (!text || !written) return Fault{kNoOverload};
  std::unique_ptr<const re2::RE2> own;
  if (!compiled) {
    if (!workspace.spend(limits::kPatternCost)) return out_of_steps();
    own = compile_pattern(*written);
    if (!own->ok()) return Fault{"this regular expression is malformed or too large"};
    compiled = own.get();
  }
  if (!workspace.spend(1 + text->size() / 16)) return out_of_steps();
  return re2::RE2::PartialMatch(re2::StringPiece(text->data(), text->size()), *compiled);
}

Value part(Function function, std::span<const Value> arguments) {
  const auto which =
      static_cast<TimePart>(static_cast<int>(function) - static_cast<int>(Function::full_year));
  if (const auto* duration = arguments[0].as<Duration>()) {
    const auto value = arguments.size() == 1 ? part_of(*duration, which) : std::nullopt;
    return value ? Value(*value) : Fault{kNoOverload};
  }
  const auto* time = arguments[0].as<Timestamp>();
  if (!time) return Fault{kNoOverload};
  std::optional<std::int64_t> offset = 0;
  if (arguments.size() == 2) {
    const auto* zone = arguments[1].as<std::string_view>();
    if (!zone) return Fault{kNoOverload};
    offset = parse_offset(*zone);
  }
  if (!offset) return Fault{"only UTC and offsets like '+02:00' are known as time zones"};
  return part_of(*time, which, *offset);
}

}  // namespace

std::span<const Signature> signatures() { return kSignatures; }

const Signature* find_function(std::string_view name) {
  const auto* const found = std::ranges::find(kSignatures, name, &Signature::name);
  return found == kSignatures.end() ? nullptr : found;
}

std::unique_ptr<const re2::RE2> compile_pattern(std::string_view text) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(limits::kPatternMemory);
  // A pattern that does not compile stands for one that is too long.
  const std::string_view bounded = text.size() > limits::kPatternBytes ? "(" : text;
  return std::make_unique<const re2::RE2>(re2::StringPiece(bounded.data(), bounded.size()), options);
}

Value call(Function function, std::span<const Value> arguments, const re2::RE2* pattern,
           Workspace& workspace) {
  switch (function) {
    case Function::size:
      return size(arguments[0], workspace);
    case Function::contains:
    case Function::starts_with:
    case Function::ends_with:
      return search(function, arguments[0], arguments[1], workspace);
    case Function::matches:
      return matches(arguments[0], arguments[1], pattern, workspace);
    case Function::type:
      return Type{kind_of(arguments[0])};
    case Function::dyn:
      return arguments[0];
    case Function::to_bool:
    case Function::to_bytes:
    case Function::to_double:
    case Function::to_duration:
    case Function::to_int:
    case Function::to_string:
    case Function::to_timestamp:
    case Function::to_uint:
      return convert(function, arguments[0], workspace);
    default:
      return part(function, arguments);
  }
}

}  // namespace sallyport::policy::cel
