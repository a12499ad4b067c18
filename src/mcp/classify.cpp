#include <algorithm>

#include "sallyport/core/bytes.hpp"
#include "sallyport/mcp/headers.hpp"
#include "sallyport/mcp/message.hpp"
#include "sallyport/mcp/params.hpp"

namespace sallyport::mcp {

namespace {

using Way = Classified::Way;
using Kind = Envelope::Kind;

constexpr std::string_view kVersionKey = "io.modelcontextprotocol/protocolVersion";

/// What every rung of the ladder looks at.
struct Ladder {
  const HttpFacts& http;
  Classified& call;
  const Envelope& message() const { return call.message; }
};

/// A date that is not before the first modern revision, whether we know that revision or not.
bool looks_modern(std::string_view text) {
  const std::string_view pattern = text_of(kModern);
  if (text.size() != pattern.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (pattern[i] == '-' ? text[i] != '-' : !digit) return false;
  }
  return text >= pattern;
}

bool has_modern_header(const HttpFacts& http) { return http.version && looks_modern(trim(*http.version)); }

bool names_version_in_body(const Envelope& message) {
  const auto meta = message.params ? message.params->find("_meta") : std::nullopt;
  return meta && meta->find(kVersionKey);
}

Failure mismatch(std::string_view what) { return client_error(Code::header_mismatch, std::string(what)); }

Failure unsupported(std::string_view requested) {
  auto failure = client_error(Code::unsupported_version, "unsupported protocol version");
  std::string data = "{\"supported\":[";
  json::append_quoted(data, text_of(kModern));
  data += "],\"requested\":";
  json::append_quoted(data, requested);
  data += '}';
  failure.error().data = std::move(data);
  return failure;
}

Result<Way> choose_way(const Envelope& message, const HttpFacts& http) {
  if (message.kind == Kind::result || message.kind == Kind::error) return Way::response;
  if (names_version_in_body(message)) return Way::modern;
  const bool modern_header = has_modern_header(http);
  if (message.method == Method::initialize && message.kind == Kind::request) {
    if (modern_header)
      return mismatch("`initialize` belongs to revisions before the one in MCP-Protocol-Version");
    return Way::initialize;
  }
  return modern_header ? Way::modern : Way::legacy;
}

Result<void> check_version_header(const Ladder& at) {
  const auto& said = at.call.meta.protocol_version;
  const bool differs = at.http.version && said && trim(*at.http.version) != *said;
  return differs ? mismatch("MCP-Protocol-Version differs from the body") : Result<void>{};
}

Result<void> check_envelope(const Ladder& at) {
  const Meta& meta = at.call.meta;
  if (at.message().kind == Kind::request) {
    if (!meta.protocol_version) {
      return client_error(Code::invalid_params, "`_meta` lacks io.modelcontextprotocol/protocolVersion");
    }
    if (meta.capabilities.empty()) {
      return client_error(Code::invalid_params, "`_meta` lacks io.modelcontextprotocol/clientCapabilities");
    }
  }
  // Two versions that differ are one mistake, an unknown version another: the client cannot mend the second
  // before the first (2026-07-28, transports: header validation).
  if (auto same = check_version_header(at); !same) return same;
  const std::string_view version = meta.protocol_version ? std::string_view(*meta.protocol_version)
                                                         : trim(at.http.version.value_or(text_of(kModern)));
  return version == text_of(kModern) ? Result<void>{} : unsupported(version);
}

Result<void> check_name_header(const Ladder& at) {
  const auto expected = mirrored_name(at.message().method, at.message().params);
  if (!expected) return {};
  if (!at.http.name) return mismatch("Mcp-Name is missing");
  const auto name = decode_header_value(*at.http.name);
  if (!name) return std::unexpected(name.error());
  return *name == *expected ? Result<void>{} : mismatch("Mcp-Name differs from the body");
}

Result<void> check_standard_headers(const Ladder& at) {
  const HttpFacts& http = at.http;
  const bool request = at.message().kind == Kind::request;
  if (!http.repeated.empty()) return mismatch("an MCP header stands twice");
  if (request && !http.version) return mismatch("MCP-Protocol-Version is missing");
  if (request && !http.method) return mismatch("Mcp-Method is missing");
  if (http.method && trim(*http.method) != at.message().method_text) {
    return mismatch("Mcp-Method differs from the body");
  }
  return request ? check_name_header(at) : Result<void>{};
}

Result<void> check_method(const Ladder& at, Version era) {
  if (at.message().kind != Kind::request) return {};
  const Method method = at.message().method;
  if (client_may_send(method, era) && !is_notification(method)) return {};
  return client_error(Code::method_not_found, "unknown method");
}

Result<void> check_request_params(const Ladder& at) {
  if (at.message().kind != Kind::request) return {};
  return check_params(at.message().method, at.message().params);
}

Result<void> climb_modern(const Ladder& at) {
  if (auto ok = check_envelope(at); !ok) return ok;
  if (auto ok = check_method(at, kModern); !ok) return ok;
  if (auto ok = check_request_params(at); !ok) return ok;
  return check_standard_headers(at);
}

Result<void> climb_legacy(const Ladder& at) {
  if (!at.http.repeated.empty()) return client_error(Code::bad_request, "an MCP header stands twice");
  if (at.call.way != Way::initialize && at.http.version) {
    const auto version = version_from(trim(*at.http.version));
    if (!version || is_modern(*version)) {
      return client_error(Code::bad_request,
                          "MCP-Protocol-Version names no version that this message can have");
    }
  }
  if (auto ok = check_method(at, kNewestLegacy); !ok) return ok;
  return check_request_params(at);
}

}  // namespace

Result<Classified> classify(json::Value root, const HttpFacts& http, Id& id_out) {
  auto message = read_client_message(root, id_out);
  if (!message) return std::unexpected(std::move(message.error()));
  const auto way = choose_way(*message, http);
  if (!way) return std::unexpected(way.error());
  Classified call{.way = *way, .message = std::move(*message)};
  if (call.way != Way::response) {
    auto meta = read_meta(call.message.params);
    if (!meta) return std::unexpected(std::move(meta.error()));
    call.meta = std::move(*meta);
  }
  const Ladder at{http, call};
  auto ok = call.way == Way::modern ? climb_modern(at) : climb_legacy(at);
  if (!ok) return std::unexpected(std::move(ok.error()));
  return call;
}

}  // namespace sallyport::mcp
