// What clients see: lists of many pages on both sides, virtual servers, names and URIs.
#include <set>

#include "gateway_fixture.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/limits.hpp"

using namespace sallyport::testing;

namespace {

Json tool(const std::string& name) { return {{"name", name}, {"inputSchema", {{"type", "object"}}}}; }

Json tools(const std::vector<std::string>& names) {
  Json out = Json::array();
  for (const auto& name : names) out.push_back(tool(name));
  return out;
}

std::vector<std::string> names_in(const Response& list, const char* member = "tools",
                                  const char* key = "name") {
  std::vector<std::string> out;
  const Json json = list.json();
  CAPTURE(list.body.substr(0, 400));
  REQUIRE(json.contains("result"));
  for (const Json& item : json["result"][member]) out.push_back(item[key]);
  return out;
}

/// A modern upstream whose lists are what a test makes of the cursor.
class ListMcp {
 public:
  /// Makes the result of `method`; `cursor` is empty for the first page.
  using OnList = std::function<Json(const std::string& method, const std::string& cursor)>;
  explicit ListMcp(OnList make)
      : make_(std::move(make)), server_([this](RawSocket& socket, int) { serve(socket); }) {}
  std::string url() const { return server_.url(); }
  std::atomic<int> pages{0};

 private:
  void serve(RawSocket& socket) {
    for (;;) {
      const std::string request = sallyport::net::testing::read_request(socket);
      if (request.empty()) return;
      const Json message = Json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
      if (!socket.send(answer(message))) return;
    }
  }
  std::string answer(const Json& message) {
    const std::string method = message["method"];
    if (method == "server/discover")
      return FakeMcp::json(FakeMcp::result(
          message, {{"resultType", "complete"},
                    {"supportedVersions", {"2026-07-28"}},
                    {"capabilities", {{"tools", Json::object()}, {"resources", Json::object()}}},
                    {"ttlMs", 0},
                    {"cacheScope", "private"}}));
    if (method.ends_with("/list")) {
      if (method == "tools/list") ++pages;
      Json result = make_(method, message["params"].value("cursor", ""));
      result.update({{"resultType", "complete"}, {"ttlMs", 0}, {"cacheScope", "private"}});
      return FakeMcp::json(FakeMcp::result(message, std::move(result)));
    }
    if (method == "resources/read")
      return FakeMcp::json(FakeMcp::result(
          message, {{"resultType", "complete"},
                    {"contents", Json::array({{{"uri", message["params"]["uri"]}, {"text", "read"}}})}}));
    return FakeMcp::echo(message);
  }

  const OnList make_;
  FakeUpstream server_;
};

Json nothing(const std::string& method) {
  if (method == "tools/list") return {{"tools", Json::array()}};
  if (method == "resources/list") return {{"resources", Json::array()}};
  return {{"resourceTemplates", Json::array()}};
}

/// Answers only resources/list, with these URIs, and templates.
ListMcp::OnList resources(std::vector<std::string> uris, std::vector<std::string> templates = {}) {
  return [uris = std::move(uris), templates = std::move(templates)](const std::string& method,
                                                                    const std::string&) {
    Json result = nothing(method);
    if (method == "resources/list") {
      for (const auto& uri : uris) result["resources"].push_back({{"uri", uri}, {"name", uri}});
    } else if (method == "resources/templates/list") {
      for (const auto& uri : templates)
        result["resourceTemplates"].push_back({{"uriTemplate", uri}, {"name", uri}});
    }
    return result;
  };
}

}  // namespace

TEST_CASE("an upstream's pages are followed; a cursor that comes again and an endless list end") {
  struct Row {
    const char* why;
    std::function<std::string(int)> next;  // cursor after page n
    std::size_t tools;
  };
  for (const Row& row :
       {Row{"three pages", [](int n) { return n < 2 ? std::to_string(n + 1) : ""; }, 3},
        Row{"the same cursor again", [](int) { return "1"; }, 2},
        Row{"a circle of three", [](int n) { return std::to_string(n % 3 + 1); }, 4},
        Row{"no end", [](int n) { return std::to_string(n + 1); }, sallyport::limits::kListPages}}) {
    CAPTURE(row.why);
    std::atomic<int> page{0};
    ListMcp upstream([&](const std::string& method, const std::string& cursor) {
      Json result = nothing(method);
      if (method != "tools/list") return result;
      const int n = cursor.empty() ? 0 : std::stoi(cursor);
      if (cursor.empty()) page = 0;
      result["tools"].push_back(tool("t" + std::to_string(page++)));
      if (const std::string next = row.next(n); !next.empty()) result["nextCursor"] = next;
      return result;
    });
    GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
    CHECK(names_in(gateway.modern("tools/list")).size() == row.tools);
    CHECK(upstream.pages <= sallyport::limits::kListPages);
  }
}

