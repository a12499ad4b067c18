#include "sallyport/net/child.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "sallyport/core/limits.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/descriptor_limit.hpp"
#include "sallyport/net/held_bytes.hpp"

using namespace sallyport;
using namespace sallyport::net;
using namespace std::chrono_literals;

namespace {

const std::map<std::string, std::string> kEnvironment{{"PATH", "/usr/local/bin:/usr/bin:/bin"}};

/// A process that may be anyone's child, held so that its id cannot pass to another.
class Watched {
 public:
  explicit Watched(int pid) : fd_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
  Watched(Watched&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  ~Watched() {
    if (fd_ >= 0) ::close(fd_);
  }
  bool gone_within(std::chrono::milliseconds time) const {
    if (fd_ < 0) return true;
    pollfd p{.fd = fd_, .events = POLLIN, .revents = 0};
    return ::poll(&p, 1, static_cast<int>(time.count())) == 1;
  }

 private:
  int fd_;
};

/// A child with what it said, on the shard of this thread.
struct Running {
  std::vector<std::string> lines;
  std::vector<std::string> errors;
  Slot<std::string> exited;
  std::size_t awaited = 0;
  Slot<bool> arrived;  ///< as soon as `awaited` lines are there
  std::unique_ptr<Child> child;

  Running(Shard& shard, std::vector<std::string> argv, std::size_t lines_awaited = 0,
          std::string directory = {}, std::map<std::string, std::string> env = kEnvironment,
          Duration room_wait = limits::kChildRoomWait)
      : awaited(lines_awaited) {
    auto started =
        Child::start(shard, {.argv = std::move(argv),
                             .env = std::move(env),
                             .directory = std::move(directory),
                             .on_line =
                                 [this](std::string line) {
                                   lines.push_back(std::move(line));
                                   if (lines.size() == awaited) arrived.deliver(true);
                                 },
                             .on_stderr = [this](std::string line) { errors.push_back(std::move(line)); },
                             .on_exit = [this](std::string how) { exited.deliver(std::move(how)); },
                             .room_wait = room_wait});
    REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().what));
    child = std::move(*started);
  }
};

void on_shard(const std::function<Task<>(Shard&)>& body) {
  const auto before = detail::live_tasks;
  {
    Shard shard(0);
    REQUIRE(shard.post([&] {
      spawn([](const std::function<Task<>(Shard&)>& f, Shard& s) -> Task<> {
        co_await f(s);
        s.stop();
      }(body, shard));
    }));
    shard.run();
  }
  CHECK(detail::live_tasks == before);
}

std::vector<std::string> shell(std::string script) { return {"sh", "-c", std::move(script)}; }

/// A directory for one test.
struct Folder {
  Folder() {
    char name[] = "/tmp/sallyport-child-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  std::string write(const std::string& name, const std::string& text, mode_t mode) const {
    std::ofstream(path + "/" + name) << text;
    ::chmod((path + "/" + name).c_str(), mode);
    return path + "/" + name;
  }
  std::string path;
};

}  // namespace

TEST_CASE("lines go to a child and come back, in order and whole") {
  on_shard([](Shard& shard) -> Task<> {
    Running r(shard, {"cat"}, 2002);
    for (int i = 0; i < 2000; ++i) CHECK(r.child->send("{\"id\":" + std::to_string(i) + "}"));
    CHECK(r.child->send(std::string(3 * limits::MiB, 'x')));
    CHECK(r.child->send("{\n\"a\":\r\n1}"));
    co_await r.arrived;
    CHECK(r.lines[1999] == "{\"id\":1999}");
    CHECK(r.lines[2000].size() == 3 * limits::MiB);
    CHECK(r.lines[2001] == "{ \"a\":  1}");
    CHECK(r.child->pid() > 0);
    r.child->stop();
    r.child->stop();
    CHECK_FALSE(r.child->send("late"));
    const std::string how = co_await r.exited;
    // Either the end of its input or the signal reaches it first.
    CHECK((how == "exited with status 0" || how == "killed by signal 15"));
  });
}

