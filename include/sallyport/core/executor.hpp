#pragma once
/// A named worker thread for blocking work (database, DNS, crypto) with a bounded queue.

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

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

}  // namespace sallyport
