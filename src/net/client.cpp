#include "sallyport/net/client.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "dial.hpp"
#include "exchange.hpp"
#include "field_syntax.hpp"
#include "pool.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/core/unfilled.hpp"

namespace sallyport::net {

struct Client::Impl {
  std::shared_ptr<Pools> pools;
};

bool append_header(std::string& out, std::string_view name, std::string_view value) {
  constexpr std::array<std::string_view, 10> kOurs{
      "host",    "content-length", "transfer-encoding", "connection",      "te", "trailer",
      "upgrade", "expect",         "keep-alive",        "proxy-connection"};
  if (!is_token(name) || !is_field_value(value)) return false;
  if (std::ranges::any_of(kOurs, [&](std::string_view n) { return equal_ignoring_case(n, name); }))
    return false;
  out.append(name).append(": ").append(value).append("\r\n");
  return true;
}

Client::Client(Shard& shard) : impl_(std::make_unique<Impl>(std::make_shared<Pools>(shard))) {}
Client::~Client() { impl_->pools->close(); }

Client::Gauges Client::gauges() const { return impl_->pools->gauges; }

Task<Result<ClientResponse>> Client::send(const Origin& origin, ClientRequest request, SteadyTime deadline,
                                          Cancel* cancel) {
  const std::shared_ptr<Pools> pools = impl_->pools;
  Pool& pool = pools->find(origin);
  // From here on every way out gives the exchange and its buffers back.
  ClientResponse response(pools->take_exchange());
  ClientResponse::Impl& x = *response.impl_;
  x.pools = pools;
  x.ticket = Ticket(pools, pool);
  if (auto fine = x.compose(request, pool); !fine) co_return x.broke(std::move(fine.error()));
  x.guard(deadline, cancel);
  if (auto over = x.ended()) co_return x.broke(std::move(*over));

  Result<void> wrote;
  for (bool written = false; !written;) {
    x.channel = pools->take_idle(pool);
    x.kept = x.channel.has_value();
    if (!x.kept) {
      if (pool.busy > limits::kUpstreamConnections) {
        co_return x.crowded(origin);
      }
      x.dial = std::make_shared<Dial>();
      spawn(dial_origin(x.dial, std::move(x.ticket), origin, deadline));
      auto made = co_await x.dial->made;
      x.dial.reset();
      if (!made) co_return x.broke(std::move(made.error()));
      x.channel = std::move(made->channel);
      x.ticket = std::move(made->ticket);
    }
    const std::uint64_t before = x.channel->bytes_written();
    x.sent = true;
    Channel::Write upload = x.channel->write(x.pieces);
    // A long request may be answered before it is out; a short one, in the socket's buffer at once, costs
    // nothing.
    const bool waits = !upload.try_now() && x.channel->bytes_written() != before;
    const auto early = waits ? x.read_early() : nullptr;
    wrote = co_await upload;
    if (early) {
      const bool first = early->head.delivered();
      early->stalled.clear();
      x.uploading = false;
      x.reusable = wrote && !first;
      pools->gauges.reused += x.kept ? 1 : 0;
      auto whole = co_await early->head;
      if (!whole) co_return x.broke(std::move(wrote || first ? whole.error() : wrote.error()));
      if (auto fine = x.end_early(); !fine) co_return x.broke(std::move(fine.error()));
      co_return response;
    }
    written = wrote.has_value();
    if (written) {
      pools->gauges.reused += x.kept ? 1 : 0;
    } else if (x.channel->bytes_written() == before) {
      // Nothing left, so nothing can act twice: the peer closed a pooled connection while it was picked.
      x.sent = false;
      if (x.kept && !x.ended()) continue;
      co_return x.unsent(std::move(wrote.error()));
    } else {
      // A peer may refuse in the middle of a long request and close: its answer is worth more than our error.
      x.reusable = false;
      break;
    }
  }

  for (;;) {
    auto whole = x.took_head(co_await x.channel->read(x.head_room()));
    if (!whole) co_return x.broke(std::move(wrote ? whole.error() : wrote.error()));
    if (*whole) co_return response;
  }
}

ClientResponse::ClientResponse(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ClientResponse::ClientResponse(ClientResponse&&) noexcept = default;

ClientResponse& ClientResponse::operator=(ClientResponse&& other) noexcept {
  ClientResponse before(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

ClientResponse::~ClientResponse() {
  if (!impl_) return;
  const auto pools = std::exchange(impl_->pools, nullptr);
  impl_->reset();
  if (pools) pools->give_back(std::move(impl_));
}

HeldBytes ClientResponse::take_held() { return std::move(impl_->held); }
int ClientResponse::status() const { return impl_->head.status; }
const Headers& ClientResponse::headers() const { return impl_->head.headers; }

std::string_view ClientResponse::media_type() const {
  for (const Header& h : impl_->head.headers.lines) {
    if (equal_ignoring_case(h.name, "content-type")) return trim(h.value.substr(0, h.value.find(';')));
  }
  return {};
}

std::string ClientResponse::content_type() const { return lower(media_type()); }
bool ClientResponse::is_type(std::string_view type) const { return equal_ignoring_case(media_type(), type); }

Task<Result<std::string_view>> ClientResponse::some() {
  Impl& x = *impl_;
  if (x.failed) co_return Failure(*x.failed);
  if (auto over = x.ended()) co_return x.broke(std::move(*over));
  while (!x.done) {
    const auto run = x.next_run();
    if (!run) co_return x.broke(run.error());
    if (!run->empty()) co_return *run;
    if (x.done) break;
    const auto took = x.took_body(co_await x.channel->read(x.body_room()));
    if (!took) co_return x.broke(took.error());
  }
  co_return std::string_view();
}

Task<Result<std::string>> ClientResponse::whole(std::size_t cap) {
  Impl& x = *impl_;
  std::string out;
  // Most answers are there with their head.
  const auto whole = x.gather(out, cap);
  if (!whole) return ready<Result<std::string>>(Failure(whole.error()));
  if (*whole) return ready<Result<std::string>>(std::move(out));
  return rest(std::move(out), cap);
}

Task<Result<std::string>> ClientResponse::rest(std::string out, std::size_t cap) {
  constexpr std::uint64_t kDirect = 16 * limits::KiB;
  constexpr std::size_t kDirectRoom = 256 * limits::KiB;
  Impl& x = *impl_;
  for (;;) {
    if (x.head.body == BodyEnd::length && x.left >= kDirect) {
      // What is large goes from the socket to its place.
      std::size_t at = out.size();
      resize_unfilled(out, at + x.left);
      while (!x.done) {
        // Counted as it comes: what is announced may never be sent.
        const std::size_t room = std::min(out.size() - at, std::max(kDirectRoom, at));
        if (auto kept = x.hold(at + room); !kept) co_return Failure(kept.error());
        const auto n = co_await x.channel->read(std::span(out).subspan(at, room));
        if (auto took = x.took_directly(n); !took) co_return Failure(took.error());
        at += *n;
      }
      co_return out;
    }
    const auto took = x.took_body(co_await x.channel->read(x.body_room()));
    if (!took) co_return x.broke(took.error());
    const auto whole = x.gather(out, cap);
    if (!whole) co_return Failure(whole.error());
    if (*whole) co_return out;
  }
}

void finish_in_background(ClientResponse response, Duration within) {
  if (!response.impl_ || response.impl_->done || response.impl_->failed) return;
  ClientResponse::Impl& x = *response.impl_;
  x.watch = {};
  x.guard(std::chrono::steady_clock::now() + within, nullptr);
  spawn([](ClientResponse rest) -> Task<> {
    for (std::size_t read = 0; read <= limits::kUpstreamBody;) {
      const auto run = co_await rest.some();
      if (!run || run->empty()) break;
      read += run->size();
    }
  }(std::move(response)));
}

}  // namespace sallyport::net
