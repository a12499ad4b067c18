#include "mcp_service.hpp"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include "feed.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/headers.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/mcp/sse.hpp"
#include "wanted_scopes.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kInsufficientScope = "insufficient_scope";  // what a Verdict::unscoped leaves

std::string text_member(const std::optional<json::Value>& object, std::string_view key) {
  const auto member = object ? object->find(key) : std::nullopt;
  return member ? member->string().value_or("") : "";
}

/// What does not exist and what the caller may not see are answered in the same words.
Failure unknown(std::string_view what, const std::string& name) {
  return client_error(Code::invalid_params, "Unknown " + std::string(what) + ": " + mcp::escaped(name));
}

}  // namespace

Result<void> McpService::find_session(Call& call, std::optional<std::string_view> header) const {
  if (!header) {
    return client_error(Code::bad_envelope,
                        "Mcp-Session-Id is missing: send initialize first and repeat the header of its "
                        "answer, or use protocol version 2026-07-28.");
  }
  auto session = open_session(sealer_, *header, call.bound(), clock_.now());
  if (!session || call.here.sessions.ended(session->nonce)) {
    call.refusal = "session_mismatch";
    return client_error(Code::not_found,
                        "Session not found: it ended, expired or is not yours. Send initialize again.");
  }
  call.version = session->version;
  call.session = std::move(*session);
  return {};
}

bool McpService::visible(Call& call, policy::Object object, std::string_view canonical,
                         const Definition* definition) {
  std::optional<Access> own;
  auto decision = access_of(call, own).lists(*call.endpoint, object, canonical, definition);
  call.rule = std::move(decision.rule);
  return decision.allowed();
}

Failure McpService::needs_scopes(const Call& call) {
  return client_error(Code::insufficient_scope, fmt::format("This needs a token with more scopes: {}.",
                                                            fmt::join(call.scopes_wanted, " ")));
}

Failure McpService::refused_by_policy() {
  return client_error(Code::denied, "Refused by policy: not with these arguments.");
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
    case mcp::Method::subscriptions_listen: {
      const auto filter = params ? params->find("notifications") : std::nullopt;
      const auto uris = filter ? filter->find("resourceSubscriptions") : std::nullopt;
      if (!uris || !uris->is(json::Kind::array)) return true;
      for (const json::Value uri : uris->elements()) {
        if (!endpoint.resource(uri.string().value_or(""))) return false;
      }
      return true;
    }
    default:
      return true;
  }
}

Task<Result<Answer>> McpService::perform(Call& call) {
  const mcp::Envelope& message = call.message.message;
  if (message.kind == mcp::Envelope::Kind::notification) {
    take_notification(call);
    return ready<Result<Answer>>(Accepted{});
  }
  if (message.kind != mcp::Envelope::Kind::request) {
    take_answer(call);
    return ready<Result<Answer>>(Accepted{});
  }
  return known(call) ? dispatch(call) : dispatch_after_contact(call);
}

Task<Result<Answer>> McpService::dispatch_after_contact(Call& call) {
  if (auto there = co_await first_contact(call); !there) co_return Failure(there.error());
  co_return co_await dispatch(call);
}

Task<Result<Answer>> McpService::dispatch(Call& call) {
  const mcp::Envelope& message = call.message.message;
  switch (message.method) {
    case mcp::Method::initialize:
      return ready(initialize(call));
    case mcp::Method::discover:
      return ready(discover(call));
    case mcp::Method::ping:
      return ready<Result<Answer>>(RpcResult{"{}"});
    case mcp::Method::tools_list:
    case mcp::Method::prompts_list:
    case mcp::Method::resources_list:
    case mcp::Method::resources_templates_list:
      return list(call);
    case mcp::Method::tools_call:
      return call_tool(call);
    case mcp::Method::prompts_get:
      return get_prompt(call);
    case mcp::Method::resources_read:
      return read_resource(call);
    case mcp::Method::completion_complete:
      return complete(call);
    case mcp::Method::logging_set_level:
      return ready(set_log_level(call));
    case mcp::Method::tasks_get:
    case mcp::Method::tasks_update:
    case mcp::Method::tasks_cancel:
      return task_method(call);
    case mcp::Method::subscriptions_listen:
      return listen(call);
    case mcp::Method::resources_subscribe:
      return subscribe(call);
    case mcp::Method::resources_unsubscribe:
      return unsubscribe(call);
    default:
      return ready<Result<Answer>>(client_error(
          Code::method_not_found, "Method not found: " + mcp::escaped(message.method_text.substr(0, 100))));
  }
}

