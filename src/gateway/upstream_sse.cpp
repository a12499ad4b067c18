#include <deque>
#include <optional>

#include "pipe_upstream.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/mcp/sse.hpp"
#include "sse_endpoint.hpp"
#include "upstream_http_link.hpp"

namespace sallyport::gateway {
namespace {

/// What may follow an answer to a POST: the end, which lets the connection be used again.
constexpr auto kTail = std::chrono::seconds(1);
/// A message is taken at once; servers that answer its POST only with the call's end are waited for.
constexpr auto kPost = std::chrono::seconds(30);
/// Messages under way to the server: bytes.
constexpr std::size_t kOutgoing = limits::kChildLine;
/// Connections of one server on one shard with `isolation: principal` or `session`.
constexpr std::size_t kConnections = 1024;

Error broken(std::string what) {
  return {.code = Code::upstream_broken, .blame = Blame::upstream, .what = std::move(what)};
}

/// One GET whose answer is the stream of the server's messages, and the POSTs that carry ours (MCP
/// 2024-11-05, transports). Lives until its reader has ended.
class SseConnection : public std::enable_shared_from_this<SseConnection> {
 public:
  SseConnection(net::Shard& shard, Clients& clients, std::shared_ptr<const ServerConfig> config)
      : shard_(shard), clients_(clients), config_(std::move(config)) {}

  Task<Result<bool>> open(Carrier::Events events, SteadyTime deadline) {
    const auto self = shared_from_this();
    events_ = std::move(events);
    net::Deadline late(shard_);
    late.set_at(deadline, [this] {
      give_up({.code = Code::upstream_timeout,
               .blame = Blame::upstream,
               .what = "no 'endpoint' event within the deadline",
               .retry = true});
    });
    spawn(run(self));
    co_return co_await opened_;
  }

  bool send(std::string message, Carrier::Order order, Carrier::Refused refused) {
    if (over_ || endpoint_.empty() || outgoing_ + message.size() > kOutgoing) return false;
    outgoing_ += message.size();
    Outgoing next{std::move(message), order, std::move(refused)};
    if (gated_) {
      waiting_.push_back(std::move(next));
    } else {
      start(std::move(next));
    }
    return true;
  }

  /// Ends it; the first reason counts.
  void give_up(Error why) {
    if (over_) return;
    over_ = std::move(why);
    // What is ended may stand below us on the stack.
    shard_.at_turn_end([self = shared_from_this()] { self->cancel_.request(); });
  }

  std::uint64_t heard() const { return heard_; }

  /// Nobody listens any more.
  void abandon() {
    abandoned_ = true;
    give_up(broken("was closed"));
  }

 private:
  struct Outgoing {
    std::string message;
    Carrier::Order order;
    Carrier::Refused refused;
  };

  net::Client* client() { return clients_[static_cast<std::size_t>(shard_.index())].get(); }

  std::string header_lines(std::string own) const {
    own += "User-Agent: sallyport/" SALLYPORT_VERSION "\r\n";
    own += config_->credential_line.reveal();
    return own + config_->fixed_lines;
  }

  static Task<> run(std::shared_ptr<SseConnection> self) {
    Error end = co_await self->receive();
    // What we wanted counts, not what broke because of it.
    if (self->over_) end = *self->over_;
    self->give_up(end);
    if (!self->opened_.delivered()) {
      self->opened_.deliver(Failure(std::move(end)));
    } else if (!self->abandoned_) {
      self->events_.on_end(end.what);
    }
  }

  /// Reads until the end and says what it was, as what follows "the connection".
  Task<Error> receive() {
    if (!client()) co_return broken("was closed");
    net::ClientRequest request{.method = "GET",
                               .path = config_->origin.url.path,
                               .headers = header_lines("Accept: text/event-stream\r\n"),
                               .body = {}};
    auto response = co_await client()->send(config_->origin, std::move(request), SteadyTime::max(), &cancel_);
    if (!response) co_return response.error();
    const int status = response->status();
    if (status == 401 || status == 403) co_return refused_credential(status);
    if (status != 200 || !response->is_type("text/event-stream"))
      co_return broken("HTTP " + std::to_string(status) + " to GET, and no event stream");
    mcp::SseReader reader(limits::kSseEvent);
    while (!over_) {
      auto bytes = co_await response->some();
      if (!bytes) co_return broken("broke: " + bytes.error().what);
      if (bytes->empty()) co_return broken("was closed by the server");
      heard_ += bytes->size();
      auto events = reader.feed(*bytes);
      if (!events) co_return broken("was given up: " + events.error().what);
      for (auto& event : *events) {
        if (over_) break;
        if (auto bad = take(event)) co_return *bad;
      }
    }
    co_return *over_;
  }

