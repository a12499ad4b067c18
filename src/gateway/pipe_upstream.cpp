#include "pipe_upstream.hpp"

#include <spdlog/spdlog.h>
#include <atomic>
#include <map>
#include <mutex>

#include "isolation.hpp"
#include "message_pipe.hpp"
#include "pipe_handshake.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {
namespace {

using Identity = std::shared_ptr<const UpstreamIdentity>;
using Answer = Result<UpstreamAnswer>;

/// Resources and tasks that are watched at one server under one isolation.
constexpr std::size_t kWatched = 4096;

Failure broken(std::string what) { return fail(Code::upstream_broken, Blame::upstream, std::move(what)); }

class PipeUpstream final : public Upstream, public std::enable_shared_from_this<PipeUpstream> {
 public:
  PipeUpstream(net::Shards& shards, std::shared_ptr<const CarrierKind> kind,
               std::shared_ptr<const ServerConfig> config, OnNotice on_notice)
      : shards_(shards),
        kind_(std::move(kind)),
        config_(std::move(config)),
        on_notice_(std::move(on_notice)),
        local_(static_cast<std::size_t>(shards.size())),
        breaker_(config_->document.name) {}

  Task<Answer> call(UpstreamCall call, std::string isolation) override {
    const auto self = shared_from_this();
    if (call.cancel && call.cancel->requested())
      co_return fail(Code::cancelled, Blame::client, "cancelled before it was sent", true);
    std::optional<Breaker::Pass> pass;
    if (!call.background) {
      auto admitted = breaker_.admit();
      if (!admitted) co_return Failure(std::move(admitted.error()));
      pass.emplace(std::move(*admitted));
    }
    net::Shard& shard = owner(isolation);
    net::Shard* home = net::Shard::current();
    const auto ticket = std::make_shared<CallTicket>();
    Cancel::Watch watch;
    if (call.cancel) {
      watch = call.cancel->on_request([ticket, &shard] {
        (void)shard.post([ticket] {
          ticket->cancelled = true;
          if (const auto connecting = ticket->connecting.lock())
            connecting->deliver(fail(Code::cancelled, Blame::client, "cancelled by the caller", true));
          if (const auto pending = ticket->pending.lock())
            pending->answer.deliver(fail(Code::cancelled, Blame::client, "cancelled by the caller"));
        });
      });
    }
    const UpstreamCall* borrowed = &call;
    Answer answer = co_await net::run_on<Answer>(shard, [self, borrowed, isolation, home, ticket] {
      return self->owned_call(borrowed, isolation, home, ticket);
    });
    if (!pass) {
      if (answer) breaker_.end_pause();
    } else if (answer) {
      pass->answered();
    } else {
      pass->failed(answer.error());
    }
    co_return answer;
  }

  Task<Result<Identity>> identify(std::string isolation, SteadyTime deadline) override {
    const auto self = shared_from_this();
    co_return co_await net::run_on<Result<Identity>>(owner(isolation), [self, isolation, deadline] {
      return self->owned_identity(self->key_for(isolation, {}), deadline);
    });
  }

  Task<Result<bool>> watch(Topic topic, std::string id, std::string isolation, SteadyTime deadline) override {
    const auto self = shared_from_this();
    co_return co_await net::run_on<Result<bool>>(owner(isolation), [self, topic, id, isolation, deadline] {
      return self->owned_watch({topic, id}, isolation, deadline);
    });
  }

  Task<> unwatch(Topic topic, std::string id, std::string isolation) override {
    const auto self = shared_from_this();
    (void)co_await net::run_on<Result<bool>>(owner(isolation), [self, topic, id, isolation] {
      return self->owned_unwatch({topic, id}, isolation);
    });
  }

  bool notifies() const override { return notifies_; }

