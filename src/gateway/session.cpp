#include "session.hpp"

#include <algorithm>
#include <array>

#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sealed_payload.hpp"

namespace sallyport::gateway {
namespace {

constexpr std::string_view kPurpose = "session";

std::int64_t unix_seconds(SystemTime t) { return unix_millis(t) / 1000; }

Failure no_session() {
  return client_error(Code::not_found,
                      "Session not found: it ended, expired or is not yours. Send initialize again.");
}

}  // namespace

std::string seal_session(const identity::Sealer& sealer, const Session& session, std::string_view bound) {
  std::string out = "{\"n\":" + json::quote(session.nonce) +
                    ",\"v\":" + json::quote(mcp::text_of(session.version)) +
                    ",\"x\":" + std::to_string(session.expires) + ",\"h\":" + std::to_string(session.home) +
                    ",\"s\":" + json::quote(session.start);
  if (!session.capabilities.empty()) out += ",\"c\":" + session.capabilities;
  return sealer.seal(kPurpose, bound, out + "}");
}

Result<Session> open_session(const identity::Sealer& sealer, std::string_view id, std::string_view bound,
                             SystemTime now) {
  const auto said = SealedPayload::open(sealer, kPurpose, bound, id);
  if (!said) return no_session();
  const auto version = mcp::version_from(said->text("v"));
  Session session{.nonce = said->text("n"),
                  .version = version.value_or(mcp::kNewestLegacy),
                  .expires = said->number("x"),
                  .home = static_cast<int>(said->number("h")),
                  .start = said->text("s")};
  if (auto capabilities = said->raw("c"); !capabilities.empty())
    session.capabilities = std::move(capabilities);
  if (!version || session.nonce.empty() || session.expires <= unix_seconds(now)) return no_session();
  return session;
}

bool SessionTable::deleted(const std::string& nonce) const {
  const auto it = entries_.find(nonce);
  return it != entries_.end() && it->second.deleted;
}

std::string SessionTable::log_level(const std::string& nonce) const {
  const auto it = entries_.find(nonce);
  return it == entries_.end() ? "" : it->second.log_level;
}

void SessionTable::set(const std::string& nonce, Entry entry) {
  if (entries_.size() >= limits::kTombstones) sweep(unix_seconds(std::chrono::system_clock::now()));
  // A full table of live tombstones means an attack by key holders; the oldest knowledge is not worth the
  // memory.
  if (entries_.size() >= limits::kTombstones) {
    // Log levels go first: a forgotten tombstone would let a session live again.
    auto victim =
        std::find_if(entries_.begin(), entries_.end(), [](const auto& e) { return !e.second.deleted; });
    entries_.erase(victim == entries_.end() ? entries_.begin() : victim);
  }
  Entry& slot = entries_[nonce];
  entry.deleted |= slot.deleted;
  slot = std::move(entry);
}

void SessionTable::sweep(std::int64_t now) {
  std::erase_if(entries_, [&](const auto& entry) { return entry.second.expires <= now; });
}

int log_severity(std::string_view level) {
  constexpr std::array<std::string_view, 8> kLevels{"debug", "info",     "notice", "warning",
                                                    "error", "critical", "alert",  "emergency"};
  for (std::size_t i = 0; i < kLevels.size(); ++i) {
    if (kLevels[i] == level) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace sallyport::gateway
