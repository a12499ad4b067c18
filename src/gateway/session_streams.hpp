#pragma once
/// The streams of legacy sessions on one shard: answers under way here, and the sessions whose home this is.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "event_log.hpp"
#include "outlet.hpp"
#include "sallyport/core/error.hpp"
#include "session.hpp"
#include "shares.hpp"

namespace sallyport::gateway {

class Feed;
struct Caller;
struct Watched;
class HomeSession;

/// What a GET gets before it goes on live.
struct Attached {
  EventLog::Replay::Found found = EventLog::Replay::Found::here;
  std::string stream;
  std::string frames;
  ByteShares::Charge charge{};  ///< for the frames, until they are written
};

/// Threads: its shard's. Readers may be on any.
class SessionStreams {
 public:
  SessionStreams(net::Shard& shard, Feed& feed, const SessionTable& table);
  ~SessionStreams();

  /// A stream that answers a POST of the session, which belongs to `principal`; its name.
  std::string open(const Session& session, const std::string& principal, std::shared_ptr<Outlet> reader);
  /// The frame that begins a stream, where this session's client understands it.
  std::string priming(const Session& session, const std::string& stream) const;
  /// Adds an event and passes it to whoever reads the stream, with `share` (EventStream::push). False when
  /// the stream is no more; then the share was left.
  bool say(const std::string& stream, std::string_view message, net::HeldBytes& share);
  bool say(const std::string& stream, std::string_view message) {
    net::HeldBytes none;
    return say(stream, message, none);
  }
  /// Whoever reads the stream gets no more of it: it comes back.
  void let_go(const std::string& stream) { readers_.erase(stream); }
  /// The answer has been said.
  void finish(const std::string& stream);

  /// The session's own stream, anew: one that is open ends. Requires: this is its home. Errors: as
  /// Feed::join.
  Result<Attached> attach(const Session& session, const Caller& caller, std::shared_ptr<Outlet> reader);
  /// What came after an event, and what will come. Requires: the event's shard. Errors: limited, while too
  /// much is being sent again to this principal.
  Result<Attached> resume(const Session& session, const std::string& principal, const EventId& after,
                          std::shared_ptr<Outlet> reader);
  /// The reader has gone; what is said from now on waits for the next one.
  void detach(const std::string& stream, const std::string& nonce, const Outlet& reader);

  /// resources/subscribe, for as long as the session lives and is read. Requires: this is its home.
  Task<Result<bool>> subscribe(Session session, Caller caller, Watched what, SteadyTime deadline);
  bool unsubscribe(const Session& session, std::string_view uri);

  /// The session was deleted: its streams end and are forgotten, and so is what it subscribed to.
  void end(const std::string& nonce);
  /// The same for its own stream and its subscriptions alone.
  void end_own(const std::string& nonce);
  void clear();
  /// Drops what is too old. False when nothing is left.
  bool sweep(SteadyTime now, std::int64_t unix_now);

 private:
  friend class HomeSession;
  Result<std::shared_ptr<HomeSession>> home(const Session& session, const Caller& caller);
  void drop_stream(const std::string& stream);
  void release(const std::shared_ptr<HomeSession>& session);

  net::Shard& shard_;
  Feed& feed_;
  const SessionTable& table_;
  EventLog log_;
  ByteShares replays_;
  std::unordered_map<std::string, std::shared_ptr<Outlet>> readers_;     // by stream
  std::unordered_map<std::string, std::shared_ptr<HomeSession>> homes_;  // by nonce
  std::shared_ptr<SessionStreams*> self_;  // what waits elsewhere finds null in it once we are gone
};

}  // namespace sallyport::gateway
