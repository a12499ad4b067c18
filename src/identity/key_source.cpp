#include "sallyport/identity/key_source.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <tuple>
#include <utility>

#include "sallyport/core/limits.hpp"
#include "sallyport/identity/issuer_fetch.hpp"

namespace sallyport::identity {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

}  // namespace

KeySource::KeySource(store::Issuer issuer, net::Shard& home, std::function<net::Client*()> client,
                     const Clock& clock)
    : issuer_(std::move(issuer)),
      home_(&home),
      client_(std::move(client)),
      clock_(clock),
      cache_({.refresh = duration_cast<seconds>(issuer_.refresh),
              .cool_down = duration_cast<seconds>(issuer_.cool_down),
              .expiry = duration_cast<seconds>(issuer_.expiry)}) {}

KeySource::KeySource(const Clock& clock) : home_(nullptr), clock_(clock), cache_({}) {}

std::shared_ptr<KeySource> KeySource::fixed(KeySet keys, const Clock& clock) {
  std::shared_ptr<KeySource> out(new KeySource(clock));
  constexpr auto kNever = SteadyTime::max().time_since_epoch().count();
  out->due_ = kNever;
  out->expires_ = kNever;
  out->neglected_ = kNever;
  out->keys_ = std::make_shared<const KeySet>(std::move(keys));
  out->state_ = {.keys = out->keys_->size(), .problem = {}, .trusted = true};
  out->changed();
  return out;
}

void KeySource::changed() {
  static std::atomic<std::uint64_t> numbers{0};
  version_.store(++numbers, std::memory_order_release);
}

KeySource::Keys KeySource::keys() const {
  const std::lock_guard lock(mutex_);
  return {.set = trusted() ? keys_ : nullptr, .version = version()};
}

bool KeySource::fits(const store::Issuer& issuer) const {
  if (!home_) return false;
  const auto what = [](const store::Issuer& d) {
    return std::tie(d.issuer, d.jwks_url, d.allow_private, d.ca_file, d.refresh, d.cool_down, d.expiry);
  };
  return what(issuer_) == what(issuer);
}

KeySource::State KeySource::state() const {
  const std::lock_guard lock(mutex_);
  State out = state_;
  out.trusted = trusted();
  return out;
}

void KeySource::renew() {
  if (passed() < due_.load(std::memory_order_acquire)) return;
  if (ended_ || !home_ || asked_.exchange(true)) return;
  if (!home_->post([self = shared_from_this()] { self->want(false, {}); })) asked_ = false;
}

Task<> KeySource::fetched(net::Shard& here, bool unknown_key) {
  if (!home_) co_return;
  const auto slot = std::make_shared<Slot<bool>>();
  net::Deadline timer(here);
  timer.set(limits::kIssuerDeadline, [slot] { slot->deliver(false); });
  const bool sent = home_->post([self = shared_from_this(), unknown_key, slot, &here] {
    self->want(unknown_key, [slot, &here] { (void)here.post([slot] { slot->deliver(true); }); });
  });
  if (sent) co_await *slot;
}

void KeySource::want(bool unknown_key, Waiter waiter) {
  // Busy before looking whether it is over: who ends it waits for what is busy.
  const bool was_busy = busy_.exchange(true);
  const bool begins = !ended_ && cache_.wants(clock_.steady(), unknown_key);
  if (begins) cache_.begin(clock_.steady());
  const bool waits = waiter && (begins || was_busy) && waiters_.size() < limits::kKeyWaiters;
  if (waiter && !waits) waiter();
  if (waits) waiters_.push_back(std::move(waiter));
  if (!begins) {
    publish();
    busy_ = was_busy;
    return;
  }
  spawn(fetch(shared_from_this()));
}

Task<> KeySource::fetch(std::shared_ptr<KeySource> self) {
  auto keys = co_await self->fetch_keys();
  const bool had_problem = !self->cache_.problem().empty();
  if (keys) {
    self->cache_.succeeded(std::move(*keys), self->clock_.steady());
    if (had_problem) spdlog::info("issuer {}: its keys are there again", self->issuer_.name);
  } else {
    self->cache_.failed(words_of(keys.error()), self->clock_.steady());
    if (!self->ended_)
      spdlog::warn("issuer {}: its keys cannot be had: {}", self->issuer_.name, self->cache_.problem());
  }
  self->publish();
  auto waiters = std::exchange(self->waiters_, {});
  self->busy_ = false;
  for (const auto& waiter : waiters) waiter();
}

void KeySource::publish() {
  const SteadyTime now = clock_.steady();
  auto keys = cache_.keys(now);
  const std::lock_guard lock(mutex_);
  const bool other = keys != keys_;
  keys_ = std::move(keys);
  if (other) changed();
  state_ = {.keys = keys_ ? keys_->size() : 0,
            .problem = cache_.problem(),
            .stale = cache_.is_stale(now),
            .trusted = keys_ != nullptr};
  due_.store(cache_.next(now).time_since_epoch().count(), std::memory_order_release);
  const auto neglected =
      keys_ && cache_.problem().empty() ? cache_.fetched() + 2 * issuer_.refresh : SteadyTime::max();
  neglected_.store(neglected.time_since_epoch().count(), std::memory_order_release);
  expires_.store(cache_.expires().time_since_epoch().count(), std::memory_order_release);
  asked_ = false;
}

Task<Result<std::string>> KeySource::find_keys(net::Client& client, SteadyTime deadline) {
  if (!issuer_.jwks_url.empty()) co_return issuer_.jwks_url;
  const auto metadata = co_await fetch_metadata(client, issuer_, deadline, &cancel_);
  if (!metadata) co_return Failure(metadata.error());
  const auto keys = metadata->root().find("jwks_uri");
  auto url = keys ? keys->string() : std::nullopt;
  if (!url) co_return fail(Code::upstream_broken, Blame::upstream, "its metadata has no jwks_uri");
  co_return std::move(*url);
}

Task<Result<KeySet>> KeySource::fetch_keys() {
  net::Client* const client = client_();
  if (!client) co_return fail(Code::unavailable, Blame::us, "stopping");
  const SteadyTime deadline = std::chrono::steady_clock::now() + limits::kIssuerDeadline;
  auto url = co_await find_keys(*client, deadline);
  if (!url) co_return Failure(url.error());
  auto text = co_await fetch_from(*client, issuer_, *url, deadline, &cancel_);
  if (!text) co_return Failure(text.error());
  auto keys = KeySet::parse(*text);
  if (!keys)
    co_return fail(Code::upstream_broken, Blame::upstream,
                   fmt::format("{}: {}", shown_url(*url), words_of(keys.error())));
  co_return std::move(*keys);
}

void KeySource::end() {
  if (ended_.exchange(true) || !home_) return;
  (void)home_->post([self = shared_from_this()] { self->cancel_.request(); });
}

}  // namespace sallyport::identity
