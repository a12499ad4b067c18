// Lines of a log for a reader that keeps up, is slow, stalls, or is gone.
#include "../../src/admin/log_sink.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <string>
#include <thread>
#include <vector>

#include "sallyport/admin/log.hpp"

using namespace sallyport;
using namespace std::chrono_literals;

namespace {

std::unique_ptr<spdlog::formatter> bare() {
  return std::make_unique<spdlog::pattern_formatter>("%v", spdlog::pattern_time_type::utc, "\n");
}

enum class Kind { pipe, socket, terminal };

/// What holds little and has a reader's end and a writer's end.
struct Channel {
  explicit Channel(Kind kind) {
    if (kind == Kind::pipe) {
      REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
      REQUIRE(::fcntl(ends[1], F_SETPIPE_SZ, 8192) == 8192);
    } else if (kind == Kind::socket) {
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    } else {
      ends[0] = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
      REQUIRE(ends[0] >= 0);
      REQUIRE(::grantpt(ends[0]) == 0);
      REQUIRE(::unlockpt(ends[0]) == 0);
      std::array<char, 64> name{};
      REQUIRE(::ptsname_r(ends[0], name.data(), name.size()) == 0);
      ends[1] = ::open(name.data(), O_RDWR | O_NOCTTY | O_CLOEXEC);
      REQUIRE(ends[1] >= 0);
    }
  }
  ~Channel() {
    for (const int end : ends)
      if (end >= 0) ::close(end);
  }
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  /// What is there, until nothing comes for as long as `quiet`; as it was before a terminal took it.
  std::string read(std::chrono::milliseconds quiet = 0ms) const {
    std::string out;
    std::array<char, 4096> some{};
    for (;;) {
      pollfd one{.fd = ends[0], .events = POLLIN, .revents = 0};
      if (::poll(&one, 1, static_cast<int>(quiet.count())) <= 0) break;
      const ssize_t n = ::read(ends[0], some.data(), some.size());
      if (n <= 0) break;
      out.append(some.data(), static_cast<std::size_t>(n));
    }
    std::erase(out, '\r');
    return out;
  }

  std::array<int, 2> ends{-1, -1};
};

/// A log to a writer.
std::unique_ptr<spdlog::logger> logger_to(std::shared_ptr<admin::PatientWriter> writer) {
  auto out =
      std::make_unique<spdlog::logger>("test", std::make_shared<admin::PatientSink>(std::move(writer)));
  out->set_formatter(bare());
  out->flush_on(spdlog::level::info);
  return out;
}

/// A logger into a pipe of two pages.
struct Pipe : Channel {
  explicit Pipe(std::chrono::milliseconds patience)
      : Channel(Kind::pipe),
        writer(std::make_shared<admin::PatientWriter>(ends[1], bare(), patience)),
        logger(logger_to(writer)) {}

  static std::vector<std::string> lines(const std::string& text) {
    std::vector<std::string> out;
    for (std::size_t from = 0, end; (end = text.find('\n', from)) != std::string::npos; from = end + 1)
      out.push_back(text.substr(from, end - from));
    CHECK(text.ends_with('\n'));
    return out;
  }

  std::shared_ptr<admin::PatientWriter> writer;
  std::unique_ptr<spdlog::logger> logger;
};

/// Reads after all where a writer is held up for ten seconds, so that the test ends.
class Rescue {
 public:
  explicit Rescue(const Channel& channel) : thread_([this, &channel] { watch(channel); }) {}
  ~Rescue() { needed(); }
  Rescue(const Rescue&) = delete;
  Rescue& operator=(const Rescue&) = delete;

