#include "sallyport/core/error.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace sallyport;

TEST_CASE("every code has its own stable name") {
  std::set<std::string_view> names;
  int codes = 0;
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i, ++codes) {
    const auto name = name_of(static_cast<Code>(i));
    CHECK_FALSE(name.empty());
    names.insert(name);
  }
  CHECK(names.size() == static_cast<std::size_t>(codes));
  CHECK(name_of(Code::upstream_timeout) == "upstream_timeout");
}

TEST_CASE("a client's error shows its hint; ours shows nothing") {
  const Result<int> theirs = client_error(Code::bad_json, "offset 3");
  CHECK(theirs.error().blame == Blame::client);
  CHECK(theirs.error().hint == "offset 3");
  const Result<int> ours = fail(Code::storage, Blame::us, "disk is full", true);
  CHECK(ours.error().hint.empty());
  CHECK(ours.error().retry);
}
