// People whose provider speaks for them: the enterprise-managed authorization grant (ID-JAG).
#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;

namespace {

constexpr const char* kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr const char* kStaff = R"(---
kind: Team
name: dev
members: ["agent:other"]
---
kind: Policy
name: staff
subjects: ["team:staff"]
rules: [{effect: allow, tools: ["up/echo"]}]
)";

/// A gateway that takes assertions of `idp` from agent:bot.
struct Rig {
  explicit Rig(const std::string& more = "")
      : gateway(server_document("up", upstream.url()) + kStaff + issuer_document(more), {}, clock) {}
  std::string issuer_document(const std::string& more = "",
                              const std::string& clients = "id_jag: {clients: [bot]}\n") const {
    return idp.document("corp", "teams: claims.groups\nclaims: {tenant: claims.tenant}\n" + clients + more);
  }
  std::string url() const { return gateway.server->public_url(); }
  Json claims(const Json& more = Json::object()) const {
    const auto now = unix_millis(clock.now()) / 1000;
    Json out{{"iss", idp.url()},
             {"sub", "alice"},
             {"aud", url()},
             {"client_id", "bot"},
             {"resource", url() + "/mcp"},
             {"exp", now + 300},
             {"iat", now},
             {"jti", "j" + std::to_string(++made)},
             {"groups", Json{"staff"}}};
    for (const auto& [name, value] : more.items()) {
      out.erase(name);
      if (!value.is_null()) out[name] = value;
    }
    return out;
  }
  std::string assertion(const Json& more = Json::object(),
                        const std::string& type = "oauth-id-jag+jwt") const {
    return idp.signer()->token("ES256", R"({"alg":"ES256","kid":"k1","typ":")" + type + "\"}",
                               claims(more).dump());
  }
  Response brings(const std::string& text, const Fields& more = {}, const std::string& id = "bot",
                  const std::string& secret = "") const {
    Fields fields = {{"grant_type", kJwtBearer},
                     {"assertion", text},
                     {"client_id", id},
                     {"client_secret", secret.empty() ? gateway.key : secret}};
    for (const auto& [name, value] : more) {
      std::erase_if(fields, [&](const auto& one) { return one.first == name; });
      if (!value.empty()) fields.emplace_back(name, value);
    }
    return gateway.raw(GatewayFixture::request(
        "POST", "/oauth/token", "Content-Type: application/x-www-form-urlencoded\r\n", encoded(fields)));
  }
  Response calls(const std::string& token) const {
    return gateway.raw(GatewayFixture::request(
        "POST", "/mcp",
        "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
            GatewayFixture::modern_headers("tools/call", "up__echo"),
        GatewayFixture::modern_body("tools/call",
                                    {{"name", "up__echo"}, {"arguments", {{"text", "hello"}}}})));
  }

  mutable int made = 0;
  ShiftedClock clock;
  FakeMcp upstream;
  FakeIssuer idp;
  GatewayFixture gateway;
};

}  // namespace

TEST_CASE(
    "an identity assertion becomes a token of the person that the issuer's document names, with its teams") {
  Rig rig;
  const Response answer = rig.brings(rig.assertion());
  REQUIRE_MESSAGE(answer.status == 200, answer.body);
  CHECK(answer.json()["expires_in"] == 600);
  CHECK_FALSE(answer.json().contains("refresh_token"));
  const std::string token = answer.json()["access_token"];
  CHECK(rig.calls(token).body.find("hello") != std::string::npos);
  CHECK(rig.gateway.recorded("intent", {{"principal", "user:corp/alice"}, {"actor", "agent:bot"}}));
  // Without the team the same person may nothing.
  const std::string poor = rig.brings(rig.assertion({{"groups", nullptr}})).json()["access_token"];
  CHECK(rig.calls(poor).json().contains("error"));
  // The token keeps what it says when it is exchanged.
  const Response less = rig.gateway.raw(GatewayFixture::request(
      "POST", "/oauth/token", "Content-Type: application/x-www-form-urlencoded\r\n",
      encoded({{"grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"},
               {"subject_token", token},
               {"subject_token_type", "urn:ietf:params:oauth:token-type:access_token"},
               {"tools", "up/echo"}})));
  REQUIRE_MESSAGE(less.status == 200, less.body);
  CHECK(rig.calls(less.json()["access_token"]).body.find("hello") != std::string::npos);
  SUBCASE("the agent may bring none any more") {
    REQUIRE(rig.gateway.apply(rig.issuer_document("", "")).has_value());
  }
  SUBCASE("another agent may") {
    REQUIRE(rig.gateway.apply(rig.issuer_document("", "id_jag: {clients: [other]}\n")).has_value());
  }
  SUBCASE("the agent is disabled") {
    REQUIRE(rig.gateway.apply("kind: Agent\nname: bot\ndisabled: true\n").has_value());
  }
  SUBCASE("the agent's key is revoked") {
    const std::string& key = rig.gateway.key;
    REQUIRE(rig.gateway.admin("key.revoke", {{"id", key.substr(3, key.find('_', 3) - 3)}}).has_value());
  }
  CHECK(rig.calls(token).status == 401);
  CHECK(rig.calls(less.json()["access_token"]).status == 401);
}

