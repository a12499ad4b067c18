#include "address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "sallyport/net/ip.hpp"

namespace sallyport::net {

namespace {

constexpr int kBacklog = 4096;

Failure cannot(const std::string& address, const std::string& why) {
  return fail(Code::unavailable, Blame::admin, "cannot listen on " + address + ": " + why);
}
std::string system_reason() { return std::system_category().message(errno); }

/// A socket file that nobody listens on any more is a leftover of a server that was killed.
bool is_stale_socket(const sockaddr_un& target) {
  struct stat info{};
  if (::lstat(target.sun_path, &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const bool refused = ::connect(probe, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0 &&
                       errno == ECONNREFUSED;
  ::close(probe);
  return refused;
}

Result<Bound> bind_unix(const std::string& address, const std::string& path) {
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof target.sun_path) {
    return cannot(address,
                  "the path must have 1 to " + std::to_string(sizeof target.sun_path - 1) + " bytes");
  }
  std::memcpy(target.sun_path, path.c_str(), path.size());
  if (is_stale_socket(target)) ::unlink(path.c_str());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return cannot(address, system_reason());
  // Nobody can connect between bind and listen, so the mode is right before the first peer.
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0 ||
      ::chmod(path.c_str(), 0600) != 0 || ::listen(fd, kBacklog) != 0) {
    const std::string why = system_reason();
    ::close(fd);
    return cannot(address, why);
  }
  struct stat file{};
  (void)::lstat(path.c_str(), &file);
  return Bound{fd, path, file.st_dev, file.st_ino};
}

Result<Bound> bind_tcp(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return cannot(address, "expected HOST:PORT");
  std::string host = address.substr(0, colon);
  if (host.size() > 1 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  if (host == "localhost") host = "127.0.0.1";
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const std::string port = address.substr(colon + 1);
  if (host.empty() || port.empty() || ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) {
    return cannot(address, "expected an IP address and a port, as in 127.0.0.1:8080 or [::1]:8080");
  }
  const int fd = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  if (fd >= 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  const bool ok =
      fd >= 0 && ::bind(fd, found->ai_addr, found->ai_addrlen) == 0 && ::listen(fd, kBacklog) == 0;
  const std::string why = ok ? "" : system_reason();
  ::freeaddrinfo(found);
  if (ok) return Bound{fd};
  if (fd >= 0) ::close(fd);
  return cannot(address, why);
}

std::string ip_of(const sockaddr_storage& address, std::uint16_t& port) {
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    port = ntohs(v4.sin_port);
    return ip_text(mapped(ntohl(v4.sin_addr.s_addr)));
  }
  if (address.ss_family != AF_INET6) return {};
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  port = ntohs(v6.sin6_port);
  V6 bytes;
  std::ranges::copy(v6.sin6_addr.s6_addr, bytes.begin());
  return ip_text(bytes);
}

}  // namespace

void remove_file(const Bound& bound) {
  struct stat file{};
  if (bound.unix_path.empty() || ::lstat(bound.unix_path.c_str(), &file) != 0) return;
  if (file.st_dev == bound.device && file.st_ino == bound.inode) ::unlink(bound.unix_path.c_str());
}

Result<Bound> bind_and_listen(const std::string& address) {
  if (address.starts_with("unix:")) return bind_unix(address, address.substr(5));
  return bind_tcp(address);
}

std::string local_text(int fd, std::uint16_t& port) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  port = 0;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  if (address.ss_family == AF_UNIX) {
    return std::string("unix:") + reinterpret_cast<const sockaddr_un&>(address).sun_path;
  }
  const std::string ip = ip_of(address, port);
  return (ip.find(':') == std::string::npos ? ip : "[" + ip + "]") + ":" + std::to_string(port);
}

Peer peer_of(int fd, const sockaddr_storage& address, bool tls) {
  Peer peer;
  peer.tls = tls;
  if (address.ss_family != AF_INET && address.ss_family != AF_INET6) {
    peer.ip = "unix";
    ucred credentials{};
    socklen_t size = sizeof credentials;
    if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) peer.uid = credentials.uid;
    return peer;
  }
  peer.ip = ip_of(address, peer.port);
  peer.loopback = peer.ip.starts_with("127.") || peer.ip == "::1";
  return peer;
}

}  // namespace sallyport::net
