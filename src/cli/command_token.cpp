/// sallyport token mint | list | revoke.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

struct Wanted {
  std::string agent, ttl = "10m", endpoint = "/mcp";
  std::vector<std::string> tools;
};

int mint(Invocation& invocation, const Wanted& wanted) {
  const auto life = parse_duration(wanted.ttl);
  if (!life || life->count() < 1000) {
    invocation.err << "sallyport: --ttl takes a time from now, like 10m or 2h\n";
    return kWrongUse;
  }
  Json arguments{{"agent", wanted.agent}, {"ttl", life->count() / 1000}, {"endpoint", wanted.endpoint}};
  if (!wanted.tools.empty()) arguments["tools"] = wanted.tools;
  const auto result = invocation.run("token.mint", arguments);
  if (!result) return invocation.failed(result.error());
  invocation.must_be_written(fmt::format(
      "the token was made all the same, and nobody has it: revoke it with `sallyport token revoke {}`",
      printable(result->value("id", ""))));
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  // Alone on standard output, as a key is.
  invocation.out << result->value("token", "") << '\n';
  invocation.err << fmt::format(
      "This token of agent {} (id {}) for {} is shown only now; it is good until {}.\n",
      printable(wanted.agent), printable(result->value("id", "")), printable(result->value("resource", "")),
      time_text(result->value("expires", std::int64_t{0})));
  return kDone;
}

int show(Invocation& invocation, const std::string& agent) {
  const auto result = invocation.run("token.list", {{"agent", agent}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(result->at("tokens"));
    return kDone;
  }
  Table table({"ID", "PRINCIPAL", "ACTOR", "FROM", "ENDPOINT", "TOOLS", "STATE", "EXPIRES"});
  for (const auto& row : result->at("tokens")) {
    const auto tools = row.find("tools");
    const std::string why = row.value("why", "");
    table.add({row.value("id", ""), row.value("principal", ""), row.value("actor", ""), row.value("how", ""),
               row.value("resource", ""),
               tools != row.end() && tools->is_array()
                   ? fmt::format("{}", fmt::join(tools->get<std::vector<std::string>>(), ", "))
                   : "all",
               row.value("state", "") + (why.empty() ? "" : " (" + why + ")"),
               time_text(row.value("expires", std::int64_t{0}))});
  }
  if (table.empty()) {
    invocation.err << "there are no tokens of programs; `sallyport token mint --agent NAME` makes one\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

int revoke(Invocation& invocation, const std::string& id) {
  const auto result = invocation.run("token.revoke", {{"id", id}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
  } else {
    invocation.out << "revoked " << printable(result->value("revoked", "")) << '\n';
  }
  return kDone;
}

}  // namespace

void add_token(CLI::App& app, Invocation& invocation) {
  auto* token = app.add_subcommand("token", "Short-lived tokens that programs are given");
  token->require_subcommand(1);

  auto* minting = token->add_subcommand("mint", "Make a token that may do a part of what an agent may");
  auto wanted = std::make_shared<Wanted>();
  minting->add_option("--agent", wanted->agent, "Whose token it is")->required();
  minting->add_option("--tools", wanted->tools, "Only these: patterns of SERVER/TOOL, a comma between two")
      ->delimiter(',');
  minting->add_option("--ttl", wanted->ttl, "How long it is good: 10m; at most 12h")->capture_default_str();
  minting->add_option("--endpoint", wanted->endpoint, "The only endpoint that it opens")
      ->capture_default_str();
  minting->callback([&invocation, wanted] {
    invocation.action = [&invocation, wanted] { return mint(invocation, *wanted); };
  });

  auto* listing = token->add_subcommand("list", "Show the tokens that programs were given");
  auto whose = std::make_shared<std::string>();
  listing->add_option("--agent", *whose, "Of this agent only");
  listing->callback([&invocation, whose] {
    invocation.action = [&invocation, whose] { return show(invocation, *whose); };
  });

  auto* revoking =
      token->add_subcommand("revoke", "End a token, and what was made from it, from the next request on");
  auto id = std::make_shared<std::string>();
  revoking->add_option("ID", *id, "As `sallyport token list` shows it, or the token itself")->required();
  revoking->callback(
      [&invocation, id] { invocation.action = [&invocation, id] { return revoke(invocation, *id); }; });
}

}  // namespace sallyport::cli
