#include <spdlog/spdlog.h>
#include <algorithm>

#include "sallyport/mcp/compose.hpp"
#include "upstream_http_stream.hpp"

namespace sallyport::gateway::http {
namespace {

std::string quoted_list(const std::set<Watched>& watched, Topic topic) {
  std::string out;
  for (const auto& each : watched) {
    if (each.topic == topic) out += (out.empty() ? "" : ",") + json::quote(each.id);
  }
  return out;
}

}  // namespace

Listening::Listening(std::shared_ptr<Link> link, Identity identity, ListKinds lists, StreamEars ears,
                     bool gap)
    : link_(std::move(link)),
      identity_(std::move(identity)),
      lists_(lists),
      ears_(std::move(ears)),
      gap_(gap) {}

void Listening::start() { spawn(run(shared_from_this())); }

void Listening::stop() {
  const auto self = shared_from_this();
  cancel_.request();
  if (const auto stream = current_) stream->cancel.request();
  wake();
}

void Listening::want(std::set<Watched> watched) {
  wishes_.want(std::move(watched));
  wake();
}

Task<Result<bool>> Listening::confirmed(Watched watched, SteadyTime deadline) {
  const auto self = shared_from_this();
  if (good() && current_->watched.contains(watched)) co_return true;
  const auto slot = std::make_shared<Slot<Result<bool>>>();
  net::Deadline late(*net::Shard::current());
  late.set_at(deadline, [slot] {
    slot->deliver(
        fail(Code::upstream_timeout, Blame::upstream, "no confirmed subscription within the deadline", true));
  });
  wishes_.insist(watched);
  waiting_.push_back({std::move(watched), slot});
  refused_.clear();
  wake();
  co_return co_await *slot;
}

std::string Listening::filter(const std::set<Watched>& asked) const {
  std::string out;
  const auto add = [&out](const std::string& member) { out += (out.empty() ? "" : ",") + member; };
  if (lists_.tools) add("\"toolsListChanged\":true");
  if (lists_.prompts) add("\"promptsListChanged\":true");
  if (lists_.resources) add("\"resourcesListChanged\":true");
  if (const auto uris = quoted_list(asked, Topic::resource); !uris.empty())
    add("\"resourceSubscriptions\":[" + uris + "]");
  if (const auto tasks = quoted_list(asked, Topic::task); !tasks.empty()) add("\"taskIds\":[" + tasks + "]");
  return out.empty() ? out : "{" + out + "}";
}

Task<> Listening::run(std::shared_ptr<Listening> self) {
  const Within within{.cancel = &self->cancel_};
  Duration back_off = limits::kStreamRetry;
  bool said = false;
  SteadyTime opened_at{};
  int barren = 0;
  const auto everyone = [](const Watched&) { return true; };
  while (!self->cancel_.requested()) {
    const std::string wanted = self->filter(self->wishes_.next());
    if (wanted.empty() && self->current_) {
      std::exchange(self->current_, nullptr)->cancel.request();
      continue;
    }
    if (self->good()) self->answer(true, everyone);
    if (wanted.empty() || self->good() || wanted == self->refused_) {
      co_await self->until_woken();
      continue;
    }
    if (self->current_ && self->current_->ended) {
      self->gap_ = true;
      // One that ends as soon as it was opened is not opened without end.
      barren = std::chrono::steady_clock::now() - opened_at > kShortStream ? 0 : barren + 1;
      const Duration pause = reopen_pause(self->current_->retry, barren);
      self->current_.reset();
      (void)co_await rest(pause, within);
      continue;
    }
    // Wishes of the same moment share one stream.
    co_await net::turn_end(*net::Shard::current());
    if (self->cancel_.requested()) break;
    const auto stream = std::make_shared<Stream>();
    stream->asked = self->wishes_.next();
    stream->filter = self->filter(stream->asked);
    const auto opened = co_await self->open(stream);
    if (self->cancel_.requested()) {
      stream->cancel.request();
      break;
    }
    if (opened) {
      back_off = limits::kStreamRetry;
      said = false;
      opened_at = std::chrono::steady_clock::now();
      if (const auto old = std::exchange(self->current_, stream)) {
        self->gap_ |= old->ended;
        old->cancel.request();
      }
      self->ears_.state(stream->lists, std::exchange(self->gap_, false));
      self->wishes_.agreed(stream->asked);
      // The others came meanwhile, or are asked for next.
      self->answer(true, [&](const Watched& wish) { return stream->asked.contains(wish); });
      continue;
    }
    if (stream->wishes_refused) {
      const Wishes::Refusal refusal = self->wishes_.refused(stream->asked);
      if (refusal.wish) self->answer(opened, [&](const Watched& wish) { return wish == *refusal.wish; });
      if (refusal.blame != Wishes::Blame::nobody) continue;
    }
    if (!std::exchange(said, true))
      spdlog::warn("server {}: its notifications cannot be had: {}", self->link_->config().document.name,
                   opened.error().what);
    if (!opened.error().retry) self->refused_ = stream->filter;
    self->answer(opened, everyone);
    if (!opened.error().retry) continue;
    (void)co_await rest(back_off, within);
    back_off = std::min<Duration>(back_off * 2, limits::kStreamRetryMax);
  }
  self->answer(fail(Code::unavailable, Blame::us, "the upstream session was replaced", true), everyone);
}

void Listening::answer(const Result<bool>& opened, const std::function<bool(const Watched&)>& whom) {
  // Whoever hears its answer may ask for something else at once.
  std::vector<Waiting> rest;
  for (auto& each : std::exchange(waiting_, {})) {
    if (!whom(each.watched)) {
      rest.push_back(std::move(each));
    } else if (!opened) {
      each.slot->deliver(Failure(opened.error()));
    } else if (current_->watched.contains(each.watched)) {
      each.slot->deliver(true);
    } else {
      each.slot->deliver(broken("does not offer subscriptions to '" + each.watched.id.substr(0, 200) + "'"));
    }
  }
  waiting_.insert(waiting_.end(), std::make_move_iterator(rest.begin()), std::make_move_iterator(rest.end()));
}

/// Opens a stream and waits for its acknowledgement. `retry` in an error: it may work later.
Task<Result<bool>> Listening::open(std::shared_ptr<Stream> stream) {
  const auto slot = std::make_shared<Slot<Result<bool>>>();
  net::Deadline late(*net::Shard::current());
  late.set(limits::kSideRequest, [slot, stream]() mutable {
    // Whoever waits goes on inside, and takes this action away.
    const auto kept = std::move(stream);
    slot->deliver(fail(Code::upstream_timeout, Blame::upstream,
                       "subscriptions/listen was not acknowledged in time", true));
    kept->cancel.request();
  });
  const Cancel::Watch stopped = cancel_.on_request([stream] { stream->cancel.request(); });
  spawn(read(shared_from_this(), stream, link_->next_id(), slot));
  co_return co_await *slot;
}

Task<> Listening::read(std::shared_ptr<Listening> self, std::shared_ptr<Stream> stream, std::string id,
                       std::shared_ptr<Slot<Result<bool>>> opened) {
  UpstreamCall listen{.method = mcp::Method::subscriptions_listen,
                      .replace = {{"notifications", stream->filter}}};
  if (stream->filter.find("\"taskIds\"") != std::string::npos) listen.capabilities = wire::kTasksCapability;
  const std::string body = mcp::request_message(id, mcp::text_of(listen.method),
                                                wire::upstream_params(listen, *self->identity_, ""));
  net::ClientRequest request{.method = "POST",
                             .path = {},
                             .headers = self->link_->headers(*self->identity_, &listen),
                             .body = {body}};
  auto response = co_await self->link_->send(std::move(request), {.cancel = &stream->cancel});
  const auto refused = [&](std::string what, bool later) {
    opened->deliver(fail(Code::upstream_broken, Blame::upstream, std::move(what), later));
  };
  if (!response) {
    Error error = response.error();
    error.retry = true;
    opened->deliver(Failure(std::move(error)));
    co_return;
  }
  if (response->status() != 200 || !response->is_type("text/event-stream")) {
    const int status = response->status();
    net::finish_in_background(std::move(*response), kTail);
    // A JSON-RPC error, but for that of a method that it does not know (404).
    stream->wishes_refused = status == 200 || status == 400;
    refused("HTTP " + std::to_string(status) + " to subscriptions/listen", is_passing(status));
    co_return;
  }
  MessageStream messages(std::move(*response));
  for (;;) {
    auto message = co_await messages.next();
    if (stream->cancel.requested()) break;
    stream->retry = messages.retry();
    if (!message || !*message) {
      if (!message)
        spdlog::warn("server {}: its stream of notifications: {}", self->link_->config().document.name,
                     message.error().what);
      break;
    }
    const mcp::Envelope& envelope = (*message)->envelope;
    if (envelope.kind == mcp::Envelope::Kind::error) {
      const auto code =
          envelope.payload->is(json::Kind::object) ? envelope.payload->find("code") : std::nullopt;
      stream->wishes_refused = !code || code->integer() != -32601;
      refused("refuses subscriptions/listen: " + wire::words_of(*envelope.payload, self->link_->config()),
              false);
      break;
    }
    // A result is the orderly end; a request is forbidden in this era.
    if (envelope.kind != mcp::Envelope::Kind::notification) break;
    self->hear(*stream, envelope);
    if (stream->acknowledged) opened->deliver(true);
  }
  stream->ended = true;
  refused("the stream of subscriptions/listen ended before its acknowledgement", true);
  if (self->current_ == stream && !self->cancel_.requested()) {
    self->ears_.state({}, false);
    self->wake();
  }
}

void Listening::hear(Stream& stream, const mcp::Envelope& envelope) {
  if (envelope.method_text != "notifications/subscriptions/acknowledged") {
    if (stream.acknowledged) ears_.notification(envelope);
    return;
  }
  if (std::exchange(stream.acknowledged, true)) return;
  const auto agreed = envelope.params ? envelope.params->find("notifications") : std::nullopt;
  if (!agreed) return;
  const auto flag = [&](std::string_view name) {
    const auto member = agreed->find(name);
    return member && member->boolean().value_or(false);
  };
  stream.lists = {.tools = flag("toolsListChanged"),
                  .prompts = flag("promptsListChanged"),
                  .resources = flag("resourcesListChanged")};
  const auto ids = [&](std::string_view name, Topic topic) {
    const auto member = agreed->find(name);
    if (!member) return;
    for (const json::Value each : member->elements())
      stream.watched.insert({topic, each.string().value_or("")});
  };
  ids("resourceSubscriptions", Topic::resource);
  ids("taskIds", Topic::task);
}

Task<> Listening::until_woken() {
  const auto slot = std::make_shared<Slot<bool>>();
  sleeper_ = slot;
  co_await *slot;
}

void Listening::wake() {
  if (const auto slot = std::exchange(sleeper_, nullptr)) slot->deliver(true);
}

}  // namespace sallyport::gateway::http
