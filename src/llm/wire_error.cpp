#include "sallyport/llm/wire_error.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/core/utf8.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/json/object_writer.hpp"

namespace sallyport::llm {
namespace {

/// What goes wrong with a call, as both vendors' clients know it (llm-wires §2.5).
struct Kind {
  int status;
  std::string_view openai_type, openai_code, anthropic;
};
constexpr std::array kKinds{
    Kind{400, "invalid_request_error", "", "invalid_request_error"},
    Kind{401, "authentication_error", "invalid_api_key", "authentication_error"},
    Kind{402, "insufficient_quota", "insufficient_quota", "billing_error"},
    Kind{403, "permission_error", "", "permission_error"},
    Kind{404, "invalid_request_error", "model_not_found", "not_found_error"},
    Kind{408, "timeout_error", "", "timeout_error"},
    Kind{413, "invalid_request_error", "request_too_large", "request_too_large"},
    Kind{429, "rate_limit_exceeded", "rate_limit_exceeded", "rate_limit_error"},
    Kind{500, "server_error", "", "api_error"},
    Kind{503, "server_error", "", "api_error"},
    Kind{504, "timeout", "", "timeout_error"},
    Kind{529, "server_error", "", "overloaded_error"},
};

bool one_of(std::string_view text, std::initializer_list<std::string_view> names) {
  return std::ranges::find(names, text) != names.end();
}

// The status that a failure in the middle of a stream would have had.
int status_of(std::string_view type, std::string_view code) {
  if (one_of(code, {"rate_limit_exceeded"}) ||
      one_of(type, {"rate_limit_error", "rate_limit_exceeded", "requests", "tokens"}))
    return 429;
  if (code == "insufficient_quota" || type == "insufficient_quota" || type == "billing_error") return 402;
  if (code == "context_length_exceeded" || code == "invalid_prompt") return 400;
  if (one_of(type, {"overloaded_error", "overloaded"}) ||
      one_of(code, {"overloaded", "server_is_overloaded"}))
    return 529;
  for (const auto& kind : kKinds) {
    if (!type.empty() && (type == kind.anthropic || type == kind.openai_type)) return kind.status;
  }
  return 500;
}

const Kind& kind_of(int status) {
  for (const auto& kind : kKinds) {
    if (kind.status == status) return kind;
  }
  return status >= 400 && status < 500 ? kKinds[0] : kKinds[8];
}

std::string text_of(const std::optional<json::Value>& object, std::string_view name) {
  const auto value = object ? object->find(name) : std::nullopt;
  if (!value) return {};
  if (value->is(json::Kind::number)) return std::string(value->raw());
  return value->string().value_or("");
}

std::string shown(std::string_view body) {
  std::string out;
  const char* p = body.data();
  const char* const end = p + body.size();
  while (p != end && out.size() < limits::kErrorText) {
    const auto length = utf8_length(p, end);
    if (length == 0) {
      ++p;
      continue;
    }
    if (length > 1 || static_cast<unsigned char>(*p) >= 0x20) out.append(p, length);
    if (length == 1 && (*p == '\n' || *p == '\t')) out += ' ';
    p += length;
  }
  return out;
}

// Gemini's OpenAI wire wraps errors in an array; some providers put a text where the object belongs.
void read_object(json::Value root, WireError& error) {
  if (root.is(json::Kind::array) && root.size() > 0) root = *root.elements().begin();
  const auto inner = root.find("error");
  std::optional<json::Value> object = root;
  if (inner && inner->is(json::Kind::object)) object = inner;
  if (inner && inner->is(json::Kind::string)) error.message = *inner->string();
  if (error.message.empty()) error.message = text_of(object, "message");
  if (error.message.empty()) error.message = text_of(object, "detail");
  error.type = text_of(object, "type");
  error.code = text_of(object, "code");
  error.param = text_of(object, "param");
  if (error.type.empty()) error.type = text_of(object, "status");
  if (error.code.empty()) error.code = text_of(object->find("details"), "error_code");
}

bool too_long(const WireError& error) {
  return error.code == "context_length_exceeded" || lower(error.message).starts_with("prompt is too long");
}

bool out_of_quota(const WireError& error) {
  return error.code == "insufficient_quota" || error.type == "insufficient_quota" ||
         error.type == "billing_error";
}

bool overloaded(const WireError& error) {
  return error.status == 529 || error.type == "overloaded_error" ||
         (error.status == 503 && one_of(error.type, {"server_error", "service_unavailable", "overloaded"}));
}

std::string write_openai(const WireError& error) {
  const auto& kind = kind_of(out_of_quota(error) ? 402 : error.status);
  const bool known =
      std::ranges::any_of(kKinds, [&](const Kind& k) { return k.openai_type == error.type; }) ||
      one_of(error.type, {"requests", "tokens"});
  std::string code = too_long(error) ? std::string("context_length_exceeded") : error.code;
  if (code.empty()) code = kind.openai_code;
  json::ObjectWriter inner;
  inner.add_text("message", error.message);
  inner.add_text("type", known ? std::string_view(error.type) : kind.openai_type);
  inner.add("param", error.param.empty() ? "null" : json::quote(error.param));
  inner.add("code", code.empty() ? "null" : json::quote(code));
  json::ObjectWriter out;
  out.add("error", std::move(inner).take());
  return std::move(out).take();
}

std::string write_anthropic(const WireError& error, std::string_view request_id) {
  const bool known = std::ranges::any_of(kKinds, [&](const Kind& k) { return k.anthropic == error.type; });
  const int status = status_for(Wire::messages, error);
  const auto& kind = kind_of(status);
  // Where the status says little, the type says more; elsewhere the status decides, because OpenAI calls
  // almost everything an invalid request.
  const bool keep = known && (status == 400 || status == 500);
  // Clients of this wire look for these words to shorten the conversation and go on.
  const bool reword = too_long(error) && !lower(error.message).starts_with("prompt is too long");
  json::ObjectWriter inner;
  inner.add_text("type", keep ? std::string_view(error.type) : kind.anthropic);
  inner.add_text("message", reword ? "prompt is too long: " + error.message : error.message);
  json::ObjectWriter out;
  out.add("type", R"("error")");
  out.add("error", std::move(inner).take());
  out.add("request_id", request_id.empty() ? "null" : json::quote(request_id));
  return std::move(out).take();
}

}  // namespace

WireError read_error(Wire from, int status, std::string_view body) {
  WireError error{.status = status};
  const auto document = json::Document::parse(std::string(body), json::kUpstream);
  if (document) {
    auto root = document->root();
    // The wire's own `error` event has its members beside its type.
    if (from == Wire::responses && root.find("type") && root.find("type")->string() == "error" &&
        !root.find("error")) {
      error.code = text_of(root, "code");
      error.param = text_of(root, "param");
      error.message = text_of(root, "message");
    } else {
      read_object(root, error);
    }
  }
  if (error.message.empty()) error.message = shown(body);
  if (status < 400 || status > 599) error.status = status_of(error.type, error.code);
  if (error.message.empty()) error.message = "the provider said no more than the status";
  return error;
}

std::string write_error(Wire to, const WireError& error, std::string_view request_id) {
  return to == Wire::messages ? write_anthropic(error, request_id) : write_openai(error);
}

int status_for(Wire to, const WireError& error) {
  if (to == Wire::messages) {
    if (out_of_quota(error)) return 402;
    return overloaded(error) ? 529 : error.status;
  }
  if (out_of_quota(error)) return 429;
  return error.status == 529 ? 503 : error.status;
}

}  // namespace sallyport::llm