  /// On every shard: what lives on a shard's loop also ends there.
  Task<> close() override {
    const auto self = shared_from_this();
    Local& mine = here();
    mine.closed = true;
    for (auto& [key, slot] : mine.owned) {
      if (slot.pipe) slot.pipe->stop();
    }
    for (int i = 0; i < 300; ++i) {
      bool left = false;
      for (auto& [key, slot] : mine.owned) left |= slot.pipe && slot.pipe->alive();
      if (!left) break;
      co_await net::sleep_for(*net::Shard::current(), std::chrono::milliseconds(10));
    }
    for (auto& [key, slot] : mine.owned) slot.pipe.reset();
  }

  Health health() const override {
    const std::lock_guard lock(health_mutex_);
    Health out = health_;
    out.breaker = breaker_.state();
    return out;
  }

 private:
  /// Isolation, and what a legacy upstream was told of the client's capabilities.
  using Key = std::pair<std::string, std::string>;
  struct Owned {
    std::shared_ptr<MessagePipe> pipe;
    SteadyTime used{};
    SteadyTime not_before{};
    Duration backoff = limits::kChildBackoffMin;
    bool was_up = false;
  };
  struct Watched {
    int count = 0;
    bool confirmed = false;  ///< somebody was told that no change will be missed
  };
  /// What one shard owns; touched there only.
  struct Local {
    std::map<Key, Owned> owned;
    std::map<Key, int> calls;                                   ///< under way, or waiting for the handshake
    std::map<std::string, std::map<Subject, Watched>> watched;  ///< by isolation
    bool closed = false;
  };

  Local& here() { return local_[static_cast<std::size_t>(net::Shard::current()->index())]; }

  net::Shard& owner(const std::string& isolation) {
    const auto hash = std::hash<std::string>{}(config_->document.name + '\0' + isolation);
    return shards_[static_cast<int>(hash % static_cast<std::size_t>(shards_.size()))];
  }

  /// The pipe for a caller. A pipe that everybody shares is told nothing of anybody's capabilities; a modern
  /// upstream hears them with every request. Null capabilities: any pipe of that isolation will do.
  Key key_for(const std::string& isolation, std::optional<std::string_view> capabilities) {
    Key plain{isolation, "{}"};
    if (isolation.empty()) return plain;
    if (!capabilities || *verdict_ == EraVerdict::modern) {
      for (auto it = here().owned.lower_bound({isolation, ""});
           it != here().owned.end() && it->first.first == isolation; ++it) {
        if (usable(it->second)) return it->first;
      }
      return plain;
    }
    return {isolation, std::string(*capabilities)};
  }

  static bool usable(const Owned& slot) {
    return slot.pipe && (slot.pipe->running() || slot.pipe->flight.flying());
  }

  /// A call keeps its pipe from being ended as one that rests.
  class Use {
   public:
    Use(Local& here, Key key) : here_(here), key_(std::move(key)) { ++here_.calls[key_]; }
    ~Use() {
      if (--here_.calls[key_] == 0) here_.calls.erase(key_);
      if (const auto slot = here_.owned.find(key_); slot != here_.owned.end())
        slot->second.used = std::chrono::steady_clock::now();
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;

   private:
    Local& here_;
    const Key key_;
  };

  static bool on_its_way_out(const Owned& slot) { return slot.pipe && slot.pipe->being_given_up(); }
  /// Neither waited for nor about to be tried again.
  static bool over(const Owned& slot) {
    return !usable(slot) && !on_its_way_out(slot) && slot.not_before <= std::chrono::steady_clock::now();
  }

  bool rests(const Key& key, const Owned& slot) {
    if (here().calls.contains(key) || on_its_way_out(slot)) return false;
    return !usable(slot) || (!slot.pipe->flight.flying() && slot.pipe->subscriptions().empty());
  }

