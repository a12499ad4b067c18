#include "sallyport/net/trusted_proxies.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <ranges>

#include "sallyport/core/bytes.hpp"
#include "sallyport/net/egress.hpp"

namespace sallyport::net {
namespace {

constexpr int kBits = 128;

struct Hop {
  V6 address;
  std::string text;
};

/// As Peer::ip writes it, whatever the spelling.
std::optional<Hop> read(std::string_view ip) {
  const auto address = address_of(ip, 0);
  if (!address) return std::nullopt;
  const auto v4 = as_v4(*address);
  const V6 bytes = v4 ? mapped(*v4) : *as_v6(*address);
  return Hop{bytes, ip_text(bytes)};
}

/// "192.0.2.1", "2001:db8::1", and with a port: "192.0.2.1:80", "[2001:db8::1]:80".
std::optional<Hop> read_hop(std::string_view text) {
  const auto is_port = [](std::string_view rest) {
    return rest.empty() || (rest.starts_with(':') && rest.size() > 1 &&
                            rest.find_first_not_of("0123456789", 1) == std::string_view::npos);
  };
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == std::string_view::npos || !is_port(text.substr(end + 1))) return std::nullopt;
    return read(text.substr(1, end - 1));
  }
  const auto colon = text.find(':');
  if (colon != std::string_view::npos && text.find(':', colon + 1) == std::string_view::npos &&
      is_port(text.substr(colon)))
    text = text.substr(0, colon);
  return read(text);
}

}  // namespace

Result<TrustedProxies> TrustedProxies::of(const std::vector<std::string>& entries) {
  TrustedProxies out;
  for (const std::string& entry : entries) {
    if (entry == "unix") {
      out.unix_ = true;
      continue;
    }
    const auto slash = entry.find('/');
    const auto network = read(std::string_view(entry).substr(0, slash));
    const bool v4 = network && entry.find(':') == std::string::npos;
    // IPv4 in IPv6 clothes is IPv4 still: less than that much of it is everybody.
    const int least = network && within(network->address, kMapped6) ? kMapped6.bits : 0;
    int bits = kBits;
    bool good = network.has_value();
    if (good && slash != std::string::npos) {
      const char* const begin = entry.data() + slash + 1;
      const char* const end = entry.data() + entry.size();
      const auto [at, problem] = std::from_chars(begin, end, bits);
      good = problem == std::errc() && at == end && *begin != '-' &&
             bits <= (v4 ? kBits - kMapped6.bits : kBits);
      if (good && v4) bits += kMapped6.bits;
      good = good && bits >= least;
    }
    if (!good)
      return client_error(
          Code::bad_request,
          fmt::format("'{}' is neither an address nor a network: 192.0.2.7, 10.0.0.0/8, fd00::/8 or unix",
                      entry));
    out.networks_.push_back({network->address, bits});
  }
  return out;
}

bool TrustedProxies::contains(std::string_view ip) const {
  if (ip == "unix") return unix_;
  const auto hop = networks_.empty() ? std::nullopt : read(ip);
  if (!hop) return false;
  // All of IPv4 lies within ::/0 and its like, and nobody who wrote those meant it.
  const int least = within(hop->address, kMapped6) ? kMapped6.bits : 0;
  return std::ranges::any_of(networks_, [&](const Range6& network) {
    return network.bits >= least && within(hop->address, network);
  });
}

std::string TrustedProxies::client_of(const Peer& peer, const Headers& forwarded) const {
  std::string client = peer.ip;
  if (!contains(client)) return client;
  for (const Header& line : forwarded.lines | std::views::reverse) {
    if (!equal_ignoring_case(line.name, "x-forwarded-for")) continue;
    std::string_view left = line.value;
    for (bool more = true; more;) {
      const auto comma = left.rfind(',');
      more = comma != std::string_view::npos;
      auto hop = read_hop(trim(more ? left.substr(comma + 1) : left));
      if (!hop) return client;
      client = std::move(hop->text);
      if (!contains(client)) return client;
      if (more) left = left.substr(0, comma);
    }
  }
  return client;
}

}  // namespace sallyport::net
