#pragma once
/// Where a model call may go: configs of strategies and targets, as requests bring them and `Route` documents
/// hold them. docs/model-routing.md describes every field.

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/llm/target_breaker.hpp"

namespace sallyport::llm {

/// What is wrong with a config, and where: keys and indexes joined by commas ("targets,0,weight"; empty: the
/// config itself).
struct RouteError {
  std::string path, message;
  bool operator==(const RouteError&) const = default;
};

/// Who is called. Where both are named the virtual key decides and has to be one of that provider. Where
/// neither is, it is whom the request itself names, by `Step::model` ("@provider/model") or in its own way.
struct TargetRef {
  std::string provider;  ///< name of a Provider document, without the "@"
  std::string virtual_key;
  bool empty() const { return provider.empty() && virtual_key.empty(); }
  bool operator==(const TargetRef&) const = default;
};

struct Retry {
  int attempts = 0;                ///< after the first call; at most limits::kRouteRetries
  std::vector<int> on_status{};    ///< empty: 429, 500, 502, 503, 504, 529
  bool use_retry_after = false;    ///< after a 429 wait as long as the provider says
  bool retried(int status) const;  ///< 0, an unreachable provider, counts as 502
  bool operator==(const Retry&) const = default;
};

/// Something that a config brought along and that needs a grant: a host of its own, a key, headers.
struct Brought {
  std::string path;   ///< "targets,0,custom_host"
  std::string field;  ///< "custom_host"
  std::string value;  ///< raw JSON; may be a secret
};

/// One concrete target with all that it inherits: parameters merged with those of the groups around it (the
/// inner ones win, member by member), everything else replaced by the innermost that says it.
struct Step {
  std::string path;  ///< "config.targets[1].targets[0]"; "config" where the config is the target
  std::string name{};
  TargetRef target{};
  std::string model{};                     ///< of override_params; empty: the request's own
  std::string override_params{};           ///< raw object laid over the request's top level; empty: none
  std::string default_params{};            ///< raw object of what the request may leave out; empty: none
  std::vector<std::string> drop_params{};  ///< "logprobs", "messages[*].name"
  std::optional<std::chrono::milliseconds> timeout{};  ///< of one attempt
  Retry retry{};
  std::optional<bool> strict{};             ///< strict_open_ai_compliance, where a config says it
  std::optional<BreakerOptions> breaker{};  ///< none: failures are not counted
  std::vector<Brought> brought{};           ///< inherited ones included
};

/// What conditions and sticky balancing read of a request. Borrows: whatever `params` and `path` point at.
struct RequestFacts {
  std::map<std::string, std::string, std::less<>> metadata{};
  std::optional<json::Value> params{};  ///< the request body
  std::string_view path{};              ///< of the URL: "/v1/chat/completions"
};

struct RouteNode;

/// A checked config. Immutable. Threads: any.
class Route {
 public:
  explicit Route(std::unique_ptr<const RouteNode> root);
  Route(const Route&) = delete;
  Route& operator=(const Route&) = delete;
  ~Route();
  /// Every target in the order of the config, those with weight 0 included.
  const std::vector<const Step*>& steps() const { return steps_; }
  /// Paths of fields that need a grant ("targets,0,api_key").
  const std::vector<std::string>& brought() const { return brought_; }
  const RouteNode& root() const { return *root_; }

 private:
  std::unique_ptr<const RouteNode> root_;
  std::vector<const Step*> steps_;
  std::vector<std::string> brought_;
};

/// Reads a config; on failure every problem, at least one and at most limits::kRouteProblems.
std::expected<std::shared_ptr<const Route>, std::vector<RouteError>> parse_route(json::Value config);
/// "path: strategy,mode, message: ..."
std::string text_of(const RouteError& error);
/// The same for requests. Errors: bad_request; the hint is "Invalid config passed: " and all problems, `data`
/// the array of their texts.
Result<std::shared_ptr<const Route>> read_route(json::Value config);

/// All targets that this request could reach, breakers aside: for authorization before anything is called.
/// Every branch of fallbacks, all weighted ones of load balancing, the chosen one of conditions. A condition
/// that leads nowhere is left out of what is around it.
/// Errors: bad_request when nothing is left.
Result<std::vector<const Step*>> planned(const Route& route, const RequestFacts& facts);

}  // namespace sallyport::llm
