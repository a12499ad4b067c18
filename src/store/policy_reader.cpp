#include "policy_reader.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "document_check.hpp"

namespace sallyport::store {
namespace {

/// Where the first byte of a scalar's text stands: behind the quote that opens it.
void note_place(const Node& node, PolicyDocument::Rule& out) {
  out.when_line = node.line;
  out.when_column = node.column + (node.plain ? 0 : 1);
}

PolicyDocument::Rule read_rule(const Node& node, Problems& problems) {
  PolicyDocument::Rule out;
  Fields fields(node, "a rule", problems);
  if (!fields.usable()) return out;
  out.allow = fields.word<bool>("effect", false, {{"allow", true}, {"deny", false}}, {}, true);
  out.tools = fields.texts("tools", check::target);
  out.prompts = fields.texts("prompts", check::target);
  out.resources = fields.texts("resources", check::target);
  out.servers = fields.texts("servers", check::glob);
  out.virtual_servers = fields.texts("virtual_servers", check::glob);
  out.models = fields.texts("models", check::glob);
  out.brings = fields.texts("brings", check::brings);
  out.scopes = fields.texts("scopes", check::scope);
  if (fields.list_is_empty("scopes"))
    fields.problem("scopes", "\"scopes\" is empty: leave it out for a rule that asks for none");
  out.when = fields.checked("when", check::expression);
  if (const Node* when = fields.take("when")) note_place(*when, out);
  // A list whose entries were refused has been reported; only a rule that was written without any is idle.
  const auto names_something = [&](std::string_view key) {
    return fields.has(key) && !fields.list(key).empty();
  };
  constexpr std::array<std::string_view, 7> kObjects = {"tools",           "prompts", "resources", "servers",
                                                        "virtual_servers", "models",  "brings"};
  if (std::ranges::none_of(kObjects, names_something)) {
    fields.problem("effect",
                   fmt::format("the rule names nothing: give it one of {}", fmt::join(kObjects, ", ")));
  }
  fields.finish({"grants", "environments"});
  return out;
}

}  // namespace

PolicyDocument read_policy(Fields& fields, Problems& problems) {
  PolicyDocument out{.name = fields.checked("name", check::name, true)};
  out.subjects = fields.texts("subjects", check::subject, true);
  if (fields.list_is_empty("subjects")) {
    fields.problem("subjects", "\"subjects\" is empty: whom does the policy concern? \"*\" is everybody");
  }
  out.environments = fields.texts("environments", check::name);
  if (fields.list_is_empty("environments"))
    fields.problem("environments", "\"environments\" is empty: leave it out for all, or the policy for none");
  const auto& rules = fields.list("rules", true);
  out.rules.reserve(rules.size());
  for (const Node& item : rules) out.rules.push_back(read_rule(item, problems));
  fields.finish({"when", "grants"});
  return out;
}

}  // namespace sallyport::store
