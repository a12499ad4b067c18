#pragma once
/// From nodes to checked documents, kind by kind.

#include <optional>
#include <string>
#include <vector>

#include "node.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::store {

/// What stands for a value that the vault holds: `value: (sealed)` keeps it.
inline constexpr std::string_view kSealed = "(sealed)";

/// nullopt when anything was wrong; `problems` says what.
std::optional<AnyDocument> read_document(const Node& root, Problems& problems);

/// What is wrong with a document that no text was read for; empty when nothing is.
std::vector<std::string> problems_of(const AnyDocument& document);

}  // namespace sallyport::store
