#include "pipe_handshake.hpp"

#include <spdlog/spdlog.h>
#include <algorithm>

namespace sallyport::gateway {
namespace {

/// How long the other end may take to say whether it knows `server/discover`; servers that ignore unknown
/// methods cost this once.
constexpr auto kProbe = std::chrono::seconds(5);

Failure broken(std::string what) { return fail(Code::upstream_broken, Blame::upstream, std::move(what)); }

Task<Result<UpstreamIdentity>> initialize(std::shared_ptr<MessagePipe> pipe, SteadyTime deadline) {
  const ServerConfig& config = pipe->config();
  const UpstreamIdentity nobody{.version = mcp::Version::v2025_03_26};
  const UpstreamCall call{.method = mcp::Method::initialize, .deadline = deadline};
  auto answer = co_await pipe->request(call, nobody, net::Shard::current(), nullptr,
                                       wire::initialize_params(pipe->owner().capabilities));
  if (!answer) {
    Error error = answer.error();
    if (!pipe->running() && !pipe->how_it_ended.empty())
      error.what = pipe->kind().noun + " " + pipe->how_it_ended + " during the handshake" +
                   (config.is_stdio() ? "; its standard error is in the log" : "");
    error.code = error.code == Code::upstream_timeout ? Code::upstream_timeout : Code::upstream_unreachable;
    error.retry = true;
    co_return Failure(std::move(error));
  }
  if (answer->is_error) {
    Failure refused = broken("initialize refused: " + wire::words_of(answer->payload, config));
    refused.error().answered = true;
    co_return refused;
  }
  auto identity = wire::read_initialize(answer->payload);
  if (identity) pipe->notify("notifications/initialized", "{}", Carrier::Order::before_what_follows);
  co_return identity;
}

Task<Result<UpstreamIdentity>> discover(std::shared_ptr<MessagePipe> pipe, SteadyTime deadline) {
  const UpstreamIdentity asking{.version = mcp::kModern};
  const UpstreamCall call{.method = mcp::Method::discover, .deadline = deadline};
  auto answer = co_await pipe->request(call, asking, net::Shard::current(), nullptr);
  if (!answer) co_return Failure(answer.error());
  if (answer->is_error)
    co_return broken("refuses server/discover: " + wire::words_of(answer->payload, pipe->config()));
  co_return wire::read_discover(answer->payload);
}

SteadyTime probe_until(SteadyTime deadline) {
  return std::min(deadline, std::chrono::steady_clock::now() + kProbe);
}

}  // namespace

Task<Result<UpstreamIdentity>> shake_hands(std::shared_ptr<MessagePipe> pipe,
                                           std::shared_ptr<std::atomic<EraVerdict>> verdict,
                                           SteadyTime deadline) {
  const ServerConfig& config = pipe->config();
  if (!config.problem.empty()) co_return fail(Code::upstream_unreachable, Blame::admin, config.problem, true);
  if (auto opened = co_await pipe->open(deadline); !opened) co_return Failure(opened.error());
  const store::Era wanted = config.document.era;
  const bool automatic = wanted == store::Era::automatic && !pipe->kind().legacy_only;
  const bool probe = automatic && *verdict != EraVerdict::legacy;
  if (probe || (wanted == store::Era::modern && !pipe->kind().legacy_only)) {
    auto identity = co_await discover(pipe, probe ? probe_until(deadline) : deadline);
    if (identity) *verdict = EraVerdict::modern;
    if (identity || !probe) co_return identity;
    if (pipe->asked_to_stop()) co_return fail(Code::unavailable, Blame::us, "server is being stopped", true);
    if (!pipe->running()) {
      spdlog::info("server {}: ended on server/discover ({}); starting it again for a 2025 handshake",
                   config.document.name, pipe->how_it_ended);
      if (auto again = co_await pipe->open(deadline); !again) co_return Failure(again.error());
    }
  }
  auto identity = co_await initialize(pipe, deadline);
  if (identity) *verdict = EraVerdict::legacy;
  if (identity || probe || !automatic || !identity.error().answered) co_return identity;
  // It was of 2025 when it was last started; what runs there now may be newer.
  *verdict = EraVerdict::unknown;
  auto modern = co_await discover(pipe, probe_until(deadline));
  if (!modern) co_return identity;
  *verdict = EraVerdict::modern;
  co_return modern;
}

}  // namespace sallyport::gateway
