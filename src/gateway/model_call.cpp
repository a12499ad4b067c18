#include "model_call.hpp"

#include <array>

#include "call.hpp"
#include "sallyport/llm/price.hpp"
#include "sallyport/mcp/message.hpp"

namespace sallyport::gateway {
namespace {

using llm::Operation;
using llm::Wire;

struct Path {
  std::string_view path;
  Operation operation;
  Wire wire;
};
constexpr std::array<Path, 6> kPaths{{{"/v1/chat/completions", Operation::chat, Wire::chat},
                                      {"/v1/responses", Operation::responses, Wire::responses},
                                      {"/v1/messages", Operation::messages, Wire::messages},
                                      {"/v1/messages/count_tokens", Operation::count_tokens, Wire::messages},
                                      {"/v1/embeddings", Operation::embeddings, Wire::chat},
                                      {"/v1/models", Operation::models, Wire::chat}}};

/// What MCP answers under 200 has a status here.
int status_of(Code code) {
  switch (code) {
    case Code::denied:
      return 403;
    case Code::upstream_unreachable:
    case Code::upstream_broken:
      return 502;
    case Code::circuit_open:
      return 503;
    case Code::upstream_timeout:
      return 504;
    case Code::cancelled:
      return 499;
    default:
      return mcp::wire_error(code, true).http;
  }
}

void add(std::string& out, std::string_view key, std::string_view raw) {
  out += out.size() > 1 ? ",\"" : "\"";
  out += key;
  out += "\":";
  out += raw;
}
void add_text(std::string& out, std::string_view key, std::string_view text) {
  if (!text.empty()) add(out, key, json::quote(text));
}

/// Tokens and cost of the last attempt, where they are known.
void add_used(std::string& out, const ModelCall& call) {
  if (call.usage.known) {
    const llm::Usage& usage = call.usage;
    std::string tokens = "{";
    const auto count = [&](std::string_view key, std::int64_t value, bool always) {
      if (value != 0 || always) add(tokens, key, std::to_string(value));
    };
    count("input", usage.input, true);
    count("cache_read", usage.cache_read, false);
    count("cache_write_5m", usage.cache_write_5m, false);
    count("cache_write_1h", usage.cache_write_1h, false);
    count("output", usage.output, true);
    count("reasoning", usage.reasoning, false);
    add(out, "tokens", tokens + "}");
  }
  // A text: what readers of JSON make of a number's last digits is their own matter.
  if (call.cost) add_text(out, "cost_usd", llm::usd(*call.cost));
}

}  // namespace

std::optional<ModelCall> model_call_at(std::string_view path) {
  for (const Path& known : kPaths) {
    if (known.path != path) continue;
    return ModelCall{.operation = known.operation, .asks = known.wire, .answers = known.wire};
  }
  if (path == "/v1" || path.starts_with("/v1/")) return ModelCall{.operation = Operation::models};
  return std::nullopt;
}

llm::WireError wire_error_of(const Error& error, const Call& call) {
  llm::WireError out{.status = status_of(error.code)};
  out.message = error.hint.empty() ? std::string(mcp::wire_error(error.code, true).message) : error.hint;
  if (error.code == Code::not_found && !call.model->envelope.model.empty()) out.code = "model_not_found";
  if (error.code == Code::unauthenticated) out.code = "invalid_api_key";
  if (error.code == Code::upstream_timeout && call.model->late) {
    out.status = 408;
    out.type = "timeout_error";
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> headers_of(const Call& call) {
  const ModelCall& model = *call.model;
  std::vector<std::pair<std::string, std::string>> out;
  if (!call.trace.empty()) out.emplace_back("x-portkey-trace-id", call.trace);
  if (model.provider.empty()) return out;
  out.emplace_back("x-portkey-provider", model.kind);
  out.emplace_back("x-portkey-retry-attempt-count", std::to_string(model.retries));
  out.emplace_back("x-portkey-last-used-option-index", model.option);
  out.emplace_back("x-portkey-cache-status", "DISABLED");
  if (!model.dropped.empty()) {
    std::string names;
    for (const std::string& name : model.dropped) names += (names.empty() ? "" : ", ") + name;
    out.emplace_back("x-sallyport-dropped-params", std::move(names));
  }
  return out;
}

void add_attempt(ModelCall& call, std::string_view target, int status, std::int64_t micros) {
  std::string out = "{";
  add_text(out, "target", target);
  add(out, "status", std::to_string(status));
  add(out, "us", std::to_string(micros));
  add_used(out, call);
  call.tried += (call.tried.empty() ? "" : ",") + out + "}";
}

std::string model_record(const ModelCall& call) {
  std::string out = "{";
  add_text(out, "provider", call.provider);
  add_text(out, "model", call.model);
  if (call.envelope.model != call.model) add_text(out, "asked", call.envelope.model);
  add_text(out, "route", call.route);
  add_text(out, "config", call.config);
  add_text(out, "option", call.option);
  if (!call.tried.empty()) add(out, "attempts", "[" + call.tried + "]");
  if (call.envelope.stream) add(out, "stream", "true");
  if (call.first_micros) add(out, "first_us", std::to_string(*call.first_micros));
  add_used(out, call);
  if (!call.dropped.empty()) {
    std::string names;
    for (const std::string& name : call.dropped) names += (names.empty() ? "" : ",") + json::quote(name);
    add(out, "dropped", "[" + names + "]");
  }
  return out + "}";
}

}  // namespace sallyport::gateway
