// Signing in at the gateway by an OpenID provider.
#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;

using Rig = LoginRig;

namespace {

/// A gateway whose people sign in by a provider.
struct Abroad {
  explicit Abroad(const std::string& more = "")
      : rig({}, "Claude <Code>",
            "---\nkind: Credential\nname: at-corp\nvalue: \"s3cret of the gateway\"\n" +
                idp.document(
                    "corp",
                    "teams: claims.groups\nroles: claims.roles\nclaims: {tenant: claims.tenant}\n"
                    "sign_in: {client_id: gate, credential: at-corp, title: \"Corp & Co\", lasts: 48h}\n" +
                        more) +
                "---\nkind: Policy\nname: staff\nsubjects: [\"team:staff\"]\nrules: [{effect: allow, tools: "
                "[\"up/*\"]}]\n") {
    idp.on_request([this](const std::string& path, const std::string& request) -> std::string {
      if (path == "/.well-known/openid-configuration")
        return FakeMcp::http(200, "application/json",
                             Json{{"issuer", idp.url()},
                                  {"jwks_uri", idp.url() + "/keys"},
                                  {"authorization_endpoint", idp.url() + "/authorize?tenant=1"},
                                  {"token_endpoint", idp.url() + "/token"}}
                                 .dump());
      if (path != "/token") return "";
      const std::lock_guard lock(mutex);
      asked = request;
      if (answer != 200) return FakeMcp::http(answer, "application/json", R"({"error":"invalid_grant"})");
      Json all = {{"nonce", nonce}, {"email", "x"}};
      all.update(claims);
      return FakeMcp::http(
          200, "application/json",
          Json{{"id_token", idp.token("gate", all, rig.clock.now())}, {"access_token", "x"}}.dump());
    });
  }

  struct Trip {
    std::string cookie, to;
  };
  /// A browser that was sent to the provider.
  Trip leaves(const std::string& more = "") {
    const Response page = rig.asks();
    CHECK(page.body.find("Sign in with Corp &amp; Co") != std::string::npos);
    Trip out{.cookie = Rig::cookie_of(page), .to = ""};
    const Response go = rig.get(
        "/oauth/elsewhere?provider=corp&request=" + url_encoded(Rig::request_of(page)) + more, out.cookie);
    CHECK(go.status == 303);
    out.to = go.header("Location");
    const std::lock_guard lock(mutex);
    nonce = parameter(out.to, "nonce");
    return out;
  }
  Response returns(const Trip& trip, const std::string& more = "") const {
    return rig.get("/oauth/callback?code=c0de&state=" + url_encoded(parameter(trip.to, "state")) + more,
                   trip.cookie);
  }
  /// The cookie of somebody of staff who has signed in by the provider.
  std::string signed_in() {
    const Response back = returns(leaves());
    REQUIRE(back.status == 303);
    CHECK(back.header("Location").starts_with("/oauth/authorize?"));
    return Rig::cookie_of(back);
  }

  std::mutex mutex;
  std::string nonce, asked;
  int answer = 200;
  Json claims = {{"sub", "carol"}, {"groups", {"staff"}}, {"roles", {"lead"}}, {"tenant", "t1"}};
  FakeIssuer idp;
  Rig rig;
};

}  // namespace

