#include "upstream_http_session.hpp"

#include <spdlog/spdlog.h>
#include <algorithm>

#include "sallyport/core/limits.hpp"
#include "session.hpp"

namespace sallyport::gateway::http {
namespace {

/// A call that raises the log level waits this long for it.
constexpr auto kLevelWait = std::chrono::seconds(2);

Failure replaced() {
  return fail(Code::unavailable, Blame::us, "the configuration of the server was replaced", true);
}

SteadyTime within(Duration time) { return std::chrono::steady_clock::now() + time; }

}  // namespace

Session::Session(std::shared_ptr<Link> link, net::Shard& shard, const SessionEars& ears, SessionKey key)
    : idle(shard),
      link_(std::move(link)),
      shard_(shard),
      ears_(ears),
      key_(std::move(key)),
      replies_(link_) {}

Task<Result<Identity>> Session::identify(SteadyTime deadline) {
  const auto self = shared_from_this();
  if (stopped_) co_return replaced();
  if (flight_.value) co_return *flight_.value;
  co_return co_await flight_.join(shard_, deadline, [&self] { spawn(connect(self)); });
}

Task<> Session::connect(std::shared_ptr<Session> self) {
  const Within bounds{
      .deadline = within(std::min<Duration>(self->link_->config().document.timeout, limits::kChildStart)),
      .cancel = &self->link_->closing()};
  auto made = self->key_.base() ? co_await handshake(*self->link_, bounds)
                                : co_await initialize(*self->link_, self->key_.capabilities, bounds);
  self->ears_.tried(self->key_, made);
  if (!made) {
    self->flight_.land(self->stopped_ ? replaced() : Failure(made.error()));
    co_return;
  }
  made->epoch = self->ears_.next_epoch();
  made->use->last = std::chrono::steady_clock::now();
  const auto identity = std::make_shared<const UpstreamIdentity>(std::move(*made));
  if (self->stopped_) {
    spawn(Link::end_session(self->link_, identity));
    self->flight_.land(replaced());
    co_return;
  }
  self->level_.reset();
  const bool replaces = std::exchange(self->lost_, false);
  self->open_stream(identity, replaces);
  // Many servers ask on this stream what a call needs to know: it must be there before the first one.
  if (!self->key_.base() && self->get_) (void)co_await self->get_->opened(within(limits::kStreamOpen));
  self->flight_.land(identity);
  // Another server may be there now, with other lists.
  if (replaces && self->key_.base()) self->tell_lists_changed();
  if (!self->watches_.empty() && self->get_) spawn(watch_again(self, identity, replaces));
}

void Session::drop(std::uint64_t epoch) {
  if (!flight_.value || (*flight_.value)->epoch != epoch) return;
  flight_.value.reset();
  lost_ = true;
  close_streams();
  if (watches_.empty() || stopped_) return;
  spawn([](std::shared_ptr<Session> self) -> Task<> {
    (void)co_await self->identify(within(limits::kChildStart));
  }(shared_from_this()));
}

bool Session::resting() const {
  if (flight_.flying() || !visitors.empty() || !watches_.empty() || key_.shared()) return false;
  const Identity now = identity();
  return !now || now->use->under_way == 0;
}

Held Session::held() const {
  const Identity now = identity();
  return {.holder = key_.principal.empty() ? holder_of(link_->config().document.isolation, key_.isolation)
                                           : std::string_view(key_.principal),
          .rests = resting(),
          .used = now ? now->use->last.load() : SteadyTime{}};
}

void Session::stop() {
  stopped_ = true;
  idle.clear();
  close_streams();
}

void Session::close_streams() {
  if (const auto get = std::exchange(get_, nullptr)) get->stop();
  if (const auto listening = std::exchange(listening_, nullptr)) listening->stop();
  if (key_.shared()) link_->notifies = false;
}

void Session::open_stream(const Identity& identity, bool replaces) {
  if (stopped_ || get_ || listening_) return;
  const ListKinds lists = key_.shared() ? lists_of(*identity).tells : ListKinds{};
  if (key_.base() && !lists.any() && watches_.empty()) return;
  if (identity->modern()) {
    listening_ = std::make_shared<Listening>(link_, identity, lists, ears_for(identity), replaces);
    listening_->want(watched());
    listening_->start();
  } else {
    get_ = std::make_shared<GetStream>(link_, identity, ears_for(identity));
    get_->start();
  }
}

StreamEars Session::ears_for(const Identity& identity) {
  const std::weak_ptr<Session> weak = weak_from_this();
  return {.notification =
              [weak](const mcp::Envelope& notification) {
                const auto self = weak.lock();
                if (!self) return;
                const bool list = notification.method == mcp::Method::n_tools_changed ||
                                  notification.method == mcp::Method::n_prompts_changed ||
                                  notification.method == mcp::Method::n_resources_changed;
                // The shared session's stream says it for all.
                if (list && !self->key_.shared() && self->link_->notifies) return;
                if (notification.method == mcp::Method::n_cancelled) {
                  // Whoever was asked knows it by its id; others may have come since.
                  const mcp::Id id = withdrawn_id(notification);
                  const auto present = self->visitors;
                  for (const Visitor& visitor : present) self->ears_.withdrawn(visitor, id);
                  return;
                }
                self->link_->hear(notification, self->key_.isolation);
              },
          .request = [weak, identity](const mcp::Envelope& request) -> Result<void> {
            const auto self = weak.lock();
            return self ? self->asked(identity, request) : Result<void>();
          },
          .state =
              [weak, identity](ListKinds lists, bool gap) {
                if (const auto self = weak.lock()) self->stream_state(identity, lists, gap);
              },
          .gone =
              [weak, identity] {
                const auto self = weak.lock();
                if (!self) return;
                self->drop(identity->epoch);
                // Whoever hears this comes, and makes a new session.
                self->tell_lists_changed();
              }};
}

Result<void> Session::asked(const Identity& identity, const mcp::Envelope& request) {
  if (request.method == mcp::Method::ping) return replies_.pong(identity, request.id);
  if (key_.base() || !is_question(request.method))
    return replies_.refuse(identity, request.id, -32601,
                           "Method not found: the client declared nothing that would allow it.");
  if (visitors.size() != 1)
    return replies_.refuse(identity, request.id, -32603,
                           "It is not clear which call this question is about.");
  ears_.question(
      *visitors.begin(), identity, request.id,
      {.method = request.method, .params = request.params ? std::string(request.params->raw()) : "{}"});
  return {};
}

void Session::stream_state(const Identity& identity, ListKinds lists, bool gap) {
  const OfferedLists known = lists_of(*identity);
  if (key_.shared()) link_->notifies = lists.any() && lists.covers(known.has);
  if (!gap) return;
  tell_lists_changed();
  for (const auto& [watched, watch] : watches_) tell_updated(watched);
}

void Session::tell_lists_changed() {
  link_->notice({.kind = Notice::Kind::list_changed, .server = {}, .isolation = key_.isolation});
}

void Session::tell_updated(const Watched& watched) {
  if (watched.topic != Topic::resource) return;
  link_->notice({.kind = Notice::Kind::resource_updated,
                 .server = {},
                 .isolation = key_.isolation,
                 .id = watched.id,
                 .params = "{\"uri\":" + json::quote(watched.id) + "}"});
}

Task<Result<int>> Session::raise_level(std::uint64_t epoch, std::string level) {
  const auto self = shared_from_this();
  const int wanted = log_severity(level);
  const SteadyTime deadline = within(kLevelWait);
  for (;;) {
    const Identity now = identity();
    if (!now || now->epoch != epoch || wanted < 0) co_return wanted;
    if (level_ && *level_ <= wanted) co_return *level_;
    auto raised = co_await raising_.join(shard_, deadline, [&] { spawn(set_level(self, now, level)); });
    if (!raised) co_return Failure(raised.error());
  }
}

Task<> Session::set_level(std::shared_ptr<Session> self, Identity identity, std::string level) {
  const UpstreamCall call{.method = mcp::Method::logging_set_level};
  auto posted = co_await post(*self->link_, call, identity, self->link_->next_id(),
                              "{\"level\":" + json::quote(level) + "}",
                              {.deadline = within(limits::kSideRequest), .cancel = &self->link_->closing()});
  if (!posted || !posted->answer || posted->answer->is_error)
    spdlog::warn("server {}: logging/setLevel failed", self->link_->config().document.name);
  // A server that will not is not asked again in this session.
  if (self->identity() == identity) self->level_ = log_severity(level);
  self->raising_.land(log_severity(level));
}

}  // namespace sallyport::gateway::http