Task<Result<Answer>> McpService::call_tool(Call& call) {
  const auto& params = call.message.message.params;
  const std::string name = text_member(params, "name");
  const Export* tool = call.endpoint->tools.find(name);
  const auto arguments = params->find("arguments");
  if (!tool) {
    call.refusal = "unknown_tool";
    return ready<Result<Answer>>(unknown("tool", name));
  }
  call.target = tool->definition->canonical;
  UpstreamCall upstream{.method = mcp::Method::tools_call, .params = params};
  std::string_view bytes = arguments ? arguments->raw() : std::string_view();
  std::optional<json::Document> completed;
  if (tool->own) {
    if (!visible(call, policy::Object::tool, tool->definition->canonical, tool->definition)) {
      call.refusal = "denied";
      return ready<Result<Answer>>(unknown("tool", name));
    }
    auto built = complete_arguments(*tool->own, *call.principal, arguments);
    if (!built && built.error().code == Code::not_found) {
      call.refusal = "denied";
      return ready<Result<Answer>>(unknown("tool", name));
    }
    if (!built) return ready<Result<Answer>>(Failure(built.error()));
    auto parsed = json::Document::parse(std::move(*built));
    if (!parsed) return ready<Result<Answer>>(Failure(parsed.error()));
    completed.emplace(std::move(*parsed));
    bytes = completed->root().raw();
    upstream.replace.emplace_back("arguments", bytes);
  }
  switch (judged(call, policy::Object::tool, tool->definition->canonical, tool->definition, bytes)) {
    case Verdict::unseen:
      return ready<Result<Answer>>(unknown("tool", name));
    case Verdict::refused:
      return ready<Result<Answer>>(refused_by_policy());
    case Verdict::unscoped:
      return ready<Result<Answer>>(needs_scopes(call));
    case Verdict::allowed:
      break;
  }
  if (call.modern) {
    const auto& headers = call.exchange.request().headers;
    const auto find = [&](std::string_view header) -> Result<std::optional<std::string_view>> {
      if (headers.count(header) > 1)
        return client_error(Code::header_mismatch, std::string(header) + " stands more than once.");
      return headers.find(header);
    };
    if (auto same = mcp::check_param_headers(tool->definition->header_params, arguments, find); !same)
      return ready<Result<Answer>>(Failure(same.error()));
  }
  upstream.name = tool->definition->name;
  upstream.replace.emplace_back("name", json::quote(tool->definition->name));
  upstream.param_headers =
      mcp::make_param_headers(tool->definition->header_params, completed ? completed->root() : arguments);
  return forward(call, Target::of(*tool), std::move(upstream), std::nullopt);
}

Task<Result<Answer>> McpService::get_prompt(Call& call) {
  const auto& params = call.message.message.params;
  const std::string name = text_member(params, "name");
  const Export* prompt = call.endpoint->prompts.find(name);
  if (!prompt) {
    call.refusal = "unknown_prompt";
    return ready<Result<Answer>>(unknown("prompt", name));
  }
  call.target = prompt->definition->canonical;
  const auto arguments = params->find("arguments");
  switch (judged(call, policy::Object::prompt, prompt->definition->canonical, prompt->definition,
                 arguments ? arguments->raw() : std::string_view())) {
    case Verdict::unseen:
      return ready<Result<Answer>>(unknown("prompt", name));
    case Verdict::refused:
      return ready<Result<Answer>>(refused_by_policy());
    case Verdict::unscoped:
      return ready<Result<Answer>>(needs_scopes(call));
    case Verdict::allowed:
      break;
  }
  UpstreamCall upstream{.method = mcp::Method::prompts_get, .params = params};
  upstream.name = prompt->definition->name;
  upstream.replace.emplace_back("name", json::quote(prompt->definition->name));
  return forward(call, Target::of(*prompt), std::move(upstream), std::nullopt);
}

/// Whether a rule denies the same resource under another spelling.
bool McpService::denied_otherwise(Call& call, const Readable& found) const {
  std::optional<Access> own;
  const std::string arguments = "{\"uri\":" + json::quote(found.original) + "}";
  const std::string& server = found.entry->server->config->document.name;
  for (const std::string& other : mcp::other_spellings(found.original)) {
    const auto decision = access_of(call, own).calls(
        *call.endpoint, policy::Object::resource, mcp::canonical_name(server, other), found.entry->definition,
        {.arguments = arguments, .client_ip = call.exchange.client_ip(), .now = clock_.now()});
    // That no rule allows it by this name is no denial, and neither is a scope that its rule asks for.
    if (decision.allowed() || decision.rule == "default" || !decision.lacks.empty()) continue;
    call.rule = decision.rule;
    return true;
  }
  return false;
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
  // Who may not read a resource, or not now, is told that there is none: its URI is all that a call says.
  const bool ambiguous = hit && hit->by_template && mcp::has_other_spellings(out.original);
  const Verdict verdict = hit && !ambiguous
                              ? judged(call, policy::Object::resource, out.canonical, hit->entry->definition,
                                       "{\"uri\":" + json::quote(out.original) + "}")
                              : Verdict::unseen;
  if (verdict == Verdict::allowed && !(hit->by_template && denied_otherwise(call, out))) return out;
  if (verdict == Verdict::unscoped) return std::nullopt;
  call.refusal = !hit ? "unknown_resource" : ambiguous ? "ambiguous_uri" : "denied";
  return std::nullopt;
}

