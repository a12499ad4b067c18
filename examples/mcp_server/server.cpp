#include "mcp_server/server.hpp"

#include <algorithm>
#include <array>

namespace mcp_server {
namespace {

constexpr std::array kLegacyVersions = {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"};
constexpr int kListTtlMs = 30'000;
constexpr std::size_t kMaxCompletions = 100;  // the protocol's own bound

const char* const kMetaVersion = "io.modelcontextprotocol/protocolVersion";
const char* const kMetaCapabilities = "io.modelcontextprotocol/clientCapabilities";
const char* const kMetaServer = "io.modelcontextprotocol/serverInfo";

Json member(const Json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() ? Json(nullptr) : *found;
}

std::string text_param(const Json& params, const char* name) {
  const Json value = member(params, name);
  if (!value.is_string()) throw RpcError{kInvalidParams, std::string("params.") + name + " must be a string"};
  return value.get<std::string>();
}

void check_envelope(const Json& params) {
  const Json meta = member(params, "_meta");
  const Json version = member(meta, kMetaVersion);
  if (!version.is_string())
    throw RpcError{kInvalidParams, std::string("params._meta needs ") + kMetaVersion, 400};
  if (version != kModernVersion)
    throw RpcError{kUnsupportedVersion,
                   "unsupported protocol version",
                   400,
                   {{"supported", Json::array({kModernVersion})}, {"requested", version}}};
  if (!member(meta, kMetaCapabilities).is_object())
    throw RpcError{kInvalidParams, std::string("params._meta needs ") + kMetaCapabilities, 400};
}

bool is_cacheable(const std::string& method) {
  return method == "server/discover" || method == "resources/read" || method.ends_with("/list");
}

RpcError no_such_method(const std::string& method, bool modern) {
  return {kMethodNotFound, "no such method: " + method, modern ? 404 : 200};
}

}  // namespace

bool is_modern(const Json& message) {
  return !member(member(member(message, "params"), "_meta"), kMetaVersion).is_null();
}

bool is_legacy_version(const std::string& version) {
  return std::ranges::find(kLegacyVersions, version) != kLegacyVersions.end();
}

Json error_body(const Json& id, const RpcError& error) {
  Json body = {{"jsonrpc", "2.0"}, {"id", id}, {"error", {{"code", error.code}, {"message", error.message}}}};
  if (!error.data.is_null()) body["error"]["data"] = error.data;
  return body;
}

std::string text_argument(const Json& arguments, const std::string& name) {
  const Json value = member(arguments, name.c_str());
  if (!value.is_string()) throw ToolFailure("argument \"" + name + "\" must be a string");
  return value.get<std::string>();
}

int number_argument(const Json& arguments, const std::string& name, int fallback, int low, int high) {
  const Json value = member(arguments, name.c_str());
  if (value.is_null()) return fallback;
  if (!value.is_number_integer() || value < low || value > high)
    throw ToolFailure("argument \"" + name + "\" must be a whole number from " + std::to_string(low) +
                      " to " + std::to_string(high));
  return value.get<int>();
}

void Call::progress(double done, double total, const std::string& message) const {
  if (token_.is_null()) return;
  const bool heard = notify_(
      {{"jsonrpc", "2.0"},
       {"method", "notifications/progress"},
       {"params", {{"progressToken", token_}, {"progress", done}, {"total", total}, {"message", message}}}});
  if (!heard) throw ToolFailure("the caller has gone");
}

void Server::serve_resources(std::vector<ResourceTemplate> templates,
                             std::function<std::vector<Resource>()> list,
                             std::function<std::optional<std::string>(const std::string&)> read) {
  templates_ = std::move(templates);
  list_resources_ = std::move(list);
  read_resource_ = std::move(read);
}

const Tool* Server::find_tool(const std::string& name) const {
  const auto found = std::ranges::find(tools_, name, &Tool::name);
  return found == tools_.end() ? nullptr : &*found;
}

Answer Server::handle(const Json& message, const Notify& notify) const {
  Json id = member(message, "id");
  try {
    if (!id.is_string() && !id.is_number_integer()) id = nullptr;
    const Json method = member(message, "method");
    if (member(message, "jsonrpc") != "2.0" ||
        (!method.is_string() && !message.contains("result") && !message.contains("error")))
      throw RpcError{kInvalidRequest, "not a JSON-RPC 2.0 message", 400};
    if (!method.is_string() || !message.contains("id")) return {202, std::nullopt};
    if (id.is_null()) throw RpcError{kInvalidRequest, "id must be a string or an integer", 400};

    const Json params = message.value("params", Json::object());
    const bool modern = is_modern(message);
    if (modern) check_envelope(params);
    Json result = dispatch(method, params, modern, notify);
    if (modern) {
      result["resultType"] = "complete";
      result["_meta"][kMetaServer] = {{"name", name_}, {"version", version_}};
      if (is_cacheable(method)) {
        result["ttlMs"] = kListTtlMs;
        result["cacheScope"] = "public";
      }
    }
    return {200, Json{{"jsonrpc", "2.0"}, {"id", id}, {"result", std::move(result)}}};
  } catch (const RpcError& error) {
    return {error.status, error_body(id, error)};
  } catch (const std::exception& problem) {
    return {200, error_body(id, {kInternalError, problem.what()})};
  }
}

Json Server::dispatch(const std::string& method, const Json& params, bool modern,
                      const Notify& notify) const {
  if (modern && method == "server/discover") return discover();
  if (!modern && method == "initialize") return initialize(params);
  if (!modern && method == "ping") return Json::object();
  if (method == "tools/list") return list_tools();
  if (method == "tools/call") return call_tool(params, notify);
  if (read_resource_) {
    if (method == "resources/list") return list_resources();
    if (method == "resources/templates/list") return list_templates();
    if (method == "resources/read") return read_resource(params, modern);
  }
  if (!prompts_.empty()) {
    if (method == "prompts/list") return list_prompts();
    if (method == "prompts/get") return get_prompt(params);
  }
  if (complete_ && method == "completion/complete") return complete(params);
  throw no_such_method(method, modern);
}

Json Server::capabilities() const {
  Json found = {{"tools", Json::object()}};
  if (read_resource_) found["resources"] = Json::object();
  if (!prompts_.empty()) found["prompts"] = Json::object();
  if (complete_) found["completions"] = Json::object();
  return found;
}

Json Server::initialize(const Json& params) const {
  const std::string wanted = text_param(params, "protocolVersion");
  return {{"protocolVersion", is_legacy_version(wanted) ? wanted : kLegacyVersions.front()},
          {"capabilities", capabilities()},
          {"serverInfo", {{"name", name_}, {"version", version_}}},
          {"instructions", instructions_}};
}

Json Server::discover() const {
  return {{"supportedVersions", Json::array({kModernVersion})},
          {"capabilities", capabilities()},
          {"instructions", instructions_}};
}

Json Server::list_tools() const {
  Json tools = Json::array();
  for (const Tool& tool : tools_) {
    Json one = {{"name", tool.name},
                {"title", tool.title},
                {"description", tool.description},
                {"inputSchema", tool.input_schema},
                {"annotations", {{"readOnlyHint", tool.read_only}, {"openWorldHint", false}}}};
    if (!tool.output_schema.is_null()) one["outputSchema"] = tool.output_schema;
    tools.push_back(std::move(one));
  }
  return {{"tools", std::move(tools)}};
}

Json Server::call_tool(const Json& params, const Notify& notify) const {
  const std::string name = text_param(params, "name");
  const Tool* tool = find_tool(name);
  if (tool == nullptr) throw RpcError{kInvalidParams, "no such tool: " + name};
  const Json arguments = params.value("arguments", Json::object());
  try {
    const ToolResult done =
        tool->run(arguments, Call(member(member(params, "_meta"), "progressToken"), notify));
    Json result = {{"content", {{{"type", "text"}, {"text", done.text}}}}, {"isError", false}};
    if (!done.structured.is_null()) result["structuredContent"] = done.structured;
    return result;
  } catch (const ToolFailure& failure) {
    return {{"content", {{{"type", "text"}, {"text", failure.what()}}}}, {"isError", true}};
  }
}

Json Server::list_resources() const {
  Json resources = Json::array();
  for (const Resource& resource : list_resources_())
    resources.push_back({{"uri", resource.uri},
                         {"name", resource.name},
                         {"title", resource.title},
                         {"mimeType", resource.mime_type}});
  return {{"resources", std::move(resources)}};
}

Json Server::list_templates() const {
  Json templates = Json::array();
  for (const ResourceTemplate& one : templates_)
    templates.push_back({{"uriTemplate", one.uri_template},
                         {"name", one.name},
                         {"title", one.title},
                         {"description", one.description},
                         {"mimeType", one.mime_type}});
  return {{"resourceTemplates", std::move(templates)}};
}

Json Server::read_resource(const Json& params, bool modern) const {
  const std::string uri = text_param(params, "uri");
  const auto text = read_resource_(uri);
  if (!text)
    throw RpcError{
        modern ? kInvalidParams : kResourceNotFoundLegacy, "no such resource", 200, {{"uri", uri}}};
  const std::string mime_type = templates_.empty() ? "text/plain" : templates_.front().mime_type;
  return {{"contents", {{{"uri", uri}, {"mimeType", mime_type}, {"text", *text}}}}};
}

Json Server::list_prompts() const {
  Json prompts = Json::array();
  for (const Prompt& prompt : prompts_) {
    Json arguments = Json::array();
    for (const Prompt::Argument& argument : prompt.arguments)
      arguments.push_back(
          {{"name", argument.name}, {"description", argument.description}, {"required", argument.required}});
    prompts.push_back({{"name", prompt.name},
                       {"title", prompt.title},
                       {"description", prompt.description},
                       {"arguments", std::move(arguments)}});
  }
  return {{"prompts", std::move(prompts)}};
}

Json Server::get_prompt(const Json& params) const {
  const std::string name = text_param(params, "name");
  const auto prompt = std::ranges::find(prompts_, name, &Prompt::name);
  if (prompt == prompts_.end()) throw RpcError{kInvalidParams, "no such prompt: " + name};
  const Json arguments = params.value("arguments", Json::object());
  for (const Prompt::Argument& argument : prompt->arguments)
    if (argument.required && !member(arguments, argument.name.c_str()).is_string())
      throw RpcError{kInvalidParams, "prompt argument \"" + argument.name + "\" is missing"};
  return {{"description", prompt->description},
          {"messages",
           {{{"role", "user"}, {"content", {{"type", "text"}, {"text", prompt->render(arguments)}}}}}}};
}

Json Server::complete(const Json& params) const {
  const Json argument = member(params, "argument");
  const std::string prefix = text_param(argument, "value");
  Json values = Json::array();
  std::size_t total = 0;
  for (const std::string& value : complete_(text_param(argument, "name"))) {
    if (!value.starts_with(prefix)) continue;
    if (++total <= kMaxCompletions) values.push_back(value);
  }
  return {{"completion", {{"values", values}, {"total", total}, {"hasMore", total > kMaxCompletions}}}};
}

}  // namespace mcp_server
