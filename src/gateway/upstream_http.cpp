#include <algorithm>
#include <map>
#include <mutex>

#include "sallyport/core/limits.hpp"
#include "session.hpp"
#include "upstream_http_call.hpp"
#include "upstream_http_question.hpp"
#include "upstream_http_sessions.hpp"

namespace sallyport::gateway {
namespace http {
/// The upstream behind its interface. Streams and sessions that go on by themselves hold this, never the
/// interface object, whose references are calls.
class Server : public std::enable_shared_from_this<Server> {
 public:
  Server(net::Shards& shards, Clients& clients, std::shared_ptr<const ServerConfig> config,
         OnNotice on_notice)
      : breaker_(config->document.name),
        link_(std::make_shared<Link>(shards, clients, std::move(config), std::move(on_notice))),
        local_(static_cast<std::size_t>(shards.size())) {}

  /// Before the first call.
  void begin() {
    net::Shards& shards = link_->shards();
    const std::weak_ptr<Server> weak = weak_from_this();
    for (int i = 0; i < shards.size(); ++i) {
      local_[static_cast<std::size_t>(i)].owned = std::make_shared<Sessions>(
          link_, shards[i],
          SessionEars{.question =
                          [weak](Visitor visitor, Identity identity, mcp::Id id, Question question) {
                            if (const auto self = weak.lock())
                              self->carry(visitor, std::move(identity), std::move(id), std::move(question));
                          },
                      .withdrawn =
                          [weak](Visitor visitor, const mcp::Id& id) {
                            if (const auto self = weak.lock()) self->take_back(visitor, id);
                          },
                      .tried =
                          [weak](const SessionKey& key, const Result<UpstreamIdentity>& identity) {
                            if (const auto self = weak.lock();
                                self && (key.shared() || (key.base() && !identity)))
                              self->note(identity);
                          },
                      .ended =
                          [weak](const SessionKey& key, std::uint64_t epoch) {
                            if (const auto self = weak.lock()) self->tell_gone(key, epoch);
                          },
                      .next_epoch =
                          [weak] {
                            const auto self = weak.lock();
                            return self ? ++self->epochs_ : 0;
                          }});
    }
  }

  Task<Result<UpstreamAnswer>> call(UpstreamCall call, std::string isolation) {
    const auto self = shared_from_this();
    std::optional<Breaker::Pass> pass;
    if (!call.background) {
      auto admitted = breaker_.admit();
      if (!admitted) co_return Failure(std::move(admitted.error()));
      pass.emplace(std::move(*admitted));
    }
    const auto failed = [&pass](Error error) {
      if (pass) pass->failed(error);
      return Failure(std::move(error));
    };
    for (int refusals = 0, dials = 0;;) {
      const SteadyTime begun = std::chrono::steady_clock::now();
      if (here().closed)
        co_return fail(Code::unavailable, Blame::us, "the configuration of the server was replaced", true);
      SessionKey key{.isolation = isolation};
      Identity identity = known(isolation);
      if (!identity) {
        auto made = co_await unless_cancelled(call, identify(isolation, call.deadline));
        if (!made) {
          if (dial_again(made.error(), pass, dials, begun)) {
            const int dial = dials++;
            if (co_await dial_pause(call, dial)) continue;
          }
          co_return failed(made.error());
        }
        identity = std::move(*made);
      }
      if (!identity->modern() && call.capabilities != "{}") {
        key.principal = call.principal;
        key.capabilities = call.capabilities;
      }
      Visit visit(*this, key, call);
      if (!key.base()) {
        auto own = co_await unless_cancelled(call, enter(key, visit.visitor(), call.deadline));
        if (!own && own.error().code == Code::upstream_broken) {
          // It may have become another server: the next call looks at it anew.
          co_await forget({.isolation = isolation}, identity->epoch);
        }
        if (!own) co_return failed(own.error());
        identity = *own;
      }
      const Use use(key, identity);
      if (!identity->modern() && !call.log_level.empty()) co_await raise_level(key, identity, call);
      auto exchanged = co_await exchange(link_, call, key.isolation, identity, visit.asked());
      note_reachable(exchanged);
      if (!exchanged) {
        if (dial_again(exchanged.error(), pass, dials, begun)) {
          const int dial = dials++;
          if (co_await dial_pause(call, dial)) continue;
        }
        co_return failed(exchanged.error());
      }
      if (pass) {
        pass->answered();
      } else {
        breaker_.end_pause();
      }
      if (exchanged->ended == Ended::answered) co_return std::move(*exchanged->answer);
      co_await forget(key, identity->epoch);
      if (exchanged->ended == Ended::path_gone) {
        co_return misanswered("HTTP " + std::to_string(exchanged->status) +
                              " without a JSON-RPC answer; the next call looks at the server anew");
      }
      if (++refusals > 1) co_return misanswered("refused two fresh sessions in a row");
    }
  }

