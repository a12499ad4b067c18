#include "model_rig.hpp"

using namespace sallyport::testing;

TEST_CASE("a chat completion reaches its provider with the provider's key and nothing of ours") {
  ModelRig rig;
  const Response answer =
      rig.chat(kChat, "User-Agent: sdk/1\r\nx-portkey-metadata: {\"_user\":\"ann\"}\r\nCookie-Not: x\r\n");
  CHECK(answer.status == 200);
  CHECK(answer.body == FakeProvider::chat());
  REQUIRE(rig.openai.asked().size() == 1);
  const auto asked = rig.openai.asked().front();
  CHECK(asked.path == "/v1/chat/completions");
  CHECK(asked.header("Authorization") == "Bearer secret-of-openai");
  CHECK(asked.header("User-Agent") == "sdk/1");
  CHECK(asked.head.find("portkey") == std::string::npos);
  CHECK(asked.head.find(rig.gateway.key) == std::string::npos);
  CHECK(asked.text == R"({"model":"gpt-5-mini","messages":[{"role":"user","content":"Hi"}]})");
  CHECK(answer.header("x-portkey-provider") == "openai");
  CHECK(answer.header("x-portkey-retry-attempt-count") == "0");
  CHECK(answer.header("x-portkey-last-used-option-index") == "config");
  CHECK(answer.header("x-portkey-trace-id").size() == 32);

  CHECK(rig.gateway.recorded("intent", {{"principal", "agent:bot"},
                                        {"era", "openai-chat"},
                                        {"method", "chat/completions"},
                                        {"target", "openai/gpt-5-mini"},
                                        {"rule", "dev-models#1"},
                                        {"trace", answer.header("x-portkey-trace-id")},
                                        {"metadata", {{"_user", "ann"}}}}));
  const Json outcome = rig.outcome();
  CHECK(outcome["status"] == "ok");
  CHECK(outcome["model"]["provider"] == "openai");
  CHECK(outcome["model"]["tokens"] == Json{{"input", 6}, {"cache_read", 4}, {"output", 5}});
  CHECK(outcome["model"].contains("cost_usd"));
  CHECK(rig.gateway.journal_bytes().find("secret-of-openai") == std::string::npos);
}

TEST_CASE(
    "a key is taken wherever the client's vendor puts it, and a provider's own beside it goes nowhere") {
  ModelRig rig;
  const std::string& key = rig.gateway.key;
  struct Way {
    std::string headers;
    int status;
  };
  const Way ways[] = {
      {"Authorization: Bearer " + key + "\r\n", 200},
      {"x-api-key: " + key + "\r\n", 200},
      {"api-key: " + key + "\r\n", 200},
      {"x-portkey-api-key: " + key + "\r\n", 200},
      {"x-portkey-api-key: " + key + "\r\nAuthorization: Bearer sk-of-openai\r\n", 200},
      {"x-api-key: " + key + "\r\nAuthorization: Bearer " + key + "\r\n", 200},
      {"x-api-key: " + key + "\r\nAuthorization: Bearer " + rig.gateway.other_key + "\r\n", 400},
      {"x-api-key: " + key + "\r\nx-api-key: " + key + "\r\n", 400},
      {"x-api-key: sk-of-openai\r\n", 401},
      {"", 401}};
  for (const Way& way : ways) {
    CAPTURE(way.headers);
    const Response answer = rig.gateway.raw(GatewayFixture::request(
        "POST", "/v1/chat/completions", way.headers + "Content-Type: application/json\r\n", kChat));
    CHECK(answer.status == way.status);
    if (way.status != 200) CHECK(answer.json()["error"].contains("message"));
  }
  for (const auto& asked : rig.openai.asked()) {
    CHECK(asked.header("Authorization") == "Bearer secret-of-openai");
    CHECK(asked.head.find("sk-of-openai") == std::string::npos);
  }
}

