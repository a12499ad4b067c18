#include "sallyport/store/accounts.hpp"

#include <algorithm>
#include <charconv>

#include "meta.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kNameBytes = 128;
constexpr std::string_view kRing = "signing";
constexpr std::string_view kRotated = "signing.rotated";
constexpr std::string_view kGrantColumns =
    "id, user, client, client_name, resource, scope, serial, created, renewed, expires, ended, why";

std::int64_t millis(Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

User user_of(const Statement& row) {
  return {.name = row.text(0), .password = row.text(1), .created = row.integer(2), .changed = row.integer(3)};
}

Grant grant_of(const Statement& row) {
  Grant out{.id = row.text(0),
            .user = row.text(1),
            .client = row.text(2),
            .client_name = row.text(3),
            .resource = row.text(4),
            .scope = row.text(5),
            .serial = row.integer(6),
            .created = row.integer(7),
            .renewed = row.integer(8),
            .expires = row.integer(9),
            .why = row.text(11)};
  if (!row.is_null(10)) out.ended = row.integer(10);
  return out;
}

/// Every row of a statement that is bound.
template <class Row>
Result<std::vector<Row>> all(Statement& rows, Row (*row_of)(const Statement&)) {
  std::vector<Row> out;
  while (true) {
    auto more = rows.step();
    if (!more) return Failure(more.error());
    if (!*more) return out;
    out.push_back(row_of(rows));
  }
}

Result<void> done(Statement& statement) {
  if (auto stepped = statement.step(); !stepped) return Failure(stepped.error());
  return {};
}

}  // namespace

std::string user_name_problem(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (name.empty()) return "is empty";
  if (name.size() > kNameBytes) return "is longer than 128 bytes";
  if (!letter(name.front()) ||
      !std::ranges::all_of(name, [&](char c) { return letter(c) || std::string_view("._@+-").contains(c); }))
    return "has to be lower-case letters, digits and . _ @ + -, and to begin with a letter or digit";
  return "";
}

Result<std::vector<User>> Accounts::users() const {
  auto rows = database_.prepare("SELECT name, password, created, changed FROM users ORDER BY name");
  if (!rows) return Failure(rows.error());
  return all<User>(*rows, user_of);
}

Result<bool> Accounts::any_user() const {
  auto row = database_.prepare("SELECT 1 FROM users LIMIT 1");
  if (!row) return Failure(row.error());
  return row->step();
}

Result<std::optional<User>> Accounts::user(std::string_view name) const {
  auto row = database_.prepare("SELECT name, password, created, changed FROM users WHERE name = ?");
  if (!row) return Failure(row.error());
  auto found = row->bind(name).step();
  if (!found) return Failure(found.error());
  if (!*found) return std::nullopt;
  return user_of(*row);
}

Result<bool> Accounts::save_user(const std::string& name, const std::string& password) {
  if (const auto problem = user_name_problem(name); !problem.empty())
    return client_error(Code::bad_request, "the user's name " + problem);
  bool made = false;
  auto saved = database_.transaction([&]() -> Result<void> {
    auto known = user(name);
    if (!known) return Failure(known.error());
    made = !known->has_value();
    // Two changes within a millisecond are two changes.
    const std::int64_t now = std::max(unix_millis(clock_.now()), made ? 0 : (*known)->changed + 1);
    auto row = database_.prepare(
        "INSERT INTO users (name, password, created, changed) VALUES (?1, ?2, ?3, ?3) "
        "ON CONFLICT (name) DO UPDATE SET password = ?2, changed = ?3");
    if (!row) return Failure(row.error());
    if (auto ok = done(row->bind(name).bind(password).bind(now)); !ok) return ok;
    if (auto ended = end_grants_of(name, "password"); !ended) return ended;
    if (auto next = next_generation(database_); !next) return Failure(next.error());
    return {};
  });
  if (!saved) return Failure(saved.error());
  return made;
}

Result<void> Accounts::remove_user(const std::string& name) {
  return database_.transaction([&]() -> Result<void> {
    auto known = user(name);
    if (!known) return Failure(known.error());
    if (!*known)
      return client_error(Code::not_found, "there is no such user; `sallyport user list` shows them");
    auto row = database_.prepare("DELETE FROM users WHERE name = ?");
    if (!row) return Failure(row.error());
    if (auto ok = done(row->bind(name)); !ok) return ok;
    if (auto ended = end_grants_of(name, "user"); !ended) return ended;
    if (auto next = next_generation(database_); !next) return Failure(next.error());
    return {};
  });
}

Result<void> Accounts::end_grants_of(const std::string& user, std::string_view why) {
  auto row = database_.prepare("UPDATE grants SET ended = ?, why = ? WHERE user = ? AND ended IS NULL");
  if (!row) return Failure(row.error());
  return done(row->bind(unix_millis(clock_.now())).bind(why).bind(user));
}

