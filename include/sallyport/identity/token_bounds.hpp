#pragma once
/// What a token may be limited to below what its principal may do, and that this only ever gets less.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::identity {

/// The words of a list with spaces between them, as OAuth writes scopes (RFC 6749 section 3.3).
std::vector<std::string> words_of(std::string_view text);

/// What is wrong with patterns of tools that a token is to be limited to; empty: nothing.
std::string tools_problem(const std::vector<std::string>& tools);
/// The first of `wanted` that nothing of `held` covers; nullopt: all are covered. Without `held` all is held.
std::optional<std::string> first_beyond(const std::optional<std::vector<std::string>>& held,
                                        const std::vector<std::string>& wanted);

}  // namespace sallyport::identity
