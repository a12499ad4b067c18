#pragma once
/// Building messages around raw payloads: only envelopes are rebuilt, payload bytes are spliced in.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/message.hpp"

namespace sallyport::mcp {

/// {"jsonrpc":"2.0","id":ID,"result":RESULT}; both raw.
std::string result_message(std::string_view id, std::string_view result);
/// {"jsonrpc":"2.0","id":ID,"error":{...}}; an empty id becomes null. `data` raw, may be empty.
std::string error_message(std::string_view id, std::int64_t code, std::string_view message,
                          std::string_view data);
/// {"jsonrpc":"2.0","id":ID,"method":M,"params":P}; `params` raw, left out when empty.
std::string request_message(std::string_view id, std::string_view method, std::string_view params);
/// {"jsonrpc":"2.0","method":M,"params":P}; `params` raw, left out when empty.
std::string notification_message(std::string_view method, std::string_view params);

/// Cache hints of list and read results in the modern era.
struct CacheHints {
  std::int64_t ttl_ms = 0;
  bool is_public = false;
};

/// An upstream's `result` as a client of `to` must see it. Modern: `resultType` is added where missing, and
/// said anew where the upstream is not of that era (`typed` false), whose member of that name means nothing;
/// `ttlMs` and `cacheScope` are set where `hints` is given, `_meta["io.modelcontextprotocol/serverInfo"]` is
/// replaced by `server_info` (raw; empty: removed). Legacy: `resultType`, `ttlMs`, `cacheScope` and that
/// `_meta` key are taken out, and so is a `structuredContent` that is no object: it becomes the text of a
/// result that has no other content. Every other member keeps its bytes and order. The input may have
/// duplicate keys (upstream): the last one wins, and the output has none at any depth.
std::string adapt_result(json::Value result, Version to, const std::optional<CacheHints>& hints,
                         std::string_view server_info, bool typed = true);

/// `params` for an upstream request: every member of `params` except `_meta` keeps its bytes and order;
/// members in `replace` get the given raw value (appended when absent, `_meta` excepted) or, if it is empty,
/// go; `_meta` is rebuilt from `meta_members` (key, raw value) and left out when empty.
std::string rebuild_params(const std::optional<json::Value>& params,
                           const std::vector<std::pair<std::string_view, std::string>>& replace,
                           const std::vector<std::pair<std::string, std::string>>& meta_members);

/// A definition (tool, prompt, resource, template) with members replaced (raw values,
/// appended when absent) and others removed; the rest byte-faithful. Duplicate keys as in adapt_result.
std::string rebuild_object(json::Value object,
                           const std::vector<std::pair<std::string_view, std::string>>& replace,
                           const std::vector<std::string_view>& remove);

/// A result whose resource URIs carry `prefix`: `contents[].uri` of reads, and the links and embedded
/// resources in the content of tool results and prompt messages.
std::string prefix_uris(std::string_view result, std::string_view prefix);

/// A task (Tasks extension) as its owner has it: under `id`, the URIs of an inlined result with `prefix`, and
/// without the members in `remove`.
std::string own_task(json::Value task, std::string_view id, std::string_view prefix,
                     const std::vector<std::string_view>& remove = {});

/// The `_meta` of a tool whose user interface is a resource (MCP Apps, `_meta.ui.resourceUri`), with that URI
/// prefixed; nullopt for a tool without one.
std::optional<std::string> prefix_app_resource(json::Value tool, std::string_view prefix);

}  // namespace sallyport::mcp
