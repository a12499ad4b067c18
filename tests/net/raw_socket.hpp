#pragma once
/// A plain blocking socket for tests: raw bytes out, raw bytes in, never longer than ten seconds.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::net::testing {

class RawSocket {
 public:
  RawSocket() = default;
  explicit RawSocket(int fd) : fd_(fd) {}
  RawSocket(RawSocket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), buffer_(std::move(other.buffer_)) {}
  RawSocket& operator=(RawSocket&& other) noexcept {
    close();
    fd_ = std::exchange(other.fd_, -1);
    buffer_ = std::move(other.buffer_);
    return *this;
  }
  ~RawSocket() { close(); }

  static RawSocket to(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    RawSocket s(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(s.fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) s.close();
    return s;
  }
  static RawSocket to_path(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    RawSocket s(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(s.fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) s.close();
    return s;
  }

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  /// Closes with a reset instead of an orderly end.
  void reset() {
    const linger now{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
  }
  void shutdown_send() { ::shutdown(fd_, SHUT_WR); }

  /// False when the peer no longer takes it.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (n <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return true;
  }

  /// Reads more into the buffer; false at the end, on error, or after ten seconds.
  bool more(std::chrono::milliseconds wait = std::chrono::seconds(10)) {
    pollfd poll{.fd = fd_, .events = POLLIN, .revents = 0};
    if (::poll(&poll, 1, static_cast<int>(wait.count())) <= 0) return false;
    char bytes[16384];
    const ssize_t n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0) return false;
    buffer_.append(bytes, static_cast<std::size_t>(n));
    return true;
  }

  /// Everything up to and with `end`; what came so far if the peer closes first.
  std::string until(std::string_view end) {
    std::size_t at;
    while ((at = buffer_.find(end)) == std::string::npos) {
      if (!more()) return std::exchange(buffer_, {});
    }
    std::string out = buffer_.substr(0, at + end.size());
    buffer_.erase(0, at + end.size());
    return out;
  }
  std::string exactly(std::size_t size) {
    while (buffer_.size() < size && more()) {
    }
    std::string out = buffer_.substr(0, size);
    buffer_.erase(0, out.size());
    return out;
  }
  /// Everything until the peer closes.
  std::string rest() {
    while (more()) {
    }
    return std::exchange(buffer_, {});
  }
  /// True when the peer has reset the connection (or does within ten seconds), whatever there still is to
  /// read.
  bool was_reset() const {
    pollfd poll{.fd = fd_, .events = POLLRDHUP, .revents = 0};
    if (::poll(&poll, 1, 10'000) <= 0) return false;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == ECONNRESET;
  }
  /// True when the peer has closed (or does within ten seconds) without sending more.
  bool at_end() { return buffer_.empty() && !more(); }

  struct Answer {
    int status = 0;
    std::string head;
    std::string body;
    bool has(std::string_view line) const { return head.find(line) != std::string::npos; }
  };
  /// One response framed by Content-Length, by chunks, or by the end of the connection.
  Answer answer() {
    Answer a;
    a.head = until("\r\n\r\n");
    if (a.head.size() > 12) a.status = std::atoi(a.head.c_str() + 9);
    if (const auto at = a.head.find("Content-Length: "); at != std::string::npos) {
      a.body = exactly(static_cast<std::size_t>(std::atoll(a.head.c_str() + at + 16)));
    } else if (a.head.find("Transfer-Encoding: chunked") != std::string::npos) {
      for (;;) {
        const std::string line = until("\r\n");
        const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
        if (line.empty()) break;
        a.body += exactly(size);
        until("\r\n");
        if (size == 0) break;
      }
    } else if (a.status >= 200 && a.status != 204 && a.status != 304) {
      a.body = rest();
    }
    return a;
  }

 private:
  int fd_ = -1;
  std::string buffer_;
};

}  // namespace sallyport::net::testing