  Task<Result<Identity>> identify(std::string isolation, SteadyTime deadline) {
    const auto self = shared_from_this();
    if (auto identity = known(isolation)) co_return identity;
    auto identity = co_await net::run_on<Result<Identity>>(
        owner({.isolation = isolation}),
        [self, isolation, deadline] { return self->owned().identify({.isolation = isolation}, deadline); });
    if (identity) {
      if (here().known.size() >= limits::kUpstreamSessions) here().known.clear();
      here().known[isolation] = *identity;
    }
    co_return identity;
  }

  Task<Result<bool>> watch(Watched watched, std::string isolation, SteadyTime deadline) {
    const auto self = shared_from_this();
    co_return co_await net::run_on<Result<bool>>(
        owner({.isolation = isolation}),
        [self, watched, isolation, deadline] { return self->owned().watch(watched, isolation, deadline); });
  }

  Task<> unwatch(Watched watched, std::string isolation) {
    post_surely(owner({.isolation = isolation}), [self = shared_from_this(), watched, isolation] {
      self->owned().unwatch(watched, isolation);
    });
    co_return;
  }

  bool notifies() const { return link_->notifies; }

  Task<> close() {
    const auto self = shared_from_this();
    here().closed = true;
    here().known.clear();
    co_await owned().close();
  }

  Upstream::Health health() const {
    const std::lock_guard lock(health_mutex_);
    Upstream::Health out = health_;
    out.breaker = breaker_.state();
    return out;
  }

 private:
  struct alignas(64) Local {
    std::map<std::string, Identity> known;                      ///< base sessions, by isolation
    std::map<SessionKey, std::pair<std::uint64_t, int>> level;  ///< epoch, severity it is raised to
    std::map<std::uint64_t, AskedCall*> asked;                  ///< calls through sessions of their own
    std::uint64_t calls = 0;
    std::shared_ptr<Sessions> owned;
    bool closed = false;
  };

  /// A call on its way: known to the owner of its session, where that is one of its own, and able to be
  /// asked.
  class Visit {
   public:
    Visit(Server& server, const SessionKey& key, const UpstreamCall& call) : server_(server), key_(key) {
      if (key.base() && !call.ask) return;
      asked_ = std::make_shared<AskedCall>(server.link_, call.ask, call.deadline, call.cancel);
      if (key.base()) return;
      Local& here = server.here();
      visitor_ = {.shard = net::Shard::current()->index(), .call = ++here.calls};
      here.asked[visitor_.call] = asked_.get();
    }
    ~Visit() {
      if (!asked_) return;
      asked_->end();
      if (key_.base()) return;
      server_.here().asked.erase(visitor_.call);
      post_surely(server_.owner(key_), [server = server_.shared_from_this(), key = key_, visitor = visitor_] {
        server->owned().leave(key, visitor);
      });
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;

    Visitor visitor() const { return visitor_; }
    AskedCall* asked() const { return asked_.get(); }

   private:
    Server& server_;
    const SessionKey key_;
    std::shared_ptr<AskedCall> asked_;
    Visitor visitor_;
  };

