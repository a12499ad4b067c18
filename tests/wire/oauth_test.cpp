// What clients and browsers say to the built-in authorization server.
#include <future>

#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;

using Rig = LoginRig;

TEST_CASE(
    "somebody signs in, lets a client act, and the client's token opens that endpoint under that name") {
  const Rig rig;
  const Response page = rig.asks();
  CHECK(page.status == 200);
  CHECK(page.body.find("Claude &lt;Code&gt;") != std::string::npos);
  CHECK(page.body.find("<Code>") == std::string::npos);
  CHECK(page.header("Content-Security-Policy").find("default-src 'none'") == 0);
  CHECK(page.header("X-Frame-Options") == "DENY");
  CHECK(page.head.find("HttpOnly; SameSite=Lax") != std::string::npos);

  const Response back = rig.consents(rig.signed_in());
  CHECK(back.status == 303);
  const std::string to = back.header("Location");
  CHECK(to.starts_with(std::string(kBack) + "?code="));
  CHECK(parameter(to, "state") == "st&te=1");
  CHECK(parameter(to, "iss") == rig.url());

  const Response answer = rig.redeem(parameter(to, "code"));
  CHECK(answer.status == 200);
  CHECK(answer.header("Cache-Control") == "no-store");
  const Json tokens = answer.json();
  CHECK(tokens["token_type"] == "Bearer");
  CHECK(tokens["expires_in"] == 600);
  const std::string access = tokens["access_token"];
  CHECK(rig.opens(access) == 200);
  CHECK(rig.opens(access, "/mcp/pay") == 401);
  const Response call = rig.gateway.raw(GatewayFixture::request(
      "POST", "/mcp",
      "Authorization: Bearer " + access + "\r\n" + GatewayFixture::media() +
          GatewayFixture::modern_headers("tools/call", "up__echo"),
      GatewayFixture::modern_body("tools/call", {{"name", "up__echo"}, {"arguments", {{"text", "hello"}}}})));
  CHECK(call.status == 200);
  CHECK(rig.upstream.call_count() == 1);
  CHECK(rig.gateway.recorded("intent", {{"principal", "user:alice"}, {"target", "up/echo"}}));
  CHECK(rig.noted("sign_in", {{"user", "user:alice"}}));
  CHECK(rig.noted("consent", {{"user", "user:alice"}, {"decision", "allow"}}));
  const std::string journal = rig.gateway.journal_bytes();
  for (const std::string& secret : {access, tokens["refresh_token"].get<std::string>(),
                                    std::string(kPassword), parameter(to, "code"), kVerifier})
    CHECK(journal.find(secret.substr(0, 40)) == std::string::npos);
}

TEST_CASE("metadata leads a client from the 401 to the keys, wherever it looks") {
  const Rig rig;
  const Response none =
      rig.gateway.raw(GatewayFixture::request("POST", "/mcp", GatewayFixture::media(), "{}"));
  CHECK(none.header("WWW-Authenticate").find("resource_metadata=") != std::string::npos);
  CHECK(rig.get("/.well-known/oauth-protected-resource/mcp").json()["authorization_servers"] ==
        Json::array({rig.url()}));
  for (const char* path :
       {"/.well-known/oauth-authorization-server", "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/mcp", "/mcp/pay/.well-known/openid-configuration"}) {
    CAPTURE(path);
    const Response answer = rig.get(path);
    CHECK(answer.status == 200);
    const Json metadata = answer.json();
    CHECK(metadata["issuer"] == rig.url());
    CHECK(metadata["code_challenge_methods_supported"] == Json::array({"S256"}));
    CHECK(metadata["authorization_response_iss_parameter_supported"] == true);
    CHECK(metadata["registration_endpoint"] == rig.url() + "/oauth/register");
  }
  const Json keys = rig.get("/oauth/keys").json()["keys"];
  CHECK(keys.size() == 1);
  CHECK(keys[0]["kty"] == "EC");
  CHECK_FALSE(keys[0].contains("d"));
  const Response preflight = rig.gateway.raw(
      GatewayFixture::request("OPTIONS", "/oauth/token",
                              "Origin: https://app.example\r\nAccess-Control-Request-Method: POST\r\n", ""));
  CHECK(preflight.status == 204);
  CHECK(preflight.header("Access-Control-Allow-Origin") == "*");
}

