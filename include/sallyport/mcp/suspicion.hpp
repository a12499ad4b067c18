#pragma once
/// What in a definition speaks to the model instead of describing, or hides from people (N42). Heuristic: it
/// asks for a person to look, it proves nothing.

#include <string>
#include <string_view>
#include <vector>

#include "sallyport/json/document.hpp"

namespace sallyport::mcp {

/// What makes one text suspicious, in words; empty: nothing. Hidden characters, white space that pushes text
/// out of sight, mark-up that poses as a system's, orders to forget instructions or to keep the user in the
/// dark, places where secrets lie, and texts over limits::kDefinitionText.
std::vector<std::string> suspicions_in(std::string_view text);

/// The same for every text and member name of a definition, each once: "/description: tells the model to
/// ...". In document order.
std::vector<std::string> suspicions(json::Value definition);

/// A name's shape to the eye: two names of one shape can be taken for one another (l and 1, O and 0, rn and
/// m). Requires: a name that check_definition_name lets pass.
std::string shape_of(std::string_view name);

}  // namespace sallyport::mcp
