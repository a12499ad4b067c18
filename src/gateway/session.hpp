#pragma once
/// Legacy sessions: ids that carry their meaning, and the little state that must be remembered beside them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

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

/// Deleted sessions and log levels. Every shard has one; changes are told to all of them. Threads: its
/// shard's.
class SessionTable {
 public:
  struct Entry {
    bool deleted = false;
    std::string log_level{};
    std::int64_t expires = 0;
  };
  bool deleted(const std::string& nonce) const;
  std::string log_level(const std::string& nonce) const;
  void set(const std::string& nonce, Entry entry);

 private:
  /// Drops what has expired; bounded by limits::kTombstones.
  void sweep(std::int64_t now);
  std::unordered_map<std::string, Entry> entries_;
};

/// Order of syslog severities in MCP logging; -1 for an unknown level.
int log_severity(std::string_view level);

}  // namespace sallyport::gateway
