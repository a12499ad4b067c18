// What the control plane remembers of definitions, and what it says when they change.
#include <spdlog/spdlog.h>

#include "control.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/names.hpp"

namespace sallyport::gateway {
namespace {

std::string shown(const std::string& hash) { return hash.substr(0, limits::kShownDigits); }

void log(const Sighting& one) {
  const std::string name =
      mcp::escaped(mcp::canonical_name(one.key.server, one.key.name).substr(0, limits::kToldName));
  switch (one.what) {
    case Sighting::What::followed:
      spdlog::info("{} {} changed from {} to {}; taken up because its server says trust: follow",
                   one.key.sort, name, shown(one.was), shown(one.hash));
      break;
    case Sighting::What::quarantined:
      spdlog::warn("{} {} is withheld ({}): its definition {} waits; see `sallyport tool diff` and `approve`",
                   one.key.sort, name, one.why, shown(one.hash));
      break;
    case Sighting::What::returned:
      spdlog::warn("{} {} went back from {} to its approved definition {}", one.key.sort, name,
                   shown(one.was), shown(one.hash));
      break;
    case Sighting::What::gone:
      spdlog::info("{} {} is not offered any more", one.key.sort, name);
      break;
  }
}

}  // namespace

Result<std::map<std::string, std::shared_ptr<const Pins>>> Control::load_pins() {
  auto rows = registry_.definitions("", false);
  if (!rows) return Failure(rows.error());
  std::map<std::string, std::vector<store::StoredDefinition>> by_server;
  for (auto& row : *rows) by_server[row.key.server].push_back(std::move(row));
  std::map<std::string, std::shared_ptr<const Pins>> out;
  for (const auto& [server, of_one] : by_server) out[server] = std::make_shared<const Pins>(of_one);
  return out;
}

Result<Observation> Control::remember(const Managed& managed, const Catalogue& catalogue) {
  const std::string& server = catalogue.server();
  auto known = registry_.definitions(server, true);
  if (!known) return Failure(known.error());
  Observation seen = observe(*known, catalogue, managed.config->document.trust, managed.contacted == 0,
                             unix_millis(std::chrono::system_clock::now()));
  if (auto saved = registry_.save_catalogue(catalogue.stored(), seen.changed, seen.forgotten); !saved)
    return Failure(saved.error());
  auto rows = registry_.definitions(server, false);
  if (!rows) return Failure(rows.error());
  pins_[server] = std::make_shared<const Pins>(*rows);
  return seen;
}

void Control::tell(const std::string& server, const Observation& seen) {
  std::size_t told = 0;
  std::uint64_t quarantined = 0;
  for (const Sighting& one : seen.sightings) {
    if (one.what == Sighting::What::quarantined) ++quarantined;
    if (told++ < limits::kDefinitionsTold) log(one);
  }
  if (told > limits::kDefinitionsTold)
    spdlog::warn("server {}: {} more definitions changed", server, told - limits::kDefinitionsTold);
  if (quarantined > 0) {
    const std::lock_guard lock(status_mutex_);
    quarantines_[server] += quarantined;
  }
  if (auto members = note_of(server, seen); !members.empty()) note("definitions", std::move(members));
}

void Control::note(std::string name, std::string members) {
  (void)shards_[0].post([&state = *states_[0], name = std::move(name), members = std::move(members)] {
    state.journal.note(name, members);
    state.commit_soon();
  });
}

std::vector<PinView> Control::pins() const {
  std::shared_ptr<const Snapshot> snapshot;
  std::map<std::string, std::uint64_t> quarantines;
  {
    const std::lock_guard lock(status_mutex_);
    snapshot = published_;
    quarantines = quarantines_;
  }
  std::vector<PinView> out;
  if (!snapshot) return out;
  for (const auto& server : snapshot->servers) {
    PinView view{.server = server->config->document.name};
    view.quarantined = quarantines[view.server];
    for (const Sort sort : {Sort::tool, Sort::prompt, Sort::resource_template}) {
      if (!server->catalogue) break;
      for (const Definition& definition : server->catalogue->of(sort))
        view.withheld += server->serves(sort, definition) ? 0 : 1;
    }
    out.push_back(std::move(view));
  }
  return out;
}

Result<std::string> Control::exported_tools(const std::string& path) const {
  std::shared_ptr<const Snapshot> snapshot;
  {
    const std::lock_guard lock(status_mutex_);
    snapshot = published_;
  }
  const Endpoint* endpoint = snapshot ? snapshot->endpoint(path) : nullptr;
  if (!endpoint) return client_error(Code::not_found, "there is no endpoint " + path);
  std::string out = "[";
  for (const Export& one : endpoint->tools.items) {
    out += (out.size() > 1 ? ",{\"name\":" : "{\"name\":") + json::quote(one.name) +
           ",\"tool\":" + json::quote(one.definition->canonical) +
           ",\"hash\":" + json::quote(one.definition->hash) +
           ",\"bytes\":" + std::to_string(one.modern.size()) + "}";
  }
  return out + "]";
}

}  // namespace sallyport::gateway
