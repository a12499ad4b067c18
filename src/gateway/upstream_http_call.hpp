#pragma once
/// One caller's call over an upstream session: the exchange, what comes ahead of its answer, and when it may
/// be tried again.

#include <memory>
#include <optional>
#include <string>

#include "sallyport/gateway/breaker.hpp"
#include "upstream_http_question.hpp"

namespace sallyport::gateway::http {

/// How one exchange ended besides a plain answer.
enum class Ended : std::uint8_t {
  answered,
  session_gone,  ///< the upstream does not know our session or era: refused before anything ran
  path_gone,     ///< 404 or 405 that speaks of no session: whether anything ran is not known
};

struct Exchanged {
  Ended ended = Ended::answered;
  std::optional<UpstreamAnswer> answer{};
  int status = 0;  ///< HTTP's, of path_gone
};

/// Sends `call` once and waits for its answer. `asked` may be null: questions are refused then. Everything
/// must outlive the task.
Task<Result<Exchanged>> exchange(const std::shared_ptr<Link>& link, const UpstreamCall& call,
                                 const std::string& isolation, const Identity& identity, AskedCall* asked);

/// True where a call that began at `begun` and failed with `error` was surely not sent, and may work in a
/// moment: a server that is being started again refuses connections. `dials`: how often that was tried.
bool dial_again(const Error& error, const std::optional<Breaker::Pass>& pass, int dials, SteadyTime begun);
/// Waits before that. False when the call was cancelled or its deadline passed.
Task<bool> dial_pause(const UpstreamCall& call, int dials);

}  // namespace sallyport::gateway::http
