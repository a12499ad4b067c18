#include "sallyport/net/ip.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace sallyport::net {

bool within(const V6& a, const Range6& range) {
  for (int bit = 0; bit < range.bits; bit += 8) {
    const int left = std::min(8, range.bits - bit);
    const auto mask = static_cast<unsigned char>(0xFF << (8 - left));
    const auto i = static_cast<std::size_t>(bit / 8);
    if ((a[i] ^ range.base[i]) & mask) return false;
  }
  return true;
}

std::optional<std::uint32_t> as_v4(const SocketAddress& address) {
  sockaddr_in in{};
  if (address.bytes.size() < sizeof in) return std::nullopt;
  std::memcpy(&in, address.bytes.data(), sizeof in);
  if (in.sin_family != AF_INET) return std::nullopt;
  return ntohl(in.sin_addr.s_addr);
}

std::optional<V6> as_v6(const SocketAddress& address) {
  sockaddr_in6 in{};
  if (address.bytes.size() < sizeof in) return std::nullopt;
  std::memcpy(&in, address.bytes.data(), sizeof in);
  if (in.sin6_family != AF_INET6) return std::nullopt;
  V6 out;
  std::memcpy(out.data(), &in.sin6_addr, out.size());
  return out;
}

V6 mapped(std::uint32_t v4) {
  V6 out = kMapped6.base;
  for (std::size_t i = 0; i < 4; ++i) out[12 + i] = static_cast<unsigned char>(v4 >> (24 - 8 * i));
  return out;
}

std::string ip_text(const V6& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const bool v4 = within(address, kMapped6);
  ::inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? kMapped6.bits / 8 : 0), text.data(),
              text.size());
  return text.data();
}

}  // namespace sallyport::net
