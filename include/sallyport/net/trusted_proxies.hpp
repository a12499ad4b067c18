#pragma once
/// Whose request it is that a proxy brings.

#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/net/http.hpp"
#include "sallyport/net/ip.hpp"

namespace sallyport::net {

/// The proxies whose word for whom they speak is taken. Constant once made.
class TrustedProxies {
 public:
  /// Addresses and networks: "192.0.2.7", "10.0.0.0/8", "fd00::/8"; "unix" is whoever may open a local
  /// socket. Errors: bad_request, naming the entry.
  static Result<TrustedProxies> of(const std::vector<std::string>& entries);

  /// `ip` as Peer::ip has it.
  bool contains(std::string_view ip) const;
  bool empty() const { return networks_.empty() && !unix_; }

  /// Where a request comes from: the peer, and behind trusted proxies the last of X-Forwarded-For that is
  /// none of them, since each adds whom it heard. What stands before that may be anybody's invention. An
  /// entry that is no address ends the search at the proxy that wrote it. `Forwarded` (RFC 7239) is not
  /// looked at: a proxy that does not write it lets through what a client did.
  std::string client_of(const Peer& peer, const Headers& forwarded) const;

 private:
  std::vector<Range6> networks_;
  bool unix_ = false;
};

}  // namespace sallyport::net
