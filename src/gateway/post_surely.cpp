#include "post_surely.hpp"

#include <chrono>
#include <utility>

#include "sallyport/core/task.hpp"

namespace sallyport::gateway {

void post_surely(net::Shard& shard, std::function<void()> work) {
  if (shard.is_current()) return work();
  if (shard.post(work)) return;
  spawn([](net::Shard& to, std::function<void()> what) -> Task<> {
    do {
      co_await net::sleep_for(*net::Shard::current(), std::chrono::milliseconds(10));
    } while (!to.post(what));
  }(shard, std::move(work)));
}

}  // namespace sallyport::gateway
