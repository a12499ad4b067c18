#pragma once
/// What documents say of principals: their teams, and what agents are.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/policy/rules.hpp"
#include "sallyport/store/documents.hpp"

namespace sallyport::identity {

/// Immutable; owns what it needs.
class Directory {
 public:
  explicit Directory(const std::vector<store::AnyDocument>& documents);

  bool disabled(std::string_view agent) const;
  /// The agent of this name, who shows a token of ours. Errors: unauthenticated (it is gone, or disabled).
  Result<policy::Principal> agent(std::string_view name) const;
  /// One that this gateway issued a credential to.
  policy::Principal own(policy::Principal::Kind kind, std::string_view subject) const;
  /// One that an issuer vouches for.
  policy::Principal vouched(const store::Issuer& issuer, policy::Principal::Kind kind,
                            std::string subject) const;
  /// Somebody who signed in here: as of an issuer called store::kLocalUsers, the default where no document
  /// is.
  policy::Principal local(std::string_view user) const;
  /// Adds the teams that list it as a member; sorts all it has.
  void add_teams(policy::Principal& principal) const;
  /// "agent:release-bot", "user:alice@example.com", "user:partner/bob" or "anonymous". Errors: bad_request
  /// for another form, or an issuer that there is not.
  Result<policy::Principal> named(std::string_view name) const;

 private:
  std::map<std::string, store::Agent, std::less<>> agents_;
  std::map<std::string, std::vector<std::string>, std::less<>> teams_of_;  // by member
  std::map<std::string, bool, std::less<>> issuers_;                       // whether it is the default
  std::string standard_;                                                   // the default issuer; empty: none
};

}  // namespace sallyport::identity
