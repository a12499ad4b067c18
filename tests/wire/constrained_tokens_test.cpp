// Tokens that may do less than whom they stand for: minted by an administrator, or exchanged (RFC 8693).
#include "cli/command_line.hpp"
#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;
using sallyport::cli::testing::CommandLine;

namespace {

constexpr const char* kExchange = "urn:ietf:params:oauth:grant-type:token-exchange";
constexpr const char* kAccess = "urn:ietf:params:oauth:token-type:access_token";
constexpr const char* kBots = R"(---
kind: Team
name: dev
members: ["agent:bot", "agent:other"]
---
kind: Policy
name: dev-tools
subjects: ["team:dev"]
rules:
  - {effect: allow, tools: ["*/*"], prompts: ["*/*"], resources: ["*/*"]}
  - {effect: deny, tools: ["*/secret"]}
)";

struct Rig : LoginRig {
  Rig() : LoginRig({}, "Claude <Code>", kBots) {}

  Json mint(const Json& more = Json::object()) const {
    Json arguments{{"agent", "bot"}};
    arguments.update(more);
    const auto made = gateway.admin("token.mint", arguments);
    REQUIRE_MESSAGE(made.has_value(), made.error());
    return *made;
  }
  Response exchanged(const std::string& subject, const Fields& more = {}) const {
    Fields fields = {{"grant_type", kExchange}, {"subject_token", subject}, {"subject_token_type", kAccess}};
    for (const auto& [name, value] : more) {
      std::erase_if(fields, [&](const auto& one) { return one.first == name; });
      fields.emplace_back(name, value);
    }
    return post("/oauth/token", fields);
  }
  std::string child(const std::string& subject, const Fields& more = {}) const {
    const Response answer = exchanged(subject, more);
    REQUIRE_MESSAGE(answer.status == 200, answer.body);
    return answer.json()["access_token"];
  }
  Response ask(const std::string& token, const std::string& method, const Json& params = Json::object(),
               const std::string& path = "/mcp") const {
    const std::string name = params.contains("name") ? params["name"].get<std::string>() : "";
    return gateway.raw(GatewayFixture::request("POST", path,
                                               "Authorization: Bearer " + token + "\r\n" +
                                                   GatewayFixture::media() +
                                                   GatewayFixture::modern_headers(method, name),
                                               GatewayFixture::modern_body(method, params)));
  }
  std::vector<std::string> listed(const std::string& token, const std::string& method = "tools/list",
                                  const char* member = "tools", const std::string& path = "/mcp") const {
    std::vector<std::string> out;
    const Json answer = ask(token, method, Json::object(), path).json();
    for (const Json& one : answer["result"][member]) out.push_back(one["name"]);
    return out;
  }
  Response calls(const std::string& token, const std::string& tool) const {
    return ask(token, "tools/call", {{"name", tool}, {"arguments", {{"text", "hello"}}}});
  }
  static Json claims_of(const std::string& token) {
    const auto first = token.find('.');
    return Json::parse(*unbase64url(token.substr(first + 1, token.find('.', first + 1) - first - 1)));
  }
  std::string grant_of(const std::string& token) const { return claims_of(token)["grant"]; }
};

}  // namespace

TEST_CASE(
    "a minted token lists and calls what it names and the policy allows, and nothing else exists for it") {
  Rig rig;
  const Json minted = rig.mint({{"tools", {"up/echo", "up/secret"}}, {"ttl", 60}});
  const std::string token = minted["token"];
  CHECK(minted["resource"] == rig.url() + "/mcp");
  CHECK(rig.listed(token) == std::vector<std::string>{"up__echo"});
  CHECK(rig.listed(rig.gateway.key).size() > 1);
  CHECK_FALSE(rig.listed(rig.gateway.key, "prompts/list", "prompts").empty());
  CHECK(rig.listed(token, "prompts/list", "prompts").empty());
  CHECK(rig.listed(token, "resources/list", "resources").empty());
  CHECK(rig.calls(token, "up__echo").body.find("hello") != std::string::npos);
  const std::size_t before = rig.upstream.call_count();
  // What the token does not name, what the policy denies and what does not exist are one answer.
  const Json stranger = rig.calls(token, "up__nothing").json()["error"];
  for (const char* tool : {"up__region", "up__secret"}) {
    CAPTURE(tool);
    const Json answer = rig.calls(token, tool).json()["error"];
    CHECK(answer["code"] == stranger["code"]);
    std::string message = answer["message"], other = stranger["message"];
    CHECK(message.replace(message.find(tool), std::string(tool).size(), "up__nothing") == other);
  }
  CHECK(rig.upstream.call_count() == before);
  CHECK(rig.gateway.recorded("intent", {{"principal", "agent:bot"}, {"grant", minted["id"]}}));
  CHECK(
      rig.gateway.recorded("refusal", {{"target", "up/region"}, {"rule", "token"}, {"grant", minted["id"]}}));
  CHECK(
      rig.noted("token", {{"grant", minted["id"]}, {"how", "minted"}, {"tools", {"up/echo", "up/secret"}}}));
  rig.clock.advance(91s);
  CHECK(rig.calls(token, "up__echo").status == 401);
}

