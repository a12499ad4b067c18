#pragma once
/// Where lines of a log go that others read as they come: standard error.

#include <spdlog/sinks/base_sink.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "sallyport/core/clock.hpp"

namespace sallyport::admin {

/// Writes lines to a descriptor and never waits long for its reader: those who write are the threads that
/// carry calls. A reader that is only slow gets everything: a line waits for it, at most `patience`. One that
/// has stalled (a pipe that nobody empties, a terminal that is held) loses lines, and no line waits until it
/// has missed none for a second; once it reads again a line says how many. One for each descriptor, whatever
/// logs go there. Threads: any; one line at a time.
class PatientWriter {
 public:
  /// `fd` is not closed, and must stay what it is; `notices` formats the line about lines that were lost.
  PatientWriter(int fd, std::unique_ptr<spdlog::formatter> notices,
                std::chrono::milliseconds patience = std::chrono::milliseconds(20));
  ~PatientWriter();
  PatientWriter(const PatientWriter&) = delete;
  PatientWriter& operator=(const PatientWriter&) = delete;

  /// `line` ends with a newline.
  void write(std::string_view line, SteadyTime now);

 private:
  bool tell_lost(SteadyTime until);
  bool put(std::string_view line, SteadyTime until);
  ssize_t put_some(std::string_view piece) const;
  bool has_room(SteadyTime until) const;

  const int fd_;
  const std::unique_ptr<spdlog::formatter> notices_;
  const std::chrono::milliseconds patience_;
  bool is_socket_ = false;
  int own_ = -1;  // the same file, opened so that writing never waits; -1: it cannot be, or need not

  std::mutex mutex_;
  bool in_a_line_ = false;  // the last line was cut
  bool stalled_ = false;    // the last line was lost
  std::optional<SteadyTime> lost_at_;
  std::uint64_t lost_ = 0;
};

/// One log that goes to such a descriptor.
class PatientSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit PatientSink(std::shared_ptr<PatientWriter> writer) : writer_(std::move(writer)) {}

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  const std::shared_ptr<PatientWriter> writer_;
};

}  // namespace sallyport::admin
