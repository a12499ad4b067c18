#include "log_sink.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <thread>

namespace sallyport::admin {
namespace {

using std::chrono::steady_clock;

/// How long a reader that has missed a line must keep up until one waits for it again.
constexpr std::chrono::seconds kForgiven(1);

/// A pseudo-terminal's own side: to open it again makes another terminal.
bool is_master(int fd) {
  unsigned number = 0;
  return ::ioctl(fd, TIOCGPTN, &number) == 0;
}

/// The pipe or terminal behind `fd`, opened once more: O_NONBLOCK on `fd` itself would reach every
/// process that has it too. -1: it is none, or may not be opened.
int open_again(int fd, mode_t mode) {
  if (!S_ISFIFO(mode) && !(S_ISCHR(mode) && ::isatty(fd) == 1 && !is_master(fd))) return -1;
  return ::open(fmt::format("/proc/self/fd/{}", fd).c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

}  // namespace

PatientWriter::PatientWriter(int fd, std::unique_ptr<spdlog::formatter> notices,
                             std::chrono::milliseconds patience)
    : fd_(fd), notices_(std::move(notices)), patience_(patience) {
  struct stat file{};
  if (::fstat(fd, &file) != 0) return;
  is_socket_ = S_ISSOCK(file.st_mode);
  own_ = open_again(fd, file.st_mode);
}

PatientWriter::~PatientWriter() {
  if (own_ >= 0) ::close(own_);
}

void PatientWriter::write(std::string_view line, SteadyTime now) {
  const std::scoped_lock lock(mutex_);
  const bool waits = !stalled_ && (!lost_at_ || now - *lost_at_ >= kForgiven);
  const SteadyTime until = steady_clock::now() + (waits ? patience_ : std::chrono::milliseconds(0));
  stalled_ = !tell_lost(until) || !put(line, until);
  if (!stalled_) return;
  ++lost_;
  lost_at_ = now;
}

/// The line about those that were lost, before the next one that can be written.
bool PatientWriter::tell_lost(SteadyTime until) {
  if (lost_ == 0) return true;
  const std::string text = fmt::format("lines of the log that were lost because nobody read it: {}", lost_);
  spdlog::memory_buf_t line;
  notices_->format({"", spdlog::level::warn, text}, line);
  if (!put({line.data(), line.size()}, until)) return false;
  lost_ = 0;
  return true;
}

bool PatientWriter::put(std::string_view line, SteadyTime until) {
  // A descriptor that is writable takes so much without blocking: pipe(7).
  constexpr std::size_t kPiece = PIPE_BUF;
  const bool blocks = own_ < 0 && !is_socket_;
  std::string rest;
  if (in_a_line_) line = rest = "\n" + std::string(line);
  for (bool refused = false; !line.empty();) {
    if (blocks && !has_room(until)) return false;
    const ssize_t n = put_some(line.substr(0, kPiece));
    if (n < 0 && errno == EINTR) continue;
    // Nobody is there any more, or the device fails: the journal is what has to be kept.
    if (n < 0 && errno != EAGAIN) return true;
    if (n <= 0) {
      // A terminal can say that it has room and have too little for a newline.
      if (refused && steady_clock::now() >= until) return false;
      if (refused) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      if (!has_room(until)) return false;
      refused = true;
      continue;
    }
    refused = false;
    in_a_line_ = line[static_cast<std::size_t>(n) - 1] != '\n';
    line.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

ssize_t PatientWriter::put_some(std::string_view piece) const {
  if (is_socket_) return ::send(fd_, piece.data(), piece.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  return ::write(own_ >= 0 ? own_ : fd_, piece.data(), piece.size());
}

bool PatientWriter::has_room(SteadyTime until) const {
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now()).count();
    pollfd one{.fd = own_ >= 0 ? own_ : fd_, .events = POLLOUT, .revents = 0};
    const int ready = ::poll(&one, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX)));
    if (ready >= 0) return ready > 0;
    // Whatever else is wrong, writing will tell.
    if (errno != EINTR) return true;
    if (steady_clock::now() >= until) return false;
  }
}

void PatientSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  writer_->write({line.data(), line.size()}, steady_clock::now());
}

}  // namespace sallyport::admin
