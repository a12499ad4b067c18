#include <spdlog/spdlog.h>

#include "sallyport/core/limits.hpp"
#include "upstream_http_session.hpp"

namespace sallyport::gateway::http {

std::set<Watched> Session::watched() const {
  std::set<Watched> out;
  for (const auto& [watched, watch] : watches_) out.insert(watched);
  return out;
}

Task<Result<bool>> Session::watch(Watched watched, SteadyTime deadline) {
  const auto self = shared_from_this();
  if (watches_.size() >= limits::kWatched && !watches_.contains(watched))
    co_return fail(Code::limited, Blame::us, "too much is watched at one upstream session", true);
  auto& entry = watches_[watched];
  if (!entry) entry = std::make_shared<Watch>();
  ++entry->count;
  const auto watch = entry;
  auto confirmed = co_await confirm(watched, watch, deadline);
  if (!confirmed) unwatch(watched);
  co_return confirmed;
}

Task<Result<bool>> Session::confirm(Watched watched, std::shared_ptr<Watch> watch, SteadyTime deadline) {
  const auto known = co_await identify(deadline);
  if (!known) co_return Failure(known.error());
  const Identity& identity = *known;
  if (identity->modern()) {
    open_stream(identity);
    const auto listening = listening_;
    if (!listening) co_return fail(Code::unavailable, Blame::us, "the upstream session was replaced", true);
    listening->want(this->watched());
    co_return co_await listening->confirmed(watched, deadline);
  }
  if (watched.topic == Topic::task) co_return broken("has no tasks that could be watched");
  if (!offers(*identity, "resources", "subscribe"))
    co_return broken("does not offer subscriptions to resources");
  open_stream(identity);
  const auto get = get_;
  if (!get || !co_await get->opened(deadline))
    co_return broken("has no stream that would bring news of resources");
  while (!watch->subscribed.value || *watch->subscribed.value != identity->epoch) {
    if (this->identity() != identity)
      co_return fail(Code::unavailable, Blame::us, "the upstream session was replaced", true);
    auto done = co_await watch->subscribed.join(
        shard_, deadline, [&] { spawn(subscribe(shared_from_this(), identity, watched.id, watch)); });
    if (!done) co_return Failure(done.error());
  }
  co_return true;
}

Task<> Session::subscribe(std::shared_ptr<Session> self, Identity identity, std::string uri,
                          std::shared_ptr<Watch> watch) {
  // An unsubscribe that is under way must not come to its end after this.
  while (self->leaving_.contains(uri)) co_await net::sleep_for(self->shard_, std::chrono::milliseconds(10));
  const UpstreamCall call{.method = mcp::Method::resources_subscribe};
  auto posted = co_await post(*self->link_, call, identity, self->link_->next_id(),
                              "{\"uri\":" + json::quote(uri) + "}",
                              {.deadline = std::chrono::steady_clock::now() + limits::kSideRequest,
                               .cancel = &self->link_->closing()});
  if (!posted) {
    watch->subscribed.land(Failure(posted.error()));
  } else if (!posted->answer) {
    watch->subscribed.land(broken("HTTP " + std::to_string(posted->status) + " to resources/subscribe"));
  } else if (posted->answer->is_error) {
    watch->subscribed.land(broken("refuses resources/subscribe: " +
                                  wire::words_of(posted->answer->payload, self->link_->config())));
  } else {
    // Given up while it was asked for: what nobody wants any more is not kept at the upstream.
    const bool wanted = self->watches_.contains({.topic = Topic::resource, .id = uri});
    watch->subscribed.land(identity->epoch);
    if (!wanted) spawn(unsubscribe(self, identity, uri));
  }
}

void Session::unwatch(const Watched& watched) {
  const auto it = watches_.find(watched);
  if (it == watches_.end() || --it->second->count > 0) return;
  const bool subscribed = it->second->subscribed.value.has_value();
  watches_.erase(it);
  if (listening_) listening_->want(this->watched());
  const Identity now = identity();
  if (subscribed && now && !now->modern()) spawn(unsubscribe(shared_from_this(), now, watched.id));
}

Task<> Session::unsubscribe(std::shared_ptr<Session> self, Identity identity, std::string uri) {
  const UpstreamCall call{.method = mcp::Method::resources_unsubscribe};
  const auto place = self->leaving_.insert(uri);
  (void)co_await post(*self->link_, call, identity, self->link_->next_id(),
                      "{\"uri\":" + json::quote(uri) + "}",
                      {.deadline = std::chrono::steady_clock::now() + limits::kSideRequest,
                       .cancel = &self->link_->closing()});
  self->leaving_.erase(place);
}

/// A session that replaced another knows nothing of what was watched. `missed`: nobody heard what happened
/// before it was told.
Task<> Session::watch_again(std::shared_ptr<Session> self, Identity identity, bool missed) {
  for (const Watched& watched : self->watched()) {
    const auto it = self->watches_.find(watched);
    if (it == self->watches_.end()) continue;
    auto confirmed =
        co_await self->confirm(watched, it->second, std::chrono::steady_clock::now() + limits::kSideRequest);
    if (!confirmed)
      spdlog::warn("server {}: cannot be subscribed to any more: {}", self->link_->config().document.name,
                   confirmed.error().what);
    if (confirmed && missed) self->tell_updated(watched);
    if (self->identity() != identity) co_return;
  }
}

}  // namespace sallyport::gateway::http