TEST_CASE("a session that was opened with a limited token is none for another one of the same agent") {
  Rig rig;
  const std::string token = rig.mint({{"tools", {"up/echo"}}})["token"];
  const std::string session = rig.gateway.initialize();
  const auto lists = [&](const std::string& by) {
    return rig.gateway
        .raw(GatewayFixture::request("POST", "/mcp",
                                     "Authorization: Bearer " + by + "\r\n" + GatewayFixture::media() +
                                         "Mcp-Session-Id: " + session +
                                         "\r\nMCP-Protocol-Version: 2025-11-25\r\n",
                                     Json{{"jsonrpc", "2.0"}, {"id", 1}, {"method", "tools/list"}}.dump()))
        .status;
  };
  CHECK(lists(rig.gateway.key) == 200);
  CHECK(lists(token) == 404);
}

TEST_CASE("a minted token opens its one endpoint, and wishes that cannot be met are refused in words") {
  Rig rig;
  const std::string token = rig.mint({{"endpoint", "/mcp/pay"}})["token"];
  CHECK(rig.opens(token, "/mcp/pay") == 200);
  CHECK(rig.opens(token) == 401);
  struct Row {
    Json more;
    const char* says;
  };
  const Row rows[] = {
      {{{"agent", "nobody"}}, "no agent of this name"},
      {{{"ttl", 43201}}, "1 to 43200"},
      {{{"ttl", 0}}, "1 to 43200"},
      {{{"endpoint", "/mcp/none"}}, "virtual server"},
      {{{"endpoint", "/v1"}}, "virtual server"},
      {{{"tools", Json::array()}}, "name no tool"},
      {{{"tools", {"echo"}}}, "SERVER/TOOL"},
      {{{"tools", {"up/a b"}}}, "SERVER/TOOL"},
      {{{"tools", {std::string("up/\x01")}}}, "SERVER/TOOL"},
      {{{"tools", {"up/" + std::string(300, 'a')}}}, "longer than"},
      {{{"tools", std::vector<std::string>(65, "up/*")}}, "more than 64"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.more.dump());
    Json arguments{{"agent", "bot"}};
    arguments.update(row.more);
    const auto made = rig.gateway.admin("token.mint", arguments);
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().find(row.says) != std::string::npos);
  }
  REQUIRE(rig.gateway.apply("kind: Agent\nname: bot\ndisabled: true\n").has_value());
  CHECK_FALSE(rig.gateway.admin("token.mint", {{"agent", "bot"}}).has_value());
}

TEST_CASE("without users tokens of agents work all the same, and nobody is sent to a login") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const auto made = gateway.admin("token.mint", {{"agent", "bot"}, {"tools", {"up/echo"}}});
  REQUIRE(made.has_value());
  const auto list = [&](const std::string& token) {
    return gateway.raw(GatewayFixture::request("POST", "/mcp",
                                               "Authorization: Bearer " + token + "\r\n" +
                                                   GatewayFixture::media() +
                                                   GatewayFixture::modern_headers("tools/list"),
                                               GatewayFixture::modern_body("tools/list")));
  };
  CHECK(list((*made)["token"]).json()["result"]["tools"].size() == 1);
  CHECK(list("x.y.z").status == 401);
  CHECK(list("x.y.z").header("WWW-Authenticate").find("resource_metadata") == std::string::npos);
}

