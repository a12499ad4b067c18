#include "upstream_http_sessions.hpp"

#include "sallyport/core/limits.hpp"

namespace sallyport::gateway::http {

Sessions::Sessions(std::shared_ptr<Link> link, net::Shard& shard, SessionEars ears)
    : link_(std::move(link)), shard_(shard), ears_(std::move(ears)) {}

std::shared_ptr<Session> Sessions::find(const SessionKey& key) const {
  const auto it = sessions_.find(key);
  return it == sessions_.end() ? nullptr : it->second;
}

Result<std::shared_ptr<Session>> Sessions::take(const SessionKey& key) {
  if (closed_)
    return fail(Code::unavailable, Blame::us, "the configuration of the server was replaced", true);
  if (auto known = find(key)) return known;
  auto made = std::make_shared<Session>(link_, shard_, ears_, key);
  if (!key.shared()) {
    if (auto room = make_room_for(*made); !room) return Failure(room.error());
  }
  sessions_[key] = made;
  rest_when_idle(key);
  return made;
}

Result<void> Sessions::make_room_for(const Session& session) {
  // Nobody's share is reached before that; most servers never have as many.
  if (sessions_.size() < limits::kUpstreamSessions / 2) return {};
  std::vector<Held> held;
  std::vector<const SessionKey*> keys;
  for (const auto& [key, one] : sessions_) {
    if (key.shared()) continue;
    held.push_back(one->held());
    keys.push_back(&key);
  }
  const auto victim =
      make_room(session.held().holder, held, limits::kUpstreamSessions, "sessions with one server");
  if (!victim) return Failure(victim.error());
  if (*victim) end(SessionKey(*keys[**victim]));
  return {};
}

void Sessions::end(const SessionKey& key) {
  const auto session = find(key);
  if (!session) return;
  session->stop();
  sessions_.erase(key);
  const auto identity = session->identity();
  if (!identity) return;
  ears_.ended(key, identity->epoch);
  spawn(Link::end_session(link_, identity));
}

Task<Result<Identity>> Sessions::identify(SessionKey key, SteadyTime deadline) {
  auto session = take(key);
  if (!session) co_return Failure(session.error());
  co_return co_await (*session)->identify(deadline);
}

Task<Result<Identity>> Sessions::enter(SessionKey key, Visitor visitor, SteadyTime deadline) {
  auto session = take(key);
  if (!session) co_return Failure(session.error());
  (*session)->visitors.insert(visitor);
  co_return co_await (*session)->identify(deadline);
}

void Sessions::leave(const SessionKey& key, Visitor visitor) {
  const auto session = find(key);
  if (!session) return;
  session->visitors.erase(visitor);
  if (!session->visitors.empty()) return;
  if (session->resting() && !session->identity()) return end(key);
  rest_when_idle(key);
}

/// What every caller uses is never ended; what is in use looks again later.
void Sessions::rest_when_idle(const SessionKey& key) {
  const auto session = find(key);
  if (!session || key.shared()) return;
  session->idle.set(limits::kUpstreamSessionIdle, [weak = weak_from_this(), key] {
    const auto self = weak.lock();
    const auto idle = self ? self->find(key) : nullptr;
    if (!idle) return;
    const bool long_since =
        std::chrono::steady_clock::now() - idle->held().used >= limits::kUpstreamSessionIdle;
    idle->resting() && long_since ? self->end(SessionKey(key)) : self->rest_when_idle(SessionKey(key));
  });
}

void Sessions::drop(const SessionKey& key, std::uint64_t epoch) {
  if (const auto session = find(key)) session->drop(epoch);
}

Task<Result<int>> Sessions::raise_level(SessionKey key, std::uint64_t epoch, std::string level) {
  const auto session = find(key);
  if (!session) co_return fail(Code::unavailable, Blame::us, "the upstream session was replaced", true);
  co_return co_await session->raise_level(epoch, std::move(level));
}

Task<Result<bool>> Sessions::watch(Watched watched, std::string isolation, SteadyTime deadline) {
  auto session = take({.isolation = std::move(isolation)});
  if (!session) co_return Failure(session.error());
  co_return co_await (*session)->watch(std::move(watched), deadline);
}

void Sessions::unwatch(const Watched& watched, const std::string& isolation) {
  if (const auto session = find({.isolation = isolation})) session->unwatch(watched);
}

Task<> Sessions::close() {
  const auto self = shared_from_this();
  closed_ = true;
  const auto open = std::make_shared<int>(1);
  const auto all = std::make_shared<Slot<bool>>();
  const auto sessions = std::exchange(sessions_, {});
  for (const auto& [key, session] : sessions) session->stop();
  link_->closing().request();
  for (const auto& [key, session] : sessions) {
    const auto identity = session->identity();
    if (!identity) continue;
    ++*open;
    spawn([](std::shared_ptr<Link> link, Identity ended, std::shared_ptr<int> left,
             std::shared_ptr<Slot<bool>> done) -> Task<> {
      co_await Link::end_session(link, ended);
      if (--*left == 0) done->deliver(true);
    }(link_, identity, open, all));
  }
  if (--*open == 0) all->deliver(true);
  co_await *all;
  // What was stopped comes to its end in this turn of the loop.
  co_await net::turn_end(shard_);
}

}  // namespace sallyport::gateway::http
