#include "mcp_service.hpp"

#include <spdlog/spdlog.h>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/headers.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/mcp/sse.hpp"

namespace sallyport::gateway {
namespace {

std::string text_member(const std::optional<json::Value>& object, std::string_view key) {
  const auto member = object ? object->find(key) : std::nullopt;
  return member ? member->string().value_or("") : "";
}

/// What does not exist and what the caller may not see are answered in the same words.
Failure unknown(std::string_view what, const std::string& name) {
  return client_error(Code::invalid_params, "Unknown " + std::string(what) + ": " + mcp::escaped(name));
}

int capture_of(store::Capture capture) {
  switch (capture) {
    case store::Capture::none:
      return 0;
    case store::Capture::digest:
      return 1;
    case store::Capture::full:
      return 2;
  }
  return 1;
}

/// Rules compare a template's URI as it is written; a server may resolve it. What has two spellings is not
/// served.
bool has_other_spellings(std::string_view uri) {
  for (std::size_t i = 0; i < uri.size(); ++i) {
    if (uri[i] == '\\') return true;
    if (uri[i] == '/' && (uri.substr(i + 1).starts_with("../") || uri.substr(i + 1).starts_with("./") ||
                          uri.substr(i + 1) == ".." || uri.substr(i + 1) == "."))
      return true;
    if (uri[i] != '%') continue;
    const auto byte = unhex(uri.substr(i + 1, 2));
    if (!byte || byte->empty()) return true;
    const char c = (*byte)[0];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
        std::string_view("-._~/\\%").find(c) != std::string_view::npos || c == 0)
      return true;
  }
  return false;
}

/// `uris: prefix`: what is read must carry the URI that was asked for.
std::string prefix_contents(std::string raw, const std::string& prefix) {
  auto document = json::Document::parse(raw, json::kUpstream);
  const auto contents = document ? document->root().find("contents") : std::nullopt;
  if (!contents) return raw;
  std::string list = "[";
  for (const json::Value item : contents->elements()) {
    if (list.size() > 1) list += ',';
    const auto uri = item.find("uri");
    list += uri ? mcp::rebuild_object(item, {{"uri", json::quote(prefix + uri->string().value_or(""))}}, {})
                : std::string(item.raw());
  }
  return mcp::rebuild_object(document->root(), {{"contents", list + "]"}}, {});
}

/// Makes a legacy call findable for notifications/cancelled while it runs.
class Registered {
 public:
  Registered(ShardState& here, std::string key, Cancel& cancel) : here_(here), key_(std::move(key)) {
    if (!key_.empty()) here_.calls[key_] = &cancel;
  }
  ~Registered() {
    if (!key_.empty()) here_.calls.erase(key_);
  }
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

 private:
  ShardState& here_;
  const std::string key_;
};

}  // namespace

Result<void> McpService::find_session(Call& call, std::optional<std::string_view> header) const {
  if (!header) {
    return client_error(Code::bad_envelope,
                        "Mcp-Session-Id is missing: send initialize first and repeat the header of its "
                        "answer, or use protocol version 2026-07-28.");
  }
  auto session = open_session(sealer_, *header, call.bound(), clock_.now());
  if (!session || call.here.sessions.deleted(session->nonce)) {
    call.refusal = "session_mismatch";
    return client_error(Code::not_found,
                        "Session not found: it ended, expired or is not yours. Send initialize again.");
  }
  call.version = session->version;
  call.session = std::move(*session);
  return {};
}

bool McpService::allowed(Call& call, policy::Object object, std::string_view canonical) const {
  if (call.endpoint->anonymous) {
    call.rule = "virtual-server:" + call.endpoint->name;
    return true;
  }
  // A request keeps the version it began with, also when the shard has gone on to the next.
  const policy::Decision decision =
      call.snapshot == call.here.snapshot
          ? call.here.access(call.principal).decide(object, canonical)
          : call.snapshot->rules->view(*call.principal)->decide(object, canonical);
  call.rule = decision.rule;
  return decision.allowed();
}

