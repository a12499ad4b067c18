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
    parts.documents = std::move(*documents);
  }
  auto snapshot = build_snapshot(std::move(parts));
  REQUIRE(snapshot.has_value());
  return *snapshot;
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
