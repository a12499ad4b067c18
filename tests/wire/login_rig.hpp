#pragma once
/// A gateway that people sign in at, a browser and a client that want to: what tests of logins share.

#include "fake_issuer.hpp"
#include "sallyport/core/bytes.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/identity/form.hpp"
#include "shifted_clock.hpp"

namespace sallyport::testing {

using namespace std::chrono_literals;
using identity::url_encoded;

inline constexpr const char* kPolicy = R"(---
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
inline constexpr const char* kPassword = "correct horse battery";
inline constexpr const char* kBack = "http://127.0.0.1:4711/callback";
inline const std::string kVerifier(64, 'v');

using Fields = std::vector<std::pair<std::string, std::string>>;

inline std::string encoded(const Fields& fields) {
  std::string out;
  for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + name + "=" + url_encoded(value);
  return out;
}

/// What stands between two texts.
inline std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  if (at == std::string::npos) return "";
  const auto begin = at + from.size();
  return text.substr(begin, text.find(to, begin) - begin);
}

inline std::string parameter(const std::string& url, const std::string& name) {
  const auto form = identity::Form::parse(url.substr(std::min(url.size(), url.find('?') + 1)));
  return form ? (*form)[name] : "";
}

struct LoginRig {
  explicit LoginRig(const cli::Settings& settings = {}, const char* name = "Claude <Code>",
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

}  // namespace sallyport::testing
