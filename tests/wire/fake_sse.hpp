#pragma once
/// An upstream MCP server that speaks HTTP+SSE as 2024-11-05 has it, and counts what reaches it.

#include <atomic>
#include <mutex>
#include <set>

#include "fake_mcp.hpp"

namespace sallyport::testing {

class FakeSse {
 public:
  /// `endpoint` as the event names it; "{port}" stands for our port.
  explicit FakeSse(std::string endpoint = "/messages?session=1", std::string path = "/sse")
      : endpoint_(std::move(endpoint)),
        path_(std::move(path)),
        server_([this](RawSocket& socket, int) { serve(socket); }) {}

  std::string url() const { return server_.url(path_); }
  std::uint16_t port() const { return server_.port; }

  std::vector<std::string> gets() const {
    const std::lock_guard lock(mutex_);
    return gets_;
  }
  std::vector<std::string> posts() const {
    const std::lock_guard lock(mutex_);
    return posts_;
  }
  /// Posts of a method.
  std::size_t count(const std::string& method) const {
    const auto all = posts();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& post) {
      return post.find("\"method\":\"" + method + "\"") != std::string::npos;
    }));
  }
  /// Ends every stream.
  void drop() {
    const std::lock_guard lock(mutex_);
    for (const int fd : streams_) ::shutdown(fd, SHUT_RDWR);
  }
  /// Sends an event's text to every stream.
  void push(const std::string& text) {
    const std::lock_guard lock(mutex_);
    for (const int fd : streams_) (void)::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  }
  void push(const Json& message) { push("event: message\ndata: " + message.dump() + "\n\n"); }

 private:
  void serve(RawSocket& socket) {
    for (;;) {
      const std::string request = net::testing::read_request(socket);
      if (request.empty()) return;
      if (request.starts_with("GET ")) return stream(socket, request);
      if (!socket.send(taken(request))) return;
    }
  }

  void stream(RawSocket& socket, const std::string& request) {
    std::string endpoint = endpoint_;
    if (const auto at = endpoint.find("{port}"); at != std::string::npos)
      endpoint.replace(at, 6, std::to_string(port()));
    {
      const std::lock_guard lock(mutex_);
      gets_.push_back(request);
      streams_.insert(socket.fd());
      socket.send(
          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n"
          "event: endpoint\ndata: " +
          endpoint + "\n\n");
    }
    char byte;
    while (::recv(socket.fd(), &byte, 1, 0) > 0) {
    }
    const std::lock_guard lock(mutex_);
    streams_.erase(socket.fd());
  }

  std::string taken(const std::string& request) {
    const Json message = Json::parse(request.substr(request.find("\r\n\r\n") + 4), nullptr, false);
    {
      const std::lock_guard lock(mutex_);
      posts_.push_back(request);
    }
    const std::string method = message.value("method", "");
    if (!message.contains("id")) return FakeMcp::http(202, "text/plain", "Accepted");
    const auto result = [&](Json value) { push(FakeMcp::result(message, std::move(value))); };
    if (method == "initialize") {
      result({{"protocolVersion", "2024-11-05"},
              {"capabilities", {{"tools", {{"listChanged", true}}}}},
              {"serverInfo", {{"name", "old"}, {"version", "1"}}}});
    } else if (method == "tools/list") {
      Json tools = FakeMcp::default_tools();
      for (const char* name : {"begin", "half", "never"})
        tools.push_back({{"name", name}, {"inputSchema", {{"type", "object"}}}});
      if (grown_) tools.push_back({{"name", "grown"}, {"inputSchema", {{"type", "object"}}}});
      result({{"tools", tools}});
    } else if (method == "tools/call") {
      return called(message);
    } else if (message.contains("method")) {
      push({{"jsonrpc", "2.0"},
            {"id", message["id"]},
            {"error", {{"code", -32601}, {"message", "Method not found"}}}});
    }
    return FakeMcp::http(202, "text/plain", "Accepted");
  }

  std::string called(const Json& message) {
    const std::string name = message["params"]["name"];
    const Json arguments = message["params"].value("arguments", Json::object());
    const auto say = [&](const std::string& text) {
      push(FakeMcp::result(message, {{"content", Json::array({{{"type", "text"}, {"text", text}}})}}));
    };
    const auto progress = [&](int n) {
      push({{"jsonrpc", "2.0"},
            {"method", "notifications/progress"},
            {"params", {{"progressToken", message["params"]["_meta"]["progressToken"]}, {"progress", n}}}});
    };
    if (name == "refused") return FakeMcp::http(500, "text/plain", "no");
    if (name == "gone") return FakeMcp::http(404, "text/plain", "who?");
    if (name == "drop") {
      drop();
    } else if (name == "huge") {
      push("data: " + std::string(11U << 20, 'x'));
    } else if (name == "grow") {
      grown_ = true;
      say("grown");
      push(Json{{"jsonrpc", "2.0"}, {"method", "notifications/tools/list_changed"}});
    } else if (name == "talk") {
      for (int i = 1; i <= 3; ++i) progress(i);
      say("talked");
    } else if (name == "begin" || name == "half") {
      progress(1);
      if (name == "half") {
        // An answer, but for the blank line that would make it an event.
        push("data: " + FakeMcp::result(message, {{"content", Json::array()}}).dump() + "\n");
        drop();
      }
    } else if (name == "ask") {
      push({{"jsonrpc", "2.0"}, {"id", "q"}, {"method", "elicitation/create"}, {"params", Json::object()}});
      say("asked");
    } else if (name != "never") {
      say(arguments.dump());
    }
    return FakeMcp::http(202, "text/plain", "Accepted");
  }

  const std::string endpoint_, path_;
  mutable std::mutex mutex_;
  std::vector<std::string> gets_, posts_;
  std::set<int> streams_;
  std::atomic<bool> grown_ = false;
  FakeUpstream server_;  // last: its threads use all of the above
};

}  // namespace sallyport::testing