TEST_CASE("how a child ended is told once, after its last line") {
  struct Row {
    const char* script;
    const char* how;
  };
  const Row rows[] = {
      {"echo last; exit 0", "exited with status 0"},
      {"echo last; exit 3", "exited with status 3"},
      {"echo last; kill -9 $$", "killed by signal 9"},
      {"echo last; printf 'half a message'", "exited with status 0"},
  };
  on_shard([&](Shard& shard) -> Task<> {
    for (const Row& row : rows) {
      CAPTURE(std::string(row.script));
      Running r(shard, shell(row.script));
      CHECK((co_await r.exited) == row.how);
      CHECK(r.lines == std::vector<std::string>{"last"});
      CHECK_FALSE(r.child->send("late"));
    }
  });
}

TEST_CASE("what a child writes to standard error is cut and shown without control characters") {
  on_shard([](Shard& shard) -> Task<> {
    Running r(shard, shell(R"(printf 'caf\303\251\033[31m\000\r\n' >&2; printf '\377\n' >&2
                             head -c 20000 /dev/zero | tr '\0' y >&2; echo >&2; printf end >&2)"));
    co_await r.exited;
    REQUIRE(r.errors.size() == 4);
    CHECK(r.errors[0] == "caf\xc3\xa9\\x1b[31m\\x00");
    CHECK(r.errors[1] == "\\xff");
    CHECK(r.errors[2] == std::string(limits::kChildStderrLine, 'y'));
    CHECK(r.errors[3] == "end");
  });
}

TEST_CASE("a program that cannot be run is named with the reason") {
  Folder folder;
  const std::string plain = folder.write("plain", "text", 0644);
  const std::string orphan = folder.write("orphan", "#!/no/such/interpreter\n", 0755);
  on_shard([&](Shard& shard) -> Task<> {
    struct Row {
      std::vector<std::string> argv;
      const char* what;
    };
    const Row rows[] = {
        {{"no-such-program"},
         "cannot run 'no-such-program': No such file or directory in PATH=/usr/local/bin:/usr/bin:/bin"},
        {{"/no/such/program"}, "cannot run '/no/such/program': No such file or directory"},
        {{folder.path}, "Permission denied"},
        {{plain}, "Permission denied"},
        {{""}, "No such file or directory"},
        {{}, "no command"},
        {{"sh", std::string("a\0b", 3)}, "NUL"},
    };
    for (const Row& row : rows) {
      auto started = Child::start(
          shard, {.argv = row.argv, .env = kEnvironment, .on_line = {}, .on_stderr = {}, .on_exit = {}});
      REQUIRE_FALSE(started.has_value());
      CHECK(started.error().code == Code::upstream_unreachable);
      CHECK(started.error().what.find(row.what) != std::string::npos);
    }
    Running unfit(shard, {orphan});
    CHECK((co_await unfit.exited) == "cannot run '" + orphan + "': No such file or directory");
    Running lost(shard, {"sh"}, 0, folder.path + "/gone");
    CHECK((co_await lost.exited) ==
          "cannot enter directory '" + folder.path + "/gone': No such file or directory");
  });
}

TEST_CASE(
    "N39: a child gets its arguments as they are, its own environment, its directory and nothing else") {
  Folder folder;
  folder.write("tool", "#!/bin/sh\necho found\n", 0755);
  on_shard([&](Shard& shard) -> Task<> {
    Running words(shard, {"printf", "%s\\n", "$(id); `x` && y | z > w", "*"});
    co_await words.exited;
    CHECK(words.lines == std::vector<std::string>{"$(id); `x` && y | z > w", "*"});

    Running variables(shard, {"env"}, 0, {}, {{"PATH", "/usr/bin:/bin"}, {"A", "b c"}});
    co_await variables.exited;
    std::ranges::sort(variables.lines);
    CHECK(variables.lines == std::vector<std::string>{"A=b c", "PATH=/usr/bin:/bin"});

    Running place(shard, {"pwd"}, 0, folder.path);
    co_await place.exited;
    CHECK(place.lines == std::vector<std::string>{folder.path});
    Running relative(shard, {"./tool"}, 0, folder.path);
    co_await relative.exited;
    CHECK(relative.lines == std::vector<std::string>{"found"});

    const int extra = ::open("/dev/null", O_RDONLY);  // no O_CLOEXEC: as a careless library would leave it
    Running descriptors(shard, {"ls", "/proc/self/fd"});
    co_await descriptors.exited;
    ::close(extra);
    CHECK(descriptors.lines ==
          std::vector<std::string>{"0", "1", "2", "3"});  // 3: the directory that ls reads
  });
}

TEST_CASE("N39: the environment is an allow-list, and no variable in it loads foreign code") {
  ::setenv("SALLYPORT_TEST_SECRET", "x", 1);
  const auto plain = minimal_environment({{"API_KEY", "k"}, {"LANG", "C"}});
  ::unsetenv("SALLYPORT_TEST_SECRET");
  REQUIRE(plain.has_value());
  CHECK(plain->at("API_KEY") == "k");
  CHECK(plain->at("LANG") == "C");
  CHECK(plain->contains("PATH"));
  CHECK_FALSE(plain->contains("SALLYPORT_TEST_SECRET"));
  for (const char* name : {"LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES",
                           "GLIBC_TUNABLES", "GCONV_PATH", "BASH_ENV", "ENV", "", "A=B"}) {
    CAPTURE(std::string(name));
    const auto refused = minimal_environment({{name, "/tmp/x.so"}});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == Code::bad_request);
  }
  CHECK_FALSE(minimal_environment({{"A", std::string("b\0c", 3)}}).has_value());
}

