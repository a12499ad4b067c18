#pragma once
/// Ranges of IP addresses.

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "sallyport/net/channel.hpp"

namespace sallyport::net {

using V6 = std::array<unsigned char, 16>;

/// The addresses that begin with the first `bits` of `base`.
struct Range6 {
  V6 base;
  int bits;
};

constexpr V6 v6(std::array<unsigned, 8> groups) {
  V6 out{};
  for (std::size_t i = 0; i < 8; ++i) {
    out[2 * i] = static_cast<unsigned char>(groups[i] >> 8);
    out[2 * i + 1] = static_cast<unsigned char>(groups[i] & 0xFF);
  }
  return out;
}

inline constexpr Range6 kMapped6 = {v6({0, 0, 0, 0, 0, 0xFFFF}), 96};  ///< IPv4 in IPv6 (RFC 4291 2.5.5.2)

bool within(const V6& a, const Range6& range);

/// Null for another family.
std::optional<std::uint32_t> as_v4(const SocketAddress& address);
std::optional<V6> as_v6(const SocketAddress& address);

V6 mapped(std::uint32_t v4);
/// "192.0.2.1" for a mapped one too, "2001:db8::1" (RFC 5952).
std::string ip_text(const V6& address);

}  // namespace sallyport::net
