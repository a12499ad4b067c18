#pragma once
/// What an upstream asks while it works on a call: carried to the client, and the answer posted back.

#include <map>
#include <memory>
#include <optional>

#include "upstream_http_exchange.hpp"

namespace sallyport::gateway::http {

/// A call whose upstream may ask something, with its clock, which stands still while a question is open.
/// Threads: the caller's shard. Made for calls that can be asked or that go through a session of their own.
class AskedCall : public std::enable_shared_from_this<AskedCall> {
 public:
  /// `outer` may be null and must live until end().
  AskedCall(std::shared_ptr<Link> link, Ask ask, SteadyTime deadline, Cancel* outer);

  /// Fires when the caller gives up and when the time is over.
  Cancel& cancel() { return cancel_; }
  /// What `error` is in truth, where our own cancel made it.
  Error truth(Error error) const;

  /// A request of the upstream's arrived. Errors: upstream_broken, then the call is over.
  Result<void> take(Identity identity, const mcp::Envelope& request);
  /// The same for one that came another way. False when it was refused.
  void take(Identity identity, mcp::Id id, Question question);
  /// The upstream has taken back what it asked as `id`: nobody waits for an answer any more.
  void withdraw(const mcp::Id& id);
  /// The call is over: answers that still come are of no use. Must be called before `outer` goes.
  void end();

 private:
  static Task<> carry(std::shared_ptr<AskedCall> self, Identity identity, mcp::Id id, Question question);
  void start_clock();
  void stop_clock();
  /// A question is answered or was taken back; false when it is not open any more.
  bool close(const mcp::Id& id);

  const std::shared_ptr<Link> link_;
  const Ask ask_;
  Replies replies_;
  Cancel cancel_;
  Cancel::Watch outer_;
  std::optional<net::Deadline> clock_;
  SteadyTime deadline_;
  Duration left_{};
  std::map<mcp::Id, std::shared_ptr<Withdrawal>> open_;
  bool late_ = false;
  bool over_ = false;
};

}  // namespace sallyport::gateway::http