TEST_CASE("models are found by provider, by alias and by who has them") {
  ModelRig rig;
  struct Name {
    std::string asked;
    std::string headers;
    std::string model;  // at the provider; empty: 404
  };
  const Name names[] = {{"openai/gpt-5-mini", "", "gpt-5-mini"},
                        {"@openai/gpt-5-mini", "", "gpt-5-mini"},
                        {"openai/fast", "", "gpt-5-mini"},
                        {"fast", "", "gpt-5-mini"},
                        {"gpt-5-mini", "", "gpt-5-mini"},
                        {"anything", "x-portkey-provider: @openai\r\n", "anything"},
                        {"org/anything", "x-portkey-provider: openai\r\n", "org/anything"},
                        {"@nobody/gpt-5-mini", "", ""},
                        {"gpt-5-mini", "x-portkey-provider: nobody\r\n", ""},
                        {"openai/", "", ""},
                        {"openai/secret-model", "", ""}};
  for (const Name& name : names) {
    CAPTURE(name.asked);
    const auto before = rig.openai.asked().size();
    const Response answer = rig.chat(
        Json{{"model", name.asked}, {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}}
            .dump(),
        name.headers);
    if (name.model.empty()) {
      CHECK(answer.status == 404);
      CHECK(answer.json()["error"]["code"] == "model_not_found");
      CHECK(answer.header("x-should-retry") == "false");
      CHECK(rig.openai.asked().size() == before);
      continue;
    }
    CHECK(answer.status == 200);
    REQUIRE(rig.openai.asked().size() == before + 1);
    CHECK(rig.openai.asked().back().body["model"] == name.model);
  }
}

TEST_CASE("what a policy denies answers as what does not exist, and a condition reads the parameters") {
  ModelRig rig("", R"(---
kind: Policy
name: models
subjects: ["agent:bot"]
rules:
  - {effect: allow, models: ["openai/gpt-5*"], when: 'args.max_completion_tokens <= 100 && model.provider == "openai"'}
)");
  const Json body{{"model", "openai/gpt-5-mini"},
                  {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}};
  Json small = body, large = body, other = body;
  small["max_completion_tokens"] = 50;
  large["max_completion_tokens"] = 500;
  other["model"] = "openai/gpt-4";
  CHECK(rig.chat(small.dump()).status == 200);
  CHECK(rig.chat(large.dump()).status == 403);
  CHECK(rig.chat(other.dump()).status == 404);
  CHECK(rig.post("/v1/messages", kMessages).status == 404);
  CHECK(rig.post("/v1/messages", kMessages).json()["type"] == "error");
  CHECK(rig.openai.asked().size() == 1);
  CHECK(rig.gateway.recorded("refusal", {{"reason", "denied"}, {"target", "openai/gpt-5-mini"}}));
}

TEST_CASE("a stream passes byte by byte, without the usage that only we asked for") {
  ModelRig rig;
  rig.openai.on_call([](const FakeProvider::Asked&) {
    return FakeProvider::stream(FakeProvider::chat_frames() + FakeProvider::chat_usage_frame() +
                                "data: [DONE]\n\n");
  });
  const Response answer = rig.chat(kChatStream);
  CHECK(answer.status == 200);
  CHECK(answer.header("Content-Type") == "text/event-stream");
  CHECK(answer.header("x-portkey-provider") == "openai");
  CHECK(answer.body == FakeProvider::chat_frames() + "data: [DONE]\n\n");
  CHECK(rig.openai.asked().front().body["stream_options"]["include_usage"] == true);
  const Json outcome = rig.outcome();
  CHECK(outcome["status"] == "ok");
  CHECK(outcome["model"]["stream"] == true);
  CHECK(outcome["model"]["tokens"]["output"] == 5);

  const Response asks = rig.chat(
      R"({"model":"openai/gpt-5-mini","stream":true,"stream_options":{"include_usage":true},"messages":[]})");
  CHECK(asks.body.find("prompt_tokens") != std::string::npos);
}

TEST_CASE("an answer of another wire is read in the client's own") {
  ModelRig rig;
  const Response answer = rig.chat(
      R"({"model":"anthropic/claude-sonnet-4-5","seed":7,"messages":[{"role":"user","content":"Hi"}]})");
  CHECK(answer.status == 200);
  CHECK(answer.json()["choices"][0]["message"]["content"] == "Hello");
  CHECK(answer.json()["object"] == "chat.completion");
  CHECK(answer.header("x-sallyport-dropped-params") == "seed");
  const auto asked = rig.anthropic.asked().front();
  CHECK(asked.path == "/v1/messages");
  CHECK(asked.header("x-api-key") == "secret-of-anthropic");
  CHECK(!asked.header("anthropic-version").empty());
  CHECK(asked.header("Authorization").empty());
  CHECK(asked.body["max_tokens"].get<int>() > 0);

  rig.openai.on_call([](const FakeProvider::Asked&) {
    return FakeProvider::stream(FakeProvider::chat_frames() + FakeProvider::chat_usage_frame() +
                                "data: [DONE]\n\n");
  });
  const Response streamed = rig.post(
      "/v1/messages",
      R"({"model":"openai/gpt-5-mini","max_tokens":50,"stream":true,"messages":[{"role":"user","content":"Hi"}]})");
  CHECK(streamed.status == 200);
  CHECK(streamed.body.find("event: message_start") == 0);
  CHECK(streamed.body.find("\"text\":\"Hel\"") != std::string::npos);
  CHECK(streamed.body.find("event: message_stop") != std::string::npos);
}

