#pragma once
/// The program as users run it: `sallyport` as a process of its own, its commands and its server.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::testing {

using Variables = std::vector<std::pair<std::string, std::string>>;

/// Starts a program; -1 when that is impossible. A descriptor of -1 is left as ours.
inline pid_t spawn_program(std::vector<std::string> arguments, const Variables& variables, int out, int err) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  if (out >= 0) ::posix_spawn_file_actions_adddup2(&actions, out, 1);
  if (err >= 0) ::posix_spawn_file_actions_adddup2(&actions, err, 2);
  std::vector<std::string> environment;
  for (char** each = environ; *each; ++each) environment.emplace_back(*each);
  for (const auto& [name, value] : variables) environment.push_back(name + "=" + value);
  std::vector<char*> argv, envp;
  for (auto& argument : arguments) argv.push_back(argument.data());
  for (auto& variable : environment) envp.push_back(variable.data());
  argv.push_back(nullptr);
  envp.push_back(nullptr);
  pid_t pid = -1;
  if (::posix_spawn(&pid, argv[0], &actions, nullptr, argv.data(), envp.data()) != 0) pid = -1;
  ::posix_spawn_file_actions_destroy(&actions);
  return pid;
}

/// How a command ended and what it said.
struct Finished {
  int status = -1;  ///< exit code; 128 + signal
  std::string out, err;
};

inline int exit_code_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/// Runs a command to its end.
inline Finished run_command(const std::vector<std::string>& arguments, const Variables& variables = {}) {
  int out[2], err[2];
  if (::pipe2(out, O_CLOEXEC) != 0) return {};
  if (::pipe2(err, O_CLOEXEC) != 0) return {};
  const pid_t pid = spawn_program(arguments, variables, out[1], err[1]);
  ::close(out[1]);
  ::close(err[1]);
  Finished finished;
  std::array<pollfd, 2> ends{pollfd{out[0], POLLIN, 0}, pollfd{err[0], POLLIN, 0}};
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (::poll(ends.data(), ends.size(), 60'000) <= 0) break;
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      char bytes[8192];
      const ssize_t n = ::read(ends[i].fd, bytes, sizeof bytes);
      if (n <= 0) {
        ends[i].fd = -1;
      } else {
        (i == 0 ? finished.out : finished.err).append(bytes, static_cast<std::size_t>(n));
      }
    }
  }
  ::close(out[0]);
  ::close(err[0]);
  if (pid < 0) return finished;
  if (ends[0].fd >= 0 || ends[1].fd >= 0) ::kill(pid, SIGKILL);  // a minute of silence
  int status = 0;
  ::waitpid(pid, &status, 0);
  finished.status = exit_code_of(status);
  return finished;
}

/// `sallyport serve` on a data directory. Killed where it still runs at the end.
class GatewayProcess {
 public:
  struct Options {
    std::string program, data;
    std::string log{};  ///< its standard error is appended here; empty: ours
    std::vector<std::string> flags{};
    Variables variables{};
    bool wait = true;  ///< until it says that it is ready
    std::chrono::milliseconds patience{20'000};
  };

  explicit GatewayProcess(const Options& options) {
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) return;
    int log = -1;
    if (!options.log.empty())
      log = ::open(options.log.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    std::vector<std::string> arguments{options.program, "serve",       "--data",         options.data,
                                       "--listen",      "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"};
    arguments.insert(arguments.end(), options.flags.begin(), options.flags.end());
    const auto begun = std::chrono::steady_clock::now();
    pid_ = spawn_program(std::move(arguments), options.variables, out[1], log);
    ::close(out[1]);
    if (log >= 0) ::close(log);
    out_ = out[0];
    if (options.wait) {
      read_line(begun + options.patience);
      ready_after =
          std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun);
    }
  }
  ~GatewayProcess() {
    end(SIGKILL);
    if (out_ >= 0) ::close(out_);
  }
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  bool ready() const { return port != 0; }
  pid_t pid() const { return pid_; }
  void signal(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }
  /// The exit code, or 128 + the signal that ended it; -1 when it had ended before. Killed when it does not
  /// end.
  int end(int number, std::chrono::milliseconds within = std::chrono::seconds(30)) {
    if (pid_ <= 0) return -1;
    ::kill(pid_, number);
    const auto until = std::chrono::steady_clock::now() + within;
    int status = 0;
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > until) {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, &status, 0);
        break;
      }
      ::usleep(500);
    }
    pid_ = -1;
    return exit_code_of(status);
  }
  /// The exit code of one that ends by itself.
  int wait(std::chrono::milliseconds within = std::chrono::seconds(30)) { return end(0, within); }

  /// Descriptors that it has open.
  std::size_t descriptors() const {
    std::error_code gone;
    std::size_t n = 0;
    for (auto it = std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/fd", gone);
         !gone && it != std::filesystem::directory_iterator(); it.increment(gone))
      ++n;
    return n;
  }
  /// How long its threads were ready to run, but another process had the processor.
  std::chrono::milliseconds kept_waiting() const {
    std::error_code gone;
    std::uint64_t nanoseconds = 0;
    for (const auto& task :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task", gone)) {
      std::ifstream in(task.path() / "schedstat");
      std::uint64_t ran = 0, waited = 0;
      in >> ran >> waited;
      nanoseconds += waited;
    }
    return std::chrono::milliseconds(nanoseconds / 1'000'000);
  }

  std::uint16_t port = 0;  ///< of the public listener; 0 until it is ready
  std::string line;        ///< what it said first
  std::chrono::milliseconds ready_after{0};

 private:
  void read_line(std::chrono::steady_clock::time_point until) {
    for (char c = 0; c != '\n';) {
      const auto left =
          std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
      pollfd poll{out_, POLLIN, 0};
      if (::poll(&poll, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) <= 0) return;
      if (::read(out_, &c, 1) != 1) return;
      line += c;
    }
    constexpr std::string_view kPublic = "public=http://127.0.0.1:";
    if (const auto at = line.find(kPublic); at != std::string::npos)
      port = static_cast<std::uint16_t>(std::atoi(line.c_str() + at + kPublic.size()));
  }

  pid_t pid_ = -1;
  int out_ = -1;
};

}  // namespace sallyport::testing
