#include <spdlog/spdlog.h>
#include <atomic>
#include <map>
#include <mutex>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/gateway/single_flight.hpp"
#include "sallyport/gateway/upstream.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/net/child.hpp"

namespace sallyport::gateway {
namespace {

using Identity = std::shared_ptr<const UpstreamIdentity>;
using Answer = Result<UpstreamAnswer>;

/// How long a child may take to say whether it knows `server/discover`; servers that ignore unknown methods
/// cost this once.
constexpr auto kProbe = std::chrono::seconds(5);
/// Children of one server with `isolation: principal` or `session`.
constexpr std::size_t kChildren = 64;
/// Calls under way at one child.
constexpr std::size_t kInFlight = 1024;

Failure broken(std::string what) { return fail(Code::upstream_broken, Blame::upstream, std::move(what)); }

/// A call that waits at the owner shard for its line.
struct Pending {
  const UpstreamCall* call = nullptr;
  net::Shard* home = nullptr;
  Slot<Answer> answer;
};

/// Tells the owner shard which wait to end when the caller gives up.
struct Ticket {
  std::weak_ptr<Pending> pending;
  std::weak_ptr<Slot<Result<Identity>>> connecting;
  bool cancelled = false;
};

/// One child process and the protocol on its pipes. Threads: its shard's.
class StdioSession : public std::enable_shared_from_this<StdioSession> {
 public:
  StdioSession(net::Shard& shard, std::shared_ptr<const ServerConfig> config, OnNotice on_notice)
      : shard_(shard), config_(std::move(config)), on_notice_(std::move(on_notice)), idle_(shard) {}

  SingleFlight<Identity> flight;
  std::string how_it_ended;
  /// Once, when the process has ended: whether we asked for it, and how long it lived.
  std::function<void(bool asked, Duration lived)> on_end;

  /// Started, and not asked to end.
  bool running() const { return child_ && !asked_; }
  /// The process is still there.
  bool alive() const { return child_ != nullptr; }
  bool asked_to_stop() const { return asked_; }

  /// Starts the process. What it does on its own account goes to the log.
  Result<void> start() {
    const auto& transport = std::get<store::StdioTransport>(config_->document.transport);
    auto extra = transport.env;
    for (const auto& [name, secret] : config_->secret_env) extra[name] = std::string(secret.reveal());
    auto env = net::minimal_environment(extra);
    if (!env) return Failure(env.error());
    net::ChildOptions options;
    options.argv.push_back(transport.command);
    options.argv.insert(options.argv.end(), transport.args.begin(), transport.args.end());
    options.env = std::move(*env);
    options.directory = transport.directory;
    const std::weak_ptr<StdioSession> weak = weak_from_this();
    options.on_line = [weak](std::string line) {
      if (const auto self = weak.lock()) self->line(std::move(line));
    };
    options.on_stderr = [name = config_->document.name](const std::string& line) {
      spdlog::info("server {}: {}", name, line);
    };
    options.on_exit = [weak](const std::string& how) {
      if (const auto self = weak.lock()) self->exited(how);
    };
    auto child = net::Child::start(shard_, std::move(options));
    if (!child) return Failure(child.error());
    child_ = std::move(*child);
    started_ = std::chrono::steady_clock::now();
    asked_ = false;
    return {};
  }

  void stop() {
    asked_ = true;
    idle_.clear();
    flight.value.reset();
    if (child_) child_->stop();
  }

