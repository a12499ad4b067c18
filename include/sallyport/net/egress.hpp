#pragma once
/// The egress guard: what may be dialled. Checked when a URL is saved and again on the address actually
/// dialled.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/channel.hpp"

namespace sallyport::net {

/// A checked http(s) URL. Holding one proves that its text passed `parse_url`.
struct Url {
  std::string scheme;  ///< "http" | "https"
  std::string host;    ///< lower case; an IPv6 literal without brackets
  std::uint16_t port = 0;
  std::string path;                 ///< "/..." including the query
  std::string host_header() const;  ///< "host" or "host:port" where the port is not the scheme's own
  std::string origin() const;       ///< "https://host:port"
};

/// Strict: http or https, no user info, no fragment, a host that is a DNS name or a canonical IP literal
/// (octal, hexadecimal and single-number forms of IPv4, zone ids and a dot at the end are refused). RFC 3986,
/// ASCII only. Errors: bad_request; the text never repeats the URL, which may hold a password.
Result<Url> parse_url(std::string_view text);

/// An IP literal without brackets as something to dial; null where it is not canonical.
std::optional<SocketAddress> address_of(std::string_view ip, std::uint16_t port);

/// Everything that is not globally routable unicast, IPv4-mapped and NAT64 forms included (RFC 6890 and
/// successors).
bool is_private_address(const SocketAddress& address);

/// Where clouds hand credentials to whoever asks: never an upstream, whatever the configuration says.
bool is_metadata_address(const SocketAddress& address);

/// Refuses at save time what is certain to be refused at dial time (IP literals and "localhost" names that
/// are private).
Result<void> check_egress(const Url& url, bool allow_private);

/// Drops what may not be dialled and keeps the order. Errors: forbidden when nothing is left.
Result<std::vector<SocketAddress>> permitted(std::vector<SocketAddress> found, const Url& url,
                                             bool allow_private);

/// Who named a host that is to be resolved.
enum class NamedBy : std::uint8_t {
  us,        ///< documents, settings, and those whom a policy lets bring hosts
  stranger,  ///< anybody
};

/// Resolves on the DNS executor (deadline limits::kDnsDeadline), then checks every address: all private ones
/// are dropped, and if none is left the answer is Code::forbidden. The checked address is the one to dial:
/// there is no second look-up. A link-local metadata address (169.254.169.254, fd00:ec2::254) is refused even
/// with allow_private. Each shard keeps what a name resolved to for kResolvedFor and asks once for callers
/// that ask together; the check runs for every caller. Names that strangers name have an executor, a queue
/// (limits::kStrangersNames) and a memory of their own: no others ever wait for a name server that strangers
/// chose. Errors: forbidden; upstream_unreachable; limited when too many names wait to be resolved.
Task<Result<std::vector<SocketAddress>>> resolve(Shard& shard, Url url, bool allow_private,
                                                 NamedBy named_by = NamedBy::us);

/// Looks a name up, blocking; the port goes into every address. Threads: any, several at once.
using Resolver =
    std::function<Result<std::vector<SocketAddress>>(const std::string& host, std::uint16_t port)>;
/// Replaces getaddrinfo(3) and forgets what was resolved; an empty one puts it back. Threads: any.
void set_resolver_for_test(Resolver resolver);

}  // namespace sallyport::net