TEST_CASE("somebody signs in by an OpenID provider, and is who it says with the teams that it names") {
  Abroad abroad;
  const auto trip = abroad.leaves();
  CHECK(trip.to.starts_with(abroad.idp.url() + "/authorize?tenant=1&response_type=code&client_id=gate&"));
  CHECK(parameter(trip.to, "scope") == "openid email profile");
  CHECK(parameter(trip.to, "redirect_uri") == abroad.rig.url() + "/oauth/callback");
  CHECK(parameter(trip.to, "code_challenge_method") == "S256");
  CHECK(parameter(trip.to, "prompt").empty());
  CHECK(parameter(abroad.leaves("&other=1").to, "prompt") == "login");

  const std::string cookie = abroad.signed_in();
  CHECK(abroad.asked.find("Authorization: Basic " + base64("gate:s3cret%20of%20the%20gateway")) !=
        std::string::npos);
  CHECK(abroad.asked.find("code=c0de") != std::string::npos);
  CHECK(abroad.asked.find("code_verifier=") != std::string::npos);
  CHECK(abroad.rig.asks({}, cookie).body.find("<strong>corp/carol</strong>") != std::string::npos);
  const Response back = abroad.rig.consents(cookie);
  const Json tokens = abroad.rig.redeem(parameter(back.header("Location"), "code")).json();
  const std::string access = tokens["access_token"];
  const Response call = abroad.rig.gateway.raw(GatewayFixture::request(
      "POST", "/mcp",
      "Authorization: Bearer " + access + "\r\n" + GatewayFixture::media() +
          GatewayFixture::modern_headers("tools/call", "up__echo"),
      GatewayFixture::modern_body("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "hello"}}}})));
  CHECK(call.status == 200);
  CHECK(abroad.rig.gateway.recorded("intent", {{"principal", "user:corp/carol"}, {"rule", "staff#1"}}));
  CHECK(abroad.rig.noted("sign_in", {{"user", "user:corp/carol"}}));
  const Json grants = *abroad.rig.gateway.admin("grant.list", Json::object());
  CHECK(grants["grants"][0]["user"] == "corp/carol");
  const std::string journal = abroad.rig.gateway.journal_bytes();
  CHECK(journal.find("s3cret of the gateway") == std::string::npos);
  // Clients are sent to the gateway, not to the provider itself.
  CHECK(abroad.rig.get("/.well-known/oauth-protected-resource/mcp").json()["authorization_servers"] ==
        Json::array({abroad.rig.url()}));

  // After `lasts` she has to show again that the provider still knows her.
  Json newest = tokens;
  for (int day = 0; day < 2; ++day) {
    abroad.rig.clock.advance(23h);
    newest = abroad.rig.renew(newest["refresh_token"]).json();
    CHECK(abroad.rig.opens(newest["access_token"]) == 200);
  }
  abroad.rig.clock.advance(3h);
  CHECK(abroad.rig.renew(newest["refresh_token"]).json()["error"] == "invalid_grant");
}

TEST_CASE("what a provider does not vouch for signs nobody in") {
  Abroad abroad;
  const auto refused = [&](const Response& answer, int status = 403) {
    CHECK(answer.status == status);
    CHECK(answer.header("Set-Cookie").empty());
    CHECK(answer.header("Location").empty());
  };
  struct Row {
    const char* claim;
    Json value;
  };
  const Row rows[] = {{"nonce", "another"},
                      {"aud", "another"},
                      {"aud", {"x", "y"}},
                      {"azp", "another"},
                      {"iss", "https://evil.example"},
                      {"exp", 1000},
                      {"sub", nullptr},
                      {"groups", {1, 2}}};
  const Json good = abroad.claims;
  for (const Row& row : rows) {
    CAPTURE(row.claim);
    const auto trip = abroad.leaves();
    abroad.claims = good;
    abroad.claims[row.claim] = row.value;
    refused(abroad.returns(trip));
  }
  abroad.claims = good;
  const auto trip = abroad.leaves();
  refused(abroad.returns(trip, "&iss=https%3A%2F%2Fevil.example"));
  refused(abroad.returns(trip, "&error=access_denied&error_description=%3Cb%3Eno"));
  CHECK(abroad.returns(trip, "&error=access_denied&error_description=%3Cb%3Eno").body.find("<b>no") ==
        std::string::npos);
  CHECK(
      abroad.returns(trip, "&error=access_denied&error_description=line%0D%0Aline").body.find("line  line") !=
      std::string::npos);
  Json many = Json::array();
  for (int i = 0; i < 400; ++i) many.push_back("team-number-" + std::to_string(i));
  abroad.claims["groups"] = many;
  const auto crowd = abroad.leaves();
  CHECK(abroad.returns(crowd).body.find("so many teams") != std::string::npos);
  abroad.claims = good;
  // Another browser, and a state that was changed by a letter.
  refused(abroad.returns({.cookie = abroad.leaves().cookie, .to = trip.to}), 400);
  refused(abroad.returns({.cookie = "", .to = trip.to}), 400);
  refused(abroad.rig.get("/oauth/callback?code=x&state=A" + url_encoded(parameter(trip.to, "state")),
                         trip.cookie),
          400);
  const auto mine = abroad.leaves();
  abroad.answer = 400;
  refused(abroad.returns(mine));
  abroad.answer = 200;
  // Signed by somebody else.
  const auto theirs = abroad.leaves();
  abroad.idp.rotate("k9");
  refused(abroad.returns(theirs));
  CHECK(abroad.rig.noted("sign_in", Json::object()) == false);
}

TEST_CASE("a provider that is taken away takes its people with it") {
  Abroad abroad;
  REQUIRE(abroad.rig.gateway.admin("user.save", {{"name", "bob"}, {"password", kPassword}}).has_value());
  const std::string cookie = abroad.signed_in();
  const Response back = abroad.rig.consents(cookie);
  const Json tokens = abroad.rig.redeem(parameter(back.header("Location"), "code")).json();
  CHECK(abroad.rig.opens(tokens["access_token"]) == 200);
  SUBCASE("nobody signs in by it any more") {
    REQUIRE(abroad.rig.gateway.apply(abroad.idp.document("corp", "teams: claims.groups\n")).has_value());
  }
  SUBCASE("the document names another provider, whose people are others") {
    REQUIRE(abroad.rig.gateway
                .apply("---\nkind: Issuer\nname: corp\nissuer: \"http://127.0.0.1:9\"\nallow_private: true\n"
                       "sign_in: {client_id: gate}\n")
                .has_value());
    CHECK(abroad.rig.asks({}, cookie).body.find("<h1>Sign in</h1>") != std::string::npos);
  }
  CHECK(abroad.rig.opens(tokens["access_token"]) == 401);
  CHECK(abroad.rig.renew(tokens["refresh_token"]).json()["error"] == "invalid_grant");
}