  /// Ends the watch.
  bool needed() {
    {
      const std::scoped_lock lock(mutex_);
      done_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    return needed_;
  }

 private:
  void watch(const Channel& channel) {
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, 10s, [&] { return done_; })) return;
    needed_ = true;
    while (!done_) {
      lock.unlock();
      channel.read(10ms);
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_ = false, needed_ = false;
  std::thread thread_;
};

std::string told(std::size_t lines) {
  return "lines of the log that were lost because nobody read it: " + std::to_string(lines);
}

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
  CHECK(lines[0] == told(10'000 - whole));
  CHECK(lines[1] == "after it");
}

TEST_CASE("a line that was cut when the reader stalled does not run into the next one") {
  Pipe pipe(1ms);
  pipe.logger->warn("{}", std::string(12'000, 'x'));
  CHECK(pipe.read() == std::string(8192, 'x'));
  pipe.logger->warn("after it");
  CHECK(pipe.read() == "\n" + told(1) + "\nafter it\n");
}

TEST_CASE("without a reader lines go nowhere, and the program goes on") {
  ::signal(SIGPIPE, SIG_IGN);  // as the program does
  Pipe pipe(60s);
  ::close(std::exchange(pipe.ends[0], -1));
  for (int i = 0; i < 10'000; ++i) pipe.logger->warn("line {}", i);
  CHECK(pipe.ends[0] == -1);
}

TEST_CASE("nobody is held up who writes where nobody reads: pipe, socket, terminal, from two logs at once") {
  for (const Kind kind : {Kind::pipe, Kind::socket, Kind::terminal}) {
    CAPTURE(static_cast<int>(kind));
    const Channel channel(kind);
    const auto writer = std::make_shared<admin::PatientWriter>(channel.ends[1], bare(), 1ms);
    const auto program = logger_to(writer), access = logger_to(writer);
    Rescue rescue(channel);
    constexpr std::size_t kThreads = 4, kLines = 20'000;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i)
      threads.emplace_back([&, i] {
        for (std::size_t k = 0; k < kLines; ++k)
          (i % 2 == 0 ? program : access)->warn("line {} of thread {}", k, i);
      });
    for (auto& thread : threads) thread.join();
    REQUIRE_FALSE(rescue.needed());
    // Whoever else has the descriptor still waits in it.
    CHECK((::fcntl(channel.ends[1], F_GETFL) & O_NONBLOCK) == 0);

    const std::string text = channel.read(200ms);
    const auto whole = static_cast<std::size_t>(std::ranges::count(text, '\n'));
    CHECK(whole > 100);
    const auto first_of_all = text.substr(0, text.find('\n'));
    CHECK(first_of_all.starts_with("line 0 of thread "));
    program->warn("after it");
    access->warn("and more");
    CHECK(channel.read(200ms) ==
          (text.ends_with('\n') ? "" : "\n") + told(kThreads * kLines - whole) + "\nafter it\nand more\n");
  }
}

TEST_CASE("a reader that takes a little at a time is not waited for until it has kept up for a second") {
  Pipe pipe(1s);
  const std::string line = std::string(63, 'x') + "\n";
  auto now = std::chrono::steady_clock::now();
  const auto fill = [&] {
    for (int i = 0; i < 200; ++i) pipe.writer->write(line, now);
  };
  fill();  // waits for a second, once
  const auto begin = std::chrono::steady_clock::now();
  for (int round = 0; round < 20; ++round) {
    now += 900ms;
    std::array<char, 4096> page{};
    REQUIRE(::read(pipe.ends[0], page.data(), page.size()) == 4096);
    fill();
  }
  CHECK(std::chrono::steady_clock::now() - begin < 5s);
  pipe.read();
  pipe.writer->write("it reads again\n", now);
  pipe.read();

  now += 1s;
  std::atomic<bool> done{false};
  std::string got;
  std::thread reader([&] {
    std::this_thread::sleep_for(50ms);
    while (!done) got += pipe.read();
    got += pipe.read();
  });
  fill();
  done = true;
  reader.join();
  CHECK(got.size() == 200 * line.size());
}

TEST_CASE("the program log and the access log share what they know of standard error") {
  const auto before = spdlog::default_logger();
  const Channel channel(Kind::pipe);
  const int standard_error = ::dup(STDERR_FILENO);
  REQUIRE(::dup2(channel.ends[1], STDERR_FILENO) == STDERR_FILENO);
  const bool started = admin::start_logging({.access = true}).has_value();
  spdlog::warn("{}", std::string(12'000, 'x'));
  admin::log_access({});
  const std::string first = channel.read();
  admin::log_access({});
  const std::string second = channel.read();
  const bool ended = admin::start_logging({}).has_value();
  ::dup2(standard_error, STDERR_FILENO);
  ::close(standard_error);
  spdlog::set_default_logger(before);
  REQUIRE((started && ended));
  CHECK(first.size() == 8192);
  CHECK(second.starts_with("\n"));
  const auto lines = Pipe::lines(second.substr(1));
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].ends_with(told(2)));
  CHECK(lines[1].find("call=-") != std::string::npos);
}

TEST_CASE("lines reach a terminal's own side, which cannot be opened twice") {
  const Channel terminal(Kind::terminal);
  admin::PatientWriter writer(terminal.ends[0], bare(), 1s);
  writer.write("a line\n", std::chrono::steady_clock::now());
  std::array<char, 64> typed{};
  pollfd one{.fd = terminal.ends[1], .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&one, 1, 10'000) == 1);
  const auto n = ::read(terminal.ends[1], typed.data(), typed.size());
  REQUIRE(n > 0);
  CHECK(std::string(typed.data(), static_cast<std::size_t>(n)) == "a line\n");
}

TEST_CASE("a pipe that may not be opened again is written to as it is") {
  const Channel channel(Kind::pipe);
  const pid_t child = ::fork();
  if (child == 0) {
    // Another user than the pipe's; without the right to become one this tries less.
    [[maybe_unused]] const int done = ::setresuid(65534, 65534, 65534);
    admin::PatientWriter writer(channel.ends[1], bare(), 1ms);
    for (int i = 0; i < 100; ++i) writer.write("a line\n", std::chrono::steady_clock::now());
    ::_exit(0);
  }
  REQUIRE(child > 0);
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  const auto text = channel.read();
  CHECK(Pipe::lines(text).size() == 100);
}

TEST_CASE("a file gets every line at its end, whoever else writes there") {
  std::string name = "/tmp/sallyport-log-XXXXXX";
  const int file = ::mkostemp(name.data(), O_APPEND | O_CLOEXEC);
  REQUIRE(file >= 0);
  admin::PatientWriter writer(file, bare(), 1ms);
  for (const std::string line : {"one\n", "two\n"}) {
    writer.write(line, std::chrono::steady_clock::now());
    REQUIRE(::write(file, "other\n", 6) == 6);
  }
  std::array<char, 64> text{};
  const auto n = ::pread(file, text.data(), text.size(), 0);
  ::close(file);
  ::unlink(name.c_str());
  REQUIRE(n > 0);
  CHECK(std::string(text.data(), static_cast<std::size_t>(n)) == "one\nother\ntwo\nother\n");
}