TEST_CASE("a provider's error reaches a client of its wire as it was, and others in theirs") {
  ModelRig rig;
  const std::string words =
      R"({"error":{"message":"You sent too much","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}})";
  rig.openai.on_call(
      [&](const FakeProvider::Asked&) { return FakeProvider::json(words, 400, "x-request-id: r1\r\n"); });
  const Response same = rig.chat();
  CHECK(same.status == 400);
  CHECK(same.body == words);
  CHECK(same.header("x-request-id") == "r1");
  const Response other = rig.post(
      "/v1/messages",
      R"({"model":"openai/gpt-5-mini","max_tokens":50,"messages":[{"role":"user","content":"Hi"}]})");
  CHECK(other.status == 400);
  CHECK(other.json()["type"] == "error");
  CHECK(other.json()["error"]["type"] == "invalid_request_error");
  CHECK(other.json()["error"]["message"].get<std::string>().find("You sent too much") != std::string::npos);
  CHECK(rig.gateway.recorded("outcome", {{"status", "error"}}, 2));
}

TEST_CASE("a response that runs in the background is begun once and answered as it stands") {
  ModelRig rig;
  for (const std::string status : {"queued", "in_progress"}) {
    CAPTURE(status);
    const auto before = rig.openai.asked().size();
    const std::string words = R"({"id":"resp_1","object":"response","background":true,"status":")" + status +
                              R"(", "output":[],"usage":null})";
    rig.openai.on_call([words](const FakeProvider::Asked&) { return FakeProvider::json(words); });
    const Response answer = rig.post(
        "/v1/responses", R"({"model":"openai/gpt-5-mini","background":true,"input":"Hi"})",
        R"(x-portkey-config: {"strategy":{"mode":"fallback"},"retry":{"attempts":2},"targets":[{"provider":"@openai"},{"provider":"@openai"}]})"
        "\r\n");
    CHECK(answer.status == 200);
    CHECK(answer.body == words);
    CHECK(rig.openai.asked().size() == before + 1);
    CHECK(rig.openai.asked().back().body["background"] == true);
  }
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}, 2));
  for (const Json& record : rig.gateway.journal())
    if (record["type"] == "outcome") CHECK_FALSE(record["model"].contains("tokens"));

  // What the client of another wire could do with it nobody knows.
  CHECK(rig.chat(R"({"model":"openai/gpt-5-mini","input":"Hi"})").status == 502);
}

TEST_CASE("a virtual key uses its own credential for its own models until it ends") {
  ModelRig rig(R"(---
kind: Credential
name: team-credential
value: secret-of-the-team
---
kind: VirtualKey
name: team-key
provider: openai
credential: team-credential
models: ["gpt-5*"]
---
kind: VirtualKey
name: old-key
provider: openai
expires: 2020-01-01
)");
  const auto body = [](const std::string& model) {
    return Json{{"model", model}, {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}}.dump();
  };
  CHECK(rig.chat(body("gpt-5-mini"), "x-portkey-virtual-key: team-key\r\n").status == 200);
  CHECK(rig.chat(body("@team-key/gpt-5-mini")).status == 200);
  for (const auto& asked : rig.openai.asked())
    CHECK(asked.header("Authorization") == "Bearer secret-of-the-team");
  CHECK(rig.chat(body("gpt-4"), "x-portkey-virtual-key: team-key\r\n").status == 404);
  CHECK(rig.chat(body("gpt-5-mini"), "x-portkey-virtual-key: old-key\r\n").status == 404);
  CHECK(rig.chat(body("gpt-5-mini"), "x-portkey-virtual-key: openai\r\n").status == 404);
  CHECK(rig.openai.asked().size() == 2);
  CHECK(rig.gateway.recorded("intent", {{"target", "team-key/gpt-5-mini"}}, 2));
  REQUIRE(
      rig.gateway.apply("kind: VirtualKey\nname: team-key\nprovider: openai\ndisabled: true\n").has_value());
  CHECK(rig.chat(body("@team-key/gpt-5-mini")).status == 404);
}

