#include "upstream_http_call.hpp"

#include "sallyport/core/limits.hpp"

namespace sallyport::gateway::http {
namespace {

/// A server that answers an HTTP error did not read the request as one of a session that it has, or not as
/// one of its era. Legacy ones that lost our session say 404, or 400 with an error of the protocol itself
/// that is tied to no request, or in words. A modern one that suddenly answers like that has been replaced by
/// a legacy one.
bool session_refused(const Posted& posted, const UpstreamIdentity& identity) {
  const bool error = posted.answer && posted.answer->is_error;
  // A result says that the call ran, whatever HTTP status its server sends with it.
  if (posted.answer && !error) return false;
  const auto object = error && posted.answer->payload.is(json::Kind::object);
  const auto member = object ? posted.answer->payload.find("code") : std::nullopt;
  const std::int64_t code = member ? member->integer().value_or(0) : 0;
  // "Invalid request", and those that the protocol leaves to servers' transports.
  const bool of_the_protocol = code == -32600 || (code <= -32000 && code > -32100);
  if (error && posted.tied) {
    return (posted.status == 400 && identity.modern() && code == -32022) ||
           (posted.status == 404 && !identity.session.empty() && posted.names_session && of_the_protocol);
  }
  if (posted.status == 404) return !identity.session.empty();
  if (posted.status != 400) return false;
  return posted.names_session || (error && of_the_protocol);
}

Task<> tell_cancelled(std::shared_ptr<Link> link, Identity identity, std::string id) {
  (void)co_await link->tell(
      identity, R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + id + "}}",
      std::chrono::seconds(2));
}

Failure without_answer(int status) {
  std::string what = "HTTP " + std::to_string(status) + " without a JSON-RPC answer";
  return is_absence(status) ? broken(std::move(what)) : misanswered(std::move(what));
}

Failure not_answered(const std::shared_ptr<Link>& link, const Identity& identity, const std::string& id,
                     Error error) {
  if (!identity->modern() && (error.code == Code::cancelled || error.code == Code::upstream_timeout))
    spawn(tell_cancelled(link, identity, id));
  return Failure(std::move(error));
}

/// Hears for one call.
class Ears final : public Hearing {
 public:
  Ears(const std::shared_ptr<Link>& link, const UpstreamCall& call, const std::string& isolation,
       const Identity& identity, AskedCall* asked)
      : link_(*link),
        replies_(link),
        call_(call),
        isolation_(isolation),
        identity_(identity),
        asked_(asked) {}

  void notification(const mcp::Envelope& notification) override {
    link_.hear(notification, isolation_);
    if (asked_ && notification.method == mcp::Method::n_cancelled)
      asked_->withdraw(withdrawn_id(notification));
    if (call_.on_notification && notification.params)
      call_.on_notification({notification.method, *notification.params});
  }
  Result<void> request(const mcp::Envelope& request) override {
    if (request.method == mcp::Method::ping) return replies_.pong(identity_, request.id);
    if (identity_->modern())
      return misanswered("asks '" + request.method_text.substr(0, 60) + "', which no server of its era may");
    if (asked_) return asked_->take(identity_, request);
    return replies_.refuse(identity_, request.id, -32601,
                           "Method not found: the client declared nothing that would allow it.");
  }
  void pause() override {
    if (call_.on_break) call_.on_break();
  }

 private:
  Link& link_;
  Replies replies_;
  const UpstreamCall& call_;
  const std::string& isolation_;
  const Identity& identity_;
  AskedCall* const asked_;
};

}  // namespace

Task<Result<Exchanged>> exchange(const std::shared_ptr<Link>& link, const UpstreamCall& call,
                                 const std::string& isolation, const Identity& identity, AskedCall* asked) {
  const std::string id = link->next_id();
  Ears hearing(link, call, isolation, identity, asked);
  const Within within =
      asked ? Within{.cancel = &asked->cancel()} : Within{.deadline = call.deadline, .cancel = call.cancel};
  auto posted = co_await post(*link, call, identity, id, "", within, &hearing);
  if (!posted) {
    co_return not_answered(link, identity, id, asked ? asked->truth(posted.error()) : posted.error());
  }
  Exchanged out;
  if (posted->status == 401 || posted->status == 403) co_return link->refused_credential(posted->status);
  // Only what certainly never ran is sent again: a refusal of our session or era, which names no request.
  if (session_refused(*posted, *identity)) {
    out.ended = Ended::session_gone;
    co_return out;
  }
  if (posted->answer) {
    out.answer = std::move(posted->answer);
    co_return out;
  }
  if (posted->status == 404 || posted->status == 405) {
    // Perhaps another server is there now; perhaps it is how a tool that ran says that it found nothing.
    out.ended = Ended::path_gone;
    out.status = posted->status;
    co_return out;
  }
  co_return without_answer(posted->status);
}

bool dial_again(const Error& error, const std::optional<Breaker::Pass>& pass, int dials, SteadyTime begun) {
  return error.code == Code::upstream_unreachable && error.blame == Blame::upstream && error.retry && pass &&
         pass->untroubled() && dials < limits::kDialRetries &&
         std::chrono::steady_clock::now() - begun < limits::kDialRetryWithin;
}

Task<bool> dial_pause(const UpstreamCall& call, int dials) {
  co_return co_await rest(limits::kDialRetryPause * (dials + 1),
                          {.deadline = call.deadline, .cancel = call.cancel});
}

}  // namespace sallyport::gateway::http
