#include "call.hpp"
#include "feed.hpp"
#include "metadata.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/sse.hpp"

namespace sallyport::gateway {
namespace {

/// HTTP status of an upstream's own error in the modern era (mcp-protocol section 2.3).
int status_of(std::int64_t code, bool modern) {
  if (!modern) return 200;
  switch (code) {
    case -32700:
    case -32600:
    case -32020:
    case -32021:
    case -32022:
      return 400;
    case -32601:
      return 404;
    default:
      return 200;
  }
}

}  // namespace

Shown show(const Error& error, const Call& call) {
  const mcp::WireError wire = mcp::wire_error(
      error.code, call.modern, call.dispatched ? mcp::Phase::dispatched : mcp::Phase::envelope);
  Shown out{.http = wire.http,
            .code = wire.code,
            .message = error.hint.empty() ? std::string(wire.message) : error.hint,
            .data = error.data};
  // What has run is not to be repeated, as 429 asks for: it has its answer, which says what became of it.
  if (error.answered && wire.http == 429) out.http = 200;
  if (out.data.empty()) {
    out.data = "{\"call\":" + json::quote(call.id) + ",\"reason\":" + json::quote(name_of(error.code)) +
               (error.retry ? ",\"retry\":true" : "") +
               (error.retry_after.count() > 0 ? ",\"retryAfter\":" + std::to_string(error.retry_after.count())
                                              : std::string()) +
               "}";
  }
  return out;
}

namespace {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

bool open_stream(Call& call, const HeaderList& headers) {
  if (call.stream) return !call.log.empty() || call.stream->open();
  if (!call.takes_stream || call.exchange.answered()) return false;
  net::Reply head{.status = 200, .content_type = "text/event-stream", .body = {}, .headers = headers};
  // A stream that is broken off ends like any other: nobody may take its connection for one to go on with.
  call.breakable = call.may_break_off && call.session && call.session->version >= mcp::Version::v2025_11_25;
  head.close = call.breakable;
  // A 2025 client that sends no more has not cancelled, and may still read.
  if (!call.modern) call.exchange.keep_answering();
  call.stream = &call.exchange.stream(std::move(head));
  call.here.counters.streams.add();
  if (!call.session) return true;
  SessionStreams& streams = call.here.feed->sessions();
  call.outlet = std::make_shared<Outlet>(call.here.shard);
  call.log = streams.open(*call.session, call.principal_name(), call.outlet);
  call.outlet->start(*call.stream, streams.priming(*call.session, call.log));
  return true;
}

void push(Call& call, std::string_view message, net::HeldBytes share = {}) {
  if (call.log.empty() || !call.here.feed->sessions().say(call.log, message, share))
    call.stream->push(mcp::sse_frame(message), std::move(share));
}

}  // namespace

void open_early(Call& call) {
  if (call.session && call.session->version >= mcp::Version::v2025_11_25) open_stream(call, call.cors);
}

void break_off(Call& call) {
  open_early(call);
  if (call.log.empty() || !call.breakable) return;
  call.here.feed->sessions().let_go(call.log);
  call.stream->hang_up();
}

bool say(Call& call, std::string_view message) {
  if (!open_stream(call, call.cors)) return false;
  push(call, message);
  return !call.log.empty() || call.stream->open();
}

namespace {

/// The same result with a word beside it: whoever reads a stream sees no headers.
std::string with_warning(const std::string& raw) {
  const auto result = json::Document::parse(raw, json::kUpstream);
  if (!result || !result->root().is(json::Kind::object)) return raw;
  const auto meta = result->root().find("_meta");
  std::string warned = "{\"sallyport/warning\":\"unrecorded\"}";
  if (meta && meta->is(json::Kind::object))
    warned = mcp::rebuild_object(*meta, {{"sallyport/warning", "\"unrecorded\""}}, {});
  return mcp::rebuild_object(result->root(), {{"_meta", std::move(warned)}}, {});
}

}  // namespace

namespace {

/// What the clients of models read.
net::Reply render_for_models(const Call& call, Result<Answer> answer) {
  net::Reply reply{.status = 200, .content_type = "application/json"};
  if (answer) {
    if (auto* whole = std::get_if<net::Reply>(&*answer)) reply = std::move(*whole);
  } else {
    const Error& error = answer.error();
    const llm::WireError shown = wire_error_of(error, call);
    reply.status = llm::status_for(call.model->answers, shown);
    reply.body = llm::write_error(call.model->answers, shown, call.id);
    if (error.blame == Blame::client && error.code != Code::limited)
      reply.headers.emplace_back("x-should-retry", "false");
  }
  const auto own = headers_of(call);
  reply.headers.insert(reply.headers.end(), own.begin(), own.end());
  return reply;
}

}  // namespace

net::Reply render(const Call& call, Result<Answer> answer) {
  if (call.model) {
    const bool stranger = !answer && answer.error().code == Code::unauthenticated;
    const bool lacks_scopes = !answer && answer.error().code == Code::insufficient_scope;
    const auto after = answer ? std::chrono::seconds(0) : answer.error().retry_after;
    net::Reply reply = render_for_models(call, std::move(answer));
    if (call.unrecorded) reply.headers.emplace_back("Sallyport-Warning", "unrecorded");
    if (stranger)
      reply.headers.emplace_back("WWW-Authenticate", challenge(*call.snapshot, call.endpoint_path,
                                                               call.showed ? "invalid_token" : "",
                                                               call.snapshot->issuers->scopes()));
    if (lacks_scopes)
      reply.headers.emplace_back("WWW-Authenticate", challenge(*call.snapshot, call.endpoint_path,
                                                               "insufficient_scope", call.scopes_wanted));
    if (after.count() > 0) reply.headers.emplace_back("Retry-After", std::to_string(after.count()));
    return reply;
  }
  net::Reply reply{.status = 200, .content_type = "application/json"};
  if (call.unrecorded) reply.headers.emplace_back("Sallyport-Warning", "unrecorded");
  if (!answer) {
    const Shown shown = show(answer.error(), call);
    reply.status = shown.http;
    reply.body = mcp::error_message(call.rpc_id, shown.code, shown.message, shown.data);
    if (shown.http == 401)
      reply.headers.emplace_back("WWW-Authenticate", challenge(*call.snapshot, call.endpoint_path,
                                                               call.showed ? "invalid_token" : "",
                                                               call.snapshot->issuers->scopes()));
    if (answer.error().code == Code::insufficient_scope)
      reply.headers.emplace_back("WWW-Authenticate", challenge(*call.snapshot, call.endpoint_path,
                                                               "insufficient_scope", call.scopes_wanted));
    if (shown.http == 405) reply.headers.emplace_back("Allow", "GET, POST, DELETE");
    if (shown.http == 429 || shown.http == 503)
      reply.headers.emplace_back(
          "Retry-After", std::to_string(std::max<std::int64_t>(answer.error().retry_after.count(), 1)));
  } else if (auto* result = std::get_if<RpcResult>(&*answer)) {
    reply.body = mcp::result_message(call.rpc_id, call.unrecorded ? with_warning(result->raw) : result->raw);
    if (!result->session.empty()) reply.headers.emplace_back("Mcp-Session-Id", std::move(result->session));
  } else if (auto* error = std::get_if<RpcError>(&*answer)) {
    reply.status = status_of(error->code, call.modern);
    reply.body = mcp::error_message(call.rpc_id, error->code, error->message, error->data);
  } else if (auto* whole = std::get_if<net::Reply>(&*answer)) {
    reply = std::move(*whole);
  } else if (std::holds_alternative<Streaming>(*answer)) {
    reply.content_type = "text/event-stream";
  } else {
    reply.status = 202;
    reply.content_type.clear();
  }
  return reply;
}

Task<int> send_answer(Call& call, net::Reply reply) {
  reply.headers.insert(reply.headers.end(), call.cors.begin(), call.cors.end());
  const int status = reply.status;
  // A client that takes only event streams, or a session's that would rather have one, gets its one message
  // as one event.
  if (!call.stream && (!call.takes_json || (call.session && call.prefers_stream)) && status == 200 &&
      reply.content_type == "application/json")
    open_stream(call, reply.headers);
  if (call.stream) {
    push(call, reply.body, std::move(call.answer_held));
    if (!call.log.empty()) call.here.feed->sessions().finish(call.log);
    co_return 200;
  }
  // What it was made of is gone; a slow reader keeps nobody else's room.
  if (call.answer_held.bytes() > reply.body.size())
    static_cast<void>(call.answer_held.set(reply.body.size()));
  co_await call.exchange.reply(std::move(reply));
  co_return status;
}

}  // namespace sallyport::gateway
