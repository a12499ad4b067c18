#pragma once
/// The protocol over a duplex of messages: calls and their answers, progress, questions, notices.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "carrier.hpp"
#include "pipe_subscriptions.hpp"
#include "sallyport/gateway/single_flight.hpp"
#include "sallyport/gateway/upstream.hpp"

namespace sallyport::gateway {

/// A call that waits at the pipe for its answer.
struct PendingCall {
  PendingCall(net::Shard& shard, const UpstreamCall& its, net::Shard* at)
      : call(its), home(at), late(shard), due(its.deadline) {}
  const UpstreamCall& call;  ///< the caller's; there until the answer has reached its shard
  net::Shard* const home;    ///< where the caller and its callbacks live
  Slot<Result<UpstreamAnswer>> answer;
  net::Deadline late;
  SteadyTime due;         ///< the deadline, moved by what questions took
  SteadyTime asked_at{};  ///< since when the deadline stands still
  std::map<std::string, std::shared_ptr<Withdrawal>> questions;  ///< the upstream's open ones, by its ids
  int asked = 0;                                                 ///< questions so far
};

/// Tells the pipe's shard which wait to end when the caller gives up.
struct CallTicket {
  std::weak_ptr<PendingCall> pending;
  std::weak_ptr<Slot<Result<std::shared_ptr<const UpstreamIdentity>>>> connecting;
  bool cancelled = false;
};

/// Who speaks over a pipe.
struct PipeOwner {
  std::shared_ptr<const ServerConfig> config;
  std::string isolation{};          ///< "": everybody
  std::string capabilities = "{}";  ///< what a legacy upstream was told of the client
  OnNotice on_notice{};
};

/// One carrier and the protocol on it. Threads: its shard's.
class MessagePipe : public std::enable_shared_from_this<MessagePipe> {
 public:
  using Answer = Result<UpstreamAnswer>;

  MessagePipe(net::Shard& shard, std::shared_ptr<const CarrierKind> kind, PipeOwner owner);

  SingleFlight<std::shared_ptr<const UpstreamIdentity>> flight;
  std::string how_it_ended;
  /// Once for each open(), when the carrier has ended: whether we asked for it, and how long it lived.
  std::function<void(bool asked, Duration lived)> on_end;

  const ServerConfig& config() const { return *owner_.config; }
  const PipeOwner& owner() const { return owner_; }
  const CarrierKind& kind() const { return *kind_; }
  net::Shard& shard() const { return shard_; }
  Subscriptions& subscriptions() { return subscriptions_; }

  /// Opened, and neither asked to end nor given up.
  bool running() const { return carrier_ && !asked_ && !given_up_; }
  /// The carrier is still there.
  bool alive() const { return carrier_ != nullptr; }
  bool asked_to_stop() const { return asked_; }
  /// The carrier is still there and on its way out.
  bool being_given_up() const { return carrier_ && given_up_; }
  /// Calls in a row that ran out of time while nothing at all came.
  int unheard() const { return unheard_; }

  Task<Result<bool>> open(SteadyTime deadline);
  void stop();
  /// Ends a carrier from which nothing comes any more; on_end follows as for one that ended by itself.
  void give_up();

  /// Sends a request and waits for its answer. `home` is where the call's callbacks live; `own_params`
  /// replaces what the call would compose. Ends early by deadline or through the ticket.
  Task<Answer> request(const UpstreamCall& call, const UpstreamIdentity& identity, net::Shard* home,
                       std::shared_ptr<CallTicket> ticket, std::string own_params = {});

  /// A request on our own account; `done` hears the answer unless dismiss() came first. Returns its id, empty
  /// (and `done` never called) when it could not be sent.
  std::string ask(mcp::Method method, std::string_view params, std::function<void(Answer)> done,
                  Carrier::Order order = Carrier::Order::any);
  /// Hears no answer to a request of ours any more; false when there was none.
  bool forget(const std::string& id);
  /// Takes a request of ours back; what still comes is ignored.
  void dismiss(const std::string& id);
  void notify(std::string_view method, std::string_view params, Carrier::Order order = Carrier::Order::any);
  void tell(Notice::Kind kind, std::string id = {}, std::string params = "{}") const;

 private:
  void take(std::string text);
  void take_notification(json::Document document, const mcp::Envelope& message);
  void relay(json::Document document, const mcp::Envelope& message);
  void take_question(const mcp::Envelope& message);
  /// The call that a question is about. Errors: method_not_found (not offered), invalid_params (nobody can
  /// say whose it is).
  Result<std::shared_ptr<PendingCall>> whose_question(const mcp::Envelope& message) const;
  static Task<> carry(std::shared_ptr<MessagePipe> self, std::shared_ptr<PendingCall> pending, std::string id,
                      Question question);
  /// Forgets an open question; true if it was open. The call's deadline goes on with the last one.
  static bool close_question(const std::shared_ptr<PendingCall>& pending, const std::string& id,
                             const std::shared_ptr<Withdrawal>& withdrawal);
  static void arm(const std::shared_ptr<PendingCall>& pending);
  void want_log_level(const UpstreamCall& call, const UpstreamIdentity& identity);
  void note_caller(const UpstreamCall& call);
  void rest_when_idle();
  std::uint64_t heard() const { return carrier_ ? carrier_->heard() : 0; }
  void count_silence(const Answer& answer, std::uint64_t heard_before);
  void ended(const std::string& how);
  bool post(std::string message, Carrier::Order order = Carrier::Order::any, Carrier::Refused refused = {});
  std::string next_id() { return std::to_string(++last_id_); }

  net::Shard& shard_;
  const std::shared_ptr<const CarrierKind> kind_;
  std::string caller_;           // the principal of the first call
  bool callers_differ_ = false;  // another has called since
  const PipeOwner owner_;
  std::unique_ptr<Carrier> carrier_;
  std::map<std::string, std::shared_ptr<PendingCall>> pending_;
  std::map<std::string, std::function<void(Answer)>> own_;
  Subscriptions subscriptions_;
  std::uint64_t last_id_ = 0;
  int log_severity_;
  bool modern_ = false;
  SteadyTime started_{};
  bool asked_ = false;
  bool given_up_ = false;
  int unheard_ = 0;
  std::uint64_t silent_since_ = 0;  // what had been heard when the last of them was written
  net::Deadline idle_;
};

}  // namespace sallyport::gateway