Result<bool> Accounts::begin_grant(const Grant& grant) {
  bool begun = false;
  auto saved = database_.transaction([&]() -> Result<void> {
    const std::int64_t now = unix_millis(clock_.now());
    auto old = database_.prepare("DELETE FROM grants WHERE ended < ?1 OR expires < ?1");
    if (!old) return Failure(old.error());
    if (auto ok = done(old->bind(now - millis(limits::kGrantShown))); !ok) return ok;
    auto known = user(grant.user);
    if (!known) return Failure(known.error());
    if (!*known) return client_error(Code::not_found, "the user is gone");
    auto row = database_.prepare("SELECT 1 FROM grants WHERE id = ?");
    if (!row) return Failure(row.error());
    auto twice = row->bind(grant.id).step();
    if (!twice) return Failure(twice.error());
    if (*twice) {
      auto ended = end_grant(grant.id, "replayed");
      return ended ? Result<void>() : Failure(ended.error());
    }
    begun = true;
    auto insert = database_.prepare(
        "INSERT INTO grants (id, user, client, client_name, resource, scope, serial, created, renewed, "
        "expires, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, ?7, ?8, '')");
    if (!insert) return Failure(insert.error());
    insert->bind(grant.id).bind(grant.user).bind(grant.client).bind(grant.client_name).bind(grant.resource);
    return done(insert->bind(grant.scope).bind(now).bind(now + millis(limits::kGrantLife)));
  });
  if (!saved) return Failure(saved.error());
  return begun;
}

Result<Accounts::Renewed> Accounts::renew_grant(const std::string& id, std::int64_t serial) {
  Renewed out;
  auto saved = database_.transaction([&]() -> Result<void> {
    auto row = database_.prepare("SELECT " + std::string(kGrantColumns) + " FROM grants WHERE id = ?");
    if (!row) return Failure(row.error());
    auto found = row->bind(id).step();
    if (!found) return Failure(found.error());
    const std::int64_t now = unix_millis(clock_.now());
    if (!*found) return {};
    out.grant = grant_of(*row);
    if (!out.grant.active(now)) return {};
    const bool newest = serial == out.grant.serial;
    const bool again =
        serial == out.grant.serial - 1 && now - out.grant.renewed <= millis(limits::kRefreshAgain);
    if (!newest && !again) {
      out.what = Renewal::reused;
      auto ended = end_grant(id, "reused");
      return ended ? Result<void>() : Failure(ended.error());
    }
    out.what = Renewal::fresh;
    if (again) return {};
    ++out.grant.serial;
    auto update = database_.prepare("UPDATE grants SET serial = ?, renewed = ?, expires = ? WHERE id = ?");
    if (!update) return Failure(update.error());
    return done(update->bind(out.grant.serial).bind(now).bind(now + millis(limits::kGrantLife)).bind(id));
  });
  if (!saved) return Failure(saved.error());
  return out;
}

Result<std::vector<Grant>> Accounts::grants(const std::string& user) const {
  auto rows = database_.prepare("SELECT " + std::string(kGrantColumns) +
                                " FROM grants WHERE ?1 = '' OR user = ?1 ORDER BY created DESC, id");
  if (!rows) return Failure(rows.error());
  rows->bind(user);
  return all<Grant>(*rows, grant_of);
}

Result<bool> Accounts::end_grant(const std::string& id, std::string_view why) {
  bool ended = false;
  auto saved = database_.transaction([&]() -> Result<void> {
    auto row = database_.prepare("SELECT ended FROM grants WHERE id = ?");
    if (!row) return Failure(row.error());
    auto found = row->bind(id).step();
    if (!found) return Failure(found.error());
    if (!*found)
      return client_error(Code::not_found, "there is no such grant; `sallyport user grants` shows them");
    if (!row->is_null(0)) return {};
    ended = true;
    auto update = database_.prepare("UPDATE grants SET ended = ?, why = ? WHERE id = ?");
    if (!update) return Failure(update.error());
    return done(update->bind(unix_millis(clock_.now())).bind(why).bind(id));
  });
  if (!saved) return Failure(saved.error());
  return ended;
}

Result<std::vector<std::string>> Accounts::ended_grants() const {
  auto rows = database_.prepare("SELECT id FROM grants WHERE ended >= ?");
  if (!rows) return Failure(rows.error());
  rows->bind(unix_millis(clock_.now()) - 2 * millis(limits::kAccessLife));
  return all<std::string>(*rows, [](const Statement& row) { return row.text(0); });
}

Result<std::vector<Secret>> Accounts::signing_ring() {
  const std::int64_t now = unix_millis(clock_.now());
  auto rotated = meta(database_, kRotated);
  if (!rotated) return Failure(rotated.error());
  std::int64_t at = 0;
  if (*rotated) std::from_chars((*rotated)->data(), (*rotated)->data() + (*rotated)->size(), at);
  if (!database_.read_only() && now - at >= millis(limits::kSigningKeyLife)) {
    auto turned = database_.transaction([&]() -> Result<void> {
      if (auto made = vault_.rotate_ring(std::string(kRing)); !made) return made;
      return set_meta(database_, kRotated, std::to_string(now));
    });
    if (!turned) return Failure(turned.error());
  }
  return vault_.key_ring(std::string(kRing));
}

}  // namespace sallyport::store