  /// For a pipe that is about to be made.
  Result<void> make_room_for(const Key& newcomer) {
    auto& mine = here().owned;
    if (newcomer.first.empty() || mine.size() < kind_->most / 2) return {};
    const auto isolation = config_->document.isolation;
    std::vector<Held> held;
    std::vector<std::map<Key, Owned>::iterator> slots;
    for (auto it = mine.begin(); it != mine.end();) {
      const auto slot = it++;
      const auto& [key, its] = *slot;
      if (key.first.empty() || key == newcomer) continue;
      if (over(its)) {
        mine.erase(slot);
        continue;
      }
      held.push_back({.holder = holder_of(isolation, key.first), .rests = rests(key, its), .used = its.used});
      slots.push_back(slot);
    }
    const auto victim = make_room(holder_of(isolation, newcomer.first), held, kind_->most, kind_->nouns);
    if (!victim) return Failure(victim.error());
    if (!*victim) return {};
    Owned& ends = slots[**victim]->second;
    ends.not_before = {};
    if (usable(ends)) ends.pipe->stop();
    return {};
  }

  Task<Answer> owned_call(const UpstreamCall* call, std::string isolation, net::Shard* home,
                          std::shared_ptr<CallTicket> ticket) {
    // Waited for through a slot, so that a caller who gives up need not wait for a slow start.
    auto connecting = std::make_shared<Slot<Result<Identity>>>();
    ticket->connecting = connecting;
    if (ticket->cancelled)
      co_return fail(Code::cancelled, Blame::client, "cancelled before it was sent", true);
    const Key key = key_for(isolation, call->capabilities);
    const Use use(here(), key);
    spawn(identity_into(shared_from_this(), key, call->deadline, connecting));
    auto identity = co_await *connecting;
    if (!identity) co_return Failure(identity.error());
    const auto pipe = here().owned[key].pipe;
    if (!pipe)
      co_return fail(Code::upstream_unreachable, Blame::upstream, kind_->noun + " has just ended", true);
    Answer answer = co_await pipe->request(*call, **identity, home, ticket);
    if (answer) here().owned[key].backoff = limits::kChildBackoffMin;
    if (!answer && hangs(*pipe, answer.error(), call->background)) pipe->give_up();
    co_return answer;
  }

  /// Nothing at all came during as many calls in a row as open the breaker, or during two while it is open. A
  /// list that is fetched may be long in the making.
  bool hangs(const MessagePipe& pipe, const Error& failed, bool background) const {
    if (failed.code != Code::upstream_timeout || !pipe.running()) return false;
    if (breaker_.state().open) return pipe.unheard() >= 2;
    return !background && pipe.unheard() >= limits::kBreakerFailures;
  }

  static Task<> identity_into(std::shared_ptr<PipeUpstream> self, Key key, SteadyTime deadline,
                              std::shared_ptr<Slot<Result<Identity>>> slot) {
    slot->deliver(co_await self->owned_identity(std::move(key), deadline));
  }

  Task<Result<Identity>> owned_identity(Key key, SteadyTime deadline) {
    auto& mine = here().owned;
    if (here().closed) co_return fail(Code::unavailable, Blame::us, "server is being stopped", true);
    Owned& slot = mine[key];
    if (slot.pipe && slot.pipe->being_given_up()) {
      Failure held =
          fail(Code::upstream_unreachable, Blame::upstream, kind_->noun + " is being replaced", true);
      held.error().retry_after = std::chrono::ceil<std::chrono::seconds>(limits::kChildKillAfter);
      co_return held;
    }
    if (slot.pipe && slot.pipe->flight.value) co_return *slot.pipe->flight.value;
    if (!usable(slot)) {
      if (const Duration left = slot.not_before - std::chrono::steady_clock::now(); left > Duration::zero()) {
        Failure held = fail(Code::upstream_unreachable, Blame::upstream,
                            kind_->noun + " ended and waits to be started again: " + health().problem, true);
        held.error().retry_after = std::chrono::ceil<std::chrono::seconds>(left);
        co_return held;
      }
      if (auto room = make_room_for(key); !room) {
        mine.erase(key);
        co_return Failure(room.error());
      }
      slot.pipe = make_pipe(key);
      slot.used = std::chrono::steady_clock::now();
    }
    const auto pipe = slot.pipe;
    co_return co_await pipe->flight.join(*net::Shard::current(), deadline, [this, key, pipe] {
      spawn(connect(shared_from_this(), key, pipe));
    });
  }

