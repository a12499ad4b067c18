#include "upstream_http_exchange.hpp"

#include <algorithm>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/compose.hpp"

namespace sallyport::gateway::http {
namespace {

UpstreamAnswer answer_from(json::Document document, const mcp::Envelope& envelope, const Identity& identity) {
  return {.document = std::move(document),
          .payload = *envelope.payload,
          .is_error = envelope.kind == mcp::Envelope::Kind::error,
          .modern = identity->modern()};
}

constexpr std::size_t kHeadRoom = 96;  // of an envelope ahead of its params

Failure of_another_type(const net::ClientResponse& response) {
  return misanswered("HTTP " + std::to_string(response.status()) + " with content type '" +
                     response.content_type().substr(0, 60) + "'");
}

/// The answer is there, and the call has run: there is only no place to keep it.
Failure no_room() {
  Failure out = fail(Code::limited, Blame::us, "bytes in flight");
  out.error().answered = true;
  return out;
}

/// Events of other types, and such without data, are not of the protocol: proxies and servers keep streams
/// open with them (WHATWG HTML, section 9.2.6: only `message` is a message).
bool is_message(const mcp::SseEvent& event) { return event.type == "message" && !event.data.empty(); }

bool is_response(const mcp::Envelope& envelope) {
  return envelope.kind == mcp::Envelope::Kind::result || envelope.kind == mcp::Envelope::Kind::error;
}

Failure no_time_left(Within within) {
  if (within.cancel && within.cancel->requested())
    return fail(Code::cancelled, Blame::client, "cancelled while a lost stream waited to be taken up");
  return fail(Code::upstream_timeout, Blame::upstream,
              "the deadline passed before a lost stream was to be taken up");
}

/// Takes a lost stream up again: a GET that names the last event, after the time that the stream asked for.
/// The request itself is never repeated.
Task<Result<void>> take_up(Link& link, Identity identity, MessageStream& stream, Within within) {
  for (int attempt = 0; attempt < limits::kStreamResumes; ++attempt) {
    const Duration pause = std::max<Duration>(stream.retry(), limits::kStreamRetryMin);
    if (!co_await rest(pause, within)) co_return no_time_left(within);
    auto response = co_await link.get(identity, stream.last_id(), within);
    if (!response) {
      const Code code = response.error().code;
      if (code != Code::upstream_unreachable && code != Code::upstream_broken) {
        Failure ended(response.error());
        ended.error().retry = false;  // the request itself went out long ago
        co_return ended;
      }
      continue;
    }
    if (response->status() == 200 && response->is_type("text/event-stream")) {
      stream.go_on(std::move(*response));
      co_return Result<void>();
    }
    const int status = response->status();
    net::finish_in_background(std::move(*response), kTail);
    if (!is_passing(status))
      co_return broken(stream.lost().what + "; HTTP " + std::to_string(status) +
                       " when it was taken up again");
  }
  co_return broken(stream.lost().what + ", and could not be taken up again");
}

Task<Result<UpstreamAnswer>> read_answer(Link& link, Identity identity, std::string id,
                                         net::ClientResponse response, Within within, Hearing* hearing) {
  MessageStream stream(std::move(response));
  std::string resumed_at;
  for (int idle_resumes = 0;;) {
    auto message = co_await stream.next();
    if (!message) co_return Failure(message.error());
    if (!*message) {
      if (identity->modern() || stream.last_id().empty()) co_return Failure(stream.lost());
      // A stream that only ever ends again brings nothing.
      idle_resumes = stream.last_id() == resumed_at ? idle_resumes + 1 : 0;
      if (idle_resumes >= limits::kStreamResumes) co_return Failure(stream.lost());
      resumed_at = stream.last_id();
      if (stream.ended_whole() && hearing) hearing->pause();
      if (auto up = co_await take_up(link, identity, stream, within); !up) co_return Failure(up.error());
      continue;
    }
    mcp::Envelope& envelope = (*message)->envelope;
    if (envelope.kind == mcp::Envelope::Kind::notification) {
      if (hearing) hearing->notification(envelope);
      continue;
    }
    if (envelope.kind == mcp::Envelope::Kind::request) {
      const auto fine =
          hearing
              ? hearing->request(envelope)
              : Result<void>(misanswered("asks '" + envelope.method_text.substr(0, 60) + "' out of place"));
      if (!fine) co_return Failure(fine.error());
      continue;
    }
    if (envelope.id != id) co_return misanswered("answer carries another id");
    const std::size_t size = (*message)->document.bytes().size();
    const std::size_t held = size <= limits::kUncounted ? 0 : 2 * size + (*message)->document.index_bytes();
    UpstreamAnswer answer = answer_from(std::move((*message)->document), envelope, identity);
    if (!answer.held.set(held)) co_return no_room();
    if (stream.has_more()) {
      auto after = co_await stream.next();
      if (after && *after && is_response((*after)->envelope))
        co_return misanswered("two answers on one stream");
    }
    net::finish_in_background(stream.release(), kTail);
    co_return answer;
  }
}

/// What servers say of a session that they do not know is text, or JSON-RPC, of a line.
bool speaks_of_session(std::string_view body) {
  constexpr std::size_t kLine = 512;
  return lower(body.substr(0, kLine)).contains("session");
}

}  // namespace

bool is_question(mcp::Method method) {
  return method == mcp::Method::elicitation_create || method == mcp::Method::sampling_create_message ||
         method == mcp::Method::roots_list;
}

mcp::Id withdrawn_id(const mcp::Envelope& cancelled) {
  const auto id = cancelled.params ? cancelled.params->find("requestId") : std::nullopt;
  return mcp::Id(id ? id->raw() : "");
}

Result<void> Replies::send(Identity identity, std::string message) {
  if (!under_way_) under_way_ = std::make_shared<int>(0);
  if (*under_way_ >= limits::kUpstreamQuestions) return broken("asks faster than it takes answers");
  ++*under_way_;
  spawn([](std::shared_ptr<Link> link, std::shared_ptr<int> under_way, Identity to,
           std::string what) -> Task<> {
    (void)co_await link->tell(to, std::move(what), limits::kSideRequest);
    --*under_way;
  }(link_, under_way_, std::move(identity), std::move(message)));
  return {};
}

Result<void> Replies::pong(Identity identity, const mcp::Id& id) {
  return send(std::move(identity), mcp::result_message(id, "{}"));
}

Result<void> Replies::refuse(Identity identity, const mcp::Id& id, int code, std::string_view message) {
  return send(std::move(identity), mcp::error_message(id, code, message, ""));
}

Duration MessageStream::retry() const {
  const Duration wanted = retry_ ? Duration(std::chrono::milliseconds(*retry_)) : limits::kStreamRetry;
  return std::min<Duration>(wanted, limits::kStreamRetryMax);
}

void MessageStream::go_on(net::ClientResponse response) {
  response_ = std::move(response);
  reader_.emplace(limits::kSseEvent);
}

bool MessageStream::has_more() const {
  return std::any_of(events_.begin() + static_cast<std::ptrdiff_t>(at_), events_.end(), is_message);
}

Task<Result<std::optional<MessageStream::Message>>> MessageStream::next() {
  for (;;) {
    while (at_ < events_.size()) {
      mcp::SseEvent event = std::move(events_[at_++]);
      if (!is_message(event)) continue;
      auto document = json::Document::parse(std::move(event.data), json::kUpstream);
      if (!document) co_return misanswered("event is not JSON: " + document.error().what);
      auto envelope = mcp::read_upstream_message(document->root());
      if (!envelope) co_return misanswered("event is no JSON-RPC message: " + envelope.error().what);
      co_return Message{.document = std::move(*document), .envelope = std::move(*envelope)};
    }
    if (reader_->dead()) co_return misanswered("stream: an event is larger than the bound");
    auto bytes = co_await response_.some();
    if (!bytes || bytes->empty()) {
      ended_whole_ = bytes.has_value() && !reader_->mid_event();
      lost_ = bytes ? broken("stream ended before the answer").error() : bytes.error();
      if (lost_.code != Code::upstream_broken) co_return Failure(lost_);
      co_return std::optional<Message>();
    }
    auto events = reader_->feed(*bytes);
    if (!events) co_return misanswered("stream: " + events.error().what);
    if (!held_.set(reader_->pending() > limits::kUncounted ? reader_->pending() : 0)) co_return no_room();
    events_ = std::move(*events);
    at_ = 0;
    if (!reader_->last_id().empty()) last_id_ = reader_->last_id();
    if (reader_->retry()) retry_ = reader_->retry();
  }
}

Task<Result<Posted>> post(Link& link, const UpstreamCall& call, Identity identity, std::string id,
                          std::string own_params, Within within, Hearing* hearing) {
  const bool notification = id.empty();
  const std::string params =
      own_params.empty() && !(notification && !identity->modern())
          ? wire::upstream_params(call, *identity,
                                  call.wants_progress ? std::string_view(id) : std::string_view{})
          : std::move(own_params);
  std::string head;
  head.reserve(kHeadRoom);
  head += "{\"jsonrpc\":\"2.0\",";
  if (!notification) head += "\"id\":" + id + ",";
  head += "\"method\":\"";
  head += mcp::text_of(call.method);
  head += params.empty() ? "\"" : "\",\"params\":";
  net::ClientRequest request{
      .method = "POST", .path = {}, .headers = link.headers(*identity, &call), .body = {head, params, "}"}};
  auto response = co_await link.send(std::move(request), within);
  if (!response) co_return Failure(response.error());

  Posted out{.status = response->status()};
  if (const auto session = response->headers().find("mcp-session-id")) out.session = std::string(*session);
  if (notification) {
    net::finish_in_background(std::move(*response), kTail);
    co_return out;
  }
  const bool stream = response->is_type("text/event-stream");
  // Whoever opens a stream has read the request: no refusal of its session, which would be sent again.
  if (stream && out.status >= 400)
    co_return misanswered("HTTP " + std::to_string(out.status) + " with an event stream");
  if (stream && out.status == 200) {
    auto answer = co_await read_answer(link, identity, id, std::move(*response), within, hearing);
    if (!answer) co_return Failure(answer.error());
    out.answer = std::move(*answer);
    co_return out;
  }
  const bool json = response->is_type("application/json");
  auto body = co_await response->whole(limits::kUpstreamBody);
  if (!body) co_return Failure(body.error());
  net::HeldBytes keep = response->take_held();
  out.names_session = out.status >= 400 && speaks_of_session(*body);
  if (!json) {
    if (out.status < 400) co_return of_another_type(*response);
    co_return out;
  }
  auto document = json::Document::parse(std::move(*body), json::kUpstream);
  if (!document) {
    if (out.status < 400) co_return misanswered("answer is not JSON: " + document.error().what);
    co_return out;
  }
  auto message = mcp::read_upstream_message(document->root());
  if (!message || !is_response(*message)) {
    if (out.status < 400) co_return misanswered("answer is no JSON-RPC response");
    co_return out;
  }
  // An error that could not be tied to a request has a null id, or one that the server made up; anything else
  // with a foreign id belongs to somebody else.
  out.tied = message->id == id;
  const bool unread =
      message->kind == mcp::Envelope::Kind::error && (message->id.empty() || out.status >= 400);
  if (!out.tied && !unread) co_return misanswered("answer carries another id");
  const std::size_t held = keep.bytes() == 0 ? 0 : 2 * document->bytes().size() + document->index_bytes();
  if (!keep.set(held)) co_return no_room();
  out.answer = answer_from(std::move(*document), *message, identity);
  out.answer->held = std::move(keep);
  co_return out;
}

}  // namespace sallyport::gateway::http
