#pragma once
/// What a request brings along instead of what the documents say: a host, a key, headers to forward. Each
/// needs a rule that grants it.

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sallyport/core/secret.hpp"
#include "sallyport/gateway/model_table.hpp"
#include "sallyport/llm/route.hpp"
#include "sallyport/net/http.hpp"

namespace sallyport::gateway {

struct BroughtAlong {
  std::optional<std::string> custom_host{};    ///< as base_url of a Provider
  std::optional<Secret> api_key{};             ///< for the provider
  std::vector<std::string> forward_headers{};  ///< names, in lower case
  bool empty() const { return !custom_host && !api_key && forward_headers.empty(); }
  /// Those that are there, as rules name them.
  std::vector<std::string_view> fields() const;
  /// For the record: an object without the key. Raw JSON; empty where nothing was brought.
  std::string record() const;
};

/// Of one target: its step's, and where the request itself names the target, what it says in its headers.
/// Errors: forbidden for what no rule can grant; bad_request for headers that never travel.
Result<BroughtAlong> brought_along(const llm::Step& step, const net::Headers& headers);

/// The handle as the request wants it. What documents hold goes only where they send it: a host that a
/// request brings gets the request's own key, or none, and no header of ours. `private_host`: it may be in a
/// private network, and without TLS. Errors: bad_request.
Result<std::shared_ptr<const ModelHandle>> handle_with(const ModelHandle& handle, const BroughtAlong& brought,
                                                       bool private_host);

}  // namespace sallyport::gateway
