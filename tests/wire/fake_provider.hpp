#pragma once
/// A provider of models whose every answer is in the test's hand. It keeps what reaches it.

#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "fake_mcp.hpp"

namespace sallyport::testing {

class FakeProvider {
 public:
  struct Asked {
    std::string head;  ///< request line and headers
    std::string path;
    std::string text;  ///< the body as it came
    Json body;
    std::string header(const std::string& name) const {
      const auto at = head.find("\r\n" + name + ": ");
      if (at == std::string::npos) return "";
      const auto from = at + name.size() + 4;
      return head.substr(from, head.find("\r\n", from) - from);
    }
  };
  /// Makes the whole HTTP answer.
  using OnCall = std::function<std::string(const Asked& asked)>;
  /// Answers by itself, byte by byte; afterwards the connection ends.
  using OnSocket = std::function<void(RawSocket& socket, const Asked& asked)>;

  explicit FakeProvider(OnCall make)
      : make_(std::move(make)), server_([this](RawSocket& s, int) { serve(s); }) {}

  std::string url() const {
    const std::string all = server_.url();
    return all.substr(0, all.find('/', std::string("http://").size()));
  }
  void on_call(OnCall make) {
    const std::lock_guard lock(mutex_);
    make_ = std::move(make);
  }
  void on_socket(OnSocket take) {
    const std::lock_guard lock(mutex_);
    take_ = std::move(take);
  }
  std::vector<Asked> asked() const {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

  static std::string json(const std::string& body, int status = 200, std::string_view more = {}) {
    return FakeMcp::http(status, "application/json", body, more);
  }
  static std::string stream(std::string_view frames) { return FakeMcp::events(frames); }

  // Short answers of the three wires.
  static std::string chat(const std::string& text = "Hello") {
    return R"({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-5-mini","choices":[{"index":0,"message":{"role":"assistant","content":")" +
           text +
           R"(","refusal":null},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4}}})";
  }
  static std::string chat_frames() {
    return "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5-mini\","
           "\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":"
           "null}]}\n\n"
           "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5-mini\","
           "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n"
           "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5-mini\","
           "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":\"stop\"}]}\n\n";
  }
  static std::string chat_usage_frame() {
    return "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"gpt-5-mini\","
           "\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15}}\n\n";
  }
  static std::string messages(const std::string& text = "Hello") {
    return R"({"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":")" +
           text +
           R"("}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":4,"cache_creation_input_tokens":0}})";
  }

 private:
  void serve(RawSocket& socket) {
    for (;;) {
      const std::string request = net::testing::read_request(socket);
      if (request.empty()) return;
      Asked asked;
      const auto split = request.find("\r\n\r\n");
      asked.head = request.substr(0, split) + "\r\n";
      const auto path = request.find(' ') + 1;
      asked.path = request.substr(path, request.find(' ', path) - path);
      asked.text = request.substr(split + 4);
      asked.body = Json::parse(asked.text, nullptr, false);
      OnCall make;
      OnSocket take;
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(asked);
        make = make_;
        take = take_;
      }
      if (take) return take(socket, asked);
      const std::string answer = make(asked);
      if (!socket.send(answer)) return;
      if (answer.find("Connection: close\r\n") != std::string::npos) return;
    }
  }

  mutable std::mutex mutex_;
  OnCall make_;
  OnSocket take_;
  std::vector<Asked> asked_;
  net::testing::FakeUpstream server_;
};

/// YAML of a provider document with a key of its own that points at a fake.
inline std::string provider_document(const std::string& name, const std::string& api, const std::string& url,
                                     const std::string& more = "") {
  return "---\nkind: Credential\nname: " + name + "-key\nvalue: secret-of-" + name +
         "\n---\nkind: Provider\nname: " + name + "\napi: " + api + "\nbase_url: \"" + url +
         (api == "anthropic" ? "" : "/v1") + "\"\nallow_private: true\ncredential: " + name + "-key\n" + more;
}

/// Everyone in team dev may use every model but those called secret.
inline const char* const kModelPolicy = R"(---
kind: Team
name: dev
members: ["agent:bot", "agent:other"]
---
kind: Policy
name: dev-models
subjects: ["team:dev"]
rules:
  - {effect: allow, models: ["*"]}
  - {effect: deny, models: ["*secret*"]}
)";

}  // namespace sallyport::testing
