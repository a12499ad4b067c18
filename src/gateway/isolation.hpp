#pragma once
/// Who is kept apart from whom at an upstream, and how much room each has there.

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::gateway {

struct Call;

/// Names the connections to an upstream that somebody uses (DESIGN 3.15); "" for those that everybody shares.
/// `session`: the nonce of a 2025 client's; clients of 2026-07-28 have none, theirs is the principal's.
std::string isolation_of(store::Isolation isolation, std::string_view session, const std::string& principal);
/// "" when it has none.
std::string session_of(const Call& call);
std::string isolation_of(const Call& call, const store::Server& server);

/// The principal in what isolation_of() made of a server with that `isolation`.
std::string_view holder_of(store::Isolation isolation, std::string_view name);

/// A session with an upstream, or a process, that is somebody's own.
struct Held {
  std::string_view holder;
  bool rests = false;  ///< can be ended without harm to a call
  SteadyTime used{};   ///< last
};

/// Which of `held` has to end so that `holder` may have one more of at most `most`; nullopt: none. Nobody
/// has more than three quarters, so there is a place for others however many calls one has under way. Who has
/// that many, or else whoever has most, loses what has rested longest. Errors: limited, naming `nouns`:
/// "sessions".
Result<std::optional<std::size_t>> make_room(std::string_view holder, const std::vector<Held>& held,
                                             std::size_t most, std::string_view nouns);

}  // namespace sallyport::gateway