  std::shared_ptr<MessagePipe> make_pipe(const Key& key) {
    auto pipe = std::make_shared<MessagePipe>(
        *net::Shard::current(), kind_,
        PipeOwner{
            .config = config_, .isolation = key.first, .capabilities = key.second, .on_notice = on_notice_});
    const std::weak_ptr<PipeUpstream> weak = weak_from_this();
    pipe->on_end = [weak, key](bool asked, Duration lived) {
      if (const auto self = weak.lock()) self->ended(key, asked, lived);
    };
    if (key.first.empty()) {
      pipe->subscriptions().on_change = [weak, its = std::weak_ptr(pipe)] {
        const auto self = weak.lock();
        const auto now = its.lock();
        if (self && now) self->notifies_ = now->subscriptions().lists_notify();
      };
    }
    return pipe;
  }

  static Task<> connect(std::shared_ptr<PipeUpstream> self, Key key, std::shared_ptr<MessagePipe> pipe) {
    const auto deadline = std::chrono::steady_clock::now() + limits::kChildStart;
    auto identity = co_await shake_hands(pipe, self->verdict_, deadline);
    if (identity && !pipe->running())
      identity = fail(Code::upstream_unreachable, Blame::upstream,
                      self->kind_->noun + " ended after the handshake", true);
    Owned& slot = self->here().owned[key];
    if (!identity) {
      pipe->stop();
      slot.not_before = std::chrono::steady_clock::now() + slot.backoff;
      slot.backoff = std::min<Duration>(slot.backoff * 2, limits::kChildBackoffMax);
      self->note(identity);
      pipe->flight.land(Failure(identity.error()));
      self->open_again_if_watched(key);
      co_return;
    }
    slot.not_before = {};
    identity->epoch = ++self->epochs_;
    if (key.first.empty()) self->note(identity);
    self->begin_subscriptions(key, slot, *pipe, *identity);
    pipe->flight.land(std::make_shared<const UpstreamIdentity>(std::move(*identity)));
  }

  void begin_subscriptions(const Key& key, Owned& slot, MessagePipe& pipe, const UpstreamIdentity& identity) {
    std::map<Subject, bool> wanted;
    if (const auto it = here().watched.find(key.first); it != here().watched.end()) {
      for (const auto& [subject, watched] : it->second) wanted[subject] = watched.confirmed;
    }
    pipe.subscriptions().begin(identity, wanted);
    if (!key.first.empty() || !std::exchange(slot.was_up, true)) return;
    // What it offers may have changed with the new start. Whoever hears it takes care of servers that end
    // after every answer (Settling).
    pipe.tell(Notice::Kind::list_changed);
  }

  /// What fell over soon after its start waits before the next; what worked for a while starts at once.
  void ended(const Key& key, bool asked, Duration lived) {
    Owned& slot = here().owned[key];
    if (!slot.pipe || slot.pipe->flight.flying())
      return;  // connect() settles what happens during a handshake
    if (!asked && lived < limits::kChildBackoffMax) {
      slot.not_before = std::chrono::steady_clock::now() + slot.backoff;
      slot.backoff = std::min<Duration>(slot.backoff * 2, limits::kChildBackoffMax);
    }
    if (!asked) open_again_if_watched(key);
    if (!key.first.empty()) return;  // one caller's pipe says nothing about the server
    const std::string how = kind_->noun + " " + slot.pipe->how_it_ended;
    if (!asked) spdlog::warn("server {}: {}", config_->document.name, how);
    set_health(asked ? "idle" : "down", asked ? "" : how);
  }

  // --- what is watched

  Task<Result<bool>> owned_watch(Subject subject, std::string isolation, SteadyTime deadline) {
    auto& watched = here().watched[isolation];
    if (watched.size() >= kWatched && !watched.contains(subject))
      co_return fail(Code::limited, Blame::client, "too many subscriptions", true);
    ++watched[subject].count;
    auto result = co_await subscribe(subject, isolation, deadline);
    // Our own count keeps the entry, and the reference to it, until here.
    if (result) watched[subject].confirmed = true;
    if (!result) (void)co_await owned_unwatch(subject, isolation);
    co_return result;
  }

