#pragma once
/// The circuit breaker of one upstream: after failures in a row, calls fail at once instead of waiting for a
/// server that does not answer, and one at a time finds out whether it does again.

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"

namespace sallyport::gateway {

/// One for the whole process: every shard's failures count together, and only one call at a time is the
/// probe. Threads: any. While it is closed a call costs two loads of a line that nobody writes.
class Breaker {
 public:
  /// The right to one call. Whoever holds it says what became of the call; what ends unsaid, because its
  /// client left or we refused it, counts for nothing.
  class [[nodiscard]] Pass {
   public:
    Pass(Pass&& other) noexcept;
    Pass& operator=(Pass&&) = delete;
    ~Pass();
    /// The upstream answered, if only with an error.
    void answered();
    /// Sorts a failed call: no connection, no answer in time or half of one are failures; an answer that
    /// could not be used is none; all else says nothing about the upstream.
    void failed(const Error& error);
    /// Nothing has failed lately: what was surely not sent may be sent again.
    bool untroubled() const;

   private:
    friend class Breaker;
    Pass(Breaker& breaker, std::uint32_t generation, std::int64_t lease)
        : breaker_(&breaker), generation_(generation), lease_(lease) {}
    Breaker* breaker_;          // null once it is said
    std::uint32_t generation_;  // what failed before the breaker last closed is forgotten
    std::int64_t lease_;        // of a probe: what it put into `until_`; otherwise 0
  };

  explicit Breaker(std::string server, const Clock& clock = system_clock());

  /// Errors: circuit_open, with the time after which to try again.
  Result<Pass> admit() {
    if (until_.load(std::memory_order_acquire) != 0) return admit_probe();
    return Pass(*this, generation_.load(std::memory_order_relaxed), 0);
  }
  /// The upstream was reached by another way: the next call is let through without waiting.
  void end_pause();

  struct State {
    bool open = false;
    std::uint64_t opened = 0;  ///< how often it has opened
    Duration wait{};           ///< until the next call is let through
    int failures = 0;          ///< in a row, before it opened
    std::string problem{};     ///< the failure that opened it, for the log and the operator
  };
  State state() const;

 private:
  Result<Pass> admit_probe();
  void note_answer();
  void note_failure(const Pass& pass, const std::string& what);
  void set_problem(const std::string& what);
  std::int64_t now() const;

  const std::string server_;
  const Clock& clock_;
  std::atomic<std::int64_t> until_{0};  ///< 0: closed; else when the next probe may go, steady nanoseconds
  std::atomic<std::uint32_t> generation_{0};
  std::atomic<int> failures_{0};
  std::atomic<std::int64_t> pause_;
  std::atomic<std::uint64_t> opened_{0};
  mutable std::mutex mutex_;  // guards the words; only failures and operators come here
  std::string problem_;
};

}  // namespace sallyport::gateway
