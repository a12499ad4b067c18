#include "sallyport/cli/serve.hpp"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <nlohmann/json.hpp>

#include "backend.hpp"
#include "sallyport/admin/api.hpp"
#include "sallyport/admin/journal_key.hpp"
#include "sallyport/admin/log.hpp"
#include "sallyport/admin/metrics.hpp"
#include "sallyport/admin/operations.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/executor.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/gateway/gateway.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/net/egress.hpp"
#include "sallyport/net/held_bytes.hpp"

namespace sallyport::cli {
namespace {

constexpr int kCheckpointEvery = 60;  // seconds
constexpr auto kAdminGrace = std::chrono::seconds(2);

// Servers that are tested at the same time, and that may wait for it.
constexpr int kTestsAtOnce = 4;
constexpr std::size_t kTestsWaiting = 64;

/// The public listener's way to the gateway. It is bound before the gateway exists, because that wants to
/// know the port.
struct Gate {
  net::Handler handler;
  std::function<void(const net::HeadRefusal&)> refused;
  std::atomic<bool> open{false};  // set once, after the two above
  std::atomic<bool> warned{false};

  /// Says, once, that somebody near brings others' requests and is not believed. Threads: any shard.
  void meet_proxy(const net::Exchange& exchange, const net::TrustedProxies& trusted) {
    const std::string& ip = exchange.peer().ip;
    const auto address = net::address_of(ip, 0);
    // From afar anybody may write such a header.
    if (trusted.contains(ip) || (address && !net::is_private_address(*address)) || warned.exchange(true))
      return;
    spdlog::warn(
        "{} sends requests with X-Forwarded-For or Forwarded and is none of trusted_proxies: all of them "
        "count as coming from there. If it is a proxy of yours, name it in that setting.",
        ip);
  }
};

Task<> not_yet(net::Exchange& exchange) {
  co_await exchange.reply({.status = 503,
                           .content_type = "text/plain; charset=utf-8",
                           .body = "starting\n",
                           .headers = {{"Retry-After", "1"}}});
}

std::string host_of(std::string_view address) {
  auto host = address.substr(0, address.rfind(':'));
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return std::string(host);
}

std::string url_of(const ListenSettings& listen, const std::string& address) {
  if (address.starts_with("unix:")) return address;
  const auto colon = address.rfind(':');
  auto host = address.substr(0, colon);
  // An address that means "all" is none that a client could dial.
  if (host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  return fmt::format("{}://{}{}", listen.tls_cert.empty() ? "http" : "https", host, address.substr(colon));
}

}  // namespace

std::string public_url_of(const Settings& settings, const std::string& address) {
  return settings.public_url.empty() ? url_of(settings.listen, address) : settings.public_url;
}

struct Server::Impl {
  Impl(Settings given, const Clock& c) : settings(std::move(given)), clock(c) {}

  // In the order in which they need each other: what is last goes first.
  const Settings settings;
  const Clock& clock;
  std::string public_url{}, admin_url{};
  SteadyTime started = clock.steady();
  std::unique_ptr<store::Database> database{};
  std::unique_ptr<store::Vault> vault{};
  std::unique_ptr<store::Registry> registry{};
  std::unique_ptr<store::Accounts> accounts{};
  std::unique_ptr<net::Shards> shards{};
  std::unique_ptr<store::Journal> journal{};
  std::unique_ptr<Executor> executor{};
  std::unique_ptr<Executor> tests{};  // what waits for upstreams, and for the other one
  std::unique_ptr<gateway::Gateway> gateway{};
  std::unique_ptr<admin::Operations> operations{};
  std::unique_ptr<admin::Api> api{};
  std::shared_ptr<Gate> gate = std::make_shared<Gate>();
  std::unique_ptr<SocketPath> socket_path{};
  std::unique_ptr<net::Listener> public_listener{}, admin_listener{}, socket_listener{};
  std::jthread checkpoints{};
  bool stopped = false;

