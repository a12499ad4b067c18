#pragma once
/// What one shard keeps between requests. Threads: its shard's, throughout.

#include <algorithm>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "access.hpp"
#include "dialogue.hpp"
#include "sallyport/core/cancel.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/gateway/counters.hpp"
#include "sallyport/gateway/snapshot.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/llm/target_breaker.hpp"
#include "sallyport/net/shard.hpp"
#include "sallyport/store/journal.hpp"
#include "session.hpp"
#include "tokens.hpp"

namespace sallyport::gateway {

class Feed;

class ShardState {
 public:
  ShardState(net::Shard& s, store::JournalWriter& j, ShardCounters& c, std::string call_prefix)
      : shard(s), journal(j), counters(c), questions(s.index()), call_prefix_(std::move(call_prefix)) {}

  net::Shard& shard;
  store::JournalWriter& journal;
  ShardCounters& counters;
  net::Client* client = nullptr;  ///< the shard's; there from the start
  std::shared_ptr<const Snapshot> snapshot;
  SessionTable sessions;
  Questions questions;  ///< to legacy clients
  TokenCache tokens;
  Dialogues parked;  ///< calls that wait for their modern clients
  /// Legacy calls under way, by session and request id, so that notifications/cancelled finds them.
  std::unordered_multimap<std::string, Cancel*> calls;
  /// Legacy calls whose clients have gone: they run on until we stop.
  std::unordered_set<Cancel*> left_alone;
  std::shared_ptr<Feed> feed;  ///< the open streams; there from the start

  void swap(std::shared_ptr<const Snapshot> next) {
    snapshot = std::move(next);
    access_.clear();
  }

  /// The one object that stands for all principals like this: what is known of it is known of all its tokens.
  std::shared_ptr<const policy::Principal> shared(policy::Principal principal) {
    if (principals_.size() >= limits::kPrincipals) principals_.clear();
    auto& one = principals_[everything_of(principal)];
    if (!one) one = std::make_shared<const policy::Principal>(std::move(principal));
    return one;
  }

  Access& access(const std::shared_ptr<const policy::Principal>& principal) {
    const auto it = access_.find(principal.get());
    if (it != access_.end()) return it->second;
    if (access_.size() >= limits::kPrincipals) access_.clear();
    return access_.emplace(principal.get(), Access(snapshot, principal)).first->second;
  }

  /// Capabilities as a client wrote them, as they travel on. Clients repeat theirs with every request.
  const std::string& carried(std::string_view raw) {
    if (const auto it = carried_.find(std::string(raw)); it != carried_.end()) return it->second;
    if (carried_.size() >= kCapabilities) carried_.clear();
    return carried_.emplace(std::string(raw), wire::carried_capabilities(raw)).first->second;
  }

  /// The breaker of a route's target, if its config has one. `key` says which target of which route.
  llm::TargetBreaker& target_breaker(const std::string& key, const llm::BreakerOptions& options) {
    if (target_breakers_.size() >= kTargetBreakers && !target_breakers_.contains(key))
      target_breakers_.clear();
    return target_breakers_.try_emplace(key, options).first->second;
  }

  std::string next_call() { return call_prefix_ + std::to_string(++calls_made_); }

  /// Ends every call of a session.
  /// Clients may use an id twice at a time: then all of them are meant.
  void cancel_call(const std::string& key) {
    for (auto it = calls.find(key); it != calls.end(); it = calls.find(key)) {
      Cancel* const call = it->second;
      calls.erase(it);
      call->request();
    }
  }
  void cancel_calls(const std::string& nonce) {
    const auto of_session = [&](const auto& entry) { return entry.first.starts_with(nonce + "\n"); };
    for (auto it = calls.begin();
         (it = std::find_if(calls.begin(), calls.end(), of_session)) != calls.end();) {
      Cancel* const call = it->second;
      calls.erase(it);
      call->request();
    }
  }

  /// One write covers every record of this turn of the loop.
  void commit_soon() {
    if (std::exchange(commit_scheduled_, true)) return;
    shard.at_turn_end([this] {
      commit_scheduled_ = false;
      journal.commit();
    });
  }

 private:
  const std::string call_prefix_;
  std::uint64_t calls_made_ = 0;
  bool commit_scheduled_ = false;
  std::unordered_map<const policy::Principal*, Access> access_;
  std::unordered_map<std::string, std::shared_ptr<const policy::Principal>> principals_;
  static constexpr std::size_t kCapabilities = 256;
  static constexpr std::size_t kTargetBreakers = 4096;
  std::unordered_map<std::string, llm::TargetBreaker> target_breakers_;
  std::unordered_map<std::string, std::string> carried_;
};

}  // namespace sallyport::gateway
