#pragma once
/// A gateway before fake providers of models, and what clients send it.

#include "fake_provider.hpp"
#include "gateway_fixture.hpp"

namespace sallyport::testing {

inline const char* const kChat =
    R"({"model":"openai/gpt-5-mini","messages":[{"role":"user","content":"Hi"}]})";
inline const char* const kChatStream =
    R"({"model":"openai/gpt-5-mini","stream":true,"messages":[{"role":"user","content":"Hi"}]})";
inline const char* const kMessages =
    R"({"model":"anthropic/claude-sonnet-4-5","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]})";

/// A gateway before one provider of each vendor.
struct ModelRig {
  FakeProvider openai{[](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::chat()); }};
  FakeProvider anthropic{
      [](const FakeProvider::Asked&) { return FakeProvider::json(FakeProvider::messages()); }};
  GatewayFixture gateway;

  explicit ModelRig(const std::string& more = "", const std::string& policy = kModelPolicy,
                    const std::string& of_openai = "aliases: {fast: gpt-5-mini}\n",
                    const std::string& api = "openai")
      : gateway(provider_document("openai", api, openai.url(), of_openai) +
                provider_document("anthropic", "anthropic", anthropic.url()) + more + policy) {}

  Response post(const std::string& path, const std::string& body, const std::string& headers = "") const {
    return gateway.raw(GatewayFixture::request(
        "POST", path, gateway.bearer() + "Content-Type: application/json\r\n" + headers, body));
  }
  Response chat(const std::string& body = kChat, const std::string& headers = "") const {
    return post("/v1/chat/completions", body, headers);
  }
  Json outcome() const {
    for (int i = 0; i < 500; ++i) {
      for (const Json& record : gateway.journal())
        if (record["type"] == "outcome") return record;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return Json::object();
  }
};

inline std::string fallback(const std::string& more = "") {
  return R"(x-portkey-config: {"strategy":{"mode":"fallback"})" + more +
         R"(,"targets":[{"provider":"@openai"},{"provider":"@anthropic","override_params":{"model":"claude-sonnet-4-5"}}]})"
         "\r\n";
}

}  // namespace sallyport::testing
