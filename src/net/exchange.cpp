#include "exchange.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "field_syntax.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::net {
namespace {

constexpr std::size_t kFirstBuffer = 8 * limits::KiB;  // head and body of an ordinary answer
constexpr std::size_t kBodyBuffer = 32 * limits::KiB;
constexpr std::size_t kSmallRoom = 2 * limits::KiB;
constexpr int kInterimResponses = 8;
/// So long a server that has answered a request well may take nothing more of it; shorter where it closes the
/// connection afterwards, as one that is done with it would.
constexpr auto kStalled = std::chrono::seconds(5);
constexpr auto kStalledLast = std::chrono::seconds(1);

Error broken(std::string what) {
  return Error{.code = Code::upstream_broken, .blame = Blame::upstream, .what = std::move(what)};
}

bool is_target(std::string_view path) {
  return path.starts_with('/') && std::ranges::all_of(path, [](char c) { return c > ' ' && c < '\x7F'; });
}

}  // namespace

Result<void> ClientResponse::Impl::compose(const ClientRequest& request, const Pool& pool) {
  const bool framed = request.headers.empty() || request.headers.ends_with("\r\n");
  if (!is_token(request.method) || !is_target(request.path) || !framed) {
    return fail(Code::internal, Blame::us, "request with a malformed method, path or header block");
  }
  head_method_ = request.method == "HEAD";
  out.clear();
  out.append(request.method).append(" ").append(request.path).append(" HTTP/1.1\r\n");
  out.append(pool.host_line).append(request.headers);
  std::size_t length = 0;
  for (const std::string_view piece : request.body) length += piece.size();
  const bool carries = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (length > 0 || carries) {
    char digits[20];
    char* const end = std::to_chars(digits, digits + sizeof digits, length).ptr;
    out.append("Content-Length: ").append(digits, static_cast<std::size_t>(end - digits)).append("\r\n");
  }
  out.append("\r\n");
  pieces.clear();
  pieces.push_back(out);
  for (const std::string_view piece : request.body) {
    if (!piece.empty()) pieces.push_back(piece);
  }
  return {};
}

void ClientResponse::Impl::guard(SteadyTime until, Cancel* cancel) {
  if (until != SteadyTime::max()) deadline.set_at(until, [this] { end(Why::timeout); });
  if (cancel) watch = cancel->on_request([this] { end(Why::cancelled); });
}

void ClientResponse::Impl::end(Why why) {
  if (why_ != Why::none) return;
  why_ = why;
  if (channel) channel->close();
  // Last: the coroutine that waits for the connection goes on inside.
  if (const auto waiting = dial) waiting->made.deliver(Failure(*ended()));
}

std::optional<Error> ClientResponse::Impl::ended() const {
  switch (why_) {
    case Why::none:
      return std::nullopt;
    case Why::timeout:
      return Error{.code = Code::upstream_timeout,
                   .blame = Blame::upstream,
                   .what = "the deadline passed before the exchange with the upstream was complete",
                   .retry = !sent};
    case Why::cancelled:
      return Error{.code = Code::cancelled, .blame = Blame::client, .what = "cancelled", .retry = !sent};
  }
  return std::nullopt;
}

Failure ClientResponse::Impl::broke(Error error) {
  deadline.clear();
  watch = {};
  channel.reset();
  ticket.release();
  if (!failed) failed = ended().value_or(std::move(error));
  return Failure(*failed);
}

Failure ClientResponse::Impl::crowded(const Origin& origin) {
  return broke({.code = Code::limited,
                .blame = Blame::us,
                .what = "too many connections to " + origin.url.origin(),
                .retry = true});
}

Failure ClientResponse::Impl::unsent(Error why) {
  return broke({.code = Code::upstream_unreachable,
                .blame = Blame::upstream,
                .what = std::move(why.what),
                .retry = true});
}

void ClientResponse::Impl::reset() {
  deadline.clear();
  watch = {};
  channel.reset();
  ticket.release();
  dial.reset();
  pools.reset();
  failed.reset();
  held.release();
  kept = sent = done = large_ = uploading = false;
  reusable = true;
  left = 0;
  why_ = Why::none;
  chunks_ = {};
  begin_ = end_ = seen_ = head_end_ = 0;
  interim_ = 0;
  data_ = nullptr;
  // Buffers of ordinary size stay for the next request.
  if (out.capacity() > kBodyBuffer) std::string().swap(out);
  if (head_capacity_ > kFirstBuffer) {
    head_buffer_.reset();
    head_capacity_ = 0;
  }
}

