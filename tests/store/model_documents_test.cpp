#include <doctest/doctest.h>

#include "sallyport/store/documents.hpp"

namespace sallyport::store {
namespace {

TEST_CASE("documents of model calls keep all that they say, in JSON and in YAML") {
  const std::string texts[] = {
      "kind: Provider\nname: openai\napi: openai\nbase_url: \"https://a.example/v1\"\ncredential: "
      "key\nheaders: {x-a: b}\n"
      "aliases: {fast: gpt-5-mini}\nmodels: [\"gpt-*\"]\ncapture: full\ntimeout: 30s\nallow_private: "
      "true\ndisabled: true\n",
      "kind: VirtualKey\nname: team\nprovider: openai\ncredential: other\nmodels: [\"gpt-5*\"]\nexpires: "
      "2027-01-31\n",
      "kind: Route\nname: main\ndescription: first one, then the other\n"
      "config: {strategy: {mode: fallback}, targets: [{provider: \"@openai\"}, {virtual_key: team, weight: "
      "0.5}]}\n"};
  for (const std::string& text : texts) {
    CAPTURE(text);
    const auto read = read_documents(text, "f.yaml");
    REQUIRE(read.has_value());
    const AnyDocument& document = read->front();
    const auto again = from_json(to_json(document));
    REQUIRE(again.has_value());
    CHECK(to_json(*again) == to_json(document));
    const auto yaml = read_documents(to_yaml(document), "g.yaml");
    REQUIRE(yaml.has_value());
    CHECK(to_json(yaml->front()) == to_json(document));
  }
}

TEST_CASE("what no document of model calls may say is refused where it stands") {
  struct Row {
    const char* text;
    int line;
    const char* what;
  };
  const Row rows[] = {
      {"kind: Provider\nname: a\n", 1, "needs the key \"api\""},
      {"kind: Provider\nname: a\napi: openai\nbase_url: ftp://a\n", 4, "http"},
      {"kind: Provider\nname: a\napi: openai\nheaders: {authorization: x}\n", 4, "authorization"},
      {"kind: Provider\nname: a\napi: openai\naliases: {\"*\": b}\n", 4, "without * and ?"},
      {"kind: Provider\nname: a\napi: openai\nregion: x\n", 4, "not implemented in this version"},
      {"kind: VirtualKey\nname: a\n", 1, "needs the key \"provider\""},
      {"kind: VirtualKey\nname: a\nprovider: b\nexpires: tomorrow\n", 4, "must be a date"},
      {"kind: VirtualKey\nname: a\nprovider: b\nexpires: 2027-02-30\n", 4, "must be a date"},
      {"kind: Route\nname: a\n", 1, "config"},
      {"kind: Route\nname: a\nconfig: main\n", 3, "config"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto read = read_documents(row.text, "f.yaml");
    REQUIRE_FALSE(read.has_value());
    CAPTURE(read.error().front().text());
    CHECK(read.error().front().line == row.line);
    CHECK(read.error().front().what.find(row.what) != std::string::npos);
  }
}

}  // namespace
}  // namespace sallyport::store
