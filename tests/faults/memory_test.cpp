// What the process holds of memory: at rest, under floods of large bodies, and over a long mixed load.
#include <doctest/doctest.h>

#include <atomic>
#include <iostream>
#include <thread>

#include "installation.hpp"
#include "load.hpp"
#include "process_memory.hpp"

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;
using testing::FakeMcp;
using testing::Json;
using testing::RawSocket;

constexpr std::size_t kMiB = 1024 * 1024;
constexpr std::size_t kAtRest = 30;  // MiB
// Beyond the budget: the process at rest, one copy that each shard is just making, what the allocator keeps.
constexpr std::size_t kMargin = 128;  // MiB
constexpr std::size_t kGrowth = 8;    // MiB over the whole of a load

std::string call(const std::string& key, const std::string& arguments, const std::string& more = {}) {
  const std::string body =
      R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","arguments":)" +
      arguments +
      R"(,"_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
      R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
  return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key +
         "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
         "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: up__echo\r\n" +
         more + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// The upstream executes nothing: it takes large arguments and gives large answers, a stream where asked.
void let_be_large(Installation& installation) {
  installation.slowest = 0;
  installation.upstream().on_socket([](RawSocket& socket, const Json& message) {
    if (message.value("method", "") != "tools/call") return false;
    const Json arguments = message["params"].value("arguments", Json::object());
    const auto size = arguments.value("answer", std::size_t{0});
    if (size == 0 && !arguments.contains("text") && !arguments.contains("stream")) return false;
    const Json result = FakeMcp::result(
        message, {{"resultType", "complete"},
                  {"content", Json::array({{{"type", "text"}, {"text", std::string(size, 'x')}}})}});
    if (!arguments.contains("stream")) {
      socket.send(FakeMcp::json(result, "Connection: close\r\n"));
      return true;
    }
    std::string text;
    for (int i = 0; i < 3; ++i)
      text += "data: " +
              Json{{"jsonrpc", "2.0"},
                   {"method", "notifications/progress"},
                   {"params",
                    {{"progressToken", message["params"]["_meta"].value("progressToken", Json("p"))},
                     {"progress", i}}}}
                  .dump() +
              "\n\n";
    socket.send(FakeMcp::events(text + "data: " + result.dump() + "\n\n"));
    return true;
  });
}

/// Nothing of a payload goes to the journal: it is not what is measured here.
bool capture_nothing(Installation& installation, Findings& found) {
  const auto applied = installation.apply(
      "kind: Server\nname: up\ntransport: {type: streamable-http, url: \"" + installation.upstream().url() +
      "\", allow_private: true}\ncredential: token\ncapture: digest\n");
  found.expect(applied.status == 0, "apply: " + applied.err);
  return applied.status == 0;
}

struct Counted {
  std::atomic<int> fine{0}, refused{0}, other{0};
};

/// Callers of one sort, until they are told to end.
class Callers {
 public:
  template <class F>
  Callers(int count, F work) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this, work, i] {
        for (int n = 0; !over_; ++n) work(i, n);
      });
    }
  }
  ~Callers() {
    over_ = true;
    for (auto& thread : threads_) thread.join();
  }
  Callers(const Callers&) = delete;
  Callers& operator=(const Callers&) = delete;

 private:
  std::atomic<bool> over_{false};
  std::vector<std::thread> threads_;
};

}  // namespace

TEST_CASE("memory: a process at rest holds less than 30 MiB") {
  for_seeds("memory at rest", 1, 1, [](std::uint64_t, Findings& found) {
    Installation installation(found);
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    std::this_thread::sleep_for(500ms);
    const std::size_t rest = resident_mib(gateway->pid());
    found.expect(rest < kAtRest, std::to_string(rest) + " MiB at rest");
    found.figures = std::to_string(rest) + " MiB";
  });
}

