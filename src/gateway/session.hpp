#pragma once
/// Legacy sessions: ids that carry their meaning, and the little state that must be remembered beside them.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/mcp/message.hpp"

namespace sallyport::gateway {

/// What a session id says. Sealed for one principal and endpoint (DESIGN 3.9).
struct Session {
  std::string nonce;  ///< 128 random bits
  mcp::Version version = mcp::kNewestLegacy;
  std::string capabilities = "{}";  ///< what the client can be asked (wire::carried_capabilities)
  std::int64_t expires = 0;         ///< Unix seconds
  int home = 0;                     ///< shard that made it
  std::string start{};              ///< run of the program that made it
};

std::string seal_session(const identity::Sealer& sealer, const Session& session, std::string_view bound);
/// Errors: not_found for everything that is not a live session of `bound`.
Result<Session> open_session(const identity::Sealer& sealer, std::string_view id, std::string_view bound,
                             SystemTime now);

/// Which sessions have ended, by their nonces: at least the last limits::kTombstones of a day, in 27 to 64
/// bytes each. The oldest are forgotten first, all of one half at once.
class EndedSessions {
 public:
  bool contains(std::string_view nonce) const;
  /// `now` in Unix seconds.
  void add(std::string_view nonce, std::int64_t now);

 private:
  /// A nonce, filled up with zeros; a longer one by its digest.
  using Key = std::array<char, 24>;
  static Key key_of(std::string_view nonce);
  /// Open addressing, at most seven eighths full; a slot of zeros is free.
  struct Part {
    std::vector<Key> slots{};
    std::size_t count = 0;
    std::int64_t since = 0;  ///< Unix seconds of the first one
    bool contains(const Key& key) const;
    void add(const Key& key);
  };
  static std::size_t place_of(const std::vector<Key>& slots, const Key& key);
  Part newer_, older_;
};

/// Ended sessions and log levels. Every shard has one; changes are told to all of them. Threads: its
/// shard's.
class SessionTable {
 public:
  struct Level {
    std::string level{};
    std::int64_t expires = 0;  ///< of the session, Unix seconds
  };
  bool ended(const std::string& nonce) const { return ended_.contains(nonce); }
  /// Empty where the session never asked for one, or has ended.
  std::string log_level(const std::string& nonce) const;
  void end(const std::string& nonce, std::int64_t now);
  /// What an ended session asks for counts for nothing. Bounded by limits::kSessionLevels: some are
  /// forgotten, those of expired sessions first.
  void set_level(const std::string& nonce, Level level, std::int64_t now);

 private:
  EndedSessions ended_;
  std::unordered_map<std::string, Level> levels_;
};

/// Order of syslog severities in MCP logging; -1 for an unknown level.
int log_severity(std::string_view level);

}  // namespace sallyport::gateway
