/// sallyport tool list | diff | approve | reject.

#include <algorithm>
#include <iostream>
#include <set>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/admin/recorded_calls.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/store/definition_hash.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

struct DecideOptions {
  std::vector<std::string> tools;
  std::string server, sort = "tool";
  bool all = false;
};

std::string short_hash(const Json& row, const char* key) {
  return row.value(key, std::string()).substr(0, limits::kShownDigits);
}

std::string canonical(const Json& row) {
  return row.value("server", std::string()) + "/" + row.value("name", std::string());
}

/// Why a row is as it is, in a few words.
std::string remark(const Json& row) {
  const auto state = row.value("state", std::string());
  const auto by = row.value("decided_by", std::string());
  if (state == "approved") return by == "first contact" || by == "trust: follow" ? by : "approved by " + by;
  if (state == "rejected") return "rejected by " + row.value("rejected_by", std::string());
  if (state == "gone") return "not offered now";
  const auto approved = short_hash(row, "approved");
  std::string out = approved.empty() ? "new" : "changed from " + approved;
  const auto& suspicions = row.at("suspicions");
  if (!suspicions.empty()) out += "; " + suspicions.front().get<std::string>();
  if (suspicions.size() > 1) out += fmt::format(" (and {} more)", suspicions.size() - 1);
  return out;
}

int list(Invocation& invocation, const std::string& server) {
  auto arguments = Json::object();
  if (!server.empty()) arguments["server"] = server;
  const auto result = invocation.run("tool.list", arguments);
  if (!result) return invocation.failed(result.error());
  const auto& rows = result->at("tools");
  if (invocation.json()) {
    invocation.print(rows);
    return kDone;
  }
  Table table({"TOOL", "SORT", "STATE", "HASH", "CHANGED", "REMARK"});
  for (const auto& row : rows) {
    table.add({canonical(row), row.value("sort", ""), row.value("state", ""), short_hash(row, "hash"),
               time_text(row.value("changed", std::int64_t{0})), remark(row)});
  }
  if (table.empty()) {
    invocation.err << "nothing is known yet: no server was reached\n";
  } else {
    invocation.out << table.text();
  }
  return kDone;
}

/// What an endpoint costs a model before anything is called, and what of it is used.
int list_exports(Invocation& invocation, const std::string& virtual_server) {
  auto result = invocation.run("export.list", {{"virtual_server", virtual_server}});
  if (!result) return invocation.failed(result.error());
  auto& rows = result->at("tools");
  std::set<std::string> tools;
  for (const auto& row : rows) tools.insert(row.value("tool", ""));
  const auto called = admin::last_calls(invocation.settings.data, "/mcp/" + virtual_server, tools);
  if (!called) return invocation.failed(called.error());
  std::uint64_t total = 0;
  Table table({"TOOL", "OF", "HASH", "TOKENS", "LAST CALLED"});
  for (auto& row : rows) {
    // About four bytes of JSON make one token; models differ, and so does how clients pass it on.
    const auto tokens = (row.value("bytes", std::uint64_t{0}) + 3) / 4;
    total += tokens;
    row["tokens"] = tokens;
    const auto last = called->at.find(row.value("tool", ""));
    row["last_called"] = last == called->at.end() ? Json(nullptr) : Json(last->second);
    table.add({row.value("name", ""), row.value("tool", ""), short_hash(row, "hash"), grouped(tokens),
               last != called->at.end() ? time_text(last->second)
               : called->whole          ? "never"
                                        : "not lately"});
  }
  if (invocation.json()) {
    (*result)["tokens"] = total;
    invocation.print(*result);
    return kDone;
  }
  if (!table.empty()) invocation.out << table.text();
  invocation.out << fmt::format("{} tools, about {} tokens of context\n", rows.size(), grouped(total));
  return kDone;
}

void print_field(Invocation& invocation, const Json& field) {
  const auto path = field.value("path", std::string());
  invocation.out << "  " << printable(path.empty() ? "/" : path) << '\n';
  if (const auto& before = field.at("before"); before.is_string())
    invocation.out << "    - " << printable(before.get<std::string>()) << '\n';
  if (const auto& after = field.at("after"); after.is_string())
    invocation.out << "    + " << printable(after.get<std::string>()) << '\n';
}

