#include "sallyport/core/clock.hpp"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace std::chrono_literals;

TEST_CASE("moments are written in RFC 3339 with milliseconds") {
  const SystemTime epoch{};
  CHECK(rfc3339(epoch) == "1970-01-01T00:00:00.000Z");
  CHECK(rfc3339(epoch + 951827696789ms) == "2000-02-29T12:34:56.789Z");
  CHECK(rfc3339(epoch + 4102444799999ms) == "2099-12-31T23:59:59.999Z");
  CHECK(rfc3339(epoch + 1999us) == "1970-01-01T00:00:00.001Z");
  CHECK(rfc3339(epoch - 1ms) == "1969-12-31T23:59:59.999Z");
}

TEST_CASE("Unix milliseconds round down on both sides of the epoch") {
  CHECK(unix_millis(SystemTime{} + 1999us) == 1);
  CHECK(unix_millis(SystemTime{} - 1us) == -1);
}

TEST_CASE(
    "moments beyond what the clock counts are the last that it does, and something can be added to them") {
  const SystemTime last{std::chrono::sys_days(std::chrono::year(2200) / 1 / 1)};
  const SystemTime first{std::chrono::sys_days(std::chrono::year(1740) / 1 / 1)};
  CHECK(time_of_millis(951827696789) == SystemTime{} + 951827696789ms);
  CHECK(time_of_millis(-1) == SystemTime{} - 1ms);
  CHECK(time_of_seconds(-2) == SystemTime{} - 2s);
  CHECK(time_of_seconds(253402300799) == last);
  CHECK(time_of_millis(INT64_MAX) == last);
  CHECK(time_of_millis(INT64_MIN) == first);
  CHECK(time_of_seconds(INT64_MAX) == last);
  CHECK(last + std::chrono::years(50) > last);
  CHECK(parse_date("9999-12-31") == last);
  CHECK(parse_date("2262-05-01T23:59:59Z") == last);
  CHECK(parse_date("2027-01-31T12:00:01Z") == SystemTime{} + 1801396801s);
}

TEST_CASE("the machine's clock moves on") {
  const auto before = system_clock().steady();
  CHECK(system_clock().steady() >= before);
  CHECK(unix_millis(system_clock().now()) > 1700000000000);
}