TEST_CASE("memory: floods of bodies and of answers of 10 MiB stay within the budget, and small calls go on") {
  for_seeds("memory flood", 1, 1, [](std::uint64_t, Findings& found) {
    Installation installation(found);
    let_be_large(installation);
    if (!capture_nothing(installation, found)) return;
    const std::size_t budget = run().brief ? 192 : 1024;  // MiB
    auto gateway = installation.start({"--bytes-in-flight", std::to_string(budget) + "MiB"});
    if (!gateway || !installation.serves(*gateway)) return;
    const AtRest before = at_rest(installation, *gateway);
    const std::size_t rest = resident_mib(gateway->pid());
    const std::uint16_t port = gateway->port;
    const std::string key = installation.key();
    const std::string large = call(key, "{\"text\":\"" + std::string(10 * kMiB - 1024, 'y') + "\"}");
    const std::string wanting = call(key, "{\"answer\":" + std::to_string(10 * kMiB) + "}");
    const int callers = run().brief ? 32 : 200;

    for (const bool answers : {false, true}) {
      Counted large_calls, small_calls;
      std::size_t peak = 0;
      double counted = 0;
      {
        Callers flood(callers, [&](int, int) {
          RawSocket socket = RawSocket::to(port);
          if (!answers) {
            // The end of the body is held back, so that all of them are there at once.
            socket.send(std::string_view(large).substr(0, large.size() - 10));
            std::this_thread::sleep_for(700ms);
            socket.send(std::string_view(large).substr(large.size() - 10));
          } else {
            socket.send(wanting);
            std::this_thread::sleep_for(700ms);
          }
          const auto answer = socket.answer();
          const bool limited = answer.body.find("\"limited\"") != std::string::npos;
          ++(limited ? large_calls.refused : answer.status == 200 ? large_calls.fine : large_calls.other);
        });
        Callers small(4, [&](int i, int n) {
          RawSocket socket = RawSocket::to(port);
          const Sent sent = Load::call(
              socket, key, std::string(answers ? "a" : "b") + std::to_string(i) + "-" + std::to_string(n));
          ++(sent.end == Sent::End::result ? small_calls.fine : small_calls.other);
          std::this_thread::sleep_for(20ms);
        });
        const auto until = std::chrono::steady_clock::now() + (run().brief ? 8s : 60s);
        while (std::chrono::steady_clock::now() < until) {
          peak = std::max(peak, resident_mib(gateway->pid()));
          counted =
              std::max(counted, Installation::metric(installation.metrics(), "sallyport_bytes_in_flight"));
          std::this_thread::sleep_for(20ms);
        }
      }
      const char* const what = answers ? "answers" : "bodies";
      found.expect(large_calls.fine > 0, std::string("no large call went through: ") + what);
      found.expect(large_calls.refused > 0, std::string("the budget was never spent: ") + what);
      found.expect(small_calls.fine > 20,
                   std::string("only ") + std::to_string(small_calls.fine) + " small calls beside " + what);
      found.expect(small_calls.other == 0,
                   std::to_string(small_calls.other) + " small calls failed beside " + what);
      found.expect(peak < budget + kMargin, std::to_string(peak) + " MiB resident with a budget of " +
                                                std::to_string(budget) + " MiB: " + what);
      found.figures += std::string(what) + ": " + std::to_string(large_calls.fine) + " went, " +
                       std::to_string(large_calls.refused) + " were refused, " +
                       std::to_string(large_calls.other) + " cut, " + std::to_string(small_calls.fine) +
                       " small ones beside; at most " + std::to_string(peak) + " MiB, " +
                       std::to_string(static_cast<long>(counted / static_cast<double>(kMiB))) +
                       " MiB counted; ";
    }
    expect_at_rest(before, installation, *gateway, found);
    found.expect(Installation::metric(installation.metrics(), "sallyport_bytes_in_flight") == 0,
                 "bytes are still counted at rest");
    std::this_thread::sleep_for(1s);
    found.figures += std::to_string(rest) + " MiB before, " + std::to_string(resident_mib(gateway->pid())) +
                     " MiB after, budget " + std::to_string(budget) + " MiB";
  });
}