TEST_CASE("tokens of programs are listed with what they stand on, and end for the very next request") {
  Rig rig;
  const std::string token = rig.mint({{"tools", {"up/*"}}})["token"];
  const std::string child = rig.child(token, {{"tools", "up/echo"}});
  const std::string grandchild = rig.child(child);
  CHECK(rig.opens(grandchild) == 200);
  const auto row_of = [&](const std::string& text) {
    for (const Json& row : (*rig.gateway.admin("token.list", {{"agent", "bot"}}))["tokens"])
      if (row["id"] == rig.grant_of(text)) return row;
    return Json();
  };
  CHECK(row_of(token)["how"] == "minted");
  CHECK(row_of(child)["how"] == "exchange");
  CHECK(row_of(child)["tools"] == Json{"up/echo"});
  CHECK(row_of(grandchild)["above"] == Json{rig.grant_of(child), rig.grant_of(token)});
  CHECK(row_of(grandchild)["state"] == "active");
  CHECK((*rig.gateway.admin("token.list", {{"agent", "other"}}))["tokens"].empty());
  CHECK((*rig.gateway.admin("grant.list", Json::object()))["grants"].empty());
  SUBCASE("one in the middle takes what came from it along") {
    REQUIRE(rig.gateway.admin("token.revoke", {{"id", rig.grant_of(child)}}).has_value());
    CHECK(rig.opens(token) == 200);
    CHECK(rig.opens(child) == 401);
    CHECK(rig.opens(grandchild) == 401);
    CHECK(row_of(grandchild)["why"] == "parent");
    CHECK(row_of(grandchild)["state"] == "ended");
    CHECK(rig.noted("grant_ended", {{"grant", rig.grant_of(child)}, {"user", "bot"}, {"why", "revoked"}}));
  }
  SUBCASE("by its text, as somebody found it") {
    REQUIRE(rig.gateway.admin("token.revoke", {{"id", token}}).has_value());
    CHECK(rig.opens(token) == 401);
    CHECK(rig.opens(grandchild) == 401);
    CHECK(rig.exchanged(child).json()["error"] == "invalid_request");
  }
  SUBCASE("the agent is disabled") {
    REQUIRE(rig.gateway.apply("kind: Agent\nname: bot\ndisabled: true\n").has_value());
    CHECK(rig.opens(token) == 401);
    CHECK(rig.opens(grandchild) == 401);
    REQUIRE(rig.gateway.apply("kind: Agent\nname: bot\n").has_value());
    CHECK(rig.opens(grandchild) == 200);
  }
  SUBCASE("it is over after a restart too") {
    REQUIRE(rig.gateway.admin("token.revoke", {{"id", rig.grant_of(token)}}).has_value());
    rig.gateway.restart();
    CHECK(rig.opens(token) == 401);
    CHECK(rig.opens(child) == 401);
  }
  CHECK_FALSE(rig.gateway.admin("token.revoke", {{"id", "nothing"}}).has_value());
}

TEST_CASE("an agent's key is exchanged for less; revoking the key ends what it was exchanged for") {
  Rig rig;
  const Response answer = rig.exchanged(
      rig.gateway.key,
      {{"tools", "up/echo up/re*"}, {"actor_token", rig.gateway.other_key}, {"actor_token_type", kAccess}});
  REQUIRE(answer.status == 200);
  CHECK(answer.json()["issued_token_type"] == kAccess);
  CHECK(answer.json()["expires_in"] == 600);
  CHECK_FALSE(answer.json().contains("refresh_token"));
  CHECK(answer.header("Cache-Control") == "no-store");
  const std::string token = answer.json()["access_token"];
  CHECK(Rig::claims_of(token)["act"]["sub"] == "agent:other");
  CHECK(Rig::claims_of(token)["sub"] == "bot");
  CHECK(rig.calls(token, "up__echo").body.find("hello") != std::string::npos);
  CHECK(rig.gateway.recorded(
      "intent", {{"principal", "agent:bot"}, {"actor", "agent:other"}, {"grant", rig.grant_of(token)}}));
  CHECK(
      rig.noted("token", {{"how", "exchange"}, {"actor", "agent:other"}, {"tools", {"up/echo", "up/re*"}}}));
  // Neither key nor token stands in any record.
  for (const std::string& secret : {rig.gateway.key, rig.gateway.other_key, token})
    CHECK(rig.gateway.journal_bytes().find(secret) == std::string::npos);
  const auto id_of = [](const std::string& key) { return key.substr(3, key.find('_', 3) - 3); };
  SUBCASE("the subject's key") {
    REQUIRE(rig.gateway.admin("key.revoke", {{"id", id_of(rig.gateway.key)}}).has_value());
    CHECK(rig.exchanged(rig.gateway.key).json()["error"] == "invalid_request");
  }
  SUBCASE("the actor's key") {
    REQUIRE(rig.gateway.admin("key.revoke", {{"id", id_of(rig.gateway.other_key)}}).has_value());
  }
  SUBCASE("the actor is disabled") {
    REQUIRE(rig.gateway.apply("kind: Agent\nname: other\ndisabled: true\n").has_value());
  }
  CHECK(rig.opens(token) == 401);
}

