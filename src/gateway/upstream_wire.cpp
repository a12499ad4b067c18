#include "sallyport/core/limits.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/names.hpp"

namespace sallyport::gateway::wire {
namespace {

constexpr std::string_view kClientInfo =
    "{\"name\":\"sallyport\",\"title\":\"Sallyport\",\"version\":\"" SALLYPORT_VERSION "\"}";

std::string raw_or(json::Value object, std::string_view key, std::string_view otherwise) {
  const auto member = object.find(key);
  return std::string(member && member->is(json::Kind::object) ? member->raw() : otherwise);
}

std::string text_or_empty(json::Value object, std::string_view key) {
  const auto member = object.find(key);
  return member ? member->string().value_or("") : "";
}

}  // namespace

std::string upstream_params(const UpstreamCall& call, const UpstreamIdentity& identity,
                            std::string_view progress_token) {
  std::vector<std::pair<std::string, std::string>> meta;
  meta.reserve(call.carried.size() + 5);
  for (const auto& [key, raw] : call.carried) meta.emplace_back(key, std::string(raw));
  if (identity.modern()) {
    meta.emplace_back("io.modelcontextprotocol/protocolVersion", json::quote(mcp::text_of(identity.version)));
    meta.emplace_back("io.modelcontextprotocol/clientInfo", std::string(kClientInfo));
    meta.emplace_back("io.modelcontextprotocol/clientCapabilities", call.capabilities);
    if (!call.log_level.empty())
      meta.emplace_back("io.modelcontextprotocol/logLevel", json::quote(call.log_level));
  }
  if (!progress_token.empty()) meta.emplace_back("progressToken", std::string(progress_token));
  return mcp::rebuild_params(call.params, call.replace, meta);
}

std::string initialize_params(std::string_view capabilities) {
  std::string out = "{\"protocolVersion\":";
  json::append_quoted(out, mcp::text_of(mcp::kNewestLegacy));
  out += ",\"capabilities\":";
  out += capabilities;
  out += ",\"clientInfo\":";
  out += kClientInfo;
  return out + "}";
}

std::string carried_capabilities(std::string_view raw) {
  auto document = json::Document::parse(std::string(raw.empty() ? "{}" : raw), json::kUpstream);
  if (!document || !document->root().is(json::Kind::object)) return "{}";
  std::string out = "{";
  // In the order of their names: equal capabilities are equal bytes, and share an upstream session.
  for (const std::string_view key : {"elicitation", "extensions", "roots", "sampling"}) {
    const auto member = document->root().find(key);
    if (!member || !member->is(json::Kind::object)) continue;
    if (out.size() > 1) out += ',';
    // Changes of roots are not carried on, so they are not promised either.
    out += json::quote(key) + ":" + (key == "roots" ? "{}" : json::canonical(*member));
  }
  return out + "}";
}

Result<UpstreamIdentity> read_initialize(json::Value result) {
  const auto broken = [](std::string what) {
    return fail(Code::upstream_broken, Blame::upstream, "initialize: " + std::move(what));
  };
  if (!result.is(json::Kind::object)) return broken("result is no object");
  const auto version = mcp::version_from(text_or_empty(result, "protocolVersion"));
  if (!version || mcp::is_modern(*version))
    return broken("protocol version not supported: " +
                  text_or_empty(result, "protocolVersion").substr(0, 40));
  UpstreamIdentity identity{.version = *version};
  identity.capabilities = raw_or(result, "capabilities", "{}");
  identity.server_info = raw_or(result, "serverInfo", "{}");
  identity.instructions = text_or_empty(result, "instructions");
  return identity;
}

Result<UpstreamIdentity> read_discover(json::Value result) {
  const auto broken = [](std::string what) {
    return fail(Code::upstream_broken, Blame::upstream, "server/discover: " + std::move(what));
  };
  if (!result.is(json::Kind::object)) return broken("result is no object");
  const auto versions = result.find("supportedVersions");
  if (!versions || !versions->is(json::Kind::array)) return broken("no supportedVersions");
  bool speaks_ours = false;
  for (const json::Value version : versions->elements())
    speaks_ours |= version.string() == mcp::text_of(mcp::kModern);
  if (!speaks_ours) return broken("does not support " + std::string(mcp::text_of(mcp::kModern)));
  UpstreamIdentity identity{.version = mcp::kModern};
  identity.capabilities = raw_or(result, "capabilities", "{}");
  if (const auto meta = result.find("_meta"))
    identity.server_info = raw_or(*meta, "io.modelcontextprotocol/serverInfo", "{}");
  identity.instructions = text_or_empty(result, "instructions");
  return identity;
}

std::string words_of(json::Value error, const ServerConfig& config) {
  if (!error.is(json::Kind::object)) return "an error that is no object";
  std::string text = text_or_empty(error, "message");
  const auto hide = [&text](std::string_view secret) {
    if (secret.size() < 4) return;
    for (std::size_t at = 0; (at = text.find(secret, at)) != std::string::npos;)
      text.replace(at, secret.size(), "***");
  };
  std::string_view line = config.credential_line.reveal();
  line = line.substr(0, line.find_last_not_of("\r\n") + 1);
  hide(line.substr(line.find_last_of(' ') + 1));
  for (const auto& [name, secret] : config.secret_env) hide(secret.reveal());
  const auto code = error.find("code");
  return std::string(code ? code->raw().substr(0, 20) : "no code") + " " + mcp::escaped(text.substr(0, 160));
}

bool is_modern_refusal(json::Value error) {
  const auto code = error.is(json::Kind::object) ? error.find("code") : std::nullopt;
  const auto number = code ? code->integer() : std::nullopt;
  return number && *number <= -32020 && *number >= -32022;
}

}  // namespace sallyport::gateway::wire
