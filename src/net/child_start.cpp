#include "child_start.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <system_error>
#include <vector>

#include "guard.hpp"
#include "sallyport/net/descriptor_limit.hpp"

namespace sallyport::net {
namespace {

constexpr const char* kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

std::string& guard_executable() {
  static std::string path;
  return path;
}

std::string reason(int error) { return std::generic_category().message(error); }

Failure cannot_run(const std::string& name, const std::string& why) {
  return fail(Code::upstream_unreachable, Blame::admin, "cannot run '" + name + "': " + why, true);
}

/// 0 or an errno.
int runnable(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return errno;
  if (!S_ISREG(info.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

/// As execvp(3) would find it, in the PATH that the command will have; directories that are not absolute are
/// left out.
Result<std::string> find_program(const ChildOptions& options) {
  const std::string& name = options.argv.front();
  if (name.find('/') != std::string::npos) {
    const bool relative = name[0] != '/' && !options.directory.empty();
    if (const int error = runnable(relative ? options.directory + "/" + name : name)) {
      return cannot_run(name, reason(error));
    }
    return name;
  }
  const auto variable = options.env.find("PATH");
  const std::string path = variable == options.env.end() ? kDefaultPath : variable->second;
  int worst = ENOENT;
  for (std::size_t at = 0; at <= path.size() && !name.empty();) {
    const std::size_t end = std::min(path.find(':', at), path.size());
    const std::string directory = path.substr(at, end - at);
    at = end + 1;
    if (!directory.starts_with('/')) continue;
    std::string candidate = directory + "/" + name;
    const int error = runnable(candidate);
    if (error == 0) return candidate;
    if (error == EACCES) worst = EACCES;
  }
  return cannot_run(name, reason(worst) + " in PATH=" + path);
}

struct Pipe {
  Descriptor read;
  Descriptor write;
};

/// Closed on exec; the end that the child takes stands clear of the numbers it will be copied to.
bool make_pipe(Pipe& pipe, bool child_reads) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return false;
  pipe.read = Descriptor(fds[0]);
  pipe.write = Descriptor(fds[1]);
  Descriptor& theirs = child_reads ? pipe.read : pipe.write;
  theirs = Descriptor(::fcntl(theirs.get(), F_DUPFD_CLOEXEC, guard::kReport + 1));
  return theirs.get() >= 0;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> out;
  for (std::string& s : strings) out.push_back(s.data());
  out.push_back(nullptr);
  return out;
}

bool has_nul(const std::string& s) { return s.find('\0') != std::string::npos; }

}  // namespace

void set_guard_executable(std::string path) { guard_executable() = std::move(path); }

Result<std::map<std::string, std::string>> minimal_environment(
    const std::map<std::string, std::string>& extra) {
  constexpr std::array<const char*, 7> kKept{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER"};
  constexpr std::array<std::string_view, 2> kRefusedPrefixes{"LD_", "DYLD_"};
  constexpr std::array<std::string_view, 8> kRefused{"GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH",   "NLSPATH",
                                                     "BASH_ENV",       "ENV",        "SHELLOPTS", "BASHOPTS"};
  std::map<std::string, std::string> out;
  for (const char* name : kKept) {
    if (const char* value = std::getenv(name)) out[name] = value;
  }
  if (!out.contains("PATH")) out["PATH"] = kDefaultPath;
  for (const auto& [name, value] : extra) {
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name)) {
      return client_error(Code::bad_request, "environment variable with a malformed name");
    }
    if (has_nul(value))
      return client_error(Code::bad_request, "environment variable " + name + " holds a NUL byte");
    const bool refused =
        std::ranges::find(kRefused, name) != kRefused.end() ||
        std::ranges::any_of(kRefusedPrefixes, [&](std::string_view p) { return name.starts_with(p); });
    if (refused) {
      return client_error(Code::bad_request, "environment variable " + name +
                                                 " is refused: it loads foreign code into the program");
    }
    out[name] = value;
  }
  return out;
}

Result<Started> start_guarded(const ChildOptions& options) {
  if (options.argv.empty()) return cannot_run("", "no command");
  if (std::ranges::any_of(options.argv, has_nul) || has_nul(options.directory)) {
    return cannot_run(options.argv.front(), "an argument holds a NUL byte");
  }
  auto program = find_program(options);
  if (!program) return Failure(std::move(program.error()));

  Pipe in, out, err, control, report;
  if (!make_pipe(in, true) || !make_pipe(out, false) || !make_pipe(err, false) || !make_pipe(control, true) ||
      !make_pipe(report, false)) {
    return cannot_run(options.argv.front(), "no descriptors left: " + reason(errno));
  }

  std::vector<std::string> words{"sallyport", guard::kArgument, std::to_string(descriptor_limit_before()),
                                 options.directory, std::move(*program)};
  words.insert(words.end(), options.argv.begin(), options.argv.end());
  std::vector<std::string> variables;
  for (const auto& [name, value] : options.env) variables.push_back(name + "=" + value);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> envp = pointers(variables);

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  posix_spawn_file_actions_init(&actions);
  posix_spawnattr_init(&attributes);
  const std::array<int, 5> theirs{in.read.get(), out.write.get(), err.write.get(), control.read.get(),
                                  report.write.get()};
  for (std::size_t i = 0; i < theirs.size(); ++i) {
    posix_spawn_file_actions_adddup2(&actions, theirs[i], static_cast<int>(i));
  }
  sigset_t signals;
  sigemptyset(&signals);
  posix_spawnattr_setsigmask(&attributes, &signals);
  sigfillset(&signals);
  posix_spawnattr_setsigdefault(&attributes, &signals);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  // /proc/self/exe is this very program even when its file has been replaced by an upgrade.
  const std::string& other = guard_executable();
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, other.empty() ? "/proc/self/exe" : other.c_str(), &actions,
                                  &attributes, argv.data(), envp.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return cannot_run(options.argv.front(), "its guard does not start: " + reason(error));
  return Started{.guard_pid = pid,
                 .in = std::move(in.write),
                 .out = std::move(out.read),
                 .err = std::move(err.read),
                 .control = std::move(control.write),
                 .report = std::move(report.read)};
}

}  // namespace sallyport::net
