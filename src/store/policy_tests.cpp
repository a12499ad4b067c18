#include "sallyport/store/policy_tests.hpp"

#include "document_check.hpp"
#include "fields.hpp"

namespace sallyport::store {
namespace {

std::string object_of(Fields& fields, std::string_view key) {
  std::string raw = fields.json(key);
  if (!raw.empty() && raw.front() != '{') fields.problem(key, "\"" + std::string(key) + "\" must be a map");
  return raw;
}

PolicyCase read_case(const Node& node, Problems& problems) {
  PolicyCase out{.line = node.line, .principal = {}};
  Fields fields(node, "a case", problems);
  if (!fields.usable()) return out;
  out.principal = fields.checked(
      "principal", [](std::string_view text) { return text == "anonymous" ? "" : check::member(text); },
      true);
  out.teams = fields.texts("teams", check::name);
  out.roles = fields.texts("roles", check::role);
  out.claims = fields.text_map("claims", check::claim, check::line);
  int targets = 0;
  for (const char* kind : {"tool", "prompt", "resource"}) {
    const auto target = fields.checked(kind, [](std::string_view text) -> std::string {
      const auto slash = text.find('/');
      return slash == 0 || slash == std::string_view::npos || slash + 1 == text.size() ? "must be SERVER/NAME"
                                                                                       : "";
    });
    if (!fields.has(kind)) continue;
    ++targets;
    out.kind = kind;
    out.target = target;
  }
  if (targets != 1) problems.add(node, "a case asks for exactly one \"tool\", \"prompt\" or \"resource\"");
  if (fields.has("annotations")) out.annotations = object_of(fields, "annotations");
  if (fields.has("args")) out.arguments = object_of(fields, "args");
  out.allow = fields.word<bool>("expect", false, {{"allow", true}, {"deny", false}}, {}, true);
  out.rule = fields.checked("rule", check::line);
  fields.finish();
  return out;
}

}  // namespace

std::expected<PolicyTests, std::vector<ReadProblem>> read_policy_tests(std::string_view text,
                                                                       const std::string& file) {
  Problems problems(file);
  PolicyTests out;
  const auto roots = nodes_of_yaml(text, problems);
  if (problems.empty() && roots.size() != 1) problems.add(1, 1, "a file of tests is one document");
  if (problems.empty()) {
    Fields fields(roots.front(), "a file of tests", problems);
    if (fields.usable()) {
      out.policies = fields.texts("policies", check::path, true);
      out.environment = fields.checked("environment", check::name);
      for (const Node& item : fields.list("cases", true)) out.cases.push_back(read_case(item, problems));
      if (fields.list_is_empty("cases")) fields.problem("cases", "\"cases\" is empty: what is tested?");
      fields.finish();
    }
  }
  if (!problems.empty()) return std::unexpected(problems.take());
  return out;
}

}  // namespace sallyport::store