TEST_CASE("without users nobody is sent here: no metadata, no pages, and tokens for programs alone") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const auto status = [&](const char* method, const char* path) {
    return gateway.raw(GatewayFixture::request(method, path, "", "")).status;
  };
  CHECK(status("GET", "/.well-known/oauth-authorization-server") == 404);
  CHECK(status("GET", "/oauth/authorize?client_id=x") == 404);
  CHECK(status("POST", "/oauth/token") == 400);
  CHECK(status("POST", "/oauth/register") == 404);
  CHECK(gateway.still_works());
}

TEST_CASE("a client that names itself wrongly is told what to change") {
  const Rig rig;
  struct Row {
    Json metadata;
    const char* error;
  };
  const auto with = [](const Json& uris) { return Json{{"redirect_uris", uris}}; };
  const Row rows[] = {
      {Json::array(), "invalid_client_metadata"},
      {Json::object(), "invalid_redirect_uri"},
      {with(Json::array()), "invalid_redirect_uri"},
      {with({"http://evil.example/cb"}), "invalid_redirect_uri"},
      {with({"https://a.example/cb#x"}), "invalid_redirect_uri"},
      {with({"javascript:alert(1)"}), "invalid_redirect_uri"},
      {with({"data:text/html,x"}), "invalid_redirect_uri"},
      {with({"file:///etc/passwd"}), "invalid_redirect_uri"},
      {with({"https://user:pass@a.example/cb"}), "invalid_redirect_uri"},
      {with({"https://a.example/c b"}), "invalid_redirect_uri"},
      {with({"https://a.example/\r\nSet-Cookie: x=y"}), "invalid_redirect_uri"},
      {with({"https://a.example/" + std::string(3000, 'a')}), "invalid_redirect_uri"},
      {with({1}), "invalid_client_metadata"},
      {{{"redirect_uris", {kBack}}, {"grant_types", {"client_credentials"}}}, "invalid_client_metadata"},
      {{{"redirect_uris", {kBack}}, {"response_types", {"token"}}}, "invalid_client_metadata"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.metadata.dump());
    const Response answer = rig.enrolled(row.metadata);
    CHECK(answer.status == 400);
    CHECK(answer.json()["error"] == row.error);
    CHECK(answer.json()["error_description"].get<std::string>().size() > 10);
  }
  for (const char* uri : {"cursor://anysphere.cursor-retrieval/oauth/callback", "com.example.app:/back",
                          "https://a.example/cb?x=1", "http://localhost:1/cb", "http://[::1]/cb"}) {
    CAPTURE(uri);
    CHECK(rig.enrolled(with({uri})).status == 201);
  }
}

