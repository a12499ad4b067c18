#include "sallyport/net/child.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "child_start.hpp"
#include "guard.hpp"
#include "line_splitter.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "shard_impl.hpp"

namespace sallyport::net {
namespace {

// After the guard has gone, a pipe may be held open only by someone whom the command gave it to.
constexpr auto kPipeLinger = std::chrono::milliseconds(500);
// A child that closes its ends because it exits is left to it, so that how it ended is told as it was.
constexpr auto kExitSoon = std::chrono::milliseconds(100);
constexpr auto kReapAgain = std::chrono::milliseconds(10);
constexpr std::size_t kReadBytes = 16 * limits::KiB;
constexpr std::size_t kKeptBytes = 64 * limits::KiB;
constexpr auto kLookForRoom = std::chrono::milliseconds(20);

/// For logs and terminals: control characters, and every byte outside ASCII where it is not UTF-8, as \xNN.
std::string printable(std::string_view text) {
  const bool utf8 = is_utf8(text);
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    if (c == '\t' || (u >= 0x20 && u < 0x7F) || (u >= 0x80 && utf8)) {
      out += c;
    } else {
      out += "\\x" + hex(std::string_view(&c, 1));
    }
  }
  return out;
}

std::string how_ended(int status) {
  if (WIFEXITED(status)) return "exited with status " + std::to_string(WEXITSTATUS(status));
  if (WIFSIGNALED(status)) return "killed by signal " + std::to_string(WTERMSIG(status));
  return "ended";
}

/// A running command as its shard sees it. Pending reads and writes own it, so it lives until its pipes are
/// quiet.
class Process : public std::enable_shared_from_this<Process> {
 public:
  Process(Shard& shard, ChildOptions options, Started& started)
      : shard_(shard),
        options_(std::move(options)),
        guard_pid_(started.guard_pid),
        in_(shard.impl().poller),
        out_(shard.impl().poller),
        err_(shard.impl().poller),
        report_(shard.impl().poller),
        control_(std::move(started.control)),
        timer_(shard),
        room_(shard) {}

  /// False with errno when the loop takes no further descriptor.
  bool begin(Started& started) {
    if (!watch(in_, started.in) || !watch(out_, started.out) || !watch(err_, started.err) ||
        !watch(report_, started.report)) {
      return false;
    }
    when_readable(out_, &Process::read_out);
    when_readable(err_, &Process::read_err);
    when_readable(report_, &Process::read_report);
    // Seen at once, also while nothing is written: what goes into a pipe that nobody reads is lost.
    in_.wait(Polled::Waiter::ender, Direction::end, [self = shared_from_this()](bool told) {
      if (told) self->has_closed("input");
    });
    return true;
  }

  Result<void> send(std::string line) {
    const auto closed = [] {
      return fail(Code::upstream_unreachable, Blame::upstream, "does not take its input", true);
    };
    if (stopping_ || !in_.is_open()) return closed();
    if (pending_.size() + (writing_.size() - written_) + line.size() + 1 > limits::kChildLine)
      return closed();
    for (char& c : line) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    const std::size_t unread = pending_.size() + writing_.size() + line.size() + 1;
    if (!unread_held_.set(unread <= limits::kUncounted ? 0 : unread) && line.size() > limits::kUncounted)
      return fail(Code::limited, Blame::us, "bytes in flight", true);
    pending_.append(line).push_back('\n');
    // The first line goes at once; what else this turn brings goes together at its end.
    if (std::exchange(flush_planned_, true)) return {};
    if (writing_.empty()) write();
    shard_.at_turn_end([self = shared_from_this()] {
      self->flush_planned_ = false;
      if (self->writing_.empty()) self->write();
    });
    return {};
  }

  void stop() {
    if (std::exchange(stopping_, true)) return;
    in_.close();
    writing_ = pending_ = std::string();
    unread_held_.release();
    control_.reset();
  }

  /// The owner is gone: nothing may call back into it.
  void abandon() {
    muted_ = true;
    stop();
  }

  int pid() const { return pid_; }
  std::uint64_t heard() const { return heard_; }

 private:
  static bool watch(Polled& polled, Descriptor& pipe) {
    ::fcntl(pipe.get(), F_SETFL, ::fcntl(pipe.get(), F_GETFL) | O_NONBLOCK);
    return polled.open(pipe.release());
  }

