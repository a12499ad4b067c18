#pragma once
/// The sessions with one upstream that one shard owns: made, lent to the other shards, watched through,
/// ended.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "upstream_http_session.hpp"

namespace sallyport::gateway::http {

/// Threads: the owner shard's.
class Sessions : public std::enable_shared_from_this<Sessions> {
 public:
  Sessions(std::shared_ptr<Link> link, net::Shard& shard, SessionEars ears);

  Task<Result<Identity>> identify(SessionKey key, SteadyTime deadline);
  /// The same for a call, which then counts as under way on this session until leave().
  Task<Result<Identity>> enter(SessionKey key, Visitor visitor, SteadyTime deadline);
  void leave(const SessionKey& key, Visitor visitor);
  /// Only the session that the caller saw is dropped: another shard may have replaced it meanwhile.
  void drop(const SessionKey& key, std::uint64_t epoch);
  /// Makes a legacy session at least as talkative as `level`. Best effort: a refusal changes nothing.
  Task<Result<int>> raise_level(SessionKey key, std::uint64_t epoch, std::string level);
  Task<Result<bool>> watch(Watched watched, std::string isolation, SteadyTime deadline);
  void unwatch(const Watched& watched, const std::string& isolation);
  /// Ends everything; nothing is made afterwards.
  Task<> close();

 private:
  std::shared_ptr<Session> find(const SessionKey& key) const;
  /// Errors: unavailable after close(), limited when there is no room.
  Result<std::shared_ptr<Session>> take(const SessionKey& key);
  Result<void> make_room_for(const Session& session);
  void rest_when_idle(const SessionKey& key);
  void end(const SessionKey& key);

  const std::shared_ptr<Link> link_;
  net::Shard& shard_;
  const SessionEars ears_;
  std::map<SessionKey, std::shared_ptr<Session>> sessions_;
  bool closed_ = false;
};

}  // namespace sallyport::gateway::http
