#include "sallyport/gateway/gateway.hpp"

#include <spdlog/spdlog.h>
#include <future>

#include "control.hpp"
#include "door.hpp"
#include "feed.hpp"
#include "login.hpp"
#include "mcp_service.hpp"
#include "metadata.hpp"
#include "model_service.hpp"
#include "record.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/identity/authorization_server.hpp"

namespace sallyport::gateway {
namespace {

/// Messages of one 2025-03-26 batch.
constexpr std::size_t kBatch = 50;

class GatewayImpl final : public Gateway {
 public:
  GatewayImpl(net::Shards& shards, store::Registry& registry, store::Accounts& accounts,
              store::Journal& journal, Executor& database, const Clock& clock, GatewayOptions options,
              std::vector<Secret> session_keys, const std::string& start)
      : shards_(shards),
        journal_(journal),
        clock_(clock),
        options_(std::move(options)),
        counters_(shards.size()),
        door_(options_),
        sealer_(std::move(session_keys)),
        control_(shards, states_, clients_, registry, accounts, database, counters_, clock,
                 {.environment = options_.environment, .public_url = options_.public_url}),
        login_(options_.public_url, sealer_, accounts, database, clock, options_.login),
        mcp_(shards, states_, sealer_, clock, start),
        models_(clock) {
    const auto watches = std::make_shared<WatchShares>();
    for (int i = 0; i < shards.size(); ++i) {
      states_.push_back(std::make_unique<ShardState>(shards[i], journal.writer(i), counters_.shard(i),
                                                     start + "-" + std::to_string(i) + "-"));
      clients_.push_back(nullptr);
    }
    // A client belongs to its shard's thread from birth.
    net::on_all_shards(shards, [this, &watches](net::Shard& shard) {
      clients_[static_cast<std::size_t>(shard.index())] = std::make_unique<net::Client>(shard);
      ShardState& state = *states_[static_cast<std::size_t>(shard.index())];
      state.client = clients_[static_cast<std::size_t>(shard.index())].get();
      state.feed = std::make_shared<Feed>(state, clock_, watches);
    });
  }

  net::Handler handler() override {
    return [this](net::Exchange& exchange) { return handle(exchange); };
  }

  std::function<void(const net::HeadRefusal&)> head_refusals() override {
    return [this](const net::HeadRefusal& refusal) {
      ShardState& here = *states_[static_cast<std::size_t>(net::Shard::current()->index())];
      here.counters.head_refusals.add();
      here.journal.refusal({.reason = refusal.reason,
                            .client = refusal.peer.ip,
                            .status = refusal.status,
                            .before_authentication = true});
      here.commit_soon();
    };
  }

  Result<void> reload() override { return control_.reload(); }
  Result<std::string> test_server(const std::string& name) override { return control_.test_server(name); }
  std::string status() const override { return control_.status(); }
  std::shared_ptr<const Snapshot> snapshot() const override { return control_.published(); }
  std::vector<BreakerView> breakers() const override { return control_.breakers(); }
  std::vector<PinView> pins() const override { return control_.pins(); }
  std::vector<IssuerView> issuers() const override { return control_.issuers(); }
  Result<std::string> exported_tools(const std::string& path) const override {
    return control_.exported_tools(path);
  }
  void note(std::string_view name, std::string members) override {
    control_.note(std::string(name), std::move(members));
  }
  const Counters& counters() const override { return counters_; }
  void drain() override {
    draining_ = true;
    control_.end_tests();
    for (int i = 0; i < shards_.size(); ++i) {
      (void)shards_[i].post([&state = *states_[static_cast<std::size_t>(i)]] {
        state.feed->close();
        while (!state.left_alone.empty()) {
          Cancel* const call = *state.left_alone.begin();
          state.left_alone.erase(state.left_alone.begin());
          call->request();
        }
      });
    }
  }

  std::string not_ready() const override {
    if (draining_) return "stopping";
    const auto journal = journal_.state();
    return journal.healthy ? "" : "journal: " + journal.problem;
  }

  void stop() override {
    net::on_all_shards(shards_, [this](net::Shard& shard) {
      ShardState& state = *states_[static_cast<std::size_t>(shard.index())];
      for (const auto& [id, dialogue] : state.parked.take_all()) {
        if (!dialogue->attached()) McpService::note_abandoned(state, id);
        dialogue->cancel();
      }
    });
    control_.stop();
    net::on_all_shards(shards_, [this](net::Shard& shard) {
      auto& state = *states_[static_cast<std::size_t>(shard.index())];
      state.journal.commit();
      state.feed->clear();
      state.swap(nullptr);
      clients_[static_cast<std::size_t>(shard.index())].reset();
    });
  }

