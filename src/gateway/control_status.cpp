// What an operator asks about upstream servers: their state, and a test now.
#include <optional>

#include "control.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {
namespace {

std::string problem_of(const Upstream::Health& health) {
  const Breaker::State& breaker = health.breaker;
  if (!breaker.open) return health.problem;
  const auto wait = std::chrono::ceil<std::chrono::seconds>(breaker.wait).count();
  return std::to_string(breaker.failures) + " calls in a row have failed (" + breaker.problem +
         "); calls are held back, the next is tried " +
         (wait > 0 ? "in " + std::to_string(wait) + " s" : "now");
}

Failure stopping() { return fail(Code::unavailable, Blame::us, "the gateway is stopping", true); }

}  // namespace

void Control::end_tests() {
  const std::lock_guard lock(tests_mutex_);
  no_more_tests_ = true;
  tests_changed_.notify_all();
}

Result<std::shared_ptr<Managed>> Control::find(const std::string& name) const {
  if (stopping_) return stopping();
  const auto it = managed_.find(name);
  if (it != managed_.end()) return it->second;
  return client_error(Code::not_found, "there is no server '" + name +
                                           "', or it is disabled; `sallyport server list` shows them");
}

Result<std::string> Control::test_server(const std::string& name) {
  {
    const std::lock_guard lock(tests_mutex_);
    if (no_more_tests_) return stopping();
  }
  std::shared_ptr<const Catalogue> known;
  auto found = wait_for(database_, [&] {
    auto managed = find(name);
    if (managed) known = (*managed)->catalogue;
    return managed;
  });
  if (!found) return Failure(found.error());
  const auto managed = std::move(*found);
  const auto begin = std::chrono::steady_clock::now();
  const auto fetched_here = std::make_shared<std::optional<Result<store::StoredCatalogue>>>();
  const bool sent = managed->shard->post([this, managed, fetched_here] {
    spawn([](Control* self, std::shared_ptr<Managed> m,
             std::shared_ptr<std::optional<Result<store::StoredCatalogue>>> to) -> Task<> {
      auto fetched = co_await fetch_catalogue(
          m->upstream, m->config, std::chrono::steady_clock::now() + limits::kChildStart, &m->end);
      const std::lock_guard lock(self->tests_mutex_);
      to->emplace(std::move(fetched));
      self->tests_changed_.notify_all();
    }(this, managed, fetched_here));
  });
  if (!sent) return fail(Code::limited, Blame::us, "mailbox full", true);
  {
    std::unique_lock lock(tests_mutex_);
    tests_changed_.wait_for(lock, limits::kChildStart + std::chrono::seconds(1),
                            [&] { return fetched_here->has_value() || no_more_tests_; });
    if (!fetched_here->has_value() && no_more_tests_) return stopping();
    if (!fetched_here->has_value())
      return fail(Code::upstream_timeout, Blame::upstream, "server '" + name + "' does not come to an end",
                  true);
  }
  auto fetched = std::move(**fetched_here);
  const auto millis =
      std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
  if (!fetched) {
    return "{\"ok\":false,\"server\":" + json::quote(name) +
           ",\"code\":" + json::quote(name_of(fetched.error().code)) +
           ",\"problem\":" + json::quote(fetched.error().what) + ",\"millis\":" + std::to_string(millis) +
           "}";
  }
  return wait_for(database_, [&] { return tested(managed, known, std::move(*fetched), millis); });
}

Result<std::string> Control::tested(const std::shared_ptr<Managed>& managed,
                                    const std::shared_ptr<const Catalogue>& known,
                                    store::StoredCatalogue fetched, std::int64_t millis) {
  if (stopping_) return stopping();
  const std::string& name = managed->config->document.name;
  if (const auto it = managed_.find(name); it == managed_.end() || it->second != managed)
    return fail(Code::unavailable, Blame::us,
                "server '" + name + "' was changed during its test; test it again", true);
  if (managed->catalogue == known) {
    if (auto accepted = accept(managed, std::move(fetched)); !accepted) return Failure(accepted.error());
  } else {
    // Another look came in between, and which of the two is older nobody can say: a third one decides.
    poke(name);
  }
  std::string dropped;
  for (const auto& line : managed->catalogue->dropped)
    dropped += (dropped.empty() ? "" : ",") + json::quote(line);
  const auto count = [](const auto& list) { return std::to_string(list.size()); };
  return "{\"ok\":true,\"server\":" + json::quote(managed->config->document.name) +
         ",\"version\":" + json::quote(mcp::text_of(managed->upstream->health().version)) +
         ",\"tools\":" + count(managed->catalogue->tools) +
         ",\"prompts\":" + count(managed->catalogue->prompts) +
         ",\"resources\":" + count(managed->catalogue->resources) +
         ",\"templates\":" + count(managed->catalogue->templates) + ",\"dropped\":[" + dropped +
         "],\"millis\":" + std::to_string(millis) + "}";
}

