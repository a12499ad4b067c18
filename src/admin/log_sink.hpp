#pragma once
/// Where lines of a log go that others read as they come: standard error.

#include <spdlog/sinks/base_sink.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

namespace sallyport::admin {

/// Writes lines to a descriptor and never waits long for its reader. A reader that is only slow gets
/// everything: a line waits for it, at most `patience`. One that has stalled (a pipe that nobody empties, a
/// terminal that is held) loses lines, for those who write are the threads that carry calls; once it reads
/// again a line says how many. Threads: any; one line at a time.
class PatientSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// `fd` is not closed; `notices` formats the line about lines that were lost.
  PatientSink(int fd, std::unique_ptr<spdlog::formatter> notices,
              std::chrono::milliseconds patience = std::chrono::milliseconds(20));

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  bool tell_lost();
  bool write(std::string_view line);
  bool writable();

  const int fd_;
  const std::unique_ptr<spdlog::formatter> notices_;
  const std::chrono::milliseconds patience_;
  bool stalled_ = false;    // it was waited for in vain; the next line does not wait again
  bool in_a_line_ = false;  // the last line was cut
  std::uint64_t lost_ = 0;
};

}  // namespace sallyport::admin
