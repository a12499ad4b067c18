#pragma once
/// Members that a lenient JSON reader behind us would take for a known one (N17): `Name` beside `name`,
/// `paramſ`.

#include <span>
#include <string>
#include <string_view>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::mcp {

/// A key as the most lenient readers compare it: ASCII lower-case, U+017F as `s`, U+212A as `k`, without
/// white space, control, zero-width and soft-hyphen characters.
std::string folded(std::string_view key);

/// Errors: bad_envelope when `object` has a member that folds to one of `known` without being it. Unknown
/// members that fold to nothing known are fine, and so is every value that is no object.
Result<void> refuse_twins(const json::Value& object, std::span<const std::string_view> known);

}  // namespace sallyport::mcp
