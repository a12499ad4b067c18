#include <spdlog/spdlog.h>
#include <algorithm>
#include <map>

#include "sallyport/core/limits.hpp"
#include "sallyport/gateway/single_flight.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/headers.hpp"
#include "sallyport/mcp/sse.hpp"

namespace sallyport::gateway {
namespace {

using Identity = std::shared_ptr<const UpstreamIdentity>;

Failure broken(std::string what) { return fail(Code::upstream_broken, Blame::upstream, std::move(what)); }

/// What may follow an answer on its stream: the end, which lets the connection be used again.
constexpr auto kTail = std::chrono::seconds(1);

/// Sessions of one server on one shard with `isolation: principal` or `session`.
constexpr std::size_t kSessions = 1024;

/// How one exchange ended besides a plain answer.
enum class Ended {
  answered,
  session_gone,  ///< the upstream does not know our session or era: refused before anything ran
};

struct Exchanged {
  Ended ended = Ended::answered;
  std::optional<UpstreamAnswer> answer{};
};

class HttpUpstream final : public Upstream, public std::enable_shared_from_this<HttpUpstream> {
 public:
  HttpUpstream(net::Shards& shards, Clients& clients, std::shared_ptr<const ServerConfig> config,
               OnNotice on_notice)
      : shards_(shards),
        clients_(clients),
        config_(std::move(config)),
        on_notice_(std::move(on_notice)),
        local_(static_cast<std::size_t>(shards.size())),
        owned_(static_cast<std::size_t>(shards.size())) {}

  Task<Result<UpstreamAnswer>> call(UpstreamCall call, std::string isolation) override {
    const auto self = shared_from_this();
    for (int attempt = 0;; ++attempt) {
      auto identity = co_await identify_for(call, isolation);
      if (!identity) co_return Failure(identity.error());
      auto exchanged = co_await exchange(call, *identity);
      note_reachable(exchanged);
      if (!exchanged) co_return Failure(exchanged.error());
      if (exchanged->ended == Ended::answered) co_return std::move(*exchanged->answer);
      co_await forget(isolation, (*identity)->epoch);
      if (attempt > 0) co_return broken("refused two fresh sessions in a row");
    }
  }

  Task<Result<Identity>> identify(std::string isolation, SteadyTime deadline) override {
    const auto self = shared_from_this();
    auto& known = here().known;
    if (const auto it = known.find(isolation); it != known.end()) co_return it->second;
    auto identity = co_await net::run_on<Result<Identity>>(
        owner(isolation), [self, isolation, deadline] { return self->owned_identity(isolation, deadline); });
    if (identity) {
      if (here().known.size() >= kSessions) here().known.clear();
      here().known[isolation] = *identity;
    }
    co_return identity;
  }

  /// A caller who gives up need not wait for a slow handshake.
  Task<Result<Identity>> identify_for(const UpstreamCall& call, std::string isolation) {
    const auto& known = here().known;
    if (const auto it = known.find(isolation); it != known.end()) co_return it->second;
    net::Shard& shard = *net::Shard::current();
    auto slot = std::make_shared<Slot<Result<Identity>>>();
    Cancel::Watch watch;
    if (call.cancel) {
      watch = call.cancel->on_request([slot, &shard] {
        shard.at_turn_end([slot] {
          slot->deliver(fail(Code::cancelled, Blame::client, "cancelled before it was sent", true));
        });
      });
    }
    spawn([](std::shared_ptr<HttpUpstream> self, std::string key, SteadyTime deadline,
             std::shared_ptr<Slot<Result<Identity>>> into) -> Task<> {
      into->deliver(co_await self->identify(key, deadline));
    }(shared_from_this(), isolation, call.deadline, slot));
    co_return co_await *slot;
  }

  Task<Result<bool>> watch(Topic, std::string, std::string, SteadyTime) override {
    co_return broken("cannot be subscribed to");
  }
  Task<> unwatch(Topic, std::string, std::string) override { co_return; }
  bool notifies() const override { return false; }

  Task<> close() override {
    const auto self = shared_from_this();
    for (auto& [isolation, flight] : owned_here()) {
      if (flight.value && !(*flight.value)->session.empty()) spawn(end_session(self, *flight.value));
    }
    co_return;
  }

  Health health() const override {
    const std::lock_guard lock(health_mutex_);
    return health_;
  }

 private:
  struct Local {
    std::map<std::string, Identity> known;
    std::uint64_t next = 0;
  };

