#include "session_streams.hpp"

#include "feed.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/sse.hpp"

namespace sallyport::gateway {
namespace {

Failure too_much() {
  return fail(Code::limited, Blame::client, "too many lost streams are being sent again", true);
}

}  // namespace

/// A session as its home shard knows it, while it has a stream or subscriptions.
class HomeSession final : public Follower {
 public:
  HomeSession(SessionStreams& owner, std::string session, std::int64_t expiry)
      : nonce(std::move(session)), expires(expiry), owner_(owner) {}

  void tell(std::string_view method, std::string_view members) override {
    if (stream.empty()) return;
    owner_.say(stream,
               mcp::notification_message(method, members.empty() ? "" : "{" + std::string(members) + "}"));
  }
  void end() override {
    owner_.shard_.at_turn_end([alive = std::weak_ptr<SessionStreams*>(owner_.self_), name = nonce] {
      if (const auto owner = alive.lock()) (*owner)->end_own(name);
    });
  }

  const std::string nonce;
  const std::int64_t expires;
  std::string stream{};    // its own; empty: none
  std::uint64_t seen = 0;  // events that were passed to a reader
  // Since when nobody reads its own stream, or there is none.
  std::optional<SteadyTime> away = std::chrono::steady_clock::now();

 private:
  SessionStreams& owner_;
};

SessionStreams::SessionStreams(net::Shard& shard, Feed& feed, const SessionTable& table)
    : shard_(shard), feed_(feed), table_(table), self_(std::make_shared<SessionStreams*>(this)) {}

SessionStreams::~SessionStreams() { *self_ = nullptr; }

std::string SessionStreams::open(const Session& session, const std::string& principal,
                                 std::shared_ptr<Outlet> reader) {
  std::string name = log_.open(session.nonce, principal);
  readers_.emplace(name, std::move(reader));
  feed_.sweep_later();
  return name;
}

std::string SessionStreams::priming(const Session& session, const std::string& stream) const {
  // Clients of older revisions take an event without data for a broken message.
  if (session.version < mcp::Version::v2025_11_25) return "";
  return mcp::sse_priming_frame(EventId{shard_.index(), stream, 0}.text(),
                                std::chrono::milliseconds(limits::kRetryHint).count());
}

bool SessionStreams::say(const std::string& stream, std::string_view message, net::HeldBytes& share) {
  const auto number = log_.append(stream, std::make_shared<const std::string>(message));
  if (number == 0) return false;
  const auto reader = readers_.find(stream);
  if (reader == readers_.end() ||
      reader->second->send(mcp::sse_frame(message, EventId{shard_.index(), stream, number}.text()),
                           std::move(share)))
    return true;
  // It comes back for what it missed.
  reader->second->end();
  readers_.erase(reader);
  return true;
}

void SessionStreams::finish(const std::string& stream) {
  log_.finish(stream, std::chrono::steady_clock::now());
  if (const auto reader = readers_.find(stream); reader != readers_.end()) {
    reader->second->end();
    readers_.erase(reader);
  }
}

Result<std::shared_ptr<HomeSession>> SessionStreams::home(const Session& session, const Caller& caller) {
  if (table_.ended(session.nonce)) return client_error(Code::not_found, "Session not found: it ended.");
  const auto known = homes_.find(session.nonce);
  auto home = known != homes_.end() ? known->second
                                    : std::make_shared<HomeSession>(*this, session.nonce, session.expires);
  if (auto joined = feed_.join(home, caller, Follower::kAll); !joined) return Failure(joined.error());
  homes_.emplace(session.nonce, home);
  return home;
}

Result<Attached> SessionStreams::attach(const Session& session, const Caller& caller,
                                        std::shared_ptr<Outlet> reader) {
  auto found = home(session, caller);
  if (!found) return Failure(found.error());
  HomeSession& own = **found;
  // What was said while nobody listened is news still, for a client that knows no event to come back to.
  EventLog::Replay missed;
  if (!own.stream.empty() && own.away) missed = log_.after(own.stream, own.nonce, own.seen);
  auto charge = replays_.take(caller.principal, missed.bytes(), limits::kReplayOfOne);
  if (!charge) return too_much();
  drop_stream(own.stream);
  own.stream = open(session, caller.principal, reader);
  own.away.reset();
  Attached attached{
      .stream = own.stream, .frames = priming(session, own.stream), .charge = std::move(charge)};
  for (const auto& event : missed.events) {
    const auto number = log_.append(own.stream, event.message);
    attached.frames += mcp::sse_frame(*event.message, EventId{shard_.index(), own.stream, number}.text());
  }
  return attached;
}

Result<Attached> SessionStreams::resume(const Session& session, const std::string& principal,
                                        const EventId& after, std::shared_ptr<Outlet> reader) {
  using Found = EventLog::Replay::Found;
  if (table_.ended(session.nonce)) return Attached{.found = Found::lost, .stream = {}, .frames = {}};
  const auto replay = log_.after(after.stream, session.nonce, after.number);
  Attached attached{.found = replay.found, .stream = after.stream, .frames = {}};
  if (replay.found != Found::here) return attached;
  attached.charge = replays_.take(principal, replay.bytes(), limits::kReplayOfOne);
  if (!attached.charge) return too_much();
  for (const auto& event : replay.events)
    attached.frames +=
        mcp::sse_frame(*event.message, EventId{shard_.index(), after.stream, event.number}.text());
  if (replay.finished) {
    reader->end();
    return attached;
  }
  auto& slot = readers_[after.stream];
  if (slot) slot->end();
  slot = std::move(reader);
  if (const auto own = homes_.find(session.nonce); own != homes_.end() && own->second->stream == after.stream)
    own->second->away.reset();
  return attached;
}

void SessionStreams::detach(const std::string& stream, const std::string& nonce, const Outlet& reader) {
  const auto it = readers_.find(stream);
  if (it == readers_.end() || it->second.get() != &reader) return;
  readers_.erase(it);
  const auto own = homes_.find(nonce);
  if (own == homes_.end() || own->second->stream != stream) return;
  own->second->away = std::chrono::steady_clock::now();
  own->second->seen = log_.last(stream);
}

Task<Result<bool>> SessionStreams::subscribe(Session session, Caller caller, Watched what,
                                             SteadyTime deadline) {
  auto own = home(session, caller);
  if (!own) co_return Failure(own.error());
  const auto follower = *own;
  const auto alive = self_;
  auto done = co_await feed_.watch(follower, std::move(what), deadline);
  if (const auto owner = *alive; owner && !done) owner->release(follower);
  co_return done;
}

bool SessionStreams::unsubscribe(const Session& session, std::string_view uri) {
  const auto own = homes_.find(session.nonce);
  if (own == homes_.end()) return false;
  const auto follower = own->second;
  const bool was = feed_.unwatch(*follower, Topic::resource, uri);
  release(follower);
  return was;
}

/// Forgets a session that has neither stream nor subscription.
void SessionStreams::release(const std::shared_ptr<HomeSession>& session) {
  if (!session->stream.empty() || Feed::watches(*session) > 0) return;
  feed_.leave(*session);
  // The session may have a new home since this one ended.
  const auto own = homes_.find(session->nonce);
  if (own != homes_.end() && own->second == session) homes_.erase(own);
}

void SessionStreams::drop_stream(const std::string& stream) {
  if (stream.empty()) return;
  if (const auto reader = readers_.find(stream); reader != readers_.end()) {
    reader->second->end();
    readers_.erase(reader);
  }
  log_.erase(stream);
}

void SessionStreams::end(const std::string& nonce) {
  for (const auto& stream : log_.erase_session(nonce)) {
    if (const auto reader = readers_.find(stream); reader != readers_.end()) {
      reader->second->end();
      readers_.erase(reader);
    }
  }
  end_own(nonce);
}

void SessionStreams::end_own(const std::string& nonce) {
  const auto own = homes_.find(nonce);
  if (own == homes_.end()) return;
  const auto session = own->second;
  homes_.erase(own);
  drop_stream(std::exchange(session->stream, {}));
  feed_.leave(*session);
}

void SessionStreams::clear() {
  homes_.clear();
  readers_.clear();
  log_ = EventLog();
}

bool SessionStreams::sweep(SteadyTime now, std::int64_t unix_now) {
  log_.sweep(now);
  replays_.sweep();
  // What nobody reads is not subscribed to for ever. Whoever comes back to its stream hears that it is gone.
  std::vector<std::string> over;
  for (const auto& [nonce, session] : homes_) {
    if (session->expires <= unix_now || (session->away && now - *session->away >= limits::kStreamAway))
      over.push_back(nonce);
  }
  for (const auto& nonce : over) end_own(nonce);
  return log_.streams() > 0 || !homes_.empty();
}

}  // namespace sallyport::gateway
