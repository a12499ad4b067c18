#include "sallyport/net/fine_timer.hpp"

#include <utility>

#include "shard_impl.hpp"

namespace sallyport::net {

struct FineTimer::Impl : FineEntry {
  explicit Impl(Shard& owner) : shard(owner) {}
  Shard& shard;
};

FineTimer::FineTimer(Shard& shard) : impl_(std::make_unique<Impl>(shard)) {}

FineTimer::~FineTimer() { clear(); }

void FineTimer::set(Duration from_now, Shard::Work action) {
  clear();
  impl_->action = std::move(action);
  impl_->place = impl_->shard.impl().fine.emplace(std::chrono::steady_clock::now() + from_now, impl_.get());
  impl_->waiting = true;
}

void FineTimer::clear() {
  if (!std::exchange(impl_->waiting, false)) return;
  impl_->shard.impl().fine.erase(impl_->place);
  impl_->action = nullptr;
}

}  // namespace sallyport::net
