#include "record.hpp"

#include <spdlog/spdlog.h>

#include "sallyport/json/document.hpp"
#include "shard_state.hpp"

namespace sallyport::gateway {
namespace {

/// How an outcome reads in the journal.
std::string_view outcome_of(const Call& call, const Result<Answer>& answer) {
  if (answer) {
    if (std::holds_alternative<RpcError>(*answer)) return "error";
    if (call.input_required) return "input_required";
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

}  // namespace

std::int64_t micros_since(SteadyTime start) {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start)
      .count();
}

void record(const Call& call, const Result<Answer>& answer) {
  const std::string principal = call.principal_name(), grant = call.grant();
  const std::string actor = call.principal ? call.principal->actor : std::string();
  if (call.intent_written) {
    const auto* result = answer ? std::get_if<RpcResult>(&*answer) : nullptr;
    const std::string_view raw = result ? std::string_view(result->raw) : std::string_view();
    call.here.journal.outcome({.call = call.id,
                               .status = outcome_of(call, answer),
                               .code = answer ? std::string_view() : name_of(answer.error().code),
                               .micros = micros_since(call.exchange.started()),
                               .result = raw,
                               .bytes = raw.size(),
                               .capture = call.capture});
  } else if (!answer || !call.refusal.empty()) {
    const std::string reason =
        call.refusal.empty() && !answer ? std::string(name_of(answer.error().code)) : call.refusal;
    call.here.journal.refusal({.call = call.id,
                               .principal = principal,
                               .key_id = call.key_id,
                               .endpoint = call.endpoint_path,
                               .era = mcp::text_of(call.version),
                               .method = call.method,
                               .target = call.target,
                               .reason = reason,
                               .rule = call.rule,
                               .client = call.exchange.peer().ip,
                               .actor = actor,
                               .grant = grant,
                               .status = answer ? 200 : show(answer.error(), call).http,
                               .before_authentication = !call.principal});
  } else if (!std::holds_alternative<Accepted>(*answer) && !std::holds_alternative<RpcError>(*answer)) {
    // Strangers must not be able to fill the disk; a batch is recorded message by message.
    if (!call.principal || call.method == "ping" || call.method == "batch") return;
    call.here.journal.note(
        "answered", "\"call\":" + json::quote(call.id) + ",\"principal\":" + json::quote(principal) +
                        ",\"key_id\":" + json::quote(call.key_id) +
                        ",\"endpoint\":" + json::quote(call.endpoint_path) + ",\"era\":" +
                        json::quote(mcp::text_of(call.version)) + ",\"method\":" + json::quote(call.method));
  } else {
    return;
  }
  // Strangers do not write the log; what ails the keys of an issuer is there already.
  if (!call.principal && call.method.empty()) {
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
