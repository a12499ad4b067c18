// Catalogues and what is remembered of the definitions in them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "meta.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::store {
namespace {

constexpr std::string_view kHashes =
    "SELECT server, sort, name, approved, '', current, '', rejected, first_seen, changed, changes, decided, "
    "decided_by, rejected_by FROM definitions WHERE (?1 = '' OR server = ?1) ORDER BY server, sort, name";
constexpr std::string_view kWhole =
    "SELECT server, sort, name, approved, approved_object, current, current_object, rejected, first_seen, "
    "changed, changes, decided, decided_by, rejected_by FROM definitions WHERE (?1 = '' OR server = ?1) "
    "ORDER BY server, sort, name";
constexpr std::string_view kOne =
    "SELECT server, sort, name, approved, approved_object, current, current_object, rejected, first_seen, "
    "changed, changes, decided, decided_by, rejected_by FROM definitions WHERE server = ? AND sort = ? AND "
    "name = ?";

std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t from = 0; from < text.size();) {
    const auto end = std::min(text.find(' ', from), text.size());
    out.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

StoredDefinition row_of(const Statement& row) {
  return {.key = {.server = row.text(0), .sort = row.text(1), .name = row.text(2)},
          .approved = {.hash = row.text(3), .object = row.text(4)},
          .current = {.hash = row.text(5), .object = row.text(6)},
          .rejected = words_of(row.text(7)),
          .first_seen = row.integer(8),
          .changed = row.integer(9),
          .decided = row.integer(11),
          .changes = row.integer(10),
          .decided_by = row.text(12),
          .rejected_by = row.text(13)};
}

Result<void> save(Statement& row, const StoredDefinition& d) {
  row.bind(d.key.server).bind(d.key.sort).bind(d.key.name).bind(d.approved.hash).bind(d.approved.object);
  row.bind(d.current.hash)
      .bind(d.current.object)
      .bind(fmt::to_string(fmt::join(d.rejected, " ")))
      .bind(d.first_seen)
      .bind(d.changed);
  row.bind(d.changes).bind(d.decided).bind(d.decided_by).bind(d.rejected_by);
  if (auto done = row.step(); !done) return Failure(done.error());
  return {};
}

Result<Statement> saving(Database& database) {
  return database.prepare(
      "INSERT OR REPLACE INTO definitions (server, sort, name, approved, approved_object, current, "
      "current_object, rejected, first_seen, changed, changes, decided, decided_by, rejected_by) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
}

Result<void> save_lists(Database& database, const StoredCatalogue& catalogue) {
  auto row = database.prepare(
      "INSERT OR REPLACE INTO catalogues (server, tools, prompts, resources, templates, server_info, "
      "fetched, recorded) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  if (!row) return Failure(row.error());
  row->bind(catalogue.server).bind(catalogue.tools).bind(catalogue.prompts).bind(catalogue.resources);
  row->bind(catalogue.templates).bind(catalogue.server_info).bind(catalogue.fetched);
  if (auto done = row->bind(catalogue.recorded).step(); !done) return Failure(done.error());
  return {};
}

std::string shown(const DefinitionKey& key) {
  return fmt::format("{}{}/{}", key.sort == "tool" ? "" : key.sort + " ", key.server, key.name);
}

Result<void> decide_one(Database& database, const DefinitionDecision& decision, const std::string& by,
                        std::int64_t now) {
  const DefinitionKey& key = decision.key;
  auto found = database.prepare(kOne);
  if (!found) return Failure(found.error());
  auto any = found->bind(key.server).bind(key.sort).bind(key.name).step();
  if (!any) return Failure(any.error());
  if (!*any) {
    return client_error(Code::not_found,
                        fmt::format("there is no {}: `sallyport tool list` shows what is known", shown(key)));
  }
  StoredDefinition row = row_of(*found);
  if (row.current.hash != decision.hash) {
    return client_error(
        Code::conflict,
        row.current.hash.empty()
            ? fmt::format("{} is not offered by its server now", shown(key))
            : fmt::format("{} has another definition than the one named ({}...): it is {}... now; look at "
                          "`sallyport tool diff` again, then name that",
                          shown(key), decision.hash.substr(0, limits::kShownDigits),
                          row.current.hash.substr(0, limits::kShownDigits)));
  }
  std::erase(row.rejected, row.current.hash);
  if (decision.approve) {
    row.approved = row.current;
    row.decided_by = by;
  } else {
    if (row.rejected.size() == limits::kRejections) row.rejected.erase(row.rejected.begin());
    row.rejected.push_back(row.current.hash);
    row.rejected_by = by;
    if (row.approved.hash == row.current.hash) row.approved = {};
  }
  row.decided = now;
  auto statement = saving(database);
  if (!statement) return Failure(statement.error());
  return save(*statement, row);
}

}  // namespace

Result<void> Registry::save_catalogue(const StoredCatalogue& catalogue) {
  return save_lists(database_, catalogue);
}

Result<void> Registry::save_catalogue(const StoredCatalogue& catalogue,
                                      const std::vector<StoredDefinition>& changed,
                                      const std::vector<DefinitionKey>& forgotten) {
  return database_.transaction([&]() -> Result<void> {
    if (auto saved = save_lists(database_, catalogue); !saved) return saved;
    auto row = saving(database_);
    if (!row) return Failure(row.error());
    for (const auto& definition : changed) {
      if (auto done = save(*row, definition); !done) return done;
    }
    auto gone = database_.prepare("DELETE FROM definitions WHERE server = ? AND sort = ? AND name = ?");
    if (!gone) return Failure(gone.error());
    for (const auto& key : forgotten) {
      auto done = gone->bind(key.server).bind(key.sort).bind(key.name).step();
      if (!done) return Failure(done.error());
    }
    return {};
  });
}

Result<std::vector<StoredCatalogue>> Registry::catalogues() const {
  auto rows = database_.prepare(
      "SELECT server, tools, prompts, resources, templates, server_info, fetched, recorded FROM catalogues "
      "ORDER BY server");
  if (!rows) return Failure(rows.error());
  std::vector<StoredCatalogue> out;
  while (true) {
    auto more = rows->step();
    if (!more) return Failure(more.error());
    if (!*more) return out;
    out.push_back({.server = rows->text(0),
                   .tools = rows->text(1),
                   .prompts = rows->text(2),
                   .resources = rows->text(3),
                   .templates = rows->text(4),
                   .server_info = rows->text(5),
                   .fetched = rows->integer(6),
                   .recorded = rows->integer(7)});
  }
}

Result<std::vector<StoredDefinition>> Registry::definitions(const std::string& server,
                                                            bool with_objects) const {
  auto rows = database_.prepare(with_objects ? kWhole : kHashes);
  if (!rows) return Failure(rows.error());
  rows->bind(server);
  std::vector<StoredDefinition> out;
  while (true) {
    auto more = rows->step();
    if (!more) return Failure(more.error());
    if (!*more) return out;
    out.push_back(row_of(*rows));
  }
}

Result<std::optional<StoredDefinition>> Registry::definition(const DefinitionKey& key) const {
  auto row = database_.prepare(kOne);
  if (!row) return Failure(row.error());
  auto found = row->bind(key.server).bind(key.sort).bind(key.name).step();
  if (!found) return Failure(found.error());
  if (!*found) return std::nullopt;
  return row_of(*row);
}

Result<void> Registry::decide(const std::vector<DefinitionDecision>& decisions, const std::string& by) {
  return database_.transaction([&]() -> Result<void> {
    for (const auto& decision : decisions) {
      if (auto done = decide_one(database_, decision, by, unix_millis(clock_.now())); !done) return done;
    }
    if (auto next = next_generation(database_); !next) return Failure(next.error());
    return {};
  });
}

}  // namespace sallyport::store
