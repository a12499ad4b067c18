#include "sallyport/llm/target_breaker.hpp"

#include <algorithm>

namespace sallyport::llm {

bool BreakerOptions::failed(int status) const {
  const int counted = status == 0 ? 502 : status;
  return failure_status_codes.empty()
             ? counted > 500
             : std::ranges::find(failure_status_codes, counted) != failure_status_codes.end();
}

bool TargetBreaker::open(SteadyTime now) const { return open_ && now < probe_at_; }

TargetBreaker::Attempt TargetBreaker::begin(SteadyTime now) {
  Attempt attempt{.generation = generation_};
  if (open_ && now >= probe_at_) {
    attempt.probe = true;
    // If the probe never comes back, another one goes after the same time.
    probe_at_ = now + options_.cooldown;
  }
  return attempt;
}

void TargetBreaker::end(const Attempt& attempt, int status, SteadyTime now) {
  if (attempt.generation != generation_) return;
  const bool failed = options_.failed(status);
  if (open_) {
    if (failed) {
      if (attempt.probe) probe_at_ = now + options_.cooldown;
      return;
    }
    open_ = false;
    ++generation_;
    calls_ = failures_ = 0;
    return;
  }
  if (calls_ == 0 || now - window_ >= options_.cooldown) {
    window_ = now;
    calls_ = failures_ = 0;
  }
  ++calls_;
  if (!failed) return;
  ++failures_;
  const bool many = options_.failure_threshold > 0 && failures_ >= options_.failure_threshold;
  const bool often = options_.failure_threshold_percentage > 0 && calls_ >= options_.minimum_requests &&
                     failures_ * 100 >= calls_ * options_.failure_threshold_percentage;
  if (many || often) trip(now);
}

void TargetBreaker::forget(const Attempt& attempt) {
  // The probe has told nothing: the next call is one.
  if (attempt.probe && attempt.generation == generation_ && open_) probe_at_ = SteadyTime::min();
}

void TargetBreaker::trip(SteadyTime now) {
  open_ = true;
  ++generation_;
  probe_at_ = now + options_.cooldown;
}

}  // namespace sallyport::llm
