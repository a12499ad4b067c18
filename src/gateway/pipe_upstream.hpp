#pragma once
/// Upstreams behind message pipes: who owns a pipe, when it is opened again, how it is.

#include <memory>

#include "carrier.hpp"
#include "sallyport/gateway/upstream.hpp"

namespace sallyport::gateway {

/// One upstream server whose pipes run on carriers of one kind. A pipe has one owner shard, by server and
/// isolation; a caller with an isolation of its own and capabilities has a legacy pipe of its own for them.
std::shared_ptr<Upstream> make_pipe_upstream(net::Shards& shards, std::shared_ptr<const CarrierKind> kind,
                                             std::shared_ptr<const ServerConfig> config, OnNotice on_notice);

}  // namespace sallyport::gateway
