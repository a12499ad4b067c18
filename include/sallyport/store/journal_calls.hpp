#pragma once
/// What the journal keeps in memory about calls: which are open, and how many refusals of one reason came
/// this second.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::store {

/// An intent whose outcome has not been written.
struct OpenCall {
  std::string call;  ///< as it stands in the record
  std::string target;
  std::uint64_t seq = 0;    ///< of the intent
  std::int64_t millis = 0;  ///< when it began
};

/// A hash table by call id whose slots keep their strings' memory: adding and removing allocates nothing once
/// it has seen the load. Threads: one at a time.
class OpenCalls {
 public:
  void add(std::string_view call, std::string_view target, std::uint64_t seq, std::int64_t millis);
  bool remove(std::string_view call);
  std::size_t size() const { return size_; }
  template <class F>
  void each(F f) const {
    for (const Slot& slot : slots_) {
      if (slot.used) f(slot.value);
    }
  }

 private:
  struct Slot {
    bool used = false;
    std::size_t hash = 0;
    OpenCall value;
  };
  std::size_t find(std::size_t hash, std::string_view call) const;
  void grow();
  std::vector<Slot> slots_;  // a power of two, at most half full
  std::size_t size_ = 0;
};

/// Refusals before authentication are written limits::kRefusalsPerSecond times per second and reason; the
/// rest is counted. Threads: any; shards share one, because the bound is the process's.
class RefusalSampler {
 public:
  struct Count {
    std::string reason;
    std::uint64_t count = 0;  ///< not written one by one
    std::int64_t second = 0;  ///< Unix seconds
  };
  /// True when this one is to be written.
  bool admit(std::string_view reason, std::int64_t millis);
  /// Counts of seconds before that of `millis`; each is given once.
  std::vector<Count> take(std::int64_t millis);
  /// Whether take() has anything to give; cheap.
  bool due(std::int64_t millis) const { return millis / 1000 > oldest_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::int64_t kNever = INT64_MAX / 2000;
  struct Reason {
    std::string name;
    std::int64_t second = 0;
    int written = 0;
    std::uint64_t skipped = 0;
  };
  void finish(Reason& reason);
  void note_oldest();
  std::mutex mutex_;  // the count is the process's, and refusals are no path worth a shard's own copy
  std::vector<Reason> reasons_;
  std::vector<Count> finished_;
  std::atomic<std::int64_t> oldest_{kNever};  // the earliest second whose count is not yet written
};

}  // namespace sallyport::store
