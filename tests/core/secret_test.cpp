#include "sallyport/core/secret.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace sallyport;

TEST_CASE("a secret that was moved or replaced leaves no bytes behind") {
  for (const std::size_t size : {8U, 200U}) {
    Secret a(std::string(size, 'x'));
    Secret b = std::move(a);
    CHECK(b.reveal() == std::string(size, 'x'));
    CHECK(a.empty());  // NOLINT(bugprone-use-after-move): emptiness after a move is the promise
    Secret c(std::string(size, 'y'));
    c = std::move(b);
    CHECK(b.empty());  // NOLINT(bugprone-use-after-move)
    CHECK(c.reveal() == std::string(size, 'x'));
    const auto* where = c.reveal().data();
    c = Secret("z");
    CHECK(c.reveal() == "z");
    if (c.reveal().data() == where) CHECK(std::none_of(where, where + 8, [](char ch) { return ch == 'x'; }));
  }
}

TEST_CASE("copies are independent and self-assignment keeps the value") {
  Secret a("one");
  Secret b = a;
  b = Secret("two");
  CHECK(a.reveal() == "one");
  const Secret& same = a;
  a = same;
  CHECK(a.reveal() == "one");
}
