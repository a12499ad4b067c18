#pragma once
/// Slows down whoever guesses passwords.

#include <algorithm>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::identity {

/// Counts failures by name and by place, and forgets them after limits::kSignInMemory. Threads: any.
class SignInLimits {
 public:
  /// How long this name (empty: whoever comes back from a provider) has to wait at this place; zero: it may
  /// try now, and that counts as a failure until succeeded() says otherwise, so that many at once are no way
  /// round.
  Duration begin(const std::string& name, const std::string& place, SteadyTime now) {
    const std::lock_guard lock(mutex_);
    const auto keys = keys_of(name, place);
    Duration wait = Duration::zero();
    for (const Key& key : keys) {
      const auto found = watched_.find(key.text);
      if (found != watched_.end() && now - found->second.last < limits::kSignInMemory)
        wait = std::max<Duration>(wait, found->second.until - now);
    }
    if (wait > Duration::zero()) return wait;
    for (const Key& key : keys) {
      make_room(now);
      Failures& one = watched_[key.text];
      if (now - one.last >= limits::kSignInMemory) one = {};
      one.last = now;
      if (++one.count < key.free) continue;
      const int doubled = std::min(one.count - key.free, 16);
      one.until = now + std::min<Duration>(limits::kSignInPause * (1 << doubled), key.longest);
    }
    return Duration::zero();
  }
  void succeeded(const std::string& name, const std::string& place) {
    const std::lock_guard lock(mutex_);
    for (const Key& key : keys_of(name, place)) {
      const auto found = watched_.find(key.text);
      if (found == watched_.end()) continue;
      found->second.until = {};
      // What was failed at elsewhere stays.
      if (--found->second.count <= 0 || key.own) watched_.erase(found);
    }
  }

 private:
  struct Failures {
    int count = 0;
    SteadyTime until{}, last{};
  };
  struct Key {
    std::string text;
    int free;          ///< failures without a pause
    Duration longest;  ///< pause
    bool own;          ///< of this name at this place
  };
  /// A name alone can be failed at by anybody: its pause must not keep its owner out.
  static std::vector<Key> keys_of(const std::string& name, const std::string& place) {
    std::vector<Key> out;
    const auto some = limits::kSignInFailures, many = 10 * limits::kSignInFailures;
    if (!name.empty()) {
      out.push_back({name + "\n" + place, some, limits::kSignInPauseMax, true});
      out.push_back({name + "\n", many, limits::kSignInPauseOfName, false});
    }
    out.push_back({"\n" + place, many, limits::kSignInPauseMax, false});
    return out;
  }
  void make_room(SteadyTime now) {
    if (watched_.size() < limits::kSignInsWatched) return;
    std::erase_if(watched_, [&](const auto& one) { return now - one.second.last >= limits::kSignInMemory; });
    if (watched_.size() < limits::kSignInsWatched) return;
    watched_.erase(std::ranges::min_element(watched_, {}, [](const auto& one) { return one.second.last; }));
  }

  std::mutex mutex_;
  std::unordered_map<std::string, Failures> watched_;
};

}  // namespace sallyport::identity
