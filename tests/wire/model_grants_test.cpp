// What requests to models bring along: hosts, keys and headers of their own, where a policy lets them.
#include "model_rig.hpp"

using namespace sallyport::testing;

namespace {

const char* const kGrant = R"(---
kind: Policy
name: grants
subjects: ["agent:bot"]
rules:
  - {effect: allow, brings: ["openai/*", "team-key/*", "anthropic/forward_headers"]}
)";

std::string config(const std::string& members) {
  return R"(x-portkey-config: {"provider":"@openai",)" + members + "}\r\n";
}

}  // namespace

TEST_CASE("requests bring no host, no key and no headers of their own") {
  ModelRig rig;
  for (const std::string header :
       {"x-portkey-custom-host: http://127.0.0.1:1/v1", "x-portkey-forward-headers: x-a",
        R"(x-portkey-config: {"provider":"@openai","custom_host":"http://127.0.0.1:1"})",
        R"(x-portkey-config: {"provider":"@openai","api_key":"sk-canary"})",
        R"(x-portkey-config: {"provider":"@openai","forward_headers":["x-a"]})",
        R"(x-portkey-config: {"provider":"@openai","openai_organization":"org-1"})"}) {
    CAPTURE(header);
    CHECK(rig.chat(kChat, header + "\r\n").status == 403);
  }
  CHECK(rig.openai.asked().empty());
  CHECK(rig.gateway.recorded("refusal", {{"target", "openai/gpt-5-mini"}, {"reason", "denied"}}, 5));
  CHECK(rig.gateway.journal_bytes().find("sk-canary") == std::string::npos);
}

TEST_CASE(
    "a host that a request may bring gets the call without our credential, or with the request's own key") {
  ModelRig rig(kGrant);
  FakeProvider theirs{
      [](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::chat("Theirs")); }};
  const std::string host = R"("custom_host":")" + theirs.url() + R"(/base")";
  CHECK(rig.chat(kChat, config(host)).body.find("Theirs") != std::string::npos);
  CHECK(rig.chat(kChat, config(host + R"(,"api_key":"sk-canary")")).status == 200);
  CHECK(rig.chat(kChat, "x-portkey-custom-host: " + theirs.url() + "/base\r\n").status == 200);
  REQUIRE(theirs.asked().size() == 3);
  CHECK(theirs.asked()[0].path == "/base/chat/completions");
  CHECK(theirs.asked()[0].header("Authorization").empty());
  CHECK(theirs.asked()[1].header("Authorization") == "Bearer sk-canary");
  CHECK(theirs.asked()[2].header("Authorization").empty());
  for (const auto& asked : theirs.asked()) {
    CHECK(asked.head.find("secret-of-openai") == std::string::npos);
    CHECK(asked.head.find(rig.gateway.key) == std::string::npos);
  }
  CHECK(rig.openai.asked().empty());
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}, 3));
  CHECK(rig.gateway.count(
            "intent",
            {{"brought", {{"config", {{"custom_host", theirs.url() + "/base"}, {"api_key", true}}}}}}) == 1);
  CHECK(rig.gateway.journal_bytes().find("sk-canary") == std::string::npos);
}

TEST_CASE("a key that a request may bring stands in for ours at the provider's own host") {
  ModelRig rig(kGrant);
  CHECK(rig.chat(kChat, config(R"("api_key":"sk-canary")")).status == 200);
  CHECK(rig.openai.asked().front().header("Authorization") == "Bearer sk-canary");
  CHECK(rig.openai.asked().front().head.find("secret-of-openai") == std::string::npos);
  const Response broken = rig.chat(kChat, config(R"("api_key":"sk\r\nx-evil: 1")"));
  CHECK(broken.status == 400);
  CHECK(rig.openai.asked().size() == 1);
}

TEST_CASE("headers that a request may forward reach a provider of another wire too, but never a credential") {
  ModelRig rig(kGrant);
  const std::string body =
      R"({"model":"anthropic/claude-sonnet-4-5","messages":[{"role":"user","content":"Hi"}]})";
  CHECK(rig.chat(body,
                 "x-portkey-forward-headers: X-Tenant, traceparent\r\nX-Tenant: blue\r\nX-Other: red\r\n"
                 "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n")
            .status == 200);
  const auto asked = rig.anthropic.asked().front();
  CHECK(asked.header("X-Tenant") == "blue");
  CHECK(asked.header("traceparent").starts_with("00-0af7651916cd43dd"));
  CHECK(asked.header("X-Other").empty());
  CHECK(asked.header("x-api-key") == "secret-of-anthropic");
  for (const std::string name :
       {"authorization", "x-api-key", "cookie", "host", "content-length", "transfer-encoding",
        "x-portkey-api-key", "x-sallyport-x", "openai-organization", "x-http-method-override",
        "x-auth-request-email", "x-goog-authenticated-user-email"}) {
    CAPTURE(name);
    CHECK(rig.chat(body, "x-portkey-forward-headers: x-tenant," + name + "\r\n").status == 400);
  }
  CHECK(rig.anthropic.asked().size() == 1);
}