bool McpService::known(const Call& call) {
  const auto& params = call.message.message.params;
  const Endpoint& endpoint = *call.endpoint;
  switch (call.message.message.method) {
    case mcp::Method::tools_list:
    case mcp::Method::prompts_list:
    case mcp::Method::resources_list:
    case mcp::Method::resources_templates_list:
      return false;
    case mcp::Method::tools_call:
      return endpoint.tools.find(text_member(params, "name")) != nullptr;
    case mcp::Method::prompts_get:
      return endpoint.prompts.find(text_member(params, "name")) != nullptr;
    case mcp::Method::resources_read:
    case mcp::Method::resources_subscribe:
      return endpoint.resource(text_member(params, "uri")).has_value();
    default:
      return true;
  }
}

Task<Result<Answer>> McpService::perform(Call& call) {
  const mcp::Envelope& message = call.message.message;
  if (message.kind == mcp::Envelope::Kind::notification) {
    take_notification(call);
    co_return Accepted{};
  }
  // Answers to questions that we asked: nothing asks yet, so nobody waits for them.
  if (message.kind != mcp::Envelope::Kind::request) co_return Accepted{};

  if (!known(call)) {
    if (auto there = co_await first_contact(call); !there) co_return Failure(there.error());
  }
  switch (message.method) {
    case mcp::Method::initialize:
      co_return initialize(call);
    case mcp::Method::discover:
      co_return discover(call);
    case mcp::Method::ping:
      co_return RpcResult{"{}"};
    case mcp::Method::tools_list:
    case mcp::Method::prompts_list:
    case mcp::Method::resources_list:
    case mcp::Method::resources_templates_list:
      co_return co_await list(call);
    case mcp::Method::tools_call:
      co_return co_await call_tool(call);
    case mcp::Method::prompts_get:
      co_return co_await get_prompt(call);
    case mcp::Method::resources_read:
      co_return co_await read_resource(call);
    case mcp::Method::completion_complete:
      co_return co_await complete(call);
    case mcp::Method::logging_set_level:
      co_return co_await set_log_level(call);
    case mcp::Method::subscriptions_listen:
      co_return co_await listen(call);
    case mcp::Method::resources_subscribe:
      co_return co_await subscribe(call);
    case mcp::Method::resources_unsubscribe:
      co_return co_await unsubscribe(call);
    default:
      co_return client_error(Code::method_not_found,
                             "Method not found: " + mcp::escaped(message.method_text.substr(0, 100)));
  }
}

Task<Result<Answer>> McpService::call_tool(Call& call) {
  const auto& params = call.message.message.params;
  const std::string name = text_member(params, "name");
  const Export* tool = call.endpoint->tools.find(name);
  if (!tool || !allowed(call, policy::Object::tool, tool->definition->canonical)) {
    call.target = tool ? tool->definition->canonical : "";
    call.refusal = tool ? "denied" : "unknown_tool";
    co_return unknown("tool", name);
  }
  const auto arguments = params->find("arguments");
  if (call.modern) {
    const auto& headers = call.exchange.request().headers;
    const auto find = [&](std::string_view header) -> Result<std::optional<std::string_view>> {
      if (headers.count(header) > 1)
        return client_error(Code::header_mismatch, std::string(header) + " stands more than once.");
      return headers.find(header);
    };
    if (auto same = mcp::check_param_headers(tool->definition->header_params, arguments, find); !same)
      co_return Failure(same.error());
  }
  UpstreamCall upstream{.method = mcp::Method::tools_call, .params = params};
  upstream.name = tool->definition->name;
  upstream.replace.emplace_back("name", json::quote(tool->definition->name));
  upstream.param_headers = mcp::make_param_headers(tool->definition->header_params, arguments);
  co_return co_await forward(call, *tool, std::move(upstream), std::nullopt);
}

