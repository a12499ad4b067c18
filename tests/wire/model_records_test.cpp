// What the record and the client are told of model calls that were not made.
#include "model_rig.hpp"

using namespace sallyport::testing;

TEST_CASE("a refused call stands in its trace, with its metadata and the status that its client read") {
  const ModelRig rig("", R"(---
kind: Policy
name: models
subjects: ["agent:bot"]
rules: [{effect: allow, models: ["openai/*"], when: 'args.max_tokens <= 100'}]
)");
  struct Row {
    const char* trace;
    std::string headers, model;
    int status;
  };
  const Row rows[] = {
      {"t-condition", "", "openai/gpt-5-mini", 403},
      {"t-denied", "", "anthropic/claude-sonnet-4-5", 404},
      {"t-route", "x-portkey-config: no-such-route\r\n", "openai/gpt-5-mini", 404},
      {"t-brought", "x-portkey-custom-host: https://models.example.com\r\n", "openai/gpt-5-mini", 403},
  };
  for (const Row& row : rows) {
    CAPTURE(row.trace);
    const Response answer = rig.chat(
        R"({"model":")" + row.model + R"(","max_tokens":500,"messages":[]})",
        row.headers + "x-portkey-trace-id: " + row.trace + "\r\nx-portkey-metadata: {\"team\":\"blue\"}\r\n");
    CHECK(answer.status == row.status);
    CHECK(rig.gateway.recorded(
        "refusal", {{"trace", row.trace}, {"status", row.status}, {"metadata", {{"team", "blue"}}}}));
  }
  CHECK(rig.openai.asked().empty());
}

TEST_CASE("a refused tool call stands in the trace of its client, and no stranger's words stand anywhere") {
  FakeMcp upstream;
  const GatewayFixture gateway(server_document("up", upstream.url()) + kDefaultPolicy);
  const std::string trace = "x-portkey-trace-id: t-1\r\n";
  CHECK(gateway
            .post(GatewayFixture::modern_body("tools/call",
                                              {{"name", "up__secret"}, {"arguments", Json::object()}}),
                  GatewayFixture::modern_headers("tools/call", "up__secret") + trace)
            .json()
            .contains("error"));
  CHECK(gateway.recorded("refusal", {{"trace", "t-1"}, {"principal", "agent:bot"}}));
  CHECK(gateway
            .raw(GatewayFixture::request("POST", "/v1/chat/completions", "x-portkey-trace-id: t-2\r\n", "{}"))
            .status == 401);
  CHECK(gateway.recorded("refusal", {{"status", 401}}));
  CHECK(gateway.journal_bytes().find("t-2") == std::string::npos);
}

TEST_CASE("what does not exist is named as it was asked for, and as what is denied") {
  const ModelRig rig;
  const auto words = [&](const std::string& provider, const std::string& model) {
    const Response answer =
        rig.chat(R"({"model":")" + model + R"(","messages":[]})", "x-portkey-provider: " + provider + "\r\n");
    CHECK(answer.status == 404);
    return answer.json()["error"]["message"].get<std::string>();
  };
  CHECK(words("opnai", "gpt-5").starts_with("The model 'opnai/gpt-5' does not exist"));
  CHECK(words("@openai", "my-secret-1").starts_with("The model 'openai/my-secret-1' does not exist"));
  CHECK(words("openai", "openai/my-secret-1").starts_with("The model 'openai/my-secret-1' does not exist"));
}

TEST_CASE(
    "a provider whose credential cannot be had says so to its operator, and where to look to its client") {
  const ModelRig rig(R"(---
kind: Credential
name: missing
env: SALLYPORT_TEST_NO_SUCH_VARIABLE
---
kind: Provider
name: keyless
api: openai
credential: missing
)");
  const Response answer = rig.chat(R"({"model":"keyless/gpt-5-mini","messages":[]})");
  CHECK(answer.status == 503);
  CHECK(answer.json()["error"]["message"].get<std::string>().starts_with(
      "The gateway cannot call this provider as it is configured. Its log says why"));
  CHECK(answer.body.find("SALLYPORT_TEST_NO_SUCH_VARIABLE") == std::string::npos);
}

TEST_CASE("a rule that grants what no request can bring is refused when it is applied") {
  const ModelRig rig;
  const auto applied = [&](const std::string& pattern) {
    return rig.gateway.apply("kind: Policy\nname: p\nsubjects: [\"*\"]\nrules: [{effect: allow, brings: [\"" +
                             pattern + "\"]}]\n");
  };
  for (const std::string good : {"openai/api_key", "custom_host", "*/forward_headers", "openai/*", "*"}) {
    CAPTURE(good);
    CHECK(applied(good).has_value());
  }
  for (const std::string bad : {"openai/apikey", "openai", "openai/api_key/x"}) {
    CAPTURE(bad);
    const auto answer = applied(bad);
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().find("private_host, api_key, forward_headers") != std::string::npos);
  }
}
