#pragma once
/// Agents as something that tokens stand on, beside grants and keys (key_ground()).

#include <string_view>

namespace sallyport::store {

/// The name of an own agent that `text` names ("agent:NAME"), as principals and grounds do; empty: it names
/// something else.
inline std::string_view agent_of_ground(std::string_view text) {
  constexpr std::string_view kAgent = "agent:";
  if (!text.starts_with(kAgent) || text.contains('/')) return {};
  return text.substr(kAgent.size());
}

}  // namespace sallyport::store
