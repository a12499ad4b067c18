#include "model_service.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "access.hpp"
#include "door.hpp"
#include "record.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/llm/step_body.hpp"
#include "wanted_scopes.hpp"

namespace sallyport::gateway {
namespace {

using llm::Operation;

Failure refused(std::string why) { return client_error(Code::bad_request, std::move(why)); }

/// Whom a request without a config of its own names in its headers.
llm::TargetRef named_target(const net::Headers& headers) {
  llm::TargetRef out;
  if (const auto provider = headers.find("x-portkey-provider"))
    out.provider = provider->starts_with('@') ? provider->substr(1) : *provider;
  if (const auto key = headers.find("x-portkey-virtual-key"))
    out.virtual_key = key->starts_with('@') ? key->substr(1) : *key;
  return out;
}

/// Names go into records, into rules, and at some providers into the path of the URL.
bool is_model_name(std::string_view name) {
  return !name.empty() && name.size() <= limits::kNameBytes &&
         std::ranges::all_of(name, [](char c) { return c > 0x20 && c < 0x7f; });
}

const std::shared_ptr<const llm::Route>& single() {
  static const std::shared_ptr<const llm::Route> kOne = [] {
    const auto empty = json::Document::parse("{}");
    return *llm::read_route(empty->root());
  }();
  return kOne;
}

std::int64_t micros_between(SteadyTime begin, SteadyTime end) {
  return std::chrono::duration_cast<std::chrono::microseconds>(end - begin).count();
}

Task<bool> rest(net::Shard& shard, Duration time, Cancel& cancel) {
  const auto slot = std::make_shared<Slot<bool>>();
  net::Deadline timer(shard);
  timer.set(time, [slot] { slot->deliver(true); });
  const auto watch = cancel.on_request([slot] { slot->deliver(false); });
  co_return co_await *slot;
}

/// What the last provider that was called has answered, and what was known of the call then.
struct Told {
  Result<Answer> answer;
  ModelCall model;
};

/// That answer after all: those that came later had no place for the request.
Result<Answer> again(Told told, ModelCall& model) {
  told.model.tried = std::move(model.tried);
  told.model.attempts = model.attempts;
  model = std::move(told.model);
  return std::move(told.answer);
}

}  // namespace

const ModelService::Planned& ModelService::Plan::of(const llm::Step* step) const {
  return *std::ranges::find(targets, step, &Planned::step);
}

Task<Result<Answer>> ModelService::perform(Call& call) const {
  ModelCall& model = *call.model;
  const net::Request& request = call.exchange.request();
  if (request.path == "/v1/feedback") co_return co_await take_feedback(call);
  if (model.operation == Operation::models) {
    if (request.path != "/v1/models")
      co_return client_error(Code::not_found,
                             "Nothing is served at this path. There are /v1/chat/completions, /v1/responses, "
                             "/v1/messages, /v1/messages/count_tokens, /v1/embeddings, /v1/models and "
                             "/v1/feedback.");
    if (request.method != net::Method::get && request.method != net::Method::head)
      co_return client_error(Code::method_not_allowed, "Ask for the models with GET.");
    co_return list(call);
  }
  if (request.method != net::Method::post)
    co_return client_error(Code::method_not_allowed, "Send model calls with POST.");
  if (auto media = Door::check_body_type(request); !media) co_return Failure(media.error());
  if (auto body = co_await take_body(call, limits::kLlmBody); !body) co_return Failure(body.error());
  const json::Value root = call.body->root();
  if (!root.is(json::Kind::object)) co_return refused("The body must be a JSON object.");
  // Some clients send a Responses body to the path of chat, and read chat.
  if (model.operation == Operation::chat && llm::is_responses_shaped(root)) model.asks = llm::Wire::responses;
  auto envelope = llm::read_envelope(model.asks, root);
  if (!envelope) co_return Failure(envelope.error());
  model.envelope = std::move(*envelope);
  if (model.operation == Operation::embeddings || model.operation == Operation::count_tokens)
    model.envelope.stream = false;
  if (!is_model_name(model.envelope.model))
    co_return refused("model must be 1 to 256 visible characters without blanks.");
  call.target = model.envelope.model;
  name_user(call);

  auto planned = plan(call);
  if (!planned) co_return Failure(planned.error());
  if (auto allowed = authorize(call, *planned); !allowed) co_return Failure(allowed.error());
  if (auto taken = take_along(call, *planned); !taken) co_return Failure(taken.error());
  const ModelPlace& first = planned->targets.front().place;
  call.target = first.canonical;
  // Whoever answers in the end: no more is kept than each of them allows.
  call.capture = capture_of(store::Capture::full);
  // An answer that repeats a key that was brought must not bring it into the record.
  for (const Planned& target : planned->targets)
    call.capture = std::min({call.capture, capture_of(target.place.handle->provider->document.capture),
                             target.brought.api_key ? 1 : call.capture});
  if (const auto debug = request.headers.find("x-portkey-debug"); debug && *debug == "false")
    call.capture = std::min(call.capture, 1);
  if (auto written = co_await intend(call, planned->targets.front().body.raw(), {}); !written)
    co_return Failure(written.error());
  co_return co_await walk(call, *planned);
}

Result<std::shared_ptr<const llm::Route>> ModelService::route_of(Call& call) {
  const auto header = call.exchange.request().headers.find("x-portkey-config");
  if (!header) return single();
  if (!header->starts_with('{')) {
    call.model->route = *header;
    return call.snapshot->models->route(*header);
  }
  auto config = json::Document::parse(std::string(*header));
  if (!config) return refused("x-portkey-config is no JSON: " + config.error().hint);
  call.model->config = sha256_hex(*header);
  return llm::read_route(config->root());
}

Result<ModelService::Plan> ModelService::plan(Call& call) const {
  const ModelCall& model = *call.model;
  Plan out;
  auto route = route_of(call);
  if (!route) return Failure(route.error());
  out.route = std::move(*route);
  const auto standard = named_target(call.exchange.request().headers);
  out.facts = {.metadata = model.metadata, .params = call.body->root(), .path = call.exchange.request().path};
  auto steps = llm::planned(*out.route, out.facts);
  if (!steps) return Failure(steps.error());
  for (const llm::Step* step : *steps) {
    // Before anything is looked up: what it answers must not depend on what there is.
    auto brought = brought_along(*step, call.exchange.request().headers);
    if (!brought) return Failure(brought.error());
    const std::string& wanted = step->model.empty() ? model.envelope.model : step->model;
    const llm::TargetRef& at = step->target.empty() ? standard : step->target;
    auto place = call.snapshot->models->locate(at, wanted, model.asks, clock_.now());
    if (!place) return Failure(place.error());
    auto target = planned_at(call, *step, std::move(*place));
    if (!target) return Failure(target.error());
    target->wanted = asked_as(at, wanted);
    target->brought = std::move(*brought);
    out.targets.push_back(std::move(*target));
  }
  return out;
}

Result<ModelService::Planned> ModelService::planned_at(Call& call, const llm::Step& step, ModelPlace place) {
  Planned out{
      .step = &step, .place = std::move(place), .wanted = {}, .changed = {}, .body = call.body->root()};
  if (!llm::changes_body(step)) return out;
  if (out.body.size() > limits::kRouteBodyMembers)
    return refused("The config changes parameters of a body that has more than " +
                   std::to_string(limits::kRouteBodyMembers) + " of them.");
  auto changed = json::Document::parse(llm::step_body(out.body, step));
  if (!changed) return Failure(changed.error());
  out.changed = std::move(*changed);
  out.body = out.changed->root();
  const auto envelope = llm::read_envelope(call.model->asks, out.body);
  if (!envelope) return Failure(envelope.error());
  if (envelope->stream != call.model->envelope.stream)
    return refused(
        "A config does not decide whether the answer is a stream: leave \"stream\" to the request.");
  return out;
}

Result<void> ModelService::authorize(Call& call, Plan& plan) const {
  std::string rule;
  std::optional<Access> own;
  for (Planned& target : plan.targets) {
    const ModelPlace& place = target.place;
    const auto refuse = [&](Verdict verdict) -> Failure {
      call.target = place.canonical;
      if (verdict == Verdict::refused)
        return client_error(Code::denied, "Refused by policy: not with these parameters.");
      if (verdict == Verdict::unscoped)
        return client_error(Code::insufficient_scope, "This model needs a token with more scopes.");
      return unknown_model(target.wanted);
    };
    const std::string_view body = target.body.raw();
    const auto verdict = judge(call, policy::Object::model, place.canonical, nullptr, body, clock_.now());
    if (verdict != Verdict::allowed) return refuse(verdict);
    if (rule.empty()) rule = call.rule;
    const CallFacts facts{.arguments = body, .client_ip = call.exchange.client_ip(), .now = clock_.now()};
    if (auto denial = denied_elsewhere(access_of(call, own), *call.endpoint, place, &facts)) {
      call.rule = std::move(denial->rule);
      call.refusal = "denied";
      return refuse(denial->read_args ? Verdict::refused : Verdict::unseen);
    }
    if (target.brought.empty()) continue;
    if (auto granted = grant(call, target); !granted) return granted;
  }
  call.rule = rule;
  call.refusal.clear();
  return {};
}

Result<void> ModelService::grant(Call& call, Planned& target) const {
  const ModelHandle& handle = *target.place.handle;
  const CallFacts facts{
      .arguments = target.body.raw(), .client_ip = call.exchange.client_ip(), .now = clock_.now()};
  std::optional<Access> own;
  Access& access = access_of(call, own);
  const auto named = [](const std::string& name, std::string_view field) {
    return name + "/" + std::string(field);
  };
  const auto decided = [&](std::string_view field) {
    auto decision =
        access.calls(*call.endpoint, policy::Object::brought, named(handle.name, field), nullptr, facts);
    if (!decision.allowed() || !handle.is_virtual) return decision;
    // What is denied of a provider is denied of the virtual keys before it; that nothing allows it there is
    // no denial.
    auto also = access.calls(*call.endpoint, policy::Object::brought,
                             named(handle.provider->document.name, field), nullptr, facts);
    return also.allowed() || also.rule == "default" || !also.lacks.empty() ? decision : also;
  };
  for (const std::string_view field : target.brought.fields()) {
    const auto decision = decided(field);
    if (decision.allowed()) continue;
    call.target = target.place.canonical;
    call.rule = decision.rule;
    call.refusal = "denied";
    if (!decision.lacks.empty()) {
      ask_for_scopes(call, decision.lacks);
      return client_error(Code::insufficient_scope, "This call needs a token with more scopes.");
    }
    return client_error(Code::forbidden,
                        std::string(field) +
                            " is not taken from your requests: a Provider document says where calls go and "
                            "what they carry. A policy can grant it: {effect: allow, brings: [\"" +
                            named(handle.name, field) + "\"]}.");
  }
  target.private_host = target.brought.custom_host && decided("private_host").allowed();
  return {};
}

Result<void> ModelService::take_along(Call& call, Plan& plan) {
  std::string& record = call.model->brought;
  for (Planned& target : plan.targets) {
    if (target.brought.empty()) continue;
    auto own = handle_with(*target.place.handle, target.brought, target.private_host);
    if (!own) return Failure(own.error());
    target.own = std::move(*own);
    target.place.handle = target.own.get();
    record += (record.empty() ? "{" : ",") + json::quote(target.step->path) + ":" + target.brought.record();
  }
  if (!record.empty()) record += "}";
  return {};
}

Task<Result<Answer>> ModelService::walk(Call& call, const Plan& plan) const {
  ModelCall& model = *call.model;
  std::uint64_t random = 0;
  for (const char c : random_bytes(sizeof random)) random = random << 8 | static_cast<unsigned char>(c);
  // Of a changed route nothing is known yet.
  // What one principal's own configs do to a breaker is no other's matter.
  const std::string scope =
      std::to_string(call.snapshot->generation) + " " +
      (model.route.empty() ? call.principal->name() + " " + model.config : model.route) + " ";
  const auto breaker_of = [&](const llm::Step& at) -> llm::TargetBreaker* {
    const auto target = std::ranges::find(plan.targets, &at, &Planned::step);
    if (!at.breaker || target == plan.targets.end()) return nullptr;
    // A host or a key that one caller brings is no target of anybody else.
    const std::string whose =
        target->brought.empty() ? "" : call.principal->name() + target->brought.record() + " ";
    return &call.here.target_breaker(scope + whose + at.path + " " + target->place.canonical, *at.breaker);
  };
  llm::Walk walk(plan.route, plan.facts, random, [&](const llm::Step& at) {
    const llm::TargetBreaker* breaker = breaker_of(at);
    return breaker && breaker->open(clock_.steady());
  });
  const llm::Step* step = walk.first();
  if (!step) co_return refused("No target of the route applies to this request.");
  std::optional<Told> told;
  for (;;) {
    const Planned& target = plan.of(step);
    const ProviderEntry& provider = *target.place.handle->provider;
    model.provider = target.place.handle->name;
    model.kind = provider.document.api;
    model.model = target.place.model;
    model.option = step->path;
    model.failed = false;
    model.late = false;
    model.dropped.clear();
    model.usage = {};
    model.cost.reset();
    model.first_micros.reset();
    ++model.attempts;
    model.retries = walk.retries();
    ServerCounters& counters = call.here.counters.servers[provider.slot];
    counters.calls.add();
    counters.in_flight.add();
    const SteadyTime begin = std::chrono::steady_clock::now();
    llm::TargetBreaker* breaker = breaker_of(*step);
    const auto counted = breaker ? breaker->begin(clock_.steady()) : llm::TargetBreaker::Attempt{};
    ModelAttempt attempt(call, clock_, *step, target.place, target.body);
    Attempted done = co_await attempt.run();
    // Found again: others may have filled the table meanwhile.
    breaker = breaker_of(*step);
    const bool counts = done.says_something && !call.cancel.requested();
    if (breaker && !counts) breaker->forget(counted);
    if (breaker && counts) breaker->end(counted, done.status, clock_.steady());
    const std::int64_t micros = micros_between(begin, std::chrono::steady_clock::now());
    counters.in_flight.add(-1);
    counters.micros.add(micros);
    if (counts && (done.status < 200 || done.status >= 300)) counters.failures.add();
    add_attempt(model, target.place.canonical, done.status, micros);
    if (done.settled || call.cancel.requested()) co_return std::move(done.answer);
    const llm::Walk::Next next = done.unable ? walk.pass() : walk.after(done.status, done.wait);
    model.retries = walk.retries();
    if (next.kind == llm::Walk::Next::Kind::give_up) {
      if (done.unable && told) co_return again(*std::move(told), model);
      co_return std::move(done.answer);
    }
    // The call goes on, but somebody has to mend what is configured.
    if (!done.answer && done.answer.error().blame == Blame::admin)
      spdlog::warn("call {}: {}", call.id, done.answer.error().what);
    if (!done.unable) told = Told{.answer = std::move(done.answer), .model = model};
    if (next.wait.count() > 0 && !co_await rest(call.here.shard, next.wait, call.cancel))
      co_return fail(Code::cancelled, Blame::client, "the client left between two attempts");
    step = next.step;
  }
}

}  // namespace sallyport::gateway