TEST_CASE("a child that does not read is sent no more than the bound") {
  on_shard([](Shard& shard) -> Task<> {
    Running r(shard, {"sleep", "1000"});
    std::size_t taken = 0;
    while (taken < 2 * limits::kChildLine && r.child->send(std::string(limits::MiB, 'x')))
      taken += limits::MiB;
    CHECK(taken >= limits::kChildLine - 2 * limits::MiB);
    CHECK(taken <= limits::kChildLine);
    r.child->stop();
    CHECK((co_await r.exited) == "killed by signal 15");
  });
}

TEST_CASE("a child that never ends its line is stopped") {
  on_shard([](Shard& shard) -> Task<> {
    Running r(shard, shell("tr '\\0' x < /dev/zero"));
    CHECK((co_await r.exited).starts_with("stopped: it wrote a line longer than"));
    CHECK(r.lines.empty());
  });
}

TEST_CASE("what a child has not read, and the line that it has not ended, are counted") {
  const auto before = HeldBytes::total();
  const auto held = [&] { return HeldBytes::total() - before; };
  on_shard([&](Shard& shard) -> Task<> {
    Running silent(shard, {"sleep", "1000"});
    CHECK(silent.child->send(std::string(limits::MiB, 'x')));
    CHECK(held() >= limits::MiB);
    silent.child->stop();
    co_await silent.exited;
    CHECK(held() == 0);

    Running r(shard, shell("head -c 1000000 /dev/zero | tr '\\0' x; read line; echo; read line"), 1);
    while (r.child->heard() < 1'000'000) co_await sleep_for(shard, 1ms);
    CHECK(held() == 1'000'000);
    CHECK(r.child->send("end it"));
    co_await r.arrived;
    CHECK(r.lines[0].size() == 1'000'000);
    CHECK(held() == 0);
    r.child->stop();
    co_await r.exited;
  });
}

