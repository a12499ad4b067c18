// What the streams of a shard subscribed to at upstreams.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "feed_view.hpp"
#include "isolation.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/names.hpp"
#include "shard_state.hpp"

namespace sallyport::gateway {
namespace {

/// An upstream may say what it likes, as often as it likes. Nobody can subscribe to a longer id.
constexpr std::size_t kLongestId = 8 * limits::KiB;
constexpr std::size_t kHeardBytes = 16 * limits::MiB;
/// How far above what changed a subscription may stand.
constexpr int kLevels = 64;

void let_go(Watched what) {
  spawn(
      [](Watched w) -> Task<> { co_await w.upstream->unwatch(w.topic, w.id, w.isolation); }(std::move(what)));
}

std::string key_of(Topic topic, std::string_view server, std::string_view isolation, std::string_view id) {
  std::string key(topic == Topic::task ? "t" : "r");
  for (const std::string_view part : {server, isolation, id}) key.append(part).append("\n");
  return key;
}
std::string key_of(const Watched& what) { return key_of(what.topic, what.server, what.isolation, what.id); }

auto find_in(std::vector<Watched>& all, Topic topic, std::string_view client_id) {
  return std::ranges::find_if(all,
                              [&](const Watched& w) { return w.topic == topic && w.client_id == client_id; });
}

}  // namespace

void Feed::give_back(Follower& follower, const Watched& what) {
  static_cast<void>(
      follower.held_.set(follower.held_.bytes() - std::min(follower.held_.bytes(), what.size())));
}

Task<Result<bool>> Feed::watch(std::shared_ptr<Follower> follower, Watched what, SteadyTime deadline) {
  const auto known = find_in(follower->watched_, what.topic, what.client_id);
  const bool first = known == follower->watched_.end();
  if (!first && known->confirmed) co_return true;
  if (first) {
    if (follower->watched_.size() >= limits::kSubscriptions)
      co_return client_error(Code::limited, "Too many subscriptions on one stream.");
    if (what.id.size() > limits::kWatchedUri)
      co_return client_error(Code::limited, "This URI is too long to subscribe to.");
    const std::size_t bytes = follower->held_.bytes() + what.size();
    if (!follower->held_.set(bytes, what.renewed ? 0 : net::HeldBytes::budget() / 2))
      co_return fail(Code::limited, Blame::us, "too much is subscribed to", true);
    what.holder = follower->view_ ? follower->view_->principal->name() : "";
    if (what.isolation.empty() && !shares_->take(what.holder, what.server, key_of(what))) {
      give_back(*follower, what);
      co_return client_error(Code::limited, "You have too many subscriptions at this server.");
    }
    // Known here before the upstream is asked: what it says right after its answer finds its way.
    follower->watched_.push_back(what);
    watchers_[key_of(what)].push_back(follower.get());
  }
  const auto alive = self_;
  auto done = co_await what.upstream->watch(what.topic, what.id, what.isolation, deadline);
  if (!*alive) co_return fail(Code::cancelled, Blame::us, "stopping");
  const auto now = find_in(follower->watched_, what.topic, what.client_id);
  const bool wanted = now != follower->watched_.end() && now->upstream == what.upstream;
  if (!done) {
    if (wanted && !now->confirmed && first) forget(*follower, what.topic, what.client_id);
    co_return done;
  }
  if (wanted && !now->confirmed) {
    now->confirmed = true;
    if (follower->view_ && may_hear(*follower->view_, what)) co_return true;
    // The right was taken away while it was asked for.
    forget(*follower, what.topic, what.client_id);
    co_return client_error(Code::not_found, "There is nothing of this name to subscribe to.");
  }
  // Given up meanwhile, or confirmed for a second request at the same time.
  let_go(std::move(what));
  if (!wanted) co_return fail(Code::cancelled, Blame::client, "unsubscribed meanwhile");
  co_return true;
}

bool Feed::unwatch(Follower& follower, Topic topic, std::string_view client_id) {
  if (find_in(follower.watched_, topic, client_id) == follower.watched_.end()) return false;
  forget(follower, topic, client_id);
  return true;
}

void Feed::forget(Follower& follower, Topic topic, std::string_view client_id) {
  const auto it = find_in(follower.watched_, topic, client_id);
  if (it == follower.watched_.end()) return;
  Watched what = std::move(*it);
  follower.watched_.erase(it);
  give_back(follower, what);
  if (what.isolation.empty()) shares_->give(what.holder, what.server, key_of(what));
  if (const auto list = watchers_.find(key_of(what)); list != watchers_.end()) {
    const auto place = std::ranges::find(list->second, &follower);
    if (place != list->second.end()) list->second.erase(place);
    if (list->second.empty()) watchers_.erase(list);
  }
  if (what.confirmed) let_go(std::move(what));
}

bool Feed::may_read(const View& view, std::string_view canonical, std::string_view client_uri) const {
  const Endpoint* endpoint = here_.snapshot ? here_.snapshot->endpoint(view.caller.path) : nullptr;
  const auto hit = endpoint ? endpoint->resource(client_uri) : std::nullopt;
  if (!hit) return false;
  return here_.access(view.principal)
      .lists(*endpoint, policy::Object::resource, canonical, hit->entry->definition)
      .allowed();
}

/// As things stand now, not when it was asked for. Whoever loses a tool loses its tasks.
bool Feed::may_hear(const View& view, const Watched& what) const {
  if (what.topic == Topic::resource) return may_read(view, what.canonical, what.client_id);
  const Endpoint* endpoint = here_.snapshot ? here_.snapshot->endpoint(view.caller.path) : nullptr;
  const ServerEntry* server = here_.snapshot ? here_.snapshot->server(what.server) : nullptr;
  if (!endpoint || !server || std::ranges::find(endpoint->servers, server) == endpoint->servers.end())
    return false;
  const Export* tool = export_of(*endpoint, policy::Object::tool, what.canonical);
  return tool && here_.access(view.principal)
                     .lists(*endpoint, policy::Object::tool, what.canonical, tool->definition)
                     .allowed();
}

/// A new snapshot: what may not be read any more is dropped, what a replaced server held is asked for again.
void Feed::recheck(const std::shared_ptr<Follower>& follower) {
  const auto all = follower->watched_;
  for (const Watched& what : all) {
    const ServerEntry* server = here_.snapshot ? here_.snapshot->server(what.server) : nullptr;
    if (!server || !server->upstream || !may_hear(*follower->view_, what)) {
      forget(*follower, what.topic, what.client_id);
    } else if (server->upstream != what.upstream) {
      forget(*follower, what.topic, what.client_id);
      Watched again = what;
      again.upstream = server->upstream;
      again.isolation = isolation_of(server->config->document.isolation, what.session, what.holder);
      again.confirmed = false;
      again.renewed = true;
      spawn(watch_again(this, follower, std::move(again)));
    }
  }
}

Task<> Feed::watch_again(Feed* feed, std::shared_ptr<Follower> follower, Watched what) {
  const auto alive = feed->self_;
  const auto deadline = std::chrono::steady_clock::now() + limits::kSubscribeDeadline;
  auto done = co_await feed->watch(follower, what, deadline);
  if (!*alive) co_return;
  if (!done) {
    spdlog::warn("server {}: a subscription could not be renewed: {}", what.server, done.error().what);
  } else if (what.topic == Topic::resource && follower->view_) {
    // What happened in between was not heard.
    follower->tell("notifications/resources/updated", "\"uri\":" + json::quote(what.client_id));
  }
}

void Feed::hear(const Notice& notice) {
  if (notice.id.size() > kLongestId) return;
  const Topic topic = notice.kind == Notice::Kind::task_changed ? Topic::task : Topic::resource;
  const std::lock_guard lock(heard_mutex_);
  if (heard_.size() >= limits::kUpdates || heard_bytes_ > kHeardBytes) return;
  heard_bytes_ += notice.id.size() + notice.params.size();
  heard_.insert_or_assign(key_of(topic, notice.server, notice.isolation, notice.id), notice);
  if (heard_posted_) return;
  heard_posted_ = here_.shard.post([self = self_] {
    if (Feed* feed = *self) feed->take_heard();
  });
}

void Feed::take_heard() {
  std::unordered_map<std::string, Notice> heard;
  {
    const std::lock_guard lock(heard_mutex_);
    heard.swap(heard_);
    heard_bytes_ = 0;
    heard_posted_ = false;
  }
  if (watchers_.empty()) return;
  for (const auto& [key, notice] : heard) {
    tell_watchers(notice, notice.id);
    if (notice.kind == Notice::Kind::task_changed) continue;
    // What changed may lie below what was subscribed to.
    const auto scheme = notice.id.find("://");
    const std::size_t root = scheme == std::string::npos ? 0 : scheme + 3;
    int levels = kLevels;
    for (auto at = notice.id.rfind('/'); at != std::string::npos && at >= root && at > 0 && levels-- > 0;
         at = notice.id.rfind('/', at - 1)) {
      if (at + 1 < notice.id.size()) tell_watchers(notice, std::string_view(notice.id).substr(0, at + 1));
      tell_watchers(notice, std::string_view(notice.id).substr(0, at));
    }
  }
}

void Feed::tell_watchers(const Notice& notice, std::string_view watched) {
  const Topic topic = notice.kind == Notice::Kind::task_changed ? Topic::task : Topic::resource;
  const auto list = watchers_.find(key_of(topic, notice.server, notice.isolation, watched));
  if (list == watchers_.end()) return;
  for (Follower* follower : list->second) {
    for (const Watched& what : follower->watched_) {
      if (what.topic != topic || what.server != notice.server || what.isolation != notice.isolation ||
          what.id != watched)
        continue;
      // The newest rules hold, also before its turn has come to be looked at again.
      if (!follower->view_ || !may_hear(*follower->view_, what)) continue;
      if (topic == Topic::task) {
        auto params = json::Document::parse(notice.params, json::kUpstream);
        if (!params || !params->root().is(json::Kind::object)) continue;
        const ServerEntry* server = here_.snapshot->server(what.server);
        const std::string own =
            mcp::own_task(params->root(), what.client_id, server ? server->uri_prefix() : "", {"_meta"});
        follower->tell("notifications/tasks", std::string_view(own).substr(1, own.size() - 2));
        continue;
      }
      std::string uri = what.client_id;
      if (watched != notice.id) {
        uri = what.client_id.substr(0, what.client_id.size() - what.id.size()) + notice.id;
        if (!may_read(*follower->view_, mcp::canonical_name(what.server, notice.id), uri)) continue;
      }
      follower->tell("notifications/resources/updated", "\"uri\":" + json::quote(uri));
    }
  }
}

}  // namespace sallyport::gateway
