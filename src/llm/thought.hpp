#pragma once
/// What a model thought, in the form that its provider wants back, carried by clients of other wires.
///
/// A client of another wire has one field for it (`signature`, `encrypted_content`, `reasoning_details`),
/// whose content it gives back unread. There it stands as `sallyport.thought.1.`, a letter for the origin, a
/// dot and the raw JSON in base64url. It is no secret and no proof: what comes back is checked for its form
/// again.

#include <optional>
#include <string>
#include <string_view>

#include "sallyport/llm/wire.hpp"

namespace sallyport::llm {

struct Thought {
  Wire origin = Wire::chat;
  std::string raw{};   ///< one JSON object
  std::string text{};  ///< what of it people can read; may be empty
};

inline constexpr std::string_view kThoughtMark = "sallyport.thought.1.";

inline bool is_carried(std::string_view text) { return text.starts_with(kThoughtMark); }
std::string carry(Wire origin, std::string_view raw);
/// nullopt: not carried by us, damaged, or no thought in the form of its origin.
std::optional<Thought> uncarry(std::string_view text);

}  // namespace sallyport::llm
