#pragma once
/// What one principal may do at an endpoint: rules, grants of virtual servers, and what their presets need.

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "sallyport/gateway/snapshot.hpp"
#include "sallyport/policy/expression.hpp"
#include "sallyport/policy/rules.hpp"

namespace sallyport::gateway {

/// What a rule may know of one call. Borrows everything.
struct CallFacts {
  std::string_view arguments;  ///< as they go upstream, presets included; empty: the call takes none
  std::string_view client_ip;
  SystemTime now;
  bool arguments_known = true;  ///< false: conditions that read them end in an error
};

/// The endpoint's exports of that sort: tools, prompts or resources.
const Exports& exported(const Endpoint& endpoint, policy::Object object);
/// The first of them with that canonical name; null where the endpoint has none, as it is not served now.
const Export* export_of(const Endpoint& endpoint, policy::Object object, std::string_view canonical);

/// The value of a preset for a caller as raw JSON; nullopt where the caller's principal lacks it.
std::optional<std::string> preset_value(const store::Preset& preset, const policy::Principal& principal);

/// The arguments as they go upstream. Errors: invalid_params where the client gives one that is not its own;
/// not_found where the caller lacks what a preset is made from.
Result<std::string> complete_arguments(const OwnArguments& own, const policy::Principal& principal,
                                       const std::optional<json::Value>& given);

/// Under one snapshot; remembers what does not depend on the call. Threads: one.
class Access {
 public:
  Access(std::shared_ptr<const Snapshot> snapshot, std::shared_ptr<const policy::Principal> principal);

  /// Whether the endpoint exists for this caller; without a call, for some call.
  policy::Decision enters(const Endpoint& endpoint, const CallFacts* facts = nullptr);
  /// Whether some call could be allowed: what is listed. `definition` may be null.
  policy::Decision lists(const Endpoint& endpoint, policy::Object object, std::string_view canonical,
                         const Definition* definition);
  /// The same for an exported definition, which also needs what its presets are made from.
  bool shows(const Endpoint& endpoint, policy::Object object, const Export& item);
  /// This call. Requires: lists() allowed it.
  policy::Decision calls(const Endpoint& endpoint, policy::Object object, std::string_view canonical,
                         const Definition* definition, const CallFacts& facts);
  /// In words, for people; slow.
  policy::Explanation explain(const Endpoint& endpoint, policy::Object object, std::string_view canonical,
                              const Definition* definition, const std::optional<CallFacts>& facts);

 private:
  static constexpr std::size_t kBound = 20000;
  static constexpr std::size_t kLongest = 256;  ///< bytes of a remembered target

  /// What rules read of a target and a call, bound to an Activation.
  class Bound;
  policy::Decision plain_or(const Endpoint& endpoint, policy::Object object, std::string_view canonical,
                            const Definition* definition, policy::Phase phase, const CallFacts* facts);

  std::shared_ptr<const Snapshot> snapshot_;
  std::shared_ptr<const policy::Principal> principal_;
  std::shared_ptr<const policy::RuleSet::View> view_;
  std::optional<policy::Facts> facts_;  ///< of the principal, once a condition wants them
  std::unordered_map<std::string, std::optional<policy::Decision>> memo_;  ///< none: it depends on the call
};

/// A rule that denies one of the other names of a model that was allowed; `facts` null: for every call.
std::optional<policy::Decision> denied_elsewhere(Access& access, const Endpoint& endpoint,
                                                 const ModelPlace& place, const CallFacts* facts);

}  // namespace sallyport::gateway
