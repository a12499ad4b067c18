#include "sallyport/net/fine_timer.hpp"

#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace sallyport::net {

struct FineTimer::Impl {
  explicit Impl(Shard& shard) : timer(shard.io()) {}
  boost::asio::steady_timer timer;
  Shard::Work action;
  unsigned setting = 0;  // a handler that was queued already cannot be cancelled any more
};

FineTimer::FineTimer(Shard& shard) : impl_(std::make_shared<Impl>(shard)) {}

FineTimer::~FineTimer() { clear(); }

void FineTimer::set(Duration from_now, Shard::Work action) {
  impl_->action = std::move(action);
  impl_->timer.expires_after(from_now);
  impl_->timer.async_wait([weak = std::weak_ptr(impl_), setting = ++impl_->setting](const auto& error) {
    const auto impl = weak.lock();
    if (error || !impl || impl->setting != setting) return;
    Shard::Work action = std::exchange(impl->action, nullptr);
    action();
  });
}

void FineTimer::clear() {
  ++impl_->setting;
  impl_->action = nullptr;
  impl_->timer.cancel();
}

}  // namespace sallyport::net
