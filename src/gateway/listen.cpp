#include <algorithm>

#include "feed.hpp"
#include "isolation.hpp"
#include "mcp_service.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/sse.hpp"

namespace sallyport::gateway {
namespace {

/// The answer to one subscriptions/listen: everything it says carries the id of that request.
class Listener final : public Follower {
 public:
  Listener(std::shared_ptr<Outlet> outlet, mcp::Id id) : outlet_(std::move(outlet)), id_(std::move(id)) {}

  void tell(std::string_view method, std::string_view members) override {
    send(mcp::notification_message(method, params(members)));
  }
  void end() override {
    send(mcp::result_message(id_, "{\"resultType\":\"complete\"," + meta() + "}"));
    outlet_->end();
  }
  std::string params(std::string_view members) const {
    return "{" + std::string(members) + (members.empty() ? "" : ",") + meta() + "}";
  }

 private:
  std::string meta() const { return "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":" + id_ + "}"; }
  void send(std::string_view message) { (void)outlet_->send(mcp::sse_frame(message)); }

  const std::shared_ptr<Outlet> outlet_;
  const mcp::Id id_;
};

struct ListKind {
  std::string_view key;
  Follower::Wants wants;
};
constexpr ListKind kLists[] = {{"toolsListChanged", Follower::kTools},
                               {"promptsListChanged", Follower::kPrompts},
                               {"resourcesListChanged", Follower::kResources}};

std::vector<std::string> texts(json::Value filter, std::string_view key) {
  std::vector<std::string> out;
  const auto list = filter.find(key);
  if (!list) return out;
  for (const json::Value item : list->elements()) {
    // What more there is, however much, is not looked at.
    if (out.size() >= limits::kSubscriptions) break;
    std::string text = item.string().value_or("");
    if (std::ranges::find(out, text) == out.end()) out.push_back(std::move(text));
  }
  return out;
}

std::string quoted(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const auto& text : texts) out += (out.size() > 1 ? "," : "") + json::quote(text);
  return out + "]";
}

}  // namespace

Watched McpService::watched(const Call& call, const Readable& found, std::string uri) {
  const ServerEntry& server = *found.entry->server;
  return {.topic = Topic::resource,
          .upstream = server.upstream,
          .server = server.config->document.name,
          .isolation = isolation_of(call, server.config->document),
          .id = found.original,
          .client_id = std::move(uri),
          .canonical = found.canonical,
          .session = session_of(call)};
}

Task<Result<Answer>> McpService::listen(Call& call) {
  if (!call.takes_stream)
    co_return client_error(Code::not_acceptable, "Accept must include text/event-stream.");
  const json::Value filter = *call.message.message.params->find("notifications");
  const std::vector<std::string> wanted_tasks = texts(filter, "taskIds");
  if (!wanted_tasks.empty()) {
    if (auto declared = tasks_declared(call); !declared) co_return Failure(declared.error());
  }
  std::uint8_t wants = 0;
  std::string honoured;
  const auto honour = [&](std::string_view key, const std::string& value) {
    honoured += (honoured.empty() ? "" : ",") + json::quote(key) + ":" + value;
  };
  for (const ListKind& list : kLists) {
    const auto wanted = filter.find(list.key);
    if (!wanted || !wanted->boolean().value_or(false)) continue;
    wants |= list.wants;
    honour(list.key, "true");
  }

  Feed& feed = *call.here.feed;
  auto outlet = std::make_shared<Outlet>(call.here.shard);
  const auto listener = std::make_shared<Listener>(outlet, call.rpc_id);
  // It hears from now on, so that nothing is missed while upstreams confirm; the acknowledgement still comes
  // first.
  if (auto joined = feed.join(listener, caller_of(call), wants); !joined) co_return Failure(joined.error());

  const auto deadline = std::chrono::steady_clock::now() + limits::kSubscribeDeadline;
  std::vector<std::string> uris, tasks;
  for (const std::string& uri : texts(filter, "resourceSubscriptions")) {
    const auto found = readable(call, uri);
    if (!found) continue;
    if (co_await feed.watch(listener, watched(call, *found, uri), deadline)) uris.push_back(uri);
  }
  for (const std::string& id : wanted_tasks) {
    const auto task = open_task(call, id);
    if (!task) continue;
    const ServerConfig& config = *task->server->config;
    Watched what{.topic = Topic::task,
                 .upstream = task->server->upstream,
                 .server = config.document.name,
                 .isolation = isolation_of(call, config.document),
                 .id = task->id,
                 .client_id = id,
                 .canonical = task->canonical,
                 .session = session_of(call)};
    if (co_await feed.watch(listener, std::move(what), deadline)) tasks.push_back(id);
  }
  if (!uris.empty()) honour("resourceSubscriptions", quoted(uris));
  if (!tasks.empty()) honour("taskIds", quoted(tasks));
  // What was left out is in the acknowledgement; the request itself was not refused.
  call.target.clear();
  call.refusal.clear();
  call.rule.clear();

  const auto left = [here = &call.here, listener] { here->feed->leave(*listener); };
  if (call.cancel.requested()) {
    left();
    co_return fail(Code::cancelled, Blame::client, "the client has gone");
  }
  const std::string ack = mcp::notification_message("notifications/subscriptions/acknowledged",
                                                    listener->params("\"notifications\":{" + honoured + "}"));
  co_return Streaming{.outlet = std::move(outlet), .first = mcp::sse_frame(ack), .left = left};
}

}  // namespace sallyport::gateway
