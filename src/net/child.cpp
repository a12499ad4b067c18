#include "sallyport/net/child.hpp"

#include <sys/wait.h>

#include <array>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <csignal>
#include <cstring>
#include <system_error>
#include <utility>

#include "child_start.hpp"
#include "guard.hpp"
#include "line_splitter.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::net {
namespace {

namespace asio = boost::asio;
using Stream = asio::posix::basic_stream_descriptor<asio::io_context::executor_type>;
using Timer =
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                               asio::io_context::executor_type>;
using boost::system::error_code;

// After the guard has gone, a pipe may be held open only by someone whom the command gave it to.
constexpr auto kPipeLinger = std::chrono::milliseconds(500);
constexpr auto kReapAgain = std::chrono::milliseconds(10);
constexpr std::size_t kReadBytes = 16 * limits::KiB;
constexpr std::size_t kKeptBytes = 64 * limits::KiB;

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
  Process(Shard& shard, ChildOptions options, Started started)
      : options_(std::move(options)),
        guard_pid_(started.guard_pid),
        in_(shard.io(), started.in.release()),
        out_(shard.io(), started.out.release()),
        err_(shard.io(), started.err.release()),
        report_(shard.io(), started.report.release()),
        control_(std::move(started.control)),
        timer_(shard.io()) {}

  void begin() {
    read_out();
    read_err();
    read_report();
  }

  bool send(std::string line) {
    if (stopping_ || !in_.is_open()) return false;
    if (pending_.size() + (writing_.size() - written_) + line.size() + 1 > limits::kChildLine) return false;
    for (char& c : line) {
      if (c == '\n' || c == '\r') c = ' ';
    }
    pending_.append(line).push_back('\n');
    if (writing_.empty()) write();
    return true;
  }

  void stop() {
    if (std::exchange(stopping_, true)) return;
    close(in_);
    control_.reset();
  }

  /// The owner is gone: nothing may call back into it.
  void abandon() {
    muted_ = true;
    stop();
  }

  int pid() const { return pid_; }

 private:
  static void close(Stream& stream) {
    error_code ignored;
    if (stream.is_open()) stream.close(ignored);
  }

  void write() {
    if (writing_.empty()) {
      if (pending_.empty()) return;
      writing_.swap(pending_);
      written_ = 0;
    }
    in_.async_write_some(
        asio::buffer(writing_.data() + written_, writing_.size() - written_),
        [self = shared_from_this()](const error_code& error, std::size_t n) { self->wrote(error, n); });
  }

  void wrote(const error_code& error, std::size_t n) {
    if (error) return close(in_);
    written_ += n;
    if (written_ == writing_.size()) {
      writing_.clear();
      written_ = 0;
      if (writing_.capacity() > kKeptBytes) std::string().swap(writing_);
    }
    write();
  }

  void read_out() {
    out_.async_read_some(
        asio::buffer(out_bytes_), [self = shared_from_this()](const error_code& error, std::size_t n) {
          if (error) {
            // What has no newline is half a message and is not delivered.
            close(self->out_);
            return self->try_finish();
          }
          std::string_view bytes(self->out_bytes_.data(), n);
          std::string line;
          while (self->out_.is_open() && self->out_lines_.next(bytes, line)) {
            if (!self->muted_ && self->options_.on_line) self->options_.on_line(std::move(line));
          }
          if (self->out_lines_.too_long()) {
            self->reason_ =
                "stopped: it wrote a line longer than " + std::to_string(limits::kChildLine) + " bytes";
            close(self->out_);
            self->stop();
            return self->try_finish();
          }
          self->read_out();
        });
  }

  void read_err() {
    err_.async_read_some(asio::buffer(err_bytes_),
                         [self = shared_from_this()](const error_code& error, std::size_t n) {
                           if (error) {
                             if (std::string rest = self->err_lines_.rest(); !rest.empty()) self->tell(rest);
                             close(self->err_);
                             return self->try_finish();
                           }
                           std::string_view bytes(self->err_bytes_.data(), n);
                           for (std::string line; self->err_lines_.next(bytes, line);) self->tell(line);
                           self->read_err();
                         });
  }

  void tell(std::string_view line) {
    if (!muted_ && options_.on_stderr) options_.on_stderr(printable(line));
  }

  void read_report() {
    report_.async_read_some(
        asio::buffer(report_bytes_.data() + report_size_, report_bytes_.size() - report_size_),
        [self = shared_from_this()](const error_code& error, std::size_t n) {
          if (error) {
            close(self->report_);
            self->stop();
            return self->reap();
          }
          self->report_size_ += n;
          self->take_reports();
          self->read_report();
        });
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
    close(out_);
    close(err_);
    try_finish();
  }

  void after(Duration time, void (Process::*step)()) {
    timer_.expires_after(time);
    timer_.async_wait([self = shared_from_this(), step](const error_code& error) {
      if (!error) (self.get()->*step)();
    });
  }

  void try_finish() {
    if (!reaped_ || out_.is_open() || err_.is_open() || std::exchange(finished_, true)) return;
    timer_.cancel();
    close(in_);
    if (reason_.empty()) reason_ = ended_.empty() ? "ended with its guard" : ended_;
    // The callback may drop the Child, and with it this.
    const auto on_exit = std::exchange(options_.on_exit, nullptr);
    if (!muted_ && on_exit) on_exit(std::move(reason_));
  }

  ChildOptions options_;
  const pid_t guard_pid_;
  pid_t pid_ = 0;
  Stream in_;
  Stream out_;
  Stream err_;
  Stream report_;
  Descriptor control_;
  Timer timer_;
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
  bool send(std::string line) override { return process_->send(std::move(line)); }
  void stop() override { process_->stop(); }
  int pid() const override { return process_->pid(); }

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
  try {
    auto process = std::make_shared<Process>(shard, std::move(options), std::move(*started));
    process->begin();
    return std::make_unique<Handle>(std::move(process));
  } catch (const boost::system::system_error& e) {  // the loop takes no further descriptor
    return fail(Code::upstream_unreachable, Blame::us,
                std::string("cannot watch the child's pipes: ") + e.what(), true);
  }
}

}  // namespace sallyport::net