  /// Sends a request and waits for its line. Ends early by deadline or through the pending's slot.
  Task<Answer> request(const UpstreamCall& call, const UpstreamIdentity& identity, net::Shard* home,
                       std::shared_ptr<Ticket> ticket, std::string own_params = {}) {
    const auto self = shared_from_this();
    if (!child_) co_return fail(Code::upstream_unreachable, Blame::upstream, "process is not running", true);
    if (pending_.size() >= kInFlight)
      co_return fail(Code::limited, Blame::upstream, "too many calls under way", true);
    idle_.set(limits::kChildIdle, [this] {
      if (pending_.empty()) stop();
    });
    const std::string id = std::to_string(++last_id_);
    const std::string params =
        own_params.empty()
            ? wire::upstream_params(call, identity,
                                    call.wants_progress ? std::string_view(id) : std::string_view{})
            : own_params;
    auto pending = std::make_shared<Pending>();
    pending->call = &call;
    pending->home = home;
    if (ticket) {
      if (ticket->cancelled) co_return fail(Code::cancelled, Blame::client, "cancelled before it was sent");
      ticket->pending = pending;
    }
    std::string line = "{\"jsonrpc\":\"2.0\",\"id\":" + id + ",\"method\":\"";
    line += mcp::text_of(call.method);
    line += "\",\"params\":" + params + "}";
    if (!child_->send(one_line(std::move(line)))) co_return broken("process does not take its input");
    pending_[id] = pending;
    net::Deadline late(shard_);
    late.set(call.deadline - std::chrono::steady_clock::now(), [pending] {
      pending->answer.deliver(fail(Code::upstream_timeout, Blame::upstream, "no answer within the deadline"));
    });
    Answer answer = co_await pending->answer;
    pending_.erase(id);
    if (!answer &&
        (answer.error().code == Code::upstream_timeout || answer.error().code == Code::cancelled)) {
      notify("notifications/cancelled", "{\"requestId\":" + id + "}");
    }
    co_return answer;
  }

  void notify(std::string_view method, std::string_view params) {
    if (child_) (void)child_->send(one_line(mcp::notification_message(method, params)));
  }

  std::size_t in_flight() const { return pending_.size(); }

 private:
  /// White space between tokens may hold newlines; inside strings they cannot stand raw.
  static std::string one_line(std::string text) {
    for (char& c : text) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    return text;
  }

  void line(std::string text) {
    if (trim(text).empty()) return;
    auto document = json::Document::parse(std::move(text), json::kUpstream);
    auto message = document ? mcp::read_upstream_message(document->root())
                            : Result<mcp::Envelope>(Failure(document.error()));
    if (!message) {
      // Some servers greet on standard output; a line that is no message harms nobody but is worth a word.
      spdlog::warn("server {}: a line on standard output is no JSON-RPC message: {}", config_->document.name,
                   message.error().what);
      return;
    }
    switch (message->kind) {
      case mcp::Envelope::Kind::request:
        if (message->method == mcp::Method::ping) {
          (void)child_->send(mcp::result_message(message->id, "{}"));
        } else {
          (void)child_->send(mcp::error_message(message->id, -32601, "The client does not offer this", {}));
        }
        return;
      case mcp::Envelope::Kind::notification:
        return notification(std::move(*document), *message);
      case mcp::Envelope::Kind::result:
      case mcp::Envelope::Kind::error:
        break;
    }
    const auto it = pending_.find(message->id);
    if (it == pending_.end()) return;  // an answer after its deadline or cancellation
    const bool is_error = message->kind == mcp::Envelope::Kind::error;
    const auto pending = it->second;
    pending->answer.deliver(
        UpstreamAnswer{.document = std::move(*document), .payload = *message->payload, .is_error = is_error});
  }

  void notification(json::Document document, const mcp::Envelope& message) {
    switch (message.method) {
      case mcp::Method::n_tools_changed:
      case mcp::Method::n_prompts_changed:
      case mcp::Method::n_resources_changed:
        on_notice_({.kind = Notice::Kind::list_changed, .server = config_->document.name});
        return;
      case mcp::Method::n_progress:
      case mcp::Method::n_message:
        break;
      default:
        return;
    }
    if (!message.params) return;
    std::shared_ptr<Pending> pending;
    if (message.method == mcp::Method::n_progress) {
      const auto token = message.params->find("progressToken");
      const auto it = token ? pending_.find(std::string(token->raw())) : pending_.end();
      if (it != pending_.end()) pending = it->second;
    } else if (pending_.size() == 1) {
      // Log messages on a pipe name no call: with several under way nobody can say whose they are.
      pending = pending_.begin()->second;
    }
    if (!pending || !pending->call->on_notification) return;
    if (pending->home == &shard_) {
      pending->call->on_notification({message.method, *message.params});
      return;
    }
    auto shared = std::make_shared<json::Document>(std::move(document));
    // The answer comes to the home shard through the same mailbox, after this: the call is still there.
    (void)pending->home->post([pending, shared, method = message.method, params = *message.params] {
      pending->call->on_notification({method, params});
    });
  }

