// F05 to F07 as loops over bytes: a proxy between the gateway and its upstream, or between a client and the
// gateway, harms one call after the other. SALLYPORT_CHAOS=long strikes at every byte in every way.
#include <cstdlib>

#include "harmed_calls.hpp"
#include "upstream_bench.hpp"

using namespace sallyport::testing;

namespace {

using Kind = Harm::Kind;
using Way = Harm::Way;

constexpr std::string_view kMarker = "\"name\":\"harm\"";

bool long_form() {
  const char* const form = std::getenv("SALLYPORT_CHAOS");
  return form && std::string_view(form) == "long";
}

/// Coroutines alive when nothing goes on.
int coroutines(const GatewayFixture& gateway) {
  for (int i = 0; i < 4; ++i) CHECK(gateway.still_works());
  return metric(gateway, "sallyport_coroutines");
}

struct Wanted {
  bool ok = false, failed = false;
};
/// What a client may be told when the answer was harmed, of which it takes `needed` bytes to know the result.
Wanted wanted(const Harm& harm, std::size_t needed) {
  const bool enough = harm.at >= needed;
  switch (harm.kind) {
    case Kind::delay:
      return {.ok = true};
    case Kind::reset:  // takes what was not read yet with it
      return {.ok = enough, .failed = true};
    case Kind::corrupt:
      return {.ok = true, .failed = true};
    case Kind::drip:  // some sixteen bytes come before the deadline
      return {.ok = enough || needed - harm.at < 20, .failed = !enough};
    default:
      return {.ok = enough, .failed = !enough};
  }
}

}  // namespace

TEST_CASE(
    "F06 an answer that is harmed at any byte: one answer or one error, never half of one, one execution, "
    "one outcome") {
  struct Row {
    Kind kind;
    std::size_t step;
  };
  const Row rows[] = {{Kind::cut, 5},    {Kind::reset, 11}, {Kind::half_close, 13}, {Kind::corrupt, 9},
                      {Kind::delay, 61}, {Kind::hang, 301}, {Kind::drip, 401}};
  for (const Era era : {Era::modern, Era::legacy}) {
    for (const Form form : {Form::json, Form::stream, Form::chunked_stream}) {
      CAPTURE(static_cast<int>(era));
      CAPTURE(static_cast<int>(form));
      HarmedPeer peer(era, form);
      ChaosProxy proxy(peer.port());
      GatewayFixture gateway(peer.document(proxy));
      REQUIRE(UpstreamBench::until([&] { return gateway.still_works(); }));
      const HarmedClient clients[] = {{gateway, true}, {gateway, false}};
      REQUIRE(clients[0].call().ok());
      const std::string bytes = HarmedPeer::answer(peer.mcp.heard("tools/call").back().message, form);
      const int baseline = coroutines(gateway);
      std::vector<std::string> told{"ok"};
      for (const Row& row : rows) {
        for (std::size_t at = 0; at <= bytes.size();
             at += long_form() ? 1 : row.step + (era == Era::legacy ? 2 : 0)) {
          const Harm harm{.kind = row.kind, .at = at, .pause = 60ms, .marker = std::string(kMarker)};
          CAPTURE(harm.text());
          const int executed = peer.executed;
          proxy.arm(harm);
          const Told got = clients[at % 2].call();
          CAPTURE(got.answer.dump());
          CHECK(got.clean());
          CHECK(got.took < 4s);
          const Wanted may = wanted(harm, peer.needs);
          CHECK((got.ok() ? may.ok : may.failed));
          if (got.ok() && row.kind != Kind::corrupt)
            CHECK(got.answer["result"]["content"][0]["text"] == "whole");
          CHECK_FALSE(got.retry());
          CHECK(peer.executed == executed + 1);
          told.push_back(got.ok()                             ? "ok"
                         : got.reason() == "upstream_timeout" ? "timeout"
                         : got.reason() == "upstream_broken"  ? "broken"
                                                              : "error");
          // A connection that drips does so for good, and is kept where the answer was whole in time.
          const bool drips = row.kind == Kind::drip;
          if (drips) proxy.sever();
          CHECK(
              (drips ? UpstreamBench::until([&] { return gateway.still_works(); }) : gateway.still_works()));
        }
      }
      CHECK(UpstreamBench::until([&] { return ends_of(gateway, "up/harm") == told; }));
      CHECK(Json(ends_of(gateway, "up/harm")) == Json(told));
      check_baseline(gateway);
      CHECK(UpstreamBench::until([&] { return coroutines(gateway) == baseline; }));
    }
  }
}

