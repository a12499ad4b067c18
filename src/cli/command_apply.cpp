/// sallyport apply, sallyport get, sallyport policy get.

#include <algorithm>
#include <iostream>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "document_files.hpp"
#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"

namespace sallyport::cli {
namespace {

struct ApplyOptions {
  std::vector<std::string> files;
  std::string origin = "apply";
  bool dry_run = false, prune = false, verbose = false;
};

std::string indented(const std::string& lines) {
  std::string out;
  for (std::size_t at = 0; at < lines.size();) {
    const auto end = std::min(lines.find('\n', at), lines.size());
    out += "    " + printable(lines.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return out;
}

void print_changes(std::ostream& out, const nlohmann::json& result, bool differences) {
  const bool dry = result.value("dry_run", false);
  std::map<std::string, int> counts;
  for (const auto& change : result.at("changes")) {
    const auto what = change.value("what", "");
    ++counts[what];
    out << fmt::format("{:<9}  {} {}\n", what, printable(change.value("kind", "")),
                       printable(change.value("name", "")));
    if (differences) out << indented(change.value("difference", ""));
  }
  std::string summary;
  for (const auto& [what, count] : counts)
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count, what);
  if (summary.empty()) summary = "nothing to do";
  out << summary << (dry ? " (dry run: nothing was changed)" : "") << '\n';
}

int apply(Invocation& invocation, const ApplyOptions& options) {
  auto files = read_document_files(options.files, invocation.in);
  if (!files) return invocation.failed(files.error());
  const auto result = invocation.run("apply",
                                     {{"files", std::move(*files)},
                                      {"dry_run", options.dry_run},
                                      {"prune", options.prune},
                                      {"origin", options.origin}},
                                     Backend::Wants::created);
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
  } else {
    print_changes(invocation.out, *result, options.dry_run || options.verbose);
  }
  return kDone;
}

std::string joined(const nlohmann::json& list) {
  std::string out;
  for (const auto& item : list) {
    if (item.is_string()) out += (out.empty() ? "" : ", ") + item.get<std::string>();
  }
  return out;
}

std::string text(const nlohmann::json& document, const char* key) {
  const auto it = document.find(key);
  return it != document.end() && it->is_string() ? it->get<std::string>() : std::string();
}

/// Heading and row for each kind that has more to show than its name.
struct View {
  std::vector<std::string> heading;
  std::vector<std::string> (*row)(const nlohmann::json& document);
};

View view_of(const std::string& kind) {
  using Json = nlohmann::json;
  if (kind == "Credential") {
    return {{"NAME", "FROM", "REFERENCE"}, [](const Json& d) {
              for (const char* from : {"env", "file"}) {
                if (d.contains(from)) return std::vector{text(d, "name"), std::string(from), text(d, from)};
              }
              return std::vector{text(d, "name"), std::string("vault"), std::string()};
            }};
  }
  if (kind == "VirtualServer") {
    return {{"NAME", "TITLE", "ACCESS", "FROM"}, [](const Json& d) {
              std::vector<std::string> from;
              for (const char* list : {"tools", "prompts", "resources"}) {
                for (const auto& source : d.value(list, Json::array())) {
                  const auto name = text(source, "from");
                  if (std::ranges::find(from, name) == from.end()) from.push_back(name);
                }
              }
              auto access = text(d, "access");
              return std::vector{text(d, "name"), text(d, "title"), access.empty() ? "authenticated" : access,
                                 fmt::format("{}", fmt::join(from, ", "))};
            }};
  }
  if (kind == "Team") {
    return {{"NAME", "MEMBERS"}, [](const Json& d) {
              return std::vector{text(d, "name"), joined(d.value("members", Json::array()))};
            }};
  }
  if (kind == "Agent") {
    return {{"NAME", "STATE", "DESCRIPTION"}, [](const Json& d) {
              return std::vector<std::string>{text(d, "name"),
                                              d.value("disabled", false) ? "disabled" : "active",
                                              text(d, "description")};
            }};
  }
  if (kind == "Issuer") {
    return {{"NAME", "ISSUER", "USERS"}, [](const Json& d) {
              return std::vector{
                  text(d, "name"), text(d, "issuer"),
                  std::string(d.value("default", false) ? "user:NAME" : "user:" + text(d, "name") + "/NAME")};
            }};
  }
  if (kind == "Provider") {
    return {{"NAME", "API", "BASE URL", "CREDENTIAL", "STATE"}, [](const Json& d) {
              return std::vector<std::string>{text(d, "name"), text(d, "api"), text(d, "base_url"),
                                              text(d, "credential"),
                                              d.value("disabled", false) ? "disabled" : "active"};
            }};
  }
  if (kind == "VirtualKey") {
    return {{"NAME", "PROVIDER", "MODELS", "EXPIRES", "STATE"}, [](const Json& d) {
              return std::vector<std::string>{text(d, "name"), text(d, "provider"),
                                              joined(d.value("models", Json::array())), text(d, "expires"),
                                              d.value("disabled", false) ? "disabled" : "active"};
            }};
  }
  if (kind == "Policy") {
    return {{"NAME", "SUBJECTS", "RULES"}, [](const Json& d) {
              return std::vector{text(d, "name"), joined(d.value("subjects", Json::array())),
                                 std::to_string(d.value("rules", Json::array()).size())};
            }};
  }
  return {{"KIND", "NAME"}, [](const Json& d) { return std::vector{text(d, "kind"), text(d, "name")}; }};
}

int get(Invocation& invocation, const std::string& kind, const std::string& name) {
  // One document is read by people as what they wrote, many as a table.
  const bool yaml = invocation.output == "yaml" || (invocation.output == "table" && !name.empty());
  const auto result =
      invocation.run("get", {{"kind", kind}, {"name", name}, {"format", yaml ? "yaml" : "json"}});
  if (!result) return invocation.failed(result.error());
  if (yaml) {
    invocation.out << printable_lines(result->value("text", ""));
    return kDone;
  }
  const auto& documents = result->at("documents");
  if (invocation.json()) {
    invocation.print(name.empty() || documents.empty() ? documents : documents[0]);
    return kDone;
  }
  const auto view = view_of(result->value("kind", ""));
  Table table(view.heading);
  for (const auto& document : documents) table.add(view.row(document));
  if (table.empty()) {
    invocation.err << "there is nothing yet; `sallyport apply -f FILE` adds documents\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

}  // namespace

void add_apply(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("apply", "Apply documents in one transaction");
  auto options = std::make_shared<ApplyOptions>();
  command->add_option("-f,--file", options->files, "File, folder, or - for standard input; may be repeated")
      ->required();
  command->add_flag("--dry-run", options->dry_run, "Show what would change, change nothing");
  command->add_flag("--prune", options->prune,
                    "Remove what came from the same origin and is in none of the files");
  command->add_option("--origin", options->origin, "Name of the set that these documents belong to")
      ->capture_default_str();
  command->add_flag("-v,--verbose", options->verbose, "Show differences");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return apply(invocation, *options); };
  });
}

void add_get(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "get", "Show documents: servers, virtual-servers, credentials, teams, agents, policies, issuers, keys");
  auto kind = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  command->add_option("KIND", *kind, "What to show; everything when absent");
  command->add_option("NAME", *name, "One document");
  command->callback([&invocation, kind, name] {
    invocation.action = [&invocation, kind, name] {
      const bool table = invocation.output == "table" && name->empty();
      if (*kind == "keys") return show_keys(invocation, *name);
      if (table && (*kind == "servers" || *kind == "server")) return show_servers(invocation);
      return get(invocation, *kind, *name);
    };
  });

  auto* policy = app.add_subcommand("policy", "Look at policies");
  policy->require_subcommand(1);
  add_policy_test(*policy, invocation);
  add_policy_replay(*policy, invocation);
  auto* policy_get = policy->add_subcommand("get", "Show policies, or one");
  auto policy_name = std::make_shared<std::string>();
  policy_get->add_option("NAME", *policy_name, "One policy");
  policy_get->callback([&invocation, policy_name] {
    invocation.action = [&invocation, policy_name] { return get(invocation, "Policy", *policy_name); };
  });
}

}  // namespace sallyport::cli
