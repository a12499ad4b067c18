#include "sallyport/identity/key_source.hpp"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <tuple>
#include <utility>

#include "issuer_url.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::identity {
namespace {

using std::chrono::duration_cast;
using std::chrono::seconds;

/// A URL that a stranger may have written.
std::string shown(std::string_view url) { return json::quote(url.substr(0, 200)); }

const std::string& words_of(const Error& error) { return error.what.empty() ? error.hint : error.what; }

/// RFC 8414 section 3.1: the well-known part stands between host and path.
std::string inserted(const net::Url& issuer, std::string_view name) {
  std::string path = issuer.path;
  if (path.ends_with('/')) path.pop_back();
  return fmt::format("{}/.well-known/{}{}", issuer.origin(), name, path);
}

std::string appended(const std::string& issuer, std::string_view name) {
  return fmt::format("{}{}.well-known/{}", issuer, issuer.ends_with('/') ? "" : "/", name);
}

/// `jwks_uri` of metadata that says it is this issuer's.
Result<std::string> keys_in(std::string metadata, const std::string& issuer) {
  const auto document = json::Document::parse(std::move(metadata), json::kUpstream);
  if (!document || !document->root().is(json::Kind::object))
    return fail(Code::upstream_broken, Blame::upstream, "its metadata is no JSON object");
  const auto said = document->root().find("issuer");
  if (!said || said->string() != issuer)
    return fail(
        Code::upstream_broken, Blame::upstream,
        fmt::format("its metadata says that the issuer is {}: compare that with \"issuer\" in the document",
                    said ? json::quote(said->string().value_or("?").substr(0, 200)) : "nobody"));
  const auto keys = document->root().find("jwks_uri");
  auto url = keys ? keys->string() : std::nullopt;
  if (!url) return fail(Code::upstream_broken, Blame::upstream, "its metadata has no jwks_uri");
  return std::move(*url);
}

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

Task<Result<std::string>> KeySource::get(const std::string& url, SteadyTime deadline) {
  auto target = issuer_url(url, issuer_.allow_private);
  if (!target)
    co_return fail(Code::forbidden, Blame::upstream,
                   fmt::format("{}: {}", shown(url), words_of(target.error())));
  net::Client* const client = client_();
  if (!client) co_return fail(Code::unavailable, Blame::us, "stopping");
  const net::Origin origin{
      .url = *target, .allow_private = issuer_.allow_private, .ca_file = issuer_.ca_file};
  net::ClientRequest request{
      .method = "GET", .path = origin.url.path, .headers = "Accept: application/json\r\n", .body = {}};
  auto response = co_await client->send(origin, std::move(request), deadline, &cancel_);
  if (!response)
    co_return fail(response.error().code, Blame::upstream,
                   fmt::format("{}: {}", shown(url), words_of(response.error())));
  // A redirect is an answer like any other that is not 200: what vouches for tokens says itself where it is.
  if (response->status() != 200)
    co_return fail(Code::upstream_broken, Blame::upstream,
                   fmt::format("{}: answered {}", shown(url), response->status()));
  auto body = co_await response->whole(limits::kIssuerReply);
  if (!body)
    co_return fail(body.error().code, Blame::upstream,
                   fmt::format("{}: {}", shown(url), words_of(body.error())));
  co_return std::move(*body);
}

Task<Result<std::string>> KeySource::find_keys(SteadyTime deadline) {
  if (!issuer_.jwks_url.empty()) co_return issuer_.jwks_url;
  const auto url = net::parse_url(issuer_.issuer);
  if (!url) co_return Failure(url.error());
  // OpenID Connect Discovery section 4, then RFC 8414 section 3.
  Result<std::string> first = fail(Code::upstream_broken, Blame::upstream, "no metadata");
  for (const std::string& place :
       {appended(issuer_.issuer, "openid-configuration"), inserted(*url, "oauth-authorization-server")}) {
    auto text = co_await get(place, deadline);
    auto keys = text ? keys_in(std::move(*text), issuer_.issuer) : Result<std::string>(Failure(text.error()));
    if (keys) co_return std::move(*keys);
    // What is said of the first place is what its administrator can mend.
    if (first.error().what == "no metadata") first = Failure(keys.error());
    if (keys.error().code != Code::upstream_broken) break;
  }
  co_return Failure(first.error());
}

Task<Result<KeySet>> KeySource::fetch_keys() {
  const SteadyTime deadline = std::chrono::steady_clock::now() + limits::kIssuerDeadline;
  auto url = co_await find_keys(deadline);
  if (!url) co_return Failure(url.error());
  auto text = co_await get(*url, deadline);
  if (!text) co_return Failure(text.error());
  auto keys = KeySet::parse(*text);
  if (!keys)
    co_return fail(Code::upstream_broken, Blame::upstream,
                   fmt::format("{}: {}", shown(*url), words_of(keys.error())));
  co_return std::move(*keys);
}

void KeySource::end() {
  if (ended_.exchange(true) || !home_) return;
  (void)home_->post([self = shared_from_this()] { self->cancel_.request(); });
}

}  // namespace sallyport::identity