TEST_CASE("a child with a long line waits for room while the budget is spent, and is ended at last") {
  on_shard([](Shard& shard) -> Task<> {
    HeldBytes others;
    REQUIRE(others.set(HeldBytes::budget() - HeldBytes::total()));
    Running r(shard, shell("head -c 1000000 /dev/zero | tr '\\0' x; echo; sleep 1000"), 1);
    CHECK(r.child->send("a short line"));
    CHECK(r.child->send(std::string(10'000, 'x')).error().code == Code::limited);
    while (r.child->heard() < 64 * limits::KiB) co_await sleep_for(shard, 1ms);
    co_await sleep_for(shard, 100ms);
    CHECK(r.child->heard() < 128 * limits::KiB);
    others.release();
    co_await r.arrived;
    CHECK(r.lines[0].size() == 1'000'000);
    r.child->stop();
    co_await r.exited;

    REQUIRE(others.set(HeldBytes::budget() - HeldBytes::total()));
    Running endless(shard, shell("tr '\\0' x < /dev/zero"), 0, {}, kEnvironment, 50ms);
    CHECK((co_await endless.exited).starts_with("stopped: no room was left"));
    others.release();
  });
}

TEST_CASE("a child that closes its input goes on talking") {
  on_shard([](Shard& shard) -> Task<> {
    Running r(shard, shell("exec 0<&-; echo ready; sleep 1000"), 1);
    co_await r.arrived;
    while (r.child->send("into the void")) co_await turn_end(shard);
    r.child->stop();
    CHECK((co_await r.exited) == "killed by signal 15");
  });
}

TEST_CASE("a child that closes its output or its input and lives on is ended") {
  struct Row {
    const char* script;
    const char* how;
  };
  const Row rows[] = {
      {"echo last; exec 1>&-; sleep 1000", "closed its standard output and was stopped"},
      {"trap '' TERM; echo last; exec 1>&-; while :; do sleep 1; done",
       "closed its standard output and was stopped"},
      {"exec 0<&-; echo ready; sleep 0.05; echo last; sleep 1000",
       "closed its standard input and was stopped"},
      // What ends by itself says how.
      {"echo last; exec 1>&-; exit 4", "exited with status 4"},
      {"echo last; exec 1>&-; read line; exit 5", "exited with status 5"},
      {"exec 0<&-; echo ready; echo last; exit 6", "exited with status 6"},
  };
  on_shard([&](Shard& shard) -> Task<> {
    for (const Row& row : rows) {
      CAPTURE(std::string(row.script));
      Running r(shard, shell(row.script), 1);
      co_await r.arrived;
      const bool input = std::string_view(row.script).starts_with("exec 0");
      while (input && r.child->send("into the void")) co_await turn_end(shard);
      CHECK((co_await r.exited) == row.how);
      CHECK(r.lines.back() == "last");
      CHECK_FALSE(r.child->send("late"));
    }
  });
}

TEST_CASE("what has been heard of a child counts bytes, not only whole lines") {
  on_shard([](Shard& shard) -> Task<> {
    Running r(shard, shell("printf 'half'; read line; echo; echo $line"), 2);
    while (r.child->heard() < 4) co_await sleep_for(shard, 1ms);
    CHECK(r.lines.empty());
    CHECK(r.child->send("abc"));
    co_await r.arrived;
    CHECK(r.child->heard() == 9);
    co_await r.exited;
  });
}

TEST_CASE("what a command leaves behind goes with it") {
  on_shard([](Shard& shard) -> Task<> {
    // One in the group, one that left group and parents, one that ignores the polite signal.
    Running r(shard,
              shell("sleep 1000 & echo $!\n"
                    "(setsid sleep 1000 & echo $!)\n"
                    "(sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1; done' & )\n"
                    "read line; exit 7"),
              3);
    co_await r.arrived;
    std::vector<Watched> left;
    for (const std::string& line : r.lines) left.emplace_back(std::atoi(line.c_str()));
    CHECK(r.child->send("go"));
    CHECK((co_await r.exited) == "exited with status 7");
    for (const Watched& w : left) CHECK(w.gone_within(0ms));
  });
}

TEST_CASE("a child that ignores the polite signal is killed after a while") {
  on_shard([](Shard& shard) -> Task<> {
    Running r(shard, shell("trap '' TERM; echo ready; while :; do sleep 1; done"), 1);
    co_await r.arrived;
    const auto begin = std::chrono::steady_clock::now();
    r.child->stop();
    CHECK((co_await r.exited) == "killed by signal 9");
    CHECK(std::chrono::steady_clock::now() - begin >= limits::kChildKillAfter);
  });
}

TEST_CASE("a child whose owner is gone ends and calls nobody") {
  on_shard([](Shard& shard) -> Task<> {
    auto r = std::make_unique<Running>(shard, shell("sleep 1000 & echo $!; echo $$; wait"), 2);
    co_await r->arrived;
    std::vector<Watched> all;
    for (const std::string& line : r->lines) all.emplace_back(std::atoi(line.c_str()));
    r.reset();
    while (!std::ranges::all_of(all, [](const Watched& w) { return w.gone_within(0ms); })) {
      co_await sleep_for(shard, 10ms);
    }
    // An owner may also let go from inside the last callback.
    std::unique_ptr<Child> child;
    Slot<bool> ended;
    auto started = Child::start(
        shard,
        {.argv = {"true"}, .env = kEnvironment, .on_line = {}, .on_stderr = {}, .on_exit = [&](std::string) {
           child.reset();
           ended.deliver(true);
         }});
    REQUIRE(started.has_value());
    child = std::move(*started);
    co_await ended;
  });
}

TEST_CASE("a child is ended when its shard goes first") {
  std::vector<Watched> all;
  std::unique_ptr<Running> r;
  on_shard([&](Shard& shard) -> Task<> {
    r = std::make_unique<Running>(shard, shell("echo $$; sleep 1000"), 1);
    co_await r->arrived;
    all.emplace_back(std::atoi(r->lines[0].c_str()));
    r->child.reset();
  });
  CHECK(all[0].gone_within(10s));
}

// Not a test of its own: the process that the next one kills.
TEST_CASE("gateway to be killed") {
  if (std::getenv("SALLYPORT_GATEWAY_TO_BE_KILLED") == nullptr) return;
  on_shard([](Shard& shard) -> Task<> {
    Slot<bool> never;
    auto child = Child::start(
        shard, {.argv = shell("sleep 1000 & echo $!\n"
                              "(setsid sh -c 'sleep 1000 & echo $!; wait' & )\n"
                              "(setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000' & )\n"
                              "echo $PPID; echo $$; sleep 1000"),
                .env = kEnvironment,
                .on_line = [](const std::string& line) { std::cout << "pid " << line << std::endl; },
                .on_stderr = {},
                .on_exit = {}});
    REQUIRE(child.has_value());
    co_await never;
  });
}

TEST_CASE("when the gateway is killed outright nothing that it started stays") {
  int fds[2];
  REQUIRE(::pipe2(fds, O_CLOEXEC) == 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fds[1], 1);
  std::vector<std::string> words{"gateway", "--test-case=gateway to be killed"};
  char* argv[] = {words[0].data(), words[1].data(), nullptr};
  std::vector<char*> environment;
  for (char** entry = environ; *entry; ++entry) environment.push_back(*entry);
  std::string mark = "SALLYPORT_GATEWAY_TO_BE_KILLED=1";
  environment.push_back(mark.data());
  environment.push_back(nullptr);
  pid_t gateway = 0;
  REQUIRE(::posix_spawn(&gateway, "/proc/self/exe", &actions, nullptr, argv, environment.data()) == 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(fds[1]);

  std::vector<Watched> all;
  std::FILE* const said = ::fdopen(fds[0], "r");
  char line[256];
  while (all.size() < 5 && std::fgets(line, sizeof line, said)) {
    if (int pid = 0; std::sscanf(line, "pid %d", &pid) == 1) all.emplace_back(pid);
  }
  CHECK(all.size() == 5);
  REQUIRE(::kill(gateway, SIGKILL) == 0);
  REQUIRE(::waitpid(gateway, nullptr, 0) == gateway);
  const auto killed = std::chrono::steady_clock::now();
  for (const Watched& w : all) CHECK(w.gone_within(10s));
  const auto took = std::chrono::steady_clock::now() - killed;
  MESSAGE("everything was gone after " << std::chrono::duration_cast<std::chrono::milliseconds>(took).count()
                                       << " ms");
  CHECK(took < limits::kChildKillAfter + 3s);
  std::fclose(said);
}

TEST_CASE("a limit of descriptors that was raised for the gateway is the command's own again") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(before.rlim_max > 300);
  const rlimit low{.rlim_cur = 300, .rlim_max = before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  raise_descriptor_limit();
  rlimit now{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &now) == 0);
  CHECK(now.rlim_cur == before.rlim_max);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  on_shard([&](Shard& shard) -> Task<> {
    Running child(shard, shell("ulimit -Sn; ulimit -Hn"), 2);
    co_await child.arrived;
    REQUIRE(child.lines.size() == 2);
    CHECK(child.lines[0] == "300");
    CHECK((child.lines[1] == std::to_string(before.rlim_max) || child.lines[1] == "unlimited"));
    co_await child.exited;
  });
}
