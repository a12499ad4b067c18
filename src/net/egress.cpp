/// Which addresses may be dialled (IANA special-purpose address registries, RFC 6890, RFC 8190).

#include "sallyport/net/egress.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "sallyport/net/ip.hpp"

namespace sallyport::net {
namespace {

struct Range4 {
  std::uint32_t base;
  int bits;
};

// Not globally routable unicast. Parts of 192.0.0.0/24 are global anycast for hosts' own use, never an
// upstream.
constexpr Range4 kPrivate4[] = {
    {0x00000000, 8},   // this network
    {0x0A000000, 8},   // private use
    {0x64400000, 10},  // shared address space (carrier NAT)
    {0x7F000000, 8},   // loopback
    {0xA9FE0000, 16},  // link-local
    {0xAC100000, 12},  // private use
    {0xC0000000, 24},  // IETF protocol assignments
    {0xC0000200, 24},  // documentation
    {0xC0586300, 24},  // 6to4 relay, deprecated
    {0xC0A80000, 16},  // private use
    {0xC6120000, 15},  // benchmarking
    {0xC6336400, 24},  // documentation
    {0xCB007100, 24},  // documentation
    {0xE0000000, 4},   // multicast
    {0xF0000000, 4},   // reserved, broadcast
};

constexpr Range6 kGlobal6 = {v6({0x2000}), 3};       // everything global lies in here
constexpr Range6 kNat64 = {v6({0x64, 0xFF9B}), 96};  // RFC 6052
constexpr Range6 k6to4 = {v6({0x2002}), 16};
constexpr Range6 kCompatible6 = {v6({}), 96};                    // RFC 4291 §2.5.5.1, deprecated
constexpr Range6 kTranslated6 = {v6({0, 0, 0, 0, 0xFFFF}), 96};  // RFC 7915 (SIIT)
constexpr Range6 kPrivateInGlobal6[] = {
    {v6({0x2001}), 23},          // IETF protocol assignments: Teredo, benchmarking, ORCHID
    {v6({0x2001, 0x0DB8}), 32},  // documentation
    {v6({0x2002}), 16},          // 6to4: leads to any IPv4 address by way of strangers
    {v6({0x3FFF}), 20},          // documentation (RFC 9637)
};

// Amazon (instances, tasks, pods), Google, Azure's wire server, Alibaba, Oracle.
constexpr std::uint32_t kMetadata4[] = {0xA9FEA9FE, 0xA9FEAA02, 0xA9FEAA17,
                                        0xA83F8110, 0x646464C8, 0xC00000C0};
constexpr V6 kMetadata6[] = {v6({0xFD00, 0x0EC2, 0, 0, 0, 0, 0, 0x254}),
                             v6({0xFD00, 0x0EC2, 0, 0, 0, 0, 0, 0x23}),
                             v6({0xFD20, 0x00CE, 0, 0, 0, 0, 0, 0x254})};

bool is_private(std::uint32_t a) {
  return std::ranges::any_of(kPrivate4,
                             [&](const Range4& r) { return ((a ^ r.base) >> (32 - r.bits)) == 0; });
}

std::uint32_t be32(const V6& a, std::size_t at) {
  return std::uint32_t{a[at]} << 24 | std::uint32_t{a[at + 1]} << 16 | std::uint32_t{a[at + 2]} << 8 |
         a[at + 3];
}

/// The IPv4 address that an IPv6 one stands for.
std::optional<std::uint32_t> embedded(const V6& a) {
  if (within(a, k6to4)) return be32(a, 2);
  for (const Range6& r : {kMapped6, kNat64, kCompatible6, kTranslated6}) {
    if (within(a, r)) return be32(a, 12);
  }
  return std::nullopt;
}

bool is_private(const V6& a) {
  if (within(a, kMapped6) || within(a, kNat64)) return is_private(*embedded(a));
  if (!within(a, kGlobal6)) return true;
  return std::ranges::any_of(kPrivateInGlobal6, [&](const Range6& r) { return within(a, r); });
}

template <class S>
std::vector<unsigned char> bytes_of(const S& s) {
  const auto* p = reinterpret_cast<const unsigned char*>(&s);
  return {p, p + sizeof s};
}

}  // namespace

std::optional<SocketAddress> address_of(std::string_view ip, std::uint16_t port) {
  const std::string text(ip);
  std::array<char, INET6_ADDRSTRLEN> canonical{};
  sockaddr_in in4{};
  if (inet_pton(AF_INET, text.c_str(), &in4.sin_addr) == 1) {
    // inet_pton takes leading zeros in some libraries: only the one spelling that it prints itself is let in.
    inet_ntop(AF_INET, &in4.sin_addr, canonical.data(), canonical.size());
    if (ip != canonical.data()) return std::nullopt;
    in4.sin_family = AF_INET;
    in4.sin_port = htons(port);
    return SocketAddress{bytes_of(in4), text + ":" + std::to_string(port)};
  }
  sockaddr_in6 in6{};
  if (inet_pton(AF_INET6, text.c_str(), &in6.sin6_addr) != 1 || text.size() != ip.size()) return std::nullopt;
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(port);
  inet_ntop(AF_INET6, &in6.sin6_addr, canonical.data(), canonical.size());
  return SocketAddress{bytes_of(in6), "[" + std::string(canonical.data()) + "]:" + std::to_string(port)};
}

bool is_private_address(const SocketAddress& address) {
  if (const auto v4 = as_v4(address)) return is_private(*v4);
  if (const auto six = as_v6(address)) return is_private(*six);
  return true;
}

bool is_metadata_address(const SocketAddress& address) {
  auto v4 = as_v4(address);
  if (const auto six = as_v6(address)) {
    if (std::ranges::find(kMetadata6, *six) != std::end(kMetadata6)) return true;
    v4 = embedded(*six);
  }
  return v4 && std::ranges::find(kMetadata4, *v4) != std::end(kMetadata4);
}

Result<std::vector<SocketAddress>> permitted(std::vector<SocketAddress> found, const Url& url,
                                             bool allow_private) {
  if (found.empty()) {
    return fail(Code::upstream_unreachable, Blame::upstream, url.host + " has no address", true);
  }
  const bool metadata = std::erase_if(found, is_metadata_address) > 0;
  if (!allow_private) std::erase_if(found, is_private_address);
  if (!found.empty()) return found;
  // No hint: at dial time the reader is whoever made the call, and must not learn where the upstream lives.
  return fail(Code::forbidden, Blame::admin,
              metadata ? "egress refused: " + url.host + " leads to a cloud metadata service"
                       : "egress refused: " + url.host +
                             " leads to a private or special address (allow_private: true permits it)");
}

}  // namespace sallyport::net
