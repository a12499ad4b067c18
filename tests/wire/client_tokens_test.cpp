// Tokens for agents that prove who they are: client credentials and signed assertions (RFC 6749 section 4.4,
// RFC 7523).
#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;

namespace {

constexpr const char* kJwtBearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
constexpr const char* kClientAssertion = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A gateway without people; agent:bot has a key of its own, agent:other only an API key.
struct Rig {
  explicit Rig(const std::string& keys = "")
      : gateway(server_document("up", upstream.url()) + kDefaultPolicy + agent_document(keys), {}, clock) {}

  std::string agent_document(const std::string& keys) const {
    return "---\nkind: Agent\nname: bot\n" + (keys.empty() ? "jwks: {\"keys\":[" + own.jwk() + "]}\n" : keys);
  }
  std::string url() const { return gateway.server->public_url(); }
  Response post(const Fields& fields, const std::string& headers = "") const {
    return gateway.raw(GatewayFixture::request(
        "POST", "/oauth/token", "Content-Type: application/x-www-form-urlencoded\r\n" + headers,
        encoded(fields)));
  }
  Json claims(const Json& more = Json::object()) const {
    const auto now = unix_millis(clock.now()) / 1000;
    Json out{{"iss", "bot"}, {"sub", "bot"},     {"aud", url()},
             {"iat", now},   {"exp", now + 120}, {"jti", std::to_string(++made)}};
    for (const auto& [name, value] : more.items()) {
      out.erase(name);
      if (!value.is_null()) out[name] = value;
    }
    return out;
  }
  std::string assertion(const Json& more = Json::object()) const {
    return own.token("ES256", claims(more).dump());
  }
  Response bears(const std::string& assertion, const Fields& more = {}) const {
    Fields fields = {{"grant_type", kJwtBearer}, {"assertion", assertion}};
    fields.insert(fields.end(), more.begin(), more.end());
    return post(fields);
  }
  Response signs_as_client(const std::string& assertion, const Fields& more = {}) const {
    Fields fields = {{"grant_type", "client_credentials"},
                     {"client_assertion_type", kClientAssertion},
                     {"client_assertion", assertion}};
    fields.insert(fields.end(), more.begin(), more.end());
    return post(fields);
  }
  static std::string basic(const std::string& id, const std::string& secret) {
    return "Authorization: Basic " + base64(url_encoded(id) + ":" + url_encoded(secret)) + "\r\n";
  }
  int opens(const std::string& token) const {
    return gateway
        .raw(GatewayFixture::request("POST", "/mcp",
                                     "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
                                         GatewayFixture::modern_headers("tools/list"),
                                     GatewayFixture::modern_body("tools/list")))
        .status;
  }
  static std::string id_of(const std::string& key) { return key.substr(3, key.find('_', 3) - 3); }

  identity::testing::SigningIssuer own = SigningIssuer::ec("agent-key");
  mutable int made = 0;
  ShiftedClock clock;
  FakeMcp upstream;
  GatewayFixture gateway;
};

}  // namespace

TEST_CASE("an agent's key is a client secret: in the header or in the form, and the token ends with it") {
  Rig rig;
  const Response by_header =
      rig.post({{"grant_type", "client_credentials"}}, Rig::basic("other", rig.gateway.other_key));
  REQUIRE(by_header.status == 200);
  CHECK(by_header.json()["expires_in"] == 600);
  CHECK(by_header.json()["token_type"] == "Bearer");
  CHECK_FALSE(by_header.json().contains("refresh_token"));
  CHECK(by_header.header("Cache-Control") == "no-store");
  const Response by_form = rig.post({{"grant_type", "client_credentials"},
                                     {"client_id", "other"},
                                     {"client_secret", rig.gateway.other_key},
                                     {"resource", rig.url() + "/mcp"},
                                     {"tools", "up/echo"}});
  REQUIRE(by_form.status == 200);
  const std::string token = by_header.json()["access_token"], limited = by_form.json()["access_token"];
  CHECK(rig.opens(token) == 200);
  CHECK(rig.opens(limited) == 200);
  CHECK((*rig.gateway.admin("token.list", {{"agent", "other"}}))["tokens"][0]["how"] == "client_credentials");
  CHECK(rig.gateway.journal_bytes().find(rig.gateway.other_key) == std::string::npos);
  REQUIRE(rig.gateway.admin("key.revoke", {{"id", Rig::id_of(rig.gateway.other_key)}}).has_value());
  CHECK(rig.opens(token) == 401);
  CHECK(rig.opens(limited) == 401);
}

