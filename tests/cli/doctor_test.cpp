// Where clients would stop on their way to the login.
#include "sallyport/cli/doctor.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

using namespace sallyport;
using cli::Answered;
using Json = nlohmann::json;

namespace {

constexpr const char* kUrl = "https://gw.example/mcp/pay";

/// A gateway that is its own authorization server, as far as discovery sees it.
struct World {
  std::map<std::string, Answered> pages;
  std::vector<std::string> asked;

  World() {
    pages[kUrl] = {.status = 401,
                   .headers = {{"www-authenticate", "Bearer realm=\"x\", resource_metadata=\"" +
                                                        place("oauth-protected-resource/mcp/pay") + "\""}}};
    resource() = {{"resource", kUrl}, {"authorization_servers", {"https://gw.example"}}};
    const Json metadata = {{"issuer", "https://gw.example"},
                           {"authorization_endpoint", "https://gw.example/oauth/authorize"},
                           {"token_endpoint", "https://gw.example/oauth/token"},
                           {"registration_endpoint", "https://gw.example/oauth/register"},
                           {"code_challenge_methods_supported", {"S256"}}};
    for (const char* name : {"oauth-authorization-server", "oauth-authorization-server/mcp/pay"})
      put(place(name), 200, metadata);
    put("https://gw.example/oauth/token", 400, {{"error", "invalid_grant"}});
    pages["https://gw.example/oauth/authorize"] = {.status = 400, .body = "<html>"};
    put(place("oauth-protected-resource/mcp/pay"), 200, resource());
  }
  static std::string place(const std::string& name) { return "https://gw.example/.well-known/" + name; }
  void put(const std::string& url, int status, const Json& body) {
    pages[url] = {.status = status, .body = body.dump()};
  }
  Json& resource() { return resource_; }
  Json server() const { return Json::parse(pages.at(place("oauth-authorization-server")).body); }

  std::vector<cli::Walk> walks(const std::string& url = kUrl) {
    auto out = cli::examine(
        url, [this](const std::string&, const std::string& at, const std::string&, const std::string&) {
          asked.push_back(at);
          const auto found = pages.find(at);
          return found == pages.end() ? Answered{.status = 404} : found->second;
        });
    REQUIRE(out.has_value());
    return *out;
  }
  cli::Walk of(const std::string& client) {
    for (auto& walk : walks())
      if (walk.client.starts_with(client)) return walk;
    FAIL("no such client");
    return {};
  }

 private:
  Json resource_;
};

}  // namespace

TEST_CASE("where everything is as it should be every client arrives, and nothing is asked twice") {
  World world;
  for (const auto& walk : world.walks()) {
    CAPTURE(walk.client);
    // Who does not say which endpoint is meant gets a token for /mcp.
    const bool old = walk.client == "clients of 2025-03-26";
    CHECK_MESSAGE(walk.arrives != old, walk.problem);
    CHECK(walk.advice.empty() != old);
  }
  auto asked = world.asked;
  std::ranges::sort(asked);
  CHECK(std::ranges::adjacent_find(asked) == asked.end());
}

