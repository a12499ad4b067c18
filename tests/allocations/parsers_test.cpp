// F10: every allocation fails once in every reader of foreign bytes; what the fuzz targets begin with is
// read.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <new>
#include <string>
#include <vector>

#include "failing_new.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/mcp/compose.hpp"
#include "sallyport/mcp/message.hpp"
#include "sallyport/mcp/sse.hpp"
#include "sallyport/net/head.hpp"
#include "sallyport/store/documents.hpp"
#include "support/source_tree.hpp"

namespace sallyport {
namespace {

namespace fs = std::filesystem;

std::vector<std::pair<std::string, std::string>> seeds_of(const std::string& target) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& entry : fs::directory_iterator(testing::in_source_tree("tests/fuzz/seeds") / target)) {
    std::ifstream in(entry.path(), std::ios::binary);
    out.emplace_back(entry.path().filename(), std::string(std::istreambuf_iterator<char>(in), {}));
  }
  std::ranges::sort(out);
  REQUIRE_FALSE(out.empty());
  return out;
}

struct Reader {
  const char* name;
  const char* seeds;
  std::function<void(const std::string&)> read;
};

void classify(const std::string& text, const mcp::HttpFacts& facts) {
  const auto document = json::Document::parse(text);
  if (!document) return;
  mcp::Id id;
  const auto call = mcp::classify(document->root(), facts, id);
  if (call && call->message.params)
    (void)mcp::rebuild_params(call->message.params, {{"name", "\"other\""}}, {});
}

const std::vector<Reader>& readers() {
  static const std::vector<Reader> all = {
      {"the JSON door", "json", [](const std::string& text) { (void)json::Document::parse(text); }},
      {"the JSON door to upstreams", "json",
       [](const std::string& text) {
         const auto document = json::Document::parse(text, json::kUpstream);
         if (document && document->root().is(json::Kind::object))
           (void)mcp::adapt_result(document->root(), mcp::kModern, std::nullopt, "{}");
       }},
      {"a 2025 message", "mcp_message", [](const std::string& text) { classify(text, {}); }},
      {"a 2026 message", "mcp_message",
       [](const std::string& text) {
         classify(text,
                  {.version = "2026-07-28", .method = "tools/call", .name = "echo", .session = std::nullopt});
       }},
      {"an event stream", "sse",
       [](const std::string& text) {
         mcp::SseReader reader(limits::KiB);
         for (std::size_t at = 0; at < text.size(); at += 7) {
           if (!reader.feed(std::string_view(text).substr(at, 7))) return;
         }
       }},
      {"a request's head", "head", [](const std::string& text) { (void)net::parse_head(text); }},
      {"documents in YAML", "documents",
       [](const std::string& text) { (void)store::read_documents(text, "a.yaml"); }},
      {"documents in JSON", "documents",
       [](const std::string& text) { (void)store::read_documents(text, "a.json"); }},
  };
  return all;
}

}  // namespace

TEST_CASE(
    "F10 whichever allocation of a reader fails, it ends in an error or bad_alloc, and leaves nothing "
    "behind") {
  std::size_t total = 0;
  for (const Reader& reader : readers()) {
    for (const auto& [name, text] : seeds_of(reader.seeds)) {
      CAPTURE(reader.name);
      CAPTURE(name);
      reader.read(text);  // what is made once for good is made now
      for (std::size_t n = 1;; ++n) {
        const long before = testing::live_allocations();
        bool thrown = false;
        testing::fail_allocation(n);
        try {
          reader.read(text);
        } catch (const std::bad_alloc&) {
          thrown = true;
        }
        const bool failed = testing::allocation_failed();
        const long left = testing::live_allocations() - before;
        if (left != 0 || (thrown && !failed)) {
          CAPTURE(n);
          CHECK(left == 0);
          CHECK_FALSE((thrown && !failed));
          break;
        }
        ++total;
        if (!failed) break;
        REQUIRE(n < 100'000);
      }
    }
  }
  CHECK(total > 1000);
}

}  // namespace sallyport