TEST_CASE("a list has one order, whatever order servers and tools come in and however often it is asked") {
  FakeMcp up(FakeMcp::Era::modern, tools({"zeta", "Alpha", "mid", "a_1", "a-1", "b"}));
  FakeMcp second(FakeMcp::Era::legacy, tools({"omega", "beta"}));
  GatewayFixture gateway(server_document("up", up.url()) + server_document("a-second", second.url()) +
                         kDefaultPolicy);
  const auto first = names_in(gateway.modern("tools/list"));
  CHECK(first.size() == 8);
  CHECK(std::is_sorted(first.begin(), first.end()));
  const std::string body = gateway.modern("tools/list").body;
  for (int i = 0; i < 20; ++i) CHECK(gateway.modern("tools/list").body == body);
  const std::string session = gateway.initialize();
  CHECK(names_in(gateway.legacy(session, "tools/list")) == first);
}

TEST_CASE("a long list comes in pages, and a cursor serves its own caller, list and endpoint, unchanged") {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < 2 * sallyport::limits::kListPage + 7; ++i)
    names.push_back("t" + std::to_string(100000 + i));
  FakeMcp upstream(FakeMcp::Era::modern, tools(names));
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy +
                         "---\nkind: VirtualServer\nname: all\ntools: [{from: up}]\n");
  std::vector<std::string> seen, cursors;
  for (Json params = Json::object();;) {
    const Response page = gateway.modern("tools/list", params);
    for (auto& name : names_in(page)) seen.push_back(std::move(name));
    const Json result = page.json()["result"];
    if (!result.contains("nextCursor")) break;
    cursors.push_back(result["nextCursor"]);
    params["cursor"] = cursors.back();
    REQUIRE(cursors.size() < 5);
  }
  CHECK(cursors.size() == 2);
  for (auto& name : names) name = "up__" + name;
  CHECK(seen == names);

  const auto with = [&](const std::string& key, const Json& cursor, const std::string& method = "tools/list",
                        const std::string& path = "/mcp") {
    return gateway
        .raw(GatewayFixture::request("POST", path,
                                     "Authorization: Bearer " + key + "\r\n" + GatewayFixture::media() +
                                         GatewayFixture::modern_headers(method),
                                     GatewayFixture::modern_body(method, {{"cursor", cursor}})))
        .code();
  };
  CHECK(with(gateway.key, cursors[0]) == 0);
  CHECK(with(gateway.other_key, cursors[0]) == -32602);
  CHECK(with(gateway.key, cursors[0], "prompts/list") == -32602);
  CHECK(with(gateway.key, cursors[0], "tools/list", "/mcp/all") == -32602);
  for (const std::size_t at : {std::size_t{0}, cursors[0].size() / 2, cursors[0].size() - 2}) {
    std::string tampered = cursors[0];
    tampered[at] = tampered[at] == 'A' ? 'B' : 'A';
    CHECK(with(gateway.key, tampered) == -32602);
  }
  CHECK(with(gateway.key, "") == -32602);
  CHECK(with(gateway.key, "up__t100999") == -32602);
  CHECK(with(gateway.key, 7) == -32602);
}

