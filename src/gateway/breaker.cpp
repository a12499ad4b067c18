#include "sallyport/gateway/breaker.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::int64_t nanos(Duration time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time).count();
}
constexpr std::int64_t kPause = nanos(limits::kBreakerPause);
constexpr std::int64_t kPauseMax = nanos(limits::kBreakerPauseMax);

bool is_failure(const Error& error) {
  // What waits for a time of its own was not tried.
  return error.blame == Blame::upstream && error.retry_after.count() == 0 &&
         (error.code == Code::upstream_unreachable || error.code == Code::upstream_timeout ||
          error.code == Code::upstream_broken);
}

}  // namespace

Breaker::Pass::Pass(Pass&& other) noexcept
    : breaker_(std::exchange(other.breaker_, nullptr)),
      generation_(other.generation_),
      lease_(other.lease_) {}

Breaker::Pass::~Pass() {
  if (!breaker_ || lease_ == 0) return;
  // The probe has told nothing: the next call is one.
  std::int64_t mine = lease_;
  breaker_->until_.compare_exchange_strong(mine, breaker_->now());
}

void Breaker::Pass::answered() {
  if (Breaker* const breaker = std::exchange(breaker_, nullptr)) breaker->note_answer();
}

void Breaker::Pass::failed(const Error& error) {
  if (error.answered) return answered();
  if (!is_failure(error)) return;
  if (Breaker* const breaker = std::exchange(breaker_, nullptr)) breaker->note_failure(*this, error.what);
}

bool Breaker::Pass::untroubled() const {
  return lease_ == 0 && breaker_ && breaker_->failures_.load(std::memory_order_relaxed) == 0;
}

Breaker::Breaker(std::string server, const Clock& clock)
    : server_(std::move(server)), clock_(clock), pause_(kPause) {}

std::int64_t Breaker::now() const {
  // Never 0, which says "closed".
  return std::max<std::int64_t>(nanos(clock_.steady().time_since_epoch()), 1);
}

Result<Breaker::Pass> Breaker::admit_probe() {
  std::int64_t until = until_.load();
  const std::int64_t at = now();
  // Whoever moves the time goes; if it does not come back within another pause, somebody else goes too.
  const std::int64_t lease = at + pause_.load();
  if (until != 0 && at >= until && until_.compare_exchange_strong(until, lease))
    return Pass(*this, generation_.load(), lease);
  until = until_.load();
  if (until == 0) return Pass(*this, generation_.load(), 0);
  const std::chrono::nanoseconds wait(std::max<std::int64_t>(until - at, 1));
  return Failure(Error{.code = Code::circuit_open,
                       .blame = Blame::upstream,
                       .what = "held back after failures in a row: " + state().problem,
                       .hint = "The server has failed several times in a row. Calls to it are held back for "
                               "a while; this one was not sent. Try again later.",
                       .retry = true,
                       .retry_after = std::chrono::ceil<std::chrono::seconds>(wait)});
}

void Breaker::note_answer() {
  if (failures_.load(std::memory_order_relaxed) != 0) failures_.store(0, std::memory_order_relaxed);
  if (until_.load(std::memory_order_relaxed) == 0) return;
  pause_ = kPause;
  ++generation_;
  if (until_.exchange(0) != 0) spdlog::info("server {}: answers again", server_);
}

void Breaker::note_failure(const Pass& pass, const std::string& what) {
  if (pass.generation_ != generation_.load()) return;
  if (pass.lease_ != 0) {
    const std::int64_t pause = std::min(pause_.load() * 2, kPauseMax);
    pause_ = pause;
    set_problem(what);
    std::int64_t mine = pass.lease_;
    until_.compare_exchange_strong(mine, now() + pause);
    return;
  }
  const int failures = failures_.fetch_add(1) + 1;
  if (failures < limits::kBreakerFailures) return;
  set_problem(what);
  std::int64_t closed = 0;
  if (!until_.compare_exchange_strong(closed, now() + pause_.load())) return;
  ++opened_;
  spdlog::warn("server {}: {} calls in a row have failed, the last with: {}; calls are held back", server_,
               failures, what);
}

void Breaker::set_problem(const std::string& what) {
  const std::lock_guard lock(mutex_);
  problem_ = what;
}

void Breaker::end_pause() {
  std::int64_t until = until_.load();
  if (until == 0) return;
  pause_ = kPause;
  until_.compare_exchange_strong(until, now());
}

Breaker::State Breaker::state() const {
  const std::int64_t until = until_.load();
  State out{.open = until != 0,
            .opened = opened_.load(),
            .wait = std::chrono::nanoseconds(until == 0 ? 0 : std::max<std::int64_t>(until - now(), 0)),
            .failures = failures_.load()};
  const std::lock_guard lock(mutex_);
  if (out.open) out.problem = problem_;
  return out;
}

}  // namespace sallyport::gateway
