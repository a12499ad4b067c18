#pragma once
/// A client of an event stream: one request, and the events of its answer as they come.

#include "gateway_fixture.hpp"

namespace sallyport::testing {

struct StreamEvent {
  std::string id, data;
  int retry = 0;
  Json json() const { return Json::parse(data, nullptr, false); }
};

class StreamReader {
 public:
  StreamReader(RawSocket socket, const std::string& request) : socket_(std::move(socket)) {
    socket_.send(request);
    const std::string text = socket_.until("\r\n\r\n");
    head.head = text;
    if (text.size() > 12) head.status = std::atoi(text.c_str() + 9);
    chunked_ = text.find("Transfer-Encoding: chunked") != std::string::npos;
    if (!chunked_ && text.find("Content-Length: ") != std::string::npos)
      head.body = socket_.exactly(static_cast<std::size_t>(std::stoul(head.header("Content-Length"))));
  }

  /// The next event, waiting at most ten seconds; nullopt when the stream has ended. Comments are skipped.
  std::optional<StreamEvent> next() {
    for (;;) {
      const auto end = text_.find("\n\n");
      if (end == std::string::npos) {
        if (!chunk()) return std::nullopt;
        continue;
      }
      const std::string block = text_.substr(0, end + 1);
      text_.erase(0, end + 2);
      StreamEvent event;
      bool any = false;
      for (std::size_t at = 0; at < block.size();) {
        const std::size_t eol = block.find('\n', at);
        const std::string line = block.substr(at, eol - at);
        at = eol + 1;
        const auto value = [&](std::size_t skip) {
          return line.size() > skip && line[skip] == ' ' ? line.substr(skip + 1) : line.substr(skip);
        };
        if (line.starts_with("id:")) event.id = value(3);
        if (line.starts_with("data:")) event.data = value(5);
        if (line.starts_with("retry:")) event.retry = std::stoi(value(6));
        any |= !line.starts_with(":");
      }
      if (any) return event;
    }
  }
  /// The next message; null when the stream has ended.
  Json message() {
    for (;;) {
      const auto event = next();
      if (!event) return nullptr;
      if (!event->data.empty()) return event->json();
    }
  }
  /// True when the stream ends, cleanly, without another event.
  bool ended() { return !next() && clean_; }
  RawSocket& socket() { return socket_; }

  Response head;

 private:
  bool chunk() {
    if (!chunked_ || clean_) return false;
    const std::string line = socket_.until("\r\n");
    if (line.empty()) return false;
    const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
    text_ += socket_.exactly(size);
    socket_.until("\r\n");
    clean_ = size == 0;
    return size > 0;
  }
  RawSocket socket_;
  std::string text_;
  bool chunked_ = false;
  bool clean_ = false;
};

inline const std::string kTakesEvents = "Accept: text/event-stream\r\n";

/// Waits until the servers were reached: what their lists bring later is a change.
inline void reached(const GatewayFixture& gateway) { REQUIRE(gateway.modern("tools/list").status == 200); }

/// GET of a session's stream; `more` may hold Last-Event-ID.
inline StreamReader get_stream(const GatewayFixture& gateway, const std::string& session,
                               const std::string& more = "", const std::string& path = "/mcp",
                               const std::string& authorization = "") {
  return StreamReader(
      gateway.connect(),
      GatewayFixture::request(
          "GET", path,
          (authorization.empty() ? gateway.bearer() : "Authorization: Bearer " + authorization + "\r\n") +
              kTakesEvents + "Mcp-Session-Id: " + session + "\r\n" + more,
          ""));
}

/// subscriptions/listen with this filter.
inline StreamReader listen(const GatewayFixture& gateway, const Json& filter, const Json& id = "L1",
                           const std::string& path = "/mcp", const std::string& key = "") {
  return StreamReader(
      gateway.connect(),
      GatewayFixture::request(
          "POST", path,
          "Authorization: Bearer " + (key.empty() ? gateway.key : key) + "\r\n" + GatewayFixture::media() +
              GatewayFixture::modern_headers("subscriptions/listen"),
          GatewayFixture::modern_body("subscriptions/listen", {{"notifications", filter}}, id)));
}

/// A number of the admin listener's /metrics; -1 when it is absent.
inline int metric(const GatewayFixture& gateway, const std::string& name) {
  RawSocket socket = RawSocket::to_path(gateway.directory.path + "/admin.sock");
  socket.send(GatewayFixture::request("GET", "/metrics", "", ""));
  const Response page{socket.answer()};
  const std::string line = "\n" + name + " ";
  const auto at = page.body.find(line);
  return at == std::string::npos ? -1 : std::atoi(page.body.c_str() + at + line.size());
}

/// The same, waited for.
inline bool metric_becomes(const GatewayFixture& gateway, const std::string& name, int wanted) {
  for (int i = 0; i < 500; ++i) {
    if (metric(gateway, name) == wanted) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace sallyport::testing