TEST_CASE("a virtual server shows what it includes, under the names it gives, to whom it admits") {
  FakeMcp github(FakeMcp::Era::modern, tools({"get_me", "get_file", "search_code", "delete_repo", "secret"}));
  FakeMcp ledger(FakeMcp::Era::legacy, tools({"query", "post"}));
  GatewayFixture gateway(server_document("github", github.url()) + server_document("ledger", ledger.url()) +
                         kDefaultPolicy + R"(---
kind: VirtualServer
name: payments
title: Payments team
tools:
  - {from: github, include: ["get_*", secret]}
  - {from: github, include: [search_code], prefix: ""}
  - {from: ledger, tool: query, as: ledger_query}
---
kind: VirtualServer
name: open
access: anonymous
tools:
  - {from: github, include: [get_me, secret]}
)");
  using Names = std::vector<std::string>;
  CHECK(names_in(gateway.modern("tools/list", Json::object(), "/mcp/payments")) ==
        Names{"github__get_file", "github__get_me", "ledger_query", "search_code"});
  CHECK(gateway.modern("server/discover", Json::object(), "/mcp/payments")
            .json()["result"]["_meta"]["io.modelcontextprotocol/serverInfo"]["title"] == "Payments team");

  const auto call = [&](const std::string& name, const std::string& path) {
    return gateway.modern("tools/call", {{"name", name}, {"arguments", Json::object()}}, path);
  };
  for (const char* name : {"github__get_me", "search_code", "ledger_query"}) {
    CAPTURE(name);
    CHECK(call(name, "/mcp/payments").json().contains("result"));
  }
  CHECK(ledger.calls().back().find("\"name\":\"query\"") != std::string::npos);
  CHECK(gateway.recorded("intent", {{"target", "ledger/query"}, {"endpoint", "/mcp/payments"}}));
  const auto reached = github.call_count() + ledger.call_count();
  for (const char* name : {"github__delete_repo", "github__search_code", "ledger__query", "ledger__post",
                           "github__secret", "query"}) {
    CAPTURE(name);
    const Json error = call(name, "/mcp/payments").json()["error"];
    CHECK(error["code"] == -32602);
    CHECK(error["message"] == std::string("Unknown tool: ") + name);
  }
  CHECK(github.call_count() + ledger.call_count() == reached);
  CHECK(call("github__delete_repo", "/mcp").json().contains("result"));

  // Anonymous: no key, and the virtual server itself is the grant.
  const auto anonymous = [&](const std::string& method, const Json& params, const std::string& path) {
    return gateway.raw(GatewayFixture::request(
        "POST", path,
        GatewayFixture::media() + GatewayFixture::modern_headers(method, params.value("name", "")),
        GatewayFixture::modern_body(method, params)));
  };
  CHECK(names_in(anonymous("tools/list", Json::object(), "/mcp/open")) ==
        Names{"github__get_me", "github__secret"});
  CHECK(anonymous("tools/call", {{"name", "github__get_me"}, {"arguments", Json::object()}}, "/mcp/open")
            .json()
            .contains("result"));
  CHECK(anonymous("tools/call", {{"name", "github__get_file"}, {"arguments", Json::object()}}, "/mcp/open")
            .code() == -32602);
  CHECK(gateway.recorded("intent", {{"endpoint", "/mcp/open"}, {"rule", "virtual-server:open"}}));

  // A stranger cannot tell a virtual server that exists from one that does not; a caller is told.
  const Response existing = anonymous("tools/list", Json::object(), "/mcp/payments");
  const Response missing = anonymous("tools/list", Json::object(), "/mcp/nosuch");
  CHECK(existing.status == 401);
  CHECK(missing.status == 401);
  CHECK(gateway.modern("tools/list", Json::object(), "/mcp/nosuch").status == 404);
}

TEST_CASE("a denial holds where no key is asked for, too") {
  FakeMcp github(FakeMcp::Era::modern, tools({"get_me", "secret", "delete_repo"}));
  struct Row {
    const char* policy;
    std::vector<std::string> left;
    bool admitted;
  };
  const Row rows[] = {
      {"rules: []", {"github__delete_repo", "github__get_me", "github__secret"}, true},
      {"rules: [{effect: allow, tools: [github/get_me]}]",
       {"github__delete_repo", "github__get_me", "github__secret"},
       true},
      {"rules: [{effect: deny, tools: ['*/delete_*']}]", {"github__get_me", "github__secret"}, true},
      {"rules: [{effect: deny, servers: ['*']}]", {}, true},
      {"rules: [{effect: deny, virtual_servers: [open]}]", {}, false},
  };
  for (const char* subject : {"anonymous", "'*'"}) {
    for (const Row& row : rows) {
      CAPTURE(row.policy);
      GatewayFixture gateway(
          server_document("github", github.url()) + kDefaultPolicy +
          "---\nkind: VirtualServer\nname: open\naccess: anonymous\ntools: [{from: github}]\n"
          "---\nkind: Policy\nname: strangers\nsubjects: [" +
          subject + "]\n" + row.policy + "\n");
      const auto ask = [&](const std::string& method, const Json& params) {
        return gateway.raw(GatewayFixture::request(
            "POST", "/mcp/open",
            GatewayFixture::media() + GatewayFixture::modern_headers(method, params.value("name", "")),
            GatewayFixture::modern_body(method, params)));
      };
      const Response listed = ask("tools/list", Json::object());
      CHECK((listed.status == 200) == row.admitted);
      if (row.admitted) CHECK(names_in(listed) == row.left);
      for (const std::string name : {"github__get_me", "github__secret", "github__delete_repo"}) {
        CAPTURE(name);
        const auto before = github.call_count();
        const Response answer = ask("tools/call", {{"name", name}, {"arguments", Json::object()}});
        const bool reached = std::ranges::count(row.left, name) > 0;
        CHECK(github.call_count() - before == (reached ? 1 : 0));
        CHECK((answer.status == 200 && answer.json().contains("result")) == reached);
      }
    }
  }
}

