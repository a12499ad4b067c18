#pragma once
/// Files of documents, as `apply -f` takes them.

#include <cstddef>
#include <iosfwd>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sallyport/core/error.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::cli {

/// What is read of a file of documents, of their tests or of arguments: more, the reader of documents
/// refuses.
inline constexpr std::size_t kDocumentBytes = 4 * limits::MiB;

/// [{"name", "text"}] of files, of everything below folders (hidden files and tests of policies left out),
/// and of "-", which is `in`. Errors: bad_request or too_large, naming what cannot be read.
Result<nlohmann::json> read_document_files(const std::vector<std::string>& names, std::istream& in);

}  // namespace sallyport::cli
