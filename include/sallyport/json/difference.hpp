#pragma once
/// What differs between two values, field by field.

#include <string>
#include <vector>

#include "sallyport/json/document.hpp"

namespace sallyport::json {

/// One place where two values differ; `before` or `after` is empty where nothing stands there.
struct FieldChange {
  std::string path;           ///< RFC 6901 pointer
  std::string before, after;  ///< canonical JSON
};

/// In order of the paths in `before`, then what only `after` has. Objects are compared by key, arrays by
/// index; an object with duplicate keys, or with one that would make a path longer than half a KiB, is one
/// field, and so is what has more than 1,000 fields that differ. Equal canonical forms give nothing, others
/// something.
std::vector<FieldChange> difference(const Value& before, const Value& after);

}  // namespace sallyport::json
