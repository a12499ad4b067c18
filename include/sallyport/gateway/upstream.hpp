#pragma once
/// Calls to upstream MCP servers: one object per server, any era, HTTP or stdio. The client half of the
/// gateway.

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/cancel.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/gateway/breaker.hpp"
#include "sallyport/gateway/snapshot.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/message.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::gateway {

/// What an upstream turned out to be when it was first reached.
struct UpstreamIdentity {
  mcp::Version version = mcp::kNewestLegacy;
  std::string session{};  ///< Mcp-Session-Id, legacy HTTP only
  std::string capabilities = "{}";
  std::string server_info = "{}";
  std::string instructions{};
  std::uint64_t epoch = 0;  ///< grows when the session is replaced
  /// Calls in a session that not everybody shares. Threads: any.
  struct Use {
    std::atomic<int> under_way{0};
    std::atomic<SteadyTime> last{};
  };
  std::shared_ptr<Use> use = std::make_shared<Use>();
  bool modern() const { return mcp::is_modern(version); }
};

/// A notification that an upstream sent while it worked on a call. Params borrow until the callback returns.
struct UpstreamNotification {
  mcp::Method method = mcp::Method::unknown;
  json::Value params;
};

/// How somebody hears that an upstream has taken a question back (2025-11-25, cancellation). Threads: the
/// caller's shard.
class Withdrawal {
 public:
  /// One hears it, whoever says so last; at once where it has happened.
  void then(std::function<void()> hear) {
    hear_ = std::move(hear);
    if (happened_ && hear_) std::exchange(hear_, nullptr)();
  }
  void happen() {
    happened_ = true;
    if (const auto hear = std::exchange(hear_, nullptr)) hear();
  }
  bool happened() const { return happened_; }

 private:
  std::function<void()> hear_;
  bool happened_ = false;
};

/// What an upstream asks of the client while it works on a call: sampling, elicitation or roots.
struct Question {
  mcp::Method method = mcp::Method::unknown;
  std::string params = "{}";                    ///< raw object
  std::shared_ptr<Withdrawal> withdrawal = {};  ///< null: it is never taken back
};
/// The client's answer: a JSON-RPC `result` or `error` object, raw.
struct QuestionAnswer {
  std::string raw;
  bool is_error = false;
};
/// Carries a question to the client. Runs on the caller's shard; always comes to an end, within
/// limits::kQuestionWait. It may still be under way when the call has ended: then its answer is of no use.
using Ask = std::function<Task<QuestionAnswer>(Question)>;

/// One request to an upstream. Views and the cancel must outlive the call.
struct UpstreamCall {
  mcp::Method method = mcp::Method::unknown;
  std::optional<json::Value> params{};  ///< the client's; `_meta` is not taken from here
  std::vector<std::pair<std::string_view, std::string>>
      replace{};  ///< members with another raw value (name, uri, cursor); empty: without it
  std::vector<std::pair<std::string, std::string_view>> carried{};  ///< `_meta` members that travel on, raw
  std::string name{};  ///< what Mcp-Name says: the upstream's own tool name or URI
  std::vector<std::pair<std::string, std::string>> param_headers{};  ///< Mcp-Param-*
  std::string log_level{};                                           ///< modern upstreams; empty: none
  bool wants_progress = false;
  /// What the client can be asked, as the upstream shall see it (wire::carried_capabilities); never ours.
  std::string capabilities = "{}";
  /// Upstream sessions that know a caller's capabilities belong to this principal alone.
  std::string principal{};
  Ask ask{};              ///< empty: questions are refused
  SteadyTime deadline{};  ///< for the upstream's work; stands still while a question is open
  Cancel* cancel = nullptr;
  /// Ours, not a caller's: an open breaker lets it through, and its failure is nobody's failed call.
  bool background = false;
  std::function<void(const UpstreamNotification&)> on_notification{};  ///< on the caller's shard
  /// The upstream broke its stream off and will be asked for the answer later (2025-11-25, transports:
  /// polling). On the caller's shard.
  std::function<void()> on_break{};
};

/// The answer: a JSON-RPC result or the upstream's own error object. Owns its bytes.
struct UpstreamAnswer {
  json::Document document;
  json::Value payload;
  bool is_error = false;
  bool modern = false;    ///< by the rules of which era: only results of 2026 have types
  net::HeldBytes held{};  ///< for the document, and for the copy that goes to the client
};

/// What an upstream says outside of any call.
struct Notice {
  enum class Kind : std::uint8_t { list_changed, resource_updated, task_changed } kind = Kind::list_changed;
  std::string server;
  std::string isolation{};    ///< of the session that heard it
  std::string id{};           ///< URI or task id
  std::string params = "{}";  ///< raw params of the notification
};
using OnNotice = std::function<void(const Notice&)>;  ///< any thread

