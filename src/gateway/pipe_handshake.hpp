#pragma once
/// How a message pipe is opened and what its other end turns out to be.

#include <atomic>
#include <memory>

#include "message_pipe.hpp"

namespace sallyport::gateway {

/// What a server's pipes turned out to speak; kept between them, so that only the first one is probed.
enum class EraVerdict : std::uint8_t { unknown, modern, legacy };

/// Opens the pipe and greets: modern first, where nothing is known yet (mcp-protocol section 4). A server
/// that ends on a message it does not know is opened a second time. Errors: upstream_unreachable,
/// upstream_timeout, upstream_broken; readable by who wrote the configuration.
Task<Result<UpstreamIdentity>> shake_hands(std::shared_ptr<MessagePipe> pipe,
                                           std::shared_ptr<std::atomic<EraVerdict>> verdict,
                                           SteadyTime deadline);

}  // namespace sallyport::gateway
