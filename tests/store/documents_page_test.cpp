#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "data_directory.hpp"
#include "sallyport/store/documents.hpp"
#include "support/source_tree.hpp"

namespace sallyport::store {
namespace {

std::string page() {
  const auto path = sallyport::testing::in_source_tree("docs/documents.md");
  return DataDirectory::bytes_of(path.string());
}

/// The keys that a refusal of an unknown key lists.
std::set<std::string> keys_listed(const std::string& text) {
  auto documents = read_documents(text, "f.yaml");
  REQUIRE_FALSE(documents.has_value());
  for (const ReadProblem& problem : documents.error()) {
    const auto at = problem.what.find("it takes ");
    if (at == std::string::npos) continue;
    std::set<std::string> keys;
    std::string rest = problem.what.substr(at + 9);
    for (std::size_t comma = 0; comma != std::string::npos;) {
      comma = rest.find(", ");
      keys.insert(rest.substr(0, comma));
      if (comma != std::string::npos) rest.erase(0, comma + 2);
    }
    return keys;
  }
  FAIL("no key was unknown");
  return {};
}

TEST_CASE("every example on the page of documents is accepted, and every kind has one") {
  const std::string text = page();
  std::map<std::string_view, int> kinds;
  constexpr std::string_view kFence = "```yaml\n";
  for (auto at = text.find(kFence); at != std::string::npos; at = text.find(kFence, at + 1)) {
    const auto begin = at + kFence.size();
    auto documents =
        read_documents(std::string_view(text).substr(begin, text.find("```", begin) - begin), "page");
    REQUIRE_MESSAGE(documents.has_value(), (documents ? "" : documents.error().front().text()));
    for (const AnyDocument& document : *documents) ++kinds[kind_of(document)];
  }
  CHECK(kinds.size() == std::variant_size_v<AnyDocument>);
}

TEST_CASE("the page of documents names every key that the reader takes") {
  const std::string text = page();
  const std::string server = "kind: Server\nname: s\ntransport: {type: ";
  for (const std::string& document :
       {std::string("kind: Credential\nname: a\nenv: A\nx: 1\n"), std::string("kind: Team\nname: a\nx: 1\n"),
        std::string("kind: Agent\nname: a\nx: 1\n"), std::string("kind: Policy\nname: a\nx: 1\n"),
        std::string("kind: VirtualServer\nname: a\nx: 1\n"), std::string("kind: Server\nname: a\nx: 1\n"),
        server + "stdio, command: c, x: 1}\n", server + "streamable-http, url: \"https://a/\", x: 1}\n",
        std::string("kind: VirtualServer\nname: a\ntools: [{from: a, x: 1}]\n"),
        std::string("kind: VirtualServer\nname: a\nprompts: [{from: a, x: 1}]\n"),
        std::string(
            "kind: Policy\nname: a\nsubjects: [\"*\"]\nrules: [{effect: deny, tools: [\"*\"], x: 1}]\n")}) {
    CAPTURE(document);
    for (const std::string& key : keys_listed(document)) {
      CAPTURE(key);
      CHECK(text.find("`" + key + "`") != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace sallyport::store
