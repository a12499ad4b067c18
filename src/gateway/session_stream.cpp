// The GET stream of a legacy session, what it resumes, and what it subscribes to (2025-11-25, transports and
// resources).
#include "feed.hpp"
#include "mcp_service.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::gateway {
namespace {

using Found = EventLog::Replay::Found;

Failure lost() {
  return client_error(Code::not_found,
                      "This stream is no longer there. Send initialize for a new session, or GET without "
                      "Last-Event-ID for the stream of this one.");
}

/// A session is kept by the shard that made it; after a restart with fewer shards another takes its place.
int home_of(const Session& session, const net::Shards& shards) {
  return std::max(session.home, 0) % shards.size();
}

std::string uri_of(const Call& call) {
  const auto uri = call.message.message.params->find("uri");
  return uri ? uri->string().value_or("") : "";
}

}  // namespace

Task<Result<Answer>> McpService::session_stream(Call& call) {
  const Session& session = *call.session;
  const auto header = call.exchange.request().headers.find("last-event-id");
  int shard = home_of(session, shards_);
  std::optional<EventId> after;
  if (header && !header->empty()) {
    after = EventId::parse(*header);
    if (!after || after->shard >= shards_.size()) {
      call.refusal = "lost_stream";
      co_return lost();
    }
    shard = after->shard;
  }
  auto outlet = std::make_shared<Outlet>(call.here.shard);
  ShardState* const state = states_[static_cast<std::size_t>(shard)].get();
  const Caller caller = caller_of(call);
  auto attached = co_await net::run_on<Result<Attached>>(
      shards_[shard], [state, session, after, caller, outlet]() -> Task<Result<Attached>> {
        return [](ShardState* there, Session s, std::optional<EventId> id, Caller who,
                  std::shared_ptr<Outlet> reader) -> Task<Result<Attached>> {
          if (there->feed->closed()) co_return fail(Code::unavailable, Blame::us, "stopping", true);
          SessionStreams& streams = there->feed->sessions();
          if (id) co_return streams.resume(s, who.principal, *id, std::move(reader));
          co_return streams.attach(s, who, std::move(reader));
        }(state, session, after, caller, outlet);
      });
  if (!attached) co_return Failure(attached.error());
  if (attached->found != Found::here) {
    call.refusal = attached->found == Found::foreign ? "session_mismatch" : "lost_stream";
    co_return lost();
  }
  const auto left = [state, stream = attached->stream, nonce = session.nonce, outlet,
                     &where = shards_[shard]] {
    (void)where.post(
        [state, stream, nonce, outlet] { state->feed->sessions().detach(stream, nonce, *outlet); });
  };
  if (call.exchange.cancel().requested()) {
    left();
    co_return fail(Code::cancelled, Blame::client, "the client has gone");
  }
  call.exchange.keep(std::move(attached->charge));
  co_return Streaming{.outlet = outlet, .first = std::move(attached->frames), .left = left};
}

Task<Result<Answer>> McpService::subscribe(Call& call) {
  const std::string uri = uri_of(call);
  const auto found = readable(call, uri);
  if (!found) co_return no_such_resource(call, uri);
  Watched what = watched(call, *found, uri);
  const int home = home_of(*call.session, shards_);
  ShardState* const state = states_[static_cast<std::size_t>(home)].get();
  const Caller caller = caller_of(call);
  auto done = co_await net::run_on<Result<bool>>(
      shards_[home], [state, session = *call.session, caller, what]() -> Task<Result<bool>> {
        return [](ShardState* there, Session s, Caller who, Watched w) -> Task<Result<bool>> {
          if (there->feed->closed()) co_return fail(Code::unavailable, Blame::us, "stopping", true);
          co_return co_await there->feed->sessions().subscribe(
              std::move(s), std::move(who), std::move(w),
              std::chrono::steady_clock::now() + limits::kSubscribeDeadline);
        }(state, session, caller, what);
      });
  if (!done) co_return Failure(done.error());
  co_return RpcResult{"{}"};
}

Task<Result<Answer>> McpService::unsubscribe(Call& call) {
  const std::string uri = uri_of(call);
  const int home = home_of(*call.session, shards_);
  ShardState* const state = states_[static_cast<std::size_t>(home)].get();
  auto was = co_await net::run_on<Result<bool>>(
      shards_[home], [state, session = *call.session, uri]() -> Task<Result<bool>> {
        return [](ShardState* there, Session s, std::string u) -> Task<Result<bool>> {
          co_return there->feed->sessions().unsubscribe(s, u);
        }(state, session, uri);
      });
  if (!was) co_return Failure(was.error());
  // What was never subscribed to ends as it never began; what does not exist answers as everywhere.
  if (!*was && !readable(call, uri)) co_return no_such_resource(call, uri);
  co_return RpcResult{"{}"};
}

}  // namespace sallyport::gateway
