#pragma once
/// Calls through a proxy that harms them, and what must hold of each: one answer or none, never half of one,
/// and never a second execution.

#include <cstdio>

#include "scripted_mcp.hpp"
#include "stream_reader.hpp"
#include "support/chaos_proxy.hpp"

namespace sallyport::testing {

using Era = ScriptedMcp::Era;

/// How the upstream frames the answer to a call.
enum class Form : std::uint8_t { json, stream, chunked_stream };

/// An upstream whose tool "harm" is called through the proxy, and "echo" for whether all is well. The ledger
/// counts what was executed.
class HarmedPeer {
 public:
  explicit HarmedPeer(Era era, Form form = Form::json) : era(era), form(form), mcp(era) {
    Json tools = Json::array();
    for (const char* name : {"echo", "harm"})
      tools.push_back({{"name", name}, {"inputSchema", {{"type", "object"}}}});
    mcp.on("tools/list", [tools](RawSocket& socket, const Heard& heard) {
      return ScriptedMcp::reply(
          socket, 200,
          ScriptedMcp::result(
              heard.message,
              {{"resultType", "complete"}, {"tools", tools}, {"ttlMs", 0}, {"cacheScope", "private"}}));
    });
    mcp.on("tools/call", [this](RawSocket& socket, const Heard& heard) {
      const Json& message = heard.message;
      // What was harmed on its way need not make sense any more.
      if (!message.contains("id") || !message.contains("params") || !message["params"].contains("name"))
        return ScriptedMcp::reply(socket, 400, nullptr);
      if (message["params"]["name"] == "echo")
        return ScriptedMcp::reply(socket, 200,
                                  ScriptedMcp::text_result(message, message["params"]["arguments"].dump()));
      ++executed;
      const std::string bytes = answer(message, this->form);
      needs = needed(bytes);
      return socket.send(bytes) && bytes.find("Connection: close") == std::string::npos;
    });
  }

  /// The answer's bytes to this request.
  static std::string answer(const Json& message, Form form) {
    const std::string result = ScriptedMcp::text_result(message, "whole").dump();
    if (form == Form::json)
      return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
             std::to_string(result.size()) + "\r\n\r\n" + result;
    std::string events[2];
    if (message["params"].contains("_meta") && message["params"]["_meta"].contains("progressToken"))
      events[0] = ScriptedMcp::event(
          {{"jsonrpc", "2.0"},
           {"method", "notifications/progress"},
           {"params", {{"progressToken", message["params"]["_meta"]["progressToken"]}, {"progress", 1}}}});
    events[1] = "event: message\ndata: " + result + "\n\n";
    std::string out = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n";
    if (form == Form::stream) return out + "Connection: close\r\n\r\n" + events[0] + events[1];
    out += "Transfer-Encoding: chunked\r\n\r\n";
    for (const std::string& event : events) {
      if (event.empty()) continue;
      char size[20];
      std::snprintf(size, sizeof size, "%zx\r\n", event.size());
      out += size + event + "\r\n";
    }
    return out + "0\r\n\r\n";
  }
  /// How many of an answer's bytes a reader needs to know the result: up to the blank line of its event, or
  /// all.
  static std::size_t needed(const std::string& bytes) {
    const auto blank = bytes.rfind("\n\n");
    return bytes.find("text/event-stream") == std::string::npos ? bytes.size() : blank + 2;
  }
  std::string document(const ChaosProxy& proxy, const std::string& more = "timeout: 1s\n") const {
    return server_document("up", proxy.url(), more) + kDefaultPolicy;
  }
  std::uint16_t port() const { return mcp.origin().url.port; }

  const Era era;
  std::atomic<Form> form;
  std::atomic<int> executed{0};
  std::atomic<std::size_t> needs{0};  ///< needed() of the last answer
  ScriptedMcp mcp;                    // last: its threads use all of the above
};

/// What a client got for one request, read to the end of its connection.
struct Told {
  int status = 0;
  bool whole = false;  ///< as its framing says
  int answers = 0;     ///< messages with the request's id
  bool half = false;   ///< something that is no whole message
  Json answer{};       ///< the last of them
  std::chrono::milliseconds took{0};

  bool ok() const { return answer.contains("result"); }
  std::string reason() const {
    return answer.contains("error") && answer["error"].contains("data")
               ? answer["error"]["data"].value("reason", "")
               : "";
  }
  bool retry() const {
    return answer.contains("error") && answer["error"].contains("data") &&
           answer["error"]["data"].value("retry", false);
  }
  /// One answer, whole, and nothing beside it.
  bool clean() const { return whole && answers == 1 && !half; }