  Local& here() { return local_[static_cast<std::size_t>(net::Shard::current()->index())]; }
  std::map<std::string, SingleFlight<Identity>>& owned_here() {
    return owned_[static_cast<std::size_t>(net::Shard::current()->index())];
  }
  /// A stop takes the clients away; background work that still runs ends then.
  bool has_client() const {
    return clients_[static_cast<std::size_t>(net::Shard::current()->index())] != nullptr;
  }
  net::Client& client() { return *clients_[static_cast<std::size_t>(net::Shard::current()->index())]; }

  net::Shard& owner(const std::string& isolation) {
    const auto hash = std::hash<std::string>{}(config_->document.name + '\0' + isolation);
    return shards_[static_cast<int>(hash % static_cast<std::size_t>(shards_.size()))];
  }

  /// Ids are unique over all shards, because they share one upstream session.
  std::string next_id() {
    const auto shard = static_cast<std::uint64_t>(net::Shard::current()->index());
    return std::to_string(++here().next * static_cast<std::uint64_t>(shards_.size()) + shard);
  }

  // --- on the owner shard
  // -----------------------------------------------------------------------------------------

  Task<Result<Identity>> owned_identity(std::string isolation, SteadyTime deadline) {
    auto& mine = owned_here();
    if (mine.size() >= kSessions && !mine.contains(isolation)) make_room(mine);
    auto& flight = mine[isolation];
    if (flight.value) co_return *flight.value;
    co_return co_await flight.join(*net::Shard::current(), deadline,
                                   [this, isolation] { spawn(connect(shared_from_this(), isolation)); });
  }

  /// Isolated sessions are many; the older half of what rests is ended.
  void make_room(std::map<std::string, SingleFlight<Identity>>& mine) {
    std::vector<std::pair<std::uint64_t, std::string>> resting;
    for (const auto& [isolation, flight] : mine) {
      if (!flight.flying() && !isolation.empty())
        resting.emplace_back(flight.value ? (*flight.value)->epoch : 0, isolation);
    }
    std::sort(resting.begin(), resting.end());
    resting.resize((resting.size() + 1) / 2);
    for (const auto& [epoch, isolation] : resting) {
      const auto it = mine.find(isolation);
      if (it->second.value && !(*it->second.value)->session.empty())
        spawn(end_session(shared_from_this(), *it->second.value));
      mine.erase(it);
    }
  }

  static Task<> connect(std::shared_ptr<HttpUpstream> self, std::string isolation) {
    const auto deadline = std::chrono::steady_clock::now() +
                          std::min<Duration>(self->config_->document.timeout, limits::kChildStart);
    auto identity = co_await self->handshake(deadline);
    if (isolation.empty() || !identity) self->note(identity);
    auto& flight = self->owned_here()[isolation];
    if (identity) {
      identity->epoch = ++self->epochs_;
      flight.land(std::make_shared<const UpstreamIdentity>(std::move(*identity)));
    } else {
      flight.land(Failure(identity.error()));
    }
  }

  /// Calls notice first that a server went away or came back.
  void note_reachable(const Result<Exchanged>& exchanged) {
    const bool down = !exchanged && exchanged.error().code == Code::upstream_unreachable;
    if (down == down_.load(std::memory_order_relaxed)) return;
    if (!down && !exchanged) return;
    down_ = down;
    const std::lock_guard lock(health_mutex_);
    health_.state = down ? "down" : "up";
    health_.problem = down ? exchanged.error().what : "";
    health_.changed = unix_millis(std::chrono::system_clock::now());
  }

  void note(const Result<UpstreamIdentity>& identity) {
    down_ = !identity;
    const std::lock_guard lock(health_mutex_);
    const std::string state = identity ? "up" : "down";
    if (state != health_.state) health_.changed = unix_millis(std::chrono::system_clock::now());
    health_.state = state;
    health_.problem = identity ? "" : identity.error().what;
    if (identity) health_.version = identity->version;
  }