TEST_CASE("a client whose id is the URL of its document is known by that, without registering") {
  std::mutex mutex;
  std::string said;
  std::atomic<int> asked = 0;
  const FakeUpstream pages([&](RawSocket& socket, int) {
    for (std::string request = net::testing::read_request(socket); !request.empty();
         request = net::testing::read_request(socket)) {
      ++asked;
      const std::lock_guard lock(mutex);
      const bool moved = request.starts_with("GET /moved");
      if (!socket.send(moved ? FakeMcp::http(302, "text/plain", "", "Location: /client.json\r\n")
                             : FakeMcp::http(200, "application/json", said)))
        return;
    }
  });
  const std::string id = "http://127.0.0.1:" + std::to_string(pages.port) + "/client.json";
  const auto says = [&](Json document) {
    const std::lock_guard lock(mutex);
    said = document.dump();
  };
  const Json good = {
      {"client_id", id}, {"client_name", "Editor"}, {"redirect_uris", {"http://localhost/callback"}}};
  says(good);
  Rig rig({.login = {.registration = false, .private_clients = true}}, "");
  CHECK(rig.get("/.well-known/oauth-authorization-server").json()["client_id_metadata_document_supported"] ==
        true);
  CHECK_FALSE(rig.get("/.well-known/oauth-authorization-server").json().contains("registration_endpoint"));
  CHECK(rig.enrolled(good).status == 403);

  const Fields wish = {{"client_id", id}, {"redirect_uri", "http://localhost:9999/callback"}};
  const Response page = rig.asks(wish);
  CHECK(page.status == 200);
  CHECK(page.body.find("<strong>Editor</strong>") != std::string::npos);
  rig.client = id;
  const std::string cookie = rig.signed_in(kPassword, "alice", wish);
  CHECK(rig.asks(wish, cookie).body.find("describes itself at 127.0.0.1") != std::string::npos);
  const std::string back = rig.consents(cookie, wish).header("Location");
  const Response tokens =
      rig.redeem(parameter(back, "code"), {{"redirect_uri", "http://localhost:9999/callback"}});
  CHECK(tokens.status == 200);
  CHECK(rig.opens(tokens.json()["access_token"]) == 200);
  CHECK(asked.load() == 1);

  const auto with = [&](const char* name, const Json& value) {
    Json out = good;
    out[name] = value;
    return out;
  };
  for (const Json& bad : {with("client_id", id + "/"), with("redirect_uris", Json::array()),
                          with("redirect_uris", {"javascript:x"}), with("client_secret", "x"),
                          with("token_endpoint_auth_method", "client_secret_post"), Json::array(),
                          with("client_name", std::string(70000, 'x'))}) {
    says(bad);
    rig.clock.advance(6min);
    const Response no = rig.asks(wish);
    CHECK(no.status == 400);
    CHECK(no.header("Location").empty());
    CHECK(no.body.find("own description cannot be used") != std::string::npos);
  }
  says(good);
  rig.clock.advance(6min);
  CHECK(rig.asks(wish).status == 200);
  for (const std::string& other :
       {id.substr(0, id.rfind('/')) + "/moved", std::string("http://169.254.169.254/x"),
        std::string("file:///etc/passwd"), std::string("http://127.0.0.1:1/x")})
    CHECK(rig.asks({{"client_id", other}, wish[1]}).status == 400);
}

TEST_CASE("clients whose documents stand behind a slow name server hold up no server of ours") {
  Rig rig;
  std::promise<void> over;
  const auto gate = over.get_future().share();
  std::atomic<int> held = 0;
  net::set_resolver_for_test(
      [&, gate](const std::string& host, std::uint16_t port) -> Result<std::vector<net::SocketAddress>> {
        if (host.ends_with(".slow.example")) {
          ++held;
          gate.wait();
        }
        return std::vector{*net::address_of("127.0.0.1", port)};
      });
  std::vector<std::future<Response>> strangers;
  for (std::size_t i = 0; i < limits::kClientFetchesOfOne; ++i) {
    const std::string id = "https://c" + std::to_string(i) + ".slow.example/client.json";
    strangers.push_back(std::async(std::launch::async, [&rig, id] { return rig.asks({{"client_id", id}}); }));
  }
  while (held == 0) std::this_thread::yield();
  const std::string named = "http://mcp.example.com:" + std::to_string(rig.upstream.port()) + "/mcp";
  REQUIRE(rig.gateway.apply(server_document("named", named)).has_value());
  const auto tested = rig.gateway.admin("server.test", {{"name", "named"}});
  REQUIRE(tested.has_value());
  CHECK_MESSAGE((*tested)["ok"] == true, tested->dump());
  CHECK(held == 1);
  over.set_value();
  for (auto& one : strangers) CHECK(one.get().status == 400);
  net::set_resolver_for_test({});
}

TEST_CASE("documents of clients at private addresses are not fetched unless a setting says so") {
  const Rig rig;
  std::atomic<int> asked = 0;
  const FakeUpstream pages([&](RawSocket&, int) { ++asked; });
  const std::string port = std::to_string(pages.port);
  for (const std::string& id : {"http://127.0.0.1:" + port + "/c", "https://127.0.0.1:" + port + "/c",
                                "https://localhost:" + port + "/c"})
    CHECK(rig.asks({{"client_id", id}}).status == 400);
  CHECK(asked.load() == 0);
}

