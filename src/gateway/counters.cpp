#include "sallyport/gateway/counters.hpp"

#include <algorithm>

namespace sallyport::gateway {

std::size_t method_slot(std::string_view method) {
  const auto found = std::ranges::find(kCountedMethods, method);
  if (found == kCountedMethods.end()) return kCountedMethods.size() - 1;
  return static_cast<std::size_t>(found - kCountedMethods.begin());
}

std::string_view outcome_name(std::size_t slot) {
  if (slot == kOk) return "ok";
  if (slot == kToolError) return "tool_error";
  return name_of(static_cast<Code>(slot - 2));
}

void Histogram::observe(std::int64_t duration) {
  const auto bound = std::ranges::lower_bound(kLatencyBounds, duration);
  buckets[static_cast<std::size_t>(bound - kLatencyBounds.begin())].add();
  micros.add(duration);
}

Counters::Counters(int shards) {
  for (int i = 0; i < std::max(1, shards); ++i) {
    auto& shard = shards_.emplace_back(std::make_unique<ShardCounters>());
    shard->servers = std::make_unique<ServerCounters[]>(kServers);
  }
}

std::size_t Counters::server_slot(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(names_, name);
  if (found != names_.end()) return static_cast<std::size_t>(found - names_.begin());
  if (names_.size() >= kServers - 1) {
    if (names_.size() == kServers - 1) names_.emplace_back("other");
    return kServers - 1;
  }
  names_.emplace_back(name);
  return names_.size() - 1;
}

std::vector<std::string> Counters::server_names() const {
  const std::lock_guard lock(mutex_);
  return names_;
}

}  // namespace sallyport::gateway
