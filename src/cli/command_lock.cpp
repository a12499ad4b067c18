/// sallyport lock: which tools an endpoint exports, with the versions of their definitions, as a file that a
/// team keeps beside its code.

#include <iostream>
#include <map>
#include <sstream>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "invocation.hpp"
#include "sallyport/cli/program.hpp"
#include "sallyport/cli/terminal.hpp"
#include "sallyport/core/files.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::cli {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kOf = "# tools of ";
constexpr std::string_view kAlgorithm = "sha256:";

struct LockOptions {
  std::string file = "mcp.lock", virtual_server;
  bool check = false;
};

/// Exported name -> "sha256:HASH server/tool".
using Lock = std::map<std::string, std::string>;

struct LockFile {
  std::string endpoint;  ///< "/mcp" or "/mcp/NAME"; empty: the file does not say
  Lock lock;
};

std::string endpoint_of(const std::string& virtual_server) {
  return virtual_server.empty() ? "/mcp" : "/mcp/" + virtual_server;
}

std::string text_of(const LockFile& file) {
  std::string out = fmt::format("{}{}, written by `sallyport lock`; `sallyport lock --check` compares\n", kOf,
                                file.endpoint);
  for (const auto& [name, version] : file.lock) out += fmt::format("{} {}\n", name, version);
  return out;
}

Failure unreadable(const std::string& file, std::size_t line, std::string_view what) {
  return client_error(Code::bad_request, fmt::format("{}:{}: {}; write it anew with `sallyport lock {}`",
                                                     file, line, what, file));
}

Result<LockFile> read(const std::string& file) {
  auto text = read_whole_file(file, limits::kLockFile);
  if (!text && text.error().code == Code::too_large) return unreadable(file, 1, "is longer than 16 MiB");
  if (!text) {
    return client_error(Code::not_found,
                        fmt::format("cannot read {}; `sallyport lock {}` writes it", file, file));
  }
  LockFile out;
  std::istringstream lines(*text);
  std::string line;
  for (std::size_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.starts_with(kOf)) {
      const auto from = line.substr(kOf.size());
      out.endpoint = from.substr(0, from.find(','));
    }
    if (line.empty() || line.starts_with('#')) continue;
    const auto space = line.find(' ');
    const auto version = space == std::string::npos ? std::string() : line.substr(space + 1);
    if (space == 0 || !version.starts_with(kAlgorithm) || version.find(' ') == std::string::npos)
      return unreadable(file, number, "is no line of a lock (NAME sha256:HASH SERVER/TOOL)");
    if (!out.lock.emplace(line.substr(0, space), version).second)
      return unreadable(file, number, "names a tool that an earlier line names");
  }
  return out;
}

Result<LockFile> running(Invocation& invocation, const std::string& virtual_server) {
  auto arguments = Json::object();
  if (!virtual_server.empty()) arguments["virtual_server"] = virtual_server;
  const auto result = invocation.run("export.list", arguments);
  if (!result) return std::unexpected(result.error());
  LockFile out{.endpoint = endpoint_of(virtual_server), .lock = {}};
  for (const auto& row : result->at("tools")) {
    out.lock[row.value("name", "")] =
        fmt::format("{}{} {}", kAlgorithm, row.value("hash", ""), row.value("tool", ""));
  }
  return out;
}

Result<void> write(const std::string& file, const std::string& text) {
  return write_whole_file(file, 0666, [&](int fd) { return write_all(fd, text, file); });
}

int check(Invocation& invocation, const LockOptions& options) {
  const auto wanted = read(options.file);
  if (!wanted) return invocation.failed(wanted.error());
  auto virtual_server = options.virtual_server;
  constexpr std::string_view kVirtual = "/mcp/";
  if (virtual_server.empty() && wanted->endpoint.starts_with(kVirtual))
    virtual_server = wanted->endpoint.substr(kVirtual.size());
  const auto now = running(invocation, virtual_server);
  if (!now) return invocation.failed(now.error());

  auto added = Json::array(), removed = Json::array(), changed = Json::array();
  std::string lines;
  for (const auto& [name, version] : wanted->lock) {
    const auto it = now->lock.find(name);
    if (it == now->lock.end()) {
      removed.push_back({{"name", name}, {"version", version}});
      lines += fmt::format("- {} {}\n", name, version);
    } else if (it->second != version) {
      changed.push_back({{"name", name}, {"before", version}, {"after", it->second}});
      lines += fmt::format("- {} {}\n+ {} {}\n", name, version, name, it->second);
    }
  }
  for (const auto& [name, version] : now->lock) {
    if (wanted->lock.contains(name)) continue;
    added.push_back({{"name", name}, {"version", version}});
    lines += fmt::format("+ {} {}\n", name, version);
  }
  const bool same = lines.empty();
  if (invocation.json()) {
    invocation.print({{"same", same},
                      {"endpoint", now->endpoint},
                      {"added", added},
                      {"removed", removed},
                      {"changed", changed}});
  } else if (same) {
    invocation.out << fmt::format("{} exports what {} says: {} tools\n", printable(now->endpoint),
                                  printable(options.file), now->lock.size());
  } else {
    invocation.out << printable_lines(lines);
    invocation.err << fmt::format(
        "sallyport: {} does not export what {} says; if that is wanted, write it anew with `sallyport lock "
        "{}{}`\n",
        printable(now->endpoint), printable(options.file), printable(options.file),
        virtual_server.empty() ? "" : " --virtual-server " + printable(virtual_server));
  }
  return same ? kDone : kFailed;
}

int lock(Invocation& invocation, const LockOptions& options) {
  if (options.check) return check(invocation, options);
  const auto now = running(invocation, options.virtual_server);
  if (!now) return invocation.failed(now.error());
  const std::string text = text_of(*now);
  if (options.file == "-") {
    invocation.out << text;
    return kDone;
  }
  if (const auto written = write(options.file, text); !written) return invocation.failed(written.error());
  if (invocation.json()) {
    invocation.print({{"file", options.file}, {"endpoint", now->endpoint}, {"tools", now->lock.size()}});
  } else {
    invocation.out << fmt::format("wrote {}: {} tools of {}\n", printable(options.file), now->lock.size(),
                                  printable(now->endpoint));
  }
  return kDone;
}

}  // namespace

void add_lock(CLI::App& app, Invocation& invocation) {
  auto* command = app.add_subcommand(
      "lock", "Write which tools are exported, in which version; or check that they still are");
  auto options = std::make_shared<LockOptions>();
  command->add_option("FILE", options->file, "The lock; - is standard output")->capture_default_str();
  command->add_flag("--check", options->check, "Compare, and exit with 1 where something differs");
  command->add_option("--virtual-server", options->virtual_server,
                      "Of /mcp/NAME (default: of /mcp; with --check: of what the file says)");
  command->callback([&invocation, options] {
    invocation.action = [&invocation, options] { return lock(invocation, *options); };
  });
}

}  // namespace sallyport::cli
