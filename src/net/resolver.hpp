#pragma once
/// Names to addresses, off the event loop: an executor for the process and a short memory per shard, both
/// once for each NamedBy.

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/task.hpp"
#include "sallyport/net/egress.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::net {

/// How long a shard trusts what a name resolved to. Addresses are checked for every caller, remembered or
/// not.
constexpr auto kResolvedFor = std::chrono::seconds(5);
/// How long a name that failed is not asked again.
constexpr auto kUnresolvedFor = std::chrono::seconds(1);
/// Names that one shard remembers; beyond that the old ones go.
constexpr std::size_t kResolvedNames = 1024;

/// One caller's wait for a name. Delivering an error into it gives it up.
struct Lookup {
  explicit Lookup(Shard& shard) : limit(shard) {}
  Slot<Result<std::vector<SocketAddress>>> found;  ///< unchecked: see permitted()
  Deadline limit;
};

/// Starts (or joins) a look-up. Threads: the shard's. The host is a DNS name or an IP literal, which is
/// answered at once.
std::shared_ptr<Lookup> look_up(Shard& shard, const std::string& host, std::uint16_t port, NamedBy named_by);

}  // namespace sallyport::net
