#pragma once
/// Reads `kind: Policy`.

#include "fields.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::store {

/// Problems are collected; what is returned is then used for nothing.
PolicyDocument read_policy(Fields& fields, Problems& problems);

}  // namespace sallyport::store
