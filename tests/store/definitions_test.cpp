// What the registry remembers of definitions, and what a person decides about them.
#include "data_directory.hpp"
#include "sallyport/core/limits.hpp"

namespace sallyport::store {
namespace {

const std::string kServer =
    "kind: Server\nname: up\ntransport: {type: streamable-http, url: \"https://a.example/mcp\"}\n";

StoredDefinition row(const std::string& name, const std::string& hash) {
  return {.key = {.server = "up", .sort = "tool", .name = name},
          .current = {.hash = hash, .object = "{\"v\":\"" + hash + "\"}"},
          .first_seen = 1,
          .changed = 2,
          .changes = 3};
}

struct Shelf : OpenRegistry {
  explicit Shelf(const DataDirectory& data) : OpenRegistry(data.path()) {
    REQUIRE(apply(kServer) == "");
    REQUIRE(registry->save_catalogue({.server = "up", .recorded = 5}, {row("a", "aaa"), row("b", "bbb")}, {})
                .has_value());
  }
  Result<void> decide(const std::string& name, const std::string& hash, bool approve) {
    return registry->decide({{.key = {"up", "tool", name}, .hash = hash, .approve = approve}}, "agent:ops");
  }
  StoredDefinition of(const std::string& name) {
    auto found = registry->definition({"up", "tool", name});
    REQUIRE(found.has_value());
    REQUIRE(found->has_value());
    return **found;
  }
};

TEST_CASE("definitions come back as they were saved, with objects or without, and go with their server") {
  DataDirectory data;
  Shelf shelf(data);
  const auto all = shelf.registry->definitions("up", true).value();
  REQUIRE(all.size() == 2);
  CHECK(all[0].key.name == "a");
  CHECK(all[0].current.object == "{\"v\":\"aaa\"}");
  CHECK(all[0].changes == 3);
  CHECK(state_of(all[0]) == DefinitionState::waiting);
  CHECK(shelf.registry->definitions("up", false).value()[1].current.object.empty());
  CHECK(shelf.registry->definitions("", false).value().size() == 2);
  CHECK(shelf.registry->definitions("other", false).value().empty());
  CHECK(shelf.registry->catalogues().value()[0].recorded == 5);
  REQUIRE(shelf.registry
              ->save_catalogue({.server = "up", .recorded = 5}, {row("a", "new")}, {{"up", "tool", "b"}})
              .has_value());
  CHECK(shelf.registry->definitions("up", false).value().size() == 1);
  REQUIRE(shelf.registry->remove("Server", "up").has_value());
  CHECK(shelf.registry->definitions("", false).value().empty());
}

TEST_CASE("an approval and a rejection are of one version, and say who made them") {
  DataDirectory data;
  Shelf shelf(data);
  const auto generation = shelf.registry->generation().value();
  REQUIRE(shelf.decide("a", "aaa", true).has_value());
  CHECK(state_of(shelf.of("a")) == DefinitionState::approved);
  CHECK(shelf.of("a").approved.object == "{\"v\":\"aaa\"}");
  CHECK(shelf.of("a").decided_by == "agent:ops");
  CHECK(shelf.of("a").decided > 0);
  CHECK(shelf.registry->generation().value() == generation + 1);

  REQUIRE(shelf.decide("a", "aaa", false).has_value());
  CHECK(state_of(shelf.of("a")) == DefinitionState::rejected);
  CHECK(shelf.of("a").approved.hash.empty());
  REQUIRE(shelf.decide("a", "aaa", true).has_value());
  CHECK(state_of(shelf.of("a")) == DefinitionState::approved);
  CHECK(shelf.of("a").rejected.empty());
}

TEST_CASE("every rejected version is remembered, within a bound, until that very version is approved") {
  DataDirectory data;
  Shelf shelf(data);
  const auto offered = [&](const std::string& hash) {
    auto now = shelf.of("a");
    now.current = {.hash = hash, .object = "{}"};
    REQUIRE(shelf.registry->save_catalogue({.server = "up"}, {now}, {}).has_value());
  };
  REQUIRE(shelf.decide("a", "aaa", false).has_value());
  offered("bbb");
  REQUIRE(shelf.decide("a", "bbb", false).has_value());
  offered("ccc");
  REQUIRE(shelf.decide("a", "ccc", true).has_value());
  CHECK(shelf.of("a").rejected == std::vector<std::string>{"aaa", "bbb"});
  CHECK(shelf.of("a").rejected_by == "agent:ops");
  offered("aaa");
  CHECK(state_of(shelf.of("a")) == DefinitionState::rejected);
  REQUIRE(shelf.decide("a", "aaa", true).has_value());
  CHECK(shelf.of("a").rejected == std::vector<std::string>{"bbb"});
  for (std::size_t i = 0; i < limits::kRejections + 5; ++i) {
    offered("x" + std::to_string(i));
    REQUIRE(shelf.decide("a", "x" + std::to_string(i), false).has_value());
  }
  CHECK(shelf.of("a").rejected.size() == limits::kRejections);
}

TEST_CASE(
    "a decision about another version than the one that is offered is refused, and with it all others") {
  DataDirectory data;
  Shelf shelf(data);
  const auto generation = shelf.registry->generation().value();
  const auto stale = shelf.registry->decide({{.key = {"up", "tool", "a"}, .hash = "aaa", .approve = true},
                                             {.key = {"up", "tool", "b"}, .hash = "old", .approve = true}},
                                            "uid:1");
  REQUIRE_FALSE(stale.has_value());
  CHECK(stale.error().code == Code::conflict);
  CHECK(stale.error().hint.find("up/b") != std::string::npos);
  CHECK(state_of(shelf.of("a")) == DefinitionState::waiting);
  CHECK(shelf.decide("c", "ccc", true).error().code == Code::not_found);
  auto gone = row("a", "");
  gone.current = {};
  REQUIRE(shelf.registry->save_catalogue({.server = "up"}, {gone}, {}).has_value());
  CHECK(state_of(shelf.of("a")) == DefinitionState::gone);
  CHECK(shelf.decide("a", "aaa", true).error().code == Code::conflict);
  CHECK(shelf.registry->generation().value() == generation);
}

}  // namespace
}  // namespace sallyport::store
