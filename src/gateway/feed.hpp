#pragma once
/// The open streams of one shard that hear of changes: lists that became others for their caller, and
/// resources that were updated.

#include <array>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/net/fine_timer.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "sallyport/net/shard.hpp"
#include "sallyport/policy/rules.hpp"
#include "session_streams.hpp"
#include "shares.hpp"

namespace sallyport::gateway {

class ShardState;
struct Call;
struct GoodToken;
struct View;

/// What a stream's caller subscribed to at an upstream.
struct Watched {
  Topic topic = Topic::resource;
  std::shared_ptr<Upstream> upstream;
  std::string server, isolation;
  std::string id;         ///< the upstream's own URI or task id
  std::string client_id;  ///< the same as the client knows it
  std::string canonical;  ///< "server/uri": what policy is asked about; empty: nothing is asked
  std::string session{};  ///< its nonce; clients of 2026-07-28 have none
  bool renewed = false;   ///< it stood before its server was configured anew
  bool confirmed = false;
  std::string holder{};  ///< the principal whose share it is, once it is watched
  /// Bytes that one of these takes.
  std::size_t size() const { return sizeof(Watched) + 2 * (id.size() + client_id.size() + canonical.size()); }
};

/// One stream of one client. Threads: its shard's.
class Follower {
 public:
  enum Wants : std::uint8_t { kTools = 1, kPrompts = 2, kResources = 4, kAll = 7 };
  virtual ~Follower() = default;
  /// Passes a notification on; `members` are those of its params, without braces. Ends nothing by itself.
  virtual void tell(std::string_view method, std::string_view members) = 0;
  /// The caller may no longer listen, or the server stops. What follows happens in a later turn.
  virtual void end() = 0;

 private:
  friend class Feed;
  std::shared_ptr<View> view_;
  std::size_t place_ = 0;
  std::uint8_t wants_ = 0;
  std::vector<Watched> watched_;
  net::HeldBytes held_;  ///< for them
};

/// Who listens, and where: all that see the same.
struct Caller {
  std::string key_id;                        ///< empty: anonymous
  std::string path;                          ///< of the endpoint
  std::string principal{};                   ///< whose share of what is bounded it uses
  std::shared_ptr<const GoodToken> token{};  ///< null: a key, or a certificate
  std::string agent{};                       ///< that a certificate stands for; empty: there is none
  SystemTime until{};                        ///< the certificate is good
};

/// Whoever made this call.
Caller caller_of(const Call& call);

/// Threads: its shard's, but for hear().
class Feed {
 public:
  /// `shares` is the same for all shards.
  Feed(ShardState& here, const Clock& clock,
       std::shared_ptr<WatchShares> shares = std::make_shared<WatchShares>());
  ~Feed();

  /// Errors: limited (too many streams), unavailable (we stop), unauthenticated (the key went).
  Result<void> join(const std::shared_ptr<Follower>& follower, const Caller& caller, std::uint8_t wants);
  void leave(Follower& follower);

  /// Subscribes at the upstream; no change after this has come back is missed. Errors: limited, or the
  /// upstream's. Asking twice is no error and costs nothing.
  Task<Result<bool>> watch(std::shared_ptr<Follower> follower, Watched what, SteadyTime deadline);
  /// False when it was not subscribed.
  bool unwatch(Follower& follower, Topic topic, std::string_view client_id);
  static std::size_t watches(const Follower& follower) { return follower.watched_.size(); }

  /// Every shard has the snapshot that this one has.
  void snapshot_changed();
  /// An upstream says that something changed. Threads: any.
  void hear(const Notice& notice);
  /// Ends all streams and takes no more.
  void close();
  bool closed() const { return closed_; }
  /// Every stream knows of the newest snapshot what it has to know.
  bool idle() const { return !working_; }
  /// Nothing runs here any more: forgets everything.
  void clear();

  SessionStreams& sessions() { return sessions_; }

 private:
  friend struct View;
  friend class SessionStreams;
  using Digests = std::array<std::size_t, 3>;
  std::optional<Digests> look(View& view) const;
  std::shared_ptr<const policy::Principal> principal_of(const Caller& caller) const;
  bool holds(const Caller& caller, SystemTime now) const;
  Result<std::shared_ptr<View>> view_of(const Caller& caller);
  void put(const std::shared_ptr<Follower>& follower, const std::shared_ptr<View>& view);
  void take_out(Follower& follower);
  void queue(const std::shared_ptr<View>& view);
  void work_later();
  void work();
  void examine(const std::shared_ptr<View>& view);
  bool visit(View& view, std::size_t& budget);
  Duration step() const;
  void recheck(const std::shared_ptr<Follower>& follower);
  static Task<> watch_again(Feed* feed, std::shared_ptr<Follower> follower, Watched what);
  bool may_hear(const View& view, const Watched& what) const;
  bool may_read(const View& view, std::string_view canonical, std::string_view client_uri) const;
  void take_heard();
  void tell_watchers(const Notice& notice, std::string_view watched);
  static void give_back(Follower& follower, const Watched& what);
  void forget(Follower& follower, Topic topic, std::string_view client_id);
  void sweep_later();
  void sweep();

  ShardState& here_;
  const Clock& clock_;
  const std::shared_ptr<WatchShares> shares_;
  SessionStreams sessions_;
  bool closed_ = false;
  std::size_t streams_ = 0;
  Shares of_one_;                                                 // streams by principal
  std::unordered_map<std::string, std::shared_ptr<View>> views_;  // by key and endpoint
  std::unordered_map<std::string, std::vector<Follower*>> watchers_;
  std::deque<std::shared_ptr<View>> queue_;
  bool working_ = false;
  SteadyTime paced_until_{};  // what was due before has been told
  net::Deadline sweep_;
  net::FineTimer rest_;
  std::shared_ptr<Feed*> self_;  // what waits elsewhere finds null in it once we are gone

  std::mutex heard_mutex_;  // notices come from every shard
  std::unordered_map<std::string, Notice> heard_;
  std::size_t heard_bytes_ = 0;
  bool heard_posted_ = false;
};

}  // namespace sallyport::gateway