TEST_CASE("a person's token is exchanged for an agent that acts for the person, and ends with its grant") {
  Rig rig;
  const Json parent = rig.tokens();
  const std::string token =
      rig.child(parent["access_token"],
                {{"tools", "up/echo"}, {"actor_token", rig.gateway.key}, {"actor_token_type", kAccess}});
  CHECK(rig.listed(token) == std::vector<std::string>{"up__echo"});
  CHECK(rig.calls(token, "up__echo").status == 200);
  CHECK(rig.gateway.recorded("intent", {{"principal", "user:alice"}, {"actor", "agent:bot"}}));
  // Without another one that acts, the client does that held the token.
  CHECK(Rig::claims_of(rig.child(parent["access_token"]))["act"]["sub"].get<std::string>().starts_with(
      "client:"));
  CHECK((*rig.gateway.admin("grant.list", Json::object()))["grants"].size() == 1);
  CHECK((*rig.gateway.admin("user.list", Json::object()))["users"][0]["grants"] == 1);
  SUBCASE("the client gives it back") {
    rig.post("/oauth/revoke", {{"token", parent["refresh_token"]}, {"client_id", rig.client}});
  }
  SUBCASE("the user is removed") {
    REQUIRE(rig.gateway.admin("user.remove", {{"name", "alice"}}).has_value());
  }
  SUBCASE("another password") {
    REQUIRE(
        rig.gateway.admin("user.save", {{"name", "alice"}, {"password", "another password"}}).has_value());
  }
  SUBCASE("the refresh token was stolen and used again") {
    rig.renew(rig.renew(parent["refresh_token"]).json()["refresh_token"]);
    rig.clock.advance(31s);
    rig.renew(parent["refresh_token"]);
  }
  CHECK(rig.opens(token) == 401);
}

