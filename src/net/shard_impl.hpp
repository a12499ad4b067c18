#pragma once
/// What a shard is made of; for the files of this layer.

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "poller.hpp"
#include "sallyport/net/shard.hpp"
#include "wheel.hpp"

namespace sallyport::net {

class Names;

/// What a FineTimer waits for.
struct FineEntry {
  Shard::Work action;
  std::multimap<SteadyTime, FineEntry*>::iterator place;
  bool waiting = false;
};

struct Shard::Impl {
  void run_turn();
  void run_posted();
  void run_fine(SteadyTime now);
  void run_turn_end();
  void run_all(std::vector<Work>& works);
  std::optional<Duration> until_next() const;
  bool has_work() const;
  void forget_work();

  Poller poller;
  Wheel wheel;
  std::multimap<SteadyTime, FineEntry*> fine;
  std::array<std::shared_ptr<Names>, 2> names;  // by NamedBy; made by the first look-up

  std::vector<Work> turn_end;
  std::vector<Work> own;  // posted by the shard itself
  std::vector<Work> running;

  std::mutex mutex;
  std::vector<Work> box;  // posted by others; guarded by `mutex`
  std::atomic<bool> filled{false};
  std::atomic<bool> asleep{false};
  std::atomic<std::size_t> mailbox{0};
  std::atomic<bool> ended{false};
};

}  // namespace sallyport::net
