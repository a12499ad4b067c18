#pragma once
/// What one message pipe is subscribed to: list changes, and what somebody watches, in either era.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sallyport/gateway/single_flight.hpp"
#include "sallyport/gateway/upstream.hpp"

namespace sallyport::gateway {

class MessagePipe;

/// A resource's URI or a task's id.
using Subject = std::pair<Topic, std::string>;

/// Modern upstreams: one `subscriptions/listen` at a time, opened anew when its filter changes; the old one
/// is cancelled when the new one is confirmed, so that nothing falls between. Legacy ones:
/// `resources/subscribe`. Threads: the pipe's shard's.
class Subscriptions {
 public:
  /// `pipe` owns this.
  explicit Subscriptions(MessagePipe& pipe);

  /// After every handshake. `wanted` is what is watched already; true for what was confirmed before the pipe
  /// was opened again: that may have changed unseen.
  void begin(const UpstreamIdentity& identity, const std::map<Subject, bool>& wanted);
  /// Comes back when the upstream has confirmed. Errors: upstream_broken, upstream_timeout.
  Task<Result<bool>> add(Subject subject, SteadyTime deadline);
  void remove(const Subject& subject);
  bool empty() const { return wanted_.empty(); }
  /// The pipe ended: whoever waits hears it.
  void end();

  /// `notifications/subscriptions/acknowledged` arrived.
  void acknowledged(json::Value params);
  /// `notifications/cancelled` arrived for our request `id`: the other way in which a server closes a listen
  /// (2026-07-28, CancelledNotification). False where it is none.
  bool closed_by(const std::string& id);
  /// Every list that the upstream has tells of its changes by itself.
  bool lists_notify() const { return lists_notify_; }
  /// Called when lists_notify() may have changed.
  std::function<void()> on_change;

 private:
  struct Waiter {
    Subject subject;
    std::uint64_t listen;  ///< the first one whose filter has it
    std::shared_ptr<Slot<Result<bool>>> slot;
  };

  static Task<> add_again(std::shared_ptr<MessagePipe> pipe, Subject subject, bool missed);
  Result<bool> honours(const Subject& subject) const;
  void subscribe(const Subject& subject);
  void unsubscribe(const Subject& subject);
  void open_listen();
  void dismiss_before(std::uint64_t number);
  /// The server closed it; it is opened again.
  void closed(std::uint64_t number);
  void refused(std::uint64_t number, const std::string& why);
  void ask_each();
  void silence();
  void release(std::uint64_t first, std::uint64_t last,
               const std::function<Result<bool>(const Subject&)>& verdict);
  void set_lists_notify(bool now);

  MessagePipe& pipe_;
  bool modern_ = false;
  bool can_subscribe_ = false;                   ///< legacy
  std::set<std::string, std::less<>> promised_;  ///< members of the filter, "toolsListChanged" ...
  bool all_promised_ = false;                    ///< every list that there is notifies
  bool lists_notify_ = false;
  std::set<Subject> wanted_;
  std::map<Subject, std::shared_ptr<SingleFlight<bool>>> subscribed_;  ///< legacy
  std::map<std::uint64_t, std::string> listens_;                       ///< by number: request ids, open ones
  std::uint64_t last_listen_ = 0;
  std::uint64_t acknowledged_ = 0;  ///< number of the newest one that was confirmed and is open; 0: none
  SteadyTime since_{};              ///< when it was confirmed
  std::set<Subject> honoured_;      ///< what it said it honours
  bool interrupted_ = false;        ///< the server closed it: something may have been missed
  Duration delay_;
  std::vector<Waiter> waiting_;
  net::Deadline again_;
};

}  // namespace sallyport::gateway
