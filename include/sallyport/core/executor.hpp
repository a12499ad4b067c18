#pragma once
/// A named worker thread for blocking work (database, DNS, crypto) with a bounded queue.

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport {

/// Threads: run() from any thread; work runs on the executor's own threads, in order when there is one.
class Executor {
 public:
  using Work = std::move_only_function<void()>;
  Executor(std::string name, int threads, std::size_t bound);
  /// Finishes what was accepted, then joins.
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// False when the queue is full or the executor is stopping: the caller answers `limited`.
  [[nodiscard]] bool run(Work work);

 private:
  void loop();
  const std::string name_;
  const std::size_t bound_;
  std::mutex mutex_;  // the queue is the one thing here that several threads change
  std::condition_variable wake_;
  std::deque<Work> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

/// Runs `work()` (which returns Result<T>) on `executor` and waits for it. Threads: none of the executor's,
/// and none that must not block. Errors: its own; limited when the queue is full or the executor ends.
template <class F>
std::invoke_result_t<F&> wait_for(Executor& executor, F work) {
  std::optional<std::invoke_result_t<F&>> answer;
  std::atomic<bool> done{false};
  const bool accepted = executor.run([&] {
    answer.emplace(work());
    done.store(true, std::memory_order_release);
    done.notify_one();
  });
  if (!accepted)
    return fail(Code::limited, Blame::us, "too much is waiting for the executor; try again", true);
  done.wait(false, std::memory_order_acquire);
  return std::move(*answer);
}

}  // namespace sallyport