TEST_CASE("a stored route holds for the very next request after it has changed") {
  ModelRig rig(R"(---
kind: Route
name: main
config: {strategy: {mode: single}, targets: [{provider: "@openai"}]}
)");
  const std::string body = R"({"model":"gpt-5-mini","messages":[{"role":"user","content":"Hi"}]})";
  CHECK(rig.chat(body, "x-portkey-config: main\r\n").header("x-portkey-provider") == "openai");
  REQUIRE(rig.gateway
              .apply("kind: Route\nname: main\nconfig: {provider: \"@anthropic\", override_params: {model: "
                     "claude-sonnet-4-5}}\n")
              .has_value());
  CHECK(rig.chat(body, "x-portkey-config: main\r\n").header("x-portkey-provider") == "anthropic");
  CHECK(rig.chat(body, "x-portkey-config: none\r\n").status == 404);
  const auto broken = rig.gateway.apply("kind: Route\nname: other\nconfig: {provider: \"@nobody\"}\n");
  REQUIRE(!broken.has_value());
  CHECK(broken.error().find("neither a Provider nor a VirtualKey") != std::string::npos);
}

TEST_CASE("every target of a route has to be allowed before one is called") {
  ModelRig rig("", R"(---
kind: Policy
name: models
subjects: ["agent:bot"]
rules:
  - {effect: allow, models: ["openai/*"]}
)");
  CHECK(rig.chat(kChat, fallback()).status == 404);
  CHECK(rig.openai.asked().empty());
}

TEST_CASE("the list of models shows what its reader may use, and feedback is kept with its trace") {
  ModelRig rig("", kModelPolicy, "aliases: {fast: gpt-5-mini, hidden: secret-1}\n");
  const Response list =
      rig.gateway.raw(GatewayFixture::request("GET", "/v1/models", rig.gateway.bearer(), ""));
  CHECK(list.status == 200);
  CHECK(list.json()["object"] == "list");
  CHECK(list.body.find("\"openai/fast\"") != std::string::npos);
  CHECK(list.body.find("hidden") == std::string::npos);
  CHECK(rig.gateway.raw(GatewayFixture::request("GET", "/v1/models", "", "")).status == 401);

  const Response kept = rig.post("/v1/feedback", R"({"trace_id":"t-1","value":5,"weight":0.5})");
  CHECK(kept.status == 200);
  CHECK(kept.json()["status"] == "success");
  CHECK(rig.gateway.recorded("note", {{"note", "feedback"}}));
  CHECK(rig.post("/v1/feedback", R"({"trace_id":"t-1","value":50})").status == 400);
}

TEST_CASE("a tool call and the model call that caused it are found under one trace") {
  FakeMcp upstream;
  FakeProvider openai{[](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::chat()); }};
  GatewayFixture gateway(server_document("up", upstream.url()) +
                         provider_document("openai", "openai", openai.url()) + kDefaultPolicy + R"(---
kind: Policy
name: dev-models
subjects: ["team:dev"]
rules:
  - {effect: allow, models: ["*"]}
)");
  const std::string trace = "4bf92f3577b34da6a3ce929d0e0e4736";
  const std::string parent = "traceparent: 00-" + trace + "-00f067aa0ba902b7-01\r\n";
  CHECK(gateway
            .raw(GatewayFixture::request("POST", "/v1/chat/completions",
                                         gateway.bearer() + "Content-Type: application/json\r\n" + parent,
                                         kChat))
            .header("x-portkey-trace-id") == trace);
  const Json params = {{"name", "up__echo"}, {"arguments", {{"text", "hi"}}}};
  CHECK(gateway
            .post(GatewayFixture::modern_body("tools/call", params),
                  GatewayFixture::modern_headers("tools/call", "up__echo") + parent)
            .status == 200);
  CHECK(gateway
            .post(GatewayFixture::modern_body("tools/call", params, 1,
                                              {{"traceparent", "00-" + trace + "-00f067aa0ba902b7-01"}}),
                  GatewayFixture::modern_headers("tools/call", "up__echo"))
            .status == 200);
  CHECK(gateway.recorded("intent", {{"trace", trace}}, 3));
}

