#pragma once
/// Where the keys of one issuer come from: its metadata and its key set, fetched when somebody needs them.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "sallyport/core/cancel.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/identity/key_cache.hpp"
#include "sallyport/net/client.hpp"
#include "sallyport/net/shard.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::identity {

/// Fetches on its home shard, for all. What fails leaves the keys that were there, until they expire.
class KeySource : public std::enable_shared_from_this<KeySource> {
 public:
  /// `client` is the home shard's, and outlives what end() waits for.
  KeySource(store::Issuer issuer, net::Shard& home, std::function<net::Client*()> client, const Clock& clock);

  /// Of keys that nobody has to fetch.
  static std::shared_ptr<KeySource> fixed(KeySet keys, const Clock& clock);

  /// A source for this document would fetch the same keys in the same way.
  bool fits(const store::Issuer& issuer) const;

  /// What tokens are verified with, and its number: no two sets of any source have the same.
  struct Keys {
    std::shared_ptr<const KeySet> set;  ///< null where there is nothing that may be trusted
    std::uint64_t version = 0;
  };
  Keys keys() const;  ///< threads: any
  /// The number of what keys() gives out now. Threads: any, without a lock.
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  /// keys() may still be used. Threads: any, without a lock.
  bool trusted() const { return passed() < expires_.load(std::memory_order_acquire); }
  /// Nobody has looked at them for so long that they are fetched before anything is judged by them. Threads:
  /// any, without a lock.
  bool neglected() const { return passed() >= neglected_.load(std::memory_order_acquire); }
  /// Starts a fetch where one is due, and waits for nothing. Threads: any, without a lock.
  void renew();
  /// Fetches where that is wanted, or waits for a fetch that is under way; comes back after
  /// limits::kIssuerDeadline at the latest. Threads: a shard's.
  Task<> fetched(net::Shard& here, bool unknown_key);

  /// What was found good by these keys has to be looked at again. Threads: any.
  void changed();

  struct State {
    std::size_t keys = 0;
    std::string problem;  ///< of the last attempt; empty: it succeeded, or there was none
    bool stale = false;   ///< the keys are older than they should be
    bool trusted = false;
  };
  State state() const;  ///< threads: any

  /// Fetches no more, and breaks off what is under way. Threads: any.
  void end();
  /// A fetch is under way. Threads: any.
  bool busy() const { return busy_.load(std::memory_order_acquire); }

 private:
  explicit KeySource(const Clock& clock);
  using Waiter = std::function<void()>;  ///< runs on the home shard
  void want(bool unknown_key, Waiter waiter);
  static Task<> fetch(std::shared_ptr<KeySource> self);
  Task<Result<KeySet>> fetch_keys();
  Task<Result<std::string>> find_keys(net::Client& client, SteadyTime deadline);
  void publish();
  SteadyTime::rep passed() const { return clock_.steady().time_since_epoch().count(); }

  const store::Issuer issuer_;
  net::Shard* const home_;  ///< null: the keys are fixed
  const std::function<net::Client*()> client_;
  const Clock& clock_;

  // On the home shard:
  KeyCache cache_;
  std::vector<Waiter> waiters_;
  Cancel cancel_;

  std::atomic<bool> ended_{false}, busy_{false}, asked_{false};
  std::atomic<std::uint64_t> version_{0};
  std::atomic<SteadyTime::rep> due_{0}, expires_{0}, neglected_{0};
  mutable std::mutex mutex_;
  std::shared_ptr<const KeySet> keys_;
  State state_;
};

}  // namespace sallyport::identity
