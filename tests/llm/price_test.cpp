#include "sallyport/llm/price.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <optional>

using namespace sallyport::llm;

namespace {

// 3 and 15 USD per million; a cache that is read at a tenth and written at 1.25 and 2 times the input.
constexpr Price kFull{.input = 3'000'000,
                      .output = 15'000'000,
                      .cache_read = 300'000,
                      .cache_write_5m = 3'750'000,
                      .cache_write_1h = 6'000'000};
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("a call costs its tokens at their prices") {
  struct Row {
    const char* why;
    Usage usage;
    Price price;
    std::optional<std::int64_t> cost;
  };
  const Row rows[] = {
      {"nothing used", {.known = true}, kFull, 0},
      {"input", {.input = 1'000'000, .known = true}, kFull, 3'000'000'000'000},
      {"output", {.output = 100, .known = true}, kFull, 1'500'000'000},
      {"reasoning is part of the output",
       {.output = 100, .reasoning = 80, .known = true},
       kFull,
       1'500'000'000},
      {"read from a cache", {.cache_read = 10, .known = true}, kFull, 3'000'000},
      {"written for five minutes", {.cache_write_5m = 10, .known = true}, kFull, 37'500'000},
      {"written for an hour", {.cache_write_1h = 10, .known = true}, kFull, 60'000'000},
      {"all at once",
       {.input = 1, .cache_read = 2, .cache_write_5m = 3, .cache_write_1h = 4, .output = 5, .known = true},
       kFull,
       3'000'000 + 600'000 + 11'250'000 + 24'000'000 + 75'000'000},
      {"cache prices that nobody states are the input's",
       {.cache_read = 1, .cache_write_5m = 1, .cache_write_1h = 1, .known = true},
       {.input = 7, .output = 9},
       21},
      {"an hour costs what five minutes do, where only they are stated",
       {.cache_write_1h = 2, .known = true},
       {.input = 7, .output = 9, .cache_write_5m = 11},
       22},
      {"free", {.input = 5, .output = 5, .known = true}, {.input = 0, .output = 0}, 0},
      {"usage that is not known", {}, kFull, std::nullopt},
      {"no price", {.input = 1, .known = true}, {}, std::nullopt},
      {"no price for output", {.output = 1, .known = true}, {.input = 1}, std::nullopt},
      {"no price, and no need of one", {.input = 2, .known = true}, {.input = 1}, 2},
      {"no price of input, but one of the cache",
       {.cache_read = 2, .known = true},
       {.output = 1, .cache_read = 3},
       6},
      {"a cache without any price", {.cache_read = 2, .known = true}, {.output = 1}, std::nullopt},
      {"negative tokens", {.input = -1, .known = true}, kFull, std::nullopt},
      {"a product too large", {.input = kMost, .known = true}, kFull, std::nullopt},
      {"a sum too large",
       {.input = kMost, .output = 1, .known = true},
       {.input = 1, .output = 1},
       std::nullopt},
      {"the largest sum", {.input = kMost, .known = true}, {.input = 1, .output = 1}, kMost},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    CHECK(cost(row.usage, row.price) == row.cost);
  }
}

TEST_CASE("an amount is written exactly, with six digits or more") {
  struct Row {
    std::int64_t picodollars;
    const char* text;
  };
  for (const Row& row :
       {Row{0, "0.000000"}, Row{1'234'000'000, "0.001234"}, Row{1'000'000'000'000, "1.000000"},
        Row{1, "0.000000000001"}, Row{1'500'000, "0.0000015"}, Row{12'345'678'900'000'000, "12345.678900"},
        Row{999'999'999'999, "0.999999999999"}, Row{-1'234'000'000, "-0.001234"}, Row{-1, "-0.000000000001"},
        Row{kMost, "9223372.036854775807"}, Row{-kMost - 1, "-9223372.036854775808"}}) {
    CAPTURE(row.picodollars);
    CHECK(usd(row.picodollars) == row.text);
  }
}
