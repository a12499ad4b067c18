#include <fmt/format.h>

#include "document_check.hpp"
#include "meta.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kIdLetters = 10;
constexpr std::size_t kSecretBytes = 32;

std::string random_base62(std::size_t length) {
  static constexpr std::string_view kLetters =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string out;
  while (out.size() < length) {
    for (const char c : random_bytes(length)) {
      const auto byte = static_cast<unsigned char>(c);
      // Bytes beyond the last full round of letters would make the first ones likelier.
      if (byte < 4 * kLetters.size() && out.size() < length) out += kLetters[byte % kLetters.size()];
    }
  }
  return out;
}

Result<void> ensure_agent(Database& database, const std::string& name, std::int64_t generation,
                          std::int64_t now) {
  auto row = database.prepare(
      "INSERT INTO documents (kind, name, json, generation, origin, updated) VALUES ('Agent', ?, ?, ?, "
      "'key', ?) "
      "ON CONFLICT (kind, name) DO NOTHING");
  if (!row) return Failure(row.error());
  row->bind(name).bind(to_json(Agent{.name = name})).bind(generation);
  if (auto done = row->bind(now).step(); !done) return Failure(done.error());
  return {};
}

void bind_time(Statement& row, const std::optional<std::int64_t>& time) {
  if (time) {
    row.bind(*time);
  } else {
    row.bind_null();
  }
}

std::optional<std::int64_t> time_of(const Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.integer(column);
}

Result<void> insert_key(Database& database, const ApiKey& key) {
  auto row = database.prepare(
      "INSERT INTO keys (id, hash, agent, note, admin, created, expires) VALUES (?, ?, ?, ?, ?, ?, ?)");
  if (!row) return Failure(row.error());
  row->bind(key.id)
      .bind(key.hash)
      .bind(key.agent)
      .bind(key.note)
      .bind(std::int64_t{key.admin})
      .bind(key.created);
  bind_time(*row, key.expires);
  if (auto done = row->step(); !done) return Failure(done.error());
  return {};
}

}  // namespace

Result<Registry::NewKey> Registry::create_key(const std::string& agent, const std::string& note, bool admin,
                                              std::optional<std::int64_t> expires) {
  const std::int64_t now = unix_millis(clock_.now());
  if (const std::string wrong = check::name(agent); !wrong.empty()) {
    return client_error(Code::bad_request, "the agent's name " + wrong);
  }
  if (!note.empty()) {
    const std::string wrong = is_utf8(note) ? check::line(note) : "is not UTF-8";
    if (!wrong.empty()) return client_error(Code::bad_request, "the note " + wrong);
  }
  if (expires && *expires <= now)
    return client_error(Code::bad_request, "the key would have expired already");
  NewKey made;
  made.record = {.id = random_base62(kIdLetters),
                 .hash = {},
                 .agent = agent,
                 .note = note,
                 .admin = admin,
                 .created = now,
                 .expires = expires};
  made.text = Secret(fmt::format("sp_{}_{}", made.record.id, base64url(random_bytes(kSecretBytes))));
  made.record.hash = sha256_hex(made.text.reveal());
  auto saved = database_.transaction([&]() -> Result<void> {
    auto generation = next_generation(database_);
    if (!generation) return Failure(generation.error());
    if (auto ready = ensure_agent(database_, agent, *generation, now); !ready) return ready;
    return insert_key(database_, made.record);
  });
  if (!saved) return Failure(saved.error());
  return made;
}

Result<std::vector<ApiKey>> Registry::keys() const {
  auto rows = database_.prepare(
      "SELECT id, hash, agent, note, admin, created, expires, revoked FROM keys ORDER BY created, id");
  if (!rows) return Failure(rows.error());
  std::vector<ApiKey> out;
  while (true) {
    auto more = rows->step();
    if (!more) return Failure(more.error());
    if (!*more) return out;
    out.push_back({.id = rows->text(0),
                   .hash = rows->text(1),
                   .agent = rows->text(2),
                   .note = rows->text(3),
                   .admin = rows->integer(4) != 0,
                   .created = rows->integer(5),
                   .expires = time_of(*rows, 6),
                   .revoked = time_of(*rows, 7)});
  }
}

Result<void> Registry::revoke_key(const std::string& id) {
  return database_.transaction([&]() -> Result<void> {
    auto row = database_.prepare("SELECT revoked FROM keys WHERE id = ?");
    if (!row) return Failure(row.error());
    auto found = row->bind(id).step();
    if (!found) return Failure(found.error());
    if (!*found) return client_error(Code::not_found, "there is no key with this id: see sallyport key list");
    if (!row->is_null(0)) return {};
    auto update = database_.prepare("UPDATE keys SET revoked = ? WHERE id = ?");
    if (!update) return Failure(update.error());
    if (auto done = update->bind(unix_millis(clock_.now())).bind(id).step(); !done)
      return Failure(done.error());
    if (auto next = next_generation(database_); !next) return Failure(next.error());
    return {};
  });
}

}  // namespace sallyport::store