  /// One read each time: a child that never pauses leaves the loop to others in between.
  void when_readable(Polled& pipe, void (Process::*step)()) {
    pipe.wait(Polled::Waiter::reader, Direction::in, [self = shared_from_this(), step](bool ready) {
      if (ready) (self.get()->*step)();  // else we closed it, and know
    });
  }

  /// Bytes read; 0 at the end or after an error; -1 when there is nothing now.
  static ssize_t take(Polled& pipe, char* into, std::size_t size) {
    const ssize_t n = ::read(pipe.fd(), into, size);
    pipe.note(Direction::in, size, n);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return -1;
    return std::max<ssize_t>(n, 0);
  }

  void write() {
    while (in_.is_open()) {
      if (writing_.empty()) {
        if (pending_.empty()) return;
        writing_.swap(pending_);
        written_ = 0;
      }
      if (!in_.ready(Direction::out)) {
        return in_.wait(Polled::Waiter::writer, Direction::out, [self = shared_from_this()](bool ready) {
          if (ready) self->write();
        });
      }
      const std::size_t size = writing_.size() - written_;
      const ssize_t n = ::write(in_.fd(), writing_.data() + written_, size);
      in_.note(Direction::out, size, n);
      if (n < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) continue;
        return has_closed("input");
      }
      written_ += static_cast<std::size_t>(n);
      if (written_ < writing_.size()) continue;
      writing_.clear();
      written_ = 0;
      if (writing_.capacity() > kKeptBytes) std::string().swap(writing_);
      static_cast<void>(unread_held_.set(std::min(unread_held_.bytes(), pending_.size())));
    }
  }

