#pragma once
/// Addresses to listen on, as text and as sockets.

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <string>

#include "sallyport/core/error.hpp"
#include "sallyport/net/http.hpp"

namespace sallyport::net {

/// A bound, listening, non-blocking socket and what is needed to take it down again.
struct Bound {
  int fd = -1;
  std::string unix_path{};  ///< empty for TCP and for inherited sockets
  dev_t device = 0;         ///< of the socket's file, as is the next
  ino_t inode = 0;
};

/// Removes the file of a Unix socket, unless another stands under its name by now.
void remove_file(const Bound& bound);

/// "127.0.0.1:8080", "[::1]:0", "localhost:0" or "unix:/path". Errors: unavailable with what could not be
/// bound and why.
Result<Bound> bind_and_listen(const std::string& address);

/// "127.0.0.1:43121", "[::1]:80" or "unix:/path", as the system has it.
std::string local_text(int fd, std::uint16_t& port);

/// Who is at the other end of an accepted socket.
Peer peer_of(int fd, const sockaddr_storage& address, bool tls);

}  // namespace sallyport::net
