#include "log_sink.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <string>
#include <utility>

namespace sallyport::admin {

PatientSink::PatientSink(int fd, std::unique_ptr<spdlog::formatter> notices,
                         std::chrono::milliseconds patience)
    : fd_(fd), notices_(std::move(notices)), patience_(patience) {}

void PatientSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  if (!tell_lost() || !write({line.data(), line.size()})) ++lost_;
}

/// The line about those that were lost, before the next one that can be written.
bool PatientSink::tell_lost() {
  if (lost_ == 0) return true;
  const std::string text = fmt::format("lines of the log that were lost because nobody read it: {}", lost_);
  spdlog::memory_buf_t line;
  notices_->format({"", spdlog::level::warn, text}, line);
  if (!write({line.data(), line.size()})) return false;
  lost_ = 0;
  return true;
}

bool PatientSink::write(std::string_view line) {
  // A descriptor that is writable takes so much without blocking: pipe(7).
  constexpr std::size_t kPiece = PIPE_BUF;
  std::string rest;
  if (in_a_line_) line = rest = "\n" + std::string(line);
  bool begun = false;
  while (!line.empty()) {
    if (!writable()) {
      in_a_line_ = in_a_line_ || begun;
      return false;
    }
    const ssize_t n = ::write(fd_, line.data(), std::min(line.size(), kPiece));
    if (n < 0 && errno == EINTR) continue;
    // Nobody is there any more, or the device fails: the journal is what has to be kept.
    if (n < 0) return true;
    line.remove_prefix(static_cast<std::size_t>(n));
    begun = true;
    in_a_line_ = false;
  }
  return true;
}

bool PatientSink::writable() {
  pollfd one{.fd = fd_, .events = POLLOUT, .revents = 0};
  stalled_ = ::poll(&one, 1, stalled_ ? 0 : static_cast<int>(patience_.count())) == 0;
  return !stalled_;
}

}  // namespace sallyport::admin
