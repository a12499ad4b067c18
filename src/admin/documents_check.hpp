#pragma once
/// What a document must hold to besides its own form: reachable URLs, a safe environment, rules that compile.

#include "sallyport/core/error.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::admin {

/// Errors: bad_request; the hint says where in the document, what, and what to do, with "; " between several
/// problems.
Result<void> check_document(const store::AnyDocument& document);

}  // namespace sallyport::admin
