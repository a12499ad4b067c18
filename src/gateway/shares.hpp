#pragma once
/// How much of something bounded each principal holds, so that nobody takes all of it.

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {

/// Threads: its shard's.
class Shares {
 public:
  /// False when `holder` has `most` already.
  bool take(const std::string& holder, std::size_t most) {
    std::size_t& held = held_[holder];
    if (held >= most) return false;
    ++held;
    return true;
  }
  void give(const std::string& holder) {
    const auto it = held_.find(holder);
    if (it != held_.end() && --it->second == 0) held_.erase(it);
  }

 private:
  std::unordered_map<std::string, std::size_t> held_;
};

/// Bytes that are on their way to each principal's clients. A charge may end on any thread.
class ByteShares {
 public:
  using Charge = std::shared_ptr<const void>;
  /// Null when `holder` has too much already; one charge is always good, whatever its size.
  Charge take(const std::string& holder, std::size_t bytes, std::size_t most) {
    if (held_.size() >= kSwept) sweep();
    auto& held = held_[holder];
    if (!held) held = std::make_shared<std::atomic<std::size_t>>(0);
    const std::size_t now = held->load();
    if (bytes > 0 && now > 0 && now + bytes > most) return nullptr;
    held->fetch_add(bytes);
    return {held.get(), [held, bytes](const void*) { held->fetch_sub(bytes); }};
  }
  /// Forgets who holds nothing.
  void sweep() {
    std::erase_if(held_, [](const auto& entry) { return entry.second->load() == 0; });
  }

 private:
  static constexpr std::size_t kSwept = 1024;
  std::unordered_map<std::string, std::shared_ptr<std::atomic<std::size_t>>> held_;
};

/// What each principal watches at upstream sessions that it shares with others. Such a session has one owner,
/// its watchers may be on any shard: there is one of these. Threads: any.
class WatchShares {
 public:
  /// What is watched already counts once. False when `holder` watches limits::kWatchedOfOne others there.
  bool take(const std::string& holder, const std::string& server, const std::string& what) {
    const std::lock_guard lock(mutex_);
    auto& own = held_[{holder, server}];
    const auto known = own.find(what);
    if (known == own.end() && own.size() >= limits::kWatchedOfOne) return false;
    ++own[what];
    return true;
  }
  void give(const std::string& holder, const std::string& server, const std::string& what) {
    const std::lock_guard lock(mutex_);
    const auto own = held_.find({holder, server});
    if (own == held_.end()) return;
    const auto it = own->second.find(what);
    if (it == own->second.end() || --it->second > 0) return;
    own->second.erase(it);
    if (own->second.empty()) held_.erase(own);
  }

 private:
  using Key = std::pair<std::string, std::string>;
  struct Hash {
    std::size_t operator()(const Key& key) const {
      return std::hash<std::string>()(key.first) * 31 + std::hash<std::string>()(key.second);
    }
  };
  std::mutex mutex_;
  std::unordered_map<Key, std::unordered_map<std::string, std::size_t>, Hash> held_;
};

}  // namespace sallyport::gateway
