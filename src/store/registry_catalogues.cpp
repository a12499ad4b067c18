#include "sallyport/store/registry.hpp"

namespace sallyport::store {

Result<void> Registry::save_catalogue(const StoredCatalogue& catalogue) {
  auto row = database_.prepare(
      "INSERT OR REPLACE INTO catalogues (server, tools, prompts, resources, templates, server_info, "
      "fetched) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  if (!row) return Failure(row.error());
  row->bind(catalogue.server).bind(catalogue.tools).bind(catalogue.prompts).bind(catalogue.resources);
  row->bind(catalogue.templates).bind(catalogue.server_info).bind(catalogue.fetched);
  if (auto done = row->step(); !done) return Failure(done.error());
  return {};
}

Result<std::vector<StoredCatalogue>> Registry::catalogues() const {
  auto rows = database_.prepare(
      "SELECT server, tools, prompts, resources, templates, server_info, fetched FROM catalogues ORDER BY "
      "server");
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
                   .fetched = rows->integer(6)});
  }
}

}  // namespace sallyport::store
