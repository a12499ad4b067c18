#include "registry_rows.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "model_reader.hpp"

namespace sallyport::store {
namespace {

Result<void> run(Database& database, std::string_view sql, const std::string& text) {
  auto statement = database.prepare(sql);
  if (!statement) return Failure(statement.error());
  if (auto done = statement->bind(text).step(); !done) return Failure(done.error());
  return {};
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> out;
  while (!text.empty()) {
    const auto end = text.find('\n');
    out.push_back(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return out;
}

/// Beyond this the longest common part is not searched for: all old lines go, all new ones come.
constexpr std::size_t kTableCells = 4'000'000;

void append(std::string& out, std::string_view sign, std::string_view line) {
  out += sign;
  out += line;
  out += '\n';
}

}  // namespace

Result<StoredDocuments> load_documents(Database& database, const std::string& kind) {
  auto rows = database.prepare("SELECT kind, name, json, origin FROM documents WHERE ?1 = '' OR kind = ?1");
  if (!rows) return Failure(rows.error());
  rows->bind(kind);
  StoredDocuments out;
  while (true) {
    auto more = rows->step();
    if (!more) return Failure(more.error());
    if (!*more) return out;
    auto document = from_json(rows->text(2));
    if (!document) {
      document.error().what += " (" + rows->text(0) + " " + rows->text(1) + ")";
      return Failure(document.error());
    }
    out.emplace(DocumentKey(rows->text(0), rows->text(1)),
                StoredDocument{std::move(*document), rows->text(2), rows->text(3)});
  }
}

Result<void> delete_document(Database& database, Vault& vault, const DocumentKey& key, std::int64_t now) {
  auto row = database.prepare("DELETE FROM documents WHERE kind = ? AND name = ?");
  if (!row) return Failure(row.error());
  if (auto done = row->bind(key.first).bind(key.second).step(); !done) return Failure(done.error());
  if (key.first == "Credential") return vault.remove(vault_name(key.second));
  if (key.first == "Server") {
    if (auto gone = run(database, "DELETE FROM definitions WHERE server = ?", key.second); !gone) return gone;
    return run(database, "DELETE FROM catalogues WHERE server = ?", key.second);
  }
  if (key.first == "Agent") {
    auto keys = database.prepare("UPDATE keys SET revoked = ? WHERE agent = ? AND revoked IS NULL");
    if (!keys) return Failure(keys.error());
    if (auto done = keys->bind(now).bind(key.second).step(); !done) return Failure(done.error());
    auto tokens = database.prepare(
        "UPDATE grants SET ended = ?1, why = 'agent' WHERE ended IS NULL AND ((issuer = '' AND user = ?2) OR "
        "actor = 'agent:' || ?2)");
    if (!tokens) return Failure(tokens.error());
    if (auto done = tokens->bind(now).bind(key.second).step(); !done) return Failure(done.error());
  }
  return {};
}

std::vector<DocumentKey> references_of(const AnyDocument& document) {
  std::set<DocumentKey> out;
  if (const auto* server = std::get_if<Server>(&document)) {
    if (!server->credential.empty()) out.emplace("Credential", server->credential);
    if (const auto* stdio = std::get_if<StdioTransport>(&server->transport)) {
      for (const auto& [variable, credential] : stdio->credentials) out.emplace("Credential", credential);
    }
  } else if (const auto* issuer = std::get_if<Issuer>(&document)) {
    if (!issuer->introspection.credential.empty())
      out.emplace("Credential", issuer->introspection.credential);
    if (!issuer->sign_in.credential.empty()) out.emplace("Credential", issuer->sign_in.credential);
  } else if (const auto* provider = std::get_if<Provider>(&document)) {
    if (!provider->credential.empty()) out.emplace("Credential", provider->credential);
  } else if (const auto* handle = std::get_if<VirtualKey>(&document)) {
    out.emplace("Provider", handle->provider);
    if (!handle->credential.empty()) out.emplace("Credential", handle->credential);
  } else if (const auto* virtual_server = std::get_if<VirtualServer>(&document)) {
    for (const auto* sources :
         {&virtual_server->tools, &virtual_server->prompts, &virtual_server->resources}) {
      for (const auto& source : *sources) {
        out.emplace("Server", source.from);
        for (const auto& [environment, there] : source.environments) out.emplace("Server", there);
      }
    }
  }
  return {out.begin(), out.end()};
}

bool uses(const AnyDocument& document, const DocumentKey& key) {
  const auto references = references_of(document);
  if (std::ranges::find(references, key) != references.end()) return true;
  const auto* route = std::get_if<Route>(&document);
  if (!route || (key.first != "Provider" && key.first != "VirtualKey")) return false;
  const auto targets = targets_of(*route);
  return std::ranges::find(targets, key.second) != targets.end();
}

std::string difference(const std::string& before, const std::string& after) {
  auto old_lines = lines_of(before);
  auto new_lines = lines_of(after);
  const auto prefix = std::ranges::mismatch(old_lines, new_lines);
  old_lines.erase(old_lines.begin(), prefix.in1);
  new_lines.erase(new_lines.begin(), prefix.in2);
  while (!old_lines.empty() && !new_lines.empty() && old_lines.back() == new_lines.back()) {
    old_lines.pop_back();
    new_lines.pop_back();
  }
  const std::size_t rows = old_lines.size();
  const std::size_t columns = new_lines.size();
  const bool aligned = (rows + 1) * (columns + 1) <= kTableCells;
  // common[i][j]: length of the longest common part of what follows i and j.
  std::vector<std::uint32_t> common(aligned ? (rows + 1) * (columns + 1) : 0);
  const auto cell = [&](std::size_t i, std::size_t j) -> std::uint32_t& {
    return common[i * (columns + 1) + j];
  };
  for (std::size_t i = aligned ? rows : 0; i-- > 0;) {
    for (std::size_t j = columns; j-- > 0;) {
      cell(i, j) =
          old_lines[i] == new_lines[j] ? cell(i + 1, j + 1) + 1 : std::max(cell(i + 1, j), cell(i, j + 1));
    }
  }
  std::string out;
  std::size_t i = 0, j = 0;
  while (i < rows || j < columns) {
    if (aligned && i < rows && j < columns && old_lines[i] == new_lines[j]) {
      ++i, ++j;
    } else if (i < rows && (j == columns || !aligned || cell(i + 1, j) >= cell(i, j + 1))) {
      append(out, "- ", old_lines[i++]);
    } else {
      append(out, "+ ", new_lines[j++]);
    }
  }
  return out;
}

}  // namespace sallyport::store