TEST_CASE("what is kept of a model call is up to its provider and to its client") {
  ModelRig rig("", kModelPolicy, "capture: full\n");
  const std::string body =
      R"({"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"a-word-to-find"}]})";
  CHECK(rig.chat(body, "x-portkey-debug: false\r\n").status == 200);
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}));
  CHECK(rig.gateway.journal_bytes().find("a-word-to-find") == std::string::npos);
  CHECK(rig.chat(body).status == 200);
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}, 2));
  CHECK(rig.gateway.journal_bytes().find("a-word-to-find") != std::string::npos);
}

TEST_CASE("a body of the Responses form at the path of chat is answered as chat") {
  ModelRig rig;
  const Response answer = rig.chat(R"({"model":"anthropic/claude-sonnet-4-5","input":"Hi"})");
  CHECK(answer.status == 200);
  CHECK(answer.json()["object"] == "chat.completion");
  CHECK(rig.anthropic.asked().size() == 1);
}

TEST_CASE("embeddings and token counts go to providers that have them, and others say that they have none") {
  ModelRig rig;
  rig.openai.on_call([](const FakeProvider::Asked& asked) {
    CHECK(asked.path == "/v1/embeddings");
    return FakeProvider::json(
        R"({"object":"list","data":[],"model":"m","usage":{"prompt_tokens":3,"total_tokens":3}})");
  });
  rig.anthropic.on_call([](const FakeProvider::Asked& asked) {
    CHECK(asked.path == "/v1/messages/count_tokens");
    return FakeProvider::json(R"({"input_tokens":7})");
  });
  CHECK(rig.post("/v1/embeddings", R"({"model":"openai/text-embedding-3-small","input":"x"})")
            .json()["object"] == "list");
  CHECK(rig.post("/v1/embeddings", R"({"model":"anthropic/claude-sonnet-4-5","input":"x"})").status == 501);
  const std::string count =
      R"({"model":"anthropic/claude-sonnet-4-5","messages":[{"role":"user","content":"Hi"}]})";
  CHECK(rig.post("/v1/messages/count_tokens", count).json()["input_tokens"] == 7);
  CHECK(rig.post("/v1/messages/count_tokens",
                 R"({"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"Hi"}]})")
            .status == 501);
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}, 2));
}

TEST_CASE("a misspelt provider's prompt goes to nobody, and what is denied is answered in the same words") {
  ModelRig rig;
  const auto ask = [&](const std::string& model) {
    return rig.chat(
        Json{{"model", model}, {"messages", Json::array({{{"role", "user"}, {"content", "Hi"}}})}}.dump());
  };
  const Response unknown = ask("opena1/gpt-5-mini"), denied = ask("openai/secret-1");
  CHECK(unknown.status == 404);
  CHECK(denied.status == 404);
  const auto words = [](const Response& answer, const std::string& name) {
    std::string text = answer.json()["error"]["message"];
    const auto at = text.find(name);
    REQUIRE(at != std::string::npos);
    return text.replace(at, name.size(), "NAME");
  };
  CHECK(words(unknown, "opena1/gpt-5-mini") == words(denied, "openai/secret-1"));
  CHECK(rig.openai.asked().empty());
}

TEST_CASE("paths around the model API are answered and crash nothing") {
  ModelRig rig;
  for (const std::string path : {"/v1", "/v1/", "/v1/nothing", "/v1/models/x"}) {
    CAPTURE(path);
    CHECK(rig.gateway.raw(GatewayFixture::request("GET", path, rig.gateway.bearer(), "")).status == 404);
    CHECK(rig.gateway.raw(GatewayFixture::request("GET", path, "", "")).status == 401);
  }
  CHECK(rig.chat().status == 200);
}

