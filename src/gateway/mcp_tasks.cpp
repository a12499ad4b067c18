// The Tasks extension (io.modelcontextprotocol/tasks): passed through, with task ids that only their owner
// can use.

#include "mcp_service.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sealed_payload.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kExtension = "io.modelcontextprotocol/tasks";
constexpr std::string_view kPurpose = "task";

bool names_extension(std::string_view extensions) {
  const auto document = json::Document::parse(std::string(extensions), json::kUpstream);
  return document && document->root().find(kExtension).has_value();
}

bool declares_tasks(const std::string& capabilities) {
  const auto document = json::Document::parse(capabilities, json::kUpstream);
  const auto extensions = document ? document->root().find("extensions") : std::nullopt;
  return extensions && extensions->find(kExtension).has_value();
}

}  // namespace

std::string McpService::seal_task(const Call& call, const std::string& server, const std::string& canonical,
                                  const std::string& id) const {
  return sealer_.seal(kPurpose, call.bound(),
                      "{\"s\":" + json::quote(server) + ",\"c\":" + json::quote(canonical) +
                          ",\"t\":" + json::quote(id) + "}");
}

std::optional<McpService::TaskRef> McpService::open_task(Call& call, std::string_view id) const {
  const auto said = SealedPayload::open(sealer_, kPurpose, call.bound(), id);
  if (!said) return std::nullopt;
  const std::string server = said->text("s");
  for (const ServerEntry* entry : call.endpoint->servers) {
    if (entry->config->document.name != server) continue;
    TaskRef ref{.server = entry, .canonical = said->text("c"), .id = said->text("t")};
    // A tool that was taken away or is withheld takes its tasks along.
    const Export* tool = export_of(*call.endpoint, policy::Object::tool, ref.canonical);
    if (!tool || !visible(call, policy::Object::tool, ref.canonical, tool->definition)) return std::nullopt;
    return ref;
  }
  return std::nullopt;
}

Result<void> McpService::tasks_declared(Call& call) {
  if (!names_extension(call.endpoint->extensions) ||
      declares_tasks(call.here.carried(call.message.meta.capabilities)))
    return {};
  auto missing = client_error(Code::missing_capability, "Declare the tasks extension to use tasks.");
  missing.error().data = "{\"requiredCapabilities\":{\"extensions\":{" + json::quote(kExtension) + ":{}}}}";
  // Not dispatched: the HTTP status says so too.
  call.dispatched = false;
  return missing;
}

Task<Result<Answer>> McpService::task_method(Call& call) {
  const mcp::Envelope& message = call.message.message;
  if (!names_extension(call.endpoint->extensions))
    co_return client_error(Code::method_not_found, "No server here offers tasks.");
  if (auto declared = tasks_declared(call); !declared) co_return Failure(declared.error());
  const auto given = message.params->find("taskId");
  const auto ref = open_task(call, given->string().value_or(""));
  if (!ref) {
    call.refusal = "unknown_task";
    co_return client_error(Code::invalid_params, "Unknown task: it is not yours, or its server is gone.");
  }
  UpstreamCall upstream{.method = message.method, .params = message.params};
  upstream.name = ref->id;
  upstream.replace.emplace_back("taskId", json::quote(ref->id));
  const std::string ours = given->string().value_or("");
  auto answer = co_await forward(call, Target{.server = ref->server, .canonical = ref->canonical},
                                 std::move(upstream), std::nullopt);
  if (answer && std::holds_alternative<RpcResult>(*answer)) {
    std::string& raw = std::get<RpcResult>(*answer).raw;
    const auto result = json::Document::parse(raw, json::kUpstream);
    if (result && result->root().find("taskId"))
      raw = mcp::own_task(result->root(), ours, ref->server->uri_prefix());
  }
  co_return answer;
}

}  // namespace sallyport::gateway