 private:
  /// Answers the request; a stream that stays open is then waited for with nothing of the call left.
  Task<> handle(net::Exchange& exchange) {
    ShardState& here = *states_[static_cast<std::size_t>(exchange.shard().index())];
    if (const std::string_view path = exchange.request().path; path == "/healthz" || path == "/readyz")
      co_return co_await health(exchange, path);

    const std::optional<Streaming> open = co_await answer(exchange, here);
    if (!open) co_return;
    exchange.forget_request();
    const auto gone = exchange.cancel().on_request([outlet = open->outlet.get()] { outlet->leave(); });
    co_await open->outlet->over();
    open->outlet->leave();
    open->left();
    here.counters.streams.add(-1);
  }

  /// Guarantees that every path is recorded and that an answer or error becomes bytes in one place.
  Task<std::optional<Streaming>> answer(net::Exchange& exchange, ShardState& here) {
    Call call(exchange, here);
    // Outlives the watch: a client may go while its answer is being written.
    struct LeftAlone {
      Call& call;
      ~LeftAlone() { call.here.left_alone.erase(&call.cancel); }
    } const left_alone{call};
    const auto gone = exchange.cancel().on_request([this, &call] {
      // A 2025 client that disconnects has not cancelled (transports, 2025-11-25): its call runs on.
      if (call.modern || call.model || draining_) {
        call.cancel.request();
      } else {
        call.here.left_alone.insert(&call.cancel);
      }
    });
    here.counters.in_flight.add();
    Result<Answer> answer = co_await serve(call);
    record(call, answer);
    if (call.intent_written) co_await recorded(call);
    count(call, answer);
    std::optional<Streaming> open;
    if (answer) {
      if (auto* streaming = std::get_if<Streaming>(&*answer)) open = std::move(*streaming);
    }
    const bool streamed = call.model && call.model->streamed;
    net::Reply reply = streamed ? net::Reply{} : render(call, std::move(answer));
    const std::size_t bytes = streamed ? exchange.bytes_sent() : reply.body.size();
    int status = reply.status;
    if (streamed) {
      here.counters.streams.add(-1);
    } else if (open) {
      reply.headers = call.cors;
      here.counters.streams.add();
      open->outlet->start(exchange.stream(std::move(reply)), std::move(open->first));
    } else {
      status = co_await send_answer(call, std::move(reply));
      if (call.outlet) call.outlet->leave();
      if (call.stream) here.counters.streams.add(-1);
    }
    here.counters.in_flight.add(-1);
    here.counters.bytes_out.add(static_cast<std::int64_t>(bytes));
    if (options_.access_log) {
      options_.access_log({.call = call.id,
                           .client = exchange.client_ip(),
                           .principal = call.principal_name(),
                           .endpoint = call.endpoint_path,
                           .era = call.era(),
                           .method = call.method,
                           .target = call.target,
                           .code = call.refusal,
                           .status = status,
                           .micros = micros_since(exchange.started()),
                           .bytes_in = call.bytes_in,
                           .bytes_out = bytes});
    }
    co_return open;
  }

  /// The pipeline (docs/life-of-a-request.md); may stop anywhere.
  Task<Result<Answer>> serve(Call& call) {
    const net::Request& request = call.exchange.request();
    if (auto metadata = metadata_reply(request, *call.snapshot, login_)) co_return std::move(*metadata);
    if (identity::AuthorizationServer::serves(request.path))
      co_return co_await log_in(call, door_, login_, [this] { signing_keys_changed(); }, clock_.now());
    if (auto allowed = door_.check_origin(request); !allowed) co_return Failure(allowed.error());
    call.cors = door_.cors(request);

    call.model = model_call_at(request.path);
    cancel_if_left(call);
    if (!call.model && request.path != "/mcp" && !request.path.starts_with("/mcp/"))
      co_return client_error(Code::not_found,
                             "Nothing is served at this path. MCP clients connect to /mcp or "
                             "/mcp/{virtual-server}, clients of models to /v1.");
    call.endpoint_path = call.model ? "/v1" : std::string(request.path);
    if (request.method == net::Method::options && !call.cors.empty()) co_return Door::preflight(request);
    if (const auto& shown = call.exchange.peer().certificate)
      call.agent = options_.certificates.name_in(*shown);
    if (call.model) co_return co_await model_call(call);
    const Endpoint* endpoint = call.snapshot->endpoint(request.path);
    // A stranger learns nothing about which virtual servers exist.
    call.endpoint = endpoint ? endpoint : call.snapshot->endpoint("/mcp");
    if (auto known = co_await Door::authenticate(call, clock_); !known) co_return Failure(known.error());
    if (!endpoint || !may_enter(call, clock_.now()))
      co_return client_error(Code::not_found, "There is no virtual server of this name.");

    const auto session = request.headers.find("mcp-session-id");
    if (request.method == net::Method::get || request.method == net::Method::del) {
      call.method = net::name_of(request.method);
      if (auto legacy = Door::check_legacy(request); !legacy) co_return Failure(legacy.error());
    }
    if (request.method == net::Method::get) {
      if (auto media = Door::check_stream(call); !media) co_return Failure(media.error());
      if (auto found = mcp_.find_session(call, session); !found) co_return Failure(found.error());
      co_return co_await mcp_.session_stream(call);
    }
    if (request.method == net::Method::del) {
      if (auto found = mcp_.find_session(call, session); !found) co_return Failure(found.error());
      co_return co_await mcp_.end_session(call);
    }
    if (request.method != net::Method::post)
      co_return client_error(Code::method_not_allowed, "Send MCP messages with POST.");

    if (auto media = Door::check_media(call); !media) co_return Failure(media.error());
    if (auto body = co_await take_body(call, limits::kMcpBody); !body) co_return Failure(body.error());
    const json::Value root = call.body->root();
    if (root.is(json::Kind::array)) co_return co_await batch(call, root, session);
    co_return co_await message(call, root, session);
  }

