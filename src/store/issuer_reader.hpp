#pragma once
/// Reads `kind: Issuer`.

#include "fields.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::store {

/// Problems are collected; what is returned is then used for nothing.
Issuer read_issuer(Fields& fields, Problems& problems);

}  // namespace sallyport::store
