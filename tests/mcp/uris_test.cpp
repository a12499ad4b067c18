#include <doctest/doctest.h>

#include "sallyport/mcp/compose.hpp"

using namespace sallyport;

TEST_CASE("URIs of a result carry the prefix wherever a client may follow them") {
  struct Row {
    const char* name;
    const char* in;
    const char* out;
  };
  const Row rows[] = {
      {"a read", R"({"contents":[{"uri":"a://1","text":"x"}]})",
       R"({"contents":[{"uri":"s+a://1","text":"x"}]})"},
      {"a link in a tool result", R"({"content":[{"type":"resource_link","uri":"a://1","name":"n"}]})",
       R"({"content":[{"type":"resource_link","uri":"s+a://1","name":"n"}]})"},
      {"an embedded resource", R"({"content":[{"type":"resource","resource":{"uri":"a://1","blob":""}}]})",
       R"({"content":[{"type":"resource","resource":{"uri":"s+a://1","blob":""}}]})"},
      {"a prompt",
       R"({"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"a://1"}}}]})",
       R"({"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"s+a://1"}}}]})"},
      {"text that only looks like one", R"({"content":[{"type":"text","uri":"a://1","text":"a://1"}]})",
       R"({"content":[{"type":"text","uri":"a://1","text":"a://1"}]})"},
      {"what is no content", R"({"content":[1,null,"a://1"],"structuredContent":{"uri":"a://1"}})",
       R"({"content":[1,null,"a://1"],"structuredContent":{"uri":"a://1"}})"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CHECK(mcp::prefix_uris(row.in, "s+") == row.out);
  }
}

TEST_CASE("a task is its owner's under another id, and what is inlined carries the prefix") {
  const auto task = json::Document::parse(
      R"({"taskId":"t","_meta":{},"status":"completed","result":{"contents":[{"uri":"a://1"}]},"uri":"a://1"})");
  REQUIRE(task);
  CHECK(
      mcp::own_task(task->root(), "o", "s+") ==
      R"({"taskId":"o","_meta":{},"status":"completed","result":{"contents":[{"uri":"s+a://1"}]},"uri":"a://1"})");
  CHECK(mcp::own_task(task->root(), "o", "", {"_meta"}) ==
        R"({"taskId":"o","status":"completed","result":{"contents":[{"uri":"a://1"}]},"uri":"a://1"})");
}

TEST_CASE("a tool's app resource carries the prefix, and other tools stay as they are") {
  const auto tool = json::Document::parse(
      R"({"name":"t","_meta":{"x":1,"ui":{"resourceUri":"ui://t","visibility":["app"]}}})");
  REQUIRE(tool);
  CHECK(mcp::prefix_app_resource(tool->root(), "s+") ==
        R"({"x":1,"ui":{"resourceUri":"s+ui://t","visibility":["app"]}})");
  for (const char* other :
       {R"({"name":"t"})", R"({"name":"t","_meta":{"ui":{}}})", R"({"_meta":{"ui":5}})"}) {
    const auto plain = json::Document::parse(other);
    REQUIRE(plain);
    CHECK_FALSE(mcp::prefix_app_resource(plain->root(), "s+"));
  }
}
