#pragma once
/// Idle keep-alive connections of one shard, by origin.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sallyport/net/channel.hpp"
#include "sallyport/net/client.hpp"

namespace sallyport::net {

struct IdleConnection {
  Channel channel;
  SteadyTime since;
  SteadyTime until;
  bool kept;  ///< the peer has answered a second request on it, so it does not close after each
};

/// Connections to one origin. Lives as long as it has one, idle or busy; without any, until others need the
/// room.
struct Pool {
  Origin origin;
  std::string host_line;      ///< "Host: ...\r\n", ready to send
  std::uint64_t version = 0;  ///< connections made before it was raised do not come back
  std::size_t busy = 0;
  std::vector<IdleConnection> idle{};  ///< last used last
};

/// What all pools of a client share. Held by the client and by every response under way.
class Pools : public std::enable_shared_from_this<Pools> {
 public:
  explicit Pools(Shard& shard);
  ~Pools();

  Shard& shard() { return shard_; }
  Pool& find(const Origin& origin);
  /// A connection that was quiet up to now, the one used last first.
  std::optional<Channel> take_idle(Pool& pool);
  /// Keeps a connection for the next request, for at most `idle_for`. `kept` says that it came from here.
  void give_back(Pool& pool, Channel channel, Duration idle_for, bool kept);
  /// Under the authorities that stand in the file now; empty: the system's. Errors: those of
  /// make_client_tls().
  Result<std::shared_ptr<TlsContext>> tls(const std::string& ca_file);

  /// Responses that ended leave their buffers here.
  std::unique_ptr<ClientResponse::Impl> take_exchange();
  void give_back(std::unique_ptr<ClientResponse::Impl> exchange);
  void close();

  Client::Gauges gauges;

 private:
  struct Hash {
    std::size_t operator()(const Origin& o) const;
  };
  struct Same {
    bool operator()(const Origin& a, const Origin& b) const;
  };
  /// Which bytes a file holds, as far as its status tells; all zero: there is none.
  struct Stamp {
    std::uint64_t inode = 0, size = 0;
    std::int64_t seconds = 0, nanoseconds = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Trusted {
    std::shared_ptr<TlsContext> tls;
    Stamp stamp;
    SteadyTime looked;
  };
  static Stamp stamp_of(const std::string& file);
  void look_again(const std::string& ca_file, SteadyTime now);
  void arm_sweep();
  void sweep();
  void drop_unused();

  Shard& shard_;
  Deadline sweep_;
  bool closed_ = false;
  std::unordered_map<Origin, Pool, Hash, Same> pools_;
  std::size_t room_;                        ///< pools until the next look for unused ones
  std::map<std::string, Trusted> trusted_;  // by ca_file
  std::vector<std::unique_ptr<ClientResponse::Impl>> spare_;
};

/// The right to one connection of a pool: counts as busy while it exists.
class Ticket {
 public:
  Ticket() = default;
  Ticket(std::shared_ptr<Pools> pools, Pool& pool)
      : pools_(std::move(pools)), pool_(&pool), version_(pool.version) {
    ++pool_->busy;
    ++pools_->gauges.busy;
  }
  Ticket(Ticket&& o) noexcept
      : pools_(std::move(o.pools_)), pool_(std::exchange(o.pool_, nullptr)), version_(o.version_) {}
  Ticket& operator=(Ticket&& o) noexcept {
    if (this != &o) {
      release();
      pools_ = std::move(o.pools_);
      pool_ = std::exchange(o.pool_, nullptr);
      version_ = o.version_;
    }
    return *this;
  }
  ~Ticket() { release(); }

  Pools& pools() { return *pools_; }
  Pool& pool() { return *pool_; }
  /// False when whom its origin trusts has changed since.
  bool current() const { return pool_->version == version_; }
  void release() {
    if (!pool_) return;
    --std::exchange(pool_, nullptr)->busy;
    --pools_->gauges.busy;
    pools_.reset();
  }

 private:
  std::shared_ptr<Pools> pools_;
  Pool* pool_ = nullptr;
  std::uint64_t version_ = 0;
};

}  // namespace sallyport::net
