#include "sallyport/gateway/pins.hpp"

#include <algorithm>
#include <array>

#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {
namespace {

constexpr Sort kPinned[] = {Sort::tool, Sort::prompt, Sort::resource_template};

/// One look at one server.
class Look {
 public:
  Look(const std::vector<store::StoredDefinition>& known, const Catalogue& catalogue, store::Trust trust,
       bool first, std::int64_t now)
      : catalogue_(catalogue), follow_(trust == store::Trust::follow), first_(first), now_(now) {
    for (const auto& row : known) left_.emplace(row.key, &row);
  }

  Observation take() {
    for (const Sort sort : kPinned) {
      for (const Definition& definition : catalogue_.of(sort)) see(sort, definition);
    }
    for (const auto& [key, row] : left_) miss(*row);
    return std::move(out_);
  }

 private:
  void see(Sort sort, const Definition& definition) {
    const store::DefinitionKey key{
        .server = catalogue_.server(), .sort = std::string(word_of(sort)), .name = definition.name};
    const auto found = left_.extract(key);
    if (found.empty()) return meet(key, definition);
    store::StoredDefinition row = *found.mapped();
    const bool clean = definition.suspicions.empty();
    if (row.current.hash == definition.hash) {
      // Only the server's `trust` can have changed.
      if (follow_ && clean && row.rejected.empty() && state_of(row) == store::DefinitionState::waiting) {
        tell(Sighting::What::followed, row, row.approved.hash, "");
        approve(row);
        out_.changed.push_back(std::move(row));
      }
      return;
    }
    const std::string was = row.current.hash;
    row.current = version_of(definition);
    row.changed = now_;
    ++row.changes;
    if (row.current.hash == row.approved.hash) {
      if (!was.empty()) tell(Sighting::What::returned, row, was, "");
    } else if (state_of(row) == store::DefinitionState::rejected) {
      tell(Sighting::What::quarantined, row, was, "rejected before");
    } else if (!clean) {
      tell(Sighting::What::quarantined, row, was, definition.suspicions.front());
    } else if (follow_ && row.rejected.empty()) {
      tell(Sighting::What::followed, row, was, "");
      approve(row);
    } else {
      tell(Sighting::What::quarantined, row, was, "changed");
    }
    out_.changed.push_back(std::move(row));
  }

  /// A definition that is not remembered.
  void meet(const store::DefinitionKey& key, const Definition& definition) {
    store::StoredDefinition row{
        .key = key, .current = version_of(definition), .first_seen = now_, .changed = now_};
    if (!definition.suspicions.empty()) {
      tell(Sighting::What::quarantined, row, "", definition.suspicions.front());
    } else if (follow_ || first_) {
      approve(row);
    } else {
      tell(Sighting::What::quarantined, row, "", "new");
    }
    out_.changed.push_back(std::move(row));
  }

  /// A definition that is remembered and not offered now.
  void miss(const store::StoredDefinition& known) {
    const bool decided = !known.rejected.empty() || !known.approved.hash.empty();
    // A server that is followed may invent names without end: of those nothing needs to stay.
    const bool of_no_weight = follow_ && known.rejected.empty() && known.decided_by == store::kFollowing;
    if (!decided || of_no_weight) {
      out_.forgotten.push_back(known.key);
      return;
    }
    if (known.current.hash.empty()) return;
    store::StoredDefinition row = known;
    const std::string was = row.current.hash;
    row.current = {};
    row.changed = now_;
    ++row.changes;
    tell(Sighting::What::gone, row, was, "");
    out_.changed.push_back(std::move(row));
  }

  static store::DefinitionVersion version_of(const Definition& definition) {
    return {.hash = definition.hash, .object = json::canonical(definition.object)};
  }

  void approve(store::StoredDefinition& row) {
    row.approved = row.current;
    row.decided = now_;
    row.decided_by = follow_ ? store::kFollowing : store::kAtFirstContact;
    ++out_.approved;
  }

  void tell(Sighting::What what, const store::StoredDefinition& row, std::string was, std::string why) {
    out_.sightings.push_back({.what = what,
                              .key = row.key,
                              .hash = row.current.hash,
                              .was = std::move(was),
                              .why = std::move(why)});
  }

  const Catalogue& catalogue_;
  const bool follow_, first_;
  const std::int64_t now_;
  std::map<store::DefinitionKey, const store::StoredDefinition*> left_;
  Observation out_;
};

/// A server must not fill the record with names of its own making.
std::string told_name(const std::string& name) {
  std::size_t end = std::min(name.size(), limits::kToldName);
  while (end > 0 && end < name.size() && (static_cast<unsigned char>(name[end]) & 0xC0U) == 0x80U) --end;
  return name.substr(0, end);
}

}  // namespace

std::string_view word_of(Sort sort) {
  switch (sort) {
    case Sort::tool:
      return "tool";
    case Sort::prompt:
      return "prompt";
    case Sort::resource_template:
      return "template";
    case Sort::resource:
      break;
  }
  return "";
}

Pins::Pins(const std::vector<store::StoredDefinition>& rows) {
  for (const auto& row : rows) {
    by_name_.emplace(std::pair(row.key.sort, row.key.name),
                     Versions{.approved = row.approved.hash, .rejections = !row.rejected.empty()});
  }
}

bool Pins::serve(Sort sort, const Definition& definition, store::Trust trust) const {
  const std::string_view word = word_of(sort);
  if (word.empty()) return true;
  const auto it = by_name_.find(std::pair(std::string(word), definition.name));
  if (it != by_name_.end()) {
    if (it->second.approved == definition.hash) return true;
    if (it->second.rejections) return false;
  }
  return trust == store::Trust::follow && definition.suspicions.empty();
}

Observation observe(const std::vector<store::StoredDefinition>& known, const Catalogue& catalogue,
                    store::Trust trust, bool first, std::int64_t now_millis) {
  return Look(known, catalogue, trust, first, now_millis).take();
}

std::string note_of(const std::string& server, const Observation& observation) {
  if (observation.sightings.empty() && observation.approved == 0) return {};
  static constexpr std::array<std::string_view, 4> kWords = {"followed", "quarantined", "returned", "gone"};
  std::string out = "\"server\":" + json::quote(server);
  if (observation.approved > 0) out += ",\"approved\":" + std::to_string(observation.approved);
  std::size_t told = 0;
  out += ",\"definitions\":[";
  for (const Sighting& one : observation.sightings) {
    if (told == limits::kDefinitionsTold) break;
    out += (told++ > 0 ? ",{\"what\":" : "{\"what\":") +
           json::quote(kWords[static_cast<std::size_t>(one.what)]) +
           ",\"sort\":" + json::quote(one.key.sort) + ",\"name\":" + json::quote(told_name(one.key.name)) +
           ",\"hash\":" + json::quote(one.hash);
    if (!one.was.empty()) out += ",\"was\":" + json::quote(one.was);
    if (!one.why.empty()) out += ",\"why\":" + json::quote(one.why);
    out += "}";
  }
  return out + "],\"more\":" + std::to_string(observation.sightings.size() - told);
}

}  // namespace sallyport::gateway