TEST_CASE(
    "F06 a request that is harmed on its way to the upstream is executed at most once, and never when a "
    "retry is offered") {
  for (const Era era : {Era::modern, Era::legacy}) {
    CAPTURE(static_cast<int>(era));
    HarmedPeer peer(era);
    ChaosProxy proxy(peer.port());
    GatewayFixture gateway(peer.document(proxy));
    REQUIRE(UpstreamBench::until([&] { return gateway.still_works(); }));
    const HarmedClient clients[] = {{gateway, true}, {gateway, false}};
    REQUIRE(clients[0].call().ok());
    const std::size_t size = peer.mcp.heard("tools/call").back().raw.size();
    std::size_t calls = 1;
    for (const Kind kind : {Kind::cut, Kind::reset, Kind::half_close, Kind::corrupt}) {
      for (std::size_t at = 0; at <= size; at += long_form() ? 1 : 13) {
        const Harm harm{.kind = kind, .way = Way::to_server, .at = at, .marker = std::string(kMarker)};
        CAPTURE(harm.text());
        const int executed = peer.executed;
        proxy.arm(harm);
        const Told got = clients[at % 2].call();
        CAPTURE(got.answer.dump());
        CHECK(got.clean());
        CHECK(got.took < 4s);
        CHECK(peer.executed - executed <= 1);
        if (got.ok()) CHECK((peer.executed == executed + 1 || kind == Kind::corrupt));
        if (got.retry()) CHECK(peer.executed == executed);
        ++calls;
        CHECK(gateway.still_works());
      }
    }
    CHECK(UpstreamBench::until([&] {
      const auto ends = ends_of(gateway, "up/harm");
      return ends.size() == calls && std::ranges::none_of(ends, [](const auto& end) { return end.empty(); });
    }));
    check_baseline(gateway);
  }
}

TEST_CASE(
    "F07 a client's connection that is harmed at any byte: at most one execution, and a record of each") {
  HarmedPeer peer(Era::modern, Form::stream);
  GatewayFixture gateway(server_document("up", "http://127.0.0.1:" + std::to_string(peer.port()) + "/mcp") +
                         kDefaultPolicy);
  ChaosProxy proxy(gateway.port);
  REQUIRE(UpstreamBench::until([&] { return gateway.still_works(); }));
  const HarmedClient clients[] = {{gateway, true, proxy.port()}, {gateway, false, proxy.port()}};
  for (const bool answer : {false, true}) {
    CAPTURE(answer);
    for (const Kind kind : {Kind::cut, Kind::reset, Kind::half_close, Kind::corrupt, Kind::delay}) {
      const std::size_t size = answer ? 700 : clients[0].request().size();
      for (std::size_t at = 0; at <= size; at += long_form() ? 1 : kind == Kind::delay ? 97 : 11) {
        const Harm harm{
            .kind = kind, .way = answer ? Way::to_client : Way::to_server, .at = at, .pause = 20ms};
        CAPTURE(harm.text());
        const int executed = peer.executed;
        proxy.arm(harm);
        const Told got = clients[at % 2].call();
        CAPTURE(got.answer.dump());
        // A Content-Length that has grown is waited for, until the client has had enough.
        CHECK((got.took < 5s || (kind == Kind::corrupt && !answer)));
        CHECK(got.answers <= 1);
        CHECK(peer.executed - executed <= 1);
        if (got.ok()) CHECK(peer.executed == executed + 1);
        // What ends cleanly is never half of something.
        if (got.whole && kind != Kind::corrupt) CHECK_FALSE(got.half);
      }
    }
  }
  CHECK(UpstreamBench::until([&] {
    const auto ends = ends_of(gateway, "up/harm");
    return ends.size() >= static_cast<std::size_t>(peer.executed) &&
           std::ranges::none_of(ends, [](const auto& end) { return end.empty(); });
  }));
  CHECK(gateway.still_works());
  check_baseline(gateway);
}

TEST_CASE("many calls at once through harm from a seed: every account agrees") {
  const char* const given = std::getenv("SALLYPORT_SEED");
  const std::uint64_t seed = given ? std::strtoull(given, nullptr, 10) : std::random_device()() % 1'000'000;
  MESSAGE("SALLYPORT_SEED=" << seed);
  for (const Era era : {Era::modern, Era::legacy}) {
    HarmedPeer peer(era, Form::chunked_stream);
    ChaosProxy proxy(peer.port());
    GatewayFixture gateway(peer.document(proxy));
    REQUIRE(UpstreamBench::until([&] { return gateway.still_works(); }));
    std::atomic<int> left{4}, results{0}, unclean{0}, sent{0};
    std::vector<std::thread> threads;
    const HarmedClient clients[] = {{gateway, true}, {gateway, false}};
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < (long_form() ? 2000 : 30); ++i) {
          const Told got = clients[(t + i) % 2].call();
          ++sent;
          if (!got.clean() || got.took > 6s) ++unclean;
          if (got.ok()) ++results;
        }
        --left;
      });
    }
    std::mt19937_64 engine(seed);
    while (left > 0) {
      Harm harm = Harm::random(engine, 600);
      // What was changed on the way may be a good answer to another question.
      if (harm.kind == Kind::corrupt) harm.kind = Kind::cut;
      proxy.arm(harm);
      std::this_thread::sleep_for(10ms);
    }
    for (auto& thread : threads) thread.join();
    proxy.arm({});
    CHECK(unclean == 0);
    CHECK(results <= peer.executed);
    CHECK(proxy.struck() > 0);
    CHECK(UpstreamBench::until([&] {
      const auto ends = ends_of(gateway, "up/harm");
      return std::ranges::none_of(ends, [](const auto& end) { return end.empty(); });
    }));
    const auto ends = ends_of(gateway, "up/harm");
    CHECK(ends.size() == static_cast<std::size_t>(sent.load()));
    CHECK(std::ranges::count(ends, "ok") == results);
    CHECK(static_cast<std::size_t>(peer.executed.load()) <= ends.size());
    CHECK(UpstreamBench::until([&] { return gateway.still_works(); }));
    check_baseline(gateway);
  }
}
