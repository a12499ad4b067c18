/// Bytes as a client's message under modern and legacy headers, and as an upstream's answer: nothing crashes,
/// what is accepted can be rebuilt into a document that the strict door takes, and says the same.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "sallyport/json/document.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/headers.hpp"
#include "sallyport/mcp/message.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/mcp/params.hpp"

using namespace sallyport;

namespace {

void must(bool holds) {
  if (!holds) std::abort();
}

std::string rebuilt_params(const mcp::Classified& call) {
  std::vector<std::pair<std::string, std::string>> meta;
  for (const auto& [key, raw] : call.meta.carried) meta.emplace_back(key, std::string(raw));
  return mcp::rebuild_params(call.message.params, {{"name", "\"other\""}}, meta);
}

void rebuild_request(const mcp::Classified& call) {
  const auto params = rebuilt_params(call);
  const auto text = mcp::request_message("1", call.message.method_text, params);
  const auto again = json::Document::parse(text);
  // Both envelopes nest `params` in one object, so the depth is the same and the bound cannot be crossed.
  must(again.has_value());
  mcp::Id id;
  const auto message = mcp::read_client_message(again->root(), id);
  must(message && id == "1" && message->method_text == call.message.method_text);
  const auto before = call.message.params ? call.message.params->find("arguments") : std::nullopt;
  const auto after = message->params->find("arguments");
  must(before.has_value() == after.has_value() && (!before || before->raw() == after->raw()));
  must(message->params->find("name")->string() == "other");
}

void climb(const json::Document& document, const mcp::HttpFacts& http) {
  mcp::Id id;
  const auto call = mcp::classify(document.root(), http, id);
  if (!call) {
    must(!call.error().hint.empty());
    must(call.error().data.empty() || json::Document::parse(call.error().data).has_value());
    return;
  }
  must(call->message.id == id);
  if (call->message.kind == mcp::Envelope::Kind::request) {
    must(!id.empty() && mcp::check_params(call->message.method, call->message.params).has_value());
    rebuild_request(*call);
  }
}

// The modern headers that the body itself asks for, so that the last rungs are reached.
void climb_with_own_headers(const json::Document& document) {
  mcp::Id id;
  const auto message = mcp::read_client_message(document.root(), id);
  if (!message) return;
  const auto name = mcp::mirrored_name(message->method, message->params);
  const std::string header = mcp::encode_header_value(name.value_or(""));
  climb(document, {.version = "2026-07-28", .method = message->method_text, .name = header, .session = {}});
}

void adapt(const std::string& text) {
  const auto document = json::Document::parse(text, json::kUpstream);
  if (!document) return;
  const auto message = mcp::read_upstream_message(document->root());
  const auto result = message && message->payload ? *message->payload : document->root();
  for (const auto version : {mcp::kModern, mcp::kNewestLegacy}) {
    const auto out = mcp::adapt_result(result, version, mcp::CacheHints{.ttl_ms = 1}, "{}");
    const auto strict = json::Document::parse(out);
    must(strict.has_value());
    must(strict->root().find("resultType").has_value() == mcp::is_modern(version));
    must(mcp::adapt_result(strict->root(), version, mcp::CacheHints{.ttl_ms = 1}, "{}").size() == out.size());
  }
  const auto rebuilt = mcp::rebuild_object(result, {{"name", "\"x\""}}, {"title"});
  must(json::Document::parse(rebuilt).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  adapt(text);
  const auto document = json::Document::parse(text);
  if (!document) return 0;
  climb(*document, {});
  climb(*document, {.version = "2025-11-25", .method = {}, .name = {}, .session = "s"});
  climb(*document, {.version = "2026-07-28", .method = "tools/call", .name = "a", .session = {}});
  climb_with_own_headers(*document);
  if (const auto name = document->root().string()) {
    must(mcp::exported_name("srv", *name, std::nullopt).size() <= 64);
    must(!mcp::check_definition_name(*name) || mcp::escaped(*name) == *name);
  }
  return 0;
}