Task<Result<Answer>> McpService::get_prompt(Call& call) {
  const auto& params = call.message.message.params;
  const std::string name = text_member(params, "name");
  const Export* prompt = call.endpoint->prompts.find(name);
  if (!prompt || !allowed(call, policy::Object::prompt, prompt->definition->canonical)) {
    call.target = prompt ? prompt->definition->canonical : "";
    call.refusal = prompt ? "denied" : "unknown_prompt";
    co_return unknown("prompt", name);
  }
  UpstreamCall upstream{.method = mcp::Method::prompts_get, .params = params};
  upstream.name = prompt->definition->name;
  upstream.replace.emplace_back("name", json::quote(prompt->definition->name));
  co_return co_await forward(call, *prompt, std::move(upstream), std::nullopt);
}

std::optional<McpService::Readable> McpService::readable(Call& call, const std::string& uri) const {
  const auto hit = call.endpoint->resource(uri);
  Readable out;
  if (hit) {
    const std::string& server = hit->entry->server->config->document.name;
    out.entry = hit->entry;
    out.original = hit->entry->rewrites_uri ? uri.substr(server.size() + 1) : uri;
    out.canonical = mcp::canonical_name(server, out.original);
  }
  call.target = out.canonical;
  if (hit && !(hit->by_template && has_other_spellings(out.original)) &&
      allowed(call, policy::Object::resource, out.canonical))
    return out;
  call.refusal = hit ? "denied" : "unknown_resource";
  return std::nullopt;
}

Result<Answer> McpService::no_such_resource(const Call& call, const std::string& uri) {
  // 2025 clients know this case by a code of its own.
  if (!call.modern) return RpcError{-32002, "Resource not found", "{\"uri\":" + json::quote(uri) + "}"};
  Error error{.code = Code::invalid_params,
              .blame = Blame::client,
              .what = "unknown resource",
              .hint = "Resource not found: " + mcp::escaped(uri)};
  error.data = "{\"uri\":" + json::quote(uri) + "}";
  return Failure(std::move(error));
}

Task<Result<Answer>> McpService::read_resource(Call& call) {
  const auto& params = call.message.message.params;
  const std::string uri = text_member(params, "uri");
  const auto found = readable(call, uri);
  if (!found) co_return no_such_resource(call, uri);
  UpstreamCall upstream{.method = mcp::Method::resources_read, .params = params};
  upstream.name = found->original;
  upstream.replace.emplace_back("uri", json::quote(found->original));
  co_return co_await forward(call, *found->entry, std::move(upstream), mcp::CacheHints{});
}

Task<Result<Answer>> McpService::complete(Call& call) {
  const auto& params = call.message.message.params;
  const auto ref = params ? params->find("ref") : std::nullopt;
  const std::string type = text_member(ref, "type");
  const Export* target = nullptr;
  policy::Object object = policy::Object::prompt;
  std::string name;
  UpstreamCall upstream{.method = mcp::Method::completion_complete, .params = params};
  if (type == "ref/prompt") {
    name = text_member(ref, "name");
    target = call.endpoint->prompts.find(name);
    if (target)
      upstream.replace.emplace_back(
          "ref", mcp::rebuild_object(*ref, {{"name", json::quote(target->definition->name)}}, {}));
  } else if (type == "ref/resource") {
    object = policy::Object::resource;
    name = text_member(ref, "uri");
    target = call.endpoint->templates.find(name);
    if (!target) target = call.endpoint->resources.find(name);
    if (target)
      upstream.replace.emplace_back(
          "ref", mcp::rebuild_object(*ref, {{"uri", json::quote(target->definition->name)}}, {}));
  } else {
    co_return client_error(Code::invalid_params,
                           "completion/complete needs params.ref of type ref/prompt or ref/resource.");
  }
  if (!target || !allowed(call, object, target->definition->canonical)) {
    call.target = target ? target->definition->canonical : "";
    call.refusal = target ? "denied" : "unknown_reference";
    co_return unknown(object == policy::Object::prompt ? "prompt" : "resource", name);
  }
  co_return co_await forward(call, *target, std::move(upstream), std::nullopt);
}

