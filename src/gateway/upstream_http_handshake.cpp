#include "sallyport/core/limits.hpp"
#include "upstream_http_exchange.hpp"

namespace sallyport::gateway::http {
namespace {

/// Which versions a refusal names as its own: ours of the modern era, and any legacy one that we speak.
struct Supported {
  bool modern = false, legacy = false;
};
Supported supported_by(json::Value error) {
  Supported out;
  const auto data = error.find("data");
  const auto versions = data ? data->find("supported") : std::nullopt;
  if (!versions) return out;
  for (const json::Value each : versions->elements()) {
    const auto version = mcp::version_from(each.string().value_or(""));
    if (!version) continue;
    (mcp::is_modern(*version) ? out.modern : out.legacy) = true;
  }
  return out;
}

}  // namespace

Task<Result<UpstreamIdentity>> handshake(Link& link, Within within) {
  const ServerConfig& config = link.config();
  if (!config.problem.empty()) co_return fail(Code::upstream_unreachable, Blame::admin, config.problem, true);
  bool again = false;
  while (config.document.era != store::Era::legacy) {
    const auto probe = std::make_shared<const UpstreamIdentity>(UpstreamIdentity{.version = mcp::kModern});
    const UpstreamCall discover{.method = mcp::Method::discover};
    auto result = co_await post(link, discover, probe, link.next_id(), "", within);
    if (!result) co_return Failure(result.error());
    if (result->status == 401 || result->status == 403) co_return link.refused_credential(result->status);
    if (result->status >= 500)
      co_return (is_absence(result->status) ? broken : misanswered)("HTTP " + std::to_string(result->status) +
                                                                    " to server/discover");
    if (result->answer && !result->answer->is_error) {
      auto identity = wire::read_discover(result->answer->payload);
      if (identity || config.document.era == store::Era::modern) co_return identity;
    } else if (result->answer && wire::is_modern_refusal(result->answer->payload)) {
      const Supported supported = supported_by(result->answer->payload);
      // It names the version that we came with: what was wrong with it may be over.
      if (supported.modern && !std::exchange(again, true)) continue;
      if (!supported.legacy || supported.modern || config.document.era == store::Era::modern)
        co_return misanswered("refuses protocol version " + std::string(mcp::text_of(mcp::kModern)) + ": " +
                              wire::words_of(result->answer->payload, config));
    } else if (config.document.era == store::Era::modern) {
      co_return misanswered("configured as `era: modern`, but did not answer server/discover (HTTP " +
                            std::to_string(result->status) + ")");
    }
    break;
  }
  co_return co_await initialize(link, "{}", within);
}

Task<Result<UpstreamIdentity>> initialize(Link& link, std::string capabilities, Within within) {
  const auto nobody =
      std::make_shared<const UpstreamIdentity>(UpstreamIdentity{.version = mcp::Version::v2025_03_26});
  const UpstreamCall call{.method = mcp::Method::initialize};
  auto result =
      co_await post(link, call, nobody, link.next_id(), wire::initialize_params(capabilities), within);
  if (!result) co_return Failure(result.error());
  if (result->status == 401 || result->status == 403) co_return link.refused_credential(result->status);
  if (!result->answer)
    co_return (is_absence(result->status) ? broken : misanswered)("HTTP " + std::to_string(result->status) +
                                                                  " to initialize");
  if (result->answer->is_error)
    co_return misanswered("initialize refused: " + wire::words_of(result->answer->payload, link.config()));
  auto identity = wire::read_initialize(result->answer->payload);
  if (!identity) co_return identity;
  identity->session = result->session;
  const UpstreamCall ready{.method = mcp::Method::n_initialized};
  auto acknowledged =
      co_await post(link, ready, std::make_shared<const UpstreamIdentity>(*identity), "", "", within);
  if (!acknowledged) co_return Failure(acknowledged.error());
  co_return identity;
}

}  // namespace sallyport::gateway::http
