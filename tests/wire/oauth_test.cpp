// Signing in at the gateway itself, as browsers and clients do it.
#include "fake_issuer.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/identity/form.hpp"

using namespace sallyport;
using namespace sallyport::testing;
using namespace std::chrono_literals;
using identity::url_encoded;

namespace {

constexpr const char* kPolicy = R"(---
kind: Policy
name: people
subjects: ["user:alice"]
rules:
  - {effect: allow, tools: ["up/*"]}
  - {effect: deny, tools: ["up/secret"]}
---
kind: VirtualServer
name: pay
title: Payments & more
tools: [{from: up}]
---
kind: Policy
name: pay
subjects: ["user:bob"]
rules: [{effect: deny, virtual_servers: [pay]}]
)";
constexpr const char* kPassword = "correct horse battery";
constexpr const char* kBack = "http://127.0.0.1:4711/callback";
const std::string kVerifier(64, 'v');

class ShiftedClock final : public Clock {
 public:
  SystemTime now() const override { return Clock::now() + ahead(); }
  SteadyTime steady() const override { return Clock::steady() + ahead(); }
  void advance(std::chrono::seconds by) { seconds_ += by.count(); }

 private:
  std::chrono::seconds ahead() const { return std::chrono::seconds(seconds_.load()); }
  std::atomic<std::int64_t> seconds_ = 0;
};

using Fields = std::vector<std::pair<std::string, std::string>>;

std::string encoded(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + name + "=" + url_encoded(value);
  return out;
}

/// What stands between two texts.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) return "";
  const auto begin = at + from.size();
  return text.substr(begin, text.find(to, begin) - begin);
}

std::string parameter(const std::string& url, const std::string& name) {
  const auto form = identity::Form::parse(url.substr(std::min(url.size(), url.find('?') + 1)));
  return form ? (*form)[name] : "";
}

struct Rig {
  explicit Rig(const cli::Settings& settings = {}, const char* name = "Claude <Code>",
               const std::string& documents = "")
      : gateway(server_document("up", upstream.url()) + kPolicy + documents, settings, clock) {
    REQUIRE(gateway.admin("user.save", {{"name", "alice"}, {"password", kPassword}}).has_value());
    if (*name) client = enroll(Json::array({kBack}), name);
  }

  std::string url() const { return gateway.server->public_url(); }
  Response get(const std::string& path, const std::string& cookie = "") const {
    return gateway.raw(GatewayFixture::request(
        "GET", path, cookie.empty() ? "" : "Cookie: " + cookie + "\r\n", "", "localhost"));
  }
  Response post(const std::string& path, const Fields& fields, const std::string& headers = "") const {
    return gateway.raw(GatewayFixture::request(
        "POST", path, "Content-Type: application/x-www-form-urlencoded\r\n" + headers, encoded(fields)));
  }
  Response enrolled(const Json& metadata) const {
    return gateway.raw(GatewayFixture::request("POST", "/oauth/register",
                                               "Content-Type: application/json\r\n", metadata.dump()));
  }
  std::string enroll(const Json& redirects, const std::string& name = "Claude <Code>") const {
    const Response answer = enrolled({{"client_name", name}, {"redirect_uris", redirects}});
    REQUIRE(answer.status == 201);
    return answer.json()["client_id"];
  }
  Fields wish(const Fields& other = {}) const {
    Fields out = {{"response_type", "code"},         {"client_id", client},
                  {"redirect_uri", kBack},           {"code_challenge", base64url(view(sha256(kVerifier)))},
                  {"code_challenge_method", "S256"}, {"state", "st&te=1"},
                  {"resource", url() + "/mcp"}};
    for (const auto& [name, value] : other) {
      std::erase_if(out, [&](const auto& one) { return one.first == name; });
      out.emplace_back(name, value);
    }
    return out;
  }
  Response asks(const Fields& other = {}, const std::string& cookie = "") const {
    return get("/oauth/authorize?" + encoded(wish(other)), cookie);
  }
  static std::string cookie_of(const Response& answer) { return between(answer.head, "Set-Cookie: ", ";"); }
  static std::string request_of(const Response& page) {
    return between(page.body, "name=\"request\" value=\"", "\"");
  }

