#include <algorithm>

#include "isolation.hpp"
#include "mcp_service.hpp"
#include "record.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"
#include "trace.hpp"

namespace sallyport::gateway {
namespace {

std::string text_member(json::Value object, std::string_view key) {
  const auto member = object.find(key);
  return member ? member->string().value_or("") : "";
}

/// Only these may be answered with a question (mcp-protocol section 2.7), and only in the way of these do
/// 2025 servers ask.
bool may_be_asked(mcp::Method method) {
  return method == mcp::Method::tools_call || method == mcp::Method::prompts_get ||
         method == mcp::Method::resources_read;
}

/// Makes a legacy call findable for notifications/cancelled while it runs.
class Registered {
 public:
  Registered(ShardState& here, std::string key, Cancel& cancel)
      : here_(here), key_(std::move(key)), cancel_(cancel) {
    if (!key_.empty()) here_.calls.emplace(key_, &cancel);
  }
  ~Registered() {
    if (key_.empty()) return;
    const auto [begin, end] = here_.calls.equal_range(key_);
    const auto own = std::find_if(begin, end, [&](const auto& entry) { return entry.second == &cancel_; });
    if (own != end) here_.calls.erase(own);
  }
  Registered(const Registered&) = delete;
  Registered& operator=(const Registered&) = delete;

 private:
  ShardState& here_;
  const std::string key_;
  Cancel& cancel_;
};

RpcError upstream_error(json::Value error, bool modern) {
  const bool object = error.is(json::Kind::object);
  const auto code = object ? error.find("code") : std::nullopt;
  const auto data = object ? error.find("data") : std::nullopt;
  RpcError out{.code = code ? code->integer().value_or(-32603) : -32603,
               .message = object ? text_member(error, "message") : "",
               .data = data ? std::string(data->raw()) : std::string()};
  // -32002 and -32042 do not exist in the modern era.
  if (modern && out.code == -32002) out.code = -32602;
  if (modern && out.code == -32042) out.code = -32603;
  return out;
}

/// What a server of 2026 answered is neither a result nor something that this client knows or has asked for.
Failure no_result(std::string_view type) {
  return fail(Code::upstream_broken, Blame::upstream,
              type == "input_required" ? "asks what this client does not offer"
                                       : "result of type '" + std::string(type.substr(0, 40)) + "'");
}

/// Where no header names a trace, `_meta` may (2026-07-28: tracing).
std::string traced_in_meta(const Call& call) {
  const auto& params = call.message.message.params;
  const auto meta = params ? params->find("_meta") : std::nullopt;
  return meta ? std::string(trace_of_parent(text_member(*meta, "traceparent"))) : std::string();
}

}  // namespace

Task<Result<Answer>> McpService::forward(Call& call, Target target, UpstreamCall upstream,
                                         std::optional<mcp::CacheHints> hints) {
  const ServerConfig& config = *target.server->config;
  if (call.target.empty()) call.target = target.canonical;
  call.capture = capture_of(config.document.capture);

  std::optional<RequestState> state;
  const auto token = call.modern && upstream.params ? upstream.params->find("requestState") : std::nullopt;
  if (token && may_be_asked(upstream.method)) {
    auto opened = open_state(sealer_, token->string().value_or(""), call.bound(),
                             request_digest(upstream.method, upstream.params), clock_.now());
    if (!opened) co_return Failure(opened.error());
    state = std::move(*opened);
  }

  // From here on the client can cancel it.
  const Registered registered(call.here, call.session ? call.session->nonce + "\n" + call.rpc_id : "",
                              call.cancel);

  const auto given = upstream.params ? upstream.params->find("arguments") : std::nullopt;
  // What goes upstream, presets included.
  const auto completed =
      std::ranges::find(upstream.replace, "arguments", &std::pair<std::string_view, std::string>::first);
  const std::string_view arguments = completed != upstream.replace.end() ? std::string_view(completed->second)
                                     : given                             ? given->raw()
                                                                         : std::string_view();
  call.trace = trace_of(call.exchange.request().headers);
  if (call.trace.empty()) call.trace = traced_in_meta(call);
  auto written = co_await intend(call, arguments, state ? std::string_view(state->call) : std::string_view());
  if (!written) co_return Failure(written.error());

  std::string isolation = isolation_of(call, config.document);
  upstream.carried = call.message.meta.carried;
  upstream.deadline = std::chrono::steady_clock::now() + config.document.timeout;
  upstream.cancel = &call.cancel;
  upstream.principal = call.principal->name();
  upstream.wants_progress = !call.message.meta.progress_token.empty();
  const bool modern_upstream = target.server->catalogue && target.server->catalogue->modern;
  if (modern_upstream || may_be_asked(upstream.method))
    upstream.capabilities =
        call.modern ? call.here.carried(call.message.meta.capabilities) : call.session->capabilities;
  if (call.modern) upstream.log_level = call.message.meta.log_level.value_or("");
  if (call.session) upstream.log_level = call.here.sessions.log_level(call.session->nonce);
  upstream.on_notification = [this, &call](const UpstreamNotification& notification) {
    relay(call, notification.method, notification.params);
  };
  upstream.on_break = [&call] { break_off(call); };
  call.may_break_off = !modern_upstream && !config.is_stdio() && !config.is_sse();
  if (state) {
    // What we sealed is for us: the upstream gets its own state back, or none, and one that does not know
    // such answers none of those either.
    upstream.replace.emplace_back("requestState", state->upstream);
    if (state->upstream.empty() && !modern_upstream) upstream.replace.emplace_back("inputResponses", "");
  }

  ServerCounters& counters = call.here.counters.servers[config.slot];
  const SteadyTime begin = std::chrono::steady_clock::now();
  counters.calls.add();
  counters.in_flight.add();
  Result<Turn> turn;
  if ((state && !state->dialogue.empty()) ||
      (upstream.capabilities != "{}" && !(call.modern && modern_upstream))) {
    turn = co_await converse(call, target, std::move(upstream), std::move(isolation), state);
  } else {
    turn->answer = co_await target.server->upstream->call(std::move(upstream), std::move(isolation));
  }
  counters.in_flight.add(-1);
  counters.micros.add(
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin)
          .count());
  if (!turn || (turn->answer && !*turn->answer)) {
    const Error& error = turn ? turn->answer->error() : turn.error();
    counters.failures.add();
    if (error.code == Code::circuit_open) counters.held_back.add();
    co_return Failure(error);
  }
  if (!turn->answer) co_return input_required(call, *turn);
  co_return adapt(call, target, std::move(**turn->answer), hints);
}

