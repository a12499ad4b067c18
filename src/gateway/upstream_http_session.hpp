#pragma once
/// One upstream session on the shard that owns it: its handshake, its streams, and what is watched through
/// it.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "isolation.hpp"
#include "sallyport/gateway/single_flight.hpp"
#include "upstream_http_stream.hpp"

namespace sallyport::gateway::http {

/// Which session a call goes through. What declares nothing is shared within its isolation; a session that
/// knows a caller's capabilities is that principal's alone.
struct SessionKey {
  std::string isolation{};
  std::string principal{};
  std::string capabilities = "{}";
  bool base() const { return capabilities == "{}"; }
  bool shared() const { return base() && isolation.empty(); }
  auto operator<=>(const SessionKey&) const = default;
};

/// A call under way, as the owner of its session finds it.
struct Visitor {
  int shard = 0;
  std::uint64_t call = 0;
  auto operator<=>(const Visitor&) const = default;
};

/// Who hears of sessions. Called on the owner shard.
struct SessionEars {
  /// Carries a question to the call of a visitor, on its own shard.
  std::function<void(Visitor, Identity, mcp::Id, Question)> question;
  /// Tells the call of a visitor that the upstream has taken a question back.
  std::function<void(Visitor, mcp::Id)> withdrawn;
  /// A handshake has ended: with an identity, or with why there is none.
  std::function<void(const SessionKey&, const Result<UpstreamIdentity>&)> tried;
  /// A session is over because nobody needs it, or for another's sake.
  std::function<void(const SessionKey&, std::uint64_t epoch)> ended;
  std::function<std::uint64_t()> next_epoch;
};

/// Threads: the owner shard's.
class Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Link> link, net::Shard& shard, const SessionEars& ears, SessionKey key);

  Task<Result<Identity>> identify(SteadyTime deadline);
  /// Forgets an identity that the upstream does not know any more; what is watched is watched again.
  void drop(std::uint64_t epoch);
  /// Ends streams, and lets nothing begin. The upstream is told by the caller: end_session() of identity().
  void stop();
  Identity identity() const { return flight_.value ? *flight_.value : nullptr; }
  /// Can be ended without anybody noticing.
  bool resting() const;
  /// Borrows from this.
  Held held() const;

  Task<Result<int>> raise_level(std::uint64_t epoch, std::string level);
  Task<Result<bool>> watch(Watched watched, SteadyTime deadline);
  void unwatch(const Watched& watched);

  std::set<Visitor> visitors;
  net::Deadline idle;

 private:
  struct Watch {
    int count = 0;
    SingleFlight<std::uint64_t> subscribed;  ///< legacy: in which epoch
  };

  static Task<> connect(std::shared_ptr<Session> self);
  static Task<> set_level(std::shared_ptr<Session> self, Identity identity, std::string level);
  static Task<> subscribe(std::shared_ptr<Session> self, Identity identity, std::string uri,
                          std::shared_ptr<Watch> watch);
  static Task<> unsubscribe(std::shared_ptr<Session> self, Identity identity, std::string uri);
  static Task<> watch_again(std::shared_ptr<Session> self, Identity identity, bool missed);
  Task<Result<bool>> confirm(Watched watched, std::shared_ptr<Watch> watch, SteadyTime deadline);

  /// `replaces`: there was another session before, of whose end something may have been missed.
  void open_stream(const Identity& identity, bool replaces = false);
  void close_streams();
  StreamEars ears_for(const Identity& identity);
  Result<void> asked(const Identity& identity, const mcp::Envelope& request);
  void stream_state(const Identity& identity, ListKinds lists, bool gap);
  void tell_lists_changed();
  void tell_updated(const Watched& watched);
  std::set<Watched> watched() const;

  const std::shared_ptr<Link> link_;
  net::Shard& shard_;
  const SessionEars ears_;
  const SessionKey key_;
  SingleFlight<Identity> flight_;
  std::shared_ptr<GetStream> get_;
  std::shared_ptr<Listening> listening_;
  std::map<Watched, std::shared_ptr<Watch>> watches_;
  std::multiset<std::string> leaving_;  // URIs whose unsubscribe is under way
  SingleFlight<int> raising_;
  std::optional<int> level_;  ///< severity that this session was raised to
  Replies replies_;
  bool lost_ = false;  ///< what is made next replaces a session that the upstream did not know any more
  bool stopped_ = false;
};

}  // namespace sallyport::gateway::http
