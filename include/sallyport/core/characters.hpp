#pragma once
/// Characters that people do not see and that models or terminals take all the same.

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sallyport {

struct Letter {
  std::uint32_t code = 0;  ///< a Unicode scalar value; the byte itself where there is none
  std::size_t bytes = 0;   ///< 0: no UTF-8 begins here
};
/// The first of a text that is not empty.
Letter letter_at(std::string_view text);

/// What is wrong with it, in words ("a zero-width character"); empty: nothing. Controls, line separators,
/// what changes the direction, and what Unicode 15 says to show nothing for (Default_Ignorable_Code_Point).
std::string_view hidden_character(std::uint32_t code);
/// The joiners, soft hyphens and selectors among them that emoji and several scripts need.
bool joins_letters(std::uint32_t code);

}  // namespace sallyport
