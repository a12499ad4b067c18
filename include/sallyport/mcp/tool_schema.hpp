#pragma once
/// A tool's definition as a virtual server shows it: fewer arguments, other words.

#include <optional>
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

/// A tool as clients of 2025 read it (2025-11-25 schema, Tool): an `outputSchema` says "object" at its root
/// or is left out, and properties are objects: {} in place of true, {"not":{}} in place of false. nullopt: it
/// is like that already.
std::optional<std::string> legacy_tool(json::Value tool);

/// Members of `over` in place of those of `base` with the same name, and behind the others. Both objects;
/// duplicate keys of `base` as in adapt_result.
std::string merge_objects(json::Value base, json::Value over);

}  // namespace sallyport::mcp
