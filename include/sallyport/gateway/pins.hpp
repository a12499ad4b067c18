#pragma once
/// Which versions of a server's definitions are served (DESIGN 3.13): decided from what is remembered of them
/// and from what the server offers now. Pure; the registry keeps the outcome.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/gateway/catalogue.hpp"
#include "sallyport/store/definitions.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::gateway {

/// "tool", "prompt" or "template"; empty for resources, which come and go and are not pinned.
std::string_view word_of(Sort sort);

/// What was decided about one server's definitions: part of what a snapshot is built from. Threads:
/// immutable.
class Pins {
 public:
  Pins() = default;
  explicit Pins(const std::vector<store::StoredDefinition>& rows);
  /// A version that was approved; and under `trust: follow` every version that no person must look at first,
  /// as long as none of that definition was rejected.
  bool serve(Sort sort, const Definition& definition, store::Trust trust) const;

 private:
  struct Versions {
    std::string approved;
    bool rejections = false;  ///< a person rejected some version: nothing else is taken up unseen
  };
  std::map<std::pair<std::string, std::string>, Versions, std::less<>> by_name_;  // (sort, name)
};

/// Something about one definition that the record should have.
struct Sighting {
  enum class What : std::uint8_t {
    followed,     ///< another version was taken up
    quarantined,  ///< a version waits for a person
    returned,     ///< the approved version is back after another one
    gone          ///< an approved definition is not offered any more
  } what;
  store::DefinitionKey key;
  std::string hash{};  ///< of the version that is offered now
  std::string was{};   ///< of the version before; empty: there was none
  std::string why{};   ///< of a quarantine: "new", "changed", "rejected before", or what is suspicious
};

/// What one look at a server's lists changes.
struct Observation {
  std::vector<store::StoredDefinition> changed;  ///< rows to write, whole
  std::vector<store::DefinitionKey> forgotten;   ///< rows to remove
  std::vector<Sighting> sightings;
  std::size_t approved = 0;  ///< definitions that were approved by this look
  bool empty() const { return changed.empty() && forgotten.empty(); }
};

/// `known`: all rows of that server, with objects. `first`: nothing of this server was recorded before, so
/// what is there is approved as a set. Suspicious definitions wait for a person in every case.
Observation observe(const std::vector<store::StoredDefinition>& known, const Catalogue& catalogue,
                    store::Trust trust, bool first, std::int64_t now_millis);

/// Members of a journal note about an observation; empty when there is nothing to tell.
std::string note_of(const std::string& server, const Observation& observation);

}  // namespace sallyport::gateway