  std::optional<Error> take(mcp::SseEvent& event) {
    if (event.type == "endpoint" && endpoint_.empty()) {
      auto path = message_endpoint(config_->origin.url, event.data);
      if (!path) return path.error();
      endpoint_ = std::move(*path);
      opened_.deliver(true);
    } else if (event.type == "message" && !event.data.empty()) {
      if (endpoint_.empty()) return broken("sent a message before its endpoint");
      if (!abandoned_) events_.on_message(std::move(event.data));
    }
    return std::nullopt;
  }

  void start(Outgoing next) {
    gated_ = next.order == Carrier::Order::before_what_follows;
    spawn(deliver(shared_from_this(), std::move(next)));
  }

  static Task<> deliver(std::shared_ptr<SseConnection> self, Outgoing out) {
    auto bad = co_await self->post(out.message);
    self->outgoing_ -= out.message.size();
    // Whoever waits hears from the end of the connection itself.
    if (self->over_) co_return;
    if (bad) {
      // A connection that cannot be reached, or that the server does not know, brings no answers any more.
      // Where we lack what a connection needs, the answers of others still come.
      if (bad->retry && bad->blame == Blame::upstream) self->give_up(broken("was given up: " + bad->what));
      if (out.refused) out.refused(std::move(*bad));
    }
    if (out.order != Carrier::Order::before_what_follows) co_return;
    self->gated_ = false;
    while (!self->gated_ && !self->over_ && !self->waiting_.empty()) {
      Outgoing next = std::move(self->waiting_.front());
      self->waiting_.pop_front();
      self->start(std::move(next));
    }
  }

  Task<std::optional<Error>> post(std::string_view message) {
    if (!client()) co_return broken("the gateway is stopping");
    net::ClientRequest request{.method = "POST",
                               .path = endpoint_,
                               .headers = header_lines("Content-Type: application/json\r\n"),
                               .body = {message}};
    const auto within = std::max<Duration>(kPost, config_->document.timeout);
    auto response = co_await client()->send(config_->origin, std::move(request),
                                            std::chrono::steady_clock::now() + within, &cancel_);
    if (!response) co_return response.error();
    const int status = response->status();
    net::finish_in_background(std::move(*response), kTail);
    if (status >= 200 && status < 300) co_return std::nullopt;
    if (status == 401 || status == 403) co_return refused_credential(status);
    Error error = broken("HTTP " + std::to_string(status) + " to a message");
    error.answered = !http::is_absence(status);
    if (status == 404 || status == 410) {
      // The session is not known: nothing has run.
      error.code = Code::upstream_unreachable;
      error.retry = true;
    }
    co_return error;
  }

  Error refused_credential(int status) const {
    Error error =
        broken("HTTP " + std::to_string(status) + ": server '" + config_->document.name + "' refuses " +
               (config_->document.credential.empty() ? "a call without a credential: set `credential:` on it"
                                                     : "credential '" + config_->document.credential + "'"));
    error.blame = Blame::admin;
    return error;
  }

  net::Shard& shard_;
  Clients& clients_;
  const std::shared_ptr<const ServerConfig> config_;
  Carrier::Events events_;
  Cancel cancel_;
  Slot<Result<bool>> opened_;
  std::string endpoint_;       // path and query for our messages; empty until the server has named it
  std::optional<Error> over_;  // set when it ends, or shall end
  bool abandoned_ = false;
  bool gated_ = false;  // a message is under way that must arrive before what follows
  std::deque<Outgoing> waiting_;
  std::uint64_t heard_ = 0;
  std::size_t outgoing_ = 0;  // bytes
};

class SseCarrier final : public Carrier {
 public:
  SseCarrier(net::Shard& shard, Clients& clients, std::shared_ptr<const ServerConfig> config)
      : connection_(std::make_shared<SseConnection>(shard, clients, std::move(config))) {}
  ~SseCarrier() override { connection_->abandon(); }
  SseCarrier(const SseCarrier&) = delete;
  SseCarrier& operator=(const SseCarrier&) = delete;

  Task<Result<bool>> open(Events events, SteadyTime deadline) override {
    return connection_->open(std::move(events), deadline);
  }
  bool send(std::string message, Order order, Refused refused) override {
    return connection_->send(std::move(message), order, std::move(refused));
  }
  std::uint64_t heard() const override { return connection_->heard(); }
  void stop() override { connection_->give_up(broken("was closed")); }

 private:
  const std::shared_ptr<SseConnection> connection_;
};

}  // namespace

std::shared_ptr<Upstream> make_sse_upstream(net::Shards& shards, Clients& clients,
                                            std::shared_ptr<const ServerConfig> config, OnNotice on_notice) {
  const CarrierKind kind{
      .make = [&clients,
               config](net::Shard& shard) { return std::make_unique<SseCarrier>(shard, clients, config); },
      .noun = "connection",
      .nouns = "connections",
      .most = kConnections,
      .legacy_only = true,
      .rests = false};
  return make_pipe_upstream(shards, std::make_shared<const CarrierKind>(kind), config, std::move(on_notice));
}

}  // namespace sallyport::gateway
