// The program as whoever starts it finds it: closed streams, ignored signals, limits.
#include <signal.h>
#include <sys/resource.h>

#include <filesystem>

#include "gateway_fixture.hpp"
#include "store/data_directory.hpp"
#include "support/gateway_process.hpp"

using namespace sallyport::testing;

namespace {

namespace fs = std::filesystem;
using sallyport::store::DataDirectory;

/// Runs the program as a shell does with what stands behind its arguments, such as ">&-".
Finished in_shell(const std::string& arguments, const std::string& data, const std::string& behind) {
  return run_command(
      {"/bin/sh", "-c", "exec \"$0\" --data \"$1\" " + arguments + " " + behind, SALLYPORT_PROGRAM, data});
}

/// A program that does something and then becomes ours.
std::string wrapper(const DataDirectory& directory, const std::string& before, const std::string& behind) {
  const std::string path = directory.beside("wrapper");
  std::ofstream(path) << "#!/bin/sh\n"
                      << before << "\nexec '" << SALLYPORT_PROGRAM << "' \"$@\" " << behind << "\n";
  fs::permissions(path, fs::perms::owner_all);
  return path;
}

bool ignores(pid_t pid, int signal) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("SigIgn:"))
      return ((std::stoull(line.substr(7), nullptr, 16) >> static_cast<unsigned>(signal - 1)) & 1) != 0;
  }
  return false;
}

std::string call_of(const GatewayFixture& gateway) {
  return GatewayFixture::request(
      "POST", "/mcp",
      gateway.bearer() + GatewayFixture::media() + GatewayFixture::modern_headers("tools/call", "up__echo"),
      GatewayFixture::modern_body("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "x"}}}}));
}

int status_of_call(const GatewayProcess& program, const GatewayFixture& gateway) {
  RawSocket socket = RawSocket::to(program.port);
  socket.send(call_of(gateway));
  return socket.answer().status;
}

}  // namespace

TEST_CASE("output that goes nowhere makes a command fail, and a key that nobody saw is named") {
  const DataDirectory directory;
  for (const char* behind : {">/dev/full", ">&-"}) {
    CAPTURE(behind);
    const Finished made = in_shell("key create --agent bot", directory.path(), behind);
    CHECK(made.status == 1);
    CHECK(made.err.find("revoke it with `sallyport key revoke ") != std::string::npos);
    CHECK(in_shell("get agents", directory.path(), behind).status == 1);
    CHECK(in_shell("version", directory.path(), behind).status == 1);
  }
  CHECK(in_shell("version", directory.path(), "").status == 0);
  // Quiet where the reader has enough, whether the signal is ignored or not.
  for (const std::string before : {"", "trap '' PIPE; "}) {
    const Finished piped = run_command(
        {"/bin/sh", "-c", before + "{ sleep 0.2; \"$0\" --help-all; } | true", SALLYPORT_PROGRAM});
    CHECK(piped.err.empty());
  }
}

TEST_CASE("standard streams that are closed at the start lead nowhere, and not into files of ours") {
  const DataDirectory directory;
  GatewayProcess program({.program = wrapper(directory, "", "<&- 2>&-"), .data = directory.path()});
  REQUIRE(program.ready());
  const auto stream = [&](int fd) {
    return fs::read_symlink("/proc/" + std::to_string(program.pid()) + "/fd/" + std::to_string(fd));
  };
  CHECK(stream(0) == "/dev/null");
  CHECK(stream(2) == "/dev/null");
  CHECK(program.end(SIGTERM) == 0);
}

TEST_CASE("a server that was started with SIGHUP ignored, as by nohup, outlives the terminal") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  gateway.server.reset();
  const DataDirectory directory;
  {
    GatewayProcess program(
        {.program = wrapper(directory, "trap '' HUP", ""), .data = gateway.directory.path});
    REQUIRE(program.ready());
    CHECK(ignores(program.pid(), SIGHUP));
    program.signal(SIGHUP);
    CHECK(status_of_call(program, gateway) == 200);
    CHECK(program.end(SIGTERM) == 0);
  }
  GatewayProcess program({.program = SALLYPORT_PROGRAM, .data = gateway.directory.path});
  REQUIRE(program.ready());
  CHECK_FALSE(ignores(program.pid(), SIGHUP));
  CHECK(program.end(SIGHUP) == 0);
}

TEST_CASE("a file that may not grow any more refuses calls as a full disk does, and ends nothing") {
  FakeMcp upstream;
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  gateway.server.reset();
  const DataDirectory directory;
  fs::create_directory(directory.path());
  GatewayProcess program({.program = SALLYPORT_PROGRAM,
                          .data = gateway.directory.path,
                          .log = directory.file("log"),
                          .flags = {"--shards", "1"}});
  REQUIRE(program.ready());
  CHECK(status_of_call(program, gateway) == 200);
  const auto before = upstream.call_count();
  rlimit limit{};
  REQUIRE(::prlimit(program.pid(), RLIMIT_FSIZE, nullptr, &limit) == 0);
  const rlimit tiny{1, limit.rlim_max};
  REQUIRE(::prlimit(program.pid(), RLIMIT_FSIZE, &tiny, nullptr) == 0);
  CHECK(status_of_call(program, gateway) == 503);
  CHECK(upstream.call_count() == before);
  REQUIRE(::prlimit(program.pid(), RLIMIT_FSIZE, &limit, nullptr) == 0);
  CHECK(status_of_call(program, gateway) == 200);
  CHECK(program.end(SIGTERM) == 0);
  CHECK(gateway.count("outcome", {{"status", "ok"}}) == 2);
}
