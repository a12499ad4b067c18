// Codes, tokens and grants of the built-in authorization server, and who may guess passwords.
#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;

using Rig = LoginRig;

TEST_CASE("guessing passwords gets slower, for the name and the place that guesses") {
  Rig rig;
  const auto tries = [&](const std::string& user, const std::string& password) {
    const Response page = rig.asks();
    return rig.post("/oauth/sign-in",
                    {{"request", Rig::request_of(page)}, {"user", user}, {"password", password}},
                    "Cookie: " + Rig::cookie_of(page) + "\r\n");
  };
  for (int i = 0; i < 5; ++i) {
    const Response no = tries("alice", "wrong password " + std::to_string(i));
    CHECK(no.status == 401);
    CHECK(no.body.find("do not fit together") != std::string::npos);
  }
  CHECK(tries("alice", kPassword).status == 429);
  rig.clock.advance(2s);
  CHECK(tries("alice", kPassword).status == 303);
  // Who does not exist is answered alike.
  const Response stranger = tries("mallory", "wrong password");
  CHECK(stranger.status == 401);
  CHECK(stranger.body.find("do not fit together") != std::string::npos);
  CHECK(tries("", "").status == 401);
  CHECK(rig.gateway.recorded("refusal", {{"reason", "sign_in"}, {"principal", "user:alice"}}, 5));
}

TEST_CASE(
    "who guesses behind a trusted proxy is known by the address that it gives, and nobody else by any") {
  cli::Settings settings;
  for (const bool trusting : {true, false}) {
    CAPTURE(trusting);
    if (trusting) settings.trusted_proxies = net::TrustedProxies::of({"127.0.0.1"}).value();
    Rig rig(trusting ? settings : cli::Settings());
    const auto from = [&](const std::string& address, const std::string& user, const std::string& password) {
      const Response page = rig.asks();
      return rig
          .post("/oauth/sign-in",
                {{"request", Rig::request_of(page)}, {"user", user}, {"password", password}},
                "X-Forwarded-For: " + address + "\r\nCookie: " + Rig::cookie_of(page) + "\r\n")
          .status;
    };
    // So often that the pause is longer than what follows.
    const auto fails = [&](const std::function<std::string(int)>& address) {
      for (int i = 0; i < 9; ++i) {
        rig.clock.advance(20s);
        CHECK(from(address(i), "alice", "wrong password") == 401);
      }
    };
    fails([](int) { return "192.0.2.1"; });
    CHECK(from("192.0.2.1", "alice", kPassword) == 429);
    // Another address in the header is another person's only where the proxy is trusted.
    CHECK(from("192.0.2.2", "alice", kPassword) == (trusting ? 303 : 429));
    if (!trusting) continue;
    // A subscriber has as many IPv6 addresses as anybody could want.
    fails([](int i) { return "2001:db8:1:2::" + std::to_string(i); });
    CHECK(from("2001:db8:1:2:ffff::9", "alice", kPassword) == 429);
    CHECK(from("2001:db8:1:3::1", "alice", kPassword) == 303);
  }
}

TEST_CASE("a scope that was not asked for is not named, and the token is as good") {
  const Rig rig;
  const auto scope = [&](const char* asked) {
    const Json tokens = rig.tokens({{"scope", asked}});
    CHECK(rig.opens(tokens["access_token"]) == 200);
    return tokens.value("scope", "none");
  };
  CHECK(scope("") == "mcp");
  CHECK(scope("openid mcp") == "mcp");
  CHECK(scope("openid profile") == "none");
}

