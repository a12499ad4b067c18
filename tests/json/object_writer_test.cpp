#include "sallyport/json/object_writer.hpp"

#include <doctest/doctest.h>

namespace sallyport::json {
namespace {

TEST_CASE("objects and arrays are written member by member") {
  ArrayWriter list;
  CHECK(list.empty());
  list.add("1");
  list.add_text("a\"\n");
  list.begin() += "{}";
  CHECK_FALSE(list.empty());
  ObjectWriter object(100);
  CHECK(object.empty());
  object.add_text("te\"xt", "\x01");
  object.add_number("n", -5);
  object.add_flag("f", false);
  object.begin_raw(R"("\u0061")") += "null";
  object.add("list", std::move(list).take());
  CHECK_FALSE(object.empty());
  CHECK(std::move(object).take() ==
        R"({"te\"xt":"\u0001","n":-5,"f":false,"\u0061":null,"list":[1,"a\"\n",{}]})");
  CHECK(ObjectWriter().take() == "{}");
  CHECK(ArrayWriter().take() == "[]");
}

}  // namespace
}  // namespace sallyport::json