TEST_CASE("N34 a redirect that was not registered gets nothing; only the port of this machine may differ") {
  const Rig rig;
  const std::string far = rig.enroll({"https://app.example/cb"});
  struct Row {
    bool far;
    const char* redirect;
    int status;
  };
  const Row rows[] = {
      {true, "https://app.example/cb", 200},
      {true, "https://app.example/cb/", 400},
      {true, "https://app.example/CB", 400},
      {true, "https://APP.example/cb", 400},
      {true, "https://app.example:8443/cb", 400},
      {true, "https://app.example/cb#", 400},
      {true, "https://app.example/cb?x", 400},
      {true, "http://app.example/cb", 400},
      {true, "https://app.example.evil/cb", 400},
      {true, kBack, 400},
      {false, kBack, 200},
      {false, "http://127.0.0.1:9/callback", 200},
      {false, "http://127.0.0.1/callback", 200},
      {false, "http://localhost:4711/callback", 400},
      {false, "http://127.0.0.1:9/callback/", 400},
      {false, "http://127.0.0.1:9@evil.example/callback", 400},
  };
  for (const Row& row : rows) {
    CAPTURE(row.redirect);
    const Response page =
        rig.asks({{"redirect_uri", row.redirect}, {"client_id", row.far ? far : rig.client}});
    CHECK(page.status == row.status);
    CHECK(page.header("Location").empty());
  }
  // A registration that is none of ours, or was changed by a letter.
  for (std::string id : {std::string("x"), std::string(), rig.client.substr(1), rig.client + "A"}) {
    const Response page = rig.asks({{"client_id", id}});
    CHECK(page.status == 400);
    CHECK(page.header("Location").empty());
  }
}

