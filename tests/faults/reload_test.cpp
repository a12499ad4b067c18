// F12: the rules change all the time, a file is broken, and the server is asked to stop, all under load.
#include <doctest/doctest.h>
#include <signal.h>

#include <future>
#include <thread>

#include "books.hpp"

namespace sallyport::faults {
namespace {

using namespace std::chrono_literals;
using net::testing::RawSocket;
using testing::Json;

/// Two versions of one policy, which name their rule differently: allow stands first or second.
std::string policy(bool second) {
  return std::string("kind: Policy\nname: everyone\nsubjects: [\"agent:bot\"]\nrules:\n") +
         (second ? "  - {effect: deny, tools: [\"up/secret\"]}\n" : "") +
         "  - {effect: allow, tools: [\"up/echo\"]}\n";
}
const char* const kDenied =
    "kind: Policy\nname: everyone\nsubjects: [\"agent:bot\"]\nrules:\n  - {effect: deny, tools: "
    "[\"up/*\"]}\n";

std::int64_t generation(const Installation& installation) {
  const Json status = Json::parse(installation.operation("status", Json::object()).body, nullptr, false);
  return status.is_object() ? status.value("generation", std::int64_t{-1}) : -1;
}

std::string modern_request(const Installation& installation, const std::string& method, Json params) {
  params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  const std::string body = Json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", method}, {"params", params}}.dump();
  return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + installation.key() +
         "\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
         "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: " +
         method + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

TEST_CASE("F12 rules that change ten times a second: each call sees one version, wholly") {
  for_seeds("F12", 1, 20, [](std::uint64_t seed, Findings& found) {
    Installation installation(found);
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    const AtRest before = at_rest(installation, *gateway);
    found.expect(installation.apply_live(policy(false)).status == 200, "the policy was refused");
    const bool even_is_second = generation(installation) % 2 != 0;
    const std::int64_t first = generation(installation);
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-"});
    const auto until = std::chrono::steady_clock::now() + (run().brief ? 3s : 20s);
    auto next = std::chrono::steady_clock::now();
    bool second = false;
    int changes = 0, broken = 0;
    while (std::chrono::steady_clock::now() < until) {
      second = !second;
      const auto applied = installation.apply_live(policy(second));
      found.expect(applied.status == 200, "apply: " + std::to_string(applied.status) + " " + applied.body);
      ++changes;
      if (changes % 5 == 0) {
        // A file that is wrong in one place changes nothing at all.
        const auto refused = installation.apply_live(
            policy(!second) + "---\nkind: Policy\nname: x\nrules: [{effect: perhaps}]\n");
        found.expect(refused.status == 400 && refused.body.find("live.yaml:") != std::string::npos,
                     "a broken file: " + std::to_string(refused.status) + " " + refused.body);
        ++broken;
      }
      next += 100ms;
      std::this_thread::sleep_until(next);
    }
    found.expect(generation(installation) == first + changes,
                 "the generation counts something else than changes");
    const auto sent = load.stop();
    for (const auto& one : sent)
      found.expect(one.end == Sent::End::result, "a call failed: " + one.token + " " + one.body);
    expect_at_rest(before, installation, *gateway, found);
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    const Books books = audit(installation, sent, {}, found);
    int seen[2] = {0, 0};
    for (const auto& [id, call] : books.calls) {
      if (call.generation < first) continue;
      const bool expected = (call.generation % 2 == 0) == even_is_second;
      ++seen[expected];
      found.expect(
          call.rule.ends_with(expected ? "2" : "1"),
          "call " + id + " of generation " + std::to_string(call.generation) + " saw the rule " + call.rule);
    }
    found.expect(seen[0] > 0 && seen[1] > 0, "only one version was ever used");
    found.figures = std::to_string(changes) + " changes, " + std::to_string(broken) + " broken files, " +
                    std::to_string(sent.size()) + " calls, " + std::to_string(seen[0]) + " + " +
                    std::to_string(seen[1]);
  });
}

TEST_CASE("F12 a tightened rule holds for the very next call, and open streams hear of it within a second") {
  for_seeds("F12", 1, 20, [](std::uint64_t seed, Findings& found) {
    Installation installation(found);
    installation.slowest = 0;
    auto gateway = installation.start();
    if (!gateway || !installation.serves(*gateway)) return;
    // Enough connections that every thread of the server has some.
    std::vector<RawSocket> sockets;
    for (int i = 0; i < 8; ++i) sockets.push_back(RawSocket::to(gateway->port));
    auto stream = RawSocket::to(gateway->port);
    stream.send(modern_request(installation, "subscriptions/listen",
                               {{"notifications", {{"toolsListChanged", true}}}}));
    (void)stream.until("\r\n\r\n");
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-",
               .clients = 4,
               .per_second = 100});
    std::vector<Sent> sent;
    const int rounds = run().brief ? 10 : 60;
    std::chrono::milliseconds slowest{0};
    for (int round = 0; round < rounds; ++round) {
      const auto kept_waiting = gateway->kept_waiting();
      found.expect(installation.apply_live(kDenied).status == 200, "apply failed");
      const auto denied = std::chrono::steady_clock::now();
      auto heard = std::async(std::launch::async, [&stream] {
        const bool told = stream.until("notifications/tools/list_changed").ends_with("list_changed");
        return std::pair(told, std::chrono::steady_clock::now());
      });
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (!sockets[i].is_open()) sockets[i] = RawSocket::to(gateway->port);
        sent.push_back(
            Load::call(sockets[i], installation.key(),
                       std::to_string(seed) + "-denied-" + std::to_string(round) + "-" + std::to_string(i)));
        found.expect(sent.back().end == Sent::End::refused,
                     "a call went through after it was denied: " + sent.back().token);
      }
      const auto [told, when] = heard.get();
      const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(when - denied) -
                        (gateway->kept_waiting() - kept_waiting);
      slowest = std::max(slowest, took);
      found.expect(told && took < 1s, "the stream heard of it after " + std::to_string(took.count()) + " ms");
      auto lister = RawSocket::to(gateway->port);
      lister.send(modern_request(installation, "tools/list", Json::object()));
      found.expect(lister.answer().body.find("up__echo") == std::string::npos, "a denied tool is listed");

      found.expect(installation.apply_live(policy(false)).status == 200, "apply failed");
      for (std::size_t i = 0; i < sockets.size(); ++i) {
        if (!sockets[i].is_open()) sockets[i] = RawSocket::to(gateway->port);
        sent.push_back(
            Load::call(sockets[i], installation.key(),
                       std::to_string(seed) + "-allowed-" + std::to_string(round) + "-" + std::to_string(i)));
        found.expect(sent.back().end == Sent::End::result,
                     "a call was refused after it was allowed: " + sent.back().token);
      }
      (void)stream.until("notifications/tools/list_changed");
    }
    const auto under_load = load.stop();
    sent.insert(sent.end(), under_load.begin(), under_load.end());
    const auto tokens = installation.ledger().tokens();
    for (const auto& token : tokens)
      found.expect(token.find("-denied-") == std::string::npos, "executed although denied: " + token);
    sockets.clear();
    stream.close();
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    audit(installation, sent, {}, found);
    found.figures = std::to_string(rounds) + " denials, " + std::to_string(sent.size()) +
                    " calls, streams told within " + std::to_string(slowest.count()) + " ms";
  });
}

