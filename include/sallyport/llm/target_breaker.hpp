#pragma once
/// The circuit breaker of one target of a route (`cb_config`): arithmetic only, handed the time.

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "sallyport/core/clock.hpp"

namespace sallyport::llm {

/// Opens when a threshold is reached among the calls of one window, which is as long as the cool-down. At
/// least one threshold is set.
struct BreakerOptions {
  int failure_threshold = 0;                   ///< failures; 0: not looked at
  int failure_threshold_percentage = 0;        ///< 1 to 100 of the calls; 0: not looked at
  int minimum_requests = 10;                   ///< calls before the percentage is looked at
  std::chrono::milliseconds cooldown{30'000};  ///< configs: limits::kRouteCooldown at least
  std::vector<int> failure_status_codes{};     ///< empty: every status above 500
  bool failed(int status) const;               ///< 0, an unreachable provider, counts as 502
  bool operator==(const BreakerOptions&) const = default;
};

/// Closed, open, or half open: after the cool-down one call at a time is the probe; its success closes, its
/// failure opens again. Threads: one at a time.
class TargetBreaker {
 public:
  explicit TargetBreaker(BreakerOptions options) : options_(std::move(options)) {}

  /// What a call was when it began; given back when it ended.
  struct Attempt {
    std::uint32_t generation = 0;
    bool probe = false;
  };
  /// Whether the target is to be left out now. Not so when a probe is due.
  bool open(SteadyTime now) const;
  /// A call to the target begins, whether or not it is open: where all are, they are called all the same.
  Attempt begin(SteadyTime now);
  void end(const Attempt& attempt, int status, SteadyTime now);
  /// The call ended without a verdict on the target: its client left, or it was never sent.
  void forget(const Attempt& attempt);

 private:
  void trip(SteadyTime now);

  BreakerOptions options_;
  std::uint32_t generation_ = 0;  // grows with each opening and closing: late answers count for nothing
  bool open_ = false;
  SteadyTime probe_at_{};  // while open: when the next probe may go
  SteadyTime window_{};    // while closed: when it began
  std::int64_t calls_ = 0, failures_ = 0;
};

}  // namespace sallyport::llm