  /// Era detection as mcp-protocol section 4 has it: a modern probe first; what refuses it in a way no modern
  /// server would is legacy.
  Task<Result<UpstreamIdentity>> handshake(SteadyTime deadline) {
    if (!config_->problem.empty())
      co_return fail(Code::upstream_unreachable, Blame::admin, config_->problem, true);
    if (config_->document.era != store::Era::legacy) {
      UpstreamIdentity probe{.version = mcp::kModern};
      UpstreamCall discover{.method = mcp::Method::discover, .deadline = deadline};
      auto result = co_await post(discover, probe, next_id());
      if (!result) co_return Failure(result.error());
      if (result->status == 401 || result->status == 403) co_return refused_credential(result->status);
      if (result->status >= 500)
        co_return broken("HTTP " + std::to_string(result->status) + " to server/discover");
      if (result->answer && !result->answer->is_error) {
        auto identity = wire::read_discover(result->answer->payload);
        if (identity || config_->document.era == store::Era::modern) co_return identity;
      } else if (result->answer && wire::is_modern_refusal(result->answer->payload)) {
        co_return broken("refuses protocol version " + std::string(mcp::text_of(mcp::kModern)) + ": " +
                         wire::words_of(result->answer->payload, *config_));
      } else if (config_->document.era == store::Era::modern) {
        co_return broken("configured as `era: modern`, but did not answer server/discover (HTTP " +
                         std::to_string(result->status) + ")");
      }
    }
    co_return co_await initialize(deadline);
  }

  Task<Result<UpstreamIdentity>> initialize(SteadyTime deadline) {
    const UpstreamIdentity nobody{.version = mcp::Version::v2025_03_26};
    const std::string params = wire::initialize_params();
    UpstreamCall call{.method = mcp::Method::initialize, .deadline = deadline};
    const std::string id = next_id();
    auto result = co_await post(call, nobody, id, params);
    if (!result) co_return Failure(result.error());
    if (result->status == 401 || result->status == 403) co_return refused_credential(result->status);
    if (!result->answer) co_return broken("HTTP " + std::to_string(result->status) + " to initialize");
    if (result->answer->is_error)
      co_return broken("initialize refused: " + wire::words_of(result->answer->payload, *config_));
    auto identity = wire::read_initialize(result->answer->payload);
    if (!identity) co_return identity;
    identity->session = result->session;
    UpstreamCall ready{.method = mcp::Method::n_initialized, .deadline = deadline};
    auto acknowledged = co_await post(ready, *identity, "");
    if (!acknowledged) co_return Failure(acknowledged.error());
    co_return identity;
  }

  Failure refused_credential(int status) {
    return fail(
        Code::upstream_broken, Blame::admin,
        "HTTP " + std::to_string(status) + ": server '" + config_->document.name + "' refuses " +
            (config_->document.credential.empty() ? "a call without a credential: set `credential:` on it"
                                                  : "credential '" + config_->document.credential + "'"));
  }

  static Task<> end_session(std::shared_ptr<HttpUpstream> self, Identity identity) {
    if (!self->has_client()) co_return;
    net::ClientRequest request{
        .method = "DELETE", .path = self->config_->origin.url.path, .headers = {}, .body = {}};
    request.headers = self->header_lines(*identity, nullptr);
    auto response =
        co_await self->client().send(self->config_->origin, std::move(request),
                                     std::chrono::steady_clock::now() + std::chrono::seconds(2), nullptr);
    if (response) net::finish_in_background(std::move(*response), kTail);
  }

  // --- on the caller's shard
  // ----------------------------------------------------------------------------------------

  Task<> forget(std::string isolation, std::uint64_t epoch) {
    const auto self = shared_from_this();
    here().known.erase(isolation);
    co_await net::run_on<Result<bool>>(owner(isolation), [self, isolation, epoch]() -> Task<Result<bool>> {
      return self->drop_owned(isolation, epoch);
    });
  }

  /// Only the session that the caller saw is dropped: another shard may have replaced it meanwhile.
  Task<Result<bool>> drop_owned(std::string isolation, std::uint64_t epoch) {
    auto& flight = owned_here()[isolation];
    if (flight.value && (*flight.value)->epoch == epoch) flight.value.reset();
    co_return true;
  }

  std::string header_lines(const UpstreamIdentity& identity, const UpstreamCall* call) {
    std::string out =
        "Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\nUser-Agent: "
        "sallyport/" SALLYPORT_VERSION "\r\n";
    if (identity.version >= mcp::Version::v2025_06_18) {
      out += "MCP-Protocol-Version: ";
      out += mcp::text_of(identity.version);
      out += "\r\n";
    }
    out += config_->credential_line.reveal();
    out += config_->fixed_lines;
    if (!identity.session.empty()) (void)net::append_header(out, "Mcp-Session-Id", identity.session);
    if (call && identity.modern()) {
      (void)net::append_header(out, "Mcp-Method", mcp::text_of(call->method));
      if (!call->name.empty())
        (void)net::append_header(out, "Mcp-Name", mcp::encode_header_value(call->name));
      for (const auto& [name, value] : call->param_headers) (void)net::append_header(out, name, value);
    }
    return out;
  }

