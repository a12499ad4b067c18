#pragma once
/// Output items of the Responses wire as raw JSON.

#include <string>
#include <string_view>
#include <vector>

#include "writer_form.hpp"

namespace sallyport::llm {

/// "completed" | "in_progress" | "incomplete".
using ItemStatus = std::string_view;

std::string text_part(std::string_view text, const std::vector<std::string>& annotations);
std::string refusal_part(std::string_view text);
std::string message_item(std::string_view id, std::string_view content, ItemStatus status);
/// `arguments` is the input of a custom tool.
std::string call_item(std::string_view id, const CalledTool& tool, std::string_view call_id,
                      std::string_view arguments, ItemStatus status);
/// `sealed`: what encrypted_content holds; empty: null.
std::string reasoning_item(std::string_view id, std::string_view text, std::string_view sealed,
                           ItemStatus status);
/// What encrypted_content holds for a thought: the origin's own, or the thought carried for another wire.
std::string sealed_thought(Wire origin, std::string_view proof);
/// The error of a failed response, raw JSON.
std::string response_error(const WireError& error);

}  // namespace sallyport::llm
