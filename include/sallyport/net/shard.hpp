#pragma once
/// A shard: one thread with its own event loop, pools and deadlines. A request stays on the shard that
/// accepted it.

#include <cstddef>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/task.hpp"

namespace sallyport::net {

class Shard {
 public:
  using Work = std::move_only_function<void()>;

  explicit Shard(int index);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  int index() const { return index_; }

  /// Threads: any. Runs `work` on this shard. False when the mailbox is full (limits::kMailbox) or the shard
  /// has ended.
  [[nodiscard]] bool post(Work work);
  /// Threads: own. Runs after everything that is ready in this turn of the loop.
  void at_turn_end(Work work);
  /// Threads: own. True when the caller runs on this shard.
  bool is_current() const;
  /// The shard whose thread this is; null outside.
  static Shard* current();

  /// Runs until stop(); called by Shards, or by a test on its own thread.
  void run();
  /// Threads: any.
  void stop();

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  const int index_;
  std::unique_ptr<Impl> impl_;
};

/// One action at one time on a shard, in a timing wheel of 10 ms ticks that costs nothing while it is empty.
/// Destroying or clearing it takes it back. Threads: its shard's.
class Deadline {
 public:
  explicit Deadline(Shard& shard);
  ~Deadline();
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;
  /// Replaces what was set before. Never fires early; fires at most two ticks late when the loop is free.
  void set(Duration from_now, Shard::Work action);
  /// The same for a point in time.
  void set_at(SteadyTime when, Shard::Work action);
  void clear();
  bool armed() const;

 private:
  struct Entry;
  std::unique_ptr<Entry> entry_;
};

/// Waits on the current shard.
Task<> sleep_for(Shard& shard, Duration time);
/// Goes on at the end of this turn of the shard's loop.
Task<> turn_end(Shard& shard);

/// The shards of the process: `count` threads, each pinned to nothing. Shard 0 also hosts the signal
/// handling.
class Shards {
 public:
  explicit Shards(int count);
  ~Shards();
  int size() const { return static_cast<int>(shards_.size()); }
  Shard& operator[](int i) { return *shards_[static_cast<std::size_t>(i)]; }
  void start();
  /// Stops every loop and joins.
  void stop();

 private:
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<std::thread> threads_;
};

/// Runs `make()` (which returns Task<T>) on `target` and resumes here, on the caller's shard, with its
/// result. `make` is kept alive until the task has ended. When a mailbox is full the result is Code::limited;
/// T is Result<U>. Requires: called on a shard's thread.
template <class T, class F>
Task<T> run_on(Shard& target, F make);

/// Runs `work` on every shard and waits, on the calling (non-shard) thread, until all have done it.
void on_all_shards(Shards& shards, std::function<void(Shard&)> work);

}  // namespace sallyport::net

#include "sallyport/net/run_on.hpp"
