#pragma once
/// The MCP methods: what a checked message does. Everything here has passed authentication and
/// classification.

#include "call.hpp"
#include "dialogue.hpp"
#include "request_state.hpp"
#include "sallyport/identity/sealed_id.hpp"
#include "sallyport/mcp/compose.hpp"

namespace sallyport::gateway {

struct Watched;

/// Threads: used from every shard; holds nothing that changes.
class McpService {
 public:
  McpService(net::Shards& shards, std::vector<std::unique_ptr<ShardState>>& states,
             const identity::Sealer& sealer, const Clock& clock, std::string start)
      : shards_(shards), states_(states), sealer_(sealer), clock_(clock), start_(std::move(start)) {}

  /// The session that a legacy request names; none for what needs none. Errors: bad_envelope (missing),
  /// not_found.
  Result<void> find_session(Call& call, std::optional<std::string_view> header) const;
  /// Runs one request or takes one notification.
  Task<Result<Answer>> perform(Call& call);
  /// DELETE: the session ends and stays ended.
  Task<Result<Answer>> end_session(Call& call);
  /// The record of a call that had asked its client something, and is cancelled because nobody came back.
  static void note_abandoned(ShardState& state, const std::string& id);
  /// GET: the session's own stream, or one that was lost, from the event on that the client saw last.
  Task<Result<Answer>> session_stream(Call& call);

 private:
  Result<Answer> initialize(Call& call) const;
  Result<Answer> discover(Call& call) const;
  /// Waits, briefly, while a server of the endpoint is being reached for the first time. Errors: not_found,
  /// when the endpoint went meanwhile.
  Task<Result<void>> first_contact(Call& call) const;
  /// True unless the answer may depend on a catalogue that is still being fetched.
  static bool known(const Call& call);
  Task<Result<Answer>> dispatch(Call& call);
  Task<Result<Answer>> dispatch_after_contact(Call& call);
  Task<Result<Answer>> list(Call& call);
  Task<Result<Answer>> call_tool(Call& call);
  Task<Result<Answer>> get_prompt(Call& call);
  Task<Result<Answer>> read_resource(Call& call);
  Task<Result<Answer>> complete(Call& call);
  Result<Answer> set_log_level(Call& call);
  Task<Result<Answer>> listen(Call& call);
  Task<Result<Answer>> subscribe(Call& call);
  Task<Result<Answer>> unsubscribe(Call& call);
  void take_notification(Call& call);

  /// A legacy client's answer to a question that we carried to it.
  void take_answer(Call& call);

  /// What a call is about: a definition of a server.
  struct Target {
    const ServerEntry* server = nullptr;
    std::string canonical;
    bool rewrites_uri = false;
    static Target of(const Export& item) {
      return {item.server, item.definition->canonical, item.rewrites_uri};
    }
  };
  // forward.cpp: the way of everything that leaves this process.
  /// Journal intent, upstream, answer.
  Task<Result<Answer>> forward(Call& call, Target target, UpstreamCall upstream,
                               std::optional<mcp::CacheHints> hints);
  Result<Answer> adapt(Call& call, const Target& target, UpstreamAnswer answer,
                       const std::optional<mcp::CacheHints>& hints);
  Result<Answer> adapt_special(Call& call, const Target& target, std::string raw, std::string_view type);

  /// A 2025 upstream's "URL elicitation required" (-32042) in the words of 2026; nullopt for every other
  /// error.
  std::optional<Result<Answer>> url_elicitation(Call& call, json::Value error) const;
  void relay(Call& call, mcp::Method method, json::Value params) const;

  // mcp_tasks.cpp
  /// tasks/get, tasks/update, tasks/cancel.
  Task<Result<Answer>> task_method(Call& call);
  /// Errors: missing_capability for a client that has not said that it knows tasks, where there are any.
  static Result<void> tasks_declared(Call& call);
  /// The id under which a client knows an upstream's task: it names its server and tool, and belongs to one
  /// principal at one endpoint.
  std::string seal_task(const Call& call, const std::string& server, const std::string& canonical,
                        const std::string& id) const;
  struct TaskRef {
    const ServerEntry* server = nullptr;
    std::string canonical;  ///< of the tool that made it
    std::string id;         ///< the upstream's own
  };
  /// nullopt for what is no task of this caller, or of a tool that it may no longer use.
  std::optional<TaskRef> open_task(Call& call, std::string_view id) const;

  // conversation.cpp: calls whose upstream asks the client something.
  /// Makes a call in which the upstream may ask, in the way that this client and upstream can talk, or goes
  /// on with one. A turn with questions comes out for modern clients of legacy upstreams only.
  Task<Result<Turn>> converse(Call& call, const Target& target, UpstreamCall upstream, std::string isolation,
                              const std::optional<RequestState>& state);
  Task<Result<Turn>> rounds(Call& call, const Target& target, UpstreamCall upstream, std::string isolation);
  Task<Result<Turn>> begin(Call& call, const Target& target, UpstreamCall upstream, std::string isolation);
  Task<Result<Turn>> resume(Call& call, RequestState state);
  /// A request that goes on with a parked call. Threads: that call's shard's.
  struct Attempt {
    bool given_up = false;  ///< its client has gone
    bool taken = false;     ///< its answers were given: the call goes on for it, and ends with it
  };
  /// On the shard of the parked call.
  static Task<Result<Turn>> continue_parked(ShardState& state, std::shared_ptr<Attempt> attempt,
                                            std::string id, int round, std::string responses,
                                            Dialogue::Tell tell);
  static void park(ShardState& state, const std::string& id, Dialogue& dialogue);
  /// The answer that asks a modern client.
  Result<Answer> input_required(Call& call, const Turn& turn);

  /// Whether the caller may use this at all, whatever the arguments; the call's record is told the rule.
  static bool visible(Call& call, policy::Object object, std::string_view canonical,
                      const Definition* definition);
  Verdict judged(Call& call, policy::Object object, std::string_view canonical, const Definition* definition,
                 std::string_view arguments) const {
    return judge(call, object, canonical, definition, arguments, clock_.now());
  }
  /// What is listed, but not for these arguments.
  static Failure refused_by_policy();
  static Failure needs_scopes(const Call& call);
  /// The resource that a URI of the client's stands for.
  struct Readable {
    const Export* entry = nullptr;
    std::string original{};   ///< the upstream's own URI
    std::string canonical{};  ///< "server/uri"
  };
  /// None where it does not exist or the caller may not read it; the call's record is told which.
  std::optional<Readable> readable(Call& call, const std::string& uri) const;
  bool denied_otherwise(Call& call, const Readable& found) const;
  static Watched watched(const Call& call, const Readable& found, std::string uri);
  /// The same answer for both, in the words of the client's era.
  static Result<Answer> no_such_resource(const Call& call, const std::string& uri);

  net::Shards& shards_;
  std::vector<std::unique_ptr<ShardState>>& states_;
  const identity::Sealer& sealer_;
  const Clock& clock_;
  const std::string start_;
};

}  // namespace sallyport::gateway
