/// sallyport connect: how a client is pointed at the running server.

#include <algorithm>
#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/serve.hpp"
#include "sallyport/cli/terminal.hpp"

namespace sallyport::cli {
namespace {

struct ConnectOptions {
  std::string client, key, endpoint, name = "sallyport";
};

bool all_of(std::string_view text, std::string_view others) {
  return std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || others.contains(c);
  });
}

/// What the running server says of itself; without one, what the settings would make of it.
std::string base_url(Invocation& invocation) {
  const auto status = invocation.run("status", nlohmann::json::object());
  if (status && status->contains("server")) {
    const auto url = status->at("server").value("public_url", "");
    if (!url.empty()) return url;
  }
  invocation.err << "no server runs on " << printable(invocation.settings.data)
                 << "; this is what its settings say\n";
  return public_url_of(invocation.settings, invocation.settings.listen.address);
}

std::string claude_code(const ConnectOptions& options, const std::string& url) {
  const auto header = options.key.empty() ? std::string("\"Authorization: Bearer $SALLYPORT_KEY\"")
                                          : fmt::format("'Authorization: Bearer {}'", options.key);
  return fmt::format("claude mcp add --transport http {} {} --header {}\n", options.name, url, header);
}

std::string codex(const ConnectOptions& options, const std::string& url) {
  const auto key = options.key.empty()
                       ? std::string("bearer_token_env_var = \"SALLYPORT_KEY\"\n")
                       : fmt::format("http_headers = {{ \"Authorization\" = \"Bearer {}\" }}\n", options.key);
  return fmt::format("# ~/.codex/config.toml\n[mcp_servers.{}]\nurl = \"{}\"\n{}", options.name, url, key);
}

std::string cursor(const ConnectOptions& options, const std::string& url) {
  const auto key = options.key.empty() ? std::string("${env:SALLYPORT_KEY}") : options.key;
  const nlohmann::ordered_json server{{"url", url}, {"headers", {{"Authorization", "Bearer " + key}}}};
  return nlohmann::ordered_json{{"mcpServers", {{options.name, server}}}}.dump(2) + "\n";
}

std::string inspector(const ConnectOptions& options, const std::string& url) {
  const auto header = options.key.empty() ? std::string("\"Authorization: Bearer $SALLYPORT_KEY\"")
                                          : fmt::format("'Authorization: Bearer {}'", options.key);
  return fmt::format(
      "npx -y @modelcontextprotocol/inspector --cli {} --transport http --method tools/list --header {}\n",
      url, header);
}

int connect(Invocation& invocation, const ConnectOptions& options) {
  // These become part of a command line that is pasted into a shell.
  if (!all_of(options.key, "_-") || !all_of(options.name, "_-") || !all_of(options.endpoint, "-")) {
    invocation.err << "sallyport: --key, --name and --server hold letters, digits, _ and - only\n";
    return kWrongUse;
  }
  const auto url = base_url(invocation) + "/mcp" + (options.endpoint.empty() ? "" : "/" + options.endpoint);
  std::string text;
  if (options.client == "claude-code") text = claude_code(options, url);
  if (options.client == "codex") text = codex(options, url);
  if (options.client == "cursor") text = cursor(options, url);
  if (options.client == "inspector") text = inspector(options, url);
  if (invocation.json()) {
    invocation.print({{"client", options.client}, {"url", url}, {"text", text}});
    return kDone;
  }
  invocation.out << printable_lines(text);
  if (options.key.empty()) {
    invocation.err
        << "with the key in SALLYPORT_KEY: export SALLYPORT_KEY=$(sallyport key create --agent NAME)\n";
  }
  return kDone;
}

}  // namespace

void add_connect(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("connect", "Show how to point a client at this server");
  auto options = std::make_shared<ConnectOptions>();
  command->add_option("CLIENT", options->client, "claude-code, codex, cursor or inspector")
      ->required()
      ->check(CLI::IsMember({"claude-code", "codex", "cursor", "inspector"}));
  command->add_option("--key", options->key,
                      "API key to write into it (default: the variable SALLYPORT_KEY)");
  command->add_option("--server", options->endpoint, "Virtual server (default: all that the key may use)");
  command->add_option("--name", options->name, "What the client calls it")->capture_default_str();
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return connect(invocation, *options); };
  });
}

}  // namespace sallyport::cli