  Result<void> open_stores();
  Result<void> open_journal();
  Result<void> open_public(std::vector<int>& inherited);
  Result<void> open_gateway();
  Result<void> open_admin(std::vector<int>& inherited);
  void checkpoint_every_minute();
  admin::Live live();
  std::string status() const;
  std::string not_ready() const;
  void record(net::Shard& shard, std::string_view operation, std::string_view by, bool ok,
              std::string_view subject);
  Result<void> stop();
};

Result<void> Server::Impl::open_stores() {
  auto opened = store::Database::open(settings.data, store::Database::Open::server);
  if (!opened) return std::unexpected(std::move(opened.error()));
  database = std::move(*opened);
  auto unlocked = store::Vault::open(*database);
  if (!unlocked) return std::unexpected(std::move(unlocked.error()));
  vault = std::move(*unlocked);
  registry = std::make_unique<store::Registry>(*database, *vault, clock);
  accounts = std::make_unique<store::Accounts>(*database, *vault, clock);
  return {};
}

Result<void> Server::Impl::open_journal() {
  const auto key = admin::journal_signing_key(*vault, settings.data);
  if (!key) return std::unexpected(key.error());
  store::JournalOptions options;
  options.directory = settings.data;
  options.durability = settings.durability;
  options.shards = shards->size();
  options.post = [this](int shard, std::move_only_function<void()> work) {
    return (*shards)[shard].post(std::move(work));
  };
  auto opened = store::Journal::open(std::move(options), *key, clock);
  if (!opened) return std::unexpected(std::move(opened.error()));
  journal = std::move(*opened);
  return {};
}

Result<void> Server::Impl::open_public(std::vector<int>& inherited) {
  net::ListenerOptions options;
  options.address = settings.listen.address;
  options.tls = settings.listen.tls();
  if (!inherited.empty()) options.inherited_fd = inherited.front();
  if (!inherited.empty()) inherited.erase(inherited.begin());
  options.trusted_proxies = settings.trusted_proxies;
  options.handler = [gate = gate, &trusted = settings.trusted_proxies](net::Exchange& exchange) {
    if (!exchange.request().forwarded.lines.empty()) gate->meet_proxy(exchange, trusted);
    return gate->open.load(std::memory_order_acquire) ? gate->handler(exchange) : not_yet(exchange);
  };
  options.on_full = [](std::size_t connections) {
    spdlog::warn(
        "{} client connections, as many as there may be: new ones wait until others end. If `ulimit -Hn` is "
        "the bound (clients get three quarters of it), raise it",
        connections);
  };
  options.on_refusal = [gate = gate](const net::HeadRefusal& refusal) {
    if (gate->open.load(std::memory_order_acquire)) gate->refused(refusal);
  };
  auto opened = net::Listener::open(*shards, std::move(options));
  if (!opened) return std::unexpected(std::move(opened.error()));
  public_listener = std::move(*opened);
  public_url = public_url_of(settings, public_listener->local_address());
  return {};
}

Result<void> Server::Impl::open_gateway() {
  gateway::GatewayOptions options;
  options.environment = settings.environment;
  options.allowed_hosts = settings.allowed_hosts;
  options.allowed_origins = settings.allowed_origins;
  options.public_url = public_url;
  options.certificates = settings.listen.client_names.value_or(identity::CertificateNames());
  options.login = settings.login;
  if (settings.log.access) options.access_log = admin::log_access;
  auto made = gateway::Gateway::create(*shards, *registry, *vault, *accounts, *journal, *executor, clock,
                                       std::move(options));
  if (!made) return std::unexpected(std::move(made.error()));
  gateway = std::move(*made);
  return {};
}

std::string Server::Impl::not_ready() const {
  if (!gate->open.load(std::memory_order_acquire)) return "starting";
  if (auto problem = gateway->not_ready(); !problem.empty()) return problem;
  const auto state = journal->state();
  return state.healthy ? std::string() : "journal: " + state.problem;
}

std::string Server::Impl::status() const {
  auto out = nlohmann::json::parse(gateway->status(), nullptr, false);
  if (!out.is_object()) out = nlohmann::json::object();
  const auto state = journal->state();
  const auto up = std::chrono::duration_cast<std::chrono::seconds>(clock.steady() - started);
  out["public_url"] = public_url;
  out["admin_url"] = admin_url;
  out["environment"] = settings.environment;
  out["not_ready"] = not_ready();
  out["uptime_seconds"] = up.count();
  out["connections"] = public_listener ? public_listener->connections() : 0;
  out["journal"] = {{"healthy", state.healthy},
                    {"problem", state.problem},
                    {"records", state.records},
                    {"bytes", state.bytes},
                    {"last_commit_micros", state.last_commit_micros}};
  return out.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

admin::Live Server::Impl::live() {
  return {
      .reload = [this]() -> Result<void> {
        if (auto ok = gateway->reload(); !ok) return ok;
        return api->reload();
      },
      .test_server = [this](const std::string& server) { return gateway->test_server(server); },
      .status = [this] { return status(); },
      .checkpoint = [this] { return journal->checkpoint(); },
      .note = [this](std::string_view name, std::string members) { gateway->note(name, std::move(members)); },
      .exported_tools = [this](const std::string& path) { return gateway->exported_tools(path); },
      .environment = settings.environment,
      .public_url = public_url};
}

void Server::Impl::record(net::Shard& shard, std::string_view operation, std::string_view by, bool ok,
                          std::string_view subject) {
  auto& writer = journal->writer(shard.index());
  writer.note("admin", fmt::format(R"("operation":{},"by":{},"ok":{}{}{})", json::quote(operation),
                                   json::quote(by), ok, subject.empty() ? "" : ",", subject));
  shard.at_turn_end([&writer] { writer.commit(); });
}

Result<void> Server::Impl::open_admin(std::vector<int>& inherited) {
  operations = std::make_unique<admin::Operations>(*database, *vault, *registry, live());
  admin::ApiOptions options;
  options.metrics = [this] {
    return admin::render_metrics(gateway->counters(), journal->state(),
                                 {.connections = public_listener->connections(),
                                  .bytes_in_flight = net::HeldBytes::total(),
                                  .breakers = gateway->breakers(),
                                  .pins = gateway->pins(),
                                  .issuers = gateway->issuers()});
  };
  options.not_ready = [this] { return not_ready(); };
  options.record = [this](net::Shard& shard, std::string_view operation, std::string_view by, bool ok,
                          std::string_view subject) { record(shard, operation, by, ok, subject); };
  options.hosts = {host_of(settings.admin.address)};
  auto made = wait_for(*executor, [&]() -> Result<void> {
    auto created = admin::Api::create(*operations, *registry, *executor, *tests, std::move(options));
    if (!created) return std::unexpected(std::move(created.error()));
    api = std::move(*created);
    return {};
  });
  if (!made) return made;

  net::ListenerOptions tcp;
  tcp.address = settings.admin.address;
  tcp.tls = settings.admin.tls();
  if (!inherited.empty()) tcp.inherited_fd = inherited.front();
  tcp.handler = api->remote();
  tcp.bounds.connections = limits::kAdminConnections;
  auto opened = net::Listener::open(*shards, std::move(tcp));
  if (!opened) return std::unexpected(std::move(opened.error()));
  admin_listener = std::move(*opened);
  admin_url = url_of(settings.admin, admin_listener->local_address());

  socket_path = std::make_unique<SocketPath>(settings.data);
  net::ListenerOptions local;
  local.address = "unix:" + socket_path->text();
  local.handler = api->local();
  local.bounds.connections = limits::kAdminConnections;
  auto bound = net::Listener::open(*shards, std::move(local));
  if (!bound) return std::unexpected(std::move(bound.error()));
  socket_listener = std::move(*bound);
  return {};
}

void Server::Impl::checkpoint_every_minute() {
  checkpoints = std::jthread([this](const std::stop_token& stop) {
    std::mutex mutex;
    std::condition_variable_any wake;
    std::unique_lock lock(mutex);
    for (int second = 1;
         !wake.wait_for(lock, stop, std::chrono::seconds(1), [] { return false; }) && !stop.stop_requested();
         ++second) {
      journal->check_files();
      // A disk that works again is noticed although nobody calls, because we say that we are not ready.
      const bool due = second % kCheckpointEvery == 0;
      if (!due && journal->state().healthy) continue;
      if (const auto done = journal->checkpoint(); !done && due)
        spdlog::error("journal checkpoint: {}", done.error().what);
    }
  });
}

Result<void> Server::Impl::stop() {
  if (std::exchange(stopped, true)) return {};
  if (gateway) gateway->drain();
  if (public_listener) public_listener->stop(settings.stop_grace);
  if (socket_listener) socket_listener->stop(kAdminGrace);
  if (admin_listener) admin_listener->stop(kAdminGrace);
  if (gateway) gateway->stop();
  checkpoints = {};
  tests.reset();
  executor.reset();  // finishes what was accepted, on shards that still run
  Result<void> written{};
  if (journal) written = journal->checkpoint();
  public_listener.reset();
  socket_listener.reset();
  admin_listener.reset();
  api.reset();
  operations.reset();
  if (shards) shards->stop();
  gateway.reset();
  journal.reset();  // its last records, stop among them, and the checkpoint over them
  return written;
}

Server::Server(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Server::~Server() { static_cast<void>(stop()); }

Result<std::unique_ptr<Server>> Server::start(Settings settings, const Clock& clock) {
  std::unique_ptr<Server> server(new Server(std::make_unique<Impl>(std::move(settings), clock)));
  auto& impl = *server->impl_;
  auto inherited = net::inherited_sockets();
  if (auto ok = impl.open_stores(); !ok) return std::unexpected(std::move(ok.error()));
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  net::HeldBytes::set_budget(impl.settings.bytes_in_flight);
  impl.shards = std::make_unique<net::Shards>(impl.settings.shards > 0 ? impl.settings.shards : cores);
  impl.shards->start();
  if (auto ok = impl.open_journal(); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = impl.open_public(inherited); !ok) return std::unexpected(std::move(ok.error()));
  impl.executor = std::make_unique<Executor>("database", 1, limits::kExecutorQueue);
  impl.tests = std::make_unique<Executor>("tests", kTestsAtOnce, kTestsWaiting);
  if (auto ok = impl.open_gateway(); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = impl.open_admin(inherited); !ok) return std::unexpected(std::move(ok.error()));
  impl.checkpoint_every_minute();
  impl.gate->handler = impl.gateway->handler();
  impl.gate->refused = impl.gateway->head_refusals();
  impl.gate->open.store(true, std::memory_order_release);
  return server;
}

const std::string& Server::public_url() const { return impl_->public_url; }
const std::string& Server::admin_url() const { return impl_->admin_url; }
Result<void> Server::stop() { return impl_->stop(); }

}  // namespace sallyport::cli
