#pragma once
/// Files of documents, as `apply -f` takes them.

#include <iosfwd>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sallyport/core/error.hpp"

namespace sallyport::cli {

/// [{"name", "text"}] of files, of everything below folders (hidden files and tests of policies left out),
/// and of "-", which is `in`. Errors: bad_request, naming what cannot be read.
Result<nlohmann::json> read_document_files(const std::vector<std::string>& names, std::istream& in);

}  // namespace sallyport::cli
