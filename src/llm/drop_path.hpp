#pragma once
/// Paths of `drop_params`: "logprobs", "messages[*].name", "tools[0].function.strict".

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "sallyport/json/document.hpp"

namespace sallyport::llm {

/// A member by name, an element by index, or (monostate) all elements.
using DropPart = std::variant<std::monostate, std::size_t, std::string>;
using DropPath = std::vector<DropPart>;

/// nullopt: malformed. The first part is always a name.
std::optional<DropPath> drop_path(std::string_view text);

/// Appends `value` without what the paths lead to; what they do not touch keeps its bytes. Elements keep
/// their places in the order, whatever is dropped beside them.
void append_without(std::string& out, json::Value value, const std::vector<std::span<const DropPart>>& paths);

}  // namespace sallyport::llm
