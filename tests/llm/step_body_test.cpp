#include "sallyport/llm/step_body.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "route_config.hpp"

using namespace sallyport;
using namespace sallyport::llm;

TEST_CASE("a step changes the body as its config says, and nothing else of it") {
  struct Row {
    const char *why, *config, *body, *expected;
  };
  const Row rows[] = {
      {"nothing to change keeps every byte", "{}", R"({ "model" : "m",  "n":1.00 })",
       R"({ "model" : "m",  "n":1.00 })"},
      {"an override in its place", R"({"override_params": {"model": "x"}})",
       R"({"a": 1.00, "model": "m", "b": [ 1 ]})", R"({"a":1.00,"model":"x","b":[ 1 ]})"},
      {"an override that is new", R"({"override_params": {"top_p": 1, "n": 2}})", R"({"a":1})",
       R"({"a":1,"top_p":1,"n":2})"},
      {"of an empty body", R"({"override_params": {"n": 2}, "default_params": {"m": 3}})", "{}",
       R"({"n":2,"m":3})"},
      {"an override replaces objects as a whole", R"({"override_params": {"o": {"x": 1}}})",
       R"({"o":{"y":2}})", R"({"o":{"x": 1}})"},
      {"an override of null", R"({"override_params": {"stop": null}})", R"({"stop":"x"})",
       R"({"stop":null})"},
      {"a default fills a gap", R"({"default_params": {"n": 2}})", R"({"a":1})", R"({"a":1,"n":2})"},
      {"and only a gap", R"({"default_params": {"n": 2}})", R"({"n":1})", R"({"n":1})"},
      {"null is said too", R"({"default_params": {"n": 2}})", R"({"n":null})", R"({"n":null})"},
      {"an override before a default", R"({"override_params": {"n": 1}, "default_params": {"n": 2}})",
       R"({"a":1})", R"({"a":1,"n":1})"},
      {"keys are compared decoded", R"({"override_params": {"model": "x"}})", R"({"m\u006fdel":"m"})",
       R"({"m\u006fdel":"x"})"},
      {"a member is dropped", R"({"drop_params": ["logprobs"]})", R"({"a":1,"logprobs":true,"b":2})",
       R"({"a":1,"b":2})"},
      {"the only one", R"({"drop_params": ["a"]})", R"({"a":1})", "{}"},
      {"what is not there", R"({"drop_params": ["x.y", "a.b", "l[0].z"]})", R"({"a":1,"l":"text"})",
       R"({"a":1,"l":"text"})"},
      {"in every element", R"({"drop_params": ["messages[*].name"]})",
       R"({"messages":[{"role":"user","name":"n"},{"name":"o"},5,{"role": "x"}],"name":"kept"})",
       R"({"messages":[{"role":"user"},{},5,{"role":"x"}],"name":"kept"})"},
      {"in one element", R"({"drop_params": ["tools[1].strict"]})",
       R"({"tools":[{"strict":1},{"strict":1}]})", R"({"tools":[{"strict":1},{}]})"},
      {"an element itself", R"({"drop_params": ["stop[0]"]})", R"({"stop":["a","b"]})", R"({"stop":["b"]})"},
      {"all elements", R"({"drop_params": ["stop[*]"]})", R"({"stop":["a","b"]})", R"({"stop":[]})"},
      {"deeply", R"({"drop_params": ["a.b[*][0].c"]})", R"({"a":{"b":[[{"c":1,"d":2},{"c":1}]],"c":3}})",
       R"({"a":{"b":[[{"d":2},{"c":1}]],"c":3}})"},
      {"several at once", R"({"drop_params": ["a", "o.b", "o.c"]})", R"({"a":1,"o":{"b":1,"c":2,"d":3}})",
       R"({"o":{"d":3}})"},
      {"dropping comes last",
       R"({"override_params": {"n": 1}, "default_params": {"m": 1}, "drop_params": ["n", "m"]})",
       R"({"a":1})", R"({"a":1})"},
      {"white space goes where something is dropped", R"({"drop_params": ["b"]})",
       "{ \"a\" : [1,\n2] , \"b\":1}", "{\"a\":[1,\n2]}"},
      {"no object", R"({"override_params": {"n": 1}})", "[1]", "[1]"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const auto route = test::route(row.config);
    const auto body = test::parsed(row.body);
    const Step& step = *route->steps().at(0);
    CHECK(step_body(body.root(), step) == row.expected);
    CHECK_MESSAGE((changes_body(step) || std::string(row.expected) == row.body), "a change is announced");
  }
}

TEST_CASE("paths of what is dropped are checked") {
  struct Row {
    std::string path;
    bool good;
  };
  for (const Row& row :
       {Row{"a", true}, Row{"a.b", true}, Row{"messages[*].name", true}, Row{"a[0][12].b.c", true},
        Row{"", false}, Row{".", false}, Row{"a.", false}, Row{".a", false}, Row{"a..b", false},
        Row{"[0]", false}, Row{"a[", false}, Row{"a[]", false}, Row{"a[-1]", false}, Row{"a[1x]", false},
        Row{"a[**]", false}, Row{"a[0]b", false}, Row{"a]", false}, Row{"a[99999999999999999999]", false},
        Row{"a" + std::string(100, '.') + "b", false}}) {
    CAPTURE(row.path);
    CHECK(test::problems(R"({"drop_params": [")" + row.path + R"("]})").empty() == row.good);
  }
  std::string longer = "a";
  for (int i = 0; i < 31; ++i) longer += ".a";
  CHECK(test::problems(R"({"drop_params": [")" + longer + R"("]})").empty());
  CHECK(!test::problems(R"({"drop_params": [")" + longer + R"(.a"]})").empty());
}