TEST_CASE("a client that proves nothing, something else, or several things at once gets no token") {
  Rig rig;
  const std::string admin_key =
      (*rig.gateway.admin("key.create", {{"agent", "ops"}, {"admin", true}}))["key"];
  const Fields type = {{"grant_type", "client_credentials"}};
  struct Row {
    const char* why;
    Fields fields;
    std::string headers, error;
  };
  const Row rows[] = {
      {"nothing", {}, "", "invalid_client"},
      {"a name alone", {{"client_id", "other"}}, "", "invalid_client"},
      {"another agent's key", {}, Rig::basic("bot", rig.gateway.other_key), "invalid_client"},
      {"a wrong secret", {}, Rig::basic("other", "sp_x_y"), "invalid_client"},
      {"an admin key", {}, Rig::basic("ops", admin_key), "invalid_client"},
      {"no Basic", {}, "Authorization: Bearer " + rig.gateway.other_key + "\r\n", "invalid_client"},
      {"no base64", {}, "Authorization: Basic ???\r\n", "invalid_client"},
      {"a half with a second field",
       {},
       "Authorization: Basic " + base64("other&x=y:z") + "\r\n",
       "invalid_client"},
      {"two names", {{"client_id", "bot"}}, Rig::basic("other", rig.gateway.other_key), "invalid_client"},
      {"header and form",
       {{"client_id", "other"}, {"client_secret", rig.gateway.other_key}},
       Rig::basic("other", rig.gateway.other_key),
       "invalid_request"},
      {"secret and assertion",
       {{"client_secret", rig.gateway.other_key},
        {"client_assertion", "x"},
        {"client_assertion_type", kClientAssertion}},
       "",
       "invalid_request"},
      {"an assertion of another type",
       {{"client_assertion", rig.assertion()}, {"client_assertion_type", "saml"}},
       "",
       "invalid_client"},
      {"another endpoint's URL",
       {{"resource", "https://elsewhere.example/mcp"}},
       Rig::basic("other", rig.gateway.other_key),
       "invalid_target"},
      {"a scope that is none",
       {{"scope", "everything"}},
       Rig::basic("other", rig.gateway.other_key),
       "invalid_scope"},
      {"a tool that is none",
       {{"tools", "echo"}},
       Rig::basic("other", rig.gateway.other_key),
       "invalid_request"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    Fields fields = type;
    fields.insert(fields.end(), row.fields.begin(), row.fields.end());
    rig.clock.advance(1s);  // of each second only so many are recorded
    const Response no = rig.post(fields, row.headers);
    CHECK(no.status == (row.error == "invalid_client" ? 401 : 400));
    CHECK(no.json()["error"] == row.error);
    if (no.status == 401 && !row.headers.empty()) CHECK(no.header("WWW-Authenticate").starts_with("Basic"));
  }
  CHECK(rig.gateway.recorded("refusal", {{"reason", "client"}}, 12));
}

TEST_CASE("an agent signs for itself, as a client or with an assertion as the grant; each assertion once") {
  Rig rig;
  for (const std::string& audience : {rig.url(), rig.url() + "/oauth/token"}) {
    CAPTURE(audience);
    const Response grant = rig.bears(rig.assertion({{"aud", audience}}));
    REQUIRE_MESSAGE(grant.status == 200, grant.body);
    CHECK(rig.opens(grant.json()["access_token"]) == 200);
    const Response client = rig.signs_as_client(rig.assertion({{"aud", Json{audience}}}));
    REQUIRE_MESSAGE(client.status == 200, client.body);
    CHECK(rig.opens(client.json()["access_token"]) == 200);
  }
  const std::string once = rig.assertion();
  const std::string token = rig.bears(once).json()["access_token"];
  CHECK(rig.bears(once).json()["error"] == "invalid_grant");
  CHECK(rig.signs_as_client(once).json()["error"] == "invalid_grant");
  CHECK(rig.gateway.recorded("refusal", {{"reason", "replayed"}, {"principal", "agent:bot"}}, 2));
  rig.gateway.restart();
  CHECK(rig.bears(once).json()["error"] == "invalid_grant");
  CHECK(rig.opens(token) == 200);
  CHECK(rig.gateway.recorded("note", {{"note", "token"}}, 5));
  CHECK(rig.gateway.journal_bytes().find(once) == std::string::npos);
  // A client that proves itself and brings its own assertion uses up both.
  const std::string proof = rig.assertion(), grant = rig.assertion();
  CHECK(rig.bears(grant, {{"client_assertion_type", kClientAssertion}, {"client_assertion", proof}}).status ==
        200);
  CHECK(rig.signs_as_client(proof).status == 400);
  REQUIRE(rig.gateway.apply(rig.agent_document("disabled: true\n")).has_value());
  CHECK(rig.opens(token) == 401);
}

TEST_CASE("an assertion that is not good is refused, and says why") {
  Rig rig;
  const auto now = unix_millis(rig.clock.now()) / 1000;
  const auto stranger = SigningIssuer::ec("agent-key");
  struct Row {
    const char* why;
    std::string assertion;
    const char* says;
  };
  const Row rows[] = {
      {"another agent's name", rig.assertion({{"iss", "other"}, {"sub", "other"}}), "no agent"},
      {"another subject", rig.assertion({{"sub", "other"}}), "sub"},
      {"no subject", rig.assertion({{"sub", nullptr}}), "sub"},
      {"another audience", rig.assertion({{"aud", "https://elsewhere.example"}}), "aud"},
      {"the audience with a slash", rig.assertion({{"aud", rig.url() + "/"}}), "aud"},
      {"no audience", rig.assertion({{"aud", nullptr}}), "aud"},
      {"no expiry", rig.assertion({{"exp", nullptr}}), "expires"},
      {"expired", rig.assertion({{"exp", now - 60}}), "expired"},
      {"good for too long", rig.assertion({{"exp", now + 400}}), "longer than 300"},
      {"not yet", rig.assertion({{"nbf", now + 100}}), "not valid yet"},
      {"no id", rig.assertion({{"jti", nullptr}}), "jti"},
      {"an id that is no text", rig.assertion({{"jti", 7}}), "jti"},
      {"a huge id", rig.assertion({{"jti", std::string(300, 'x')}}), "jti"},
      {"another key", stranger.token("ES256", rig.claims().dump()), "signature"},
      {"an access token",
       rig.own.token("ES256", R"({"typ":"at+jwt","alg":"ES256","kid":"agent-key"})", rig.claims().dump()),
       "type"},
      {"no token", "x", "three parts"},
      {"nothing", "", "three parts"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.why);
    rig.clock.advance(1s);
    const Response grant = rig.bears(row.assertion);
    CHECK(grant.status == 400);
    CHECK(grant.json()["error"] == "invalid_grant");
    CHECK(grant.json()["error_description"].get<std::string>().find(row.says) != std::string::npos);
    if (std::string(row.assertion).empty()) continue;
    const Response client = rig.signs_as_client(row.assertion);
    CHECK(client.status == 401);
    CHECK(client.json()["error"] == "invalid_client");
  }
  // A line of the record for each: as a grant, and as a client.
  CHECK(rig.gateway.recorded("refusal", {{"reason", "client"}}, 2 * std::size(rows) - 1));
  CHECK(rig.bears(rig.assertion(), {{"client_id", "other"}}).json()["error"] == "invalid_grant");
  CHECK(rig.gateway.recorded("refusal", {{"reason", "client"}, {"principal", "agent:bot"}}));
  CHECK(rig.signs_as_client(rig.assertion(), {{"client_id", "other"}}).json()["error"] == "invalid_client");
}

TEST_CASE("an agent's keys may stand at a URL, and change there") {
  FakeIssuer home;
  Rig rig("jwks_url: \"" + home.url() + "/keys\"\nallow_private: true\n");
  home.publish({rig.own.jwk()});
  // A look that is still under way, such as that of the start, ends at a later hour than it began: then it is
  // the one after it that finds them.
  const auto accepted = [&](const auto& proof) {
    for (int i = 0; i < 20; ++i) {
      rig.clock.advance(31s);
      if (rig.bears(proof()).status == 200) return true;
    }
    return false;
  };
  CHECK(accepted([&] { return rig.assertion(); }));
  const auto next = SigningIssuer::ec("next");
  home.publish({next.jwk()});
  CHECK(accepted([&] { return next.token("ES256", rig.claims().dump()); }));
  CHECK(rig.bears(rig.assertion()).status == 400);
}

TEST_CASE("documents of agents hold public keys only") {
  const Rig rig;
  const auto applied = [&](const std::string& keys) {
    const auto out = rig.gateway.apply("kind: Agent\nname: a\n" + keys);
    return out ? std::string() : out.error();
  };
  CHECK(applied("jwks: {\"keys\":[]}\n").find("jwks") != std::string::npos);
  CHECK(applied("jwks: {\"keys\":[" + rig.own.jwk(",\"d\":\"AAAA\"") + "]}\n").find("private") !=
        std::string::npos);
  CHECK(applied("jwks_url: \"http://127.0.0.1:1/keys\"\n").find("https") != std::string::npos);
  CHECK(applied("jwks: {\"keys\":[" + rig.own.jwk() + "]}\njwks_url: \"https://a.example/keys\"\n")
            .find("keep one") != std::string::npos);
  CHECK(applied("jwks: {\"keys\":[" + rig.own.jwk() + "]}\n").empty());
}

TEST_CASE("the metadata tells programs how they get tokens, and sends no people where none can sign in") {
  const Rig rig;
  const auto get = [&](const char* path) {
    return rig.gateway.raw(GatewayFixture::request("GET", path, "", ""));
  };
  const Json server = get("/.well-known/oauth-authorization-server").json();
  CHECK(server["grant_types_supported"] ==
        Json{"client_credentials", kJwtBearer, "urn:ietf:params:oauth:grant-type:token-exchange"});
  CHECK(server["token_endpoint"] == rig.url() + "/oauth/token");
  CHECK(server["response_types_supported"].empty());
  CHECK_FALSE(server.contains("authorization_endpoint"));
  CHECK(get("/.well-known/oauth-protected-resource/mcp").json()["authorization_servers"] == Json{rig.url()});
  CHECK(get("/oauth/authorize?client_id=x").status == 404);
  const LoginRig people;
  const Json both = people.get("/.well-known/oauth-authorization-server").json();
  CHECK(both["grant_types_supported"].size() == 5);
  CHECK(both["token_endpoint_auth_methods_supported"] ==
        Json{"none", "client_secret_basic", "client_secret_post", "private_key_jwt"});
}
