// What a translated call asks of a model follows from what is known of it.
#include "model_rig.hpp"

using namespace sallyport::testing;

namespace {

/// The body that reaches Anthropic for a chat completion of this model.
Json asked_of(const std::string& model, const std::string& more, std::string* dropped = nullptr) {
  ModelRig rig;
  const Response answer = rig.chat(R"({"model":"anthropic/)" + model + R"(","max_completion_tokens":4000,)" +
                                   more + R"("messages":[{"role":"user","content":"Hi"}]})");
  CHECK(answer.status == 200);
  if (dropped) *dropped = answer.header("x-sallyport-dropped-params");
  REQUIRE(rig.anthropic.asked().size() == 1);
  return rig.anthropic.asked().front().body;
}

}  // namespace

TEST_CASE("thinking is asked for as the model knows it, or not at all") {
  CHECK(asked_of("claude-sonnet-4-5", R"("reasoning_effort":"high",)")["thinking"]["type"] == "enabled");
  CHECK(asked_of("claude-sonnet-5", R"("reasoning_effort":"high",)")["thinking"]["type"] == "adaptive");
  std::string dropped;
  CHECK_FALSE(
      asked_of("claude-3-5-sonnet-20241022", R"("reasoning_effort":"high",)", &dropped).contains("thinking"));
  CHECK(dropped == "reasoning_effort");
}

TEST_CASE("sampling is left out where the model or the version of the API refuses it") {
  CHECK(asked_of("claude-sonnet-4-5", R"("temperature":0.5,)")["temperature"] == 0.5);
  std::string dropped;
  CHECK_FALSE(asked_of("claude-sonnet-5", R"("temperature":0.5,)", &dropped).contains("temperature"));
  CHECK(dropped == "temperature");

  FakeProvider newer{[](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::messages()); }};
  const ModelRig rig(
      provider_document("newer", "anthropic", newer.url(), "headers: {anthropic-version: \"2026-10-21\"}\n"));
  CHECK(
      rig.chat(
             R"({"model":"newer/claude-sonnet-4-5","temperature":0.5,"messages":[{"role":"user","content":"Hi"}]})")
          .header("x-sallyport-dropped-params") == "temperature");
  CHECK(newer.asked().front().header("anthropic-version") == "2026-10-21");
}

TEST_CASE(
    "a vendor's own tools are refused at another's models, or left out where the provider's document says "
    "so") {
  const std::string body =
      R"({"model":"anthropic/claude-sonnet-4-5","input":"Hi","tools":[{"type":"web_search"},{"type":"function","name":"f","parameters":{"type":"object"}}]})";
  const ModelRig refusing;
  CHECK(refusing.post("/v1/responses", body).status == 400);
  CHECK(refusing.anthropic.asked().empty());

  FakeProvider other{[](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::messages()); }};
  const ModelRig dropping(
      provider_document("lenient", "anthropic", other.url(), "unsupported_tools: drop\n"));
  const Response answer = dropping.post(
      "/v1/responses",
      R"({"model":"lenient/claude-sonnet-4-5","input":"Hi","tools":[{"type":"web_search"},{"type":"function","name":"f","parameters":{"type":"object"}}]})");
  CHECK(answer.status == 200);
  CHECK(answer.header("x-sallyport-dropped-params") == "tools[].type:web_search");
  CHECK(other.asked().front().body["tools"].size() == 1);
}
