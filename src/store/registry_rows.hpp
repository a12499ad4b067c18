#pragma once
/// Rows of the registry's tables, and what depends on what between documents.

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sallyport/store/database.hpp"
#include "sallyport/store/documents.hpp"
#include "sallyport/store/vault.hpp"

namespace sallyport::store {

using DocumentKey = std::pair<std::string, std::string>;  ///< kind, name

struct StoredDocument {
  AnyDocument document;
  std::string json;
  std::string origin;
};
using StoredDocuments = std::map<DocumentKey, StoredDocument>;

/// All documents, or those of one kind.
Result<StoredDocuments> load_documents(Database& database, const std::string& kind = {});

/// The row itself and what belongs to it. Requires: within a transaction.
Result<void> delete_document(Database& database, Vault& vault, const DocumentKey& key, std::int64_t now);

/// Name of a Credential's entry in the vault.
inline std::string vault_name(const std::string& credential) { return "credential/" + credential; }

/// Every name that a document refers to and the registry must have, as (kind, name).
std::vector<DocumentKey> references_of(const AnyDocument& document);
/// Whether it needs that one, be it as one of several that it could name.
bool uses(const AnyDocument& document, const DocumentKey& key);

/// Lines "- old" / "+ new" between two texts; either may be empty.
std::string difference(const std::string& before, const std::string& after);

}  // namespace sallyport::store
