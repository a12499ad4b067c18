#include "sallyport/identity/key_cache.hpp"

#include <algorithm>
#include <utility>

namespace sallyport::identity {

std::shared_ptr<const KeySet> KeyCache::keys(SteadyTime now) const {
  return keys_ && now - fetched_ < times_.expiry ? keys_ : nullptr;
}

bool KeyCache::wants(SteadyTime now, bool unknown_key) const {
  if (fetching_) return false;
  if (ever_attempted_ && now - attempted_ < times_.cool_down) return false;
  return !keys_ || unknown_key || now - fetched_ >= times_.refresh;
}

SteadyTime KeyCache::next(SteadyTime now) const {
  if (fetching_) return SteadyTime::max();
  const SteadyTime rested = ever_attempted_ ? attempted_ + times_.cool_down : now;
  return keys_ ? std::max(rested, fetched_ + times_.refresh) : rested;
}

void KeyCache::begin(SteadyTime now) {
  fetching_ = ever_attempted_ = true;
  attempted_ = now;
}

void KeyCache::succeeded(KeySet keys, SteadyTime now) {
  keys_ = std::make_shared<const KeySet>(std::move(keys));
  fetched_ = attempted_ = now;
  fetching_ = false;
  problem_.clear();
}

void KeyCache::failed(std::string why, SteadyTime now) {
  attempted_ = now;
  fetching_ = false;
  problem_ = std::move(why);
}

bool KeyCache::is_stale(SteadyTime now) const {
  return keys_ && !problem_.empty() && now - fetched_ >= times_.refresh;
}

}  // namespace sallyport::identity
