#include "connection.hpp"

#include <array>
#include <utility>

#include "reply_head.hpp"

namespace sallyport::net {

namespace {

Code code_of(int status) {
  switch (status) {
    case 404:
      return Code::not_found;
    case 414:
      return Code::uri_too_long;
    case 431:
      return Code::head_too_large;
    case 501:
    case 505:
      return Code::not_implemented;
    default:
      return Code::bad_request;
  }
}

/// Awaits the end of the watch on the socket.
struct WatchEnd {
  bool& watching;
  std::coroutine_handle<>& waiter;
  bool await_ready() const noexcept { return !watching; }
  void await_suspend(std::coroutine_handle<> h) { waiter = h; }
  void await_resume() const noexcept {}
};

}  // namespace

Connection::Connection(Shard& shard, int fd, Peer peer, std::shared_ptr<ListenerState> state)
    : shard_(shard),
      channel_(shard, fd),
      peer_(std::move(peer)),
      state_(std::move(state)),
      deadline_(shard),
      watch_deadline_(shard) {
  auto& all = state_->by_shard[static_cast<std::size_t>(shard_.index())];
  place = all.size();
  all.push_back(this);
}

Connection::~Connection() {
  auto& all = state_->by_shard[static_cast<std::size_t>(shard_.index())];
  all[place] = all.back();
  all[place]->place = place;
  all.pop_back();
  channel_.close();
  if (state_->live.fetch_sub(1) == 1 && state_->stopping) {
    const std::scoped_lock lock(state_->mutex);
    state_->ended.notify_all();
  }
}

Task<> Connection::run(std::shared_ptr<Connection> self) {
  Connection& c = *self;
  if (!c.state_->tls || co_await c.shake_hands()) {
    while (!c.state_->stopping && co_await c.read_head() && co_await c.serve()) {
      c.fresh_ = false;
    }
  }
  c.phase_ = Phase::ending;
  c.deadline_.clear();
  c.channel_.close();
}

Task<bool> Connection::shake_hands() {
  phase_ = Phase::head;
  deadline_.set(bounds().head, [this] { channel_.close(); });
  const Result<void> shaken = co_await channel_.accept_tls(state_->tls);
  deadline_.clear();
  if (shaken) peer_.certificate = channel_.certificate();
  co_return shaken.has_value();
}

/// True once a head has passed the check and stands in `parse_`; false when the connection is to end.
Task<bool> Connection::read_head() {
  phase_ = Phase::idle;
  timed_out_ = false;
  parse_.state = HeadParse::State::need_more;
  std::size_t looked = 0;
  for (;;) {
    if (in_.size() > looked) {
      if (try_head(looked)) break;
      looked = in_.size();
    }
    if (in_.empty()) {
      in_.shrink(Input::kFirst);
      // Who has not asked for anything yet has no claim on a place for longer than a head may take.
      deadline_.set(fresh_ ? std::min(bounds().head, bounds().idle) : bounds().idle,
                    [this] { channel_.close(); });
    } else if (phase_ == Phase::idle) {
      phase_ = Phase::head;
      deadline_.set(bounds().head, [this] {
        timed_out_ = true;
        channel_.end_read();
      });
    }
    const std::span<char> room = in_.room(limits::kPipelined);
    const Result<std::size_t> n = co_await channel_.read(room);
    if (!n || *n == 0) {
      deadline_.clear();
      if (timed_out_) co_await refuse(408, "head_timeout");
      co_return false;
    }
    in_.filled(*n);
  }
  deadline_.clear();
  if (parse_.state == HeadParse::State::refused) {
    co_await refuse(parse_.status, parse_.reason);
    co_return false;
  }
  in_.consume(parse_.length);
  co_return true;
}

/// True when the head is whole or refused. `looked` bytes were judged before.
bool Connection::try_head(std::size_t looked) {
  const std::string_view bytes = in_.view();
  constexpr std::string_view kEnd = "\r\n\r\n";
  const std::size_t end = bytes.find(kEnd, looked < kEnd.size() ? 0 : looked - kEnd.size() + 1);
  if (end != std::string_view::npos) {
    const std::string_view head = bytes.substr(0, std::min(end + kEnd.size(), limits::kHeadBytes + 1));
    parse_.request.head.assign(head.begin(), head.end());
    parse_head({parse_.request.head.data(), parse_.request.head.size()}, parse_);
  } else if (looked < 64 || bytes.find('\n', looked) != std::string_view::npos ||
             bytes.size() > limits::kTargetBytes) {
    // Refused early where it can be; a head that drips in is judged once per line, not once per byte.
    parse_head(bytes, parse_);
  }
  return parse_.state != HeadParse::State::need_more;
}

Task<> Connection::refuse(int status, std::string_view reason) {
  phase_ = Phase::ending;
  if (state_->options.on_refusal) {
    state_->options.on_refusal({.status = status, .reason = std::string(reason), .peer = peer_});
  }
  Reply reply{.status = status, .content_type = "application/json"};
  reply.body.append("{\"error\":{\"code\":\"").append(name_of(code_of(status))).append("\",\"message\":\"");
  reply.body.append(reason_of(status)).append(": ").append(reason).append("\"}}");
  write_reply_head(out_, reply, {.keep_alive = false});
  const std::array<std::string_view, 2> pieces{out_, reply.body};
  guard_write();
  const Result<void> sent = co_await channel_.write(pieces);
  deadline_.clear();
  if (sent) co_await linger();
}

/// Runs the handler on the request in `parse_`. True when the connection can take another.
Task<bool> Connection::serve() {
  const Request& request = parse_.request;
  phase_ = Phase::exchange;
  cancel_.emplace();
  answered_ = false;
  keep_open_ = false;
  body_whole_ = !request.chunked && request.content_length.value_or(0) == 0;
  body_taken_ = false;
  bytes_sent_ = 0;
  started_ = std::chrono::steady_clock::now();
  left_ = keeps_answering_ = false;
  brought_for_.clear();
  if (const auto& trusted = state_->options.trusted_proxies;
      !request.forwarded.lines.empty() && !trusted.empty())
    brought_for_ = trusted.client_of(peer_, request.forwarded);
  // One that was gone before its request was read is known to be so from the beginning.
  if (channel_.end_known()) client_left();
  watch_leaving();
  if (state_->tls) watch_deadline_.set_at(started_ + bounds().watch_after, [this] { watch_later(); });

  co_await state_->options.handler(*this);

  channel_.forget_end();
  watch_deadline_.clear();
  if (!answered_ && channel_.is_open()) {
    // A cancelled caller needs no answer; anyone else must not be left waiting.
    Reply none{.status = 500,
               .content_type = "application/json",
               .body = R"({"error":{"code":"internal","message":"Internal Server Error"}})",
               .close = true};
    if (!cancel_->requested()) co_await reply(std::move(none));
  }
  if (events_) keep_open_ = co_await events_->finish() && keep_open_;
  co_await end_watch();
  if (events_) bytes_sent_ = events_->payload();
  events_.reset();
  kept_.reset();
  held_.release();
  if (keep_open_ && channel_.is_open()) co_return true;
  phase_ = Phase::ending;
  if (answered_ && channel_.is_open() && (left_ || !cancel_->requested())) co_await linger();
  co_return false;
}

bool Connection::stays_open(const Reply& reply) const {
  return parse_.request.keep_alive && body_whole_ && !reply.close && !state_->stopping;
}

Task<> Connection::reply(Reply reply) {
  if (std::exchange(answered_, true)) co_return;
  keep_open_ = stays_open(reply);
  write_reply_head(out_, reply, {.minor_version = parse_.request.minor_version, .keep_alive = keep_open_});
  const bool bodiless = parse_.request.method == Method::head || reply.status == 204 || reply.status == 304;
  const std::array<std::string_view, 2> pieces{out_, bodiless ? std::string_view{} : reply.body};
  bytes_sent_ = pieces[1].size();
  guard_write();
  const Result<void> sent = co_await channel_.write(pieces);
  deadline_.clear();
  if (!sent) {
    keep_open_ = false;
    channel_.close();
  }
}

EventStream& Connection::stream(Reply head) {
  const bool first = !std::exchange(answered_, true);
  const bool chunked = parse_.request.minor_version == 1;
  events_ = std::make_shared<EventWriter>(channel_, bounds(), chunked, [this] { client_gone(); });
  if (!first) {
    events_->abandon();
    return *events_;
  }
  keep_open_ = stays_open(head) && chunked;
  head.content_type = "text/event-stream";
  head.headers.emplace_back("Cache-Control", "no-store");
  head.headers.emplace_back("X-Accel-Buffering", "no");
  std::string bytes;
  write_reply_head(bytes, head,
                   {.framing = chunked ? ReplyFraming::chunked : ReplyFraming::until_close,
                    .minor_version = parse_.request.minor_version,
                    .keep_alive = keep_open_});
  events_->start(std::move(bytes));
  in_.shrink(0);
  out_ = std::string();
  if (left_ && !keeps_answering_) events_->abandon();
  watch_deadline_.clear();
  watch_later();
  return *events_;
}

/// The end of what a client sends is all that tells of its leaving: whether it still reads shows only when
/// something is written. Whoever runs the call decides what that means; a reply is still written.
void Connection::watch_leaving() {
  if (left_) return;
  channel_.watch_end([this](bool told) {
    if (told) client_left();
  });
}

void Connection::client_left() {
  left_ = true;
  if (events_ && !keeps_answering_) events_->abandon();
  cancel_->request();
}

void Connection::forget_request() {
  Request& request = parse_.request;
  request.head = {};
  request.headers.lines = {};
  request.forwarded.lines = {};
  request.target = request.path = request.query = {};
  held_.release();
}

/// Over TLS a client may say goodbye and leave the connection as it is.
void Connection::watch_later() {
  if (watching_ || !state_->tls) return;
  if (in_body_) return;  // the read notices by itself; the watch begins where it ends
  spawn(watch());
}

Task<> Connection::watch() {
  watching_ = true;
  // Bytes of a next request end this watch: they can only be left where they are.
  if (co_await channel_.wait_gone()) client_left();
  watching_ = false;
  if (auto h = std::exchange(watch_ended_, {})) h.resume();
}

Task<> Connection::end_watch() {
  channel_.end_wait();
  co_await WatchEnd{watching_, watch_ended_};
}

void Connection::client_gone() {
  keep_open_ = false;
  if (events_) events_->abandon();
  cancel_->request();
}

void Connection::guard_write() {
  guarded_at_ = channel_.bytes_written();
  deadline_.set(bounds().write_stall, [this] {
    if (channel_.bytes_written() != guarded_at_) {
      guard_write();
    } else {
      channel_.abort();
    }
  });
}

/// The answer is out but the peer may still be sending: closing now would reset the connection and could take
/// the answer with it (RFC 9112 §9.6). What comes is read away, within bounds.
Task<> Connection::linger() {
  channel_.shutdown_send();
  deadline_.set(bounds().linger, [this] { channel_.close(); });
  std::size_t drained = in_.size();
  in_.consume(drained);
  while (drained < bounds().linger_bytes) {
    const std::span<char> room = in_.room(limits::kPipelined);
    const Result<std::size_t> n = co_await channel_.read(room);
    if (!n || *n == 0) break;
    drained += *n;
  }
  deadline_.clear();
}

void Connection::stop_when_idle() {
  if (phase_ == Phase::idle) channel_.close();
}

void Connection::stop_now() {
  if (phase_ != Phase::exchange) return channel_.close();
  keep_open_ = false;
  watch_deadline_.clear();
  // Said again and again while we end: the first time counts.
  if (!cut_) cut_.emplace(shard_).set(bounds().cancel_grace, [this] { channel_.close(); });
  if (events_) events_->abandon();
  cancel_->request();
}

}  // namespace sallyport::net