  /// The client had left before it was known what its leaving means.
  static void cancel_if_left(Call& call) {
    if ((call.modern || call.model) && call.here.left_alone.erase(&call.cancel) > 0) call.cancel.request();
  }

  Task<Result<Answer>> model_call(Call& call) {
    call.endpoint = &call.snapshot->model_calls;
    if (auto known = co_await Door::authenticate(call, clock_); !known) co_return Failure(known.error());
    constexpr std::string_view kPrefix = "/v1/";
    const std::string_view path = call.exchange.request().path;
    call.method = path.starts_with(kPrefix) ? path.substr(kPrefix.size()) : "";
    if (auto described = ModelService::describe(call); !described) co_return Failure(described.error());
    co_return co_await models_.perform(call);
  }

  /// Threads: the database executor's.
  void signing_keys_changed() {
    if (auto reloaded = control_.reload(); !reloaded)
      spdlog::error("the keys that sign access tokens: {}", reloaded.error().what);
  }

  /// Decodes and performs one message.
  Task<Result<Answer>> message(Call& call, json::Value root, std::optional<std::string_view> session) {
    const auto& headers = call.exchange.request().headers;
    const auto find = [&](std::string_view name) { return headers.find(name); };
    mcp::HttpFacts facts{.version = find("mcp-protocol-version"),
                         .method = find("mcp-method"),
                         .name = find("mcp-name"),
                         .session = session};
    for (const std::string_view name : {"mcp-protocol-version", "mcp-method", "mcp-name"}) {
      if (headers.count(name) > 1) facts.repeated = name;
    }
    call.modern = looks_modern(root, facts);
    if (call.modern) call.version = mcp::kModern;
    auto classified = mcp::classify(root, facts, call.rpc_id);
    if (!classified) co_return Failure(classified.error());
    call.message = std::move(*classified);
    call.method = call.message.message.method_text;
    call.modern = call.message.way == mcp::Classified::Way::modern;
    cancel_if_left(call);

    if (call.message.way == mcp::Classified::Way::legacy ||
        call.message.way == mcp::Classified::Way::response) {
      if (auto found = mcp_.find_session(call, session); !found) co_return Failure(found.error());
    }
    call.dispatched = true;
    const auto method = call.message.message.method;
    std::optional<net::Deadline> early;
    if (call.session && (method == mcp::Method::tools_call || method == mcp::Method::prompts_get ||
                         method == mcp::Method::resources_read))
      early.emplace(call.here.shard).set(limits::kWatchAfter, [&call] { open_early(call); });
    co_return co_await mcp_.perform(call);
  }

  /// Only for choosing how an error of the ladder is dressed.
  static bool looks_modern(json::Value root, const mcp::HttpFacts& facts) {
    if (facts.version) {
      const auto version = mcp::version_from(*facts.version);
      if (!version || mcp::is_modern(*version)) return true;
    }
    const auto params = root.is(json::Kind::object) ? root.find("params") : std::nullopt;
    const auto meta = params && params->is(json::Kind::object) ? params->find("_meta") : std::nullopt;
    return meta && meta->is(json::Kind::object) && meta->find("io.modelcontextprotocol/protocolVersion");
  }

