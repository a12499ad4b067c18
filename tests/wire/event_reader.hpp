#pragma once
/// A client's end of one event stream over a raw socket: events come out one by one, as they arrive.

#include <nlohmann/json.hpp>
#include <optional>

#include "net/raw_socket.hpp"

namespace sallyport::testing {

class EventReader {
 public:
  struct Event {
    std::string id, data;
    nlohmann::json json() const { return nlohmann::json::parse(data, nullptr, false); }
  };

  /// Takes over a connection on which a request was sent, and reads the answer's head.
  explicit EventReader(net::testing::RawSocket socket) : socket_(std::move(socket)) {
    head = socket_.until("\r\n\r\n");
    if (head.size() > 12) status = std::atoi(head.c_str() + 9);
    chunked_ = head.find("Transfer-Encoding: chunked") != std::string::npos;
  }

  int status = 0;
  std::string head;

  bool is_stream() const { return head.find("text/event-stream") != std::string::npos; }

  /// The next event with data or an id; nullopt at the end of the stream, or when none comes within ten
  /// seconds. Comments are skipped.
  std::optional<Event> next() {
    for (;;) {
      const auto end = text_.find("\n\n");
      if (end == std::string::npos) {
        if (!more()) return std::nullopt;
        continue;
      }
      const std::string block = text_.substr(0, end);
      text_.erase(0, end + 2);
      Event event;
      bool any = false;
      for (std::size_t at = 0; at < block.size();) {
        const auto stop = std::min(block.find('\n', at), block.size());
        const std::string line = block.substr(at, stop - at);
        at = stop + 1;
        const auto value = [&](std::size_t from) { return line.size() > from ? line.substr(from) : ""; };
        if (line.starts_with("data:")) event.data += value(6);
        if (line.starts_with("id:")) event.id = value(4);
        any |= line.starts_with("data:") || line.starts_with("id:");
      }
      if (any) return event;
    }
  }
  /// The next event that carries a message.
  nlohmann::json message() {
    while (auto event = next()) {
      if (!event->data.empty()) return event->json();
    }
    return nlohmann::json::object();
  }
  /// True when the stream ends without another message.
  bool ends() { return message().empty(); }
  void close() { socket_.close(); }

 private:
  bool more() {
    if (!chunked_) {
      const std::string byte = socket_.exactly(1);
      text_ += byte;
      return !byte.empty();
    }
    const std::string line = socket_.until("\r\n");
    const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
    if (line.empty() || size == 0) return false;
    text_ += socket_.exactly(size);
    socket_.until("\r\n");
    return true;
  }

  net::testing::RawSocket socket_;
  std::string text_;
  bool chunked_ = false;
};

}  // namespace sallyport::testing
