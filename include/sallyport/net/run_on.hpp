#pragma once
/// The template behind `run_on`: a task carried to another shard and its result carried back.

#include "sallyport/net/shard.hpp"

namespace sallyport::net {

template <class T, class F>
Task<T> run_on(Shard& target, F make) {
  if (target.is_current()) co_return co_await make();
  Shard& home = *Shard::current();
  struct Trip {
    F make;
    Slot<T> result;
  };
  auto trip = std::make_shared<Trip>(std::move(make));
  const bool sent = target.post([trip, &home] {
    spawn([](std::shared_ptr<Trip> t, Shard* back) -> Task<> {
      auto value = std::make_shared<T>(co_await t->make());
      // The way back is never refused: a waiting caller must hear. Its own request bounds how many there are.
      while (!back->post([t, value] { t->result.deliver(std::move(*value)); })) {
        co_await sleep_for(*Shard::current(), std::chrono::milliseconds(10));
      }
    }(trip, &home));
  });
  if (!sent) co_return fail(Code::limited, Blame::us, "mailbox full", true);
  co_return co_await trip->result;
}

}  // namespace sallyport::net
