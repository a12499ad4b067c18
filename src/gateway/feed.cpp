#include "feed.hpp"

#include <algorithm>

#include "call.hpp"
#include "feed_view.hpp"
#include "sallyport/core/limits.hpp"
#include "shard_state.hpp"

namespace sallyport::gateway {

namespace {

constexpr std::array<std::string_view, 3> kChanged = {"notifications/tools/list_changed",
                                                      "notifications/prompts/list_changed",
                                                      "notifications/resources/list_changed"};
/// Calls must not wait behind thousands of streams: what is due is told every millisecond, at a pace that
/// reaches all of them in half a second, but no more than this many in one turn of the loop.
constexpr std::size_t kTurn = 24;
constexpr Duration kRest = std::chrono::milliseconds(1), kRound = std::chrono::milliseconds(500);
constexpr std::size_t kSmallestRound = 1600;  // few streams are told at the pace of this many

std::size_t digest_of(std::size_t seed, std::size_t item) {
  return (seed ^ item) * 0x9E3779B97F4A7C15ULL + (seed >> 29U);
}

}  // namespace

Caller caller_of(const Call& call) {
  Caller out{.key_id = call.key_id,
             .path = call.endpoint_path,
             .principal = call.principal_name(),
             .token = call.token};
  if (call.key_id.starts_with(kCertificate)) {
    out.agent = call.agent;
    out.until = call.exchange.peer().certificate->expires;
  }
  return out;
}

Feed::Feed(ShardState& here, const Clock& clock, std::shared_ptr<WatchShares> shares)
    : here_(here),
      clock_(clock),
      shares_(std::move(shares)),
      sessions_(here.shard, *this, here.sessions),
      sweep_(here.shard),
      rest_(here.shard),
      self_(std::make_shared<Feed*>(this)) {}

Feed::~Feed() { *self_ = nullptr; }

Result<void> Feed::join(const std::shared_ptr<Follower>& follower, const Caller& caller, std::uint8_t wants) {
  if (closed_) return fail(Code::unavailable, Blame::us, "stopping", true);
  auto view = view_of(caller);
  if (!view) return Failure(view.error());
  follower->wants_ = wants;
  if (follower->view_ == *view) return {};
  if (follower->view_) take_out(*follower);
  if (streams_ >= limits::kStreams || !of_one_.take((*view)->principal->name(), limits::kStreamsOfOne))
    return fail(Code::limited, Blame::client, "too many open streams", true);
  put(follower, *view);
  sweep_later();
  return {};
}

Result<std::shared_ptr<View>> Feed::view_of(const Caller& caller) {
  std::string key = caller.key_id + "\n" + caller.path;
  if (const auto it = views_.find(key); it != views_.end()) {
    // The same token may meanwhile have been said to be good for longer.
    auto& token = it->second->caller.token;
    if (token && caller.token && caller.token->verified.expires > token->verified.expires)
      token = caller.token;
    return it->second;
  }
  auto view = std::make_shared<View>(here_.shard);
  view->key = key;
  view->caller = caller;
  const auto now = look(*view);
  if (!now) return client_error(Code::not_found, "This endpoint or key no longer exists.");
  view->told = *now;
  view->awaited = here_.snapshot->endpoint(caller.path)->awaited();
  views_.emplace(std::move(key), view);
  return view;
}

void Feed::put(const std::shared_ptr<Follower>& follower, const std::shared_ptr<View>& view) {
  follower->view_ = view;
  follower->place_ = view->members.size();
  view->members.push_back(follower);
  ++streams_;
}

void Feed::take_out(Follower& follower) {
  const std::shared_ptr<View> view = std::move(follower.view_);
  follower.view_ = nullptr;
  auto& members = view->members;
  const std::shared_ptr<Follower> keep = std::move(members[follower.place_]);
  if (follower.place_ + 1 != members.size()) {
    members[follower.place_] = std::move(members.back());
    members[follower.place_]->place_ = follower.place_;
  }
  members.pop_back();
  --streams_;
  of_one_.give(view->principal->name());
  if (!members.empty() || view->queued) return;
  if (const auto it = views_.find(view->key); it != views_.end() && it->second == view) views_.erase(it);
}

void Feed::leave(Follower& follower) {
  while (!follower.watched_.empty()) {
    const Watched& last = follower.watched_.back();
    forget(follower, last.topic, std::string(last.client_id));
  }
  if (follower.view_) take_out(follower);
}

/// Whom its credential stands for now; null when it no longer holds.
std::shared_ptr<const policy::Principal> Feed::principal_of(const Caller& caller) const {
  if (caller.token) return gateway::principal_of(here_, *caller.token, clock_.now());
  if (!caller.agent.empty()) {
    auto principal = clock_.now() < caller.until ? here_.snapshot->issuers->signed_in({.user = caller.agent})
                                                 : Result<policy::Principal>(Failure(Error{}));
    return principal ? here_.shared(std::move(*principal)) : nullptr;
  }
  const auto* entry = here_.snapshot->keys->find(caller.key_id, clock_.now());
  return entry ? entry->principal : nullptr;
}

/// Its credential is still good.
bool Feed::holds(const Caller& caller, SystemTime now) const {
  if (!caller.agent.empty())
    return now < caller.until && here_.snapshot->issuers->signed_in({.user = caller.agent}).has_value();
  if (!caller.token) return here_.snapshot->keys->find(caller.key_id, now) != nullptr;
  const Standing standing = standing_of(*here_.snapshot, *caller.token, now);
  // Nobody else looks after the keys while only streams are open.
  if (standing.issuer && caller.token->verified.key) standing.issuer->keys->renew();
  return standing.issuer != nullptr;
}

/// What the caller sees, in short; none when it may not look any more.
std::optional<Feed::Digests> Feed::look(View& view) const {
  if (!here_.snapshot) return std::nullopt;
  const Endpoint* endpoint = here_.snapshot->endpoint(view.caller.path);
  if (!endpoint || endpoint->anonymous != view.caller.key_id.empty()) return std::nullopt;
  static const auto anonymous = std::make_shared<const policy::Principal>();
  if (endpoint->anonymous) {
    view.principal = anonymous;
  } else {
    auto principal = principal_of(view.caller);
    if (!principal) return std::nullopt;
    view.principal = std::move(principal);
  }
  Access& access = here_.access(view.principal);
  if (!access.enters(*endpoint).allowed()) return std::nullopt;
  const auto add = [&](std::size_t seed, const Exports& table, policy::Object object) {
    for (const Export& item : table.items) {
      if (access.shows(*endpoint, object, item)) seed = digest_of(seed, item.digest);
    }
    return digest_of(seed, 1);
  };
  return Digests{add(0, endpoint->tools, policy::Object::tool),
                 add(0, endpoint->prompts, policy::Object::prompt),
                 add(add(0, endpoint->resources, policy::Object::resource), endpoint->templates,
                     policy::Object::resource)};
}

void Feed::snapshot_changed() {
  for (const auto& [key, view] : views_) queue(view);
}

void Feed::queue(const std::shared_ptr<View>& view) {
  view->stale = true;
  if (!std::exchange(view->queued, true)) queue_.push_back(view);
  if (std::exchange(working_, true)) return;
  paced_until_ = std::chrono::steady_clock::now() - kTurn * step();
  work_later();
}

void Feed::work_later() {
  const auto go = [self = self_] {
    if (Feed* feed = *self) feed->work();
  };
  if (!here_.shard.post(go)) here_.shard.at_turn_end(go);
}

/// From one stream to the next.
Duration Feed::step() const { return kRound / std::max(streams_, kSmallestRound); }

void Feed::work() {
  const auto due = static_cast<std::size_t>((std::chrono::steady_clock::now() - paced_until_) / step());
  const std::size_t allowed = std::min(due, kTurn);
  std::size_t budget = allowed;
  while (!queue_.empty() && budget > 0) {
    const std::shared_ptr<View> view = queue_.front();
    if (view->cursor == 0 && std::exchange(view->stale, false)) {
      examine(view);
      --budget;
    }
    if (!visit(*view, budget)) break;
    if (view->stale) continue;
    view->queued = false;
    queue_.pop_front();
    if (!view->members.empty()) continue;
    if (const auto it = views_.find(view->key); it != views_.end() && it->second == view) views_.erase(it);
  }
  paced_until_ += step() * (allowed - budget);
  working_ = !queue_.empty();
  if (!working_) return;
  if (due > kTurn) return work_later();
  rest_.set(kRest, [this] { work(); });
}

void Feed::examine(const std::shared_ptr<View>& view) {
  if (view->ended) return;
  const auto now = look(*view);
  if (!now) {
    view->ended = true;
    views_.erase(view->key);
    view->cursor = view->members.size();
    return;
  }
  if (view->awaited) view->told = *now;
  // Only what a list waits for itself when it is asked for goes unsaid: a server that comes later is news.
  view->awaited = view->awaited && here_.snapshot->endpoint(view->caller.path)->awaited();
  for (std::size_t kind = 0; kind < now->size(); ++kind) {
    if ((*now)[kind] != view->told[kind]) view->pending |= static_cast<std::uint8_t>(1U << kind);
  }
  view->told = *now;
  const SteadyTime when = std::chrono::steady_clock::now();
  if (view->pending != 0 && when - view->told_at >= limits::kChangeGap) {
    view->telling = std::exchange(view->pending, 0);
    view->told_at = when;
  } else if (view->pending != 0 && !view->gap.armed()) {
    view->gap.set_at(view->told_at + limits::kChangeGap, [this, weak = std::weak_ptr(view)] {
      if (const auto alive = weak.lock()) queue(alive);
    });
  }
  view->cursor = view->members.size();
}

/// True when every member was served.
bool Feed::visit(View& view, std::size_t& budget) {
  // From the back: what leaves meanwhile is replaced by one that was served already.
  view.cursor = std::min(view.cursor, view.members.size());
  for (; view.cursor > 0 && budget > 0; --budget) {
    const std::shared_ptr<Follower> follower = view.members[--view.cursor];
    if (view.ended) {
      follower->end();
      continue;
    }
    for (std::size_t kind = 0; kind < kChanged.size(); ++kind) {
      if ((view.telling & follower->wants_ & (1U << kind)) != 0) follower->tell(kChanged[kind], "");
    }
    if (!follower->watched_.empty()) recheck(follower);
  }
  if (view.cursor > 0) return false;
  view.telling = 0;
  return true;
}

void Feed::close() {
  closed_ = true;
  for (const auto& [key, view] : views_) {
    const auto members = view->members;
    for (const auto& follower : members) follower->end();
  }
}

void Feed::clear() {
  closed_ = true;
  sweep_.clear();
  rest_.clear();
  sessions_.clear();
  const auto views = std::exchange(views_, {});
  for (const auto& [key, view] : views) {
    for (const auto& follower : std::exchange(view->members, {})) {
      follower->view_ = nullptr;
      follower->watched_.clear();
    }
  }
  watchers_.clear();
  queue_.clear();
}

void Feed::sweep_later() {
  if (!closed_ && !sweep_.armed()) sweep_.set(limits::kStreamSweep, [this] { sweep(); });
}

void Feed::sweep() {
  const SystemTime now = clock_.now();
  for (const auto& [key, view] : views_) {
    if (!view->caller.key_id.empty() && here_.snapshot && !holds(view->caller, now)) queue(view);
  }
  const bool left = sessions_.sweep(std::chrono::steady_clock::now(), unix_millis(now) / 1000);
  if (left || !views_.empty()) sweep_later();
}

}  // namespace sallyport::gateway