TEST_CASE("memory: it does not grow over a mixed load") {
  for_seeds("memory growth", 1, 1, [](std::uint64_t seed, Findings& found) {
    Installation installation(found);
    let_be_large(installation);
    if (!capture_nothing(installation, found)) return;
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    const AtRest before = at_rest(installation, *gateway);
    const std::uint16_t port = gateway->port;
    const std::string key = installation.key();
    const auto time = run().brief ? std::chrono::seconds(40) : std::chrono::seconds(3600);
    std::size_t warm = 0, end = 0;
    std::atomic<long> calls{0};
    {
      Callers mixed(8, [&](int i, int n) {
        Dice dice(seed * 1'000'003 + static_cast<std::uint64_t>(i) * 100'003 + static_cast<std::uint64_t>(n));
        RawSocket socket = RawSocket::to(port);
        const auto ask = [&](const std::string& request) {
          ++calls;
          if (!socket.send(request)) return RawSocket::Answer{};
          return socket.answer();
        };
        switch (dice.between(0, 6)) {
          case 0:  // calls on one connection
            for (int k = 0; k < 20; ++k) ask(call(key, R"({"token":"t"})"));
            break;
          case 1:  // a stream, whole
            ask(call(key, R"({"stream":1})"));
            break;
          case 2:  // a stream, left
            socket.send(call(key, R"({"stream":1})"));
            if (dice.one_in(2)) socket.reset();
            break;
          case 3: {  // a body and an answer of some size
            const auto size = static_cast<std::size_t>(dice.between(1, 400'000));
            ask(call(key, "{\"text\":\"" + std::string(size, 'z') + "\",\"answer\":" + std::to_string(size) +
                              "}"));
            break;
          }
          case 4:  // what is refused
            ask("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}");
            ask("GET / HTTP/1.0\r\n\r\n");
            break;
          case 5: {  // a session of 2025, with a stream of its own
            const std::string common = "Host: localhost\r\nAuthorization: Bearer " + key +
                                       "\r\nContent-Type: application/json\r\nAccept: application/json, "
                                       "text/event-stream\r\n";
            const std::string hello =
                R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
                R"("capabilities":{},"clientInfo":{"name":"t","version":"1"}}})";
            const auto opened = ask("POST /mcp HTTP/1.1\r\n" + common +
                                    "Content-Length: " + std::to_string(hello.size()) + "\r\n\r\n" + hello);
            const auto at = opened.head.find("Mcp-Session-Id: ");
            if (at == std::string::npos) break;
            const std::string session = opened.head.substr(at, opened.head.find("\r\n", at) - at) +
                                        "\r\nMCP-Protocol-Version: 2025-11-25\r\n";
            RawSocket stream = RawSocket::to(port);
            stream.send("GET /mcp HTTP/1.1\r\n" + common + session + "\r\n");
            const std::string body =
                R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"up__echo","arguments":{}}})";
            for (int k = 0; k < 5; ++k)
              ask("POST /mcp HTTP/1.1\r\n" + common + session +
                  "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
            ask("DELETE /mcp HTTP/1.1\r\n" + common + session + "\r\n");
            break;
          }
          default:  // half a request, then gone
            socket.send(call(key, "{}").substr(0, static_cast<std::size_t>(dice.between(1, 300))));
            break;
        }
      });
      std::this_thread::sleep_for(time / 3);
      warm = resident_kib(gateway->pid());
      std::this_thread::sleep_for(time - time / 3);
      end = resident_kib(gateway->pid());
    }
    found.expect(calls > 100, "only " + std::to_string(calls) + " calls");
    found.expect(end < warm + kGrowth * 1024, std::to_string(warm / 1024) +
                                                  " MiB after a third of the time, " +
                                                  std::to_string(end / 1024) + " MiB at the end");
    expect_at_rest(before, installation, *gateway, found);
    found.figures = std::to_string(calls) + " requests, " + std::to_string(warm / 1024) + " MiB after " +
                    std::to_string((time / 3).count()) + " s, " + std::to_string(end / 1024) + " MiB after " +
                    std::to_string(time.count()) + " s";
  });
}

}  // namespace sallyport::faults
