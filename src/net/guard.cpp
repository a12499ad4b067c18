/// The process between us and a command. It is small and single-threaded, and outlives us when we are killed.

#include "guard.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "sallyport/core/limits.hpp"
#include "sallyport/net/child.hpp"

namespace sallyport::net {
namespace guard {

const char kArgument[] = "__child-guard";

namespace {

using Clock = std::chrono::steady_clock;

void report(Stage stage, int value) {
  const Report record{stage, value};
  // When nobody reads any more there is nobody to tell.
  while (::write(kReport, &record, sizeof record) < 0 && errno == EINTR) {
  }
}

void on_child(int) {}  // wakes ppoll

void default_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// In the forked child: becomes the command or says why not.
[[noreturn]] void become(const char* descriptors, const char* directory, const char* path, char** argv) {
  ::setpgid(0, 0);
  // Should the guard be killed, the command at least does not go on alone.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  default_signals();
  if (rlimit limit{}; const rlim_t soft = std::strtoull(descriptors, nullptr, 10)) {
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min(soft, limit.rlim_max);
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (*directory != '\0' && ::chdir(directory) != 0) {
    report(Stage::chdir, errno);
    ::_exit(127);
  }
  ::execv(path, argv);
  report(Stage::exec, errno);
  ::_exit(127);
}

/// Children of this process by the kernel's list; by a walk through /proc where it keeps none.
std::vector<pid_t> children() {
  std::vector<pid_t> out;
  const auto self = ::getpid();
  const std::string list = "/proc/self/task/" + std::to_string(self) + "/children";
  if (std::FILE* file = std::fopen(list.c_str(), "re")) {
    for (int pid = 0; std::fscanf(file, "%d", &pid) == 1;) out.push_back(pid);
    std::fclose(file);
    return out;
  }
  DIR* const proc = ::opendir("/proc");
  if (!proc) return out;
  while (const dirent* entry = ::readdir(proc)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    std::array<char, 512> line{};
    const int fd = ::open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    const ssize_t n = ::read(fd, line.data(), line.size() - 1);
    ::close(fd);
    // pid (name) state parent; the name may hold anything, also brackets.
    const char* const name_end = n > 0 ? std::strrchr(line.data(), ')') : nullptr;
    if (name_end && std::strlen(name_end) > 4 && std::atoi(name_end + 4) == self) out.push_back(pid);
  }
  ::closedir(proc);
  return out;
}

/// Signals every child. Only children: their ids cannot pass to a stranger before they are reaped here. What
/// they started becomes our child when they die, and its turn comes then.
void signal_children(int signal) {
  for (const pid_t pid : children()) ::kill(pid, signal);
}

/// The command and everything below it, seen from above.
class Watchman {
 public:
  explicit Watchman(pid_t command) : command_(command) {}

  /// Returns the command's wait status when nothing that it started is left.
  int watch() {
    for (;;) {
      reap();
      if (none_left_) return status_;
      if (ending_ && Clock::now() >= kill_at_) {
        if (command_ > 0) ::kill(-command_, SIGKILL);
        signal_children(SIGKILL);
      }
      wait();
    }
  }

 private:
  void wait() {
    pollfd control{.fd = ending_by_us_ ? -1 : kControl, .events = POLLIN, .revents = 0};
    timespec time{.tv_sec = 0, .tv_nsec = 20'000'000};
    sigset_t open;
    sigemptyset(&open);
    // SIGCHLD is blocked except in here: no death is missed, none wakes us elsewhere.
    const int n = ::ppoll(&control, 1, ending_ ? &time : nullptr, &open);
    if (n > 0 && control.revents != 0) {
      char byte;
      if (::read(kControl, &byte, 1) <= 0) {
        ending_by_us_ = true;
        end();
      }
    }
  }

  void end() {
    if (!ending_) kill_at_ = Clock::now() + limits::kChildKillAfter;
    ending_ = true;
    if (command_ > 0) ::kill(-command_, SIGTERM);
  }

  void reap() {
    for (;;) {
      siginfo_t info{};
      if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        none_left_ = errno == ECHILD;
        return;
      }
      if (info.si_pid == 0) return;
      if (info.si_pid == command_) {
        // While the dead command is not reaped, its group's id belongs to nobody else.
        end();
        command_ = 0;
        ::waitpid(info.si_pid, &status_, 0);
        report(Stage::ended, status_);
        signal_children(SIGTERM);
      } else {
        ::waitpid(info.si_pid, nullptr, 0);
        if (ending_ && command_ == 0) signal_children(SIGTERM);
      }
    }
  }

  pid_t command_;
  int status_ = 0;
  bool ending_ = false;
  bool ending_by_us_ = false;
  bool none_left_ = false;
  Clock::time_point kill_at_{};
};

[[noreturn]] void run(char** argv) {
  ::setsid();  // a terminal's Ctrl-C is for the gateway
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGTSTP, SIGUSR1, SIGUSR2}) {
    ::signal(signal, SIG_IGN);
  }
  sigset_t child;
  sigemptyset(&child);
  sigaddset(&child, SIGCHLD);
  ::sigprocmask(SIG_SETMASK, &child, nullptr);
  struct sigaction wake{};
  wake.sa_handler = on_child;
  ::sigaction(SIGCHLD, &wake, nullptr);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::prctl(PR_SET_NAME, "sallyport-guard");
  ::close_range(kReport + 1, ~0U, 0);
  for (const int fd : {kControl, kReport}) ::fcntl(fd, F_SETFD, FD_CLOEXEC);

  const pid_t command = ::fork();
  if (command == 0) become(argv[0], argv[1], argv[2], argv + 3);
  if (command < 0) {
    report(Stage::fork, errno);
    ::_exit(127);
  }
  ::setpgid(command, command);  // whichever of the two comes first
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) {
    if (null < 0 || ::dup2(null, fd) < 0) ::close(fd);
  }
  if (null > kReport) ::close(null);
  report(Stage::started, command);

  const int status = Watchman(command).watch();
  ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

}  // namespace
}  // namespace guard

void guard_main_if_asked(int argc, char** argv) {
  if (argc < 6 || std::strcmp(argv[1], guard::kArgument) != 0) return;
  guard::run(argv + 2);
}

}  // namespace sallyport::net
