#include "config_values.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "drop_path.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::llm {

std::string below(const std::string& at, std::string_view key) {
  return at.empty() ? std::string(key) : at + "," + std::string(key);
}

std::vector<std::string> ConfigValues::drops(json::Value value, const std::string& path) {
  std::vector<std::string> out;
  if (!value.is(json::Kind::array) || value.size() > limits::kRouteListed) {
    problems_.add(path, "has to be a list of at most " + std::to_string(limits::kRouteListed) + " names");
    return out;
  }
  for (const auto element : value.elements()) {
    auto text = element.string();
    if (!text || !drop_path(*text)) {
      problems_.add(below(path, std::to_string(out.size())),
                    R"(has to be the name of a parameter, or a path such as "messages[*].name")");
      return out;
    }
    out.push_back(*std::move(text));
  }
  return out;
}

Retry ConfigValues::retry(json::Value value, const std::string& path) {
  Retry out;
  if (!object(value, path)) return out;
  for (const auto& member : value.members()) {
    const std::string key = member.key(), at = below(path, key);
    if (key == "attempts") {
      out.attempts = static_cast<int>(integer(member.value, at, 0, limits::kRouteRetries));
    } else if (key == "on_status_codes") {
      out.on_status = statuses(member.value, at);
    } else if (key == "use_retry_after_header" || key == "use_retry_after_headers") {
      out.use_retry_after = flag(member.value, at);
    } else {
      problems_.add(at, "is unknown");
    }
  }
  if (!value.find("attempts")) problems_.add(below(path, "attempts"), "is missing");
  return out;
}

BreakerOptions ConfigValues::breaker(json::Value value, const std::string& path) {
  BreakerOptions out;
  if (!object(value, path)) return out;
  constexpr std::int64_t kMost = 1'000'000;
  for (const auto& member : value.members()) {
    const std::string key = member.key(), at = below(path, key);
    if (key == "failure_threshold") {
      out.failure_threshold = static_cast<int>(integer(member.value, at, 1, kMost));
    } else if (key == "failure_threshold_percentage") {
      out.failure_threshold_percentage = static_cast<int>(integer(member.value, at, 1, 100));
    } else if (key == "minimum_requests") {
      out.minimum_requests = static_cast<int>(integer(member.value, at, 1, kMost));
    } else if (key == "cooldown_interval") {
      out.cooldown = millis(member.value, at, limits::kRouteCooldown, limits::kRouteCooldownMax);
    } else if (key == "failure_status_codes") {
      out.failure_status_codes = statuses(member.value, at);
    } else {
      problems_.add(at, "is unknown");
    }
  }
  if (!value.find("failure_threshold") && !value.find("failure_threshold_percentage"))
    problems_.add(path, "never opens: give it a failure_threshold or a failure_threshold_percentage");
  return out;
}

std::vector<FactField> ConfigValues::sticky(json::Value value, const std::string& path) {
  std::vector<FactField> fields;
  if (!object(value, path)) return fields;
  bool enabled = false;
  for (const auto& member : value.members()) {
    const std::string key = member.key(), at = below(path, key);
    if (key == "enabled") {
      enabled = flag(member.value, at);
    } else if (key == "hash_fields") {
      fields = hash_fields(member.value, at);
    } else if (key == "ttl") {
      integer(member.value, at, 1, std::int64_t{366} * 24 * 3600);
    } else {
      problems_.add(at, "is unknown");
    }
  }
  if (enabled && !value.find("hash_fields"))
    problems_.add(below(path, "hash_fields"), R"(is missing: say by what, such as ["metadata.user_id"])");
  if (!enabled) fields.clear();
  return fields;
}

std::vector<FactField> ConfigValues::hash_fields(json::Value value, const std::string& path) {
  std::vector<FactField> out;
  if (value.is(json::Kind::array) && value.size() <= limits::kRouteListed) {
    for (const auto element : value.elements()) {
      const auto text = element.string();
      auto field = text ? field_from(*text) : std::nullopt;
      if (!field) break;
      out.push_back(*std::move(field));
    }
  }
  if (out.empty() || out.size() != value.size())
    problems_.add(path, "has to be a list of metadata.NAME, params.NAME or url.pathname");
  return out;
}

bool ConfigValues::object(json::Value value, const std::string& path) {
  if (value.is(json::Kind::object)) return true;
  problems_.add(path, "has to be an object");
  return false;
}

std::string ConfigValues::name(json::Value value, const std::string& path) {
  auto text = value.string();
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (text && !text->empty() && text->size() <= limits::kNameBytes && std::ranges::none_of(*text, is_control))
    return *std::move(text);
  problems_.add(path, "has to be a name of 1 to " + std::to_string(limits::kNameBytes) + " bytes");
  return {};
}

double ConfigValues::weight(json::Value value, const std::string& path) {
  constexpr double kMost = 1e6;
  const auto number = value.number();
  if (number && *number >= 0 && *number <= kMost) return *number;
  problems_.add(path, "has to be a number from 0 to 1000000");
  return 1;
}

bool ConfigValues::flag(json::Value value, const std::string& path) {
  const auto said = value.boolean();
  if (!said) problems_.add(path, "has to be true or false");
  return said.value_or(false);
}

std::int64_t ConfigValues::integer(json::Value value, const std::string& path, std::int64_t least,
                                   std::int64_t most) {
  const auto number = value.integer();
  if (number && *number >= least && *number <= most) return *number;
  problems_.add(path,
                "has to be a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return least;
}

std::chrono::milliseconds ConfigValues::millis(json::Value value, const std::string& path,
                                               std::chrono::milliseconds least,
                                               std::chrono::milliseconds most) {
  return std::chrono::milliseconds(integer(value, path, least.count(), most.count()));
}

std::vector<int> ConfigValues::statuses(json::Value value, const std::string& path) {
  std::vector<int> out;
  if (!value.is(json::Kind::array) || value.size() == 0 || value.size() > limits::kRouteListed) {
    problems_.add(path, "has to be a list of 1 to " + std::to_string(limits::kRouteListed) + " status codes");
    return out;
  }
  for (const auto element : value.elements()) {
    out.push_back(static_cast<int>(integer(element, below(path, std::to_string(out.size())), 100, 599)));
  }
  return out;
}

}  // namespace sallyport::llm
