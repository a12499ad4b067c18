#pragma once
/// Reads the documents of model calls.

#include "fields.hpp"
#include "sallyport/store/model_documents.hpp"

namespace sallyport::store {

/// Problems are collected; what is returned is then used for nothing.
Provider read_provider(Fields& fields);
VirtualKey read_virtual_key(Fields& fields);
Route read_route(Fields& fields);

/// Names of providers or virtual keys that a route's config leads to, as they stand there, without "@".
std::vector<std::string> targets_of(const Route& route);

}  // namespace sallyport::store