TEST_CASE("an exchange never gives more than what was shown") {
  Rig rig;
  FakeIssuer foreign;
  REQUIRE(rig.gateway.apply(foreign.document("idp", "")).has_value());
  const std::string limited = rig.child(rig.gateway.key, {{"tools", "up/echo up/regio?"}});
  const std::string pay = rig.mint({{"endpoint", "/mcp/pay"}})["token"];
  const std::string person = rig.tokens()["access_token"];
  const std::string outside = foreign.token(rig.url() + "/mcp");
  const auto admin_key = rig.gateway.admin("key.create", {{"agent", "ops"}, {"admin", true}});
  REQUIRE(admin_key.has_value());
  struct Row {
    const char* why;
    std::string subject;
    Fields more;
    const char* error;
  };
  const Row rows[] = {
      {"a tool beyond", limited, {{"tools", "up/secret"}}, "invalid_scope"},
      {"a wider pattern", limited, {{"tools", "up/*"}}, "invalid_scope"},
      {"a star where one letter may differ", limited, {{"tools", "up/regio*"}}, "invalid_scope"},
      {"one good and one beyond", limited, {{"tools", "up/echo up/other"}}, "invalid_scope"},
      {"no pattern", limited, {{"tools", "echo"}}, "invalid_request"},
      {"a scope beyond", limited, {{"scope", "mcp admin"}}, "invalid_scope"},
      {"another endpoint", pay, {{"resource", rig.url() + "/mcp"}}, "invalid_target"},
      {"a narrower-looking endpoint", limited, {{"resource", rig.url() + "/mcp/pay"}}, "invalid_target"},
      {"an audience elsewhere",
       rig.gateway.key,
       {{"audience", "https://elsewhere.example/mcp"}},
       "invalid_target"},
      {"a resource elsewhere",
       rig.gateway.key,
       {{"resource", "https://elsewhere.example/mcp"}},
       "invalid_target"},
      {"a foreign issuer's token", outside, {}, "invalid_request"},
      {"an admin key", (*admin_key)["key"], {}, "invalid_request"},
      {"a key with another secret", rig.gateway.key + "x", {}, "invalid_request"},
      {"no token", "x.y.z", {}, "invalid_request"},
      {"nothing", "", {}, "invalid_request"},
      {"another type",
       rig.gateway.key,
       {{"subject_token_type", "urn:ietf:params:oauth:token-type:saml2"}},
       "invalid_request"},
      {"a key as a JWT",
       rig.gateway.key,
       {{"subject_token_type", "urn:ietf:params:oauth:token-type:jwt"}},
       "invalid_request"},
      {"a refresh token in return",
       rig.gateway.key,
       {{"requested_token_type", "urn:ietf:params:oauth:token-type:refresh_token"}},
       "invalid_request"},
      {"an actor's type alone", rig.gateway.key, {{"actor_token_type", kAccess}}, "invalid_request"},
      {"an endpoint of letters that no name has",
       rig.gateway.key,
       {{"resource", rig.url() + "/mcp/a%2Fb"}},
       "invalid_target"},
      {"an endpoint without an end",
       rig.gateway.key,
       {{"resource", rig.url() + "/mcp/" + std::string(300, 'a')}},
       "invalid_target"},
      {"an actor for less tools",
       rig.gateway.key,
       {{"actor_token", limited}, {"actor_token_type", kAccess}},
       "invalid_request"},
      {"an actor for other tools",
       rig.gateway.key,
       {{"tools", "up/echo up/secret"}, {"actor_token", limited}, {"actor_token_type", kAccess}},
       "invalid_request"},
      {"an actor for another endpoint",
       rig.gateway.key,
       {{"actor_token", pay}, {"actor_token_type", kAccess}},
       "invalid_request"},
      {"a foreign actor",
       person,
       {{"actor_token", outside}, {"actor_token_type", kAccess}},
       "invalid_request"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    const Response no = rig.exchanged(row.subject, row.more);
    CHECK(no.status == 400);
    CHECK(no.json()["error"] == row.error);
    CHECK(no.body.find("access_token\":") == std::string::npos);
  }
  CHECK(rig.gateway.recorded("refusal", {{"reason", "client"}, {"principal", "agent:bot"}}, 3));
  // An actor is good for what its token is good for.
  CHECK(rig.listed(
            rig.child(rig.gateway.key,
                      {{"tools", "up/echo"}, {"actor_token", limited}, {"actor_token_type", kAccess}})) ==
        std::vector<std::string>{"up__echo"});
  // Less is given.
  CHECK(rig.listed(rig.child(limited, {{"tools", "up/echo"}})) == std::vector<std::string>{"up__echo"});
  CHECK(rig.listed(rig.child(limited)) == rig.listed(limited));
  // And the credential of a client beside it is a second one.
  CHECK(rig.post("/oauth/token",
                 {{"grant_type", kExchange}, {"subject_token", limited}, {"subject_token_type", kAccess}},
                 "Authorization: Bearer " + limited + "\r\n")
            .status == 401);
}

TEST_CASE("a token ends with every agent that had a part in it, also one that has handed it on") {
  Rig rig;
  const auto key_of = [&](const char* agent) {
    return (*rig.gateway.admin("key.create", {{"agent", agent}}))["key"].get<std::string>();
  };
  const auto by = [&](const std::string& actor) {
    return Fields{{"actor_token", actor}, {"actor_token_type", kAccess}};
  };
  const std::string last_key = key_of("last");
  // For alice: first other, then last. And for bot: by what was made for `last` to act with.
  const std::string first = rig.child(rig.tokens()["access_token"], by(rig.gateway.other_key));
  const std::string second = rig.child(first, by(last_key));
  const std::string lent = rig.child(rig.gateway.other_key, by(last_key));
  const std::string third = rig.child(rig.gateway.key, by(lent));
  CHECK(Rig::claims_of(second)["act"]["sub"] == "agent:last");
  CHECK(Rig::claims_of(third)["act"]["sub"] == "agent:last");
  for (const auto& token : {first, second, third}) CHECK(rig.opens(token) == 200);
  const std::vector<std::string> ended = {first, second, third};
  REQUIRE(rig.gateway.apply("kind: Agent\nname: other\ndisabled: true\n").has_value());
  for (const auto& token : ended) CHECK(rig.opens(token) == 401);
  CHECK(rig.exchanged(second).json()["error"] == "invalid_request");
  REQUIRE(rig.gateway.apply("kind: Agent\nname: other\n").has_value());
  for (const auto& token : ended) CHECK(rig.opens(token) == 200);
}

TEST_CASE("the scopes of a new token are words of what is held, each once, and a token keeps its size") {
  Rig rig;
  std::string scopes, quoted;
  for (int i = 0; i < 33; ++i) {
    const std::string scope = "s" + std::to_string(10 + i) + std::string(120, 'x');
    scopes += ", " + scope;
    if (i < 31) quoted += " " + scope;
  }
  const auto rules = [&](const std::string& list) {
    REQUIRE(
        rig.gateway
            .apply("kind: Policy\nname: wide\nsubjects: [\"user:nobody\"]\nrules: [{effect: allow, tools: "
                   "[\"up/x\"], scopes: [" +
                   list + "]}]\n")
            .has_value());
  };
  rules("b, a");
  const Response twice = rig.exchanged(rig.gateway.key, {{"scope", "b mcp  b a mcp b"}});
  CHECK(twice.json()["scope"] == "mcp a b");
  CHECK(Rig::claims_of(twice.json()["access_token"])["scope"] == "mcp a b");
  rules("a" + scopes);
  CHECK(rig.exchanged(rig.gateway.key).json()["error"] == "invalid_scope");
  CHECK(rig.exchanged(rig.gateway.key, {{"scope", "mcp a"}}).status == 200);
  const Response wide = rig.exchanged(rig.gateway.key, {{"scope", "mcp" + quoted}});
  REQUIRE(wide.status == 200);
  CHECK(rig.opens(wide.json()["access_token"]) == 200);
  // Quotes are two characters in a token.
  std::string tools;
  for (int i = 0; i < 16; ++i) tools += " up/" + std::string(250, '"');
  const auto before = (*rig.gateway.admin("token.list", {{"agent", "bot"}}))["tokens"].size();
  const Response large = rig.exchanged(rig.gateway.key, {{"scope", "mcp" + quoted}, {"tools", tools}});
  CHECK(large.json()["error"] == "invalid_request");
  CHECK(large.body.find("too long") != std::string::npos);
  CHECK((*rig.gateway.admin("token.list", {{"agent", "bot"}}))["tokens"].size() == before);
}

TEST_CASE("a chain of exchanges has an end, and none outlives its parent") {
  Rig rig;
  std::string token = rig.mint({{"ttl", 300}})["token"];
  for (int i = 0; i < 5; ++i) token = rig.child(token);
  CHECK(rig.opens(token) == 200);
  const Response no = rig.exchanged(token);
  CHECK(no.json()["error"] == "invalid_request");
  CHECK(no.body.find("more than 5") != std::string::npos);
  rig.clock.advance(200s);
  const std::string late = rig.mint({{"ttl", 300}})["token"];
  const Response answer = rig.exchanged(late);
  CHECK(answer.json()["expires_in"].get<int>() <= 100);
  rig.clock.advance(101s);
  // The parent is within the leeway that requests have; a new token is not made of it.
  CHECK(rig.opens(late) == 200);
  CHECK(rig.exchanged(late).json()["error"] == "invalid_request");
  CHECK(rig.exchanged(token).json()["error"] == "invalid_request");
}

TEST_CASE(
    "the command line makes, shows and ends tokens of a running server, and replay passes over what they "
    "refused") {
  const Rig rig;
  CommandLine line;
  const auto sallyport = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--data", rig.gateway.directory.path});
    return line.bare(arguments);
  };
  const auto minted = sallyport(
      {"token", "mint", "--agent", "bot", "--tools", "up/echo,up/re*", "--ttl", "2m", "-o", "json"});
  REQUIRE_MESSAGE(minted.code == 0, minted.err);
  const std::string token = minted.json()["token"], id = minted.json()["id"];
  CHECK(minted.json()["tools"] == Json{"up/echo", "up/re*"});
  CHECK(rig.listed(token) == std::vector<std::string>{"up__echo", "up__region"});
  CHECK(rig.calls(token, "up__secret").json().contains("error"));
  const auto bare = sallyport({"token", "mint", "--agent", "bot"});
  CHECK(rig.opens(bare.out.substr(0, bare.out.find('\n'))) == 200);
  const auto listed = sallyport({"token", "list", "--agent", "bot"});
  CHECK(listed.out.find(id) != std::string::npos);
  CHECK(listed.out.find("up/echo, up/re*") != std::string::npos);
  const std::string draft = line.write("draft.yaml", std::string(kBots).substr(4));
  const auto replayed = sallyport({"policy", "replay", "--draft", draft, "-o", "json"});
  REQUIRE_MESSAGE(replayed.code == 0, replayed.err);
  CHECK(replayed.out.find("up/secret") == std::string::npos);
  CHECK(sallyport({"token", "revoke", token}).code == 0);
  CHECK(rig.opens(token) == 401);
  // Not in a record either, whoever was told it.
  CHECK(rig.gateway.journal_bytes().find(token) == std::string::npos);
}