Result<Answer> McpService::adapt(Call& call, const Target& target, UpstreamAnswer answer,
                                 const std::optional<mcp::CacheHints>& hints) {
  if (answer.is_error) {
    if (auto asks = url_elicitation(call, answer.payload)) return std::move(*asks);
    return upstream_error(answer.payload, call.modern);
  }
  call.answer_held = std::move(answer.held);
  const bool object = answer.payload.is(json::Kind::object);
  const auto is_error = object ? answer.payload.find("isError") : std::nullopt;
  call.tool_error = is_error && is_error->boolean().value_or(false);
  const auto type = object ? answer.payload.find("resultType") : std::nullopt;
  const auto kind = type ? type->string() : std::nullopt;
  // A 2025 server's results have no types: what is called so is its own.
  const bool special = answer.modern && kind && kind != "complete";
  if (special && !call.modern) return no_result(*kind);
  const std::string info = call.modern ? call.endpoint->server_info : std::string();
  std::string raw =
      mcp::adapt_result(answer.payload, call.version, special ? std::nullopt : hints, info, answer.modern);
  if (special) return adapt_special(call, target, std::move(raw), *kind);
  if (target.rewrites_uri) raw = mcp::prefix_uris(raw, target.server->uri_prefix());
  return RpcResult{std::move(raw)};
}

