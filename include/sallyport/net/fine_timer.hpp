#pragma once
/// A timer for pacing, finer than the wheel's ticks.

#include <memory>

#include "sallyport/net/shard.hpp"

namespace sallyport::net {

/// One action at one time on a shard, late by no more than the loop is busy; each makes the loop wake of its
/// own, so what waits longer than a few ticks takes a Deadline. Destroying or clearing it takes the action
/// back. Threads: its shard's.
class FineTimer {
 public:
  explicit FineTimer(Shard& shard);
  ~FineTimer();
  FineTimer(const FineTimer&) = delete;
  FineTimer& operator=(const FineTimer&) = delete;
  /// Replaces what was set before.
  void set(Duration from_now, Shard::Work action);
  void clear();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sallyport::net
