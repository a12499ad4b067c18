/// sallyport backup, sallyport vault rotate, sallyport status.

#include <filesystem>
#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"

namespace sallyport::cli {
namespace {

int backup(Invocation& invocation, const std::string& directory, bool with_key) {
  std::error_code problem;
  // The server has another working directory than we.
  const auto absolute = std::filesystem::absolute(directory, problem).string();
  const auto result = invocation.run("backup", {{"directory", absolute}, {"with_master_key", with_key}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  invocation.out << fmt::format("wrote {}:", printable(absolute));
  for (const auto& file : result->at("files")) invocation.out << ' ' << printable(file.get<std::string>());
  invocation.out << '\n';
  invocation.err
      << (with_key ? "it holds the key to every secret in it: keep it as such\n"
                   : "the master key is not in it, keep it elsewhere; README.txt says how to restore\n");
  return kDone;
}

int rotate(Invocation& invocation, const std::string& what, const std::string& ring) {
  const auto result = invocation.run("vault.rotate", {{"what", what}, {"ring", ring}});
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
  } else if (what == "master") {
    invocation.out << "made a new master key and resealed the vault under it\n";
    invocation.err << "copies of the old key, in backups too, open only what was sealed before\n";
  } else {
    invocation.out << fmt::format("made a new key in the ring {}; in force {}\n", printable(ring),
                                  printable(result->value("in_force", "")));
  }
  return kDone;
}

int status(Invocation& invocation) {
  const auto result = invocation.run("status", nlohmann::json::object());
  if (!result) return invocation.failed(result.error());
  if (invocation.json()) {
    invocation.print(*result);
    return kDone;
  }
  const bool running = result->value("running", false);
  invocation.out << fmt::format("{}  version {}  generation {}  data {}\n",
                                running ? "running" : "not running", printable(result->value("version", "")),
                                result->value("generation", 0), printable(result->value("data", "")));
  for (const auto& [kind, count] : result->value("documents", nlohmann::json::object()).items()) {
    invocation.out << fmt::format("{:<14} {}\n", kind, count.dump());
  }
  const auto server = result->value("server", nlohmann::json::object());
  for (const char* key : {"environment", "public_url", "admin_url", "not_ready"}) {
    const auto value = server.value(key, "");
    if (!value.empty()) invocation.out << fmt::format("{:<14} {}\n", key, printable(value));
  }
  for (const auto& issuer : server.value("issuers", nlohmann::json::array())) {
    const auto problem = issuer.value("problem", "");
    invocation.out << fmt::format("{:<14} {}: {} keys{}\n", "issuer", printable(issuer.value("name", "")),
                                  issuer.value("keys", 0), problem.empty() ? "" : ", " + printable(problem));
  }
  return kDone;
}

}  // namespace

void add_upkeep(CLI::App& app, Invocation& invocation) {
  auto* backing =
      app.add_subcommand("backup", "Copy the registry into a new folder, with what restoring it takes");
  auto directory = std::make_shared<std::string>();
  auto with_key = std::make_shared<bool>(false);
  backing->add_option("FOLDER", *directory, "New or empty folder")->required();
  backing->add_flag("--with-master-key", *with_key, "Also the key that opens the vault");
  backing->callback([&invocation, directory, with_key] {
    invocation.action = [&invocation, directory, with_key] {
      return backup(invocation, *directory, *with_key);
    };
  });

  auto* vault = app.add_subcommand("vault", "Keys of the vault");
  vault->require_subcommand(1);
  auto* rotating = vault->add_subcommand("rotate", "Make a new key");
  auto what = std::make_shared<std::string>("master");
  auto ring = std::make_shared<std::string>("sealed-ids");
  rotating->add_option("WHAT", *what, "master: the vault's own; ring: that of session ids and cursors")
      ->check(CLI::IsMember({"master", "ring"}))
      ->capture_default_str();
  rotating->add_option("--ring", *ring, "Which ring")->capture_default_str();
  rotating->callback([&invocation, what, ring] {
    invocation.action = [&invocation, what, ring] { return rotate(invocation, *what, *ring); };
  });

  auto* state = app.add_subcommand("status", "Show what runs on the data directory and what is in it");
  state->callback([&invocation] { invocation.action = [&invocation] { return status(invocation); }; });
}

}  // namespace sallyport::cli
