#pragma once
/// An upstream MCP server over Streamable HTTP whose every answer to a call is in the test's hand. It counts
/// what reaches it.

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "net/fake_upstream.hpp"

namespace sallyport::testing {

using net::testing::FakeUpstream;
using net::testing::RawSocket;
using Json = nlohmann::json;

class FakeMcp {
 public:
  enum class Era { modern, legacy };
  /// Makes the whole HTTP answer to a request that is no handshake and no list. The socket is there for
  /// scripts that need more.
  using OnCall = std::function<std::string(const std::string& request, const Json& message)>;
  /// Answers a call by itself, byte by byte; afterwards the connection ends. False: it was none of its
  /// business.
  using OnSocket = std::function<bool(RawSocket& socket, const Json& message)>;

  explicit FakeMcp(Era era = Era::modern, Json tools = default_tools(), Json capabilities = Json::object())
      : era_(era),
        tools_(std::move(tools)),
        capabilities_{{"tools", Json::object()}, {"prompts", Json::object()}, {"resources", Json::object()}},
        server_([this](RawSocket& socket, int) { serve(socket); }) {
    capabilities_.update(capabilities);
  }

  static Json default_tools() {
    const Json schema = {{"type", "object"}, {"properties", {{"text", {{"type", "string"}}}}}};
    return Json::array({{{"name", "echo"}, {"description", "Says it again"}, {"inputSchema", schema}},
                        {{"name", "secret"}, {"description", "Not for everyone"}, {"inputSchema", schema}},
                        {{"name", "region"},
                         {"description", "Mirrors an argument"},
                         {"inputSchema",
                          {{"type", "object"},
                           {"properties", {{"place", {{"type", "string"}, {"x-mcp-header", "Place"}}}}}}}}});
  }

  std::string url() const { return server_.url(); }
  std::uint16_t port() const { return server_.port; }

  /// Replaces the answer to calls; the default echoes the arguments.
  void on_call(OnCall make) {
    const std::lock_guard lock(mutex_);
    on_call_ = std::move(make);
  }
  void on_socket(OnSocket take) {
    const std::lock_guard lock(mutex_);
    on_socket_ = std::move(take);
  }
  /// A 2025 server that keeps no state.
  void without_sessions() { sessions_ = false; }
  /// What tools/list answers from now on.
  void set_tools(Json tools) {
    const std::lock_guard lock(mutex_);
    tools_ = std::move(tools);
  }
  /// Requests that were calls (tools/call, prompts/get, resources/read, completion/complete), raw with head
  /// and body.
  std::vector<std::string> calls() const {
    const std::lock_guard lock(mutex_);
    return calls_;
  }
  std::size_t call_count() const { return calls().size(); }
  std::vector<std::string> notifications() const {
    const std::lock_guard lock(mutex_);
    return notifications_;
  }
  int initializes() const { return initializes_; }

  static std::string http(int status, std::string_view type, std::string_view body,
                          std::string_view more = {}) {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " + std::string(type) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + std::string(more) + "\r\n" +
           std::string(body);
  }
  static std::string json(const Json& body, std::string_view more = {}) {
    return http(200, "application/json", body.dump(), more);
  }
  static std::string events(std::string_view text) {
    return "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" +
           std::string(text);
  }
  static Json result(const Json& message, Json value) {
    return {{"jsonrpc", "2.0"}, {"id", message["id"]}, {"result", std::move(value)}};
  }
  static std::string echo(const Json& message) {
    const Json arguments = message["params"].value("arguments", Json::object());
    return json(
        result(message, {{"resultType", "complete"},
                         {"content", Json::array({{{"type", "text"}, {"text", arguments.dump()}}})}}));
  }

 private:
  void serve(RawSocket& socket) {
    for (;;) {
      const std::string request = net::testing::read_request(socket);
      if (request.empty()) return;
      if (taken(socket, request)) return;
      const std::string answer = answer_to(request);
      if (!socket.send(answer)) return;
      if (answer.find("Connection: close\r\n") != std::string::npos) return;
    }
  }

  bool taken(RawSocket& socket, const std::string& request) {
    OnSocket take;
    {
      const std::lock_guard lock(mutex_);
      take = on_socket_;
    }
    if (!take) return false;
    const Json message = Json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
    return message.is_object() && take(socket, message);
  }

  std::string answer_to(const std::string& request) {
    const Json message = Json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
    if (message.is_discarded() || !message.contains("method")) return http(202, "text/plain", "");
    const std::string method = message["method"];
    if (method == "server/discover") {
      if (era_ == Era::legacy) {
        return http(
            400, "application/json",
            R"({"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"Server not initialized"}})");
      }
      return json(result(message, {{"resultType", "complete"},
                                   {"supportedVersions", {"2026-07-28"}},
                                   {"capabilities", capabilities_},
                                   {"ttlMs", 0},
                                   {"cacheScope", "private"}}));
    }
    if (method == "initialize") {
      ++initializes_;
      return json(
          result(message, {{"protocolVersion", "2025-11-25"},
                           {"capabilities", capabilities_},
                           {"serverInfo", {{"name", "fake"}, {"version", "1"}}}}),
          sessions_ ? "Mcp-Session-Id: fake-session-" + std::to_string(initializes_.load()) + "\r\n" : "");
    }
    if (!message.contains("id")) {
      const std::lock_guard lock(mutex_);
      notifications_.push_back(request);
      return http(202, "text/plain", "");
    }
    const auto list = [&](const char* member, Json items) {
      return json(result(
          message,
          {{"resultType", "complete"}, {member, std::move(items)}, {"ttlMs", 0}, {"cacheScope", "private"}}));
    };
    if (method == "tools/list") {
      const std::lock_guard lock(mutex_);
      return list("tools", tools_);
    }
    if (method == "prompts/list")
      return list("prompts",
                  Json::array({{{"name", "greet"}, {"arguments", Json::array({{{"name", "who"}}})}}}));
    if (method == "resources/list")
      return list("resources", Json::array({{{"uri", "note://one"}, {"name", "one"}}}));
    if (method == "resources/templates/list") {
      return list("resourceTemplates",
                  Json::array({{{"uriTemplate", "note://{id}/text"}, {"name", "text"}}}));
    }
    OnCall make;
    {
      const std::lock_guard lock(mutex_);
      calls_.push_back(request);
      make = on_call_;
    }
    if (make) return make(request, message);
    if (method == "resources/read") {
      return json(result(
          message, {{"resultType", "complete"},
                    {"contents", Json::array({{{"uri", message["params"]["uri"]}, {"text", "a note"}}})},
                    {"ttlMs", 5000},
                    {"cacheScope", "public"}}));
    }
    if (method == "prompts/get") {
      return json(result(
          message, {{"resultType", "complete"},
                    {"messages", Json::array({{{"role", "user"},
                                               {"content", {{"type", "text"}, {"text", "hello"}}}}})}}));
    }
    if (method == "completion/complete")
      return json(result(message, {{"resultType", "complete"}, {"completion", {{"values", {"alpha"}}}}}));
    return echo(message);
  }

  const Era era_;
  mutable std::mutex mutex_;
  Json tools_;
  Json capabilities_;  // what it says that it offers; extra members come from the test
  std::vector<std::string> calls_, notifications_;
  OnCall on_call_;
  OnSocket on_socket_;
  std::atomic<int> initializes_{0};
  std::atomic<bool> sessions_{true};
  FakeUpstream server_;
};

}  // namespace sallyport::testing