  void exited(const std::string& how) {
    how_it_ended = how;
    idle_.clear();
    // The child object may be on the stack below us.
    shard_.at_turn_end([dead = std::shared_ptr<net::Child>(std::move(child_))] {});
    flight.value.reset();
    if (on_end) on_end(asked_, std::chrono::steady_clock::now() - started_);
    const auto waiting = pending_;
    for (const auto& [id, pending] : waiting)
      pending->answer.deliver(broken("process " + how + " while the call ran"));
  }

  net::Shard& shard_;
  const std::shared_ptr<const ServerConfig> config_;
  const OnNotice on_notice_;
  std::unique_ptr<net::Child> child_;
  std::map<std::string, std::shared_ptr<Pending>> pending_;
  std::uint64_t last_id_ = 0;
  SteadyTime started_{};
  bool asked_ = false;
  net::Deadline idle_;
};

class StdioUpstream final : public Upstream, public std::enable_shared_from_this<StdioUpstream> {
 public:
  StdioUpstream(net::Shards& shards, std::shared_ptr<const ServerConfig> config, OnNotice on_notice)
      : shards_(shards),
        config_(std::move(config)),
        on_notice_(std::move(on_notice)),
        owned_(static_cast<std::size_t>(shards.size())),
        closed_(static_cast<std::size_t>(shards.size())) {}

  Task<Answer> call(UpstreamCall call, std::string isolation) override {
    const auto self = shared_from_this();
    net::Shard& shard = owner(isolation);
    net::Shard* home = net::Shard::current();
    const auto ticket = std::make_shared<Ticket>();
    Cancel::Watch watch;
    if (call.cancel) {
      watch = call.cancel->on_request([ticket, &shard] {
        (void)shard.post([ticket] {
          ticket->cancelled = true;
          if (const auto connecting = ticket->connecting.lock())
            connecting->deliver(fail(Code::cancelled, Blame::client, "cancelled by the caller", true));
          if (const auto pending = ticket->pending.lock())
            pending->answer.deliver(fail(Code::cancelled, Blame::client, "cancelled by the caller"));
        });
      });
    }
    const UpstreamCall* borrowed = &call;
    co_return co_await net::run_on<Answer>(shard, [self, borrowed, isolation, home, ticket] {
      return self->owned_call(borrowed, isolation, home, ticket);
    });
  }

  Task<Result<Identity>> identify(std::string isolation, SteadyTime deadline) override {
    const auto self = shared_from_this();
    co_return co_await net::run_on<Result<Identity>>(owner(isolation),
                                                     [self, isolation, deadline]() -> Task<Result<Identity>> {
                                                       return self->owned_identity(isolation, deadline);
                                                     });
  }

  Task<Result<bool>> watch(Topic, std::string, std::string, SteadyTime) override {
    co_return broken("cannot be subscribed to");
  }
  Task<> unwatch(Topic, std::string, std::string) override { co_return; }
  bool notifies() const override { return false; }

  /// On every shard: what lives on a shard's loop also ends there.
  Task<> close() override {
    const auto self = shared_from_this();
    closed_[static_cast<std::size_t>(net::Shard::current()->index())] = 1;
    auto& mine = owned_here();
    for (auto& [isolation, slot] : mine) {
      if (slot.session) slot.session->stop();
    }
    for (int i = 0; i < 300; ++i) {
      bool left = false;
      for (auto& [isolation, slot] : mine) left |= slot.session && slot.session->alive();
      if (!left) break;
      co_await net::sleep_for(*net::Shard::current(), std::chrono::milliseconds(10));
    }
    for (auto& [isolation, slot] : mine) slot.session.reset();
  }

  Health health() const override {
    const std::lock_guard lock(health_mutex_);
    return health_;
  }

 private:
  struct Owned {
    std::shared_ptr<StdioSession> session;
    SteadyTime not_before{};
    Duration backoff = limits::kChildBackoffMin;
  };

  std::map<std::string, Owned>& owned_here() {
    return owned_[static_cast<std::size_t>(net::Shard::current()->index())];
  }

  net::Shard& owner(const std::string& isolation) {
    const auto hash = std::hash<std::string>{}(config_->document.name + '\0' + isolation);
    return shards_[static_cast<int>(hash % static_cast<std::size_t>(shards_.size()))];
  }

