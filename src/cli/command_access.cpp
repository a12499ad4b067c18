/// sallyport key create | list | revoke, sallyport agent list, sallyport team list.

#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/clock.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

struct KeyOptions {
  std::string agent, note, expires;
  bool admin = false;
};

std::string time_of(const Json& row, const char* key) {
  const auto it = row.find(key);
  return it != row.end() && it->is_number_integer() ? time_text(it->get<std::int64_t>()) : std::string();
}

std::string joined(const Json& list) {
  std::vector<std::string> words;
  for (const auto& item : list) words.push_back(item.is_string() ? item.get<std::string>() : "");
  return fmt::format("{}", fmt::join(words, ", "));
}

int create(Invocation& invocation, const KeyOptions& options) {
  Json arguments{{"agent", options.agent}, {"note", options.note}, {"admin", options.admin}};
  if (!options.expires.empty()) {
    const auto life = parse_duration(options.expires);
    if (!life || life->count() == 0) {
      invocation.err << "sallyport: --expires takes a time from now, like 12h or 30d\n";
      return kWrongUse;
    }
    arguments["expires"] = unix_millis(system_clock().now()) + life->count();
  }
  const auto result = invocation.run("key.create", arguments, Backend::Wants::created);
  if (!result) return invocation.failed(result.error());
  invocation.must_be_written(fmt::format(
      "the key was made all the same, and nobody has it: revoke it with `sallyport key revoke {}`",
      printable(result->value("id", ""))));
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  // The key alone on standard output, so that KEY=$(sallyport key create ...) works.
  invocation.out << result->value("key", "") << '\n';
  invocation.err << fmt::format("This key of agent {} (id {}) is shown only now.\n",
                                printable(result->value("agent", "")), printable(result->value("id", "")));
  return kDone;
}

int revoke(Invocation& invocation, const std::string& id) {
  const auto result = invocation.run("key.revoke", {{"id", id}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
  } else {
    invocation.out << "revoked " << printable(result->value("revoked", "")) << '\n';
  }
  return kDone;
}

int show_agents(Invocation& invocation) {
  const auto result = invocation.run("agent.list", Json::object());
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(result->at("agents"));
    return kDone;
  }
  Table table({"NAME", "STATE", "KEYS", "TEAMS", "DESCRIPTION"});
  for (const auto& row : result->at("agents")) {
    table.add({row.value("name", ""), row.value("disabled", false) ? "disabled" : "active",
               std::to_string(row.value("keys", 0)), joined(row.value("teams", Json::array())),
               row.value("description", "")});
  }
  if (table.empty()) {
    invocation.err << "there are no agents yet; `sallyport key create --agent NAME` makes one with its key\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

int show_teams(Invocation& invocation) {
  const auto result = invocation.run("team.list", Json::object());
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(result->at("teams"));
    return kDone;
  }
  Table table({"NAME", "MEMBERS"});
  for (const auto& row : result->at("teams"))
    table.add({row.value("name", ""), joined(row.value("members", Json::array()))});
  if (table.empty()) {
    invocation.err << "there are no teams yet; `sallyport apply -f FILE` adds documents\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

}  // namespace

int show_keys(Invocation& invocation, const std::string& agent) {
  const auto result = invocation.run("key.list", {{"agent", agent}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(result->at("keys"));
    return kDone;
  }
  Table table({"ID", "AGENT", "OPENS", "STATE", "CREATED", "EXPIRES", "NOTE"});
  for (const auto& row : result->at("keys")) {
    table.add({row.value("id", ""), row.value("agent", ""), row.value("admin", false) ? "admin" : "gateway",
               row.value("state", ""), time_of(row, "created"), time_of(row, "expires"),
               row.value("note", "")});
  }
  if (table.empty()) {
    invocation.err << "there are no keys yet; `sallyport key create --agent NAME` makes one\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

void add_access(CLI::App& app, Invocation& invocation) {
  auto* key = app.add_subcommand("key", "API keys of agents");
  key->require_subcommand(1);

  auto* command = key->add_subcommand("create", "Make a key; its text is shown once");
  auto options = std::make_shared<KeyOptions>();
  command->add_option("--agent", options->agent, "Whose key; the agent is made where it does not exist")
      ->required();
  command->add_option("--note", options->note, "For people");
  command->add_option("--expires", options->expires, "Time from now: 12h, 30d");
  command->add_flag("--admin", options->admin, "The key opens the admin API instead of the gateway");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return create(invocation, *options); };
  });

  auto* list = key->add_subcommand("list", "Show keys without their text");
  auto agent = std::make_shared<std::string>();
  list->add_option("--agent", *agent, "Of this agent only");
  list->callback([&invocation, agent] {
    invocation.action = [&invocation, agent] { return show_keys(invocation, *agent); };
  });

  auto* revoking = key->add_subcommand("revoke", "Revoke a key from the next request on");
  auto id = std::make_shared<std::string>();
  revoking->add_option("ID", *id, "Its id, or the key itself")->required();
  revoking->callback(
      [&invocation, id] { invocation.action = [&invocation, id] { return revoke(invocation, *id); }; });

  const auto listing = [&](const char* word, const char* what, int (*show)(Invocation&)) {
    auto* sub = app.add_subcommand(word, what);
    sub->require_subcommand(1);
    sub->add_subcommand("list", what)->callback([&invocation, show] {
      invocation.action = [&invocation, show] { return show(invocation); };
    });
  };
  listing("agent", "Show agents", show_agents);
  listing("team", "Show teams", show_teams);
}

}  // namespace sallyport::cli
