#pragma once
/// A new connection to an origin: resolved, checked, connected, TLS shaken.

#include <memory>

#include "exchange.hpp"

namespace sallyport::net {

/// Delivers into `dial->made`, at the latest after limits::kDnsDeadline and limits::kConnectDeadline. Nobody
/// need wait any more by then: the connection then closes. Errors: forbidden; upstream_unreachable; limited
/// (DNS queue).
Task<> dial_origin(std::shared_ptr<Dial> dial, Ticket ticket, Origin origin, SteadyTime deadline);

}  // namespace sallyport::net
