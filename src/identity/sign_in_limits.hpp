#pragma once
/// Slows down whoever guesses passwords.

#include <algorithm>
#include <mutex>
#include <string>
#include <unordered_map>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::identity {

/// Counts failures in a row by name and by place. Threads: any.
class SignInLimits {
 public:
  /// How long this name has to wait at this place; zero: it may try now, and that counts as a failure until
  /// succeeded() says otherwise, so that many at once are no way round.
  Duration begin(const std::string& name, const std::string& place, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    if (watched_.size() > limits::kSignInsWatched) watched_.clear();
    Failures& here = watched_[name + "\n" + place];
    // Somebody who tries one name from everywhere, or every name from one place, needs more patience.
    Failures& anywhere = watched_[name + "\n"];
    Failures& anybody = watched_["\n" + place];
    const Duration wait = std::max({here.until - now, anywhere.until - now, anybody.until - now});
    if (wait > Duration::zero()) return wait;
    here.failed(limits::kSignInFailures, now);
    anywhere.failed(10 * limits::kSignInFailures, now);
    anybody.failed(10 * limits::kSignInFailures, now);
    return Duration::zero();
  }
  void succeeded(const std::string& name, const std::string& place) {
    const std::lock_guard lock(mutex_);
    watched_.erase(name + "\n" + place);
    // What strangers failed at elsewhere stays.
    for (const auto& key : {name + "\n", "\n" + place}) {
      const auto found = watched_.find(key);
      if (found != watched_.end() && found->second.count > 0) --found->second.count;
    }
  }

 private:
  struct Failures {
    int count = 0;
    SteadyTime until{};
    void failed(int free, SteadyTime now) {
      ++count;
      if (count < free) return;
      const int doubled = std::min(count - free, 16);
      until = now + std::min<Duration>(limits::kSignInPause * (1 << doubled), limits::kSignInPauseMax);
    }
  };
  std::mutex mutex_;
  std::unordered_map<std::string, Failures> watched_;
};

}  // namespace sallyport::identity
