// Tokens that programs are given, and the assertions that they were given for.
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/store/accounts.hpp"
#include "sallyport/store/grounds.hpp"

namespace sallyport::store {
namespace {

/// What is over for so long cannot come back, whatever clocks say.
constexpr std::int64_t kForgotten = 3'600'000;

Result<bool> any(Statement& statement) { return statement.step(); }

Result<void> done(Statement& statement) {
  if (auto stepped = statement.step(); !stepped) return Failure(stepped.error());
  return {};
}

Result<std::int64_t> number(Statement& statement) {
  if (auto stepped = statement.step(); !stepped) return Failure(stepped.error());
  return statement.integer(0);
}

/// Whether there is such an agent, and it is not disabled.
Result<bool> acts(Database& database, std::string_view agent) {
  auto row = database.prepare(
      "SELECT 1 FROM documents WHERE kind = 'Agent' AND name = ? AND coalesce(json_extract(json, "
      "'$.disabled'), 0) = 0");
  if (!row) return Failure(row.error());
  return any(row->bind(agent));
}

}  // namespace

Result<bool> Accounts::stands(const Grant& token) const {
  const std::int64_t now = unix_millis(clock_.now());
  if (token.issuer.empty()) {
    if (auto there = acts(database_, token.user); !there || !*there) return there;
  }
  for (const std::string& ground : token.above) {
    if (const auto agent = agent_of_ground(ground); !agent.empty()) {
      if (auto there = acts(database_, agent); !there || !*there) return there;
      continue;
    }
    auto row = database_.prepare(
        "SELECT 1 FROM grants WHERE id = ?1 AND ended IS NULL AND expires > ?2 UNION ALL "
        "SELECT 1 FROM keys WHERE 'key:' || id = ?1 AND revoked IS NULL AND (expires IS NULL OR expires > "
        "?2)");
    if (!row) return Failure(row.error());
    if (auto there = any(row->bind(ground).bind(now)); !there || !*there) return there;
  }
  return true;
}

Result<bool> Accounts::take(const std::vector<Assertion>& assertions) {
  for (const Assertion& one : assertions) {
    // It was good when it was looked at; by now nobody may know any more whether it was taken.
    if (one.until <= unix_millis(clock_.now())) return false;
    auto row = database_.prepare(
        "INSERT INTO assertions (issuer, id, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1");
    if (!row) return Failure(row.error());
    auto fresh = any(row->bind(one.issuer).bind(sha256_hex(one.id)).bind(one.until));
    if (!fresh || !*fresh) return fresh;
    if (auto ok = done(*row); !ok) return Failure(ok.error());
  }
  return true;
}

Result<bool> Accounts::has_room(const Grant& token, const std::vector<Assertion>& assertions) const {
  auto mine = database_.prepare(
      "SELECT count(*) FROM grants WHERE issuer = ? AND user = ? AND how <> 'consent' AND expires > ? AND "
      "ended IS "
      "NULL");
  if (!mine) return Failure(mine.error());
  auto tokens = number(mine->bind(token.issuer).bind(token.user).bind(unix_millis(clock_.now())));
  if (!tokens) return Failure(tokens.error());
  if (*tokens >= static_cast<std::int64_t>(limits::kTokensOfOne)) return false;
  for (const Assertion& one : assertions) {
    auto row = database_.prepare("SELECT count(*) FROM assertions WHERE issuer = ?");
    if (!row) return Failure(row.error());
    auto taken = number(row->bind(one.issuer));
    if (!taken) return Failure(taken.error());
    if (*taken >= static_cast<std::int64_t>(limits::kAssertionsOfOne)) return false;
  }
  return true;
}

Result<Accounts::Start> Accounts::begin_token(const Grant& token, const std::vector<Assertion>& taken) {
  Start out = Start::over;
  auto saved = database_.transaction([&]() -> Result<void> {
    const std::int64_t now = unix_millis(clock_.now());
    auto old = database_.prepare("DELETE FROM grants WHERE expires < ? AND how <> 'consent'");
    if (!old) return Failure(old.error());
    if (auto ok = done(old->bind(now - kForgotten)); !ok) return ok;
    auto late = database_.prepare("DELETE FROM assertions WHERE until < ?");
    if (!late) return Failure(late.error());
    if (auto ok = done(late->bind(now)); !ok) return ok;

    auto holds = stands(token);
    if (!holds) return Failure(holds.error());
    if (!*holds) return {};
    auto room = has_room(token, taken);
    if (!room) return Failure(room.error());
    out = Start::full;
    if (!*room) return {};
    auto fresh = take(taken);
    if (!fresh) return Failure(fresh.error());
    out = Start::replayed;
    if (!*fresh) return {};
    out = Start::begun;
    std::string above;
    for (const auto& ground : token.above) above += (above.empty() ? "" : " ") + ground;
    auto row = database_.prepare(
        "INSERT INTO grants (id, user, issuer, identity, client, client_name, resource, scope, ends, serial, "
        "created, renewed, expires, why, how, actor, tools, above) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?10, ?9, '', ?11, ?12, ?13, ?14)");
    if (!row) return Failure(row.error());
    row->bind(token.id).bind(token.user).bind(token.issuer).bind(token.identity).bind(token.client);
    row->bind(token.client_name).bind(token.resource).bind(token.scope).bind(token.expires).bind(now);
    row->bind(token.how).bind(token.actor).bind(token.tools ? json::list_of(*token.tools) : "").bind(above);
    return done(*row);
  });
  if (!saved) return Failure(saved.error());
  return out;
}

}  // namespace sallyport::store
