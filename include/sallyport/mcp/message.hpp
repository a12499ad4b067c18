#pragma once
/// JSON-RPC and MCP messages of both eras, read from checked documents. Pure. Sources: MCP 2025-03-26 ...
/// 2026-07-28 base protocol.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"

namespace sallyport::mcp {

enum class Version : std::uint8_t { v2024_11_05, v2025_03_26, v2025_06_18, v2025_11_25, v2026_07_28 };
std::string_view text_of(Version v);
std::optional<Version> version_from(std::string_view text);
inline bool is_modern(Version v) { return v >= Version::v2026_07_28; }
inline constexpr Version kNewestLegacy = Version::v2025_11_25;
inline constexpr Version kModern = Version::v2026_07_28;

enum class Method : std::uint8_t {
  unknown,
  initialize,
  ping,
  discover,
  tools_list,
  tools_call,
  resources_list,
  resources_templates_list,
  resources_read,
  resources_subscribe,
  resources_unsubscribe,
  prompts_list,
  prompts_get,
  completion_complete,
  logging_set_level,
  subscriptions_listen,
  tasks_get,
  tasks_update,
  tasks_cancel,
  // from server to client
  sampling_create_message,
  elicitation_create,
  roots_list,
  // notifications
  n_initialized,
  n_cancelled,
  n_progress,
  n_message,
  n_tools_changed,
  n_prompts_changed,
  n_resources_changed,
  n_resource_updated,
  n_roots_changed,
};
std::string_view text_of(Method m);
Method method_from(std::string_view text);
/// `notifications/...`: nobody answers, whoever sends it.
inline bool is_notification(Method m) { return m >= Method::n_initialized; }
/// Exists in that era as something a client may send.
bool client_may_send(Method m, Version v);

/// A JSON-RPC id as raw JSON: `7` or `"abc"`. Never null, never a fraction, within +-(2^53-1), strings at
/// most limits::kIdBytes.
using Id = std::string;

/// One JSON-RPC message. Borrows its Document.
struct Envelope {
  enum class Kind : std::uint8_t { request, notification, result, error };
  Kind kind = Kind::request;
  Id id{};  ///< empty for notifications, and for errors with id null
  Method method = Method::unknown;
  std::string method_text{};
  std::optional<json::Value> params{};   ///< an object where present
  std::optional<json::Value> payload{};  ///< `result` or `error`
};

/// Reads one message that a client sent. Errors: bad_envelope (not an object, wrong `jsonrpc`, bad id, params
/// no object, both result and error, or a twin of a known member, see twins.hpp: N17). `id_out` receives the
/// id as soon as it was readable. What stands inside `arguments` is never looked at.
Result<Envelope> read_client_message(json::Value root, Id& id_out);
/// The same for a message that an upstream sent: unknown members are tolerated, twins are ignored, `null`
/// stands for absent in `params`, `result` and `error` where the message makes sense that way. Errors:
/// upstream_broken.
Result<Envelope> read_upstream_message(json::Value root);

/// The `_meta` of a request. Raw slices borrow the Document.
struct Meta {
  std::optional<std::string> protocol_version{};
  std::string_view capabilities{};    ///< raw object; empty when absent
  std::string_view client_info{};     ///< raw object; empty when absent
  std::string_view progress_token{};  ///< raw string or integer; empty when absent
  std::optional<std::string> log_level{};
  /// Every other member, to travel on: key, raw value.
  std::vector<std::pair<std::string, std::string_view>> carried{};
};
/// Errors: invalid_params for wrong types (`progressToken` neither string nor integer, `_meta` no object).
Result<Meta> read_meta(const std::optional<json::Value>& params);

/// What HTTP said around the body. Absent header: nullopt. `repeated` names a header that stood twice: that
/// is refused in every era (header_mismatch in the modern one, bad_request in the others), because peers
/// disagree on which one counts.
struct HttpFacts {
  std::optional<std::string_view> version, method, name, session;
  std::string_view repeated{};  ///< lower-case name of an Mcp-* or MCP-* header that came more than once
};

/// Which way a POST goes, decided from the body first (mcp-protocol section 4).
struct Classified {
  enum class Way : std::uint8_t { modern, initialize, legacy, response } way = Way::legacy;
  Envelope message{};
  Meta meta{};
};

/// The ladder for one message (batches are taken apart before). Order: JSON-RPC shape, era, `_meta`,
/// supported version, method, params, mirrored standard headers (Mcp-Method, Mcp-Name, MCP-Protocol-Version).
/// Errors carry the code and data the specification wants: invalid_params, header_mismatch,
/// unsupported_version (data.supported, data.requested), method_not_found, bad_envelope; bad_request for a
/// version header that a legacy message cannot carry. Unknown notifications are no error: nobody waits for an
/// answer. On the initialize way the version header of older revisions is not looked at.
Result<Classified> classify(json::Value root, const HttpFacts& http, Id& id_out);

/// JSON-RPC code, HTTP status and text of an error in an era. One switch without default.
///
/// Standard codes are used where the specification names one: -32700, -32600, -32601, -32602, -32603, and
/// -32020 ... -32022. What the specification has no word for gets a code of ours, outside -32768 ... -32000:
///
///   1001 refused by policy         1005 limited: rate, queue or budget (429)
///   1002 upstream unreachable      1006 unavailable: cannot serve now (503)
///   1003 upstream timed out        1007 cancelled
///   1004 upstream broke protocol   1008 authentication required (401)   1009 forbidden (403)
struct WireError {
  int http = 200;
  int code = -32603;
  std::string_view message{};
};

/// How far a request came. Before dispatch the HTTP status tells what was wrong with the request (400, 404);
/// once a known method with a sound envelope was dispatched, its errors are JSON-RPC answers under 200.
enum class Phase : std::uint8_t { envelope, dispatched };

WireError wire_error(Code code, bool modern, Phase phase = Phase::envelope);

}  // namespace sallyport::mcp