  Task<Result<bool>> subscribe(Subject subject, std::string isolation, SteadyTime deadline) {
    const Key key = key_for(isolation, {});
    auto identity = co_await owned_identity(key, deadline);
    if (!identity) co_return Failure(identity.error());
    const auto pipe = here().owned[key].pipe;
    if (!pipe) co_return broken(kind_->noun + " has just ended");
    // Another pipe of the same caller may hear of changes that this one does not.
    for (const auto& [other, slot] : here().owned) {
      if (other.first == isolation && slot.pipe != pipe && slot.pipe && slot.pipe->flight.value)
        spawn(subscribe_too(slot.pipe, subject, deadline));
    }
    co_return co_await pipe->subscriptions().add(subject, deadline);
  }

  static Task<> subscribe_too(std::shared_ptr<MessagePipe> pipe, Subject subject, SteadyTime deadline) {
    (void)co_await pipe->subscriptions().add(std::move(subject), deadline);
  }

  Task<Result<bool>> owned_unwatch(Subject subject, std::string isolation) {
    const auto its = here().watched.find(isolation);
    const auto it = its == here().watched.end() ? decltype(its->second.end()){} : its->second.find(subject);
    if (its == here().watched.end() || it == its->second.end() || --it->second.count > 0) co_return true;
    its->second.erase(it);
    if (its->second.empty()) here().watched.erase(its);
    for (const auto& [key, slot] : here().owned) {
      if (key.first == isolation && slot.pipe) slot.pipe->subscriptions().remove(subject);
    }
    co_return true;
  }

  /// Who watches does not call: the pipe comes back by itself.
  void open_again_if_watched(const Key& key) {
    if (here().closed || !here().watched.contains(key.first)) return;
    spawn([](std::weak_ptr<PipeUpstream> weak, net::Shard* shard, Key its, SteadyTime when) -> Task<> {
      co_await net::sleep_for(
          *shard, std::max<Duration>(when - std::chrono::steady_clock::now(), std::chrono::milliseconds(10)));
      const auto self = weak.lock();
      if (!self || self->here().closed || !self->here().watched.contains(its.first)) co_return;
      (void)co_await self->owned_identity(its, std::chrono::steady_clock::now() + limits::kChildStart);
    }(weak_from_this(), net::Shard::current(), key, here().owned[key].not_before));
  }

  // --- how it is

  void set_health(std::string state, std::string problem) {
    const std::lock_guard lock(health_mutex_);
    if (state != health_.state) health_.changed = unix_millis(std::chrono::system_clock::now());
    health_.state = std::move(state);
    health_.problem = std::move(problem);
  }

  void note(const Result<UpstreamIdentity>& identity) {
    if (identity) breaker_.end_pause();
    set_health(identity ? "up" : "down", identity ? "" : identity.error().what);
    const std::lock_guard lock(health_mutex_);
    if (identity) health_.version = identity->version;
  }

  net::Shards& shards_;
  const std::shared_ptr<const CarrierKind> kind_;
  const std::shared_ptr<const ServerConfig> config_;
  const OnNotice on_notice_;
  std::vector<Local> local_;  // by shard
  Breaker breaker_;
  std::atomic<std::uint64_t> epochs_{0};
  const std::shared_ptr<std::atomic<EraVerdict>> verdict_ =
      std::make_shared<std::atomic<EraVerdict>>(EraVerdict::unknown);
  std::atomic<bool> notifies_{false};
  mutable std::mutex health_mutex_;  // written at starts, read by the admin side
  Health health_;
};

}  // namespace

std::shared_ptr<Upstream> make_pipe_upstream(net::Shards& shards, std::shared_ptr<const CarrierKind> kind,
                                             std::shared_ptr<const ServerConfig> config, OnNotice on_notice) {
  return std::make_shared<PipeUpstream>(shards, std::move(kind), std::move(config), std::move(on_notice));
}

}  // namespace sallyport::gateway