TEST_CASE("a code is good once, for a minute, for its client, its verifier and its redirect") {
  Rig rig;
  const std::string code = rig.code();
  struct Row {
    const char *name, *value, *error;
  };
  const Row rows[] = {
      {"code_verifier", "x", "invalid_grant"},
      {"code_verifier", "", "invalid_grant"},
      {"redirect_uri", "http://127.0.0.1:4712/callback", "invalid_grant"},
      {"client_id", "x", "invalid_client"},
      {"client_id", "ANOTHER", "invalid_grant"},
      {"client_id", "", "invalid_request"},
      {"code", "x", "invalid_grant"},
      {"resource", "https://elsewhere.example/mcp", "invalid_target"},
      {"grant_type", "password", "unsupported_grant_type"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const std::string value =
        std::string(row.value) == "ANOTHER" ? rig.enroll({kBack}, "Another") : row.value;
    const Response no = rig.redeem(code, {{row.name, value}});
    CHECK(no.status == (std::string(row.error) == "invalid_client" ? 401 : 400));
    CHECK(no.json()["error"] == row.error);
    CHECK(no.header("Cache-Control") == "no-store");
  }
  const Json tokens = rig.redeem(code).json();
  const std::string access = tokens["access_token"];
  CHECK(rig.opens(access) == 200);
  // Somebody else has it too: nobody knows who was first, so it is over for both.
  CHECK(rig.redeem(code).json()["error"] == "invalid_grant");
  CHECK(rig.opens(access) == 401);
  CHECK(rig.renew(tokens["refresh_token"]).json()["error"] == "invalid_grant");
  CHECK(rig.noted("grant_ended", {{"why", "replayed"}}));
  const std::string late = rig.code();
  rig.clock.advance(61s);
  CHECK(rig.redeem(late).json()["error"] == "invalid_grant");
}

TEST_CASE("refresh tokens rotate; one that was used before ends the grant, but a lost answer does not") {
  Rig rig;
  const Json first = rig.tokens();
  rig.clock.advance(601s);
  CHECK(rig.opens(first["access_token"]) == 200);  // within the leeway
  rig.clock.advance(60s);
  CHECK(rig.opens(first["access_token"]) == 401);
  const Json second = rig.renew(first["refresh_token"]).json();
  CHECK(rig.opens(second["access_token"]) == 200);
  CHECK(second["refresh_token"] != first["refresh_token"]);
  CHECK(rig.renew(second["refresh_token"], "another").json()["error"] == "invalid_client");
  CHECK(rig.renew(second["refresh_token"], rig.enroll({kBack}, "Another")).json()["error"] ==
        "invalid_grant");
  // The client lost the answer and asks again at once.
  const Json again = rig.renew(first["refresh_token"]).json();
  CHECK(rig.opens(again["access_token"]) == 200);
  const Json third = rig.renew(again["refresh_token"]).json();
  CHECK(rig.opens(third["access_token"]) == 200);
  rig.clock.advance(31s);
  CHECK(rig.renew(first["refresh_token"]).json()["error"] == "invalid_grant");
  CHECK(rig.opens(third["access_token"]) == 401);
  CHECK(rig.renew(third["refresh_token"]).json()["error"] == "invalid_grant");
  CHECK(rig.noted("grant_ended", {{"why", "reused"}, {"user", "alice"}}));
}

TEST_CASE("a refresh for another resource is refused and costs the token nothing") {
  Rig rig;
  const Json tokens = rig.tokens();
  const Response wrong = rig.post("/oauth/token", {{"grant_type", "refresh_token"},
                                                   {"refresh_token", tokens["refresh_token"]},
                                                   {"client_id", rig.client},
                                                   {"resource", "https://elsewhere.example/mcp"}});
  CHECK(wrong.json()["error"] == "invalid_target");
  rig.clock.advance(31s);
  CHECK(rig.opens(rig.renew(tokens["refresh_token"]).json()["access_token"]) == 200);
}

TEST_CASE(
    "revoked by the client, by an administrator, by another password or with the user: the next request "
    "knows") {
  Rig rig;
  Json tokens = rig.tokens();
  CHECK(rig.opens(tokens["access_token"]) == 200);
  SUBCASE("the client, with its refresh token") {
    CHECK(rig.post("/oauth/revoke", {{"token", tokens["refresh_token"]}, {"client_id", rig.client}}).status ==
          200);
  }
  SUBCASE("the client, with its access token") {
    CHECK(rig.post("/oauth/revoke", {{"token", tokens["access_token"]}, {"client_id", "another"}}).status ==
          200);
    CHECK(rig.opens(tokens["access_token"]) == 200);
    CHECK(rig.post("/oauth/revoke", {{"token", tokens["access_token"]}, {"client_id", rig.client}}).status ==
          200);
  }
  SUBCASE("an administrator") {
    const Json grants = *rig.gateway.admin("grant.list", Json::object());
    CHECK(grants["grants"][0]["state"] == "active");
    CHECK(grants["grants"][0]["client"] == "Claude <Code>");
    REQUIRE(rig.gateway.admin("grant.end", {{"id", grants["grants"][0]["id"]}}).has_value());
    CHECK(rig.noted("grant_ended", {{"grant", grants["grants"][0]["id"]},
                                    {"user", "alice"},
                                    {"why", "revoked"},
                                    {"by", "uid:" + std::to_string(::geteuid())}}));
  }
  SUBCASE("another password") {
    const std::string cookie = rig.signed_in();
    REQUIRE(
        rig.gateway.admin("user.save", {{"name", "alice"}, {"password", "another password"}}).has_value());
    CHECK(rig.asks({}, cookie).body.find("<h1>Sign in</h1>") != std::string::npos);
    CHECK(rig.noted("grant_ended", {{"user", "alice"}, {"why", "password"}}));
  }
  SUBCASE("the user") {
    REQUIRE(rig.gateway.admin("user.save", {{"name", "bob"}, {"password", kPassword}}).has_value());
    REQUIRE(rig.gateway.admin("user.remove", {{"name", "alice"}}).has_value());
    CHECK(rig.noted("grant_ended", {{"user", "alice"}, {"why", "user"}}));
  }
  SUBCASE("the last user") { REQUIRE(rig.gateway.admin("user.remove", {{"name", "alice"}}).has_value()); }
  CHECK(rig.opens(tokens["access_token"]) == 401);
  const Response no = rig.renew(tokens["refresh_token"]);
  CHECK(no.status >= 400);
}

TEST_CASE("tokens outlive a restart, and what was revoked stays so") {
  Rig rig;
  const Json kept = rig.tokens(), gone = rig.tokens();
  rig.post("/oauth/revoke", {{"token", gone["refresh_token"]}, {"client_id", rig.client}});
  const std::string before = rig.url();
  rig.gateway.restart();
  CHECK(rig.url() == before);
  CHECK(rig.opens(kept["access_token"]) == 200);
  CHECK(rig.opens(gone["access_token"]) == 401);
  CHECK(rig.opens(rig.renew(kept["refresh_token"]).json()["access_token"]) == 200);
}

TEST_CASE("the keys that sign are changed once a month, and what was signed before is still good") {
  Rig rig;
  const Json old = rig.tokens();
  rig.clock.advance(std::chrono::hours(29 * 24));
  const Json before = rig.renew(old["refresh_token"]).json();
  CHECK(rig.get("/oauth/keys").json()["keys"].size() == 1);
  rig.clock.advance(std::chrono::hours(24));
  const Json turning = rig.renew(before["refresh_token"]).json();
  const Json keys = rig.get("/oauth/keys").json()["keys"];
  CHECK(keys.size() == 2);
  CHECK(rig.opens(turning["access_token"]) == 200);
  const Json after = rig.renew(turning["refresh_token"]).json();
  CHECK(rig.opens(after["access_token"]) == 200);
  const std::string header = after["access_token"];
  CHECK(unbase64url(header.substr(0, header.find('.')))->find(keys[0]["kid"].get<std::string>()) !=
        std::string::npos);
}