TEST_CASE("what a client asks wrongly it is told by the redirect, with state and issuer") {
  const Rig rig;
  struct Row {
    const char *name, *value, *error;
  };
  const Row rows[] = {
      {"response_type", "token", "unsupported_response_type"},
      {"code_challenge", "", "invalid_request"},
      {"code_challenge", "short", "invalid_request"},
      {"code_challenge_method", "plain", "invalid_request"},
      {"resource", "https://elsewhere.example/mcp", "invalid_target"},
      {"resource", "PUBLIC/admin", "invalid_target"},
      {"resource", "PUBLIC.evil.example/mcp", "invalid_target"},
      {"prompt", "none", "interaction_required"},
      {"request", "x", "request_not_supported"},
      {"response_mode", "fragment", "invalid_request"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    CAPTURE(row.value);
    std::string value = row.value;
    if (value.starts_with("PUBLIC")) value = rig.url() + value.substr(6);
    const std::string to = rig.asks({{row.name, value}}).header("Location");
    CHECK(to.starts_with(std::string(kBack) + "?error="));
    CHECK(parameter(to, "error") == row.error);
    CHECK(parameter(to, "state") == "st&te=1");
    CHECK(parameter(to, "iss") == rig.url());
  }
  CHECK(rig.get("/oauth/authorize?client_id=" + url_encoded(rig.client) + "&client_id=x").status == 400);
  // Whoever likes can register a site: nobody is sent there by a link alone.
  const std::string far = rig.enroll({"https://app.example/cb"});
  const Response page =
      rig.asks({{"client_id", far}, {"redirect_uri", "https://app.example/cb"}, {"response_type", "token"}});
  CHECK(page.status == 400);
  CHECK(page.header("Location").empty());
  CHECK(page.body.find("response_type has to be code") != std::string::npos);
}

TEST_CASE(
    "N34 a client that describes itself has no browser sent to its site before somebody said yes or no") {
  std::mutex mutex;
  std::string said;
  const FakeUpstream pages([&](RawSocket& socket, int) {
    while (!net::testing::read_request(socket).empty()) {
      const std::lock_guard lock(mutex);
      if (!socket.send(FakeMcp::http(200, "application/json", said))) return;
    }
  });
  const std::string id = "http://127.0.0.1:" + std::to_string(pages.port) + "/client.json";
  said = Json{{"client_id", id}, {"redirect_uris", {"https://app.example/cb", "http://127.0.0.1/cb"}}}.dump();
  Rig rig({.login = {.private_clients = true}}, "");
  rig.client = id;
  const Fields far = {{"redirect_uri", "https://app.example/cb"}};
  struct Row {
    const char *name, *value, *why;
  };
  const Row rows[] = {
      {"response_type", "token", "response_type has to be code"},
      {"prompt", "none", "somebody has to say yes"},
      {"resource", "https://elsewhere.example/mcp", "resource has to be"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    const Response page = rig.asks({far[0], {row.name, row.value}});
    CHECK(page.status == 400);
    CHECK(page.header("Location").empty());
    CHECK(page.body.find(row.why) != std::string::npos);
    const Response near = rig.asks({{"redirect_uri", "http://127.0.0.1:9/cb"}, {row.name, row.value}});
    CHECK(near.header("Location").starts_with("http://127.0.0.1:9/cb?error="));
  }
  const std::string no = rig.consents(rig.signed_in(kPassword, "alice", far), far, "deny").header("Location");
  CHECK(no.starts_with("https://app.example/cb?error=access_denied"));
}

TEST_CASE("consent says who, to whom, what for and what it can do; a no is a no") {
  const Rig rig;
  const std::string cookie = rig.signed_in();
  const Response page = rig.asks({{"resource", rig.url() + "/mcp/pay"}}, cookie);
  CHECK(page.status == 200);
  for (const char* text : {"Claude &lt;Code&gt;", "<strong>alice</strong>", "Payments &amp; more", "/mcp/pay",
                           "up__echo", "this computer"})
    CHECK_MESSAGE(page.body.find(text) != std::string::npos, text);
  CHECK(rig.asks({}, cookie).body.find("up__secret") == std::string::npos);
  // Browsers hold form-action against all redirects that follow, and nobody knows where those lead.
  CHECK(page.header("Content-Security-Policy").find("form-action") == std::string::npos);
  CHECK(rig.asks().header("Content-Security-Policy").find("form-action 'self'") != std::string::npos);
  const std::string no = rig.consents(cookie, {}, "deny").header("Location");
  CHECK(parameter(no, "error") == "access_denied");
  CHECK(parameter(no, "code").empty());
  CHECK(rig.noted("consent", {{"decision", "deny"}}));
  // N34 one consent is no other client's: each time the page comes again.
  CHECK(rig.consents(cookie).status == 303);
  const Response other = rig.asks({{"client_id", rig.enroll({kBack}, "Another")}}, cookie);
  CHECK(other.status == 200);
  CHECK(other.body.find("Let Another use tools") != std::string::npos);
  // What does not exist, and whom nothing is for.
  CHECK(rig.asks({{"resource", rig.url() + "/mcp/none"}}, cookie).status == 403);
  REQUIRE(rig.gateway.admin("user.save", {{"name", "bob"}, {"password", kPassword}}).has_value());
  CHECK(rig.asks({{"resource", rig.url() + "/mcp/pay"}}, rig.signed_in(kPassword, "bob")).status == 403);
  CHECK(rig.asks({}, rig.signed_in(kPassword, "bob")).body.find("No tool at the moment") !=
        std::string::npos);
}

TEST_CASE("a page is of the browser that asked for it: no cookie, another cookie or an old page do nothing") {
  Rig rig;
  const std::string mine = rig.signed_in(), hers = rig.signed_in();
  const std::string request = Rig::request_of(rig.asks({}, mine));
  const Fields yes = {{"request", request}, {"decision", "allow"}};
  CHECK(rig.post("/oauth/consent", yes).status == 400);
  CHECK(rig.post("/oauth/consent", yes, "Cookie: " + hers + "\r\n").status == 400);
  CHECK(rig.post("/oauth/consent", {{"request", request + "A"}, {"decision", "allow"}},
                 "Cookie: " + mine + "\r\n")
            .status == 400);
  // From a page elsewhere, although the browser sends the cookie along.
  CHECK(rig.post("/oauth/consent", yes, "Origin: https://evil.example\r\nCookie: " + mine + "\r\n").status ==
        403);
  CHECK(rig.get("/oauth/consent").status == 405);
  rig.clock.advance(16min);
  CHECK(rig.post("/oauth/consent", yes, "Cookie: " + mine + "\r\n").status == 400);
  // Another tab was first, or lunch was long: the page comes again.
  const Response again = rig.post(
      "/oauth/consent", {{"request", request}, {"decision", "allow"}, {"query", encoded(rig.wish())}},
      "Cookie: " + mine + "\r\n");
  CHECK(again.status == 303);
  CHECK(again.header("Location") == "/oauth/authorize?" + encoded(rig.wish()));
  // The sign-in itself lasts an hour.
  CHECK(rig.asks({}, mine).body.find("Let Claude") != std::string::npos);
  rig.clock.advance(1h);
  CHECK(rig.asks({}, mine).body.find("<h1>Sign in</h1>") != std::string::npos);
}
