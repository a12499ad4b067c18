#pragma once
/// A tool's definition as a virtual server shows it: fewer arguments, other words.

#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::mcp {

/// An input schema without what callers do not give: gone from `properties`, `required` and
/// `dependentRequired`. Every other byte stays.
/// Errors: bad_request where `properties` does not declare one of them, where a hidden one is required, and
/// where the schema speaks of its properties in a way that a removal could contradict (`allOf`, `$ref` ... at
/// its top).
Result<std::string> narrow_schema(json::Value schema, const std::vector<std::string>& preset,
                                  const std::vector<std::string>& hidden);

/// Members of `over` in place of those of `base` with the same name, and behind the others. Both objects;
/// duplicate keys of `base` as in adapt_result.
std::string merge_objects(json::Value base, json::Value over);

}  // namespace sallyport::mcp