  static Told from(const std::string& bytes) {
    Told out;
    const auto head_end = bytes.find("\r\n\r\n");
    if (head_end == std::string::npos) return out;
    const std::string head = bytes.substr(0, head_end + 4);
    std::string body = bytes.substr(head_end + 4);
    out.status = head.size() > 12 ? std::atoi(head.c_str() + 9) : 0;
    if (const auto length = head.find("Content-Length: "); length != std::string::npos) {
      out.whole = body.size() == std::strtoull(head.c_str() + length + 16, nullptr, 10);
    } else {
      std::string text;
      for (std::size_t at = 0; at < body.size();) {
        const std::size_t size = std::strtoull(body.c_str() + at, nullptr, 16);
        const auto line = body.find("\r\n", at);
        if (line == std::string::npos || line + 2 + size > body.size()) break;
        text += body.substr(line + 2, size);
        at = line + 2 + size + 2;
        out.whole = size == 0 && at == body.size();
      }
      body = text;
    }
    if (head.find("text/event-stream") != std::string::npos) {
      for (auto end = body.find("\n\n"); end != std::string::npos; end = body.find("\n\n")) {
        if (const auto data = body.find("data: "); data < end)
          out.take(body.substr(data + 6, end - data - 6));
        body.erase(0, end + 2);
      }
      out.half |= !body.empty();
    } else if (out.whole && !body.empty()) {
      out.take(body);
    }
    return out;
  }

 private:
  void take(const std::string& text) {
    const Json message = Json::parse(text, nullptr, false);
    half |= !message.is_object();
    if (!message.is_object() || message.value("id", Json()) != 7) return;
    ++answers;
    answer = message;
  }
};

/// A client of either era. `port` may be a proxy's.
class HarmedClient {
 public:
  HarmedClient(const GatewayFixture& gateway, bool modern, std::uint16_t port = 0)
      : gateway_(gateway),
        port_(port == 0 ? gateway.port : port),
        session_(modern ? "" : gateway.initialize("2025-11-25")) {}

  std::string request(const std::string& tool = "harm") const {
    Json params = {{"name", "up__" + tool}, {"arguments", {{"text", "hello"}}}};
    const std::string common = gateway_.bearer() + GatewayFixture::media() + "Connection: close\r\n";
    if (session_.empty())
      return GatewayFixture::request(
          "POST", "/mcp", common + GatewayFixture::modern_headers("tools/call", "up__" + tool),
          GatewayFixture::modern_body("tools/call", params, 7, {{"progressToken", "p"}}));
    params["_meta"] = {{"progressToken", "p"}};
    return GatewayFixture::request(
        "POST", "/mcp", common + "Mcp-Session-Id: " + session_ + "\r\nMCP-Protocol-Version: 2025-11-25\r\n",
        Json{{"jsonrpc", "2.0"}, {"id", 7}, {"method", "tools/call"}, {"params", params}}.dump());
  }
  Told call(const std::string& tool = "harm") const {
    const auto begin = std::chrono::steady_clock::now();
    RawSocket socket = RawSocket::to(port_);
    socket.send(request(tool));
    Told told = Told::from(socket.rest());
    told.took =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
    return told;
  }

 private:
  const GatewayFixture& gateway_;
  const std::uint16_t port_;
  const std::string session_;
};

/// How each call to a target ended in the journal, in the order of their intents; "" where no outcome is.
inline std::vector<std::string> ends_of(const GatewayFixture& gateway, const std::string& target) {
  std::vector<std::string> order;
  std::map<std::string, std::string> ends;
  for (const Json& record : gateway.journal()) {
    const std::string type = record.value("type", "");
    const std::string call = record.value("call", "");
    if (type == "intent" && record.value("target", "") == target) {
      order.push_back(call);
      CHECK(ends.emplace(call, "").second);
    } else if (type == "outcome" && ends.contains(call)) {
      CHECK(ends[call].empty());
      ends[call] = record.value("status", "");
    }
  }
  for (std::string& call : order) call = ends[call];
  return order;
}

/// Everything that calls hold is given back.
inline void check_baseline(const GatewayFixture& gateway) {
  for (const char* gauge : {"sallyport_requests_in_flight", "sallyport_streams", "sallyport_open_questions",
                            "sallyport_parked_calls", "sallyport_upstream_in_flight{server=\"up\"}",
                            "sallyport_bytes_in_flight", "sallyport_connections"}) {
    CAPTURE(gauge);
    CHECK(metric_becomes(gateway, gauge, 0));
  }
}

}  // namespace sallyport::testing
