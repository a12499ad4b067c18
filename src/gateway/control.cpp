#include "control.hpp"

#include <spdlog/spdlog.h>
#include <future>

#include "feed.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/names.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "settling.hpp"

namespace sallyport::gateway {
namespace {

/// A failed contact is tried again after a second, then two, four ... at most every 30 s.
constexpr auto kRetryMax = std::chrono::seconds(30);
/// How long a replaced upstream may finish the calls of older snapshots: as long as they may take, and wait
/// for answers to questions.
Duration retire_grace(const ServerConfig& config) {
  return std::max<Duration>(config.document.timeout, std::chrono::seconds(60)) + limits::kQuestionWait;
}

Task<> rest(net::Shard& shard, Duration time, Cancel& end) {
  const auto slot = std::make_shared<Slot<bool>>();
  net::Deadline timer(shard);
  timer.set(time, [slot] { slot->deliver(true); });
  const auto watch = end.on_request([slot] { slot->deliver(false); });
  co_await *slot;
}

}  // namespace

Control::Control(net::Shards& shards, std::vector<std::unique_ptr<ShardState>>& states, Clients& clients,
                 store::Registry& registry, store::Accounts& accounts, Executor& database, Counters& counters,
                 const Clock& clock, Place place)
    : shards_(shards),
      states_(states),
      clients_(clients),
      registry_(registry),
      accounts_(accounts),
      database_(database),
      counters_(counters),
      clock_(clock),
      place_(std::move(place)) {}

Result<void> Control::reload() {
  auto documents = registry_.documents();
  if (!documents) return Failure(documents.error());
  auto keys = registry_.keys();
  if (!keys) return Failure(keys.error());
  auto generation = registry_.generation();
  if (!generation) return Failure(generation.error());

  std::map<std::string, std::shared_ptr<Managed>> next;
  std::vector<std::shared_ptr<Managed>> fresh;
  for (const auto& document : *documents) {
    const auto* server = std::get_if<store::Server>(&document);
    if (!server || server->disabled) continue;
    auto config = resolve(*server, *documents);
    if (!config) return Failure(config.error());
    const auto known = managed_.find(server->name);
    if (known != managed_.end() && known->second->config->fingerprint == (*config)->fingerprint) {
      next.emplace(server->name, known->second);
      continue;
    }
    auto managed = manage(std::move(*config));
    if (known != managed_.end()) {
      managed->catalogue = known->second->catalogue;
      managed->contacted = known->second->contacted;
    }
    next.emplace(server->name, managed);
    fresh.push_back(std::move(managed));
  }
  // Last known good: what an upstream offered before we were started serves until it answers again.
  auto stored = registry_.catalogues();
  if (!stored) return Failure(stored.error());
  for (const auto& entry : *stored) {
    const auto it = next.find(entry.server);
    if (it == next.end() || it->second->catalogue) continue;
    it->second->contacted = entry.recorded;
    if (auto catalogue = Catalogue::build(entry)) it->second->catalogue = std::move(*catalogue);
  }
  for (const auto& managed : fresh)
    managed->awaited = !managed->catalogue && managed->config->problem.empty();

  auto pins = load_pins();
  if (!pins) return Failure(pins.error());
  auto rules = take_policies(*documents, place_.environment);
  if (!rules) return Failure(rules.error());

  auto next_issuers = resolve_issuers(*documents);
  auto next_own = resolve_own();
  if (!next_own) return Failure(next_own.error());
  auto next_models = resolve_models(*documents);
  auto previous = std::exchange(managed_, std::move(next));
  auto old_issuers = std::exchange(issuers_, std::move(next_issuers));
  own_ = std::move(*next_own);
  models_ = std::move(next_models);
  pins_ = std::move(*pins);
  documents_ = std::move(*documents);
  rules_ = std::move(*rules);
  keys_ = std::move(*keys);
  generation_ = *generation;
  publish();
  for (const auto& [name, managed] : previous) {
    const auto it = managed_.find(name);
    if (it == managed_.end() || it->second != managed) end(managed);
  }
  for (const auto& [name, parts] : old_issuers) {
    const auto it = issuers_.find(name);
    if (it == issuers_.end() || it->second.keys != parts.keys) end(parts.keys);
  }
  // A wrong URL is in the log before the first user comes.
  if (!stopping_)
    for (const auto& [name, parts] : issuers_) parts.keys->renew();
  for (const auto& managed : fresh) {
    (void)managed->shard->post([this, managed] {
      managed->refreshing = true;
      spawn(refresh_loop(this, managed));
    });
  }
  // Reading thousands of rules takes several times the memory that they keep.
  net::HeldBytes::let_go();
  return {};
}

void Control::end(const std::shared_ptr<Managed>& managed) {
  if (managed->retired.exchange(true)) return;
  const std::lock_guard lock(ending_mutex_);
  std::erase_if(ending_, [](const auto& one) {
    return one.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  });
  for (int i = 0; i < shards_.size(); ++i) {
    auto done = std::make_shared<std::promise<void>>();
    ending_.push_back(done->get_future());
    const bool sent = shards_[i].post([this, managed, done, &shard = shards_[i]] {
      if (managed->shard == &shard) {
        managed->end.request();
        if (managed->wake) managed->wake->deliver(true);
      }
      spawn(close(this, managed, &shard, done));
    });
    if (!sent) done->set_value();
  }
}

Task<> Control::close(Control* self, std::shared_ptr<Managed> managed, net::Shard* here,
                      std::shared_ptr<std::promise<void>> done) {
  // Calls of older snapshots hold the upstream; let them finish, within reason.
  const auto until = std::chrono::steady_clock::now() + retire_grace(*managed->config);
  while (managed->upstream.use_count() > 1 && !self->stopping_ && std::chrono::steady_clock::now() < until)
    co_await net::sleep_for(*here, std::chrono::milliseconds(100));
  co_await managed->upstream->close();
  if (managed->shard == here && managed->refreshing) co_await managed->refreshed;
  done->set_value();
}

void Control::publish() {
  SnapshotParts parts{.generation = generation_,
                      .environment = place_.environment,
                      .public_url = place_.public_url,
                      .documents = documents_,
                      .rules = rules_,
                      .keys = keys_,
                      .servers = {},
                      .issuers = issuers_,
                      .own = own_,
                      .models = models_};
  for (const auto& [name, managed] : managed_) {
    const auto pins = pins_.find(name);
    parts.servers.push_back({.config = managed->config,
                             .upstream = managed->upstream,
                             .catalogue = managed->catalogue,
                             .awaited = managed->awaited,
                             .pins = pins == pins_.end() ? nullptr : pins->second});
  }
  const auto snapshot = build_snapshot(std::move(parts));
  for (const auto& [path, endpoint] : snapshot->endpoints) {
    for (const auto& problem : endpoint->problems) spdlog::warn("{}: {}", path, problem);
  }
  {
    const std::lock_guard lock(status_mutex_);
    visible_ = managed_;
    visible_issuers_ = issuers_;
    published_ = snapshot;
  }
  net::on_all_shards(shards_, [&](net::Shard& shard) {
    // Each shard counts references on its own copy of the handle, so that requests share no cache line.
    auto holder = std::make_shared<std::shared_ptr<const Snapshot>>(snapshot);
    states_[static_cast<std::size_t>(shard.index())]->swap(
        std::shared_ptr<const Snapshot>(holder, holder->get()));
  });
  // Only now: a client that is told and asks at once must not find the old list on another shard.
  net::on_all_shards(shards_, [&](net::Shard& shard) {
    states_[static_cast<std::size_t>(shard.index())]->feed->snapshot_changed();
  });
}

Result<bool> Control::accept(const std::shared_ptr<Managed>& managed, store::StoredCatalogue fetched) {
  const auto it = managed_.find(managed->config->document.name);
  if (it == managed_.end() || it->second != managed) return false;
  const bool was_awaited = std::exchange(managed->awaited, false);
  const store::StoredCatalogue nothing;
  const auto& known = managed->catalogue ? managed->catalogue->stored() : nothing;
  const bool same = managed->catalogue && known.tools == fetched.tools && known.prompts == fetched.prompts &&
                    known.resources == fetched.resources && known.templates == fetched.templates &&
                    known.server_info == fetched.server_info;
  const auto republish = [&] {
    if (was_awaited) publish();
    return was_awaited;
  };
  if (same && managed->recorded) return republish();
  const bool first = managed->contacted == 0;
  fetched.recorded = first ? fetched.fetched : managed->contacted;
  auto catalogue = Catalogue::build(fetched);
  if (!catalogue) return Failure(catalogue.error());
  auto seen = remember(*managed, **catalogue);
  managed->recorded = seen.has_value();
  if (seen) managed->contacted = fetched.recorded;
  if (!seen) {
    // What is not remembered is not approved; under `trust: follow` nothing has to be.
    spdlog::error("server {}: catalogue could not be stored: {}", fetched.server, seen.error().what);
    poke(fetched.server);
  } else if (same && !first && seen->empty()) {
    return republish();
  }
  for (const auto& line : (*catalogue)->dropped)
    spdlog::warn("server {}: left out: {}", fetched.server, line);
  managed->catalogue = std::move(*catalogue);
  publish();
  const auto count = [](const auto& list) { return std::to_string(list.size()); };
  const Catalogue& now = *managed->catalogue;
  note("catalogue", "\"server\":" + json::quote(fetched.server) + ",\"tools\":" + count(now.tools) +
                        ",\"prompts\":" + count(now.prompts) + ",\"resources\":" + count(now.resources) +
                        ",\"templates\":" + count(now.templates) +
                        ",\"tools_digest\":" + json::quote(sha256_hex(now.stored().tools)));
  if (seen) tell(fetched.server, *seen);
  spdlog::info("server {}: {} tools, {} prompts, {} resources, {} templates", fetched.server,
               now.tools.size(), now.prompts.size(), now.resources.size(), now.templates.size());
  return true;
}

void Control::no_longer_awaited(const std::shared_ptr<Managed>& managed) {
  if (std::exchange(managed->awaited, false) && !stopping_) publish();
}

Task<> Control::refresh_loop(Control* self, std::shared_ptr<Managed> managed) {
  net::Shard& shard = *managed->shard;
  Duration retry = std::chrono::seconds(1);
  Settling settling;
  SteadyTime asked_at{};
  std::string last;
  bool known = false, said = false;
  // The first list waits for a first contact, but not for ever.
  net::Deadline patience(shard);
  patience.set(limits::kFirstList, [self, managed] {
    if (!self->stopping_) (void)self->database_.run([self, managed] { self->no_longer_awaited(managed); });
  });
  while (!managed->retired && !self->stopping_) {
    const bool poked = std::exchange(managed->poked, false);
    const bool sleeping = managed->config->is_stdio() && managed->upstream->health().state == "idle";
    if (!poked) settling.quiet();
    const bool told = known && !poked && managed->upstream->notifies();
    Duration wait = limits::kRefresh;
    if (!sleeping && !told) {
      auto fetched =
          co_await fetch_catalogue(managed->upstream, managed->config,
                                   std::chrono::steady_clock::now() + limits::kChildStart, &managed->end);
      if (managed->retired || self->stopping_) break;  // the executor ends before the shards do
      asked_at = std::chrono::steady_clock::now();
      known = fetched.has_value();
      self->counters_.shard(shard.index()).servers[managed->config->slot].up.set(fetched ? 1 : 0);
      if (fetched) {
        retry = std::chrono::seconds(1);
        said = false;
        std::string now =
            sha256_hex(fetched->tools + fetched->prompts + fetched->resources + fetched->templates);
        settling.looked(poked, now == last);
        last = std::move(now);
        (void)self->database_.run([self, managed, stored = std::move(*fetched)]() mutable {
          if (self->stopping_) return;
          if (auto accepted = self->accept(managed, std::move(stored)); !accepted)
            spdlog::error("server {}: {}", managed->config->document.name, accepted.error().what);
        });
      } else {
        if (!std::exchange(said, true))
          spdlog::warn("server {}: {} ({})", managed->config->document.name, fetched.error().what,
                       name_of(fetched.error().code));
        (void)self->database_.run([self, managed] { self->no_longer_awaited(managed); });
        wait = retry;
        retry = std::min<Duration>(retry * 2, kRetryMax);
      }
    }
    if (managed->retired || self->stopping_) break;
    if (!managed->poked) {
      auto wake = std::make_shared<Slot<bool>>();
      managed->wake = wake;
      net::Deadline timer(shard);
      timer.set(wait, [wake] { wake->deliver(true); });
      co_await *wake;
      managed->wake.reset();
    }
    const auto quiet = asked_at + settling.time() - std::chrono::steady_clock::now();
    if (managed->poked && quiet > Duration::zero() && !managed->retired && !self->stopping_)
      co_await rest(shard, quiet, managed->end);
  }
  managed->refreshed.deliver(true);
}

void Control::take_notice(const Notice& notice) {
  if (notice.kind == Notice::Kind::list_changed) return poke(notice.server);
  for (const auto& state : states_) state->feed->hear(notice);
}

void Control::poke(const std::string& server) {
  std::shared_ptr<Managed> managed;
  {
    const std::lock_guard lock(status_mutex_);
    if (const auto it = visible_.find(server); it != visible_.end()) managed = it->second;
  }
  if (!managed) return;
  (void)managed->shard->post([managed] {
    managed->poked = true;
    if (managed->wake) managed->wake->deliver(true);
  });
}

void Control::stop() {
  stopping_ = true;
  std::map<std::string, std::shared_ptr<Managed>> servers;
  {
    const std::lock_guard lock(status_mutex_);
    servers = visible_;
  }
  for (const auto& [name, managed] : servers) end(managed);
  end_issuers();
  // Those that were replaced a moment ago are still ending.
  const std::lock_guard lock(ending_mutex_);
  for (auto& one : ending_) one.wait_for(std::chrono::seconds(5));
}

}  // namespace sallyport::gateway