/// What the calls in the journal say about another input schema, into `row`. It is read here and not by the
/// server, which has calls to serve.
Result<void> add_recorded(const Invocation& invocation, const std::string& tool, Json& row) {
  const auto input = row.find("input");
  if (input == row.end() || input->at("before") == input->at("after")) return {};
  const auto fit =
      admin::check_recorded_calls(invocation.settings.data, tool, input->at("before").get<std::string>(),
                                  input->at("after").get<std::string>());
  if (!fit) return std::unexpected(fit.error());
  row["recorded"] = {{"calls", fit->calls},
                     {"failing", fit->failing},
                     {"undetermined", fit->undetermined},
                     {"uncaptured", fit->uncaptured},
                     {"example", fit->example}};
  return {};
}

void print_recorded(Invocation& invocation, const Json& recorded) {
  const auto number = [&](const char* key) { return recorded.value(key, std::uint64_t{0}); };
  if (number("calls") == 0) {
    invocation.out << fmt::format(
        "recorded calls: none has its arguments ({} without); `capture: full` on the server keeps them\n",
        grouped(number("uncaptured")));
    return;
  }
  invocation.out << fmt::format("{} of {} recorded calls would now fail", grouped(number("failing")),
                                grouped(number("calls")));
  if (const auto open = number("undetermined"); open > 0)
    invocation.out << fmt::format("; of {} nobody can tell", grouped(open));
  if (const auto without = number("uncaptured"); without > 0)
    invocation.out << fmt::format("; of {} the arguments were not kept", grouped(without));
  if (const auto example = recorded.value("example", std::string()); !example.empty())
    invocation.out << "; such as " << printable(example);
  invocation.out << '\n';
}

int diff(Invocation& invocation, const std::string& tool, const std::string& sort) {
  auto result = invocation.run("tool.diff", {{"tool", tool}, {"sort", sort}});
  if (!result) return invocation.failed(result.error());
  if (const auto added = add_recorded(invocation, tool, *result); !added)
    return invocation.failed(added.error());
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  const Json& row = *result;
  const auto state = row.value("state", std::string());
  const auto or_none = [](const std::string& hash) { return hash.empty() ? std::string("none") : hash; };
  invocation.out << fmt::format("{} {}  {}  approved {}  offered {}\n", row.value("sort", ""),
                                printable(canonical(row)), state, or_none(short_hash(row, "approved")),
                                or_none(short_hash(row, "hash")));
  for (const auto& field : row.at("fields")) print_field(invocation, field);
  if (row.at("fields").empty()) invocation.out << "  nothing differs\n";
  if (const auto schema = row.find("schema"); schema != row.end()) {
    invocation.out << "for those who call it: " << schema->value("change", "") << '\n';
    for (const auto& reason : schema->at("reasons"))
      invocation.out << "  " << printable(reason.get<std::string>()) << '\n';
  }
  if (const auto recorded = row.find("recorded"); recorded != row.end())
    print_recorded(invocation, *recorded);
  for (const auto& suspicion : row.at("suspicions"))
    invocation.out << "suspicious: " << printable(suspicion.get<std::string>()) << '\n';
  if (state == "waiting") {
    invocation.err << fmt::format("serve it: sallyport tool approve {}{}@{}\n",
                                  sort == "tool" ? "" : "--sort " + sort + " ", printable(tool),
                                  row.value("hash", std::string()).substr(0, limits::kPinDigits));
  }
  return kDone;
}

struct Named {
  std::string tool, hash;
};

/// "SERVER/NAME@HASH", or without a hash; a name may have an @ of its own.
Named named(const std::string& text) {
  const auto at = text.rfind('@');
  if (at == std::string::npos) return {.tool = text, .hash = {}};
  const auto hash = text.substr(at + 1);
  return store::names_version(hash) ? Named{.tool = text.substr(0, at), .hash = hash}
                                    : Named{.tool = text, .hash = {}};
}

/// The version that a tool has now, or "".
std::string offered(const Json& rows, const std::string& tool, const std::string& sort) {
  for (const auto& row : rows) {
    if (canonical(row) == tool && row.value("sort", "") == sort) return row.value("hash", "");
  }
  return {};
}

