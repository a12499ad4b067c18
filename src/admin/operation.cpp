#include "operation.hpp"

#include <fmt/format.h>

namespace sallyport::admin {

const nlohmann::json* Arguments::find(const char* key) {
  known_.insert(key);
  if (!object_.is_object()) return nullptr;
  const auto it = object_.find(key);
  return it == object_.end() || it->is_null() ? nullptr : &*it;
}

void Arguments::problem(const char* key, const char* what) {
  problems_.push_back(fmt::format("\"{}\" {}", key, what));
}

std::string Arguments::text(const char* key) {
  const auto* value = find(key);
  if (!value) {
    problem(key, "is missing");
  } else if (!value->is_string()) {
    problem(key, "must be a string");
  } else if (value->get_ref<const std::string&>().empty()) {
    problem(key, "must not be empty");
  } else {
    return value->get<std::string>();
  }
  return {};
}

std::string Arguments::text_or(const char* key, std::string fallback) {
  const auto* value = find(key);
  if (!value) return fallback;
  if (!value->is_string()) {
    problem(key, "must be a string");
    return fallback;
  }
  return value->get<std::string>();
}

bool Arguments::flag(const char* key) {
  const auto* value = find(key);
  if (!value) return false;
  if (!value->is_boolean()) {
    problem(key, "must be true or false");
    return false;
  }
  return value->get<bool>();
}

std::optional<std::int64_t> Arguments::number(const char* key) {
  const auto* value = find(key);
  if (!value) return std::nullopt;
  // A number above the signed range would change its sign when read.
  if (!value->is_number_integer() ||
      (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX)) {
    problem(key, "must be an integer");
    return std::nullopt;
  }
  return value->get<std::int64_t>();
}

std::vector<std::string> Arguments::list(const char* key) {
  const auto* value = find(key);
  std::vector<std::string> out;
  if (!value) return out;
  if (!value->is_array()) {
    problem(key, "must be a list of strings");
    return out;
  }
  for (const auto& item : *value) {
    if (!item.is_string()) {
      problem(key, "must be a list of strings");
      return {};
    }
    out.push_back(item.get<std::string>());
  }
  return out;
}

std::map<std::string, std::string> Arguments::map(const char* key) {
  const auto* value = find(key);
  std::map<std::string, std::string> out;
  if (!value) return out;
  if (!value->is_object()) {
    problem(key, "must be an object of strings");
    return out;
  }
  for (const auto& [name, item] : value->items()) {
    if (!item.is_string()) {
      problem(key, "must be an object of strings");
      return {};
    }
    out.emplace(name, item.get<std::string>());
  }
  return out;
}

const nlohmann::json* Arguments::any(const char* key) { return find(key); }

Result<void> Arguments::check(std::string_view op) const {
  std::vector<std::string> problems;
  if (!object_.is_object()) {
    problems.push_back(fmt::format("{}: the arguments must be a JSON object", op));
  } else {
    for (const auto& what : problems_) problems.push_back(fmt::format("{}: {}", op, what));
    for (const auto& [key, value] : object_.items()) {
      if (!known_.contains(key)) problems.push_back(fmt::format("{}: unknown argument \"{}\"", op, key));
    }
  }
  if (problems.empty()) return {};
  return std::unexpected(problems_error(Code::bad_request, problems));
}

Error problems_error(Code code, const std::vector<std::string>& problems) {
  std::string lines;
  for (const auto& problem : problems) {
    if (!lines.empty()) lines += '\n';
    lines += problem;
  }
  constexpr auto replace = nlohmann::json::error_handler_t::replace;
  return {.code = code,
          .blame = Blame::admin,
          .what = lines,
          .hint = lines,
          .data = nlohmann::json{{"problems", problems}}.dump(-1, ' ', false, replace)};
}

Result<void> reload(const Context& context) {
  if (!context.live.reload) return {};
  auto swapped = context.live.reload();
  if (swapped) return {};
  auto error = std::move(swapped.error());
  const std::string why = error.hint.empty() ? error.what : error.hint;
  error.hint =
      "the change is stored, but the running server could not take it up and goes on with what it had: " +
      why + "\ncorrect the documents and apply them again";
  return std::unexpected(std::move(error));
}

}  // namespace sallyport::admin