TEST_CASE("an identity assertion that is not meant so is refused") {
  Rig rig;
  const auto now = unix_millis(rig.clock.now()) / 1000;
  const auto stranger = SigningIssuer::ec("k1");
  const std::string header = R"({"alg":"ES256","kid":"k1","typ":"oauth-id-jag+jwt"})";
  struct Row {
    const char* why;
    std::string assertion;
  };
  const Row rows[] = {
      {"for another server", rig.assertion({{"aud", "https://elsewhere.example"}})},
      {"for two servers", rig.assertion({{"aud", Json{rig.url(), "https://elsewhere.example"}}})},
      {"for the endpoint", rig.assertion({{"aud", rig.url() + "/mcp"}})},
      {"for another client", rig.assertion({{"client_id", "other"}})},
      {"for no client", rig.assertion({{"client_id", nullptr}})},
      {"for another resource", rig.assertion({{"resource", "https://elsewhere.example/mcp"}})},
      {"for no resource", rig.assertion({{"resource", nullptr}})},
      {"expired", rig.assertion({{"exp", now - 60}})},
      {"good for days", rig.assertion({{"exp", now + 200000}})},
      {"without an id", rig.assertion({{"jti", nullptr}})},
      {"naming nobody", rig.assertion({{"sub", nullptr}})},
      {"of another issuer", rig.assertion({{"iss", "https://elsewhere.example"}})},
      {"signed by somebody else", stranger.token("ES256", header, rig.claims().dump())},
      {"an access token", rig.assertion({}, "at+jwt")},
      {"an ID token", rig.assertion({}, "JWT")},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    rig.clock.advance(1s);  // of each second only so many refusals are recorded
    const Response no = rig.brings(row.assertion);
    CHECK(no.status == 400);
    CHECK(no.json()["error"] == "invalid_grant");
  }
  CHECK(rig.gateway.recorded("refusal", {{"reason", "client"}, {"principal", "agent:bot"}}, std::size(rows)));
  // One that is good for its own client, and only with its proof, and only once.
  const std::string good = rig.assertion();
  CHECK(rig.brings(good, {{"client_secret", ""}}).json()["error"] == "invalid_client");
  CHECK(rig.brings(good, {}, "bot", rig.gateway.other_key).json()["error"] == "invalid_client");
  CHECK(rig.brings(good, {}, "other", rig.gateway.other_key).json()["error"] == "invalid_grant");
  CHECK(rig.brings(good, {{"resource", rig.url() + "/mcp/pay"}}).json()["error"] == "invalid_target");
  CHECK(rig.brings(good).status == 200);
  CHECK(rig.brings(good).json()["error"] == "invalid_grant");
  CHECK(rig.gateway.recorded("refusal", {{"reason", "replayed"}, {"principal", "agent:bot"}}));
  // It opens no endpoint by itself.
  CHECK(rig.calls(rig.assertion({{"aud", rig.url() + "/mcp"}})).status == 401);
}

TEST_CASE(
    "assertions of issuers whose documents do not allow them are refused, and the metadata says which are "
    "taken") {
  Rig rig;
  const auto metadata = [&] {
    return rig.gateway.raw(GatewayFixture::request("GET", "/.well-known/oauth-authorization-server", "", ""))
        .json();
  };
  CHECK(metadata()["authorization_grant_profiles_supported"] ==
        Json{"urn:ietf:params:oauth:grant-profile:id-jag"});
  REQUIRE(rig.gateway.apply(rig.issuer_document("", "")).has_value());
  CHECK(rig.brings(rig.assertion()).json()["error"] == "invalid_grant");
  CHECK_FALSE(metadata().contains("authorization_grant_profiles_supported"));
  const auto refused = rig.gateway.apply(rig.issuer_document("", "id_jag: {clients: []}\n"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().find("clients") != std::string::npos);
}
