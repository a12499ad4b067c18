// How endpoints are composed from catalogues and documents: names, collisions, virtual servers (DESIGN 3.12).
#include "sallyport/gateway/snapshot.hpp"

#include <doctest/doctest.h>

using namespace sallyport;
using namespace sallyport::gateway;

namespace {

struct Lists {
  std::vector<std::string> tools{}, resources{}, templates{};
};

ServerEntry entry(const std::string& name, const Lists& lists, bool uri_prefix = false) {
  auto config = std::make_shared<ServerConfig>();
  config->document.name = name;
  config->document.uri_prefix = uri_prefix;
  const auto array = [](const std::vector<std::string>& names, const std::string& member,
                        const std::string& more) {
    std::string out = "[";
    for (const auto& one : names)
      out += (out.size() > 1 ? ",{\"" : "{\"") + member + "\":\"" + one + "\"" + more + "}";
    return out + "]";
  };
  auto catalogue = Catalogue::build(
      {.server = name,
       .tools = array(lists.tools, "name", R"(,"inputSchema":{"type":"object"},"execution":{"x":1})"),
       .resources = array(lists.resources, "uri", ""),
       .templates = array(lists.templates, "uriTemplate", "")});
  REQUIRE(catalogue.has_value());
  return {.config = std::move(config), .upstream = nullptr, .catalogue = std::move(*catalogue)};
}

std::shared_ptr<const Snapshot> built(std::vector<ServerEntry> servers, const std::string& yaml = "") {
  SnapshotParts parts;
  parts.servers = std::move(servers);
  if (!yaml.empty()) {
    auto documents = store::read_documents(yaml, "test.yaml");
    REQUIRE(documents.has_value());
    auto rules = take_policies(*documents, {});
    REQUIRE(rules.has_value());
    parts.rules = std::move(*rules);
    parts.documents = std::move(*documents);
  }
  return build_snapshot(std::move(parts));
}

std::vector<std::string> names(const Exports& exports) {
  std::vector<std::string> out;
  for (const auto& one : exports.items) out.push_back(one.name);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("/mcp has everything, sorted by exported name; each name finds its definition") {
  const auto snapshot = built({entry("b", {.tools = {"z", "a"}}), entry("a", {.tools = {"m"}})});
  const Endpoint* all = snapshot->endpoint("/mcp");
  REQUIRE(all != nullptr);
  CHECK(names(all->tools) == Names{"a__m", "b__a", "b__z"});
  REQUIRE(all->tools.find("b__z") != nullptr);
  CHECK(all->tools.find("b__z")->definition->canonical == "b/z");
  CHECK(all->tools.find("b__") == nullptr);
  CHECK(all->tools.find("z") == nullptr);
  CHECK(all->tools.items[0].legacy.find("\"name\":\"a__m\"") != std::string::npos);
  CHECK(all->tools.items[0].legacy.find("execution") != std::string::npos);
  CHECK(all->tools.items[0].modern.find("execution") == std::string::npos);
  CHECK(snapshot->endpoint("/mcp/nosuch") == nullptr);
  CHECK(snapshot->server("b") != nullptr);
  CHECK(snapshot->server("c") == nullptr);
}

TEST_CASE("a server that was never reached has no exports and harms none") {
  auto never = entry("never", {});
  never.catalogue = nullptr;
  std::vector<ServerEntry> servers;
  servers.push_back(std::move(never));
  servers.push_back(entry("up", {.tools = {"t"}}));
  CHECK(names(built(std::move(servers))->endpoint("/mcp")->tools) == Names{"up__t"});
}

TEST_CASE("a name that two definitions claim belongs to neither, and the endpoint says so") {
  const auto snapshot = built({entry("a", {.tools = {"x", "y"}}), entry("b", {.tools = {"x"}})}, R"(
kind: VirtualServer
name: flat
tools:
  - {from: a, prefix: ""}
  - {from: b, prefix: ""}
)");
  const Endpoint* flat = snapshot->endpoint("/mcp/flat");
  REQUIRE(flat != nullptr);
  CHECK(names(flat->tools) == Names{"y"});
  REQUIRE(flat->problems.size() == 1);
  CHECK(flat->problems[0].find("a/x, b/x") != std::string::npos);
  CHECK(names(snapshot->endpoint("/mcp")->tools) == Names{"a__x", "a__y", "b__x"});
}

TEST_CASE("the same definition chosen twice under one name is no collision") {
  const auto snapshot = built({entry("a", {.tools = {"get_x", "put"}})}, R"(
kind: VirtualServer
name: twice
tools:
  - {from: a, include: ["get_*"]}
  - {from: a, include: ["*_x"]}
  - {from: gone}
)");
  const Endpoint* twice = snapshot->endpoint("/mcp/twice");
  REQUIRE(twice != nullptr);
  CHECK(names(twice->tools) == Names{"a__get_x"});
  REQUIRE(twice->problems.size() == 1);
  CHECK(twice->problems[0].find("'gone'") != std::string::npos);
}

TEST_CASE("a URI is found exactly first, then by the one server whose template fits") {
  const auto snapshot =
      built({entry("a", {.resources = {"n://1", "n://both"}, .templates = {"n://{id}", "same://{id}"}}),
             entry("b", {.resources = {"n://both"}, .templates = {"other://{x}", "same://{key}"}}),
             entry("c", {.resources = {"n://both"}}, true)});
  const Endpoint* all = snapshot->endpoint("/mcp");
  struct Row {
    const char *uri, *server;
    bool by_template;
  };
  for (const Row& row : {Row{"n://1", "a", false}, Row{"n://2", "a", true}, Row{"other://9", "b", true},
                         Row{"c+n://both", "c", false}}) {
    CAPTURE(row.uri);
    const auto hit = all->resource(row.uri);
    REQUIRE(hit.has_value());
    CHECK(hit->entry->server->config->document.name == row.server);
    CHECK(hit->by_template == row.by_template);
  }
  CHECK(!all->resource("same://1").has_value());
  CHECK(!all->resource("nobody://1").has_value());
}

TEST_CASE("a URI that two servers claim exactly is not served by a template of one of them") {
  const auto snapshot = built({entry("a", {.resources = {"n://both"}, .templates = {"n://{id}"}}),
                               entry("b", {.resources = {"n://both"}})});
  CHECK(!snapshot->endpoint("/mcp")->resource("n://both").has_value());
}

TEST_CASE(
    "a version that a source pins is exported while the definition has it, and the endpoint says when not") {
  auto server = entry("a", {.tools = {"get", "put"}});
  const std::string hash = server.catalogue->tools[0].hash;
  REQUIRE(hash.size() == 64);
  std::vector<ServerEntry> servers;
  servers.push_back(std::move(server));
  const auto snapshot = built(
      std::move(servers),
      "kind: VirtualServer\nname: right\ntools: [{from: a, pin: {get: " + hash.substr(0, 32) +
          "}}]\n---\nkind: VirtualServer\nname: wrong\ntools: [{from: a, "
          "pin: {get: 0123456789abcdef0123456789abcdef}}]\n---\nkind: VirtualServer\nname: misspelt\ntools: "
          "[{from: a, pin: {got: 0123456789abcdef0123456789abcdef}}]\n");
  REQUIRE(snapshot->endpoint("/mcp/misspelt")->problems.size() == 1);
  CHECK(snapshot->endpoint("/mcp/misspelt")->problems[0].find("a pin names 'got'") == 0);
  CHECK(names(snapshot->endpoint("/mcp/right")->tools) == Names{"a__get", "a__put"});
  CHECK(snapshot->endpoint("/mcp/right")->problems.empty());
  CHECK(names(snapshot->endpoint("/mcp/wrong")->tools) == Names{"a__put"});
  REQUIRE(snapshot->endpoint("/mcp/wrong")->problems.size() == 1);
  CHECK(snapshot->endpoint("/mcp/wrong")
            ->problems[0]
            .find("'a/get' is pinned to 0123456789abcdef0123456789abcdef") != std::string::npos);
}

TEST_CASE("of a pinned server nothing is exported that was not approved; resources are not pinned") {
  auto server = entry("a", {.tools = {"get", "put"}, .resources = {"n://1"}, .templates = {"n://{id}"}});
  auto config = std::make_shared<ServerConfig>(*server.config);
  config->document.trust = store::Trust::pinned;
  server.config = config;
  store::StoredDefinition row{.key = {.server = "a", .sort = "tool", .name = "get"}};
  row.approved.hash = server.catalogue->tools[0].hash;
  server.pins = std::make_shared<const Pins>(std::vector<store::StoredDefinition>{row});
  std::vector<ServerEntry> servers;
  servers.push_back(std::move(server));
  const auto snapshot = built(std::move(servers));
  const Endpoint* all = snapshot->endpoint("/mcp");
  CHECK(names(all->tools) == Names{"a__get"});
  CHECK(names(all->resources) == Names{"n://1"});
  CHECK(names(all->templates).empty());
}