  /// Keeps a session from being ended as one that rests.
  class Use {
   public:
    Use(const SessionKey& key, const Identity& identity) : use_(key.shared() ? nullptr : identity->use) {
      if (use_) ++use_->under_way;
    }
    ~Use() {
      if (!use_) return;
      use_->last = std::chrono::steady_clock::now();
      --use_->under_way;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    const std::shared_ptr<UpstreamIdentity::Use> use_;
  };

  Local& here() { return local_[static_cast<std::size_t>(net::Shard::current()->index())]; }
  Sessions& owned() { return *here().owned; }

  net::Shard& owner(const SessionKey& key) {
    const std::hash<std::string> hash;
    std::size_t value = hash(link_->config().document.name + '\0' + key.isolation);
    if (!key.base()) value += hash(key.principal + '\0' + key.capabilities);
    net::Shards& shards = link_->shards();
    return shards[static_cast<int>(value % static_cast<std::size_t>(shards.size()))];
  }

  Identity known(const std::string& isolation) {
    const auto it = here().known.find(isolation);
    return it == here().known.end() ? nullptr : it->second;
  }

  Task<Result<Identity>> enter(SessionKey key, Visitor visitor, SteadyTime deadline) {
    const auto self = shared_from_this();
    co_return co_await net::run_on<Result<Identity>>(
        owner(key), [self, key, visitor, deadline] { return self->owned().enter(key, visitor, deadline); });
  }

  /// A caller who gives up need not wait for a slow handshake.
  static Task<Result<Identity>> unless_cancelled(const UpstreamCall& call, Task<Result<Identity>> task) {
    net::Shard& shard = *net::Shard::current();
    auto slot = std::make_shared<Slot<Result<Identity>>>();
    Cancel::Watch watch;
    if (call.cancel) {
      watch = call.cancel->on_request([slot, &shard] {
        shard.at_turn_end([slot] {
          slot->deliver(fail(Code::cancelled, Blame::client, "cancelled before it was sent", true));
        });
      });
    }
    spawn([](Task<Result<Identity>> work, std::shared_ptr<Slot<Result<Identity>>> into) -> Task<> {
      into->deliver(co_await work);
    }(std::move(task), slot));
    co_return co_await *slot;
  }

  /// No call begins with it any more, on whichever shard.
  void tell_gone(const SessionKey& key, std::uint64_t epoch) {
    net::Shards& shards = link_->shards();
    for (int i = 0; key.base() && i < shards.size(); ++i) {
      post_surely(shards[i], [self = shared_from_this(), isolation = key.isolation, epoch] {
        const auto it = self->here().known.find(isolation);
        if (it != self->here().known.end() && it->second->epoch == epoch) self->here().known.erase(it);
      });
    }
  }

  Task<> forget(SessionKey key, std::uint64_t epoch) {
    const auto self = shared_from_this();
    tell_gone(key, epoch);
    (void)co_await net::run_on<Result<bool>>(owner(key), [self, key, epoch]() -> Task<Result<bool>> {
      self->owned().drop(key, epoch);
      return done();
    });
  }
  static Task<Result<bool>> done() { co_return true; }

  /// A legacy session is as talkative as the most curious of its callers wants it; what each of them hears is
  /// sorted out where it goes to the client.
  Task<> raise_level(SessionKey key, Identity identity, const UpstreamCall& call) {
    if (!has_logging(*identity)) co_return;
    const auto it = here().level.find(key);
    if (it != here().level.end() && it->second.first == identity->epoch &&
        it->second.second <= log_severity(call.log_level))
      co_return;
    const auto self = shared_from_this();
    auto raised = co_await net::run_on<Result<int>>(
        owner(key), [self, key, epoch = identity->epoch, level = call.log_level] {
          return self->owned().raise_level(key, epoch, level);
        });
    if (!raised) co_return;
    if (here().level.size() >= limits::kUpstreamSessions) here().level.clear();
    here().level[key] = {identity->epoch, *raised};
  }

