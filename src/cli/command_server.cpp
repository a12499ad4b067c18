/// sallyport server add | list | test | remove.

#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

struct AddOptions {
  std::string name, url, credential, description, directory;
  std::vector<std::string> env, credential_env;
  bool sse = false, allow_private = false, replace = false;
};

/// {"A":"1"} of {"A=1"}; nullopt when one has no name or no '='.
std::optional<Json> pairs(const std::vector<std::string>& texts) {
  auto out = Json::object();
  for (const auto& item : texts) {
    const auto equals = item.find('=');
    if (equals == std::string::npos || equals == 0) return std::nullopt;
    out[item.substr(0, equals)] = item.substr(equals + 1);
  }
  return out;
}

int add(Invocation& invocation, const AddOptions& options) {
  const auto env = pairs(options.env);
  const auto credentials = pairs(options.credential_env);
  if (!env || !credentials) {
    invocation.err << "sallyport: --env takes VARIABLE=VALUE and --credential-env VARIABLE=CREDENTIAL\n";
    return kWrongUse;
  }
  Json arguments{{"name", options.name}, {"env", *env}, {"credentials", *credentials}};
  const std::pair<const char*, const std::string*> texts[] = {{"url", &options.url},
                                                              {"credential", &options.credential},
                                                              {"description", &options.description},
                                                              {"directory", &options.directory}};
  for (const auto& [key, value] : texts) {
    if (!value->empty()) arguments[key] = *value;
  }
  if (options.sse) arguments["sse"] = true;
  if (options.allow_private) arguments["allow_private"] = true;
  if (options.replace) arguments["replace"] = true;
  if (!invocation.command.empty()) {
    arguments["command"] = invocation.command[0];
    arguments["args"] = std::vector<std::string>(invocation.command.begin() + 1, invocation.command.end());
  }
  const auto result = invocation.run("server.add", arguments, Backend::Wants::created);
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  for (const auto& change : result->at("changes")) {
    invocation.out << fmt::format("{} Server {}\n", change.value("what", ""),
                                  printable(change.value("name", "")));
  }
  invocation.err << fmt::format("nobody may use it before a policy allows that: tools: [\"{}/*\"]\n",
                                printable(options.name));
  return kDone;
}

std::string state_text(const Json& row) {
  if (row.value("disabled", false)) return "disabled";
  const auto state = row.value("state", Json::object());
  if (!state.is_object() || !state.contains("state") || !state["state"].is_string()) return {};
  auto out = state["state"].get<std::string>();
  const auto problem = state.find("problem");
  if (problem != state.end() && problem->is_string() && !problem->get<std::string>().empty()) {
    out += ": " + problem->get<std::string>();
  }
  return out;
}

std::string count_text(const Json& row, const char* key) {
  const auto it = row.find(key);
  return it != row.end() && it->is_number() ? std::to_string(it->get<std::int64_t>()) : std::string();
}

int test(Invocation& invocation, const std::string& name) {
  const auto result = invocation.run("server.test", {{"name", name}});
  if (!result) return invocation.failed(result.error());
  const bool ok = result->value("ok", false);
  if (invocation.json()) {
    invocation.print(*result);
    return ok ? kDone : kFailed;
  }
  if (!ok) {
    std::string text =
        fmt::format("sallyport: {}: {}", name, result->value("problem", "it cannot be reached"));
    if (const auto hint = result->value("hint", ""); !hint.empty()) text += "\n" + hint;
    invocation.err << printable_lines(text) << '\n';
    return kFailed;
  }
  invocation.out << fmt::format("ok  {}  {} tools, {} prompts, {} resources", printable(name),
                                result->value("tools", 0), result->value("prompts", 0),
                                result->value("resources", 0));
  for (const char* key : {"era", "version"}) {
    if (result->contains(key) && result->at(key).is_string()) {
      invocation.out << "  " << printable(result->at(key).get<std::string>());
    }
  }
  if (result->contains("millis")) invocation.out << fmt::format("  {} ms", result->value("millis", 0));
  invocation.out << '\n';
  for (const auto& line : result->value("dropped", Json::array()))
    invocation.err << "left out: " << printable(line.get<std::string>()) << '\n';
  return kDone;
}

int remove(Invocation& invocation, const std::string& name) {
  const auto result = invocation.run("server.remove", {{"name", name}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
  } else {
    invocation.out << "removed Server " << printable(name) << '\n';
  }
  return kDone;
}

}  // namespace

int show_servers(Invocation& invocation) {
  const auto result = invocation.run("server.list", Json::object());
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(result->at("servers"));
    return kDone;
  }
  Table table({"NAME", "STATE", "TOOLS", "CREDENTIAL", "TRANSPORT", "ADDRESS"});
  for (const auto& row : result->at("servers")) {
    table.add({row.value("name", ""), state_text(row), count_text(row, "tools"), row.value("credential", ""),
               row.value("transport", ""), row.value("address", "")});
  }
  if (table.empty()) {
    invocation.err << "there are no servers yet; `sallyport server add NAME --url URL` adds one\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

void add_server(CLI::App& app, Invocation& invocation) {
  auto* server = app.add_subcommand("server", "Upstream MCP servers");
  server->require_subcommand(1);

  auto* command = server->add_subcommand("add", "Add a server: NAME --url URL, or NAME -- COMMAND ARGS...");
  auto options = std::make_shared<AddOptions>();
  command->add_option("NAME", options->name, "a-z, 0-9 and -")->required();
  command->add_option("--url", options->url, "Streamable HTTP endpoint");
  command->add_flag("--sse", options->sse, "The url is that of a server of 2024-11-05 (HTTP+SSE)");
  command->add_flag("--allow-private", options->allow_private,
                    "The url may lead to a private or loopback address");
  command->add_option("--credential", options->credential, "Credential to send (for a url)");
  command->add_option("--env", options->env, "VARIABLE=VALUE of the command, not secret; may be repeated");
  command->add_option("--credential-env", options->credential_env,
                      "VARIABLE=CREDENTIAL of the command; may be repeated");
  command->add_option("--directory", options->directory, "Working directory of the command");
  command->add_option("--description", options->description, "For people");
  command->add_flag("--replace", options->replace, "Replace a server of that name");
  command->footer(
      "sallyport server add docs --url https://mcp.example.com/mcp --credential docs-token\n"
      "sallyport server add files -- npx -y @modelcontextprotocol/server-filesystem /srv/files");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return add(invocation, *options); };
  });

  auto* list = server->add_subcommand("list", "Show servers with their state");
  list->callback([&invocation] { invocation.action = [&invocation] { return show_servers(invocation); }; });

  const auto named = [&](const char* word, const char* what, int (*act)(Invocation&, const std::string&)) {
    auto* sub = server->add_subcommand(word, what);
    auto name = std::make_shared<std::string>();
    sub->add_option("NAME", *name, "Server")->required();
    sub->callback([&invocation, name, act] {
      invocation.action = [&invocation, name, act] { return act(invocation, *name); };
    });
  };
  named("test", "Connect now and refresh the catalogue", test);
  named("remove", "Remove a server", remove);
}

}  // namespace sallyport::cli
