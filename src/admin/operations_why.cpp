/// The operations `why`, what the rules say of a principal and a target, and `policy.basis`, what they say it
/// from.

#include <fmt/format.h>

#include "operation.hpp"
#include "sallyport/admin/decision_basis.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/gateway/why.hpp"

namespace sallyport::admin {
namespace {

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
  } else if (kind == "model") {
    query.object = policy::Object::model;
  } else if (kind != "tool") {
    return client_error(Code::bad_request, "why: \"kind\" is tool, prompt, resource or model");
  }

  auto documents = context.registry.documents();
  if (!documents) return std::unexpected(documents.error());
  auto principal = identity::Directory(*documents).named(name);
  if (!principal) return std::unexpected(principal.error());
  auto snapshot = context.live.snapshot ? context.live.snapshot() : nullptr;
  if (!snapshot) {
    auto basis = basis_of(context.registry, context.live.environment);
    if (!basis) return std::unexpected(basis.error());
    auto stored = snapshot_of(std::move(*basis));
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

Result<nlohmann::json> show_basis(Context& context, const nlohmann::json& arguments) {
  Arguments input(arguments);
  if (auto ok = input.check("policy.basis"); !ok) return std::unexpected(ok.error());
  const auto basis = basis_of(context.registry, context.live.environment);
  if (!basis) return std::unexpected(basis.error());
  return to_json(*basis);
}

}  // namespace sallyport::admin
