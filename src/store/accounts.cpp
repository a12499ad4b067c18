#include "sallyport/store/accounts.hpp"

#include <algorithm>
#include <charconv>

#include "meta.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kNameBytes = 128;
constexpr std::string_view kRing = "signing";
constexpr std::string_view kRotated = "signing.rotated";
constexpr std::string_view kGrantColumns =
    "id, user, issuer, identity, client, client_name, resource, scope, ends, serial, created, renewed, "
    "expires, ended, why, how, actor, tools, above";

std::int64_t millis(Duration time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

/// Until when a grant that is renewed now can be renewed again.
std::int64_t expiry(std::int64_t now, std::int64_t ends) {
  const std::int64_t out = now + millis(limits::kGrantLife);
  return ends == 0 ? out : std::min(out, ends);
}

User user_of(const Statement& row) {
  return {.name = row.text(0), .password = row.text(1), .created = row.integer(2), .changed = row.integer(3)};
}

Grant grant_of(const Statement& row) {
  Grant out{.id = row.text(0),
            .user = row.text(1),
            .issuer = row.text(2),
            .identity = row.text(3),
            .client = row.text(4),
            .client_name = row.text(5),
            .resource = row.text(6),
            .scope = row.text(7),
            .ends = row.integer(8),
            .serial = row.integer(9),
            .created = row.integer(10),
            .renewed = row.integer(11),
            .expires = row.integer(12),
            .why = row.text(14),
            .how = row.text(15),
            .actor = row.text(16)};
  if (!row.is_null(13)) out.ended = row.integer(13);
  if (const auto tools = json::Document::parse(row.text(17)); tools && tools->root().is(json::Kind::array))
    out.tools = json::texts_of(tools->root());
  const std::string above = row.text(18);
  for (std::string_view rest = above; !rest.empty();) {
    const auto one = rest.substr(0, rest.find(' '));
    out.above.emplace_back(one);
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
  }
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
    const std::int64_t now = unix_millis(clock_.now());
    auto row = database_.prepare(
        "INSERT INTO users (name, password, created, changed) VALUES (?1, ?2, ?3, ?3) "
        "ON CONFLICT (name) DO UPDATE SET password = ?2, changed = ?3");
    if (!row) return Failure(row.error());
    if (auto ok = done(row->bind(name).bind(password).bind(now)); !ok) return ok;
    if (auto ended = end_all_of(name, "password"); !ended) return ended;
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
    if (auto ended = end_all_of(name, "user"); !ended) return ended;
    if (auto next = next_generation(database_); !next) return Failure(next.error());
    return {};
  });
}

Result<void> Accounts::end_all_of(const std::string& user, std::string_view why) {
  auto row = database_.prepare(
      "UPDATE grants SET ended = ?, why = ? WHERE issuer = ? AND user = ? AND ended IS NULL");
  if (!row) return Failure(row.error());
  row->bind(unix_millis(clock_.now())).bind(why).bind(kLocalUsers).bind(user);
  if (auto ok = done(*row); !ok) return ok;
  auto browsers = database_.prepare("DELETE FROM sign_ins WHERE issuer = ? AND user = ?");
  if (!browsers) return Failure(browsers.error());
  return done(browsers->bind(kLocalUsers).bind(user));
}

Result<bool> Accounts::begin_sign_in(const SignIn& sign_in, const std::string& password) {
  bool begun = false;
  auto saved = database_.transaction([&]() -> Result<void> {
    auto old = database_.prepare("DELETE FROM sign_ins WHERE until < ?");
    if (!old) return Failure(old.error());
    if (auto ok = done(old->bind(unix_millis(clock_.now()) - millis(limits::kCodeLife))); !ok) return ok;
    if (sign_in.issuer == kLocalUsers) {
      auto known = user(sign_in.user);
      if (!known) return Failure(known.error());
      if (!*known || (*known)->password != password) return {};
    }
    begun = true;
    auto row =
        database_.prepare("INSERT INTO sign_ins (id, user, issuer, identity, until) VALUES (?, ?, ?, ?, ?)");
    if (!row) return Failure(row.error());
    row->bind(sign_in.id).bind(sign_in.user).bind(sign_in.issuer).bind(sign_in.identity);
    return done(row->bind(sign_in.until));
  });
  if (!saved) return Failure(saved.error());
  return begun;
}

