#include <utility>

#include "connection.hpp"
#include "sallyport/core/unfilled.hpp"

namespace sallyport::net {

namespace {

constexpr std::size_t kFirstPiece =
    64 * limits::KiB;  // a body is believed piece by piece, not by what it announces

Failure too_large() {
  return client_error(Code::too_large, "The request body is larger than this endpoint takes.");
}
Failure busy() { return fail(Code::limited, Blame::us, "bytes in flight", true); }

}  // namespace

Task<Result<std::string>> Connection::read_body(std::size_t cap) {
  if (std::exchange(body_taken_, true) || body_whole_) co_return std::string();
  const Request& request = parse_.request;
  if (!request.chunked && *request.content_length > cap) co_return too_large();

  // All of it came with the head: the usual case, and nothing has to wait.
  if (!request.chunked && *request.content_length <= in_.size()) {
    const auto size = static_cast<std::size_t>(*request.content_length);
    if (size > limits::kUncounted && !held_.set(size)) co_return busy();
    std::string body(in_.view().substr(0, size));
    in_.consume(size);
    body_whole_ = true;
    co_return body;
  }

  co_await end_watch();
  // Who has sent all of it and then no more has left it in the socket.
  if (cancel_->requested() && !left_) co_return fail(Code::cancelled, Blame::client, "client went away");
  in_body_ = true;
  timed_out_ = false;
  body_received_ = in_.size();
  if (request.expect_continue && in_.empty()) {
    guard_write();
    const Result<void> asked = co_await channel_.write("HTTP/1.1 100 Continue\r\n\r\n");
    deadline_.clear();
    if (!asked) co_return fail(Code::cancelled, Blame::client, asked.error().what);
  }
  body_started_ = std::chrono::steady_clock::now();
  arm_body_deadline();
  Result<std::string> body = request.chunked ? co_await read_chunked(cap) : co_await read_sized();
  deadline_.clear();
  in_body_ = false;
  body_whole_ = body.has_value();
  if (!body && body.error().code == Code::cancelled) {
    client_gone();
  } else if (!watch_deadline_.armed()) {
    watch_later();  // it was due meanwhile, or ended because of the body's bytes
  }
  co_return body;
}

void Connection::arm_body_deadline() {
  const auto earned = std::chrono::seconds(body_received_ / std::max<std::size_t>(bounds().body_rate, 1));
  const SteadyTime until = body_started_ + bounds().body + earned;
  deadline_.set_at(until, [this, until] {
    if (body_received_ / std::max<std::size_t>(bounds().body_rate, 1) >
        static_cast<std::size_t>((until - body_started_ - bounds().body) / std::chrono::seconds(1))) {
      return arm_body_deadline();  // what came meanwhile has earned more time; what is announced earns none
    }
    timed_out_ = true;
    channel_.end_read();
  });
}

/// At least one byte, or an error that says why there are none.
Task<Result<void>> Connection::read_more(std::span<char> into, std::size_t& count) {
  const Result<std::size_t> n = co_await channel_.read(into);
  if (n && *n > 0) {
    count = *n;
    body_received_ += *n;
    co_return Result<void>{};
  }
  if (timed_out_) co_return client_error(Code::bad_request, "The request body did not arrive in time.");
  co_return fail(Code::cancelled, Blame::client, n ? "the request body was cut short" : n.error().what);
}

Task<Result<std::string>> Connection::read_sized() {
  const auto total = static_cast<std::size_t>(*parse_.request.content_length);
  std::string body;
  std::size_t have = 0;
  while (have < total) {
    if (have == body.size()) {
      const std::size_t bigger = std::min(total, std::max({kFirstPiece, have * 2, in_.size()}));
      if (bigger > limits::kUncounted && !held_.set(bigger)) co_return busy();
      resize_unfilled(body, bigger);
    }
    if (!in_.empty()) {
      const std::size_t n = std::min(in_.size(), body.size() - have);
      std::copy_n(in_.view().data(), n, body.data() + have);
      in_.consume(n);
      have += n;
      continue;
    }
    std::size_t n = 0;
    const Result<void> more = co_await read_more(std::span(body).subspan(have), n);
    if (!more) co_return std::unexpected(more.error());
    have += n;
  }
  co_return body;
}

Task<Result<std::string>> Connection::read_chunked(std::size_t cap) {
  ChunkDecoder decoder;
  std::string body;
  for (;;) {
    while (!in_.empty() && !decoder.done()) {
      const Result<ChunkDecoder::Step> step = decoder.next(in_.view());
      if (!step) co_return client_error(Code::bad_request, "The chunked request body is malformed.");
      if (step->payload.size() > cap - body.size()) co_return too_large();
      const std::size_t need = body.size() + step->payload.size();
      if (need > body.capacity()) {
        const std::size_t bigger = std::min(cap, std::max({need, body.capacity() * 2, std::size_t{1024}}));
        if (bigger > limits::kUncounted && !held_.set(bigger)) co_return busy();
        body.reserve(bigger);
      }
      body.append(step->payload);
      in_.consume(step->used);
    }
    if (decoder.done()) co_return body;
    std::size_t n = 0;
    const Result<void> more = co_await read_more(in_.room(limits::kPipelined), n);
    if (!more) co_return std::unexpected(more.error());
    in_.filled(n);
  }
}

}  // namespace sallyport::net
