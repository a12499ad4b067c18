#include "record.hpp"

#include <spdlog/spdlog.h>

#include "model_call.hpp"
#include "sallyport/json/document.hpp"
#include "shard_state.hpp"
#include "trace.hpp"

namespace sallyport::gateway {
namespace {

/// How an outcome reads in the journal.
std::string_view outcome_of(const Call& call, const Result<Answer>& answer) {
  if (answer) {
    if (std::holds_alternative<RpcError>(*answer)) return "error";
    if (call.input_required) return "input_required";
    if (call.model && call.model->failed) return "error";
    return call.tool_error ? "tool_error" : "ok";
  }
  switch (answer.error().code) {
    case Code::cancelled:
      return "cancelled";
    case Code::upstream_timeout:
      return "timeout";
    case Code::upstream_broken:
      return "broken";
    default:
      return "error";
  }
}

/// What the client got.
std::string_view payload_of(const Call& call, const Result<Answer>& answer) {
  if (call.model && call.model->streamed) return call.model->sent;
  if (!answer) return {};
  if (const auto* result = std::get_if<RpcResult>(&*answer)) return result->raw;
  const auto* reply = call.model ? std::get_if<net::Reply>(&*answer) : nullptr;
  return reply ? std::string_view(reply->body) : std::string_view();
}

/// Clients of models read HTTP statuses where those of MCP read errors in a 200.
int status_shown(const Error& error, const Call& call) {
  return call.model ? llm::status_for(call.model->answers, wire_error_of(error, call))
                    : show(error, call).http;
}

}  // namespace

std::int64_t micros_since(SteadyTime start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
      .count();
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

Task<Result<void>> intend(Call& call, std::string_view arguments, std::string_view continues) {
  Slot<Result<void>> durable;
  const std::string grant = call.grant();
  call.here.journal.intent(
      {.call = call.id,
       .principal = call.principal->name(),
       .key_id = call.key_id,
       .endpoint = call.endpoint_path,
       .era = call.era(),
       .method = call.method,
       .target = call.target,
       .rule = call.rule,
       .policy_generation = call.snapshot->generation,
       .arguments = arguments,
       .capture = call.capture,
       .client = call.exchange.client_ip(),
       .continues = continues,
       .trace = call.trace,
       .metadata = call.metadata,
       .actor = call.principal->actor,
       .brought = call.model ? std::string_view(call.model->brought) : std::string_view(),
       .grant = grant},
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
  co_return Result<void>();
}

void record(const Call& call, const Result<Answer>& answer) {
  const std::string principal = call.principal_name(), grant = call.grant();
  const std::string actor = call.principal ? call.principal->actor : std::string();
  if (call.intent_written) {
    const std::string_view raw = payload_of(call, answer);
    call.here.journal.outcome(
        {.call = call.id,
         .status = outcome_of(call, answer),
         .code = answer ? std::string_view() : name_of(answer.error().code),
         .micros = micros_since(call.exchange.started()),
         .result = raw,
         .bytes = call.model && call.model->streamed ? call.model->sent_bytes : raw.size(),
         .capture = call.capture,
         .model = call.model ? model_record(*call.model) : std::string()});
  } else if (!answer || !call.refusal.empty()) {
    const std::string reason =
        call.refusal.empty() && !answer ? std::string(name_of(answer.error().code)) : call.refusal;
    // What strangers say of themselves is kept of nobody.
    const std::string trace = !call.principal      ? std::string()
                              : call.trace.empty() ? trace_of(call.exchange.request().headers)
                                                   : call.trace;
    call.here.journal.refusal({.call = call.id,
                               .principal = principal,
                               .key_id = call.key_id,
                               .endpoint = call.endpoint_path,
                               .era = call.era(),
                               .method = call.method,
                               .target = call.target,
                               .reason = reason,
                               .rule = call.rule,
                               .trace = trace,
                               .metadata = call.metadata,
                               .client = call.exchange.client_ip(),
                               .actor = actor,
                               .grant = grant,
                               .status = answer ? 200 : status_shown(answer.error(), call),
                               .before_authentication = !call.principal});
  } else if (!std::holds_alternative<Accepted>(*answer) && !std::holds_alternative<RpcError>(*answer)) {
    // Strangers must not be able to fill the disk; a batch is recorded message by message.
    if (!call.principal || call.method == "ping" || call.method == "batch") return;
    call.here.journal.note(
        "answered", "\"call\":" + json::quote(call.id) + ",\"principal\":" + json::quote(principal) +
                        ",\"key_id\":" + json::quote(call.key_id) +
                        ",\"endpoint\":" + json::quote(call.endpoint_path) +
                        ",\"era\":" + json::quote(call.era()) + ",\"method\":" + json::quote(call.method));
  } else {
    return;
  }
  // Strangers do not write the log; what ails the keys of an issuer is there already.
  if (!call.principal) {
    call.here.commit_soon();
    return;
  }
  // The breaker has said once that it holds calls back.
  if (!answer && answer.error().blame != Blame::client && answer.error().code != Code::circuit_open)
    spdlog::warn("call {}: {} {}: {} ({})", call.id, call.method, call.target, answer.error().what,
                 name_of(answer.error().code));
  call.here.commit_soon();
}

}  // namespace sallyport::gateway