TEST_CASE("a denial of a resource holds for every spelling of its URI") {
  ListMcp files(resources({}, {"file:///{+path}"}));
  GatewayFixture gateway(server_document("files", files.url()) + kDefaultPolicy + R"(---
kind: Policy
name: closed
subjects: ["*"]
rules:
  - effect: deny
    resources: ["files/file:///home/bob@corp/*", "files/file:///srv/gehälter/*", "files/file:///srv/a%C3%A9/*"]
)");
  const std::string session = gateway.initialize();
  const auto reads = [&](const std::string& uri) {
    return gateway.legacy(session, "resources/read", {{"uri", uri}}).json().contains("result");
  };
  for (const std::string uri :
       {"file:///home/ann@corp/key", "file:///home/ann%40corp/key", "file:///srv/löhne/x"}) {
    CAPTURE(uri);
    CHECK(reads(uri));
  }
  for (const std::string uri :
       {"file:///home/bob@corp/key", "file:///home/bob%40corp/key", "file:///srv/gehälter/x",
        "file:///srv/geh%C3%A4lter/x", "file:///srv/geh%c3%a4lter/x", "file:///srv/a%C3%A9/x",
        "file:///srv/a%c3%a9/x", "file:///srv/aé/x", "FILE:///home/ann/key"}) {
    CAPTURE(uri);
    CHECK_FALSE(reads(uri));
  }
  CHECK(gateway.recorded("refusal", {{"rule", "closed#1"}, {"reason", "denied"}}, 8));
}

TEST_CASE("a URI that two servers claim belongs to nobody, unless a server says uris: prefix") {
  ListMcp one(resources({"note://both", "note://one"}, {"one://{id}", "shared://{id}"}));
  ListMcp two(resources({"note://both", "note://two"}, {"shared://{id}"}));
  for (const bool prefixed : {false, true}) {
    CAPTURE(prefixed);
    GatewayFixture gateway(server_document("one", one.url()) +
                           server_document("two", two.url(), prefixed ? "uris: prefix\n" : "") +
                           kDefaultPolicy);
    const auto uris = names_in(gateway.modern("resources/list"), "resources", "uri");
    const auto read = [&](const std::string& uri) {
      return gateway.modern("resources/read", {{"uri", uri}}).json();
    };
    const auto reads = [&](const std::string& uri) {
      const Json answer = read(uri);
      CAPTURE(uri);
      CAPTURE(answer.dump());
      return answer.contains("result") && answer["result"]["contents"][0]["uri"] == uri;
    };
    using Uris = std::vector<std::string>;
    CHECK(reads("note://one"));
    CHECK(reads("one://7"));
    if (prefixed) {
      CHECK(uris == Uris{"note://both", "note://one", "two+note://both", "two+note://two"});
      CHECK(reads("note://both"));
      CHECK(reads("two+note://both"));
      CHECK(reads("two+note://two"));
      CHECK(reads("shared://1"));
      CHECK(reads("two+shared://1"));
      CHECK(gateway.recorded("intent", {{"target", "two/note://both"}}));
      CHECK(read("note://two")["error"]["code"] == -32602);
    } else {
      CHECK(uris == Uris{"note://one", "note://two"});
      CHECK(reads("note://two"));
      CHECK(read("note://both")["error"]["code"] == -32602);
      CHECK(read("shared://1")["error"]["code"] == -32602);
    }
  }
}

TEST_CASE("a name that clients could not take is exported with 8 hex digits of its canonical name") {
  const std::string long_name(100, 'n');
  FakeMcp upstream(FakeMcp::Era::modern, tools({"dotted.name", "dotted_name", "with space", long_name}));
  GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const auto exported = [](const std::string& shown, const std::string& name) {
    return shown + "_" + sallyport::sha256_hex("up/" + name).substr(0, 8);
  };
  const std::set<std::string> expected{exported("up__dotted_name", "dotted.name"), "up__dotted_name",
                                       exported("up__with_space", "with space"),
                                       exported("up__" + std::string(51, 'n'), long_name)};
  const auto listed = names_in(gateway.modern("tools/list"));
  CHECK(std::set<std::string>(listed.begin(), listed.end()) == expected);
  for (const auto& name : expected) {
    CHECK(name.size() <= 64);
    CHECK(gateway.modern("tools/call", {{"name", name}, {"arguments", Json::object()}})
              .json()
              .contains("result"));
  }
  CHECK(gateway.recorded("intent", {{"target", "up/dotted.name"}}));
  CHECK(gateway.recorded("intent", {{"target", "up/dotted_name"}}));
}
