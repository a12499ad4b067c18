#pragma once
/// The model API: what a request to /v1 does once its client is known.

#include <memory>
#include <string>
#include <vector>

#include "call.hpp"
#include "model_attempt.hpp"
#include "model_brought.hpp"
#include "model_call.hpp"
#include "sallyport/llm/route.hpp"
#include "sallyport/llm/walk.hpp"

namespace sallyport::gateway {

struct OfferedModel {
  std::string name;  ///< "provider/model"
  std::string api;   ///< of its provider
};
/// What lists of models show, in order.
std::vector<OfferedModel> models_for(Access& access, const Endpoint& endpoint, const ModelTable& models,
                                     llm::Wire asks, SystemTime now);

/// Threads: used from every shard; holds nothing that changes.
class ModelService {
 public:
  explicit ModelService(const Clock& clock) : clock_(clock) {}

  /// Takes what a request says of itself in its headers: its trace, its metadata, what is to be kept of it.
  /// Errors: bad_request.
  static Result<void> describe(Call& call);
  /// Requires: authenticated, described.
  Task<Result<Answer>> perform(Call& call) const;

 private:
  /// A target of the request's route, and where that is.
  struct Planned {
    const llm::Step* step = nullptr;
    ModelPlace place;
    BroughtAlong brought{};
    bool private_host = false;                 ///< the host that was brought may be in a private network
    std::shared_ptr<const ModelHandle> own{};  ///< `place.handle`, where something was brought
    std::string wanted;                        ///< as the request or the route's step writes it
    std::optional<json::Document> changed;     ///< the body, where the step changes it
    /// What is judged, and what goes to the provider but for its wire.
    json::Value body;
  };
  struct Plan {
    std::shared_ptr<const llm::Route> route;
    llm::RequestFacts facts;
    std::vector<Planned> targets;
    const Planned& of(const llm::Step* step) const;
  };

  /// The user that the body names is metadata as well.
  static void name_user(Call& call);
  static Result<std::shared_ptr<const llm::Route>> route_of(Call& call);
  Result<Plan> plan(Call& call) const;
  /// Errors: bad_request, where a step may not change this body, or not so.
  static Result<Planned> planned_at(Call& call, const llm::Step& step, ModelPlace place);
  Result<void> authorize(Call& call, Plan& plan) const;
  /// Whether policy lets the request bring along what it brings for this target. Errors: forbidden,
  /// insufficient_scope.
  Result<void> grant(Call& call, Planned& target) const;
  /// Turns the targets into what the request makes of them, once that is granted. Errors: bad_request.
  static Result<void> take_along(Call& call, Plan& plan);
  Task<Result<Answer>> walk(Call& call, const Plan& plan) const;
  Result<Answer> list(Call& call) const;
  Task<Result<Answer>> take_feedback(Call& call) const;

  const Clock& clock_;
};

}  // namespace sallyport::gateway
