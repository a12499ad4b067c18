#include "meta.hpp"

#include <charconv>

namespace sallyport::store {

Result<std::optional<std::string>> meta(Database& database, std::string_view name) {
  auto row = database.prepare("SELECT value FROM meta WHERE name = ?");
  if (!row) return Failure(row.error());
  auto found = row->bind(name).step();
  if (!found) return Failure(found.error());
  if (!*found) return std::nullopt;
  return row->text(0);
}

Result<void> set_meta(Database& database, std::string_view name, std::string_view value) {
  auto row = database.prepare(
      "INSERT INTO meta (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = ?2");
  if (!row) return Failure(row.error());
  if (auto done = row->bind(name).bind(value).step(); !done) return Failure(done.error());
  return {};
}

Result<std::int64_t> read_generation(Database& database) {
  auto text = meta(database, "generation");
  if (!text) return Failure(text.error());
  std::int64_t number = 0;
  if (*text) std::from_chars((*text)->data(), (*text)->data() + (*text)->size(), number);
  return number;
}

Result<std::int64_t> next_generation(Database& database) {
  auto now = read_generation(database);
  if (!now) return now;
  const std::int64_t next = *now + 1;
  if (auto set = set_meta(database, "generation", std::to_string(next)); !set) return Failure(set.error());
  return next;
}

}  // namespace sallyport::store
