#include "sallyport/store/migrations.hpp"

#include <fmt/format.h>

#include <charconv>

#include "sallyport/store/fault.hpp"

namespace sallyport::store {
namespace {

constexpr Migration kMigrations[] = {
#include "migrations.inc"
};

Result<void> apply_one(Database& database, const Migration& migration) {
  return database.transaction([&]() -> Result<void> {
    if (auto ran = database.execute(migration.sql); !ran) return ran;
    if (auto fault = reach("migration"); !fault) return fault;
    auto row = database.prepare("INSERT INTO schema_version (version, name) VALUES (?, ?)");
    if (!row) return Failure(row.error());
    if (auto stepped = row->bind(migration.version()).bind(migration.name).step(); !stepped) {
      return Failure(stepped.error());
    }
    return {};
  });
}

}  // namespace

int Migration::version() const {
  int number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

std::span<const Migration> migrations() { return kMigrations; }

Result<int> schema_version(Database& database) {
  auto exists =
      database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'schema_version'");
  if (!exists) return Failure(exists.error());
  auto found = exists->step();
  if (!found) return Failure(found.error());
  if (!*found) return 0;
  auto last = database.prepare("SELECT coalesce(max(version), 0) FROM schema_version");
  if (!last) return Failure(last.error());
  if (auto row = last->step(); !row) return Failure(row.error());
  return static_cast<int>(last->integer(0));
}

Result<void> migrate(Database& database, std::span<const Migration> known) {
  auto version = schema_version(database);
  if (!version) return Failure(version.error());
  const int newest = known.empty() ? 0 : known.back().version();
  if (*version > newest) {
    return fail(
        Code::unavailable, Blame::admin,
        fmt::format(
            "the registry in {} has schema {}, this sallyport knows schemas up to {}: run a newer sallyport, "
            "or restore a backup made before the upgrade",
            database.directory(), *version, newest));
  }
  if (*version == 0) {
    auto made = database.execute(
        "CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT");
    if (!made) return made;
  }
  for (const Migration& migration : known) {
    if (migration.version() <= *version) continue;
    if (auto applied = apply_one(database, migration); !applied) return applied;
  }
  return {};
}

}  // namespace sallyport::store
