#pragma once
/// One attempt at something that many callers want at once: the first starts it, all wait for it, each with
/// its own deadline.

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::gateway {

/// Threads: one shard. `value` is what the last successful attempt made; a failed attempt leaves it empty.
template <class T>
class SingleFlight {
 public:
  std::optional<T> value;

  bool flying() const { return flying_; }

  /// Joins the attempt under way or runs `start`, which must lead to land() sooner or later.
  template <class F>
  Task<Result<T>> join(net::Shard& shard, SteadyTime deadline, F start) {
    auto slot = std::make_shared<Slot<Result<T>>>();
    net::Deadline late(shard);
    late.set(deadline - std::chrono::steady_clock::now(), [slot] {
      slot->deliver(fail(Code::upstream_timeout, Blame::upstream, "no connection within the deadline", true));
    });
    waiting_.push_back(slot);
    if (!std::exchange(flying_, true)) start();
    co_return co_await *slot;
  }

  void land(Result<T> result) {
    if (result) value = *result;
    flying_ = false;
    for (auto& slot : std::exchange(waiting_, {})) slot->deliver(result);
  }

 private:
  bool flying_ = false;
  std::vector<std::shared_ptr<Slot<Result<T>>>> waiting_;
};

}  // namespace sallyport::gateway
