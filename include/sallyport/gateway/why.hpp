#pragma once
/// Why a principal may, or may not, use something: what `sallyport why` shows.

#include <optional>
#include <string>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/gateway/snapshot.hpp"

namespace sallyport::gateway {

struct WhyQuery {
  policy::Object object = policy::Object::tool;
  std::string target;            ///< "server/name", or its name at the endpoint; a URI for resources
  std::string virtual_server{};  ///< empty: /mcp
  std::optional<std::string> arguments{};  ///< raw JSON object as the client would send it; none: any call
};

struct WhyAnswer {
  bool allowed = false;
  std::string endpoint, canonical;  ///< what was asked about
  /// Of the endpoint where the caller does not get in, else of the target.
  policy::Explanation explanation{};
  /// Besides the rules: what is not part of the endpoint, a preset that the caller cannot have ...
  std::vector<std::string> notes{};
};

/// Pure. Errors: not_found (no such virtual server), bad_request (arguments that are no JSON object).
Result<WhyAnswer> why(const std::shared_ptr<const Snapshot>& snapshot,
                      const std::shared_ptr<const policy::Principal>& principal, const WhyQuery& query,
                      SystemTime now);

}  // namespace sallyport::gateway
