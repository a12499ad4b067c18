#pragma once
/// The timing wheel of one shard: hashed slots of 10 ms ticks and intrusive lists. The loop tells it the
/// time.

#include <array>
#include <chrono>
#include <cstdint>

#include "link.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::net {

struct WheelEntry : Link {
  std::uint64_t tick = 0;
  Shard::Work action;
};

/// Threads: its shard's.
class Wheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(10);

  Wheel();
  ~Wheel() { drop_all(); }
  /// Requires: the entry is not linked.
  void insert(WheelEntry& entry, SteadyTime when);
  void remove(WheelEntry& entry);
  /// When the loop is to call pass() at the latest; SteadyTime::max() while nothing is set.
  SteadyTime next() const;
  /// Runs what is due.
  void pass(SteadyTime now);
  /// Forgets every action: for the end of the shard.
  void drop_all();

 private:
  static constexpr std::size_t kSlots = 4096;  // one turn of the wheel: 41 s
  static constexpr std::uint64_t kNever = UINT64_MAX;

  std::uint64_t ticks_passed(SteadyTime t) const;
  void find_next();
  void fire(std::uint64_t now);

  const SteadyTime origin_;
  std::uint64_t done_ = 0;       // every slot up to this tick has been seen
  std::uint64_t next_ = kNever;  // no slot before this tick is occupied
  std::array<std::uint64_t, kSlots / 64> occupied_{};
  std::array<Link, kSlots> slots_;
};

}  // namespace sallyport::net
