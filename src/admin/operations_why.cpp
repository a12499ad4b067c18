/// The operation `why`: what the rules say of a principal and a target.

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/gateway/why.hpp"

namespace sallyport::admin {
namespace {

/// What a server would serve by the registry: the definitions that were seen last.
Result<std::shared_ptr<const gateway::Snapshot>> stored_snapshot(const Context& context,
                                                                 std::vector<store::AnyDocument> documents) {
  auto catalogues = context.registry.catalogues();
  if (!catalogues) return std::unexpected(catalogues.error());
  gateway::SnapshotParts parts{
      .environment = context.live.environment, .documents = {}, .keys = {}, .servers = {}};
  for (const auto& document : documents) {
    const auto* server = std::get_if<store::Server>(&document);
    if (!server || server->disabled) continue;
    auto config = std::make_shared<gateway::ServerConfig>();
    config->document = *server;
    gateway::ServerEntry entry{.config = std::move(config), .upstream = nullptr, .catalogue = nullptr};
    for (const auto& stored : *catalogues) {
      if (stored.server != server->name) continue;
      auto catalogue = gateway::Catalogue::build(stored);
      if (!catalogue) return std::unexpected(catalogue.error());
      entry.catalogue = std::move(*catalogue);
    }
    auto decided = context.registry.definitions(server->name, false);
    if (!decided) return std::unexpected(decided.error());
    entry.pins = std::make_shared<const gateway::Pins>(*decided);
    parts.servers.push_back(std::move(entry));
  }
  parts.documents = std::move(documents);
  return gateway::build_snapshot(std::move(parts));
}

std::string_view word_of(policy::Explanation::Near::Failed failed) {
  using Failed = policy::Explanation::Near::Failed;
  switch (failed) {
    case Failed::subject:
      return "subject";
    case Failed::environment:
      return "environment";
    case Failed::condition:
      return "condition";
    case Failed::outweighed:
      return "outweighed";
  }
  return "condition";
}

std::string_view word_of(policy::Effect effect) { return effect == policy::Effect::allow ? "allow" : "deny"; }

}  // namespace

Result<nlohmann::json> explain_access(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  const auto name = input.text("principal");
  const auto kind = input.text_or("kind", "tool");
  gateway::WhyQuery query{.target = input.text("target"),
                          .virtual_server = input.text_or("virtual_server", "")};
  if (const auto* given = input.any("arguments")) query.arguments = given->dump();
  if (auto ok = input.check("why"); !ok) return std::unexpected(ok.error());
  if (kind == "prompt") {
    query.object = policy::Object::prompt;
  } else if (kind == "resource") {
    query.object = policy::Object::resource;
  } else if (kind != "tool") {
    return client_error(Code::bad_request, "why: \"kind\" is tool, prompt or resource");
  }

  auto documents = context.registry.documents();
  if (!documents) return std::unexpected(documents.error());
  auto principal = identity::principal_of(name, *documents);
  if (!principal) return std::unexpected(principal.error());
  auto snapshot = context.live.snapshot ? context.live.snapshot() : nullptr;
  if (!snapshot) {
    auto stored = stored_snapshot(context, std::move(*documents));
    if (!stored) return std::unexpected(stored.error());
    snapshot = std::move(*stored);
  }
  const auto answer = gateway::why(snapshot, std::make_shared<const policy::Principal>(std::move(*principal)),
                                   query, system_clock().now());
  if (!answer) return std::unexpected(answer.error());

  const auto& said = answer->explanation;
  nlohmann::json out{{"principal", name},
                     {"endpoint", answer->endpoint},
                     {"target", answer->canonical},
                     {"allowed", answer->allowed},
                     {"phase", query.arguments ? "call" : "list"},
                     {"decision", word_of(said.decision.effect)},
                     {"rule", said.decision.rule},
                     {"depends_on_call", said.decision.conditional},
                     {"notes", answer->notes},
                     {"near", nlohmann::json::array()},
                     {"more", said.more},
                     {"advice", said.advice}};
  if (!said.condition.empty()) out["condition"] = said.condition;
  for (const auto& near : said.near) {
    out["near"].push_back({{"rule", near.rule},
                           {"effect", word_of(near.effect)},
                           {"failed", word_of(near.failed)},
                           {"detail", near.detail}});
  }
  return out;
}

}  // namespace sallyport::admin