int decide(Invocation& invocation, const DecideOptions& options, bool approve) {
  const char* word = approve ? "approve" : "reject";
  if (options.all == options.server.empty() || options.all != options.tools.empty()) {
    invocation.err << fmt::format(
        "sallyport: say `tool {0} SERVER/NAME@HASH ...` or `tool {0} --server SERVER --all`\n", word);
    return kWrongUse;
  }
  auto filter = Json::object();
  if (options.all) filter["server"] = options.server;
  const auto known = invocation.run("tool.list", filter);
  if (!known) return invocation.failed(known.error());
  const auto& rows = known->at("tools");
  auto tools = Json::array();
  for (const auto& row : rows) {
    if (options.all && row.value("state", "") == "waiting") {
      tools.push_back(
          {{"tool", canonical(row)}, {"sort", row.value("sort", "")}, {"hash", row.value("hash", "")}});
    }
  }
  for (const auto& text : options.tools) {
    auto [tool, hash] = named(text);
    if (hash.empty()) hash = offered(rows, tool, options.sort);
    if (hash.empty()) {
      const auto plain = tool.substr(0, tool.rfind('@'));
      const bool is_short = plain != tool && !offered(rows, plain, options.sort).empty();
      return invocation.failed(
          (is_short ? client_error(Code::bad_request,
                                   fmt::format("{} names no version: that takes {} digits of its hash, as "
                                               "`sallyport tool diff {}` prints them",
                                               tool, limits::kPinDigits, plain))
                    : client_error(
                          Code::not_found,
                          fmt::format("no server offers {} {} now; `sallyport tool list` shows what is known",
                                      options.sort, tool)))
              .error());
    }
    tools.push_back({{"tool", tool}, {"sort", options.sort}, {"hash", hash}});
  }
  if (tools.empty()) {
    if (invocation.json()) {
      invocation.print({{approve ? "approved" : "rejected", Json::array()}});
    } else {
      invocation.err << fmt::format("nothing of {} waits\n", printable(options.server));
    }
    return kDone;
  }
  const auto result = invocation.run(approve ? "tool.approve" : "tool.reject", {{"tools", tools}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  const char* done = approve ? "approved" : "rejected";
  for (const auto& row : result->at(done)) {
    invocation.out << fmt::format("{} {} {} {}\n", done, row.value("sort", ""), printable(canonical(row)),
                                  short_hash(row, "hash"));
  }
  return kDone;
}

}  // namespace

void add_tool(CLI::App& app, Invocation& invocation) {
  auto* tool = app.add_subcommand("tool", "Definitions that servers offer: what is served, what waits");
  tool->require_subcommand(1);

  auto* listing = tool->add_subcommand("list", "Show definitions with their state");
  auto server = std::make_shared<std::string>();
  auto virtual_server = std::make_shared<std::string>();
  auto* of_server = listing->add_option("--server", *server, "Of this server only");
  listing
      ->add_option("--virtual-server", *virtual_server,
                   "What /mcp/NAME exports, what that costs in context, and when it was last called")
      ->excludes(of_server);
  listing->callback([&invocation, server, virtual_server] {
    invocation.action = [&invocation, server, virtual_server] {
      return virtual_server->empty() ? list(invocation, *server) : list_exports(invocation, *virtual_server);
    };
  });

  const auto add_sort = [](CLI::App* command, std::string& sort) {
    command->add_option("--sort", sort, "tool, prompt or template")
        ->check(CLI::IsMember({"tool", "prompt", "template"}))
        ->capture_default_str();
  };

  auto* differing = tool->add_subcommand(
      "diff", "Show what differs between the approved definition and the one offered now");
  auto name = std::make_shared<std::string>();
  auto sort = std::make_shared<std::string>("tool");
  differing->add_option("TOOL", *name, "SERVER/NAME")->required();
  add_sort(differing, *sort);
  differing->callback([&invocation, name, sort] {
    invocation.action = [&invocation, name, sort] { return diff(invocation, *name, *sort); };
  });

  for (const bool approve : {true, false}) {
    auto* command = tool->add_subcommand(
        approve ? "approve" : "reject",
        approve ? "Serve a definition as it is now" : "Withhold a definition as it is now, for good");
    auto options = std::make_shared<DecideOptions>();
    command->add_option("TOOL", options->tools,
                        "SERVER/NAME@HASH as `tool diff` prints it; without a hash: as it is now");
    command->add_option("--server", options->server, "With --all: the server");
    command->add_flag("--all", options->all, "Everything of the server that waits");
    add_sort(command, options->sort);
    command->callback([&invocation, options, approve] {
      invocation.action = [&invocation, options, approve] { return decide(invocation, *options, approve); };
    });
  }
}

}  // namespace sallyport::cli