  /// A browser that has signed in: its cookie.
  std::string signed_in(const std::string& password = kPassword, const std::string& user = "alice",
                        const Fields& other = {}) const {
    const Response page = asks(other);
    const Response done =
        post("/oauth/sign-in", {{"request", request_of(page)}, {"user", user}, {"password", password}},
             "Cookie: " + cookie_of(page) + "\r\n");
    REQUIRE(done.status == 303);
    CHECK(done.header("Location") == "/oauth/authorize?" + encoded(wish(other)));
    return cookie_of(done);
  }
  Response consents(const std::string& cookie, const Fields& other = {},
                    const std::string& decision = "allow") const {
    const Response page = asks(other, cookie);
    REQUIRE(page.status == 200);
    return post("/oauth/consent", {{"request", request_of(page)}, {"decision", decision}},
                "Cookie: " + cookie + "\r\n");
  }
  std::string code(const Fields& other = {}) const {
    const std::string back = consents(signed_in(), other).header("Location");
    const std::string out = parameter(back, "code");
    REQUIRE(!out.empty());
    return out;
  }
  Response redeem(const std::string& text, const Fields& other = {}) const {
    Fields fields = {{"grant_type", "authorization_code"},
                     {"code", text},
                     {"client_id", client},
                     {"redirect_uri", kBack},
                     {"code_verifier", kVerifier}};
    for (const auto& [name, value] : other) {
      std::erase_if(fields, [&](const auto& one) { return one.first == name; });
      fields.emplace_back(name, value);
    }
    return post("/oauth/token", fields);
  }
  Response renew(const std::string& token, const std::string& by = "") const {
    return post(
        "/oauth/token",
        {{"grant_type", "refresh_token"}, {"refresh_token", token}, {"client_id", by.empty() ? client : by}});
  }
  Json tokens(const Fields& other = {}) const {
    const Response answer = redeem(code(other));
    REQUIRE(answer.status == 200);
    return answer.json();
  }
  /// Such a note of the journal, once it is written.
  bool noted(const std::string& name, const Json& members) const {
    for (int i = 0; i < 500; ++i) {
      for (const Json& record : gateway.journal()) {
        bool match = record.value("note", "") == name;
        for (const auto& [member, value] : members.items())
          match = match && record["with"].contains(member) && record["with"][member] == value;
        if (match) return true;
      }
      std::this_thread::sleep_for(10ms);
    }
    return false;
  }
  int opens(const std::string& token, const std::string& path = "/mcp") const {
    return gateway
        .raw(GatewayFixture::request("POST", path,
                                     "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
                                         GatewayFixture::modern_headers("tools/list"),
                                     GatewayFixture::modern_body("tools/list")))
        .status;
  }

  ShiftedClock clock;
  FakeMcp upstream;
  GatewayFixture gateway;
  std::string client;
};

}  // namespace

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

TEST_CASE("without users nobody is sent here: no metadata, no pages, no tokens") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const auto status = [&](const char* method, const char* path) {
    return gateway.raw(GatewayFixture::request(method, path, "", "")).status;
  };
  CHECK(status("GET", "/.well-known/oauth-authorization-server") == 404);
  CHECK(status("GET", "/oauth/authorize?client_id=x") == 404);
  CHECK(status("POST", "/oauth/token") == 404);
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
  // Behind a proxy all come from one address, and who fails there keeps nobody else out.
  const auto by_proxy = [&](const std::string& user, const std::string& password) {
    const Response page = rig.asks();
    return rig
        .post("/oauth/sign-in", {{"request", Rig::request_of(page)}, {"user", user}, {"password", password}},
              "X-Forwarded-For: 192.0.2.1\r\nCookie: " + Rig::cookie_of(page) + "\r\n")
        .status;
  };
  for (int i = 0; i < 60; ++i) by_proxy("nobody" + std::to_string(i), "wrong password");
  CHECK(by_proxy("alice", kPassword) == 303);
  CHECK(rig.gateway.recorded("refusal", {{"reason", "sign_in"}, {"principal", "user:alice"}}, 5));
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
  }
  SUBCASE("another password") {
    const std::string cookie = rig.signed_in();
    REQUIRE(
        rig.gateway.admin("user.save", {{"name", "alice"}, {"password", "another password"}}).has_value());
    CHECK(rig.asks({}, cookie).body.find("<h1>Sign in</h1>") != std::string::npos);
  }
  SUBCASE("the user") {
    REQUIRE(rig.gateway.admin("user.save", {{"name", "bob"}, {"password", kPassword}}).has_value());
    REQUIRE(rig.gateway.admin("user.remove", {{"name", "alice"}}).has_value());
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
  const std::string before = abroad.idp.jwk();
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
