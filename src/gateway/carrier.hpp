#pragma once
/// What a message pipe runs on: the standard streams of a child process, or a 2024-11-05 SSE connection.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "sallyport/core/error.hpp"
#include "sallyport/core/task.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::gateway {

/// A duplex of JSON-RPC messages with one upstream. Threads: its shard's; callbacks come there. Destroying it
/// ends it, and no callback comes any more.
class Carrier {
 public:
  struct Events {
    std::function<void(std::string message)> on_message;
    /// Once, after the last message, if it was opened: how it ended, after a word like "process".
    std::function<void(std::string how)> on_end;
  };
  /// Whether what was sent later may arrive earlier: over HTTP it may, unless this says otherwise.
  enum class Order : std::uint8_t { any, before_what_follows };
  /// Tells that a message was not taken; the carrier itself may go on.
  using Refused = std::function<void(Error)>;

  /// Errors: upstream_unreachable, upstream_broken, upstream_timeout; readable by who wrote the
  /// configuration.
  virtual Task<Result<bool>> open(Events events, SteadyTime deadline) = 0;
  /// Queues one message. False when it has ended or too much is waiting.
  virtual bool send(std::string message, Order order, Refused refused) = 0;
  /// Bytes that have come from the other end, of whatever they were part.
  virtual std::uint64_t heard() const = 0;
  /// on_end follows, later.
  virtual void stop() = 0;
  virtual ~Carrier() = default;
};

/// A sort of carrier.
struct CarrierKind {
  std::function<std::unique_ptr<Carrier>(net::Shard& shard)> make;
  std::string noun, nouns;   ///< "process", "processes": what ends, in words for the log
  std::size_t most;          ///< of one server on one shard, beside the one that everybody shares
  bool legacy_only = false;  ///< no modern server is reached this way
  bool rests = true;         ///< one that everybody shares is stopped while nobody calls
};

}  // namespace sallyport::gateway
