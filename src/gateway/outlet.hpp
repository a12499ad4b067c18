#pragma once
/// The client's end of a stream: one connection that frames go to, from whatever shard they come.

#include <memory>
#include <string>

#include "sallyport/core/task.hpp"
#include "sallyport/net/server.hpp"
#include "sallyport/net/shard.hpp"

namespace sallyport::gateway {

/// Belongs to the shard of the connection. Threads: its shard's, but for send() and end().
class Outlet : public std::enable_shared_from_this<Outlet> {
 public:
  explicit Outlet(net::Shard& shard) : shard_(shard) {}

  /// Passes frames on; what comes before start() waits. False when they could not even be queued: then
  /// the stream has a gap and must be ended. `share`: as EventStream::push. Threads: any.
  [[nodiscard]] bool send(std::string frames, net::HeldBytes share = {});
  /// Nothing more will come. Threads: any.
  void end();

  /// Frames go to `stream` from now on, `first` before all others. The stream outlives the outlet's use of
  /// it: leave() comes before it goes.
  void start(net::EventStream& stream, std::string first);
  /// The connection is gone or about to go.
  void leave();
  /// Comes when the stream has ended, from either side.
  Slot<bool>& over() { return over_; }

 private:
  void push(std::string frames, net::HeldBytes share = {});
  void finish();

  net::Shard& shard_;
  net::EventStream* stream_ = nullptr;
  std::string early_;
  bool ended_ = false;
  bool left_ = false;
  Slot<bool> over_;
};

}  // namespace sallyport::gateway
