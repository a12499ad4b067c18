#pragma once
/// The formats in which model calls are spoken: by clients to us, and by us to providers.

#include <cstdint>
#include <optional>
#include <string_view>

namespace sallyport::llm {

enum class Wire : std::uint8_t {
  chat,       ///< OpenAI chat completions
  responses,  ///< OpenAI responses
  messages,   ///< Anthropic messages
};
inline constexpr std::size_t kWires = 3;

/// "openai-chat" | "openai-responses" | "anthropic-messages", as journals and documents name them.
std::string_view name_of(Wire wire);
std::optional<Wire> wire_from(std::string_view name);

}  // namespace sallyport::llm
