#pragma once
/// What decisions are made from, as the registry has it: for questions that are answered beside the running
/// server, or without one.

#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "sallyport/gateway/snapshot.hpp"
#include "sallyport/store/registry.hpp"

namespace sallyport::admin {

struct DecisionBasis {
  std::string environment;
  std::vector<store::AnyDocument> documents;
  std::vector<store::StoredCatalogue> catalogues;    ///< what each server offered last
  std::vector<store::StoredDefinition> definitions;  ///< without objects: which versions are approved
};

/// Errors: storage.
Result<DecisionBasis> basis_of(const store::Registry& registry, const std::string& environment);
nlohmann::json to_json(const DecisionBasis& basis);
/// Reads what to_json wrote. Errors: bad_json, bad_request.
Result<DecisionBasis> basis_from(const nlohmann::json& json);
/// As a server would have it that reached nobody since; without keys. Errors: bad_request (a policy that does
/// not compile), bad_json.
Result<std::shared_ptr<const gateway::Snapshot>> snapshot_of(DecisionBasis basis);

}  // namespace sallyport::admin
