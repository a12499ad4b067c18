#pragma once
/// A clock that goes, but from another time.

#include <atomic>
#include <chrono>

#include "sallyport/core/clock.hpp"

namespace sallyport::testing {

/// Runs ahead of the machine's own clock by as much as the test says.
class ShiftedClock final : public Clock {
 public:
  SystemTime now() const override { return Clock::now() + ahead(); }
  SteadyTime steady() const override { return Clock::steady() + ahead(); }
  void advance(std::chrono::seconds by) { seconds_ += by.count(); }

 private:
  std::chrono::seconds ahead() const { return std::chrono::seconds(seconds_.load()); }
  std::atomic<std::int64_t> seconds_ = 0;
};

}  // namespace sallyport::testing
