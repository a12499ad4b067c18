/// sallyport policy test FILE...: tables of who may use what, beside the policies that they are about.

#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "document_files.hpp"
#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/clock.hpp"
#include "sallyport/core/files.hpp"
#include "sallyport/gateway/why.hpp"
#include "sallyport/store/policy_tests.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

struct Outcome {
  int passed = 0;
  std::vector<std::string> failures{};  ///< FILE:LINE: what came out, and what should have
  std::vector<std::string> problems{};  ///< of files that could not be read
};

std::optional<std::vector<store::AnyDocument>> documents_of(const std::string& tests,
                                                            const std::vector<std::string>& files,
                                                            Outcome& out) {
  std::vector<store::AnyDocument> all;
  for (const auto& name : files) {
    const auto file = (std::filesystem::path(tests).parent_path() / name).string();
    const auto text = read_whole_file(file, kDocumentBytes);
    if (!text) {
      out.problems.push_back(fmt::format("{}: {}", tests, text.error().hint));
      return std::nullopt;
    }
    auto read = store::read_documents(*text, file);
    if (!read) {
      for (const auto& problem : read.error()) out.problems.push_back(problem.text());
      return std::nullopt;
    }
    for (auto& document : *read) {
      // Servers are made up below: a case names what it asks for.
      if (!std::holds_alternative<store::Server>(document) &&
          !std::holds_alternative<store::VirtualServer>(document))
        all.push_back(std::move(document));
    }
  }
  return all;
}

/// The one definition that the case asks about, as its server would offer it.
Result<std::shared_ptr<const gateway::Catalogue>> catalogue_for(const store::PolicyCase& one,
                                                                const std::string& server,
                                                                const std::string& name) {
  store::StoredCatalogue stored{.server = server};
  stored.tools = stored.prompts = stored.resources = stored.templates = "[]";
  stored.server_info = "{}";
  Json item{{one.kind == "resource" ? "uri" : "name", name}};
  if (one.kind == "tool") {
    item["inputSchema"] = {{"type", "object"}};
    item["annotations"] = Json::parse(one.annotations);
  }
  (one.kind == "tool"     ? stored.tools
   : one.kind == "prompt" ? stored.prompts
                          : stored.resources) = Json::array({item}).dump();
  return gateway::Catalogue::build(stored);
}

Result<gateway::WhyAnswer> decide(const store::PolicyCase& one, const std::string& environment,
                                  std::vector<store::AnyDocument> documents) {
  auto principal = identity::Directory(documents).named(one.principal);
  if (!principal) return std::unexpected(principal.error());
  principal->teams.insert(principal->teams.end(), one.teams.begin(), one.teams.end());
  principal->roles.insert(principal->roles.end(), one.roles.begin(), one.roles.end());
  for (const auto& [name, value] : one.claims) principal->claims[name] = value;

  const auto slash = one.target.find('/');
  const auto server = one.target.substr(0, slash);
  auto catalogue = catalogue_for(one, server, one.target.substr(slash + 1));
  if (!catalogue) return std::unexpected(catalogue.error());
  auto config = std::make_shared<gateway::ServerConfig>();
  config->document.name = server;
  auto rules = gateway::take_policies(documents, environment);
  if (!rules) return std::unexpected(rules.error());
  gateway::SnapshotParts parts{.environment = environment,
                               .documents = std::move(documents),
                               .rules = std::move(*rules),
                               .keys = {},
                               .servers = {}};
  parts.servers.push_back(
      {.config = std::move(config), .upstream = nullptr, .catalogue = std::move(*catalogue)});
  return gateway::why(gateway::build_snapshot(std::move(parts)),
                      std::make_shared<const policy::Principal>(std::move(*principal)),
                      {.object = one.kind == "prompt"     ? policy::Object::prompt
                                 : one.kind == "resource" ? policy::Object::resource
                                                          : policy::Object::tool,
                       .target = one.target,
                       .virtual_server = {},
                       .arguments = one.arguments},
                      system_clock().now());
}

void run_file(const std::string& file, Outcome& out) {
  const auto text = read_whole_file(file, kDocumentBytes);
  if (!text) {
    out.problems.push_back(text.error().hint);
    return;
  }
  const auto tests = store::read_policy_tests(*text, file);
  if (!tests) {
    for (const auto& problem : tests.error()) out.problems.push_back(problem.text());
    return;
  }
  const auto documents = documents_of(file, tests->policies, out);
  if (!documents) return;
  for (const auto& one : tests->cases) {
    const auto place = fmt::format("{}:{}", file, one.line);
    const auto answer = decide(one, tests->environment, *documents);
    if (!answer) {
      const auto& error = answer.error();
      out.problems.push_back(fmt::format("{}: {}", place, error.hint.empty() ? error.what : error.hint));
      return;
    }
    const auto& rule = answer->explanation.decision.rule;
    if (answer->allowed == one.allow && (one.rule.empty() || one.rule == rule)) {
      ++out.passed;
      continue;
    }
    out.failures.push_back(
        fmt::format("{}: {} {}: {} by {}, and {}{} was expected. {}", place, one.principal, one.target,
                    answer->allowed ? "allowed" : "denied", rule, one.allow ? "allow" : "deny",
                    one.rule.empty() ? "" : " by " + one.rule, answer->explanation.advice));
  }
}

int test(Invocation& invocation, const std::vector<std::string>& files) {
  Outcome out;
  for (const auto& file : files) run_file(file, out);
  if (invocation.json()) {
    invocation.print({{"passed", out.passed}, {"failures", out.failures}, {"problems", out.problems}});
  } else {
    for (const auto& failure : out.failures) invocation.out << "FAILED " << printable(failure) << '\n';
    invocation.out << fmt::format("{} passed, {} failed\n", out.passed, out.failures.size());
  }
  for (const auto& problem : out.problems) invocation.err << "sallyport: " << printable(problem) << '\n';
  return out.failures.empty() && out.problems.empty() ? kDone : kFailed;
}

}  // namespace

void add_policy_test(CLI::App& policy, Invocation& invocation) {
  auto* command =
      policy.add_subcommand("test", "Run the tables of who may use what that stand beside policies");
  auto files = std::make_shared<std::vector<std::string>>();
  command->add_option("FILE", *files, "policies/*.test.yaml")->required();
  command->callback([&invocation, files] {
    invocation.action = [&invocation, files] { return test(invocation, *files); };
  });
}

}  // namespace sallyport::cli
