#pragma once
/// Upstreams of every sort for tests of faults: what they are told, and how they break off in the middle of
/// an answer.

#include "fake_sse.hpp"
#include "scripted_mcp.hpp"
#include "upstream_bench.hpp"

namespace sallyport::testing {

/// One upstream of any sort. Its tools: echo; half, which breaks off in the middle of its answer; begin,
/// which says how far it is and no more; never, which says nothing; and some have ask, which asks the client.
class Peer {
 public:
  virtual ~Peer() = default;
  /// `transport: {...}` of its document.
  virtual std::string transport() const = 0;
  virtual std::size_t calls(const std::string& tool) const = 0;
  /// How often it was told, as its era has it, that a call is of no use any more.
  virtual std::size_t cancellations() const = 0;
  /// How often it was asked for the rest of a stream.
  virtual std::size_t resumed() const { return 0; }

  std::string document(const std::string& more = "") const {
    return "---\nkind: Server\nname: up\ntransport: " + transport() + "\n" + more + kDefaultPolicy;
  }
};

struct Breaking {
  bool ids = false;      ///< its events have ids
  bool reset = false;    ///< it ends with a reset
  bool resumes = false;  ///< it has the rest for who comes back
};

class HttpPeer final : public Peer {
 public:
  explicit HttpPeer(ScriptedMcp::Era era, Breaking how = {}) : era_(era), how_(how), mcp(era) {
    Json tools = Json::array();
    for (const char* name : {"ask", "ask_on", "begin", "echo", "half", "never"})
      tools.push_back({{"name", name}, {"inputSchema", {{"type", "object"}}}});
    mcp.on("tools/list", [tools](RawSocket& socket, const Heard& heard) {
      return ScriptedMcp::reply(
          socket, 200,
          ScriptedMcp::result(
              heard.message,
              {{"resultType", "complete"}, {"tools", tools}, {"ttlMs", 0}, {"cacheScope", "private"}}));
    });
    mcp.on("tools/call",
           [this](RawSocket& socket, const Heard& heard) { return called(socket, heard.message); });
    if (!how_.resumes) return;
    mcp.on("GET", [this](RawSocket& socket, const Heard& heard) {
      // A session's own stream is not offered.
      if (heard.header("Last-Event-ID").empty()) return ScriptedMcp::reply(socket, 405, nullptr);
      CHECK(heard.header("Last-Event-ID") == "e-1");
      const Json call = mcp.heard("tools/call").back().message;
      ScriptedMcp::open_stream(socket, ScriptedMcp::event(ScriptedMcp::text_result(call), "e-2"));
      return false;
    });
  }

  std::string transport() const override {
    return "{type: streamable-http, url: \"http://127.0.0.1:" + std::to_string(mcp.origin().url.port) +
           "/mcp\", allow_private: true}";
  }
  std::size_t calls(const std::string& tool) const override {
    const auto all = mcp.heard("tools/call");
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&](const Heard& call) { return call.message["params"]["name"] == tool; }));
  }
  /// 2026: the end of the call's own stream. 2025: a notification that names the call.
  std::size_t cancellations() const override {
    if (era_ == ScriptedMcp::Era::modern) return left_;
    std::size_t n = 0;
    for (const Heard& told : mcp.heard("notifications/cancelled")) {
      const auto all = mcp.heard("tools/call");
      n += std::any_of(all.begin(), all.end(), [&](const Heard& call) {
        return call.message["id"] == told.message["params"]["requestId"] && call.session() == told.session();
      });
    }
    return n;
  }
  std::size_t resumed() const override {
    const auto all = mcp.heard("GET");
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [](const Heard& get) { return !get.header("Last-Event-ID").empty(); }));
  }

 private:
  bool called(RawSocket& socket, const Json& message) {
    const std::string tool = message["params"]["name"];
    if (tool == "echo")
      return ScriptedMcp::reply(socket, 200,
                                ScriptedMcp::text_result(message, message["params"]["arguments"].dump()));
    if (tool == "never") return until_left(socket);
    const Json progress = {
        {"jsonrpc", "2.0"},
        {"method", "notifications/progress"},
        {"params", {{"progressToken", message["params"]["_meta"]["progressToken"]}, {"progress", 1}}}};
    ScriptedMcp::open_stream(socket, "retry: 1\n" + ScriptedMcp::event(progress, how_.ids ? "e-1" : ""));
    if (tool == "half") {
      socket.send((how_.ids ? "id: e-2\ndata: " : "data: ") +
                  ScriptedMcp::text_result(message, "only half").dump() + "\n");
      if (how_.reset) socket.reset();
      return false;
    }
    if (tool.starts_with("ask")) {
      socket.send(ScriptedMcp::event({{"jsonrpc", "2.0"},
                                      {"id", "q-1"},
                                      {"method", "elicitation/create"},
                                      {"params", {{"message", "Well?"}}}}));
      while (!gone(socket) && mcp.count("response") == 0)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      if (tool == "ask") return socket.send(ScriptedMcp::event(ScriptedMcp::text_result(message))) && false;
    }
    return until_left(socket);
  }
  bool until_left(RawSocket& socket) {
    while (!gone(socket)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    ++left_;
    return false;
  }

  const ScriptedMcp::Era era_;
  const Breaking how_;
  std::atomic<std::size_t> left_{0};

 public:
  ScriptedMcp mcp;  // last: its threads use all of the above
};

class ChildPeer final : public Peer {
 public:
  explicit ChildPeer(std::string mode) : mode_(std::move(mode)) {}
  std::string transport() const override {
    return "{type: stdio, command: \"" STDIO_PEER "\", args: [" + mode_ + ", \"" + ledger.path() + "\"]}";
  }
  std::size_t calls(const std::string& tool) const override { return ledger.count("call " + tool); }
  std::size_t cancellations() const override { return ledger.count("cancelled "); }

  const Ledger ledger;

 private:
  const std::string mode_;
};

class SsePeer final : public Peer {
 public:
  std::string transport() const override {
    return "{type: sse, url: \"" + sse_.url() + "\", allow_private: true}";
  }
  std::size_t calls(const std::string& tool) const override {
    const auto posts = sse_.posts();
    return static_cast<std::size_t>(std::count_if(posts.begin(), posts.end(), [&](const std::string& post) {
      return post.find("\"name\":\"" + tool + "\"") != std::string::npos;
    }));
  }
  std::size_t cancellations() const override { return sse_.count("notifications/cancelled"); }

 private:
  FakeSse sse_;
};

}  // namespace sallyport::testing
