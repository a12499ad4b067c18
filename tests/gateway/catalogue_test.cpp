// What of an upstream's definitions is kept (N41), and what is said about the rest.
#include "sallyport/gateway/catalogue.hpp"

#include <doctest/doctest.h>

#include "sallyport/core/limits.hpp"

using namespace sallyport;
using gateway::Catalogue;
using gateway::Definition;

namespace {

std::string tool(const std::string& name, const std::string& more = "") {
  return R"({"name":")" + name + R"(","inputSchema":{"type":"object"})" + more + "}";
}

std::shared_ptr<const Catalogue> built(const store::StoredCatalogue& stored) {
  auto catalogue = Catalogue::build(stored);
  REQUIRE(catalogue.has_value());
  return *catalogue;
}

std::vector<std::string> names(const std::vector<Definition>& definitions) {
  std::vector<std::string> out;
  for (const auto& definition : definitions) out.push_back(definition.name);
  return out;
}

}  // namespace

TEST_CASE("a sound definition is kept as it came, under its canonical name") {
  const std::string raw = tool("get.me", R"(,"x-numbers":1.10,"title":"Ich \u00fc")");
  const auto catalogue = built({.server = "up", .tools = "[" + raw + "]"});
  REQUIRE(catalogue->tools.size() == 1);
  CHECK(catalogue->tools[0].canonical == "up/get.me");
  CHECK(catalogue->tools[0].object.raw() == raw);
  CHECK(catalogue->dropped.empty());
}

TEST_CASE("N41 what is hostile or broken is left out with a reason, and the rest stays") {
  struct Row {
    const char* why;
    std::string definition;
  };
  for (const Row& row :
       {Row{"no object", "7"}, Row{"no name", R"({"inputSchema":{}})"},
        Row{"name is a number", R"({"name":7,"inputSchema":{}})"}, Row{"empty name", tool("")},
        Row{"control character", tool("a\\u0007b")}, Row{"zero width", tool("a\\u200bb")},
        Row{"too long", tool(std::string(limits::kNameBytes + 1, 'a'))}, Row{"no schema", R"({"name":"a"})"},
        Row{"schema is no object", R"({"name":"a","inputSchema":true})"}, Row{"defined twice", tool("good")},
        Row{"too large",
            tool("big", R"(,"description":")" + std::string(limits::kDefinitionBytes, 'd') + "\"")}}) {
    CAPTURE(row.why);
    const auto catalogue = built(
        {.server = "up", .tools = "[" + tool("good") + "," + row.definition + "," + tool("last") + "]"});
    CHECK(names(catalogue->tools) == std::vector<std::string>{"good", "last"});
    REQUIRE(catalogue->dropped.size() == 1);
    for (const char c : catalogue->dropped[0]) CHECK((c >= 0x20 && c < 0x7f));
  }
}

TEST_CASE("URIs are kept as they are, unless they could forge lines or hide") {
  const auto catalogue = built(
      {.server = "up",
       .resources = R"([{"uri":"note://ü"},{"uri":"a b"},{"uri":"x\n"},{"uri":""},{"uri":"file:///etc"}])",
       .templates = R"([{"uriTemplate":"note://{id}"},{"uri":"note://no-template"}])"});
  CHECK(names(catalogue->resources) == std::vector<std::string>{"note://ü", "file:///etc"});
  CHECK(names(catalogue->templates) == std::vector<std::string>{"note://{id}"});
  CHECK(catalogue->dropped.size() == 4);
}

TEST_CASE("a server has a bounded number of definitions") {
  std::string list = "[";
  for (std::size_t i = 0; i < limits::kToolsPerServer + 10; ++i)
    list += (i ? "," : "") + tool("t" + std::to_string(i));
  const auto catalogue = built({.server = "up", .tools = list + "]"});
  CHECK(catalogue->tools.size() == limits::kToolsPerServer);
  CHECK(catalogue->dropped.size() == 1);
}

TEST_CASE("a stored list that is no JSON array is a damaged registry") {
  for (const char* text : {"", "{}", "[", "null"}) {
    CAPTURE(text);
    const auto catalogue = Catalogue::build({.server = "up", .tools = text});
    REQUIRE(!catalogue.has_value());
    CHECK(catalogue.error().code == Code::storage);
  }
}
