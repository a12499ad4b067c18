#pragma once
/// What is remembered of the definitions that servers offer: which version of each is approved, which one is
/// offered now, and who decided.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::store {

/// One tool, prompt or resource template of one server.
struct DefinitionKey {
  std::string server;
  std::string sort;  ///< "tool" | "prompt" | "template"
  std::string name;  ///< the server's own name of it, or the URI template
  auto operator<=>(const DefinitionKey&) const = default;
};

/// Hash and object are both empty where there is none.
struct DefinitionVersion {
  std::string hash;    ///< SHA-256 of the object, as hex
  std::string object;  ///< canonical JSON (RFC 8785); left out where only hashes were asked for
};

struct StoredDefinition {
  DefinitionKey key;
  DefinitionVersion approved{};
  DefinitionVersion current{};  ///< what the server offers; empty: nothing of that name now
  /// Hashes of versions that a person rejected, the newest last, at most limits::kRejections. From the first
  /// one on nothing of this definition is taken up unseen, whatever its server's `trust` says.
  std::vector<std::string> rejected{};
  std::int64_t first_seen = 0;  ///< Unix milliseconds, like the next two
  std::int64_t changed = 0;     ///< when `current` became what it is
  std::int64_t decided = 0;
  std::int64_t changes = 0;  ///< how often `current` became another version
  /// Who approved `approved`: kAtFirstContact, kFollowing, "uid:1000", "agent:ops"; empty: nobody yet.
  std::string decided_by{};
  std::string rejected_by{};  ///< who rejected last
};

/// Who decided where no person did.
inline constexpr std::string_view kAtFirstContact = "first contact";
inline constexpr std::string_view kFollowing = "trust: follow";

enum class DefinitionState : std::uint8_t { approved, waiting, rejected, gone };
inline DefinitionState state_of(const StoredDefinition& definition) {
  const std::string& now = definition.current.hash;
  if (now.empty()) return DefinitionState::gone;
  if (std::ranges::find(definition.rejected, now) != definition.rejected.end())
    return DefinitionState::rejected;
  return now == definition.approved.hash ? DefinitionState::approved : DefinitionState::waiting;
}

/// What a person says about the version of a definition that they have seen.
struct DefinitionDecision {
  DefinitionKey key;
  std::string hash;  ///< whole
  bool approve = false;
};

}  // namespace sallyport::store