std::vector<BreakerView> Control::breakers() const {
  const std::lock_guard lock(status_mutex_);
  std::vector<BreakerView> out;
  for (const auto& [name, managed] : visible_) {
    const auto state = managed->upstream->health().breaker;
    out.push_back({.server = name, .open = state.open, .opened = state.opened});
  }
  return out;
}

std::string Control::status() const {
  std::map<std::string, std::shared_ptr<Managed>> servers;
  std::shared_ptr<const Snapshot> snapshot;
  {
    const std::lock_guard lock(status_mutex_);
    servers = visible_;
    snapshot = published_;
  }
  std::string out =
      "{\"generation\":" + std::to_string(snapshot ? snapshot->generation : 0) + ",\"servers\":[";
  bool first = true;
  for (const auto& [name, managed] : servers) {
    const auto health = managed->upstream->health();
    const ServerEntry* entry = snapshot ? snapshot->server(name) : nullptr;
    const Catalogue* catalogue = entry ? entry->catalogue.get() : nullptr;
    const auto count = [&](auto member) {
      return std::to_string(catalogue ? (catalogue->*member).size() : 0);
    };
    out += std::exchange(first, false) ? "" : ",";
    out += "{\"name\":" + json::quote(name) +
           ",\"state\":" + json::quote(health.breaker.open ? "down" : health.state) + ",\"problem\":" +
           json::quote(managed->config->problem.empty() ? problem_of(health) : managed->config->problem) +
           ",\"breaker\":" + (health.breaker.open ? "\"open\"" : "\"closed\"") +
           ",\"since\":" + std::to_string(health.changed) +
           ",\"version\":" + json::quote(health.state == "unknown" ? "" : mcp::text_of(health.version)) +
           ",\"transport\":" +
           (managed->config->is_stdio() ? "\"stdio\""
            : managed->config->is_sse() ? "\"sse\""
                                        : "\"streamable-http\"") +
           ",\"tools\":" + count(&Catalogue::tools) + ",\"prompts\":" + count(&Catalogue::prompts) +
           ",\"resources\":" + count(&Catalogue::resources) +
           ",\"templates\":" + count(&Catalogue::templates) +
           ",\"fetched\":" + std::to_string(catalogue ? catalogue->stored().fetched : 0) + "}";
  }
  out += "],\"endpoints\":[";
  first = true;
  if (snapshot) {
    std::map<std::string, const Endpoint*> ordered;
    for (const auto& [path, endpoint] : snapshot->endpoints) ordered[path] = endpoint.get();
    for (const auto& [path, endpoint] : ordered) {
      std::string problems;
      for (const auto& problem : endpoint->problems)
        problems += (problems.empty() ? "" : ",") + json::quote(problem);
      out += std::exchange(first, false) ? "" : ",";
      out += "{\"path\":" + json::quote(path) +
             ",\"access\":" + (endpoint->anonymous ? "\"anonymous\"" : "\"authenticated\"") +
             ",\"tools\":" + std::to_string(endpoint->tools.items.size()) +
             ",\"prompts\":" + std::to_string(endpoint->prompts.items.size()) +
             ",\"resources\":" + std::to_string(endpoint->resources.items.size()) +
             ",\"templates\":" + std::to_string(endpoint->templates.items.size()) + ",\"problems\":[" +
             problems + "]}";
    }
  }
  out += "],\"issuers\":[";
  first = true;
  for (const auto& issuer : issuers()) {
    out += std::exchange(first, false) ? "" : ",";
    out += "{\"name\":" + json::quote(issuer.issuer) + ",\"keys\":" + std::to_string(issuer.keys) +
           ",\"problem\":" + json::quote(issuer.problem) + "}";
  }
  return out + "]}";
}

std::shared_ptr<const Snapshot> Control::published() const {
  const std::lock_guard lock(status_mutex_);
  return published_;
}

}  // namespace sallyport::gateway