  /// 2025-03-26 alone has batches. Their messages are performed one after the other; each is recorded as a
  /// call of its own.
  Task<Result<Answer>> batch(Call& call, json::Value root, std::optional<std::string_view> session) {
    call.method = "batch";
    const auto refused = [](std::string why) { return client_error(Code::bad_envelope, std::move(why)); };
    if (!session) co_return refused("JSON-RPC batches exist in protocol version 2025-03-26 only.");
    if (auto found = mcp_.find_session(call, session); !found) co_return Failure(found.error());
    if (call.version != mcp::Version::v2025_03_26)
      co_return refused("JSON-RPC batches exist in protocol version 2025-03-26 only.");
    if (root.size() == 0 || root.size() > kBatch)
      co_return refused("A batch has 1 to " + std::to_string(kBatch) + " messages.");
    std::string out = "[";
    for (const json::Value item : root.elements()) {
      Call part(call.exchange, call.here);
      part.snapshot = call.snapshot;
      part.endpoint = call.endpoint;
      part.endpoint_path = call.endpoint_path;
      part.principal = call.principal;
      part.key_id = call.key_id;
      part.token = call.token;
      part.agent = call.agent;
      part.takes_stream = false;
      const auto gone = call.cancel.on_request([&part] { part.cancel.request(); });
      Result<Answer> answer = co_await message(part, item, session);
      if (answer && std::holds_alternative<RpcResult>(*answer) &&
          part.message.message.method == mcp::Method::initialize)
        answer = refused("initialize cannot be part of a batch.");
      record(part, answer);
      if (part.intent_written) co_await recorded(part);
      const net::Reply reply = render(part, std::move(answer));
      if (reply.body.empty()) continue;
      if (out.size() > 1) out += ',';
      out += reply.body;
      if (out.size() > limits::kUncounted && !call.answer_held.set(out.size())) {
        Failure no_room = fail(Code::limited, Blame::us, "bytes in flight, for the answers to a batch");
        no_room.error().answered = true;
        co_return no_room;
      }
    }
    if (out.size() == 1) co_return Accepted{};
    out += ']';
    co_return net::Reply{.status = 200, .content_type = "application/json", .body = std::move(out)};
  }

  /// Goes on when the outcome of what ran has been written, or could not be: the client is told the latter.
  Task<> recorded(Call& call) {
    co_await net::turn_end(call.here.shard);
    call.unrecorded = call.here.journal.failing();
  }

  void count(const Call& call, const Result<Answer>& answer) {
    ShardCounters& counters = call.here.counters;
    const std::size_t outcome =
        !answer ? outcome_slot(answer.error().code)
        : std::holds_alternative<RpcError>(*answer) || call.tool_error || (call.model && call.model->failed)
            ? kToolError
            : kOk;
    counters.request(method_slot(call.method), outcome, micros_since(call.exchange.started()));
    counters.bytes_in.add(static_cast<std::int64_t>(call.bytes_in));
    const auto pool = clients_[static_cast<std::size_t>(call.here.shard.index())]->gauges();
    counters.parked.set(static_cast<std::int64_t>(call.here.parked.size()));
    counters.questions.set(static_cast<std::int64_t>(call.here.questions.size()));
    counters.tasks.set(detail::live_tasks);
    counters.pool_idle.set(static_cast<std::int64_t>(pool.idle));
    counters.pool_busy.set(static_cast<std::int64_t>(pool.busy));
    counters.dialled.set(static_cast<std::int64_t>(pool.dialled));
  }

  Task<> health(net::Exchange& exchange, std::string_view path) {
    const std::string problem = path == "/readyz" ? not_ready() : "";
    net::Reply reply{.status = problem.empty() ? 200 : 503, .content_type = "application/json"};
    reply.body = problem.empty() ? "{\"status\":\"ok\"}"
                                 : "{\"status\":\"not ready\",\"reason\":" + json::quote(problem) + "}";
    co_await exchange.reply(std::move(reply));
  }

  net::Shards& shards_;
  store::Journal& journal_;
  const Clock& clock_;
  const GatewayOptions options_;
  Counters counters_;
  const Door door_;
  const identity::Sealer sealer_;
  std::vector<std::unique_ptr<ShardState>> states_;
  Clients clients_;
  Control control_;
  identity::AuthorizationServer login_;
  McpService mcp_;
  ModelService models_;
  std::atomic<bool> draining_{false};
};

}  // namespace

Result<std::unique_ptr<Gateway>> Gateway::create(net::Shards& shards, store::Registry& registry,
                                                 store::Vault& vault, store::Accounts& accounts,
                                                 store::Journal& journal, Executor& database,
                                                 const Clock& clock, GatewayOptions options) {
  auto keys = vault.key_ring("sealed-ids");
  if (!keys) return Failure(keys.error());
  const std::string start = hex(random_bytes(4));
  auto gateway = std::make_unique<GatewayImpl>(shards, registry, accounts, journal, database, clock,
                                               std::move(options), std::move(*keys), start);
  auto loaded = std::make_shared<std::promise<Result<void>>>();
  auto future = loaded->get_future();
  if (!database.run([&gateway, loaded] { loaded->set_value(gateway->reload()); }))
    return fail(Code::unavailable, Blame::us, "database executor is full");
  if (auto first = future.get(); !first) return Failure(first.error());
  return std::unique_ptr<Gateway>(std::move(gateway));
}

}  // namespace sallyport::gateway