TEST_CASE(
    "what may be brought is a matter of each field at each provider, and a denial holds behind a virtual "
    "key") {
  ModelRig rig("---\nkind: VirtualKey\nname: team-key\nprovider: openai\n" + std::string(kGrant) + R"(---
kind: Policy
name: denials
subjects: ["*"]
rules: [{effect: deny, brings: ["openai/custom_host"]}]
)");
  const auto at = [](const std::string& provider, const std::string& members) {
    return R"(x-portkey-config: {"provider":"@)" + provider + "\"," + members + "}\r\n";
  };
  const std::string host = R"("custom_host":"http://127.0.0.1:1/v1")", key = R"("api_key":"sk-canary")";
  CHECK(rig.chat(kChat, at("openai", host)).status == 403);
  CHECK(rig.chat(R"({"model":"gpt-5-mini","messages":[]})", at("team-key", host)).status == 403);
  CHECK(rig.chat(R"({"model":"gpt-5-mini","messages":[]})", at("team-key", key)).status == 200);
  CHECK(rig.chat(R"({"model":"claude-sonnet-4-5","messages":[]})", at("anthropic", key)).status == 403);
  // One target of a route without its grant, and nothing of the route is called.
  const auto before = rig.openai.asked().size();
  CHECK(
      rig.chat(
             kChat,
             R"(x-portkey-config: {"strategy":{"mode":"fallback"},"targets":[{"provider":"@openai"},)"
             R"({"provider":"@anthropic","api_key":"sk-canary","override_params":{"model":"claude-sonnet-4-5"}}]})"
             "\r\n")
          .status == 403);
  CHECK(rig.openai.asked().size() == before);
}

TEST_CASE("a host that a request brings is no way past the egress guard") {
  FakeProvider inner{[](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::chat()); }};
  ModelRig rig(std::string(R"(---
kind: Provider
name: guarded
api: openai
base_url: https://models.example.com/v1
)") + R"(---
kind: Policy
name: grants
subjects: ["agent:bot"]
rules: [{effect: allow, brings: [custom_host]}]
)");
  const std::string port = inner.url().substr(inner.url().rfind(':') + 1);
  struct Row {
    std::string host;
    int status;
  };
  const Row rows[] = {{inner.url(), 400},
                      {"https://127.0.0.1:" + port, 403},
                      {"https://localhost:" + port, 403},
                      {"https://0x7f000001:" + port, 400},
                      {"https://user:secret@models.example.com", 400},
                      {"https://169.254.169.254", 403},
                      {"https://models.example.com/v1?x=y", 400},
                      {"ftp://models.example.com", 400},
                      {"", 400},
                      {"nothing", 400}};
  for (const Row& row : rows) {
    CAPTURE(row.host);
    const Response answer =
        rig.chat(R"({"model":"gpt-5-mini","messages":[]})",
                 R"(x-portkey-config: {"provider":"@guarded","custom_host":")" + row.host + "\"}\r\n");
    CHECK(answer.status == row.status);
    CHECK(answer.body.find("secret") == std::string::npos);
  }
  CHECK(inner.asked().empty());
}

TEST_CASE("what a document says of its provider's host is not said to a host that a request brings") {
  FakeProvider theirs{[](const FakeProvider::Asked&) {
    return FakeProvider::json(R"({"error":{"message":"no such key"}})", 401);
  }};
  const ModelRig rig(kGrant, kModelPolicy, "headers: {x-of-ours: internal}\ncapture: full\n");
  const Response ours = rig.chat(kChat);
  CHECK(ours.status == 200);
  CHECK(rig.openai.asked().front().header("x-of-ours") == "internal");
  const Response answer =
      rig.chat(kChat, config(R"("api_key":"sk-canary","custom_host":")" + theirs.url() + "\""));
  CHECK(theirs.asked().front().head.find("x-of-ours") == std::string::npos);
  // It was the request's own key that was refused.
  CHECK(answer.status == 401);
  CHECK(answer.body.find("no such key") != std::string::npos);
}

TEST_CASE("no payload is kept of a call that brings a key, which its answer may repeat") {
  const ModelRig rig(kGrant, kModelPolicy, "capture: full\n");
  const std::string body =
      R"({"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"a-word-to-find"}]})";
  CHECK(rig.chat(body, config(R"("api_key":"sk-canary")")).status == 200);
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}));
  CHECK(rig.gateway.journal_bytes().find("a-word-to-find") == std::string::npos);
  CHECK(rig.chat(body).status == 200);
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}, 2));
}

TEST_CASE(
    "headers that name a host go with a provider in headers, and are not passed over where a config names "
    "it") {
  const ModelRig rig(kGrant);
  for (const std::string header :
       {"x-portkey-custom-host: http://127.0.0.1:1", "x-portkey-forward-headers: x-a"}) {
    CAPTURE(header);
    CHECK(rig.chat(kChat, header + "\r\n" + config(R"("request_timeout":1000)")).status == 400);
  }
  CHECK(rig.openai.asked().empty());
}

TEST_CASE("whether a provider exists does not show in what is said of what a request brings") {
  const ModelRig rig("", R"(---
kind: Policy
name: models
subjects: ["agent:bot"]
rules: [{effect: allow, models: ["openai/*"]}]
)");
  for (const std::string field :
       {R"("custom_host":"https://models.example.com")", R"("openai_organization":"org")"}) {
    CAPTURE(field);
    const Response hidden =
        rig.chat(kChat, R"(x-portkey-config: {"provider":"@anthropic",)" + field + "}\r\n");
    const Response missing = rig.chat(kChat, R"(x-portkey-config: {"provider":"@nobody",)" + field + "}\r\n");
    CHECK(hidden.status == missing.status);
    std::string swapped = missing.body;
    if (const auto at = swapped.find("nobody"); at != std::string::npos) swapped.replace(at, 6, "anthropic");
    CHECK(hidden.body == swapped);
  }
}
