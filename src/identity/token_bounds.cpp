#include "sallyport/identity/token_bounds.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "sallyport/core/characters.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/policy/rules.hpp"

namespace sallyport::identity {
namespace {

bool is_visible(std::string_view text) {
  while (!text.empty()) {
    const Letter letter = letter_at(text);
    if (letter.bytes == 0 || letter.code == ' ' || !hidden_character(letter.code).empty()) return false;
    text.remove_prefix(letter.bytes);
  }
  return true;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    if (!word.empty()) out.emplace_back(word);
    text.remove_prefix(std::min(text.size(), word.size() + 1));
  }
  return out;
}

std::string tools_problem(const std::vector<std::string>& tools) {
  if (tools.empty()) return "name no tool: give patterns of SERVER/TOOL";
  if (tools.size() > limits::kTokenTools)
    return fmt::format("are more than {} patterns", limits::kTokenTools);
  std::size_t bytes = 0;
  for (const auto& tool : tools) {
    bytes += tool.size();
    if (tool.size() > limits::kTokenToolBytes || bytes > limits::kTokenToolsBytes)
      return fmt::format("are longer than {} bytes each, or {} together", limits::kTokenToolBytes,
                         limits::kTokenToolsBytes);
    if (tool.empty() || !is_visible(tool) || (tool != "*" && !tool.contains('/')))
      return "have to be patterns of SERVER/TOOL, like github/get_*, or * for all";
  }
  return "";
}

std::optional<std::string> first_beyond(const std::optional<std::vector<std::string>>& held,
                                        const std::vector<std::string>& wanted) {
  if (!held) return std::nullopt;
  for (const auto& one : wanted)
    if (std::ranges::none_of(*held, [&](const auto& outer) { return policy::name_covers(outer, one); }))
      return one;
  return std::nullopt;
}

}  // namespace sallyport::identity
