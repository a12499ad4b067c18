/// sallyport serve: starts, says so in one line, waits for a signal, stops.

#include <cerrno>
#include <csignal>
#include <iostream>

#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/admin/log.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/serve.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/net/descriptor_limit.hpp"

namespace sallyport::cli {
namespace {

int signal_event = -1;  // the one thing that a signal handler may touch: an eventfd

extern "C" void on_signal(int) {
  const int saved = errno;
  const std::uint64_t one = 1;
  if (signal_event >= 0 && ::write(signal_event, &one, sizeof one) < 0) ::_exit(kFailed);
  errno = saved;
}

extern "C" void on_second_signal(int) { ::_exit(kFailed); }

/// Handlers, not a blocked mask: children inherit a mask, but not handlers.
void handle(void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) {
    // Whoever starts us with nohup(1) wants us to outlive the terminal.
    struct sigaction inherited{};
    const bool ignored = ::sigaction(number, nullptr, &inherited) == 0 && inherited.sa_handler == SIG_IGN;
    if (number != SIGHUP || !ignored) ::sigaction(number, &action, nullptr);
  }
}

void wait_for_signal() {
  std::uint64_t count = 0;
  while (::read(signal_event, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

int serve(Invocation& invocation) {
  signal_event = ::eventfd(0, EFD_CLOEXEC);
  if (signal_event < 0) {
    invocation.err << "sallyport: no descriptor is left\n";
    return kFailed;
  }
  handle(on_signal);
  std::signal(SIGPIPE, SIG_IGN);
  const auto& log = invocation.settings.log;
  if (const auto ok = admin::start_logging({.json = log.json, .level = log.level, .access = log.access});
      !ok) {
    return invocation.failed(ok.error());
  }
  net::raise_descriptor_limit();
  auto server = Server::start(invocation.settings);
  if (!server) return invocation.failed(server.error());
  invocation.out << fmt::format("sallyport ready  public={}  admin={}  data={}\n", (*server)->public_url(),
                                (*server)->admin_url(), printable(invocation.settings.data))
                 << std::flush;
  invocation.out.clear();  // who waited for the line may be gone; the server serves all the same
  wait_for_signal();
  handle(on_second_signal);  // whoever asks twice does not want to wait
  const auto stopped = (*server)->stop();
  if (!stopped) return invocation.failed(stopped.error());
  return kDone;
}

}  // namespace

void add_serve(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand("serve", "Run the server until SIGTERM, SIGINT or SIGHUP");
  auto values = std::make_shared<std::vector<std::pair<const Setting*, std::vector<std::string>>>>();
  values->reserve(all_settings().size());
  for (const auto& setting : all_settings()) {
    if (std::string_view(setting.path) == "data") continue;  // every command has that one
    auto& value = values->emplace_back(&setting, std::vector<std::string>{});
    auto* option = command->add_option(setting.flag, value.second, setting.what);
    if (!setting.list) option->expected(1);
    if (std::string_view(setting.path) == "log.access") option->expected(0, 1)->default_str("true");
  }
  command->callback([&invocation, values] {
    for (const auto& [setting, given] : *values) {
      if (!given.empty()) invocation.flags.emplace_back(setting->path, given);
    }
    invocation.action = [&invocation] { return serve(invocation); };
  });
}

}  // namespace sallyport::cli