Result<std::optional<SignIn>> Accounts::sign_in(std::string_view id, Duration slack) const {
  auto row =
      database_.prepare("SELECT id, user, issuer, identity, until FROM sign_ins WHERE id = ? AND until > ?");
  if (!row) return Failure(row.error());
  auto found = row->bind(id).bind(unix_millis(clock_.now()) - millis(slack)).step();
  if (!found) return Failure(found.error());
  if (!*found) return std::nullopt;
  return SignIn{.id = row->text(0),
                .user = row->text(1),
                .issuer = row->text(2),
                .identity = row->text(3),
                .until = row->integer(4)};
}

Result<void> Accounts::end_sign_ins(const Grant& grant) {
  auto row = database_.prepare("DELETE FROM sign_ins WHERE issuer = ? AND user = ?");
  if (!row) return Failure(row.error());
  return done(row->bind(grant.issuer).bind(grant.user));
}

Result<Accounts::Started> Accounts::begin_grant(const Grant& grant, const std::string& sign_in_id,
                                                const Complete& complete) {
  Started out{.grant = grant};
  auto saved = database_.transaction([&]() -> Result<void> {
    const std::int64_t now = unix_millis(clock_.now());
    auto old = database_.prepare("DELETE FROM grants WHERE ended < ?1 OR expires < ?1");
    if (!old) return Failure(old.error());
    if (auto ok = done(old->bind(now - millis(limits::kGrantShown))); !ok) return ok;
    auto row = database_.prepare("SELECT user FROM grants WHERE id = ?");
    if (!row) return Failure(row.error());
    auto twice = row->bind(grant.id).step();
    if (!twice) return Failure(twice.error());
    if (*twice) {
      out.what = Start::replayed;
      out.grant.user = row->text(0);
      auto ended = end_grant(grant.id, "replayed");
      if (!ended) return Failure(ended.error());
      out.ended_now = *ended;
      return {};
    }
    auto by = sign_in(sign_in_id, limits::kCodeLife);
    if (!by) return Failure(by.error());
    if (!*by || !complete(**by, out.grant)) return {};
    Grant& made = out.grant;
    made.user = (*by)->user;
    made.issuer = (*by)->issuer;
    made.identity = (*by)->identity;
    made.serial = 1;
    out.what = Start::begun;
    auto insert = database_.prepare(
        "INSERT INTO grants (id, user, issuer, identity, client, client_name, resource, scope, ends, serial, "
        "created, renewed, expires, why) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?10, ?11, '')");
    if (!insert) return Failure(insert.error());
    insert->bind(made.id).bind(made.user).bind(made.issuer).bind(made.identity).bind(made.client);
    insert->bind(made.client_name).bind(made.resource).bind(made.scope).bind(made.ends);
    return done(insert->bind(now).bind(expiry(now, made.ends)));
  });
  if (!saved) return Failure(saved.error());
  return out;
}

Result<Accounts::Renewed> Accounts::renew_grant(const std::string& id, std::int64_t serial,
                                                const std::function<bool(const Grant&)>& accept) {
  Renewed out;
  auto saved = database_.transaction([&]() -> Result<void> {
    auto row = database_.prepare("SELECT " + std::string(kGrantColumns) + " FROM grants WHERE id = ?");
    if (!row) return Failure(row.error());
    auto found = row->bind(id).step();
    if (!found) return Failure(found.error());
    const std::int64_t now = unix_millis(clock_.now());
    if (!*found) return {};
    out.grant = grant_of(*row);
    if (!out.grant.active(now) || !accept(out.grant)) return {};
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
    return done(update->bind(out.grant.serial).bind(now).bind(expiry(now, out.grant.ends)).bind(id));
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
  auto rows = database_.prepare(
      "SELECT id FROM grants WHERE ended >= ?1 UNION ALL SELECT 'key:' || id FROM keys WHERE revoked >= ?1");
  if (!rows) return Failure(rows.error());
  // The longest-lived token, and once more for clocks that differ.
  rows->bind(unix_millis(clock_.now()) - millis(limits::kMintedLife) - 2 * millis(limits::kAccessLife));
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
    // Those that there are go on signing until the disk takes others.
    if (!turned && !*rotated) return Failure(turned.error());
  }
  return vault_.key_ring(std::string(kRing));
}

}  // namespace sallyport::store
