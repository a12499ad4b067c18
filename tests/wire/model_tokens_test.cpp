// Tokens for model calls: their endpoint is a resource like any other.
#include "fake_provider.hpp"
#include "login_rig.hpp"

using namespace sallyport;
using namespace sallyport::testing;

namespace {

struct Models {
  FakeProvider provider{[](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::chat()); }};
  LoginRig rig{
      {},
      "SDK",
      provider_document("openai", "openai", provider.url(), "models: [gpt-5-mini, gpt-4o]\n") + R"(---
kind: Policy
name: models
subjects: ["user:alice", "agent:bot"]
rules: [{effect: allow, models: ["openai/gpt-5-mini"]}]
)"};

  std::string resource() const { return rig.url() + "/v1"; }
  Response chat(const std::string& token) const {
    return rig.gateway.raw(GatewayFixture::request(
        "POST", "/v1/chat/completions",
        "Authorization: Bearer " + token + "\r\nContent-Type: application/json\r\n",
        R"({"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"Hi"}]})"));
  }
  int lists_tools(const std::string& token) const {
    return rig.gateway
        .raw(GatewayFixture::request("POST", "/mcp",
                                     "Authorization: Bearer " + token + "\r\n" + GatewayFixture::media() +
                                         GatewayFixture::modern_headers("tools/list"),
                                     GatewayFixture::modern_body("tools/list")))
        .status;
  }
};

}  // namespace

TEST_CASE("a person lets an application call models, and nothing else") {
  const Models models;
  const LoginRig& rig = models.rig;
  const Response nobody = models.chat("none");
  CHECK(nobody.status == 401);
  const std::string metadata = between(nobody.header("WWW-Authenticate"), "resource_metadata=\"", "\"");
  CHECK(metadata == rig.url() + "/.well-known/oauth-protected-resource/v1");
  CHECK(rig.get("/.well-known/oauth-protected-resource/v1").json()["resource"] == models.resource());

  const Fields wish = {{"resource", models.resource()}};
  const Response page = rig.asks(wish, rig.signed_in(kPassword, "alice", wish));
  CHECK(page.body.find("use models in your name?") != std::string::npos);
  CHECK(page.body.find("It can call 1 model,") != std::string::npos);
  const Response answer = rig.redeem(rig.code(wish), {{"resource", models.resource()}});
  REQUIRE(answer.status == 200);
  const std::string token = answer.json()["access_token"];
  CHECK(models.chat(token).status == 200);
  CHECK(rig.gateway.recorded("intent", {{"principal", "user:alice"}, {"target", "openai/gpt-5-mini"}}));
  CHECK(models.lists_tools(token) == 401);
  const std::string tools = rig.redeem(rig.code()).json()["access_token"];
  CHECK(models.lists_tools(tools) == 200);
  CHECK(models.chat(tools).status == 401);
}

TEST_CASE("an agent gets a token for models by its key, as the client credentials grant has it") {
  const Models models;
  const LoginRig& rig = models.rig;
  const std::string& key = rig.gateway.key;
  const Response answer = rig.post("/oauth/token", {{"grant_type", "client_credentials"},
                                                    {"client_id", "bot"},
                                                    {"client_secret", key},
                                                    {"resource", models.resource()}});
  REQUIRE(answer.status == 200);
  const std::string token = answer.json()["access_token"];
  CHECK(models.chat(token).status == 200);
  CHECK(models.lists_tools(token) == 401);
}

TEST_CASE("where no provider is configured, nobody is asked about models") {
  const LoginRig rig;
  const Fields wish = {{"resource", rig.url() + "/v1"}};
  const Response page = rig.asks(wish, rig.signed_in(kPassword, "alice", wish));
  CHECK(page.body.find("in your name?") == std::string::npos);
}
