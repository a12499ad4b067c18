#pragma once
/// A child process that speaks lines over its standard streams, and the guard that outlives us to clean up
/// after it.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::net {

struct ChildOptions {
  std::vector<std::string> argv;           ///< argv[0] is looked up in PATH of `env`; never a shell
  std::map<std::string, std::string> env;  ///< the whole environment: see minimal_environment()
  std::string directory{};                 ///< working directory; empty: ours
  /// One line of standard output without its newline. Longer than limits::kChildLine ends the child.
  std::function<void(std::string line)> on_line;
  /// One line of standard error, cut at limits::kChildStderrLine, control characters escaped.
  std::function<void(std::string line)> on_stderr;
  /// Once, after the last line: how it ended ("exited with status 1", "killed by signal 9").
  std::function<void(std::string how)> on_exit;
  /// How long a line of more than 64 KiB that is not whole yet waits for room in the budget of HeldBytes,
  /// unread; then the child is ended.
  Duration room_wait = limits::kChildRoomWait;
};

/// PATH, HOME, LANG, LC_ALL, TMPDIR, TZ, USER of our own environment plus `extra`. Variables in `extra` that
/// make a program load foreign code before its own runs (LD_*, GLIBC_TUNABLES, BASH_ENV ...) are refused
/// (N39). Errors: bad_request.
Result<std::map<std::string, std::string>> minimal_environment(
    const std::map<std::string, std::string>& extra);

/// The command is started by a guard process (our own executable again), which is its subreaper and leads its
/// process group: when the child ends, when we end it, or when we are killed, the guard kills and reaps
/// everything the command started. One that closes its standard input or output and does not exit is stopped:
/// nobody can talk with it any more. What it has not ended a line of, and what it has not read, counts as
/// HeldBytes. Threads: its shard's; callbacks come there.
class Child {
 public:
  /// Errors: upstream_unreachable, readable by who wrote the configuration: no such program in PATH, no
  /// process left. What only shows when the program is executed comes with on_exit ("cannot run 'x': Exec
  /// format error").
  static Result<std::unique_ptr<Child>> start(Shard& shard, ChildOptions options);
  /// As stop(), without waiting; no callback comes any more.
  virtual ~Child() = default;
  /// Queues a line (newline is added; newlines inside, which JSON has only between its tokens, become
  /// spaces). Errors: upstream_unreachable when the child is gone or too much is waiting
  /// (limits::kChildLine); limited when a line of more than limits::kUncounted finds no room in the budget.
  virtual Result<void> send(std::string line) = 0;
  /// Closes its standard input, SIGTERM to its group, SIGKILL after limits::kChildKillAfter. on_exit follows.
  virtual void stop() = 0;
  /// Of the command itself; 0 until the guard has started it.
  virtual int pid() const = 0;
  /// Bytes of its standard output so far: whoever waits for an answer sees whether anything comes at all.
  virtual std::uint64_t heard() const = 0;
};

/// Entry of the guard: call first in main(). Returns only when `argv` is not a guard invocation.
void guard_main_if_asked(int argc, char** argv);

/// Another executable as the guard than the one that runs (/proc/self/exe); empty: that one again.
/// For programs whose main() does not call guard_main_if_asked. Threads: before the first start().
void set_guard_executable(std::string path);

}  // namespace sallyport::net
