#pragma once
/// When an issuer's keys are fetched, and for how long they are trusted. Pure: the caller fetches.

#include <memory>
#include <string>

#include "sallyport/core/clock.hpp"
#include "sallyport/identity/jwt.hpp"

namespace sallyport::identity {

/// Threads: one; the set that it hands out may go to any.
class KeyCache {
 public:
  struct Times {
    std::chrono::seconds refresh{600};   ///< fetched again when older
    std::chrono::seconds cool_down{30};  ///< between two attempts, whatever asks for them
    std::chrono::seconds expiry{
        86'400};  ///< not used any more when older: the issuer could have withdrawn them
  };
  explicit KeyCache(Times times) : times_(times) {}

  /// The keys to verify with; null when there are none or they are too old to be trusted.
  std::shared_ptr<const KeySet> keys(SteadyTime now) const;
  /// Whether to fetch now. `unknown_key`: a token that is good otherwise names a key that is not in the set.
  bool wants(SteadyTime now, bool unknown_key) const;
  /// When the next fetch is due although nobody misses a key. SteadyTime::max() while one is under way.
  SteadyTime next(SteadyTime now) const;
  SteadyTime fetched() const { return fetched_; }
  /// Until when the keys may be used; the past where there are none.
  SteadyTime expires() const { return keys_ ? fetched_ + times_.expiry : SteadyTime::min(); }
  /// A fetch begins: nothing else is wanted until it ends.
  void begin(SteadyTime now);
  void succeeded(KeySet keys, SteadyTime now);
  /// The old keys stay until they expire.
  void failed(std::string why, SteadyTime now);

  /// Older than refresh, and the last attempt failed.
  bool is_stale(SteadyTime now) const;
  const std::string& problem() const { return problem_; }  ///< of the last attempt; empty: it succeeded

 private:
  const Times times_;
  std::shared_ptr<const KeySet> keys_;
  SteadyTime fetched_{}, attempted_{};
  bool fetching_ = false, ever_attempted_ = false;
  std::string problem_;
};

}  // namespace sallyport::identity
