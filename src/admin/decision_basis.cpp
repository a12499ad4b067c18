#include "sallyport/admin/decision_basis.hpp"

#include <nlohmann/json.hpp>

namespace sallyport::admin {

using nlohmann::json;

Result<DecisionBasis> basis_of(const store::Registry& registry, const std::string& environment) {
  auto documents = registry.documents();
  if (!documents) return std::unexpected(documents.error());
  auto catalogues = registry.catalogues();
  if (!catalogues) return std::unexpected(catalogues.error());
  auto definitions = registry.definitions("", false);
  if (!definitions) return std::unexpected(definitions.error());
  return DecisionBasis{.environment = environment,
                       .documents = std::move(*documents),
                       .catalogues = std::move(*catalogues),
                       .definitions = std::move(*definitions)};
}

json to_json(const DecisionBasis& basis) {
  json documents = json::array(), catalogues = json::array(), definitions = json::array();
  for (const auto& one : basis.documents) documents.push_back(store::to_json(one));
  for (const auto& one : basis.catalogues) {
    catalogues.push_back({{"server", one.server},
                          {"tools", one.tools},
                          {"prompts", one.prompts},
                          {"resources", one.resources},
                          {"templates", one.templates},
                          {"server_info", one.server_info}});
  }
  for (const auto& one : basis.definitions) {
    definitions.push_back({{"server", one.key.server},
                           {"sort", one.key.sort},
                           {"name", one.key.name},
                           {"approved", one.approved.hash},
                           {"rejected", one.rejected}});
  }
  return {{"environment", basis.environment},
          {"documents", std::move(documents)},
          {"catalogues", std::move(catalogues)},
          {"definitions", std::move(definitions)}};
}

Result<DecisionBasis> basis_from(const json& from) {
  DecisionBasis out;
  try {
    out.environment = from.at("environment").get<std::string>();
    for (const auto& one : from.at("documents")) {
      auto document = store::from_json(one.get<std::string>());
      if (!document) return std::unexpected(document.error());
      out.documents.push_back(std::move(*document));
    }
    for (const auto& one : from.at("catalogues")) {
      out.catalogues.push_back({.server = one.at("server"),
                                .tools = one.at("tools"),
                                .prompts = one.at("prompts"),
                                .resources = one.at("resources"),
                                .templates = one.at("templates"),
                                .server_info = one.at("server_info")});
    }
    for (const auto& one : from.at("definitions")) {
      out.definitions.push_back(
          {.key = {.server = one.at("server"), .sort = one.at("sort"), .name = one.at("name")},
           .approved = {.hash = one.at("approved"), .object = {}},
           .rejected = one.at("rejected").get<std::vector<std::string>>()});
    }
  } catch (const json::exception& wrong) {
    return fail(Code::bad_json, Blame::us,
                std::string("what decisions are made from cannot be read: ") + wrong.what());
  }
  return out;
}

Result<std::shared_ptr<const gateway::Snapshot>> snapshot_of(DecisionBasis basis) {
  gateway::SnapshotParts parts{
      .environment = std::move(basis.environment), .documents = {}, .keys = {}, .servers = {}};
  for (const auto& document : basis.documents) {
    const auto* server = std::get_if<store::Server>(&document);
    if (!server || server->disabled) continue;
    auto config = std::make_shared<gateway::ServerConfig>();
    config->document = *server;
    gateway::ServerEntry entry{.config = std::move(config), .upstream = nullptr, .catalogue = nullptr};
    for (const auto& stored : basis.catalogues) {
      if (stored.server != server->name) continue;
      auto catalogue = gateway::Catalogue::build(stored);
      if (!catalogue) return std::unexpected(catalogue.error());
      entry.catalogue = std::move(*catalogue);
    }
    std::vector<store::StoredDefinition> own;
    for (const auto& definition : basis.definitions)
      if (definition.key.server == server->name) own.push_back(definition);
    entry.pins = std::make_shared<const gateway::Pins>(own);
    parts.servers.push_back(std::move(entry));
  }
  auto rules = gateway::take_policies(basis.documents, parts.environment);
  if (!rules) return Failure(rules.error());
  parts.rules = std::move(*rules);
  parts.models = gateway::model_table_of(basis.documents, {});
  parts.documents = std::move(basis.documents);
  return gateway::build_snapshot(std::move(parts));
}

}  // namespace sallyport::admin
