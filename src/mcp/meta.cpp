#include "sallyport/mcp/message.hpp"
#include "sallyport/mcp/params.hpp"

namespace sallyport::mcp {

namespace {

// They are kept, and travel on to upstreams.
constexpr std::size_t kCapabilitiesBytes = 16 * 1024;
constexpr std::string_view kPrefix = "io.modelcontextprotocol/";

Failure wrong(std::string_view key, std::string_view want) {
  return client_error(Code::invalid_params,
                      "`_meta` member " + std::string(key) + " must be " + std::string(want));
}

// False: not one of the reserved members.
Result<bool> read_reserved(std::string_view key, const json::Value& value, Meta& out) {
  if (key == "progressToken") {
    if (!value.is(json::Kind::string) && !value.integer()) return wrong(key, "a string or an integer");
    out.progress_token = value.raw();
    return true;
  }
  if (!key.starts_with(kPrefix)) return false;
  const std::string_view name = key.substr(kPrefix.size());
  if (name == "protocolVersion") {
    out.protocol_version = value.string();
    if (!out.protocol_version) return wrong(key, "a string");
  } else if (name == "clientCapabilities") {
    if (!value.is(json::Kind::object)) return wrong(key, "an object");
    if (value.raw().size() > kCapabilitiesBytes) return wrong(key, "at most 16 KiB");
    out.capabilities = value.raw();
  } else if (name == "clientInfo") {
    if (!value.is(json::Kind::object)) return wrong(key, "an object");
    out.client_info = value.raw();
  } else if (name == "logLevel") {
    out.log_level = value.string();
    if (!out.log_level || !is_log_level(*out.log_level)) return wrong(key, "a log level");
  } else {
    return false;
  }
  return true;
}

}  // namespace

Result<Meta> read_meta(const std::optional<json::Value>& params) {
  Meta out;
  const auto meta = params ? params->find("_meta") : std::nullopt;
  if (!meta) return out;
  if (!meta->is(json::Kind::object)) return client_error(Code::invalid_params, "`_meta` must be an object");
  for (const auto& member : meta->members()) {
    std::string key = member.key();
    auto reserved = read_reserved(key, member.value, out);
    if (!reserved) return std::unexpected(std::move(reserved.error()));
    if (!*reserved) out.carried.emplace_back(std::move(key), member.value.raw());
  }
  return out;
}

}  // namespace sallyport::mcp