std::optional<Result<Answer>> McpService::url_elicitation(Call& call, json::Value error) const {
  const auto code = error.is(json::Kind::object) ? error.find("code") : std::nullopt;
  if (!call.modern || !code || code->integer() != -32042) return std::nullopt;
  const auto data = error.find("data");
  const auto list = data && data->is(json::Kind::object) ? data->find("elicitations") : std::nullopt;
  if (!list || !list->is(json::Kind::array)) return std::nullopt;
  std::string requests;
  int n = 0;
  for (const json::Value elicitation : list->elements()) {
    const Question question{.method = mcp::Method::elicitation_create,
                            .params = std::string(elicitation.raw())};
    if (!may_ask(call.here.carried(call.message.meta.capabilities), question)) return std::nullopt;
    requests += (n > 0 ? ",\"q" : "\"q") + std::to_string(n + 1) +
                "\":{\"method\":\"elicitation/create\",\"params\":" + params_for(question, true) + "}";
    ++n;
  }
  if (n == 0) return std::nullopt;
  call.input_required = true;
  // Nothing is kept open: the call comes again as a whole once the person has been there.
  const RequestState state{.digest = request_digest(call.message.message.method, call.message.message.params),
                           .call = call.id,
                           .expires = unix_millis(clock_.now() + limits::kStateLife) / 1000};
  return RpcResult{"{\"resultType\":\"input_required\",\"inputRequests\":{" + requests +
                   "},\"requestState\":" + json::quote(seal_state(sealer_, state, call.bound())) +
                   ",\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" + call.endpoint->server_info + "}}"};
}

Result<Answer> McpService::adapt_special(Call& call, const Target& target, std::string raw,
                                         std::string_view type) {
  const auto document = json::Document::parse(std::move(raw), json::kUpstream);
  if (!document) return Failure(document.error());
  const json::Value result = document->root();
  const auto broken = [](std::string what) {
    return fail(Code::upstream_broken, Blame::upstream, std::move(what));
  };
  if (type == "task") {
    const std::string id = text_member(result, "taskId");
    if (call.message.message.method != mcp::Method::tools_call || id.empty())
      return broken("answers with a task that has no id, or where none may be");
    return RpcResult{mcp::rebuild_object(
        result,
        {{"taskId",
          json::quote(seal_task(call, target.server->config->document.name, target.canonical, id))}},
        {})};
  }
  if (type != "input_required" || !may_be_asked(call.message.message.method)) return no_result(type);
  const std::string& capabilities = call.here.carried(call.message.meta.capabilities);
  const auto requests = result.find("inputRequests");
  if (requests && !requests->is(json::Kind::object)) return broken("asks without saying what");
  if (requests) {
    for (const auto& member : requests->members()) {
      const auto params = member.value.find("params");
      const Question question{.method = mcp::method_from(text_member(member.value, "method")),
                              .params = params ? std::string(params->raw()) : "{}"};
      if (!may_ask(capabilities, question)) return broken("asks what this client does not offer");
    }
  }
  call.input_required = true;
  const auto theirs = result.find("requestState");
  if (!theirs) return RpcResult{std::string(result.raw())};
  if (theirs->raw().size() > kUpstreamState) return broken("its requestState is larger than 512 KiB");
  const RequestState state{.digest = request_digest(call.message.message.method, call.message.message.params),
                           .call = call.id,
                           .expires = unix_millis(clock_.now() + limits::kStateLife) / 1000,
                           .upstream = std::string(theirs->raw())};
  return RpcResult{mcp::rebuild_object(
      result, {{"requestState", json::quote(seal_state(sealer_, state, call.bound()))}}, {})};
}

void McpService::relay(Call& call, mcp::Method method, json::Value params) const {
  if (method == mcp::Method::n_progress) {
    if (call.message.meta.progress_token.empty()) return;
    say(call, mcp::notification_message(
                  "notifications/progress",
                  mcp::rebuild_object(
                      params, {{"progressToken", std::string(call.message.meta.progress_token)}}, {})));
    return;
  }
  if (method != mcp::Method::n_message) return;
  // Modern clients get log messages only where they asked for them; 2025 clients get all until they set a
  // level.
  const std::string wanted = call.modern    ? call.message.meta.log_level.value_or("")
                             : call.session ? call.here.sessions.log_level(call.session->nonce)
                                            : "";
  if (call.modern && wanted.empty()) return;
  const auto level = params.find("level");
  if (!wanted.empty() && log_severity(level ? level->string().value_or("") : "") < log_severity(wanted))
    return;
  say(call, mcp::notification_message("notifications/message", params.raw()));
}

}  // namespace sallyport::gateway
