#pragma once
/// One request on its way through the pipeline, and where its answer goes.

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model_call.hpp"
#include "outlet.hpp"
#include "sallyport/core/cancel.hpp"
#include "sallyport/gateway/snapshot.hpp"
#include "sallyport/json/list.hpp"
#include "sallyport/mcp/message.hpp"
#include "sallyport/net/server.hpp"
#include "session.hpp"
#include "shard_state.hpp"
#include "tokens.hpp"

namespace sallyport::gateway {

/// What a call turns into. Errors travel as Error and become bytes in answer.cpp only.
struct RpcResult {
  std::string raw;        ///< the JSON-RPC `result`, complete for the client's era
  std::string session{};  ///< Mcp-Session-Id to hand out (initialize)
};
struct RpcError {  ///< an upstream's own error object, to be passed on
  std::int64_t code = -32603;
  std::string message;  ///< text
  std::string data{};   ///< raw
};
struct Accepted {};  ///< 202: a notification or a response was taken
/// A stream that stays when the request is done: it lives on its own, with nothing of the call.
struct Streaming {
  std::shared_ptr<Outlet> outlet;
  std::string first;           ///< frames that begin it
  std::function<void()> left;  ///< when the connection has gone, or the stream has ended
};
/// The answer has gone out as a stream already, to its end.
struct Streamed {};
using Answer = std::variant<RpcResult, RpcError, Accepted, net::Reply, Streaming, Streamed>;

/// Everything known about one request so far. Lives on the handler's frame.
struct Call {
  Call(net::Exchange& e, ShardState& h) : exchange(e), here(h), snapshot(h.snapshot), id(h.next_call()) {}

  net::Exchange& exchange;
  ShardState& here;
  std::shared_ptr<const Snapshot> snapshot;  ///< one version for the whole life
  const std::string id;                      ///< ours: in records, logs and error data

  const Endpoint* endpoint = nullptr;
  std::shared_ptr<const policy::Principal> principal;
  std::string key_id;                      ///< of the key, or a name for the token, in records
  std::shared_ptr<const GoodToken> token;  ///< null: a key, or nothing was needed
  std::string agent;  ///< that the client's certificate stands for; empty: it showed none, or none of ours

  std::shared_ptr<const json::Document> body;  ///< what the message looks into
  std::size_t bytes_in = 0;
  net::HeldBytes held;         ///< for what is made of the body: its index, the copy that goes upstream
  net::HeldBytes answer_held;  ///< for the answer, until it is sent
  mcp::Id rpc_id;
  mcp::Classified message;
  std::optional<Session> session;
  bool modern = false;
  mcp::Version version = mcp::kNewestLegacy;
  bool takes_json = true, takes_stream = true;  ///< from Accept
  bool prefers_stream = false;                  ///< Accept names it first

  std::optional<ModelCall> model;  ///< none: this is no call of the model API

  // For the record.
  std::string endpoint_path, method, target, rule, refusal;
  std::string trace;     ///< that the client counts it to; ours where it names none and one is needed
  std::string metadata;  ///< raw JSON object, canonical; what the client says of it
  std::string dialogue;  ///< the parked call that this one began or went on with
  int capture = 1;
  std::vector<std::string> scopes_wanted;  ///< by the issuer of a token that lacks one
  bool showed = false;                     ///< a credential, good or not
  bool dispatched = false;  ///< the envelope was sound: what is wrong from here on is no HTTP error
  bool intent_written = false;
  bool unrecorded = false;  ///< it ran, but its outcome could not be written
  bool tool_error = false;
  bool input_required = false;  ///< the client has to answer something first

  /// What ends the call early: the client went away (modern), said so (legacy), or we stop.
  Cancel cancel;
  net::EventStream* stream = nullptr;
  /// Its upstream may break its own stream off, and the client is then made to come back as well.
  bool may_break_off = false;
  bool breakable = false;  ///< the stream was opened for that: its connection is used for nothing after it
  /// A legacy session's answer that became a stream goes through the event log, under this name.
  std::string log;
  std::shared_ptr<Outlet> outlet;
  std::vector<std::pair<std::string, std::string>> cors;  ///< headers for a browser client

  /// The wire that its client speaks, as records name it.
  std::string_view era() const { return model ? llm::name_of(model->asks) : mcp::text_of(version); }
  std::string principal_name() const { return principal ? principal->name() : std::string(); }
  /// Session ids and cursors belong to one principal at one endpoint, and within one bound of its tokens.
  std::string bound() const {
    const bool limited = principal && principal->tools;
    return principal_name() + "\n" + endpoint_path + (limited ? "\n" + json::list_of(*principal->tools) : "");
  }
  /// The grant that the token stands for; empty: a key, or another issuer's token.
  std::string grant() const { return token ? token->grant : std::string(); }
};

/// How the name of a certificate begins that stands as `key_id` of a call; no key's has a '-'.
inline constexpr std::string_view kCertificate = "cert-";

/// Reads the request's body and parses it into `call.body`. Errors: those of read_body; bad_json; limited.
Task<Result<void>> take_body(Call& call, std::size_t cap);

/// What this caller may do, under the version of everything that the request began with. `own` holds it where
/// the shard has gone on to the next.
Access& access_of(Call& call, std::optional<Access>& own);
/// Whether the endpoint exists for this caller. Requires: authenticated.
bool may_enter(Call& call, SystemTime now);

/// How the rules judge a call: what is unseen answers like what does not exist.
/// `unscoped`: the token lacks scopes, and another one would be allowed.
enum class Verdict : std::uint8_t { allowed, unseen, refused, unscoped };
/// Writes rule and refusal into the call's record. `arguments` as they go upstream.
Verdict judge(Call& call, policy::Object object, std::string_view canonical, const Definition* definition,
              std::string_view arguments, SystemTime now);

/// What the client may see of an error.
struct Shown {
  int http = 200;
  int code = -32603;
  std::string message;
  std::string data;
};
Shown show(const Error& error, const Call& call);

/// The one place where an answer or an error becomes bytes.
net::Reply render(const Call& call, Result<Answer> answer);

/// Sends what render() made: as the whole reply, or as the last event of a stream that is open. Returns the
/// HTTP status.
Task<int> send_answer(Call& call, net::Reply reply);

/// Begins the answer as a stream although nothing was said yet: a 2025 client that loses its connection
/// then knows what to come back for. No effect where the client takes no stream or understands no such event.
void open_early(Call& call);

/// Ends the connection of the call's stream while the call goes on: the upstream has its own clients poll,
/// and so do we (2025-11-25, transports: polling). No effect as with open_early.
void break_off(Call& call);

/// Sends a message ahead of the answer, on the call's own stream, which is opened where the client takes one.
/// False when this client cannot be reached that way, or not any more. What a session's client does not take
/// now is kept for it.
bool say(Call& call, std::string_view message);

}  // namespace sallyport::gateway