Result<Answer> McpService::no_such_resource(const Call& call, const std::string& uri) {
  // It is listed: whoever reads it with a token of more scopes may.
  if (call.refusal == kInsufficientScope) return needs_scopes(call);
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
  if (!found) return ready(no_such_resource(call, uri));
  UpstreamCall upstream{.method = mcp::Method::resources_read, .params = params};
  upstream.name = found->original;
  upstream.replace.emplace_back("uri", json::quote(found->original));
  return forward(call, Target::of(*found->entry), std::move(upstream), mcp::CacheHints{});
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
    return ready<Result<Answer>>(client_error(
        Code::invalid_params, "completion/complete needs params.ref of type ref/prompt or ref/resource."));
  }
  policy::Decision decision;
  if (target) {
    std::optional<Access> own;
    call.target = target->definition->canonical;
    decision = access_of(call, own).lists(*call.endpoint, object, call.target, target->definition);
    call.rule = decision.rule;
  }
  if (!decision.allowed()) {
    call.refusal = target ? "denied" : "unknown_reference";
    return ready<Result<Answer>>(unknown(object == policy::Object::prompt ? "prompt" : "resource", name));
  }
  if (!decision.lacks.empty()) {
    ask_for_scopes(call, decision.lacks);
    return ready<Result<Answer>>(needs_scopes(call));
  }
  return forward(call, Target::of(*target), std::move(upstream), std::nullopt);
}

Result<Answer> McpService::set_log_level(Call& call) {
  const std::string level = text_member(call.message.message.params, "level");
  if (log_severity(level) < 0)
    return client_error(Code::invalid_params,
                        "logging/setLevel needs params.level: debug, info, notice, warning, error, "
                        "critical, alert or emergency.");
  const SessionTable::Level wanted{.level = level, .expires = call.session->expires};
  const std::int64_t now = unix_millis(clock_.now()) / 1000;
  for (int i = 0; i < shards_.size(); ++i) {
    const auto tell = [state = states_[static_cast<std::size_t>(i)].get(), nonce = call.session->nonce,
                       wanted, now] { state->sessions.set_level(nonce, wanted, now); };
    shards_[i].is_current() ? tell() : static_cast<void>(shards_[i].post(tell));
  }
  return RpcResult{"{}"};
}

Task<Result<Answer>> McpService::end_session(Call& call) {
  const std::int64_t now = unix_millis(clock_.now()) / 1000;
  // Answered when every shard knows: no request that follows may find the session alive.
  for (int i = 0; i < shards_.size(); ++i) {
    auto told = co_await net::run_on<Result<bool>>(
        shards_[i], [this, i, nonce = call.session->nonce, now]() -> Task<Result<bool>> {
          return [](ShardState& state, std::string n, std::int64_t at) -> Task<Result<bool>> {
            state.sessions.end(n, at);
            state.feed->sessions().end(n);
            state.cancel_calls(n);
            co_return true;
          }(*states_[static_cast<std::size_t>(i)], nonce, now);
        });
    if (!told) co_return Failure(told.error());
  }
  co_return net::Reply{.status = 204};
}

void McpService::take_answer(Call& call) {
  const mcp::Envelope& message = call.message.message;
  const auto shard = Questions::shard_of(message.id);
  if (!call.session || !shard || *shard < 0 || *shard >= shards_.size()) return;
  ShardState* state = states_[static_cast<std::size_t>(*shard)].get();
  (void)shards_[*shard].post(
      [state, id = message.id, session = call.session->nonce,
       answer = QuestionAnswer{.raw = std::string(message.payload->raw()),
                               .is_error = message.kind == mcp::Envelope::Kind::error}] {
        state->questions.answer(id, session, answer);
      });
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
    (void)shards_[i].post([state, key] { state->cancel_call(key); });
  }
}

}  // namespace sallyport::gateway