TEST_CASE("rules read the parameters that go to the provider, whatever a config makes of them") {
  ModelRig rig("", R"(---
kind: Policy
name: models
subjects: ["agent:bot"]
rules:
  - {effect: allow, models: ["*"]}
  - {effect: deny, models: ["*"], when: 'has(args.max_tokens) && args.max_tokens > 100'}
)");
  const std::string small = R"({"model":"openai/gpt-5-mini","max_tokens":10,"messages":[]})";
  CHECK(rig.chat(small).status == 200);
  for (const std::string config :
       {R"({"provider":"@openai","override_params":{"max_tokens":1000}})",
        R"({"provider":"@openai","drop_params":["max_tokens"],"override_params":{"max_tokens":1000}})"}) {
    CAPTURE(config);
    const int status = rig.chat(small, "x-portkey-config: " + config + "\r\n").status;
    CHECK((status == 403 || rig.openai.asked().back().body.value("max_tokens", 0) <= 100));
  }
  CHECK(rig.chat(small,
                 "x-portkey-config: {\"provider\":\"@openai\",\"override_params\":{\"max_tokens\":1000}}\r\n")
            .status == 403);
  CHECK(
      rig.chat(small, "x-portkey-config: {\"provider\":\"@openai\",\"default_params\":{\"stream\":true}}\r\n")
          .status == 400);
}

TEST_CASE("a denial with a condition holds behind a virtual key and an alias") {
  ModelRig rig("---\nkind: VirtualKey\nname: vk\nprovider: openai\n", R"(---
kind: Policy
name: models
subjects: ["agent:bot"]
rules:
  - {effect: allow, models: ["vk/*"]}
  - {effect: deny, models: ["openai/gpt-5-mini"], when: 'args.max_tokens > 100'}
)");
  CHECK(rig.chat(R"({"model":"@vk/gpt-5-mini","max_tokens":10,"messages":[]})").status == 200);
  CHECK(rig.chat(R"({"model":"@vk/gpt-5-mini","max_tokens":1000,"messages":[]})").status == 403);
  CHECK(rig.chat(R"({"model":"@vk/fast","max_tokens":1000,"messages":[]})").status == 403);
}

TEST_CASE(
    "what a client brings for the provider, and what a provider sends for its own ends, travels no further") {
  ModelRig rig;
  rig.openai.on_call([](const FakeProvider::Asked&) {
    return FakeProvider::json("{}", 307, "Location: http://127.0.0.1:1/evil\r\n");
  });
  const Response redirected =
      rig.chat(kChat, "OpenAI-Organization: org-x\r\nX-Original-URL: /admin\r\nIf-Match: x\r\n");
  CHECK(redirected.status == 502);
  CHECK(redirected.header("Location").empty());
  const auto asked = rig.openai.asked().back();
  for (const std::string name : {"OpenAI-Organization", "X-Original-URL", "If-Match"})
    CHECK(asked.header(name).empty());

  rig.openai.on_call([](const FakeProvider::Asked&) {
    return FakeProvider::json(R"({"error":{"message":"Incorrect API key provided: secret-of-openai"}})", 401,
                              "WWW-Authenticate: Bearer\r\n");
  });
  const Response refused = rig.chat();
  CHECK(refused.status == 502);
  CHECK(refused.body.find("secret-of-openai") == std::string::npos);
  CHECK(refused.header("WWW-Authenticate").empty());
}

TEST_CASE("a model's name is bounded, and a stream's last event may lack its blank line") {
  ModelRig rig;
  const Response longest =
      rig.chat(Json{{"model", std::string(1'000'000, 'x')}, {"messages", Json::array()}}.dump());
  CHECK(longest.status == 400);
  CHECK(longest.body.size() < 1000);
  rig.openai.on_call([](const FakeProvider::Asked&) {
    return FakeProvider::stream(FakeProvider::chat_frames() + FakeProvider::chat_usage_frame() +
                                "data: [DONE]\n");
  });
  const Response answer = rig.chat(kChatStream);
  CHECK(answer.body.find("data: [DONE]") != std::string::npos);
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}));
}

TEST_CASE("the least of what the targets of a route allow is kept of a call") {
  ModelRig rig(R"(---
kind: Provider
name: quiet
api: anthropic
base_url: "http://127.0.0.1:1"
allow_private: true
capture: none
)",
               kModelPolicy, "capture: full\n");
  const std::string body =
      R"({"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"a-word-to-find"}]})";
  CHECK(rig.chat(body,
                 "x-portkey-config: "
                 "{\"strategy\":{\"mode\":\"fallback\"},\"targets\":[{\"provider\":\"@openai\"},{"
                 "\"provider\":\"@quiet\",\"override_params\":{\"model\":\"m\"}}]}\r\n")
            .status == 200);
  CHECK(rig.gateway.recorded("outcome", {{"status", "ok"}}));
  CHECK(rig.gateway.journal_bytes().find("a-word-to-find") == std::string::npos);
}