TEST_CASE("each thing that keeps a client from the login is named, with what to do") {
  struct Row {
    const char* what;
    void (*harm)(World&);
    const char *client, *problem, *advice;
  };
  const Row rows[] = {
      {"nobody there", [](World& w) { w.pages[kUrl] = {.problem = "connection refused"}; }, "Claude Code",
       "nobody answers: connection refused", "certificate"},
      {"an open endpoint", [](World& w) { w.pages[kUrl] = {.status = 200}; }, "Codex", "lets strangers in",
       "open"},
      {"a foreign host", [](World& w) { w.pages[kUrl] = {.status = 403}; }, "VS Code", "answers 403",
       "public_url"},
      {"a wrong path", [](World& w) { w.pages[kUrl] = {.status = 404}; }, "Claude Code", "answers 404",
       "/mcp/NAME"},
      {"no metadata", [](World& w) { w.pages.erase(World::place("oauth-protected-resource/mcp/pay")); },
       "Claude Code", "no metadata of the endpoint", "/.well-known/"},
      {"metadata that redirects",
       [](World& w) { w.pages[World::place("oauth-protected-resource/mcp/pay")] = {.status = 302}; },
       "TypeScript", "no metadata of the endpoint", "/.well-known/"},
      {"a proxy that changes the host",
       [](World& w) {
         w.resource()["resource"] = "http://10.0.0.7:8080/mcp/pay";
         w.put(World::place("oauth-protected-resource/mcp/pay"), 200, w.resource());
       },
       "TypeScript SDK 2", "is of http://10.0.0.7:8080/mcp/pay", "public_url"},
      {"no server named",
       [](World& w) {
         w.resource()["authorization_servers"] = Json::array();
         w.put(World::place("oauth-protected-resource/mcp/pay"), 200, w.resource());
       },
       "VS Code", "names no authorization server", "user add"},
      {"another issuer than named",
       [](World& w) {
         Json metadata = w.server();
         metadata["issuer"] = "https://gw.example/";
         w.put(World::place("oauth-authorization-server"), 200, metadata);
       },
       "Claude Code", "not of https://gw.example", "byte for byte"},
      {"no PKCE",
       [](World& w) {
         Json metadata = w.server();
         metadata.erase("code_challenge_methods_supported");
         w.put(World::place("oauth-authorization-server/mcp/pay"), 200, metadata);
       },
       "Codex", "PKCE", "offer"},
      {"no registration",
       [](World& w) {
         Json metadata = w.server();
         metadata.erase("registration_endpoint");
         w.put(World::place("oauth-authorization-server"), 200, metadata);
       },
       "TypeScript SDK 1", "no way to become known", "by hand"},
      {"a token endpoint that is a page",
       [](World& w) { w.pages["https://gw.example/oauth/token"] = {.status = 200, .body = "<html>"}; },
       "Claude Code", "token endpoint", "between"},
      {"no sign-in page", [](World& w) { w.pages["https://gw.example/oauth/authorize"] = {.status = 502}; },
       "Claude Code", "no sign-in page", "between"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.what);
    World world;
    row.harm(world);
    const auto walk = world.of(row.client);
    CHECK_FALSE(walk.arrives);
    CHECK_MESSAGE(walk.problem.find(row.problem) != std::string::npos, walk.problem);
    CHECK_MESSAGE(walk.advice.find(row.advice) != std::string::npos, walk.advice);
    CHECK_FALSE(walk.steps.empty());
    CHECK_FALSE(walk.steps.back().good);
  }
}

TEST_CASE("with an identity provider elsewhere the clients that look at the endpoint's own host stop there") {
  World world;
  world.resource()["authorization_servers"] = {"https://idp.example/realm"};
  world.put(World::place("oauth-protected-resource/mcp/pay"), 200, world.resource());
  Json metadata = world.server();
  metadata["issuer"] = "https://idp.example/realm";
  metadata.erase("registration_endpoint");
  metadata["client_id_metadata_document_supported"] = true;
  world.pages.erase(World::place("oauth-authorization-server"));
  world.pages.erase(World::place("oauth-authorization-server/mcp/pay"));
  world.put("https://idp.example/realm/.well-known/openid-configuration", 200, metadata);
  for (const auto& walk : world.walks()) {
    CAPTURE(walk.client);
    const bool with_document = walk.client.starts_with("Claude") ||
                               walk.client.starts_with("TypeScript SDK 2") ||
                               walk.client.starts_with("VS Code");
    CHECK_MESSAGE(walk.arrives == with_document, walk.problem);
    if (!with_document) CHECK(walk.advice.find("sallyport user add") != std::string::npos);
  }
}

TEST_CASE("what is no URL of an endpoint is refused") {
  for (const char* url : {"", "gw.example/mcp", "ftp://gw.example/mcp", "https://user:pass@gw.example/mcp"})
    CHECK_FALSE(cli::examine(url, {}).has_value());
}
