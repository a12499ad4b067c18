#pragma once
/// Blocking work carried to an executor and its result carried back to the shard that waits.

#include <chrono>
#include <memory>
#include <thread>
#include <utility>

#include "sallyport/core/executor.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::net {

/// Runs `work()` (which returns Result<T>) on `executor` and resumes on `home`, the caller's shard.
/// Errors: its own; limited when the executor's queue is full.
template <class F>
Task<std::invoke_result_t<F&>> run_on_executor(Shard& home, Executor& executor, F work) {
  using Answer = std::invoke_result_t<F&>;
  struct Trip {
    F work;
    Slot<Answer> slot{};
  };
  auto trip = std::make_shared<Trip>(std::move(work));
  const bool accepted = executor.run([trip, &home] {
    auto answer = std::make_shared<Answer>(trip->work());
    // The way back waits for room in the mailbox, but not for a shard that has ended with its callers.
    for (int tries = 0; tries < 500; ++tries) {
      if (home.post([trip, answer] { trip->slot.deliver(std::move(*answer)); })) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  });
  if (!accepted) {
    co_return fail(Code::limited, Blame::us, "too much is waiting for the executor; try again", true);
  }
  co_return co_await trip->slot;
}

}  // namespace sallyport::net