  void read_out() {
    const ssize_t n = take(out_, out_bytes_.data(), out_bytes_.size());
    if (n == 0) {
      // What has no newline is half a message and is not delivered.
      out_.close();
      has_closed("output");
      return try_finish();
    }
    heard_ += static_cast<std::uint64_t>(std::max<ssize_t>(n, 0));
    std::string_view bytes(out_bytes_.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    std::string line;
    while (out_.is_open() && out_lines_.next(bytes, line)) {
      line_held_.release();  // whoever takes it counts it
      if (!muted_ && options_.on_line) options_.on_line(std::move(line));
    }
    if (out_lines_.too_long()) {
      reason_ = "stopped: it wrote a line longer than " + std::to_string(limits::kChildLine) + " bytes";
      out_.close();
      stop();
      return try_finish();
    }
    read_on();
  }

  /// Where nothing is left of the budget the child waits, as its pipe is full; but not for ever: those that
  /// wait may hold all of it together.
  void read_on(std::optional<SteadyTime> until = {}) {
    if (!out_.is_open()) return;
    const std::size_t waiting = out_lines_.waiting();
    if (line_held_.set(waiting <= kKeptBytes ? 0 : waiting, HeldBytes::for_calls()))
      return when_readable(out_, &Process::read_out);
    const SteadyTime now = std::chrono::steady_clock::now();
    if (!until) until = now + options_.room_wait;
    if (now < *until) {
      room_.set(kLookForRoom, [self = shared_from_this(), until] { self->read_on(until); });
      return;
    }
    reason_ = "stopped: no room was left for a long line that it wrote (bytes_in_flight)";
    out_.close();
    stop();
    try_finish();
  }

  /// One of the two ends without which it cannot serve. If it does not exit by itself now, it is stopped.
  void has_closed(const char* end) {
    in_.close();
    if (stopping_ || closed_) return;
    closed_ = end;
    after(kExitSoon, &Process::stop_useless);
  }

  void stop_useless() {
    // One that has exited left something behind, which the guard ends.
    if (stopping_ || !ended_.empty()) return;
    reason_ = std::string("closed its standard ") + closed_ + " and was stopped";
    stop();
  }

  void read_err() {
    const ssize_t n = take(err_, err_bytes_.data(), err_bytes_.size());
    if (n == 0) {
      if (std::string rest = err_lines_.rest(); !rest.empty()) tell(rest);
      err_.close();
      return try_finish();
    }
    std::string_view bytes(err_bytes_.data(), static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    for (std::string line; err_lines_.next(bytes, line);) tell(line);
    when_readable(err_, &Process::read_err);
  }

  void tell(std::string_view line) {
    if (!muted_ && options_.on_stderr) options_.on_stderr(printable(line));
  }

  void read_report() {
    const ssize_t n = take(report_, report_bytes_.data() + report_size_, report_bytes_.size() - report_size_);
    if (n == 0) {
      report_.close();
      stop();
      return reap();
    }
    if (n > 0) {
      report_size_ += static_cast<std::size_t>(n);
      take_reports();
    }
    when_readable(report_, &Process::read_report);
  }

  void take_reports() {
    std::size_t at = 0;
    for (guard::Report r; report_size_ - at >= sizeof r; at += sizeof r) {
      std::memcpy(&r, report_bytes_.data() + at, sizeof r);
      const auto because = [&] { return ": " + std::generic_category().message(r.value); };
      switch (r.stage) {
        case guard::Stage::started:
          pid_ = r.value;
          break;
        case guard::Stage::chdir:
          reason_ = "cannot enter directory '" + options_.directory + "'" + because();
          break;
        case guard::Stage::exec:
        case guard::Stage::fork:
          reason_ = "cannot run '" + options_.argv.front() + "'" + because();
          break;
        case guard::Stage::ended:
          ended_ = how_ended(r.value);
          break;
      }
    }
    report_size_ -= at;
    std::memmove(report_bytes_.data(), report_bytes_.data() + at, report_size_);
  }

  /// The guard has closed its report: it ends now, or has been killed.
  void reap() {
    if (::waitpid(guard_pid_, nullptr, WNOHANG) == 0) return after(kReapAgain, &Process::reap);
    reaped_ = true;
    after(kPipeLinger, &Process::give_up_pipes);
    try_finish();
  }

  void give_up_pipes() {
    out_.close();
    err_.close();
    try_finish();
  }

  void after(Duration time, void (Process::*step)()) {
    timer_.set(time, [self = shared_from_this(), step] { (self.get()->*step)(); });
  }

  void try_finish() {
    if (!reaped_ || out_.is_open() || err_.is_open() || std::exchange(finished_, true)) return;
    timer_.clear();
    in_.close();
    if (reason_.empty()) reason_ = ended_.empty() ? "ended with its guard" : ended_;
    // The callback may drop the Child, and with it this.
    const auto on_exit = std::exchange(options_.on_exit, nullptr);
    if (!muted_ && on_exit) on_exit(std::move(reason_));
  }

  Shard& shard_;
  ChildOptions options_;
  const pid_t guard_pid_;
  pid_t pid_ = 0;
  Polled in_;
  Polled out_;
  Polled err_;
  Polled report_;
  Descriptor control_;
  Deadline timer_;
  Deadline room_;
  HeldBytes line_held_, unread_held_;
  std::string writing_;
  std::size_t written_ = 0;
  std::string pending_;
  LineSplitter out_lines_{limits::kChildLine};
  LineSplitter err_lines_{limits::kChildStderrLine};
  std::array<char, kReadBytes> out_bytes_;
  std::array<char, 4 * limits::KiB> err_bytes_;
  std::array<char, 16 * sizeof(guard::Report)> report_bytes_;
  std::size_t report_size_ = 0;
  std::string reason_;
  std::string ended_;
  const char* closed_ = nullptr;  // which end it has closed first
  std::uint64_t heard_ = 0;
  bool flush_planned_ = false;
  bool stopping_ = false;
  bool muted_ = false;
  bool reaped_ = false;
  bool finished_ = false;
};

/// What the owner holds.
class Handle final : public Child {
 public:
  explicit Handle(std::shared_ptr<Process> process) : process_(std::move(process)) {}
  ~Handle() override { process_->abandon(); }
  Result<void> send(std::string line) override { return process_->send(std::move(line)); }
  void stop() override { process_->stop(); }
  int pid() const override { return process_->pid(); }
  std::uint64_t heard() const override { return process_->heard(); }

 private:
  std::shared_ptr<Process> process_;
};

/// A command that closes its standard input must not end us.
void ignore_sigpipe() {
  struct sigaction now{};
  if (::sigaction(SIGPIPE, nullptr, &now) == 0 && now.sa_handler == SIG_DFL) std::signal(SIGPIPE, SIG_IGN);
}

}  // namespace

Result<std::unique_ptr<Child>> Child::start(Shard& shard, ChildOptions options) {
  ignore_sigpipe();
  auto started = start_guarded(options);
  if (!started) return Failure(std::move(started.error()));
  auto process = std::make_shared<Process>(shard, std::move(options), *started);
  if (!process->begin(*started)) {
    return fail(Code::upstream_unreachable, Blame::us,
                std::string("cannot watch the child's pipes: ") + std::generic_category().message(errno),
                true);
  }
  return std::make_unique<Handle>(std::move(process));
}

}  // namespace sallyport::net
