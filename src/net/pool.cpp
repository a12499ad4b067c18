#include "pool.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <functional>

#include "exchange.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::net {
namespace {

constexpr auto kSweep = std::chrono::seconds(5);
constexpr std::size_t kSpareExchanges = 64;
constexpr std::size_t kUnusedPools = 64;
constexpr auto kFresh = std::chrono::milliseconds(100);
constexpr auto kLookAgain = std::chrono::seconds(1);

/// What the loop was told is a turn old at most, which is enough for a connection in constant use. A peer
/// that closes idle connections does so after a while, or after each answer: one that has waited, or that was
/// not used again yet, is looked at once more, right before a request is trusted to it that may not be
/// repeated.
bool usable(IdleConnection& c, SteadyTime now) {
  if (c.until <= now) return false;
  const bool told = c.kept && now - c.since < kFresh;
  return (told && c.channel.quiet()) || !c.channel.stale();
}

}  // namespace

Pools::Pools(Shard& shard) : shard_(shard), sweep_(shard), room_(kUnusedPools) {}
Pools::~Pools() = default;

std::size_t Pools::Hash::operator()(const Origin& o) const {
  const std::hash<std::string_view> hash;
  return hash(o.url.host) * 31 + o.url.port + hash(o.ca_file) * 17 + (o.allow_private ? 1 : 0) +
         o.url.scheme.size() * 2;
}

bool Pools::Same::operator()(const Origin& a, const Origin& b) const {
  return a.url.port == b.url.port && a.allow_private == b.allow_private && a.url.host == b.url.host &&
         a.url.scheme == b.url.scheme && a.ca_file == b.ca_file;
}

Pool& Pools::find(const Origin& origin) {
  const auto it = pools_.find(origin);
  if (it != pools_.end()) return it->second;
  // Strangers name origins too, and many that nothing is ever connected to.
  if (pools_.size() >= room_) drop_unused();
  Pool pool{.origin = origin, .host_line = "Host: " + origin.url.host_header() + "\r\n"};
  Pool& made = pools_.emplace(origin, std::move(pool)).first->second;
  gauges.origins = pools_.size();
  return made;
}

std::optional<Channel> Pools::take_idle(Pool& pool) {
  if (pool.idle.empty()) return std::nullopt;
  const SteadyTime now = std::chrono::steady_clock::now();
  if (!pool.origin.ca_file.empty()) look_again(pool.origin.ca_file, now);
  while (!pool.idle.empty()) {
    IdleConnection last = std::move(pool.idle.back());
    pool.idle.pop_back();
    --gauges.idle;
    if (usable(last, now)) return std::move(last.channel);
  }
  return std::nullopt;
}

void Pools::give_back(Pool& pool, Channel channel, Duration idle_for, bool kept) {
  if (closed_ || idle_for <= Duration::zero() || pool.idle.size() >= limits::kUpstreamIdleConnections) return;
  const SteadyTime now = std::chrono::steady_clock::now();
  pool.idle.push_back({std::move(channel), now, now + idle_for, kept});
  ++gauges.idle;
  arm_sweep();
}

Pools::Stamp Pools::stamp_of(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) return {};
  return {.inode = status.st_ino,
          .size = static_cast<std::uint64_t>(status.st_size),
          .seconds = status.st_mtim.tv_sec,
          .nanoseconds = status.st_mtim.tv_nsec};
}

/// Authorities come and go without a restart: what was connected under others is not used again.
void Pools::look_again(const std::string& ca_file, SteadyTime now) {
  const auto it = ca_file.empty() ? trusted_.end() : trusted_.find(ca_file);
  if (it == trusted_.end() || now - it->second.looked < kLookAgain) return;
  it->second.looked = now;
  if (stamp_of(ca_file) == it->second.stamp) return;
  trusted_.erase(it);
  for (auto& [origin, pool] : pools_) {
    if (origin.ca_file != ca_file) continue;
    gauges.idle -= pool.idle.size();
    pool.idle.clear();
    ++pool.version;
  }
}

Result<std::shared_ptr<TlsContext>> Pools::tls(const std::string& ca_file) {
  const SteadyTime now = std::chrono::steady_clock::now();
  look_again(ca_file, now);
  if (const auto it = trusted_.find(ca_file); it != trusted_.end()) return it->second.tls;
  const Stamp stamp = ca_file.empty() ? Stamp() : stamp_of(ca_file);
  auto made = make_client_tls(ca_file);
  if (made) trusted_.emplace(ca_file, Trusted{.tls = *made, .stamp = stamp, .looked = now});
  return made;
}

std::unique_ptr<ClientResponse::Impl> Pools::take_exchange() {
  if (spare_.empty()) return std::make_unique<ClientResponse::Impl>(shard_);
  auto exchange = std::move(spare_.back());
  spare_.pop_back();
  return exchange;
}

void Pools::give_back(std::unique_ptr<ClientResponse::Impl> exchange) {
  if (!closed_ && spare_.size() < kSpareExchanges) spare_.push_back(std::move(exchange));
}

void Pools::close() {
  closed_ = true;
  sweep_.clear();
  for (auto& [origin, pool] : pools_) pool.idle.clear();
  gauges.idle = 0;
  spare_.clear();
}

void Pools::arm_sweep() {
  if (!sweep_.armed()) sweep_.set(kSweep, [this] { sweep(); });
}

void Pools::sweep() {
  const SteadyTime now = std::chrono::steady_clock::now();
  for (auto& [origin, pool] : pools_)
    gauges.idle -=
        std::erase_if(pool.idle, [&](IdleConnection& c) { return c.until <= now || c.channel.stale(); });
  drop_unused();
  if (gauges.idle > 0) arm_sweep();
}

void Pools::drop_unused() {
  std::erase_if(pools_, [](const auto& one) { return one.second.idle.empty() && one.second.busy == 0; });
  // Twice what is in use, so that looking costs every new origin the same however many there are.
  room_ = std::max(kUnusedPools, 2 * pools_.size());
  gauges.origins = pools_.size();
}

}  // namespace sallyport::net
