#include "model_attempt.hpp"

#include <spdlog/spdlog.h>

#include "model_headers.hpp"
#include "record.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/llm/price.hpp"
#include "sallyport/llm/retry_after.hpp"

namespace sallyport::gateway {
namespace {

/// How an attempt that brought no answer counts in a route: statuses, 0 for what could not be reached.
int status_of(const Error& error) {
  switch (error.code) {
    case Code::upstream_timeout:
      return 408;
    case Code::upstream_broken:
      return 502;
    default:
      return 0;
  }
}

/// From this anthropic-version on, Messages refuses temperature, top_p and top_k.
constexpr std::string_view kWithoutSampling = "2026-10-21";

/// A response that its provider goes on with in the background: nothing of it is said yet.
bool is_under_way(const json::Value& response) {
  const auto said = response.find("status");
  const auto status = said ? said->string() : std::nullopt;
  return status == "queued" || status == "in_progress";
}

/// Other targets would not change it.
bool is_for_all_targets(Code code) {
  return code == Code::bad_request || code == Code::cancelled || code == Code::limited;
}

}  // namespace

ModelAttempt::ModelAttempt(Call& call, const Clock& clock, const llm::Step& step, const ModelPlace& place,
                           json::Value asked)
    : call_(call),
      model_(*call.model),
      clock_(clock),
      step_(step),
      place_(place),
      asked_(asked),
      provider_(*place.handle->provider),
      wire_(provider_.wire_for(model_.asks)),
      same_(wire_ == model_.asks && wire_ == model_.answers),
      relayed_(same_ || model_.operation == llm::Operation::embeddings),
      timer_(call.here.shard) {}

llm::Writing ModelAttempt::writing() const {
  return {.id = call_.id,
          .created = unix_millis(clock_.now()) / 1000,
          .model = model_.envelope.model,
          .wants_usage = model_.envelope.wants_usage,
          .request = request_ ? &*request_ : nullptr};
}

llm::Writing ModelAttempt::writing_behind(const llm::EventReader& heard) const {
  llm::Writing out = writing();
  if (!heard.id().empty()) out.id = heard.id();
  out.first_number = heard.next_number();
  return out;
}

Result<std::string> ModelAttempt::body_of_request() {
  if (relayed_) {
    // Without it the provider says nothing of what the call has used.
    const bool asks = wire_ == llm::Wire::chat && model_.envelope.stream && provider_.kind->stream_options &&
                      model_.operation == llm::Operation::chat;
    llm::Rewrite rewrite;
    rewrite.model = place_.model;
    rewrite.ask_usage = asks;
    return llm::rewrite(asked_, rewrite);
  }
  auto request = llm::read_request(model_.asks, asked_);
  if (!request) return Failure(request.error());
  request_ = std::move(*request);
  auto written = llm::write_request(wire_, *request_, target());
  unable_ = !written;
  if (!written) return Failure(written.error());
  model_.dropped = std::move(written->dropped);
  return std::move(written->body);
}

llm::Target ModelAttempt::target() const {
  llm::Target out{.model = place_.model};
  if (const llm::Model* known = llm::model(provider_.kind->prices, place_.model)) {
    out.max_output = known->max_output;
    out.reasons = known->reasons;
    out.adaptive_thinking = !known->budget;
    out.sampling = known->sampling;
  }
  if (provider_.messages_version >= kWithoutSampling) out.sampling = false;
  out.old_limit = provider_.kind->old_limit;
  out.asks_usage = provider_.kind->stream_options;
  out.lenient = provider_.document.drop_tools;
  return out;
}

Result<void> ModelAttempt::compose() {
  const ModelHandle& handle = *place_.handle;
  for (const std::string* problem : {&provider_.problem, &handle.problem}) {
    if (!problem->empty()) {
      Error error{.code = Code::unavailable,
                  .blame = Blame::admin,
                  .what = "provider '" + provider_.document.name + "': " + *problem};
      error.hint =
          "The gateway cannot call this provider as it is configured. Its log says why, under call " +
          call_.id + ".";
      return Failure(std::move(error));
    }
  }
  const bool counts = model_.operation == llm::Operation::count_tokens;
  const bool embeds = model_.operation == llm::Operation::embeddings;
  unable_ = (counts && !same_) || (embeds && !provider_.kind->embeddings);
  if (unable_)
    return client_error(Code::not_implemented, counts ? "This provider does not count tokens: estimate them."
                                                      : "This provider has no embeddings.");
  const llm::Operation operation = counts || embeds ? model_.operation : llm::operation_of(wire_);
  auto body = body_of_request();
  if (!body) return Failure(body.error());
  body_ = std::move(*body);
  if (body_.size() > limits::kUncounted &&
      !call_.held.set(call_.bytes_in + call_.body->index_bytes() + body_.size()))
    return fail(Code::limited, Blame::us, "bytes in flight", true);
  path_ = provider_.base_path + llm::url_path(*provider_.kind, operation, place_.model, provider_.base_url,
                                              provider_.document.api_version);
  const std::string_view query = call_.exchange.request().query;
  if (relayed_ && !query.empty() && !path_.contains('?')) path_.append("?").append(query);
  headers_ = provider_headers(handle, call_.exchange.request().headers, relayed_);
  return {};
}

Attempted ModelAttempt::failed(const Error& error) const {
  if (model_.late) {
    const std::string asked = std::to_string(step_.timeout.value_or(provider_.document.timeout).count());
    Error late = client_error(Code::upstream_timeout,
                              "Request exceeded the timeout sent in the request: " + asked + "ms")
                     .error();
    late.blame = Blame::upstream;
    late.what = place_.canonical + " gave no answer within " + asked + " ms";
    return {.status = 408, .answer = Failure(std::move(late))};
  }
  Error named = error;
  if (place_.handle->brings_host && !provider_.document.allow_private && error.code == Code::forbidden)
    named.hint =
        "custom_host leads into a private network, which takes a grant of its own: {effect: allow, brings: "
        "[\"" +
        place_.handle->name + "/private_host\"]}.";
  named.what = place_.canonical + ": " + error.what;
  // The client did not send too much: the provider did.
  if (named.code == Code::too_large) named.code = Code::upstream_broken;
  const Code code = named.code;
  return {
      .status = status_of(named),
      .answer = Failure(std::move(named)),
      .settled = is_for_all_targets(code) || error.blame == Blame::client || error.code == Code::too_large,
      .says_something = code == Code::upstream_unreachable || code == Code::upstream_broken ||
                        code == Code::upstream_timeout};
}

Attempted ModelAttempt::not_called(const Error& error) const {
  Attempted out = failed(error);
  if (!unable_) return out;
  out.status = error.code == Code::not_implemented ? 501 : 400;
  out.unable = true;
  out.settled = false;
  return out;
}

Attempted ModelAttempt::refused(const llm::WireError& error, net::Reply reply) const {
  model_.failed = true;
  // Whoever waits for a stream takes a body under 200 for an empty one.
  if (!same_ || (model_.envelope.stream && reply.status < 300)) {
    reply.status = llm::status_for(model_.answers, error);
    reply.content_type = "application/json";
    reply.body = llm::write_error(model_.answers, error, call_.id);
  }
  return {.status = error.status, .answer = Answer(std::move(reply))};
}

Task<Attempted> ModelAttempt::run() {
  if (auto composed = compose(); !composed) co_return not_called(composed.error());
  const auto whole_call = call_.cancel.on_request([this] { cancel_.request(); });
  if (step_.timeout) {
    timer_.set(*step_.timeout, [this] {
      model_.late = true;
      cancel_.request();
    });
  }
  net::ClientRequest request{.path = path_, .headers = std::move(headers_), .body = {body_}};
  auto response = co_await call_.here.client->send(
      provider_.origin, std::move(request), std::chrono::steady_clock::now() + provider_.document.timeout,
      &cancel_);
  if (!response) co_return failed(response.error());
  body_ = std::string();
  co_return co_await read(std::move(*response));
}

Task<Attempted> ModelAttempt::read(net::ClientResponse response) {
  const int status = response.status();
  if (status >= 200 && status < 300 && model_.envelope.stream && response.is_type("text/event-stream"))
    co_return co_await stream(std::move(response));
  if (status < 200 || (status >= 300 && status < 400))
    // Followed by the client it would take the prompt, and its key, elsewhere.
    co_return failed(Error{.code = Code::upstream_broken,
                           .blame = Blame::upstream,
                           .what = "answers with a redirect, which is not followed"});
  auto body = co_await response.whole(limits::kUpstreamBody);
  if (!body) co_return failed(body.error());
  timer_.clear();
  if (status < 200 || status >= 300) {
    llm::WireError error = llm::read_error(wire_, status, *body);
    if (status == 401 && !place_.handle->brings_host && !place_.handle->brings_key) {
      // Ours was refused, not the client's, who must neither log in again nor read what is said of it.
      spdlog::error("provider '{}' refuses its credential", provider_.document.name);
      error = {.status = 502,
               .message = "The provider does not accept the credential that this gateway has for it."};
      Attempted out = refused(error, {.status = 502,
                                      .content_type = "application/json",
                                      .body = llm::write_error(model_.answers, error, call_.id)});
      out.status = status;
      co_return out;
    }
    net::Reply reply{.status = status, .content_type = response.content_type(), .body = std::move(*body)};
    reply.headers = answer_headers(response.headers(), same_);
    Attempted out = refused(error, std::move(reply));
    out.wait =
        llm::retry_after([&](std::string_view name) { return response.headers().find(name); }, clock_.now());
    co_return out;
  }
  call_.answer_held = response.take_held();
  co_return whole(response, std::move(*body));
}

void ModelAttempt::price(const llm::Usage& usage) {
  model_.usage = usage;
  model_.cost.reset();
  const llm::Model* known = llm::model(provider_.kind->prices, place_.model);
  if (known && known->priced) model_.cost = llm::cost(usage, known->price);
}

Attempted ModelAttempt::whole(const net::ClientResponse& response, std::string body) {
  const auto broken = [&](std::string what) {
    return failed(Error{.code = Code::upstream_broken, .blame = Blame::upstream, .what = std::move(what)});
  };
  net::Reply reply{.status = response.status(), .content_type = "application/json"};
  reply.headers = answer_headers(response.headers(), relayed_);
  auto document = json::Document::parse(std::move(body), json::kUpstream);
  if (!document) return broken("answers with something that is no JSON");
  const auto as_it_is = [&]() -> Attempted {
    reply.body = document->bytes();
    return {.status = response.status(), .answer = Answer(std::move(reply)), .settled = true};
  };
  if (model_.operation == llm::Operation::embeddings || model_.operation == llm::Operation::count_tokens) {
    const auto usage = document->root().find("usage");
    const auto used = usage ? usage->find("prompt_tokens") : std::nullopt;
    if (used) price({.input = used->integer().value_or(0), .known = true});
    return as_it_is();
  }
  // To try again would begin, and bill, another one.
  const bool goes_on = wire_ == llm::Wire::responses && is_under_way(document->root());
  if (goes_on && same_ && !model_.envelope.stream) return as_it_is();
  const auto events = llm::read_answer(wire_, document->root());
  if (!events) return broken(events.error().what);
  for (const llm::Event& event : *events) {
    if (event.kind == llm::Event::Kind::usage) price(event.usage);
    if (event.kind == llm::Event::Kind::failed) {
      reply.body = document->bytes();
      return refused(event.error, std::move(reply));
    }
  }
  if (model_.envelope.stream) return as_stream(response, *events);
  if (same_) return as_it_is();
  auto written = llm::write_answer(model_.answers, *events, writing());
  if (!written) return broken(written.error().what);
  reply.body = std::move(*written);
  return {.status = response.status(), .answer = Answer(std::move(reply)), .settled = true};
}

Attempted ModelAttempt::as_stream(const net::ClientResponse& response,
                                  const std::vector<llm::Event>& events) {
  llm::EventWriter writer(model_.answers, writing());
  std::string bytes;
  for (const llm::Event& event : events) writer.write(event, bytes);
  net::HeldBytes share = std::move(call_.answer_held);
  if (bytes.size() > limits::kUncounted && !share.set(bytes.size()))
    return failed(
        Error{.code = Code::limited, .blame = Blame::us, .what = "bytes in flight", .answered = true});
  begin_stream(response);
  send(std::move(bytes), std::move(share));
  return {.status = 200, .answer = Answer(Streamed{}), .settled = true};
}

net::Reply ModelAttempt::stream_head(const net::ClientResponse& response) const {
  net::Reply head{.status = 200, .content_type = "text/event-stream"};
  head.headers = answer_headers(response.headers(), relayed_);
  const auto own = headers_of(call_);
  head.headers.insert(head.headers.end(), own.begin(), own.end());
  head.headers.insert(head.headers.end(), call_.cors.begin(), call_.cors.end());
  return head;
}

void ModelAttempt::begin_stream(const net::ClientResponse& response) {
  timer_.clear();
  model_.streamed = true;
  model_.first_micros = micros_since(call_.exchange.started());
  call_.stream = &call_.exchange.stream(stream_head(response));
  call_.here.counters.streams.add();
}

void ModelAttempt::send(std::string bytes, net::HeldBytes share) {
  if (bytes.empty()) return;
  model_.sent_bytes += bytes.size();
  const std::size_t all = model_.sent.size() + bytes.size();
  if (call_.capture > 0 && !model_.too_long) {
    // Half an answer is none.
    model_.too_long = all > limits::kKeptStream || !call_.answer_held.set(all);
    if (model_.too_long) {
      model_.sent = std::string();
    } else {
      model_.sent += bytes;
    }
  }
  call_.stream->push(std::move(bytes), std::move(share));
}

}  // namespace sallyport::gateway
