#include <spdlog/spdlog.h>
#include <algorithm>

#include "upstream_http_stream.hpp"

namespace sallyport::gateway::http {

Duration reopen_pause(Duration wanted, int barren) {
  const Duration pause =
      std::max<Duration>(wanted, limits::kStreamRetryMin) * (1 << std::clamp(barren - 3, 0, 9));
  return std::min<Duration>(pause, limits::kStreamRetryMax);
}

bool offers(const UpstreamIdentity& identity, std::string_view group, std::string_view member) {
  auto document = json::Document::parse(identity.capabilities, json::kUpstream);
  if (!document) return false;
  const auto found = document->root().find(group);
  const auto value = found ? found->find(member) : std::nullopt;
  return value && value->boolean().value_or(false);
}

OfferedLists lists_of(const UpstreamIdentity& identity) {
  OfferedLists out;
  auto document = json::Document::parse(identity.capabilities, json::kUpstream);
  if (!document) return out;
  const auto one = [&](std::string_view group, bool& has, bool& tells) {
    const auto found = document->root().find(group);
    has = found.has_value();
    tells = offers(identity, group, "listChanged");
  };
  one("tools", out.has.tools, out.tells.tools);
  one("prompts", out.has.prompts, out.tells.prompts);
  one("resources", out.has.resources, out.tells.resources);
  return out;
}

GetStream::GetStream(std::shared_ptr<Link> link, Identity identity, StreamEars ears)
    : link_(std::move(link)),
      identity_(std::move(identity)),
      ears_(std::move(ears)),
      retry_(limits::kStreamRetry) {}

void GetStream::start() { spawn(run(shared_from_this())); }

void GetStream::stop() { cancel_.request(); }

Task<bool> GetStream::opened(SteadyTime deadline) {
  const auto self = shared_from_this();
  if (state_ != State::opening) co_return state_ == State::open;
  const auto slot = std::make_shared<Slot<bool>>();
  net::Deadline late(*net::Shard::current());
  if (deadline != SteadyTime::max()) late.set_at(deadline, [slot] { slot->deliver(false); });
  waiting_.push_back(slot);
  co_return co_await *slot;
}

void GetStream::set(State state) {
  const bool was = state_ == State::open;
  state_ = state;
  const bool open = state == State::open;
  if (was != open && !cancel_.requested())
    ears_.state(open ? lists_of(*identity_).tells : ListKinds{}, open && was_open_);
  was_open_ |= open;
  if (state != State::opening) {
    for (auto& slot : std::exchange(waiting_, {})) slot->deliver(open);
  }
}

Task<> GetStream::run(std::shared_ptr<GetStream> self) {
  const Within within{.cancel = &self->cancel_};
  Duration back_off = limits::kStreamRetry;
  bool refused_id = false;
  int barren = 0;  // streams in a row that ended at once and brought nothing
  while (!self->cancel_.requested()) {
    auto response = co_await self->link_->get(self->identity_, self->last_id_, within);
    if (self->cancel_.requested()) break;
    const int status = response ? response->status() : 0;
    if (status == 200 && response->is_type("text/event-stream")) {
      refused_id = false;
      self->retry_ = limits::kStreamRetry;
      back_off = limits::kStreamRetry;
      const SteadyTime since = std::chrono::steady_clock::now();
      self->heard_ = false;
      self->set(State::open);
      if (!co_await self->read(std::move(*response)) || self->cancel_.requested()) break;
      self->set(State::opening);
      barren = self->heard_ || std::chrono::steady_clock::now() - since > kShortStream ? 0 : barren + 1;
      (void)co_await rest(reopen_pause(self->retry_, barren), within);
      continue;
    }
    if (response) net::finish_in_background(std::move(*response), kTail);
    if (status == 404 && self->was_open_) {
      self->ears_.gone();
      break;
    }
    if (status == 400 && !self->last_id_.empty() && !std::exchange(refused_id, true)) {
      self->last_id_.clear();
    } else if (status != 0 && !is_passing(status)) {
      break;
    }
    // Who waits for it need not wait for the next attempt.
    for (auto& slot : std::exchange(self->waiting_, {})) slot->deliver(false);
    (void)co_await rest(back_off, within);
    back_off = std::min<Duration>(back_off * 2, limits::kStreamRetryMax);
  }
  self->set(State::none);
}

/// False when the stream is not to be opened again.
Task<bool> GetStream::read(net::ClientResponse response) {
  MessageStream stream(std::move(response));
  for (;;) {
    auto message = co_await stream.next();
    if (!stream.last_id().empty()) last_id_ = stream.last_id();
    retry_ = stream.retry();
    if (cancel_.requested()) co_return false;
    if (!message) {
      spdlog::warn("server {}: its stream of notifications: {}", link_->config().document.name,
                   message.error().what);
      co_return true;
    }
    if (!*message) co_return true;
    heard_ = true;
    const mcp::Envelope& envelope = (*message)->envelope;
    if (envelope.kind == mcp::Envelope::Kind::notification) {
      ears_.notification(envelope);
    } else if (envelope.kind == mcp::Envelope::Kind::request) {
      if (auto fine = ears_.request(envelope); !fine) {
        spdlog::warn("server {}: its stream of notifications: {}", link_->config().document.name,
                     fine.error().what);
        co_return false;
      }
    }
    // A response here belongs to a call whose own stream was lost, and is taken up there or not at all.
  }
}

}  // namespace sallyport::gateway::http