  Task<Answer> owned_call(const UpstreamCall* call, std::string isolation, net::Shard* home,
                          std::shared_ptr<Ticket> ticket) {
    // Waited for through a slot, so that a caller who gives up need not wait for a slow start.
    auto connecting = std::make_shared<Slot<Result<Identity>>>();
    ticket->connecting = connecting;
    if (ticket->cancelled)
      co_return fail(Code::cancelled, Blame::client, "cancelled before it was sent", true);
    spawn(identity_into(shared_from_this(), isolation, call->deadline, connecting));
    auto identity = co_await *connecting;
    if (!identity) co_return Failure(identity.error());
    const auto session = owned_here()[isolation].session;
    if (!session) co_return fail(Code::upstream_unreachable, Blame::upstream, "process has just ended", true);
    Answer answer = co_await session->request(*call, **identity, home, ticket);
    if (answer) owned_here()[isolation].backoff = limits::kChildBackoffMin;
    co_return answer;
  }

  static Task<> identity_into(std::shared_ptr<StdioUpstream> self, std::string isolation, SteadyTime deadline,
                              std::shared_ptr<Slot<Result<Identity>>> slot) {
    slot->deliver(co_await self->owned_identity(isolation, deadline));
  }

  Task<Result<Identity>> owned_identity(std::string isolation, SteadyTime deadline) {
    auto& mine = owned_here();
    if (closed_[static_cast<std::size_t>(net::Shard::current()->index())])
      co_return fail(Code::unavailable, Blame::us, "server is being stopped", true);
    if (mine.size() >= kChildren && !mine.contains(isolation)) {
      std::erase_if(mine, [](const auto& entry) {
        return !entry.second.session ||
               (!entry.second.session->running() && !entry.second.session->flight.flying());
      });
      if (mine.size() >= kChildren)
        co_return fail(Code::limited, Blame::admin, "too many isolated processes", true);
    }
    Owned& slot = mine[isolation];
    if (slot.session && slot.session->flight.value) co_return *slot.session->flight.value;
    if (!slot.session || (!slot.session->running() && !slot.session->flight.flying())) {
      if (std::chrono::steady_clock::now() < slot.not_before) {
        co_return fail(Code::upstream_unreachable, Blame::upstream,
                       "process ended and waits to be started again: " + health().problem, true);
      }
      slot.session = std::make_shared<StdioSession>(*net::Shard::current(), config_, on_notice_);
      slot.session->on_end = [this, isolation](bool asked, Duration lived) {
        ended(isolation, asked, lived);
      };
    }
    const auto session = slot.session;
    co_return co_await session->flight.join(*net::Shard::current(), deadline, [this, isolation, session] {
      spawn(connect(shared_from_this(), isolation, session));
    });
  }

  static Task<> connect(std::shared_ptr<StdioUpstream> self, std::string isolation,
                        std::shared_ptr<StdioSession> session) {
    const auto deadline = std::chrono::steady_clock::now() + limits::kChildStart;
    auto identity = co_await self->handshake(session, deadline);
    Owned& slot = self->owned_here()[isolation];
    if (identity) {
      slot.not_before = {};
      identity->epoch = ++self->epochs_;
    } else {
      session->stop();
      slot.not_before = std::chrono::steady_clock::now() + slot.backoff;
      slot.backoff = std::min<Duration>(slot.backoff * 2, limits::kChildBackoffMax);
    }
    if (isolation.empty() || !identity) self->note(identity);
    if (identity) {
      session->flight.land(std::make_shared<const UpstreamIdentity>(std::move(*identity)));
    } else {
      session->flight.land(Failure(identity.error()));
    }
  }

  /// A process that fell over soon after its start waits before the next; one that worked for a while starts
  /// at once.
  void ended(const std::string& isolation, bool asked, Duration lived) {
    Owned& slot = owned_here()[isolation];
    if (!slot.session || slot.session->flight.flying())
      return;  // connect() settles what happens during a handshake
    if (!asked && lived < limits::kChildBackoffMax) {
      slot.not_before = std::chrono::steady_clock::now() + slot.backoff;
      slot.backoff = std::min<Duration>(slot.backoff * 2, limits::kChildBackoffMax);
    }
    if (!isolation.empty()) return;  // one caller's process says nothing about the server
    if (!asked) spdlog::warn("server {}: process {}", config_->document.name, slot.session->how_it_ended);
    set_health(asked ? "idle" : "down", asked ? "" : "process " + slot.session->how_it_ended);
  }