std::span<char> ClientResponse::Impl::head_room() {
  if (!head_buffer_) grow_head();
  if (end_ == head_capacity_) {
    if (begin_ > 0) {
      std::memmove(data_, data_ + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else {
      grow_head();
    }
  }
  data_ = head_buffer_.get();
  return {data_ + end_, head_capacity_ - end_};
}

void ClientResponse::Impl::grow_head() {
  const std::size_t capacity = head_capacity_ == 0 ? kFirstBuffer : head_capacity_ * 2;
  auto larger = std::make_unique_for_overwrite<char[]>(capacity);
  if (end_ > 0) std::memcpy(larger.get(), head_buffer_.get(), end_);
  head_buffer_ = std::move(larger);
  head_capacity_ = capacity;
  data_ = head_buffer_.get();
}

Result<bool> ClientResponse::Impl::took_head(Result<std::size_t> read) {
  if (auto error = ended()) return Failure(std::move(*error));
  if (!read) return Failure(broken("no response: " + read.error().what));
  if (*read == 0) return Failure(broken("the connection ended before the response head"));
  end_ += *read;
  for (;;) {
    const std::string_view bytes(data_ + begin_, end_ - begin_);
    const auto size = parse_response_head(bytes, seen_, head_method_, head);
    if (!size) return Failure(size.error());
    if (*size == 0) {
      seen_ = bytes.size();
      return false;
    }
    seen_ = 0;
    if (head.status >= 200) {
      if (auto fine = begin_body(*size); !fine) return Failure(std::move(fine.error()));
      return true;
    }
    begin_ += *size;
    if (head.status == 101) return Failure(broken("the upstream switched protocols unasked"));
    if (++interim_ > kInterimResponses) return Failure(broken("too many interim responses"));
    if (begin_ == end_) return false;
  }
}

std::shared_ptr<ClientResponse::Impl::Early> ClientResponse::Impl::read_early() {
  auto early = std::make_shared<Early>(channel->shard());
  reusable = false;  // until it has turned out that nothing came before the request was out
  uploading = true;
  spawn(read_beside(*this, early));
  return early;
}

Task<> ClientResponse::Impl::read_beside(Impl& x, std::shared_ptr<Early> early) {
  for (;;) {
    auto whole = x.took_head(co_await x.channel->read(x.head_room()));
    if (whole && !*whole) continue;
    // Who refuses need not read the rest. Who answers well may have begun to answer, or acknowledged, what it
    // is still reading, also where it closes the connection afterwards.
    const bool takes_rest = whole && x.head.status < 300;
    if (x.channel && takes_rest) x.end_write_when_stalled(*early);
    if (x.channel && x.uploading && !takes_rest) x.channel->end_write();
    early->head.deliver(std::move(whole));
    co_return;
  }
}

void ClientResponse::Impl::end_write_when_stalled(Early& early) {
  early.stalled.set(head.keep_alive ? kStalled : kStalledLast,
                    [this, &early, before = channel->bytes_written()] {
                      if (!channel) return;
                      if (channel->bytes_written() == before) return channel->end_write();
                      end_write_when_stalled(early);
                    });
}

Result<void> ClientResponse::Impl::end_early() {
  if (head.body == BodyEnd::none && !done) return finish();
  return {};
}

Result<void> ClientResponse::Impl::begin_body(std::size_t head_bytes) {
  begin_ += head_bytes;
  head_end_ = begin_;
  left = head.content_length;
  // The end of the exchange closes the connection, or gives it to another: not under its request.
  if (head.body == BodyEnd::none && !uploading) return finish();
  return {};
}

std::span<char> ClientResponse::Impl::body_room() {
  begin_ = end_ = 0;
  const std::size_t small = head_capacity_ - head_end_;
  if (!large_ && small >= kSmallRoom && (head.body != BodyEnd::length || left <= small)) {
    data_ = head_buffer_.get() + head_end_;
    return {data_, small};
  }
  if (!body_buffer_) body_buffer_ = std::make_unique_for_overwrite<char[]>(kBodyBuffer);
  data_ = body_buffer_.get();
  return {data_, kBodyBuffer};
}

Result<void> ClientResponse::Impl::took_body(Result<std::size_t> read) {
  if (auto error = ended()) return Failure(std::move(*error));
  if (!read) return Failure(broken("in the middle of a response: " + read.error().what));
  if (*read == 0) {
    if (head.body != BodyEnd::close)
      return Failure(broken("the connection ended in the middle of a response"));
    return finish();
  }
  end_ = *read;
  // A body that fills its room is a large one: fewer, larger reads from here on.
  if (data_ != body_buffer_.get() && end_ == head_capacity_ - head_end_) large_ = true;
  return {};
}

Result<std::string_view> ClientResponse::Impl::next_run() {
  std::string_view run(data_ + begin_, end_ - begin_);
  switch (head.body) {
    case BodyEnd::none:
      return std::string_view();
    case BodyEnd::close:
      begin_ = end_;
      return run;
    case BodyEnd::length:
      run = run.substr(0, left);
      begin_ += run.size();
      if (auto fine = passed(run.size()); !fine) return Failure(std::move(fine.error()));
      return run;
    case BodyEnd::chunked: {
      const auto step = chunks_.next(run);
      if (!step) return Failure(step.error());
      begin_ += step->used;
      if (chunks_.done()) {
        if (auto fine = finish(); !fine) return Failure(std::move(fine.error()));
      }
      return step->payload;
    }
  }
  return std::string_view();
}

Result<bool> ClientResponse::Impl::gather(std::string& into, std::size_t cap) {
  if (failed) return Failure(*failed);
  if (auto over = ended()) return broke(std::move(*over));
  const auto too_large = [&] {
    return broke({.code = Code::too_large,
                  .blame = Blame::upstream,
                  .what = "response larger than " + std::to_string(cap) + " bytes",
                  .answered = true});
  };
  if (!done && head.body == BodyEnd::length) {
    if (left > cap - into.size()) return too_large();
    into.reserve(into.size() + left);
  }
  while (!done) {
    const auto run = next_run();
    if (!run) return broke(run.error());
    if (run->size() > cap - into.size()) return too_large();
    if (auto room = hold(into.size() + run->size()); !room) return Failure(std::move(room.error()));
    into.append(*run);
    if (!done && (run->empty() || head.body != BodyEnd::chunked)) return false;
  }
  return true;
}

Result<void> ClientResponse::Impl::hold(std::size_t bytes) {
  if (bytes <= limits::kUncounted || bytes <= held.bytes()) return {};
  // In steps: a body that comes in small pieces is not to be counted with each of them.
  if (held.set(std::max(bytes, held.bytes() * 3 / 2))) return {};
  return broke({.code = Code::limited, .blame = Blame::us, .what = "bytes in flight", .answered = true});
}

Result<void> ClientResponse::Impl::took_directly(const Result<std::size_t>& read) {
  if (auto over = ended()) return broke(std::move(*over));
  if (!read || *read == 0) return broke(broken("the connection ended in the middle of a response"));
  if (auto fine = passed(*read); !fine) return broke(std::move(fine.error()));
  return {};
}

Result<void> ClientResponse::Impl::passed(std::size_t count) {
  left -= count;
  return left == 0 ? finish() : Result<void>();
}

Result<void> ClientResponse::Impl::finish() {
  if (begin_ < end_) return Failure(broken("more bytes than the response announced"));
  done = true;
  deadline.clear();
  watch = {};
  if (head.keep_alive && reusable && ticket.current()) {
    Duration idle =
        ticket.pool().origin.url.scheme == "https" ? limits::kUpstreamIdle : limits::kUpstreamIdlePlain;
    // One second less than promised: its clock started before ours.
    if (head.idle_seconds)
      idle = std::min<Duration>(limits::kUpstreamIdle,
                                std::chrono::seconds(*head.idle_seconds) - std::chrono::seconds(1));
    pools->give_back(ticket.pool(), std::move(*channel), idle, kept);
  }
  channel.reset();
  ticket.release();
  return {};
}

}  // namespace sallyport::net