  static bool has_logging(const UpstreamIdentity& identity) {
    auto document = json::Document::parse(identity.capabilities, json::kUpstream);
    return document && document->root().find("logging");
  }

  /// On an owner shard: a question that came on a session's own stream goes to the call that it is about.
  void carry(Visitor visitor, Identity identity, mcp::Id id, Question question) {
    post_surely(link_->shards()[visitor.shard], [self = shared_from_this(), visitor, identity, id, question] {
      const auto& asked = self->here().asked;
      if (const auto it = asked.find(visitor.call); it != asked.end()) {
        it->second->take(identity, id, question);
      } else {
        (void)Replies(self->link_).refuse(identity, id, -32603, "The call has ended.");
      }
    });
  }

  void take_back(Visitor visitor, const mcp::Id& id) {
    post_surely(link_->shards()[visitor.shard], [self = shared_from_this(), visitor, id] {
      const auto& asked = self->here().asked;
      if (const auto it = asked.find(visitor.call); it != asked.end()) it->second->withdraw(id);
    });
  }

  /// Calls notice first that a server went away or came back.
  void note_reachable(const Result<Exchanged>& exchanged) {
    // Without descriptors of our own nothing is known of the server.
    const bool down = !exchanged && exchanged.error().code == Code::upstream_unreachable &&
                      exchanged.error().blame == Blame::upstream;
    if (down == down_.load(std::memory_order_relaxed)) return;
    if (!down && !exchanged) return;
    down_ = down;
    const std::lock_guard lock(health_mutex_);
    health_.state = down ? "down" : "up";
    health_.problem = down ? exchanged.error().what : "";
    health_.changed = unix_millis(std::chrono::system_clock::now());
  }

  void note(const Result<UpstreamIdentity>& identity) {
    down_ = !identity;
    if (identity) breaker_.end_pause();
    const std::lock_guard lock(health_mutex_);
    const std::string state = identity ? "up" : "down";
    if (state != health_.state) health_.changed = unix_millis(std::chrono::system_clock::now());
    health_.state = state;
    health_.problem = identity ? "" : identity.error().what;
    if (identity) health_.version = identity->version;
  }

  Breaker breaker_;
  const std::shared_ptr<Link> link_;
  std::vector<Local> local_;  // by shard; each touched on its own shard only
  std::atomic<std::uint64_t> epochs_{0};
  std::atomic<bool> down_{false};
  mutable std::mutex health_mutex_;  // written at connects, read by the admin side
  Upstream::Health health_;
};

namespace {

class HttpUpstream final : public Upstream {
 public:
  explicit HttpUpstream(std::shared_ptr<Server> server) : server_(std::move(server)) {}

  Task<Result<UpstreamAnswer>> call(UpstreamCall call, std::string isolation) override {
    return server_->call(std::move(call), std::move(isolation));
  }
  Task<Result<Identity>> identify(std::string isolation, SteadyTime deadline) override {
    return server_->identify(std::move(isolation), deadline);
  }
  Task<Result<bool>> watch(Topic topic, std::string id, std::string isolation, SteadyTime deadline) override {
    return server_->watch({topic, std::move(id)}, std::move(isolation), deadline);
  }
  Task<> unwatch(Topic topic, std::string id, std::string isolation) override {
    return server_->unwatch({topic, std::move(id)}, std::move(isolation));
  }
  bool notifies() const override { return server_->notifies(); }
  Task<> close() override { return server_->close(); }
  Health health() const override { return server_->health(); }

 private:
  const std::shared_ptr<Server> server_;
};

}  // namespace
}  // namespace http

std::shared_ptr<Upstream> make_http_upstream(net::Shards& shards, Clients& clients,
                                             std::shared_ptr<const ServerConfig> config, OnNotice on_notice) {
  auto server = std::make_shared<http::Server>(shards, clients, std::move(config), std::move(on_notice));
  server->begin();
  return std::make_shared<http::HttpUpstream>(std::move(server));
}

}  // namespace sallyport::gateway