  void set_health(std::string state, std::string problem) {
    const std::lock_guard lock(health_mutex_);
    if (state != health_.state) health_.changed = unix_millis(std::chrono::system_clock::now());
    health_.state = std::move(state);
    health_.problem = std::move(problem);
  }

  void note(const Result<UpstreamIdentity>& identity) {
    set_health(identity ? "up" : "down", identity ? "" : identity.error().what);
    const std::lock_guard lock(health_mutex_);
    if (identity) health_.version = identity->version;
  }

  /// Modern first, where nothing is known yet. A server that exits on a message it does not know gets a
  /// second process.
  Task<Result<UpstreamIdentity>> handshake(std::shared_ptr<StdioSession> session, SteadyTime deadline) {
    if (!config_->problem.empty())
      co_return fail(Code::upstream_unreachable, Blame::admin, config_->problem, true);
    if (auto started = session->start(); !started) co_return Failure(started.error());
    const store::Era wanted = config_->document.era;
    const int verdict = verdict_.load();
    const bool probe =
        wanted == store::Era::modern || (wanted == store::Era::automatic && verdict != kLegacy);
    if (probe) {
      const UpstreamIdentity asking{.version = mcp::kModern};
      const UpstreamCall discover{
          .method = mcp::Method::discover,
          .deadline = wanted == store::Era::modern
                          ? deadline
                          : std::min(deadline, std::chrono::steady_clock::now() + kProbe)};
      Answer answer = co_await session->request(discover, asking, net::Shard::current(), nullptr);
      if (answer && !answer->is_error) {
        auto identity = wire::read_discover(answer->payload);
        if (identity) verdict_ = kModern;
        if (identity || wanted == store::Era::modern) co_return identity;
      } else if (wanted == store::Era::modern) {
        co_return answer ? Result<UpstreamIdentity>(broken("refuses server/discover: " +
                                                           wire::words_of(answer->payload, *config_)))
                         : Failure(answer.error());
      }
      if (session->asked_to_stop())
        co_return fail(Code::unavailable, Blame::us, "server is being stopped", true);
      if (!session->running()) {
        spdlog::info("server {}: ended on server/discover ({}); starting it again for a 2025 handshake",
                     config_->document.name, session->how_it_ended);
        if (auto again = session->start(); !again) co_return Failure(again.error());
      }
    }
    const UpstreamIdentity nobody{.version = mcp::Version::v2025_03_26};
    const UpstreamCall initialize{.method = mcp::Method::initialize, .deadline = deadline};
    Answer answer = co_await session->request(initialize, nobody, net::Shard::current(), nullptr,
                                              wire::initialize_params());
    if (!answer) {
      Error error = answer.error();
      if (!session->running() && !session->how_it_ended.empty())
        error.what =
            "process " + session->how_it_ended + " during the handshake; its standard error is in the log";
      error.code = error.code == Code::upstream_timeout ? Code::upstream_timeout : Code::upstream_unreachable;
      error.retry = true;
      co_return Failure(std::move(error));
    }
    if (answer->is_error)
      co_return broken("initialize refused: " + wire::words_of(answer->payload, *config_));
    auto identity = wire::read_initialize(answer->payload);
    if (identity) {
      verdict_ = kLegacy;
      session->notify("notifications/initialized", "{}");
    }
    co_return identity;
  }

  static constexpr int kUnknown = 0, kModern = 1, kLegacy = 2;

  net::Shards& shards_;
  const std::shared_ptr<const ServerConfig> config_;
  const OnNotice on_notice_;
  std::vector<std::map<std::string, Owned>> owned_;  // by shard; each touched on its own shard only
  std::vector<char> closed_;                         // by shard, likewise
  std::atomic<std::uint64_t> epochs_{0};
  std::atomic<int> verdict_{kUnknown};
  mutable std::mutex health_mutex_;  // written at starts, read by the admin side
  Health health_;
};

}  // namespace

std::shared_ptr<Upstream> make_stdio_upstream(net::Shards& shards, std::shared_ptr<const ServerConfig> config,
                                              OnNotice on_notice) {
  return std::make_shared<StdioUpstream>(shards, std::move(config), std::move(on_notice));
}

}  // namespace sallyport::gateway
