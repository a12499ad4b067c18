#include "sallyport/llm/wire.hpp"

#include <array>

namespace sallyport::llm {
namespace {

constexpr std::array<std::string_view, kWires> kNames{"openai-chat", "openai-responses",
                                                      "anthropic-messages"};

}  // namespace

std::string_view name_of(Wire wire) { return kNames[static_cast<std::size_t>(wire)]; }

std::optional<Wire> wire_from(std::string_view name) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == name) return static_cast<Wire>(i);
  }
  return std::nullopt;
}

}  // namespace sallyport::llm
