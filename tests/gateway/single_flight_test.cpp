// One attempt for many callers.
#include "sallyport/gateway/single_flight.hpp"

#include <doctest/doctest.h>

using namespace sallyport;
using gateway::SingleFlight;

namespace {

/// Runs `body` on a shard of this thread until it stops the shard.
void on_shard(const std::function<Task<>(net::Shard&)>& body) {
  net::Shard shard(0);
  REQUIRE(shard.post([&] {
    spawn([](const std::function<Task<>(net::Shard&)>& f, net::Shard& s) -> Task<> {
      co_await f(s);
      s.stop();
    }(body, shard));
  }));
  shard.run();
}

SteadyTime in(std::chrono::milliseconds time) { return std::chrono::steady_clock::now() + time; }

struct Caller {
  static Task<> join(SingleFlight<int>& flight, net::Shard& shard, SteadyTime deadline, int& starts,
                     std::vector<Result<int>>& heard) {
    heard.push_back(co_await flight.join(shard, deadline, [&starts] { ++starts; }));
  }
};

}  // namespace

TEST_CASE("many callers, one attempt, one result for all; a success is kept") {
  on_shard([](net::Shard& shard) -> Task<> {
    SingleFlight<int> flight;
    int starts = 0;
    std::vector<Result<int>> heard;
    for (int i = 0; i < 5; ++i)
      spawn(Caller::join(flight, shard, in(std::chrono::seconds(10)), starts, heard));
    CHECK(starts == 1);
    CHECK(flight.flying());
    flight.land(7);
    co_await net::sleep_for(shard, std::chrono::milliseconds(20));
    REQUIRE(heard.size() == 5);
    for (const auto& result : heard) CHECK(result.value() == 7);
    CHECK(!flight.flying());
    CHECK(flight.value == 7);
  });
}

TEST_CASE("a failure reaches all who waited, is not kept, and the next caller starts a new attempt") {
  on_shard([](net::Shard& shard) -> Task<> {
    SingleFlight<int> flight;
    int starts = 0;
    std::vector<Result<int>> heard;
    for (int i = 0; i < 2; ++i)
      spawn(Caller::join(flight, shard, in(std::chrono::seconds(10)), starts, heard));
    flight.land(fail(Code::upstream_broken, Blame::upstream, "no"));
    co_await net::sleep_for(shard, std::chrono::milliseconds(20));
    REQUIRE(heard.size() == 2);
    for (const auto& result : heard) CHECK(result.error().code == Code::upstream_broken);
    CHECK(!flight.value.has_value());
    spawn(Caller::join(flight, shard, in(std::chrono::seconds(10)), starts, heard));
    CHECK(starts == 2);
    flight.land(1);
    co_await net::sleep_for(shard, std::chrono::milliseconds(20));
    CHECK(heard.back().value() == 1);
  });
}

TEST_CASE("a caller whose deadline passes leaves alone; the attempt and the others go on") {
  on_shard([](net::Shard& shard) -> Task<> {
    SingleFlight<int> flight;
    int starts = 0;
    std::vector<Result<int>> hasty, patient;
    spawn(Caller::join(flight, shard, in(std::chrono::milliseconds(10)), starts, hasty));
    spawn(Caller::join(flight, shard, in(std::chrono::seconds(10)), starts, patient));
    while (hasty.empty()) co_await net::sleep_for(shard, std::chrono::milliseconds(5));
    CHECK(hasty[0].error().code == Code::upstream_timeout);
    CHECK(hasty[0].error().retry);
    CHECK(patient.empty());
    CHECK(flight.flying());
    flight.land(3);
    co_await net::sleep_for(shard, std::chrono::milliseconds(20));
    REQUIRE(patient.size() == 1);
    CHECK(patient[0].value() == 3);
    CHECK(hasty.size() == 1);
    CHECK(starts == 1);
  });
}
