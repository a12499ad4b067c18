#include "sallyport/cli/program.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/terminal.hpp"

namespace sallyport::cli {
namespace {

void add_version(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("version", "Show the program's version");
  command->callback([&invocation] {
    invocation.action = [&invocation] {
      if (invocation.json()) {
        invocation.print({{"version", SALLYPORT_VERSION}});
      } else {
        invocation.out << "sallyport " << SALLYPORT_VERSION << '\n';
      }
      return kDone;
    };
  });
}

int parse(CLI::App& app, std::vector<std::string> arguments, Invocation& invocation) {
  try {
    std::ranges::reverse(arguments);  // as CLI11 takes them
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& e) {
    return app.exit(e, invocation.out, invocation.err) == 0 ? kDone : kWrongUse;
  }
  return -1;
}

/// A script must not take for done what nobody got to read.
int written(Invocation& invocation, int code) {
  errno = 0;
  const bool before = !invocation.out;
  if (invocation.out.flush()) return code;
  if (before) {  // a stream keeps no reason, but a further write has the same
    invocation.out.clear();
    invocation.out.put('\n').flush();
  }
  const int reason = errno;
  // A reader that has enough, such as `head`, closes the pipe: no reason to complain to whoever put it there,
  // unless something is to be taken back.
  if (reason != EPIPE || !invocation.if_unwritten.empty()) {
    invocation.err << "sallyport: the result could not be written to standard output"
                   << (reason != 0 ? fmt::format(": {}", std::strerror(reason)) : std::string())
                   << (invocation.if_unwritten.empty() ? "" : "; ") << invocation.if_unwritten << '\n';
  }
  return code == kDone ? int{kFailed} : code;
}

}  // namespace

Result<nlohmann::json> Invocation::run(const std::string& operation, const nlohmann::json& arguments,
                                       Backend::Wants wants) {
  if (!backend_) {
    auto opened = Backend::open(settings.data, wants, settings.environment);
    if (!opened) return std::unexpected(std::move(opened.error()));
    backend_ = std::move(*opened);
  }
  return backend_->run(operation, arguments);
}

int Invocation::failed(const Error& error) {
  err << "sallyport: " << printable_lines(error.hint.empty() ? error.what : error.hint) << '\n';
  return kFailed;
}

void Invocation::must_be_written(std::string otherwise) {
  if_unwritten = std::move(otherwise);
  std::signal(SIGPIPE, SIG_IGN);  // a reader that is gone would end us before that is said
}

void Invocation::print(const nlohmann::json& json) {
  out << json.dump(2, ' ', true, nlohmann::json::error_handler_t::replace) << '\n';
}

int run(const std::vector<std::string>& arguments, std::istream& in, std::ostream& out, std::ostream& err,
        const Environment& environment) {
  std::signal(SIGXFSZ, SIG_IGN);  // a write over RLIMIT_FSIZE fails like one to a full disk
  Invocation invocation(in, out, err);
  CLI::App app{"Sallyport: one guarded entry between agents and what they reach", "sallyport"};
  app.set_help_all_flag("--help-all", "Show the help of every command");
  app.fallthrough();  // before the subcommands, which inherit it: --data and -o may stand behind them
  app.require_subcommand(1);
  std::string config, data;
  app.add_option("--config", config,
                 "Settings file (default: SALLYPORT_CONFIG, else ./sallyport.yaml if it exists)");
  auto* data_option = app.add_option("--data", data, "Data directory (default ./sallyport-data)");
  app.add_option("-o,--output", invocation.output, "table, json or yaml")
      ->check(CLI::IsMember({"table", "json", "yaml"}))
      ->capture_default_str();

  add_serve(app, invocation);
  add_apply(app, invocation);
  add_get(app, invocation);
  add_server(app, invocation);
  add_tool(app, invocation);
  add_lock(app, invocation);
  add_access(app, invocation);
  add_user(app, invocation);
  add_token(app, invocation);
  add_why(app, invocation);
  add_audit(app, invocation);
  add_connect(app, invocation);
  add_doctor(app, invocation);
  add_upkeep(app, invocation);
  add_version(app, invocation);

  // A command behind "--" belongs to another program; nothing of it is ours to interpret.
  const auto dashes = std::ranges::find(arguments, "--");
  if (dashes != arguments.end()) invocation.command.assign(dashes + 1, arguments.end());
  if (const int code = parse(app, {arguments.begin(), dashes}, invocation); code >= 0)
    return written(invocation, code);
  const auto* server = app.get_subcommand("server");
  if (dashes != arguments.end() && !(server->parsed() && server->get_subcommand("add")->parsed())) {
    err << "sallyport: only `server add NAME -- COMMAND` takes something behind --\n";
    return kWrongUse;
  }

  if (data_option->count() > 0) invocation.flags.emplace_back("data", std::vector{data});
  auto settings = load_settings(config, environment, invocation.flags);
  if (!settings) return invocation.failed(settings.error());
  invocation.settings = std::move(*settings);
  try {
    return written(invocation, invocation.action());
  } catch (const std::exception& e) {
    // Only of what a server answered or a file system did unexpectedly; operations themselves do not throw.
    return invocation.failed(Error{.code = Code::internal, .what = e.what()});
  }
}

int run(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
  return run(arguments, std::cin, std::cout, std::cerr, [](const char* name) { return std::getenv(name); });
}

}  // namespace sallyport::cli