std::string McpService::isolation_of(const Call& call, const ServerConfig& config) {
  switch (config.document.isolation) {
    case store::Isolation::shared:
      return "";
    case store::Isolation::session:
      if (call.session) return call.session->nonce;
      [[fallthrough]];
    case store::Isolation::principal:
      return call.principal->name();
  }
  return "";
}

Task<Result<Answer>> McpService::forward(Call& call, const Export& target, UpstreamCall upstream,
                                         std::optional<mcp::CacheHints> hints) {
  const ServerConfig& config = *target.server->config;
  if (call.target.empty()) call.target = target.definition->canonical;
  call.capture = capture_of(config.document.capture);

  // From here on the client can cancel it.
  const Registered registered(call.here, call.session ? call.session->nonce + "\n" + call.rpc_id : "",
                              call.cancel);

  Slot<Result<void>> durable;
  const auto arguments = upstream.params ? upstream.params->find("arguments") : std::nullopt;
  call.here.journal.intent({.call = call.id,
                            .principal = call.principal->name(),
                            .key_id = call.key_id,
                            .endpoint = call.endpoint_path,
                            .era = mcp::text_of(call.version),
                            .method = call.method,
                            .target = call.target,
                            .rule = call.rule,
                            .policy_generation = call.snapshot->generation,
                            .arguments = arguments ? arguments->raw() : std::string_view(),
                            .capture = call.capture,
                            .client = call.exchange.peer().ip},
                           [&durable](Result<void> written) { durable.deliver(std::move(written)); });
  call.here.commit_soon();
  if (auto written = co_await durable; !written) {
    // No record, no side effect: nothing has left this process.
    Error error = written.error();
    error.code = Code::unavailable;
    error.retry = true;
    error.hint = "The call could not be recorded, so it was not made. Try again later.";
    co_return Failure(std::move(error));
  }
  call.intent_written = true;

  std::string isolation = isolation_of(call, config);
  upstream.carried = call.message.meta.carried;
  upstream.deadline = std::chrono::steady_clock::now() + config.document.timeout;
  upstream.cancel = &call.cancel;
  upstream.wants_progress = !call.message.meta.progress_token.empty();
  if (call.modern) upstream.log_level = call.message.meta.log_level.value_or("");
  if (call.session) upstream.log_level = call.here.sessions.log_level(call.session->nonce);
  upstream.on_notification = [this, &call](const UpstreamNotification& notification) {
    relay(call, notification);
  };

  ServerCounters& counters = call.here.counters.servers[config.slot];
  const SteadyTime begin = std::chrono::steady_clock::now();
  counters.calls.add();
  counters.in_flight.add();
  auto answer = co_await target.server->upstream->call(std::move(upstream), std::move(isolation));
  counters.in_flight.add(-1);
  counters.micros.add(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin)
          .count());
  if (!answer) counters.failures.add();
  if (!answer) co_return Failure(answer.error());

  if (answer->is_error) {
    const auto code = answer->payload.is(json::Kind::object) ? answer->payload.find("code") : std::nullopt;
    const auto data = answer->payload.is(json::Kind::object) ? answer->payload.find("data") : std::nullopt;
    RpcError error{.code = code ? code->integer().value_or(-32603) : -32603,
                   .message = text_member(answer->payload, "message"),
                   .data = data ? std::string(data->raw()) : std::string()};
    // -32002 and -32042 do not exist in the modern era.
    if (call.modern && error.code == -32002) error.code = -32602;
    if (call.modern && error.code == -32042) error.code = -32603;
    co_return error;
  }
  const auto is_error =
      answer->payload.is(json::Kind::object) ? answer->payload.find("isError") : std::nullopt;
  call.tool_error = is_error && is_error->boolean().value_or(false);
  const std::string info = call.modern ? call.endpoint->server_info : std::string();
  std::string raw = mcp::adapt_result(answer->payload, call.version, hints, info);
  if (target.rewrites_uri) raw = prefix_contents(std::move(raw), config.document.name + "+");
  co_return RpcResult{std::move(raw)};
}

