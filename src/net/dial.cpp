#include "dial.hpp"

#include <algorithm>
#include <utility>

#include "resolver.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::net {
namespace {

constexpr std::size_t kAddressesTried = 4;

Duration left_until(SteadyTime until) { return until - std::chrono::steady_clock::now(); }

Failure unreachable(std::string what) {
  return fail(Code::upstream_unreachable, Blame::upstream, std::move(what), true);
}

/// One address after the other; each gets its share of the time that is left.
Task<Result<Channel>> connect(Shard& shard, const std::vector<SocketAddress>& addresses, SteadyTime until,
                              const Dial& dial) {
  Error last = unreachable("no address").error();
  const std::size_t count = std::min(addresses.size(), kAddressesTried);
  for (std::size_t i = 0; i < count; ++i) {
    const Duration share = left_until(until) / static_cast<int>(count - i);
    if (share <= Duration::zero() || dial.made.delivered()) break;
    auto channel = co_await Channel::connect(shard, addresses[i], share);
    if (channel) co_return std::move(*channel);
    last = std::move(channel.error());
  }
  co_return Failure(std::move(last));
}

Task<Result<Dial::Made>> make(std::shared_ptr<Dial> dial, Ticket ticket, Origin origin, SteadyTime deadline) {
  Pools& pools = ticket.pools();
  Shard& shard = pools.shard();
  const Url& url = origin.url;
  const auto lookup = look_up(shard, url.host, url.port, origin.named_by);
  auto found = co_await lookup->found;
  if (!found) co_return Failure(std::move(found.error()));
  auto addresses = permitted(std::move(*found), url, origin.allow_private);
  if (!addresses) co_return Failure(std::move(addresses.error()));

  const SteadyTime until = std::min(deadline, std::chrono::steady_clock::now() + limits::kConnectDeadline);
  auto channel = co_await connect(shard, *addresses, until, *dial);
  if (!channel) co_return Failure(std::move(channel.error()));
  if (url.scheme == "https") {
    auto tls = pools.tls(origin.ca_file);
    if (!tls) co_return Failure(std::move(tls.error()));
    Deadline late(shard);
    late.set_at(until, [&] { channel->close(); });
    auto shaken = co_await channel->connect_tls(std::move(*tls), url.host);
    if (!shaken) co_return unreachable(url.origin() + ": " + shaken.error().what);
  }
  ++pools.gauges.dialled;
  co_return Dial::Made{std::move(*channel), std::move(ticket)};
}

}  // namespace

Task<> dial_origin(std::shared_ptr<Dial> dial, Ticket ticket, Origin origin, SteadyTime deadline) {
  auto made = co_await make(dial, std::move(ticket), std::move(origin), deadline);
  dial->made.deliver(std::move(made));
}

}  // namespace sallyport::net