  struct Posted {
    int status = 0;
    std::string session{};
    std::optional<UpstreamAnswer> answer{};
  };

  Task<Result<Exchanged>> exchange(const UpstreamCall& call, Identity identity) {
    const std::string id = next_id();
    auto posted = co_await post(call, *identity, id);
    if (!posted) {
      const Code code = posted.error().code;
      if (!identity->modern() && (code == Code::cancelled || code == Code::upstream_timeout)) {
        spawn(tell_cancelled(shared_from_this(), identity, id));
      }
      co_return Failure(posted.error());
    }
    Exchanged out;
    if (posted->status == 401 || posted->status == 403) co_return refused_credential(posted->status);
    // Only what certainly never ran is sent again: a refusal of our session or era, which names no request.
    const bool refused = posted->answer && posted->answer->is_error && session_refused(*posted, *identity);
    if (posted->answer && !refused) {
      out.answer = std::move(posted->answer);
      co_return out;
    }
    if (refused || posted->status == 404 || posted->status == 405) {
      out.ended = Ended::session_gone;
      co_return out;
    }
    co_return broken("HTTP " + std::to_string(posted->status) + " without a JSON-RPC answer");
  }

  /// A legacy server that lost our session says 404, or 400 with an error that is tied to no request. A
  /// modern one that suddenly answers like that, or refuses the version, has been replaced by a legacy one.
  static bool session_refused(const Posted& posted, const UpstreamIdentity& identity) {
    const auto id = posted.answer->document.root().find("id");
    const bool tied = id && !id->is(json::Kind::null);
    if (!identity.modern()) return !tied && (posted.status == 404 || posted.status == 400);
    const auto code =
        posted.answer->payload.is(json::Kind::object) ? posted.answer->payload.find("code") : std::nullopt;
    return posted.status == 400 && (!tied || (code && code->integer() == -32022));
  }

  static Task<> tell_cancelled(std::shared_ptr<HttpUpstream> self, Identity identity, std::string id) {
    UpstreamCall cancelled{.method = mcp::Method::n_cancelled,
                           .deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2)};
    const std::string params = "{\"requestId\":" + id + "}";
    (void)co_await self->post(cancelled, *identity, "", params);
  }

  /// One POST. An empty `id` sends a notification. `own_params` replaces what the call would compose.
  Task<Result<Posted>> post(const UpstreamCall& call, const UpstreamIdentity& identity, std::string id,
                            std::string_view own_params = {}) {
    const bool notification = id.empty();
    std::string params =
        own_params.empty() && !(notification && !identity.modern())
            ? wire::upstream_params(call, identity,
                                    call.wants_progress ? std::string_view(id) : std::string_view{})
            : std::string(own_params);
    std::string head = "{\"jsonrpc\":\"2.0\",";
    if (!notification) head += "\"id\":" + id + ",";
    head += "\"method\":\"";
    head += mcp::text_of(call.method);
    head += params.empty() ? "\"" : "\",\"params\":";
    net::ClientRequest request{.method = "POST",
                               .path = config_->origin.url.path,
                               .headers = header_lines(identity, &call),
                               .body = {}};
    request.body = {head, params, "}"};
    if (!has_client()) co_return fail(Code::unavailable, Blame::us, "the gateway is stopping", true);
    auto response = co_await client().send(config_->origin, std::move(request), call.deadline, call.cancel);
    if (!response) co_return Failure(response.error());

    Posted out{.status = response->status()};
    if (const auto session = response->headers().find("mcp-session-id")) out.session = std::string(*session);
    if (notification) {
      net::finish_in_background(std::move(*response), kTail);
      co_return out;
    }
    const std::string type = response->content_type();
    if (type == "text/event-stream" && out.status == 200) {
      auto answer = co_await read_stream(call, identity, id, std::move(*response));
      if (!answer) co_return Failure(answer.error());
      out.answer = std::move(*answer);
      co_return out;
    }
    auto body = co_await response->whole(limits::kUpstreamBody);
    if (!body) co_return Failure(body.error());
    if (type != "application/json") {
      if (out.status < 400)
        co_return broken("HTTP " + std::to_string(out.status) + " with content type '" + type.substr(0, 60) +
                         "'");
      co_return out;
    }
    auto document = json::Document::parse(std::move(*body), json::kUpstream);
    if (!document) {
      if (out.status < 400) co_return broken("answer is not JSON: " + document.error().what);
      co_return out;
    }
    auto message = mcp::read_upstream_message(document->root());
    if (!message ||
        (message->kind != mcp::Envelope::Kind::result && message->kind != mcp::Envelope::Kind::error)) {
      if (out.status < 400) co_return broken("answer is no JSON-RPC response");
      co_return out;
    }
    // An error that could not be tied to a request has a null id; a result with a foreign id belongs to
    // somebody else.
    if (message->id != id && !(message->kind == mcp::Envelope::Kind::error && message->id.empty()))
      co_return broken("answer carries another id");
    out.answer = UpstreamAnswer{.document = std::move(*document),
                                .payload = *message->payload,
                                .is_error = message->kind == mcp::Envelope::Kind::error};
    co_return out;
  }

