#include "sallyport/llm/retry_after.hpp"

#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <string>

using namespace sallyport;
using namespace sallyport::llm;
using namespace std::chrono_literals;

TEST_CASE("how long to wait is read from three headers") {
  // 2026-11-22T10:00:00Z
  const SystemTime now{std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + 10h};
  struct Row {
    const char* why;
    std::map<std::string, std::string, std::less<>> headers;
    std::optional<std::chrono::milliseconds> expected;
  };
  const Row rows[] = {
      {"nothing is said", {}, std::nullopt},
      {"milliseconds", {{"retry-after-ms", "1500"}}, 1500ms},
      {"milliseconds with a fraction", {{"retry-after-ms", "12.7"}}, 12ms},
      {"Azure's", {{"x-ms-retry-after-ms", "250"}}, 250ms},
      {"seconds", {{"retry-after", "7"}}, 7s},
      {"seconds with a fraction", {{"retry-after", "0.25"}}, 250ms},
      {"at once", {{"retry-after", "0"}}, 0s},
      {"the finer one first", {{"retry-after", "7"}, {"retry-after-ms", "6500"}}, 6500ms},
      {"then Azure's", {{"retry-after", "7"}, {"x-ms-retry-after-ms", "6600"}}, 6600ms},
      {"one that makes no sense is passed over", {{"retry-after", "7"}, {"retry-after-ms", "soon"}}, 7s},
      {"white space around", {{"retry-after", " 7\t"}}, 7s},
      {"a date", {{"retry-after", "Sun, 22 Nov 2026 10:00:30 GMT"}}, 30s},
      {"a date across midnight", {{"retry-after", "Mon, 23 Nov 2026 00:00:00 GMT"}}, 14h},
      {"a date that is over", {{"retry-after", "Sun, 22 Nov 2026 09:59:59 GMT"}}, 0s},
      {"a date far away", {{"retry-after", "Sun, 22 Nov 2099 09:59:59 GMT"}}, 24h},
      {"a date beyond what clocks count", {{"retry-after", "Fri, 31 Dec 9999 23:59:59 GMT"}}, 24h},
      {"a leap second", {{"retry-after", "Sun, 22 Nov 2026 10:00:60 GMT"}}, 60s},
      {"no such day", {{"retry-after", "Mon, 31 Nov 2026 10:00:30 GMT"}}, std::nullopt},
      {"no such month", {{"retry-after", "Mon, 30 Nob 2026 10:00:30 GMT"}}, std::nullopt},
      {"no such hour", {{"retry-after", "Sun, 22 Nov 2026 24:00:30 GMT"}}, std::nullopt},
      {"another time zone", {{"retry-after", "Sun, 22 Nov 2026 10:00:30 CET"}}, std::nullopt},
      {"a sign in a date", {{"retry-after", "Sun, -2 Nov 2026 10:00:30 GMT"}}, std::nullopt},
      {"negative", {{"retry-after", "-1"}}, std::nullopt},
      {"with a sign", {{"retry-after", "+1"}}, std::nullopt},
      {"an exponent", {{"retry-after", "1e3"}}, std::nullopt},
      {"infinite", {{"retry-after", "inf"}}, std::nullopt},
      {"not a number", {{"retry-after", "nan"}}, std::nullopt},
      {"two points", {{"retry-after", "1.2.3"}}, std::nullopt},
      {"a point alone", {{"retry-after", "."}}, std::nullopt},
      {"empty", {{"retry-after", ""}}, std::nullopt},
      {"two values", {{"retry-after", "1, 2"}}, std::nullopt},
      {"more than a day", {{"retry-after", "86401"}}, 24h},
      {"more than fits", {{"retry-after", std::string(400, '9')}}, 24h},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const auto lookup = [&](std::string_view name) -> std::optional<std::string_view> {
      const auto found = row.headers.find(name);
      return found == row.headers.end() ? std::nullopt : std::optional<std::string_view>(found->second);
    };
    CHECK(retry_after(lookup, now) == row.expected);
  }
}
