#include "session.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <utility>

#include "sallyport/core/crypto.hpp"
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

EndedSessions::Key EndedSessions::key_of(std::string_view nonce) {
  Key key{};
  if (nonce.size() <= key.size()) {
    std::ranges::copy(nonce, key.begin());
  } else {
    const Digest digest = sha256(nonce);
    std::copy_n(digest.begin(), key.size(), key.begin());
  }
  return key;
}

std::size_t EndedSessions::place_of(const std::vector<Key>& slots, const Key& key) {
  std::size_t at =
      std::hash<std::string_view>()(std::string_view(key.data(), key.size())) & (slots.size() - 1);
  while (slots[at] != Key{} && slots[at] != key) at = (at + 1) & (slots.size() - 1);
  return at;
}

bool EndedSessions::Part::contains(const Key& key) const {
  return !slots.empty() && slots[place_of(slots, key)] == key;
}

void EndedSessions::Part::add(const Key& key) {
  if (count + 1 > slots.size() / 8 * 7) {
    std::vector<Key> larger(std::max<std::size_t>(64, slots.size() * 2));
    for (const Key& one : slots) {
      if (one != Key{}) larger[place_of(larger, one)] = one;
    }
    slots = std::move(larger);
  }
  Key& slot = slots[place_of(slots, key)];
  count += slot == key ? 0 : 1;
  slot = key;
}

bool EndedSessions::contains(std::string_view nonce) const {
  if (newer_.count == 0 && older_.count == 0) return false;
  const Key key = key_of(nonce);
  return newer_.contains(key) || older_.contains(key);
}

void EndedSessions::add(std::string_view nonce, std::int64_t now) {
  constexpr std::int64_t kLife = std::chrono::seconds(limits::kSessionLife).count();
  // What ended a session's life ago has expired by itself since. A full table of others means an attack by
  // key holders; the oldest knowledge is not worth the memory.
  if (newer_.count >= limits::kTombstones || (newer_.count > 0 && now - newer_.since > kLife))
    older_ = std::exchange(newer_, {});
  if (newer_.count == 0) newer_.since = now;
  newer_.add(key_of(nonce));
}

std::string SessionTable::log_level(const std::string& nonce) const {
  const auto it = levels_.find(nonce);
  return it == levels_.end() ? "" : it->second.level;
}

void SessionTable::end(const std::string& nonce, std::int64_t now) {
  levels_.erase(nonce);
  ended_.add(nonce, now);
}

void SessionTable::set_level(const std::string& nonce, Level level, std::int64_t now) {
  if (ended(nonce)) return;
  if (levels_.size() >= limits::kSessionLevels) {
    std::erase_if(levels_, [&](const auto& entry) { return entry.second.expires <= now; });
    while (levels_.size() > limits::kSessionLevels / 8 * 7) levels_.erase(levels_.begin());
  }
  levels_[nonce] = std::move(level);
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
