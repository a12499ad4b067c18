#pragma once
/// Whom a limit per address is about.

#include <cstring>
#include <string>

#include "sallyport/net/egress.hpp"
#include "sallyport/net/ip.hpp"

namespace sallyport::identity {

/// `ip` itself, and of an IPv6 address the first half: the other half is the subscriber's own to choose from
/// (RFC 4291 section 2.5.4).
inline std::string subscriber_of(const std::string& ip) {
  const auto address = net::address_of(ip, 0);
  auto v6 = address ? net::as_v6(*address) : std::nullopt;
  if (!v6) return ip;
  std::memset(v6->data() + v6->size() / 2, 0, v6->size() / 2);
  return net::ip_text(*v6) + "/64";
}

}  // namespace sallyport::identity