void McpService::relay(Call& call, const UpstreamNotification& notification) const {
  if (notification.method == mcp::Method::n_progress) {
    if (call.message.meta.progress_token.empty()) return;
    const std::string params = mcp::rebuild_object(
        notification.params, {{"progressToken", std::string(call.message.meta.progress_token)}}, {});
    say(call, mcp::notification_message("notifications/progress", params));
    return;
  }
  if (notification.method != mcp::Method::n_message) return;
  // Modern clients get log messages only where they asked for them; 2025 clients get all until they set a
  // level.
  const std::string wanted = call.modern    ? call.message.meta.log_level.value_or("")
                             : call.session ? call.here.sessions.log_level(call.session->nonce)
                                            : "";
  if (call.modern && wanted.empty()) return;
  const auto level = notification.params.find("level");
  if (!wanted.empty() && log_severity(level ? level->string().value_or("") : "") < log_severity(wanted))
    return;
  say(call, mcp::notification_message("notifications/message", notification.params.raw()));
}

Task<Result<Answer>> McpService::set_log_level(Call& call) {
  const std::string level = text_member(call.message.message.params, "level");
  if (log_severity(level) < 0)
    co_return client_error(Code::invalid_params,
                           "logging/setLevel needs params.level: debug, info, notice, warning, error, "
                           "critical, alert or emergency.");
  tell_sessions(call.session->nonce,
                {.deleted = false, .log_level = level, .expires = call.session->expires});
  co_return RpcResult{"{}"};
}

Task<Result<Answer>> McpService::end_session(Call& call) {
  const SessionTable::Entry entry{.deleted = true, .log_level = {}, .expires = call.session->expires};
  // Answered when every shard knows: no request that follows may find the session alive.
  for (int i = 0; i < shards_.size(); ++i) {
    auto told = co_await net::run_on<Result<bool>>(
        shards_[i], [this, i, nonce = call.session->nonce, entry]() -> Task<Result<bool>> {
          return [](ShardState& state, std::string n, SessionTable::Entry e) -> Task<Result<bool>> {
            state.sessions.set(n, std::move(e));
            co_return true;
          }(*states_[static_cast<std::size_t>(i)], nonce, entry);
        });
    if (!told) co_return Failure(told.error());
  }
  co_return net::Reply{.status = 204};
}

void McpService::tell_sessions(const std::string& nonce, SessionTable::Entry entry) {
  for (int i = 0; i < shards_.size(); ++i) {
    ShardState* state = states_[static_cast<std::size_t>(i)].get();
    if (shards_[i].is_current()) {
      state->sessions.set(nonce, entry);
    } else {
      (void)shards_[i].post([state, nonce, entry] { state->sessions.set(nonce, entry); });
    }
  }
}

void McpService::take_notification(Call& call) {
  if (call.message.message.method != mcp::Method::n_cancelled || !call.session) return;
  const auto& params = call.message.message.params;
  const auto id = params ? params->find("requestId") : std::nullopt;
  if (!id) return;
  // The call may have come in on any shard.
  const std::string key = call.session->nonce + "\n" + std::string(id->raw());
  for (int i = 0; i < shards_.size(); ++i) {
    ShardState* state = states_[static_cast<std::size_t>(i)].get();
    (void)shards_[i].post([state, key] {
      if (const auto it = state->calls.find(key); it != state->calls.end()) it->second->request();
    });
  }
}

}  // namespace sallyport::gateway
