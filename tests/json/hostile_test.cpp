#include <doctest/doctest.h>
#include <pthread.h>

#include <chrono>
#include <functional>
#include <string>

#include "sallyport/json/document.hpp"

using namespace sallyport;
using json::Document;

namespace {

/// Runs `work` on a thread with little stack: whatever recurses with the input does not come back.
void on_small_stack(const std::function<void()>& work) {
  constexpr std::size_t kStack = 256 * 1024;
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, kStack) == 0);
  pthread_t thread;
  const auto entry = [](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  auto* const argument = const_cast<void*>(static_cast<const void*>(&work));
  REQUIRE(pthread_create(&thread, &attributes, entry, argument) == 0);
  REQUIRE(pthread_join(thread, nullptr) == 0);
  pthread_attr_destroy(&attributes);
}

std::string repeated(const char* piece, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += piece;
  return out;
}

}  // namespace

TEST_CASE("a million levels are refused at the bound, on a small stack (N18)") {
  bool arrays = true, objects = true, mixed = true;
  on_small_stack([&] {
    arrays = Document::parse(repeated("[", 1000000)).has_value();
    objects = Document::parse(repeated("{\"a\":", 1000000)).has_value();
    mixed = Document::parse(repeated("[{\"a\":", 500000) + "0" + repeated("}]", 500000)).has_value();
  });
  CHECK_FALSE(arrays);
  CHECK_FALSE(objects);
  CHECK_FALSE(mixed);
}

TEST_CASE(
    "a million levels that a rule allows are read, written canonically and dropped on a small stack (N18)") {
  constexpr std::size_t levels = 1000000;
  const auto text = repeated("[", levels) + repeated("]", levels);
  std::string form;
  on_small_stack([&] {
    const auto parsed = Document::parse(text, {.max_depth = 2000000});
    if (parsed) form = json::canonical(parsed->root());
  });
  CHECK(form == text);
}

TEST_CASE("a million keys cost time in proportion, wherever the repeated one stands (N16)") {
  constexpr int keys = 1000000;
  std::string text = "{";
  for (int i = 0; i < keys; ++i) text += "\"k" + std::to_string(i) + "\":0,";
  const auto begin = std::chrono::steady_clock::now();
  const auto distinct = Document::parse(text + "\"k\":0}");
  REQUIRE(distinct.has_value());
  CHECK(distinct->root().size() == keys + 1);
  CHECK_FALSE(Document::parse(text + "\"k0\":0}").has_value());
  CHECK_FALSE(Document::parse(text + "\"\\u006b999999\":0}").has_value());
  // Comparing all pairs would take hours; the bound only has to tell that from a table.
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));
}

TEST_CASE("keys that agree in their first and last bytes and their length are told apart (N16)") {
  std::string text = "{";
  for (int i = 0; i < 100000; ++i) {
    const auto digits = std::to_string(100000 + i);
    text += "\"aaaaaaaaaaaaaaaa" + digits + "zzzzzzzzzzzzzzzz\":0,";
  }
  CHECK(Document::parse(text + "\"a\":0}").has_value());
  CHECK_FALSE(Document::parse(text + "\"aaaaaaaaaaaaaaaa150000zzzzzzzzzzzzzzzz\":0}").has_value());
}

TEST_CASE("a bad byte is found at every distance from the start and the end of a string (N20)") {
  for (std::size_t length = 0; length < 70; ++length)
    for (const auto* bad : {"\xff", "\x01", "\xc3", "\xed\xa0\x80"}) {
      const std::string run(length, 'x');
      CHECK(Document::parse("\"" + run + "\"").has_value());
      CHECK_FALSE(Document::parse("\"" + run + bad + "\"").has_value());
      CHECK_FALSE(Document::parse("\"" + run + bad + run + "\"").has_value());
      CHECK_FALSE(Document::parse("\"" + run + bad).has_value());
      CHECK_FALSE(Document::parse("\"" + run).has_value());
      CHECK(Document::parse("[\"" + run + "\\n\",\"" + run + "\xc3\xa9" + run + "\"]").has_value());
    }
}

TEST_CASE("names with NUL are text like any other and do not end early (N20)") {
  const auto parsed = Document::parse(R"({"a\u0000b":1,"a":2})");
  REQUIRE(parsed.has_value());
  CHECK(parsed->root().find(std::string_view("a\0b", 3))->integer() == 1);
  CHECK(parsed->root().find("a")->integer() == 2);
}

TEST_CASE("a document over the bound of offsets is refused before it is read") {
  std::string text;
  text.resize_and_overwrite(Document::kMaxBytes + 1, [](char*, std::size_t size) { return size; });
  const auto parsed = Document::parse(std::move(text));
  REQUIRE_FALSE(parsed.has_value());
  CHECK(parsed.error().hint.ends_with("a document has at most 1 GiB"));
}
