#include "sallyport/store/vault.hpp"

#include <fmt/format.h>

#include "master_key.hpp"
#include "meta.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/store/fault.hpp"

namespace sallyport::store {
namespace {

constexpr std::string_view kMasterMeta = "vault.master";
constexpr std::size_t kKeyBytes = 32;
constexpr std::size_t kRingKeys = 4;  ///< older ones have nothing left that they sealed: ids live a day

std::string bound_to_name(const std::string& name) { return "sallyport vault entry\n" + name; }
std::string bound_to_id(std::int64_t id) { return fmt::format("sallyport vault data key\n{}", id); }

Failure damaged(std::string_view what) {
  return fail(Code::storage, Blame::us,
              fmt::format("the vault's {} cannot be opened: the registry is damaged", what));
}

Failure wrong_key(const std::string& expected, const std::string& has, const MasterKeyFile& file) {
  if (has.empty()) {
    return fail(Code::unavailable, Blame::admin,
                fmt::format("the vault is sealed under master key {}, but {} is not set and {} is missing: "
                            "provide one of them",
                            expected, kMasterVariable, file.path()));
  }
  return fail(
      Code::unavailable, Blame::admin,
      fmt::format(
          "the vault is sealed under master key {}, but this is {}: provide the right key, or, to change "
          "to a new one, set {} to it and {} to the old one and start once",
          expected, has, kMasterVariable, kPreviousVariable));
}

}  // namespace

Result<std::unique_ptr<Vault>> Vault::open(Database& database) {
  std::unique_ptr<Vault> vault(new Vault(database));
  const MasterKeyFile file(database.directory());
  auto recorded = meta(database, kMasterMeta);
  if (!recorded) return Failure(recorded.error());
  auto environment = master_from_environment(kMasterVariable);
  if (!environment) return Failure(environment.error());
  vault->from_environment_ = environment->has_value();

  if (!*recorded) {  // first use
    if (database.read_only()) return vault;
    Result<std::optional<Secret>> master = *environment ? environment : file.read();
    if (!master) return Failure(master.error());
    if (!*master) {
      auto made = file.create();
      if (!made) return Failure(made.error());
      *master = *made;
    }
    if (auto fault = reach("vault.key-written"); !fault) return Failure(fault.error());
    if (auto begun = vault->begin_under(**master); !begun) return Failure(begun.error());
    return vault;
  }

  if (*environment) {
    if (fingerprint_of(**environment) == **recorded) {
      vault->master_ = **environment;
      return vault;
    }
    auto previous = master_from_environment(kPreviousVariable);
    if (!previous) return Failure(previous.error());
    if (database.read_only() || !*previous || fingerprint_of(**previous) != **recorded) {
      return wrong_key(**recorded, fingerprint_of(**environment), file);
    }
    vault->master_ = **previous;
    if (auto resealed = vault->reseal_under(**environment); !resealed) return Failure(resealed.error());
    return vault;
  }

  // A rotation that was interrupted left two files; the registry says which one is in force.
  auto next = file.read_next();
  if (!next) return Failure(next.error());
  if (*next && fingerprint_of(**next) == **recorded) {
    if (!database.read_only()) {
      if (auto adopted = file.adopt_next(); !adopted) return Failure(adopted.error());
    }
    vault->master_ = **next;
    return vault;
  }
  auto master = file.read();
  if (!master) return Failure(master.error());
  const std::string has = *master ? fingerprint_of(**master) : std::string();
  if (has != **recorded) return wrong_key(**recorded, has, file);
  if (*next && !database.read_only()) file.discard_next();
  vault->master_ = **master;
  return vault;
}

Result<void> Vault::begin_under(const Secret& master) {
  auto begun = database_.transaction([&]() -> Result<void> {
    if (auto added = add_data_key(master); !added) return Failure(added.error());
    return set_meta(database_, kMasterMeta, fingerprint_of(master));
  });
  if (begun) master_ = master;
  return begun;
}

Result<std::int64_t> Vault::add_data_key(const Secret& master) {
  auto last = database_.prepare("SELECT coalesce(max(id), 0) + 1 FROM data_keys");
  if (!last) return Failure(last.error());
  if (auto row = last->step(); !row) return Failure(row.error());
  const std::int64_t id = last->integer(0);
  const Secret key(random_bytes(kKeyBytes));
  auto row = database_.prepare("INSERT INTO data_keys (id, sealed, created) VALUES (?, ?, ?)");
  if (!row) return Failure(row.error());
  row->bind(id).bind_blob(seal(master.reveal(), key.reveal(), bound_to_id(id)));
  if (auto done = row->bind(unix_millis(system_clock().now())).step(); !done) return Failure(done.error());
  return id;
}

Result<std::int64_t> Vault::newest_data_key() const {
  auto row = database_.prepare("SELECT max(id) FROM data_keys");
  if (!row) return Failure(row.error());
  if (auto found = row->step(); !found) return Failure(found.error());
  if (row->is_null(0)) return damaged("data key");
  return row->integer(0);
}

Result<Secret> Vault::data_key(std::int64_t id) const {
  auto row = database_.prepare("SELECT sealed FROM data_keys WHERE id = ?");
  if (!row) return Failure(row.error());
  auto found = row->bind(id).step();
  if (!found) return Failure(found.error());
  if (!*found) return damaged("data key");
  auto key = unseal(master_.reveal(), row->text(0), bound_to_id(id));
  if (!key || key->size() != kKeyBytes) return damaged("data key");
  return Secret(std::move(*key));
}

Result<void> Vault::save(const std::string& name, std::int64_t key_id, const Secret& value) {
  auto key = data_key(key_id);
  if (!key) return Failure(key.error());
  auto row = database_.prepare(
      "INSERT INTO vault (name, data_key, sealed) VALUES (?1, ?2, ?3) "
      "ON CONFLICT (name) DO UPDATE SET data_key = ?2, sealed = ?3");
  if (!row) return Failure(row.error());
  row->bind(name).bind(key_id).bind_blob(seal(key->reveal(), value.reveal(), bound_to_name(name)));
  if (auto done = row->step(); !done) return Failure(done.error());
  return {};
}

Result<void> Vault::put(const std::string& name, const Secret& value) {
  auto id = newest_data_key();
  if (!id) return Failure(id.error());
  return save(name, *id, value);
}

Result<Secret> Vault::get(const std::string& name) const {
  auto row = database_.prepare("SELECT data_key, sealed FROM vault WHERE name = ?");
  if (!row) return Failure(row.error());
  auto found = row->bind(name).step();
  if (!found) return Failure(found.error());
  if (!*found) return fail(Code::not_found, Blame::admin, fmt::format("the vault has no entry {}", name));
  auto key = data_key(row->integer(0));
  if (!key) return key;
  auto value = unseal(key->reveal(), row->text(1), bound_to_name(name));
  if (!value) return damaged("entry " + name);
  return Secret(std::move(*value));
}

Result<bool> Vault::contains(const std::string& name) const {
  auto row = database_.prepare("SELECT 1 FROM vault WHERE name = ?");
  if (!row) return Failure(row.error());
  return row->bind(name).step();
}

Result<void> Vault::remove(const std::string& name) {
  auto row = database_.prepare("DELETE FROM vault WHERE name = ?");
  if (!row) return Failure(row.error());
  if (auto done = row->bind(name).step(); !done) return Failure(done.error());
  return {};
}

Result<std::vector<std::string>> Vault::names() const {
  auto rows = database_.prepare("SELECT name FROM vault ORDER BY name");
  if (!rows) return Failure(rows.error());
  std::vector<std::string> out;
  while (true) {
    auto more = rows->step();
    if (!more) return Failure(more.error());
    if (!*more) return out;
    out.push_back(rows->text(0));
  }
}

Result<void> Vault::reseal_under(const Secret& master) {
  const Secret before = master_;
  auto resealed = database_.transaction([&]() -> Result<void> {
    auto all = names();
    if (!all) return Failure(all.error());
    auto id = add_data_key(master);
    if (!id) return Failure(id.error());
    for (const std::string& name : *all) {
      master_ = before;
      auto value = get(name);
      if (!value) return Failure(value.error());
      master_ = master;
      if (auto saved = save(name, *id, *value); !saved) return saved;
    }
    auto old = database_.prepare("DELETE FROM data_keys WHERE id <> ?");
    if (!old) return Failure(old.error());
    if (auto done = old->bind(*id).step(); !done) return Failure(done.error());
    if (auto set = set_meta(database_, kMasterMeta, fingerprint_of(master)); !set) return set;
    return reach("vault.resealed");
  });
  master_ = resealed ? master : before;
  return resealed;
}

Result<void> Vault::rotate_master_key() {
  if (from_environment_) {
    return fail(
        Code::conflict, Blame::admin,
        fmt::format(
            "the master key comes from {}: set that to a new one (openssl rand -base64 32) and {} to the "
            "old one, and start once",
            kMasterVariable, kPreviousVariable));
  }
  const MasterKeyFile file(database_.directory());
  // A rotation whose last step failed left the key in force in the next file; it must not be written over.
  auto left = file.read_next();
  if (!left) return Failure(left.error());
  if (*left && fingerprint_of(**left) == fingerprint_of(master_)) {
    if (auto adopted = file.adopt_next(); !adopted) return adopted;
  }
  auto next = file.create_next();
  if (!next) return Failure(next.error());
  if (auto fault = reach("vault.next-written"); !fault) return fault;
  if (auto resealed = reseal_under(*next); !resealed) return resealed;
  if (auto fault = reach("vault.committed"); !fault) return fault;
  return file.adopt_next();
}

Result<std::vector<Secret>> Vault::key_ring(const std::string& purpose) {
  auto stored = get("ring/" + purpose);
  if (!stored && stored.error().code == Code::not_found) {
    if (auto made = rotate_ring(purpose); !made) return Failure(made.error());
    stored = get("ring/" + purpose);
  }
  if (!stored) return Failure(stored.error());
  const std::string_view bytes = stored->reveal();
  if (bytes.empty() || bytes.size() % kKeyBytes != 0) return damaged("key ring " + purpose);
  std::vector<Secret> keys;
  for (std::size_t at = 0; at < bytes.size(); at += kKeyBytes)
    keys.emplace_back(std::string(bytes.substr(at, kKeyBytes)));
  return keys;
}

Result<void> Vault::rotate_ring(const std::string& purpose) {
  return database_.transaction([&]() -> Result<void> {
    auto stored = get("ring/" + purpose);
    if (!stored && stored.error().code != Code::not_found) return Failure(stored.error());
    std::string keys = random_bytes(kKeyBytes);
    if (stored) keys += stored->reveal().substr(0, (kRingKeys - 1) * kKeyBytes);
    return put("ring/" + purpose, Secret(std::move(keys)));
  });
}

}  // namespace sallyport::store