/// What a subscription to an upstream is about: a resource URI, or a task id (modern upstreams only).
enum class Topic : std::uint8_t { resource, task };

/// Threads: call() and friends from any shard; they do their part on the owner shard and resume on the
/// caller's.
class Upstream {
 public:
  /// `isolation` is "" for shared, else the principal's or session's own key (DESIGN 3.15).
  /// Errors: typed, with blame; `retry` only where nothing can have run; circuit_open while the breaker holds
  /// calls back.
  virtual Task<Result<UpstreamAnswer>> call(UpstreamCall call, std::string isolation) = 0;
  /// Connects where it must. The identity is shared by all shards until it is replaced.
  virtual Task<Result<std::shared_ptr<const UpstreamIdentity>>> identify(std::string isolation,
                                                                         SteadyTime deadline) = 0;
  /// Wants notices about `id`, counted: as many unwatch() as successful watch() end it. Comes back when the
  /// upstream has confirmed, so that no change after it is missed; a broken stream is opened again with
  /// everything that is watched. Errors: upstream_broken (it refuses or cannot), unreachable, timeout.
  virtual Task<Result<bool>> watch(Topic topic, std::string id, std::string isolation,
                                   SteadyTime deadline) = 0;
  virtual Task<> unwatch(Topic topic, std::string id, std::string isolation) = 0;
  /// True while list changes of the shared session reach us by themselves. Threads: any.
  virtual bool notifies() const = 0;
  /// Ends children and sessions. Threads: a shard's.
  virtual Task<> close() = 0;
  /// State for `get servers`: "up", "down", "idle", "starting"; the last problem. Threads: any.
  struct Health {
    std::string state = "unknown";
    std::string problem{};
    std::int64_t changed = 0;  ///< Unix milliseconds
    mcp::Version version = mcp::kNewestLegacy;
    Breaker::State breaker{};
  };
  virtual Health health() const = 0;
  virtual ~Upstream() = default;
};

/// HTTP clients of the shards, by shard index; each is used on its own shard only.
using Clients = std::vector<std::unique_ptr<net::Client>>;

std::shared_ptr<Upstream> make_http_upstream(net::Shards& shards, Clients& clients,
                                             std::shared_ptr<const ServerConfig> config, OnNotice on_notice);
std::shared_ptr<Upstream> make_stdio_upstream(net::Shards& shards, std::shared_ptr<const ServerConfig> config,
                                              OnNotice on_notice);
/// A server that speaks HTTP+SSE as 2024-11-05 has it.
std::shared_ptr<Upstream> make_sse_upstream(net::Shards& shards, Clients& clients,
                                            std::shared_ptr<const ServerConfig> config, OnNotice on_notice);

/// Fetches every list of a server, following pages with a cap and loop detection (limits::kListPages).
/// `cancel` may be null and must outlive the task.
Task<Result<store::StoredCatalogue>> fetch_catalogue(std::shared_ptr<Upstream> upstream,
                                                     std::shared_ptr<const ServerConfig> config,
                                                     SteadyTime deadline, Cancel* cancel = nullptr);

/// Parts that both transports share.
namespace wire {
/// Capabilities of who is told about tasks: servers refuse those who do not say that they know them.
inline constexpr const char* kTasksCapability = R"({"extensions":{"io.modelcontextprotocol/tasks":{}}})";
/// `params` of the upstream request in the era of `identity`.
std::string upstream_params(const UpstreamCall& call, const UpstreamIdentity& identity,
                            std::string_view progress_token);
/// Sorts an `initialize` or `server/discover` result. Errors: upstream_broken.
Result<UpstreamIdentity> read_initialize(json::Value result);
Result<UpstreamIdentity> read_discover(json::Value result);
std::string initialize_params(std::string_view capabilities = "{}");
/// A client's declared capabilities as far as they travel on: elicitation, sampling, roots (without
/// listChanged) and extensions, in canonical form, "{}" when nothing is left. `raw` empty: "{}".
std::string carried_capabilities(std::string_view raw);
/// An upstream's error object in words for the log: its code and message, shortened, escaped, and without any
/// credential of the server that it may repeat.
std::string words_of(json::Value error, const ServerConfig& config);
/// Era of an error answer to `server/discover`: true = a modern server (fix and retry), false = fall back to
/// `initialize`.
bool is_modern_refusal(json::Value error);
}  // namespace wire

}  // namespace sallyport::gateway
