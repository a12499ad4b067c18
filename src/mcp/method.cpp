#include <array>

#include "sallyport/mcp/message.hpp"

namespace sallyport::mcp {

namespace {

struct VersionName {
  Version version;
  std::string_view text;
};
constexpr std::array kVersions{
    VersionName{Version::v2024_11_05, "2024-11-05"}, VersionName{Version::v2025_03_26, "2025-03-26"},
    VersionName{Version::v2025_06_18, "2025-06-18"}, VersionName{Version::v2025_11_25, "2025-11-25"},
    VersionName{Version::v2026_07_28, "2026-07-28"},
};

// Where a method may come from a client.
enum From : std::uint8_t { kNobody = 0, kLegacyEra = 1, kModernEra = 2, kBothEras = 3 };

struct MethodName {
  Method method;
  std::string_view text;
  From from;
};
constexpr std::array kMethods{
    MethodName{Method::initialize, "initialize", kLegacyEra},
    MethodName{Method::ping, "ping", kLegacyEra},
    MethodName{Method::discover, "server/discover", kModernEra},
    MethodName{Method::tools_list, "tools/list", kBothEras},
    MethodName{Method::tools_call, "tools/call", kBothEras},
    MethodName{Method::resources_list, "resources/list", kBothEras},
    MethodName{Method::resources_templates_list, "resources/templates/list", kBothEras},
    MethodName{Method::resources_read, "resources/read", kBothEras},
    MethodName{Method::resources_subscribe, "resources/subscribe", kLegacyEra},
    MethodName{Method::resources_unsubscribe, "resources/unsubscribe", kLegacyEra},
    MethodName{Method::prompts_list, "prompts/list", kBothEras},
    MethodName{Method::prompts_get, "prompts/get", kBothEras},
    MethodName{Method::completion_complete, "completion/complete", kBothEras},
    MethodName{Method::logging_set_level, "logging/setLevel", kLegacyEra},
    MethodName{Method::subscriptions_listen, "subscriptions/listen", kModernEra},
    MethodName{Method::tasks_get, "tasks/get", kModernEra},
    MethodName{Method::tasks_update, "tasks/update", kModernEra},
    MethodName{Method::tasks_cancel, "tasks/cancel", kModernEra},
    MethodName{Method::sampling_create_message, "sampling/createMessage", kNobody},
    MethodName{Method::elicitation_create, "elicitation/create", kNobody},
    MethodName{Method::roots_list, "roots/list", kNobody},
    MethodName{Method::n_initialized, "notifications/initialized", kLegacyEra},
    MethodName{Method::n_cancelled, "notifications/cancelled", kBothEras},
    MethodName{Method::n_progress, "notifications/progress", kLegacyEra},
    MethodName{Method::n_message, "notifications/message", kNobody},
    MethodName{Method::n_tools_changed, "notifications/tools/list_changed", kNobody},
    MethodName{Method::n_prompts_changed, "notifications/prompts/list_changed", kNobody},
    MethodName{Method::n_resources_changed, "notifications/resources/list_changed", kNobody},
    MethodName{Method::n_resource_updated, "notifications/resources/updated", kNobody},
    MethodName{Method::n_roots_changed, "notifications/roots/list_changed", kLegacyEra},
};

}  // namespace

std::string_view text_of(Version v) {
  for (const auto& entry : kVersions) {
    if (entry.version == v) return entry.text;
  }
  return {};
}

std::optional<Version> version_from(std::string_view text) {
  for (const auto& entry : kVersions) {
    if (entry.text == text) return entry.version;
  }
  return std::nullopt;
}

std::string_view text_of(Method m) {
  for (const auto& entry : kMethods) {
    if (entry.method == m) return entry.text;
  }
  return {};
}

Method method_from(std::string_view text) {
  for (const auto& entry : kMethods) {
    if (entry.text == text) return entry.method;
  }
  return Method::unknown;
}

bool client_may_send(Method m, Version v) {
  for (const auto& entry : kMethods) {
    if (entry.method == m) return (entry.from & (is_modern(v) ? kModernEra : kLegacyEra)) != 0;
  }
  return false;
}

}  // namespace sallyport::mcp
