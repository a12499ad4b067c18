#include "sallyport/mcp/params.hpp"

#include <algorithm>

namespace sallyport::mcp {

namespace {

using json::Kind;

enum class Need : std::uint8_t { required, optional };

struct Expect {
  std::string_view key;
  Kind kind = Kind::string;
  Need need = Need::required;
};

std::string_view article_of(Kind kind) {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "a boolean";
    case Kind::number:
      return "a number";
    case Kind::string:
      return "a string";
    case Kind::array:
      return "an array";
    case Kind::object:
      return "an object";
  }
  return {};
}

Result<void> check(const std::optional<json::Value>& object, std::initializer_list<Expect> expected) {
  for (const Expect& e : expected) {
    const auto value = object ? object->find(e.key) : std::nullopt;
    if (value ? value->is(e.kind) : e.need == Need::optional) continue;
    return client_error(Code::invalid_params,
                        "params: `" + std::string(e.key) + "` must be " + std::string(article_of(e.kind)));
  }
  return {};
}

Result<void> check_reference(const std::optional<json::Value>& params) {
  const auto ref = params->find("ref");
  const auto type = ref->find("type");
  const auto text = type ? type->string() : std::nullopt;
  if (text == "ref/prompt") return check(ref, {{.key = "name"}});
  if (text == "ref/resource") return check(ref, {{.key = "uri"}});
  return client_error(Code::invalid_params, "params: `ref.type` must be ref/prompt or ref/resource");
}

Result<void> check_completion(const std::optional<json::Value>& params) {
  if (auto ok =
          check(params, {{.key = "ref", .kind = Kind::object}, {.key = "argument", .kind = Kind::object}});
      !ok) {
    return ok;
  }
  if (auto ok = check_reference(params); !ok) return ok;
  return check(params->find("argument"), {{.key = "name"}, {.key = "value"}});
}

Result<void> check_level(const std::optional<json::Value>& params) {
  if (auto ok = check(params, {{.key = "level"}}); !ok) return ok;
  if (is_log_level(*params->find("level")->string())) return {};
  return client_error(Code::invalid_params, "params: `level` is no log level");
}

Result<void> check_listen(const std::optional<json::Value>& params) {
  if (auto ok = check(params, {{.key = "notifications", .kind = Kind::object}}); !ok) return ok;
  const auto filter = params->find("notifications");
  for (const std::string_view key : {"resourceSubscriptions", "taskIds"}) {
    if (auto ok = check(filter, {{.key = key, .kind = Kind::array, .need = Need::optional}}); !ok) return ok;
    const auto list = filter->find(key);
    if (!list) continue;
    const auto elements = list->elements();
    if (!std::ranges::all_of(elements, [](const json::Value& v) { return v.is(Kind::string); })) {
      return client_error(Code::invalid_params, "params: `" + std::string(key) + "` must hold strings");
    }
  }
  return check(filter, {{.key = "toolsListChanged", .kind = Kind::boolean, .need = Need::optional},
                        {.key = "promptsListChanged", .kind = Kind::boolean, .need = Need::optional},
                        {.key = "resourcesListChanged", .kind = Kind::boolean, .need = Need::optional}});
}

constexpr Expect kRequestState{.key = "requestState", .kind = Kind::string, .need = Need::optional};
constexpr Expect kInputResponses{.key = "inputResponses", .kind = Kind::object, .need = Need::optional};

}  // namespace

Result<void> check_params(Method method, const std::optional<json::Value>& params) {
  switch (method) {
    case Method::initialize:
      return check(params, {{.key = "protocolVersion"},
                            {.key = "capabilities", .kind = Kind::object},
                            {.key = "clientInfo", .kind = Kind::object, .need = Need::optional}});
    case Method::tools_list:
    case Method::resources_list:
    case Method::resources_templates_list:
    case Method::prompts_list:
      return check(params, {{.key = "cursor", .need = Need::optional}});
    case Method::tools_call:
    case Method::prompts_get:
      return check(params, {{.key = "name"},
                            {.key = "arguments", .kind = Kind::object, .need = Need::optional},
                            kRequestState,
                            kInputResponses});
    case Method::resources_read:
      return check(params, {{.key = "uri"}, kRequestState, kInputResponses});
    case Method::resources_subscribe:
    case Method::resources_unsubscribe:
      return check(params, {{.key = "uri"}});
    case Method::completion_complete:
      return check_completion(params);
    case Method::logging_set_level:
      return check_level(params);
    case Method::subscriptions_listen:
      return check_listen(params);
    case Method::tasks_get:
    case Method::tasks_cancel:
      return check(params, {{.key = "taskId"}});
    case Method::tasks_update:
      return check(params, {{.key = "taskId"}, {.key = "inputResponses", .kind = Kind::object}});
    default:
      return {};
  }
}

std::optional<std::string> mirrored_name(Method method, const std::optional<json::Value>& params) {
  std::string_view key;
  switch (method) {
    case Method::tools_call:
    case Method::prompts_get:
      key = "name";
      break;
    case Method::resources_read:
      key = "uri";
      break;
    case Method::tasks_get:
    case Method::tasks_update:
    case Method::tasks_cancel:
      key = "taskId";
      break;
    default:
      return std::nullopt;
  }
  const auto value = params ? params->find(key) : std::nullopt;
  return value ? value->string() : std::nullopt;
}

bool is_log_level(std::string_view text) {
  static constexpr std::string_view kLevels[] = {"debug", "info",     "notice", "warning",
                                                 "error", "critical", "alert",  "emergency"};
  return std::ranges::find(kLevels, text) != std::end(kLevels);
}

}  // namespace sallyport::mcp
