// Lines of a log for a reader that keeps up, is slow, stalls, or is gone.
#include "../../src/admin/log_sink.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace sallyport;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<spdlog::formatter> bare() {
  return std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n");
}

/// A logger into a pipe of two pages.
struct Pipe {
  explicit Pipe(std::chrono::milliseconds patience) {
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 8192) == 8192);
    logger = std::make_unique<spdlog::logger>(
        "test", std::make_shared<admin::PatientSink>(ends[1], bare(), patience));
    logger->set_formatter(bare());
    logger->flush_on(spdlog::level::info);
  }
  ~Pipe() {
    logger.reset();
    for (const int end : ends)
      if (end >= 0) ::close(end);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  /// What is there now.
  std::string read() {
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    std::string out;
    std::array<char, 4096> some{};
    for (ssize_t n; (n = ::read(ends[0], some.data(), some.size())) > 0;)
      out.append(some.data(), static_cast<std::size_t>(n));
    return out;
  }
  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t from = 0, end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
      out.push_back(text.substr(from, end - from));
    CHECK(text.ends_with('\n'));
    return out;
  }

  std::array<int, 2> ends{-1, -1};
  std::unique_ptr<spdlog::logger> logger;
};

}  // namespace

TEST_CASE("a reader that is slow gets every line, however long") {
  Pipe pipe(60s);
  std::string got;
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done) got += pipe.read();
    got += pipe.read();
  });
  for (int i = 0; i < 500; ++i)
    pipe.logger->warn("{} {}", i, std::string(static_cast<std::size_t>(i) * 20, 'x'));
  done = true;
  reader.join();
  const auto lines = Pipe::lines(got);
  REQUIRE(lines.size() == 500);
  for (int i = 0; i < 500; ++i)
    CHECK(lines[static_cast<std::size_t>(i)].size() ==
          std::to_string(i).size() + 1 + static_cast<std::size_t>(i) * 20);
}

TEST_CASE("a reader that stalls holds nobody up, and is told how many lines it has lost") {
  Pipe pipe(1ms);
  for (int i = 0; i < 10'000; ++i) pipe.logger->warn("line {}", i);
  auto lines = Pipe::lines(pipe.read());
  const std::size_t whole = lines.size();
  CHECK(whole > 100);
  CHECK(lines.back() == "line " + std::to_string(whole - 1));
  pipe.logger->warn("after it");
  lines = Pipe::lines(pipe.read());
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] ==
        "lines of the log that were lost because nobody read it: " + std::to_string(10'000 - whole));
  CHECK(lines[1] == "after it");
}

TEST_CASE("a line that was cut when the reader stalled does not run into the next one") {
  Pipe pipe(1ms);
  pipe.logger->warn("{}", std::string(12'000, 'x'));
  CHECK(pipe.read() == std::string(8192, 'x'));
  pipe.logger->warn("after it");
  CHECK(pipe.read() == "\nlines of the log that were lost because nobody read it: 1\nafter it\n");
}

TEST_CASE("without a reader lines go nowhere, and the program goes on") {
  ::signal(SIGPIPE, SIG_IGN);  // as the program does
  Pipe pipe(60s);
  ::close(std::exchange(pipe.ends[0], -1));
  for (int i = 0; i < 10'000; ++i) pipe.logger->warn("line {}", i);
  CHECK(pipe.ends[0] == -1);
}
