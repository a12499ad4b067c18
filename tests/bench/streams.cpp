/// Opens many idle streams of both eras against a gateway and measures what they cost and how long a change
/// takes to reach all of them.
///
///   streams PID PORT KEY LISTENS GETS COMMAND   PID and PORT are the gateway's, KEY an agent's, COMMAND
///   makes a change
///                                    that every stream hears of
///
/// Prints one line per measurement. It trusts its peer: it is no example of how to write a client.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string pid, key, command;
  std::uint16_t port = 0;
  int listens = 0, gets = 0;
};

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "streams: %s\n", what.c_str());
  std::exit(1);
}

long resident_kib(const std::string& pid) {
  std::ifstream in("/proc/" + pid + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("VmRSS:")) return std::atol(line.c_str() + 6);
  }
  fail("no process " + pid);
}

int dial(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
    fail(std::string("connect: ") + std::strerror(errno));
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) fail(std::string("send: ") + std::strerror(errno));
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

/// Reads until `end` has come.
std::string read_until(int fd, std::string_view end) {
  std::string all;
  char bytes[4096];
  while (all.find(end) == std::string::npos) {
    const ssize_t n = ::recv(fd, bytes, sizeof bytes, 0);
    if (n <= 0) fail("the gateway closed a connection: " + all);
    all.append(bytes, static_cast<std::size_t>(n));
  }
  return all;
}

std::string request(const Options& options, const std::string& method, const std::string& headers,
                    const std::string& body) {
  return method + " /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + options.key +
         "\r\nAccept: application/json, text/event-stream\r\n" + headers +
         (body.empty() ? "" : "Content-Type: application/json\r\n") +
         "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

int open_listen(const Options& options) {
  const int fd = dial(options.port);
  send_all(
      fd, request(options, "POST", "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n",
                  R"({"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":)"
                  R"({"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":)"
                  R"("2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}})"));
  read_until(fd, "acknowledged");
  return fd;
}

/// A session is kept by the shard that its connection belongs to: several connections spread them.
std::string open_session(const Options& options, int fd) {
  send_all(fd, request(options, "POST", "",
                       R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":)"
                       R"("2025-11-25","capabilities":{},"clientInfo":{"name":"streams","version":"1"}}})"));
  const std::string answer = read_until(fd, "serverInfo\":{");
  const auto at = answer.find("Mcp-Session-Id: ");
  if (at == std::string::npos) fail("no session: " + answer);
  // The rest of the body is short; it has come with the head or comes at once.
  return answer.substr(at + 16, answer.find("\r\n", at) - at - 16);
}

int open_get(const Options& options, const std::string& session) {
  const int fd = dial(options.port);
  send_all(fd, request(options, "GET", "Mcp-Session-Id: " + session + "\r\n", ""));
  read_until(fd, "data:");
  return fd;
}

void report(const char* kind, int count, long before, long after) {
  if (count == 0) return;
  std::printf("%d %s streams: %.2f KiB each (RSS %ld -> %ld KiB)\n", count, kind,
              static_cast<double>(after - before) / count, before, after);
  std::fflush(stdout);
}

/// Runs the command and waits until every stream has said something; how long after its beginning and end.
void measure_change(const Options& options, const std::vector<int>& streams) {
  const int poll = ::epoll_create1(EPOLL_CLOEXEC);
  for (const int fd : streams) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.fd = fd}};
    ::epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
  std::vector<char> told(65536, 0);
  char bytes[16384];
  // What came before the change is not news.
  std::vector<epoll_event> events(1024);
  for (const auto until = Clock::now() + std::chrono::milliseconds(500); Clock::now() < until;) {
    const int n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 100);
    for (int i = 0; i < n; ++i) {
      while (::recv(events[static_cast<std::size_t>(i)].data.fd, bytes, sizeof bytes, 0) > 0) {
      }
    }
  }
  const auto begin = Clock::now();
  Clock::time_point done{};
  std::thread change([&] {
    if (std::system(options.command.c_str()) != 0) fail("the command failed: " + options.command);
    done = Clock::now();
  });
  std::size_t count = 0;
  Clock::time_point last = begin;
  while (count < streams.size() && Clock::now() - begin < std::chrono::seconds(30)) {
    const int n = ::epoll_wait(poll, events.data(), static_cast<int>(events.size()), 1000);
    for (int i = 0; i < n; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      std::string all;
      for (ssize_t got; (got = ::recv(fd, bytes, sizeof bytes, 0)) > 0;)
        all.append(bytes, static_cast<std::size_t>(got));
      if (all.find("list_changed") == std::string::npos) continue;
      const auto place = static_cast<std::size_t>(fd);
      if (place >= told.size()) told.resize(place * 2, 0);
      if (told[place] == 0) {
        told[place] = 1;
        ++count;
        last = Clock::now();
      }
    }
  }
  change.join();
  const auto millis = [](auto d) {
    return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count());
  };
  std::printf("change: %zu of %zu streams told %ld ms after the command began (it took %ld ms)\n", count,
              streams.size(), millis(last - begin), millis(done - begin));
  std::fflush(stdout);
  ::close(poll);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 7) fail("usage: streams PID PORT KEY LISTENS GETS COMMAND");
  const Options options{.pid = argv[1],
                        .key = argv[3],
                        .command = argv[6],
                        .port = static_cast<std::uint16_t>(std::atoi(argv[2])),
                        .listens = std::atoi(argv[4]),
                        .gets = std::atoi(argv[5])};
  std::vector<int> streams;
  const long empty = resident_kib(options.pid);
  for (int i = 0; i < options.listens; ++i) streams.push_back(open_listen(options));
  const long listening = resident_kib(options.pid);
  report("subscriptions/listen", options.listens, empty, listening);

  std::vector<int> openers;
  for (int i = 0; i < 8; ++i) openers.push_back(dial(options.port));
  for (int i = 0; i < options.gets; ++i)
    streams.push_back(open_get(options, open_session(options, openers[static_cast<std::size_t>(i % 8)])));
  report("GET", options.gets, listening, resident_kib(options.pid));

  std::printf("open\n");
  std::fflush(stdout);
  // Each line of the input is a change; its end is ours.
  for (char line[64]; std::fgets(line, sizeof line, stdin) != nullptr;) measure_change(options, streams);
}
