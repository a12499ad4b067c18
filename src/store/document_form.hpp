#pragma once
/// Documents as plain data, in the order a reader expects the keys.

#include <nlohmann/json.hpp>

#include "sallyport/store/documents.hpp"

namespace sallyport::store {

/// `complete`: with the keys that have their default. Secret values never occur.
nlohmann::ordered_json form_of(const AnyDocument& document, bool complete);

}  // namespace sallyport::store
