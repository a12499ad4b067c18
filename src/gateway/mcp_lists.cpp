#include "door.hpp"
#include "mcp_service.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"

namespace sallyport::gateway {
namespace {

struct ListKind {
  const Exports Endpoint::* table;
  policy::Object object;
  std::string_view member;
};

ListKind kind_of(mcp::Method method) {
  switch (method) {
    case mcp::Method::prompts_list:
      return {&Endpoint::prompts, policy::Object::prompt, "prompts"};
    case mcp::Method::resources_list:
      return {&Endpoint::resources, policy::Object::resource, "resources"};
    case mcp::Method::resources_templates_list:
      return {&Endpoint::templates, policy::Object::resource, "resourceTemplates"};
    default:
      return {&Endpoint::tools, policy::Object::tool, "tools"};
  }
}

/// What every endpoint serves, whatever stands behind it: lists that say when they change, and subscriptions.
constexpr std::string_view kCapabilities =
    R"("tools":{"listChanged":true},"prompts":{"listChanged":true},)"
    R"("resources":{"subscribe":true,"listChanged":true},"completions":{},"logging":{})";

}  // namespace

Task<Result<void>> McpService::first_contact(Call& call) const {
  // A server that was never reached may delay the first requests a little, so that a client started together
  // with us sees its tools.
  const auto patience = std::chrono::steady_clock::now() + limits::kFirstList;
  const auto generation = call.snapshot->generation;
  while (call.endpoint->awaited() && std::chrono::steady_clock::now() < patience) {
    co_await net::sleep_for(call.here.shard, std::chrono::milliseconds(20));
    call.snapshot = call.here.snapshot;
    call.endpoint = call.snapshot->endpoint(call.endpoint_path);
    if (!call.endpoint) co_return client_error(Code::not_found, "This endpoint no longer exists.");
  }
  // The key may have been revoked while we waited.
  if (call.snapshot->generation != generation) co_return co_await Door::authenticate(call, clock_);
  co_return Result<void>{};
}

Task<Result<Answer>> McpService::list(Call& call) {
  const ListKind kind = kind_of(call.message.message.method);
  const std::string bound = call.bound() + "\n" + std::string(kind.member);
  std::string after;
  if (const auto cursor =
          call.message.message.params ? call.message.message.params->find("cursor") : std::nullopt) {
    auto opened = sealer_.open("cursor", bound, cursor->string().value_or(""));
    if (!opened)
      co_return client_error(Code::invalid_params,
                             "Unknown cursor: pass nextCursor of the previous page of this list, unchanged.");
    after = std::move(*opened);
  }

  std::optional<Access> own;
  Access& access = access_of(call, own);
  std::string items, next;
  std::size_t count = 0;
  for (const Export& item : (call.endpoint->*kind.table).items) {
    if (!after.empty() && item.name <= after) continue;
    if (!access.shows(*call.endpoint, kind.object, item)) continue;
    if (count == limits::kListPage) {
      next = sealer_.seal("cursor", bound, after);
      break;
    }
    if (count++ > 0) items += ',';
    items += call.modern ? item.modern : item.legacy;
    if (count == limits::kListPage) after = item.name;
  }

  std::string out = call.modern ? "{\"resultType\":\"complete\",\"" : "{\"";
  out += kind.member;
  out += "\":[" + items + "]";
  if (!next.empty()) out += ",\"nextCursor\":" + json::quote(next);
  if (call.modern) {
    // What is listed depends on who asks, so it is never public.
    out += ",\"ttlMs\":" + std::to_string(std::chrono::milliseconds(limits::kRefresh).count()) +
           ",\"cacheScope\":\"private\"";
    out += ",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" + call.endpoint->server_info + "}";
  }
  call.rule.clear();
  co_return RpcResult{out + "}"};
}

Result<Answer> McpService::discover(Call& call) const {
  std::string out = "{\"resultType\":\"complete\",\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{" +
                    std::string(kCapabilities);
  if (call.endpoint->extensions != "{}") out += ",\"extensions\":" + call.endpoint->extensions;
  out += '}';
  if (!call.endpoint->instructions.empty())
    out += ",\"instructions\":" + json::quote(call.endpoint->instructions);
  out += ",\"ttlMs\":60000,\"cacheScope\":\"private\",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" +
         call.endpoint->server_info + "}}";
  return RpcResult{std::move(out)};
}

Result<Answer> McpService::initialize(Call& call) const {
  const auto& params = call.message.message.params;
  const auto asked = params ? params->find("protocolVersion") : std::nullopt;
  if (!asked || !asked->is(json::Kind::string))
    return client_error(Code::invalid_params, "initialize needs params.protocolVersion.");
  auto version = mcp::version_from(asked->string().value_or(""));
  // The oldest era knew no session header; what we cannot speak is answered with the newest that we can.
  if (!version || mcp::is_modern(*version) || *version == mcp::Version::v2024_11_05)
    version = mcp::kNewestLegacy;

  Session session{
      .nonce = random_id(16), .version = *version, .home = call.here.shard.index(), .start = start_};
  session.expires = unix_millis(clock_.now() + limits::kSessionLife) / 1000;
  if (const auto capabilities = params->find("capabilities");
      capabilities && capabilities->is(json::Kind::object) && capabilities->raw().size() <= 2 * limits::KiB) {
    session.capabilities = wire::carried_capabilities(capabilities->raw());
  }
  call.version = *version;
  std::string out = "{\"protocolVersion\":" + json::quote(mcp::text_of(*version)) + ",\"capabilities\":{" +
                    std::string(kCapabilities) + "},\"serverInfo\":" + call.endpoint->server_info;
  if (!call.endpoint->instructions.empty())
    out += ",\"instructions\":" + json::quote(call.endpoint->instructions);
  return RpcResult{out + "}", seal_session(sealer_, session, call.bound())};
}

}  // namespace sallyport::gateway
