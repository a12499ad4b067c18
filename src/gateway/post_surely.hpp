#pragma once
/// Work for another shard that must not be lost.

#include <functional>

#include "sallyport/net/shard.hpp"

namespace sallyport::gateway {

/// Runs `work` on `shard`, soon: at once when it is the current one. Not lost when its mailbox is full.
void post_surely(net::Shard& shard, std::function<void()> work);

}  // namespace sallyport::gateway
