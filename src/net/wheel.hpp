#pragma once
/// The timing wheel of one shard: hashed slots of 10 ms ticks, intrusive lists, one timer for the next
/// occupied slot.

#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>

#include "sallyport/net/shard.hpp"

namespace sallyport::net {

/// A link of a circular list; alone it points at itself.
struct WheelLink {
  WheelLink* prev = this;
  WheelLink* next = this;
  bool linked() const { return next != this; }
  void unlink() {
    prev->next = next;
    next->prev = prev;
    prev = next = this;
  }
  void insert_before(WheelLink& other) {
    prev = other.prev;
    next = &other;
    other.prev->next = this;
    other.prev = this;
  }
};

struct WheelEntry : WheelLink {
  std::uint64_t tick = 0;
  Shard::Work action;
};

/// Threads: its shard's.
class Wheel {
 public:
  static constexpr Duration kTick = std::chrono::milliseconds(10);

  explicit Wheel(boost::asio::io_context& io);
  ~Wheel();
  /// Requires: the entry is not linked.
  void insert(WheelEntry& entry, SteadyTime when);
  void remove(WheelEntry& entry);

 private:
  static constexpr std::size_t kSlots = 4096;  // one turn of the wheel: 41 s
  static constexpr std::uint64_t kNever = UINT64_MAX;

  using Timer = boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                                  boost::asio::wait_traits<std::chrono::steady_clock>,
                                                  boost::asio::io_context::executor_type>;
  std::uint64_t ticks_passed(SteadyTime t) const;
  void arm(std::uint64_t tick);
  void arm_next();
  void fire();

  const SteadyTime origin_;
  std::uint64_t done_ = 0;        // every slot up to this tick has been seen
  std::uint64_t armed_ = kNever;  // the tick the timer waits for
  Timer timer_;
  std::array<std::uint64_t, kSlots / 64> occupied_{};
  std::array<WheelLink, kSlots> slots_;
};

}  // namespace sallyport::net