  Task<Result<UpstreamAnswer>> read_stream(const UpstreamCall& call, const UpstreamIdentity& identity,
                                           std::string id, net::ClientResponse response) {
    mcp::SseReader reader(limits::kSseEvent);
    std::optional<UpstreamAnswer> answer;
    while (!answer) {
      auto bytes = co_await response.some();
      if (!bytes) co_return Failure(bytes.error());
      if (bytes->empty()) co_return broken("stream ended before the answer");
      auto events = reader.feed(*bytes);
      if (!events) co_return broken("stream: " + events.error().what);
      for (auto& event : *events) {
        if (event.data.empty()) continue;
        auto document = json::Document::parse(std::move(event.data), json::kUpstream);
        if (!document) co_return broken("event is not JSON: " + document.error().what);
        auto message = mcp::read_upstream_message(document->root());
        if (!message) co_return broken("event is no JSON-RPC message: " + message.error().what);
        switch (message->kind) {
          case mcp::Envelope::Kind::notification:
            if (call.on_notification && message->params)
              call.on_notification({message->method, *message->params});
            break;
          case mcp::Envelope::Kind::request:
            // We declared no capability that would allow a question.
            if (message->method != mcp::Method::ping)
              co_return broken("asks '" + message->method_text.substr(0, 60) + "', which was not offered");
            spawn(answer_ping(shared_from_this(), identity, message->id));
            break;
          case mcp::Envelope::Kind::result:
          case mcp::Envelope::Kind::error:
            if (message->id != id) co_return broken("answer carries another id");
            if (answer) co_return broken("two answers on one stream");
            answer = UpstreamAnswer{.document = std::move(*document),
                                    .payload = *message->payload,
                                    .is_error = message->kind == mcp::Envelope::Kind::error};
            break;
        }
      }
      if (!answer && reader.dead()) co_return broken("stream: an event is larger than the bound");
    }
    net::finish_in_background(std::move(response), kTail);
    co_return std::move(*answer);
  }

  static Task<> answer_ping(std::shared_ptr<HttpUpstream> self, UpstreamIdentity identity, std::string id) {
    if (!self->has_client()) co_return;
    net::ClientRequest request{.method = "POST",
                               .path = self->config_->origin.url.path,
                               .headers = self->header_lines(identity, nullptr),
                               .body = {}};
    const std::string body = mcp::result_message(id, "{}");
    request.body = {body};
    auto response =
        co_await self->client().send(self->config_->origin, std::move(request),
                                     std::chrono::steady_clock::now() + std::chrono::seconds(2), nullptr);
    if (response) net::finish_in_background(std::move(*response), kTail);
  }

  net::Shards& shards_;
  Clients& clients_;
  const std::shared_ptr<const ServerConfig> config_;
  const OnNotice on_notice_;
  std::vector<Local> local_;  // by shard; each touched on its own shard only
  std::vector<std::map<std::string, SingleFlight<Identity>>> owned_;  // by shard, likewise
  std::atomic<std::uint64_t> epochs_{0};
  std::atomic<bool> down_{false};
  mutable std::mutex health_mutex_;  // written at connects, read by the admin side
  Health health_;
};

}  // namespace

std::shared_ptr<Upstream> make_http_upstream(net::Shards& shards, Clients& clients,
                                             std::shared_ptr<const ServerConfig> config, OnNotice on_notice) {
  return std::make_shared<HttpUpstream>(shards, clients, std::move(config), std::move(on_notice));
}

}  // namespace sallyport::gateway
