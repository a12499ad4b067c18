#pragma once
/// What a client that lacks scopes is told to ask for.

#include <string>
#include <vector>

namespace sallyport::gateway {

struct Call;

/// The call is refused for want of `lacks`. Its client is to ask for those and what its token has: scopes of
/// RFC 6749 section 3.3, each once, limits::kTokenScopes at most, and those that it lacks in any case.
void ask_for_scopes(Call& call, const std::vector<std::string>& lacks);

}  // namespace sallyport::gateway