TEST_CASE(
    "F12 SIGTERM under load: no new calls, the running ones end within the grace or are cancelled, exit 0") {
  for_seeds("F12", 4, 100, [](std::uint64_t seed, Findings& found) {
    Dice dice(seed);
    Installation installation(found);
    auto gateway = installation.start({}, {}, true);
    if (!gateway || !installation.serves(*gateway)) return;
    // Some calls outlast the grace of 3 s.
    const int stuck = dice.between(0, 5);
    std::vector<Sent> sent(static_cast<std::size_t>(stuck));
    std::vector<std::jthread> clients;
    const std::size_t before = installation.ledger().tokens().size();
    installation.stuck = "stuck-";
    for (int i = 0; i < stuck; ++i) {
      clients.emplace_back([&, i] {
        auto socket = RawSocket::to(gateway->port);
        sent[static_cast<std::size_t>(i)] =
            Load::call(socket, installation.key(), "stuck-" + std::to_string(i));
      });
    }
    for (int i = 0;
         i < 500 && installation.ledger().tokens().size() < before + static_cast<std::size_t>(stuck); ++i)
      std::this_thread::sleep_for(10ms);
    Load load({.port = [port = gateway->port] { return port; },
               .key = installation.key(),
               .prefix = std::to_string(seed) + "-"});
    std::this_thread::sleep_for(std::chrono::microseconds(dice.between(20'000, 200'000)));
    const auto begin = std::chrono::steady_clock::now();
    found.expect(gateway->end(SIGTERM) == 0, "the stop did not end with 0");
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    found.expect(took < (stuck > 0 ? 8s : 5s), "the stop took " + std::to_string(took.count()) + " ms");
    found.expect(!RawSocket::to(gateway->port).is_open(), "the port still accepts");
    installation.stuck = "";
    clients.clear();
    int cut = 0;
    for (auto& one : load.stop()) {
      cut += one.end == Sent::End::cut;
      sent.push_back(std::move(one));
    }
    for (const auto& one : sent)
      found.expect(one.end != Sent::End::cut || one.status == 0, "half an answer: " + one.token);
    const Books books = audit(installation, sent, {}, found);
    int cancelled = 0;
    for (const auto& [id, call] : books.calls) {
      cancelled += call.status == "cancelled";
      found.expect(call.unknowns == 0 && (call.intents == 0 || call.outcomes == 1),
                   "call " + id + " has no outcome");
    }
    found.expect(cancelled == stuck, std::to_string(cancelled) + " cancelled of " + std::to_string(stuck));
    found.figures = std::to_string(sent.size()) + " calls, " + std::to_string(stuck) + " cancelled, " +
                    std::to_string(cut) + " closed before an answer, stopped in " +
                    std::to_string(took.count()) + " ms";
  });
}

}  // namespace sallyport::faults
