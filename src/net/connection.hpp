#pragma once
/// One accepted connection: reads heads, runs the handler on each, keeps the order, and ends cleanly.

#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "event_stream.hpp"
#include "input.hpp"
#include "sallyport/net/channel.hpp"
#include "sallyport/net/head.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "sallyport/net/response.hpp"
#include "sallyport/net/server.hpp"

namespace sallyport::net {

class Connection;

/// What the connections of one listener share. Constant once it accepts, but for the counters.
struct ListenerState {
  ListenerOptions options;
  std::shared_ptr<TlsContext> tls;
  std::vector<std::vector<Connection*>> by_shard;  ///< each touched only on its own shard
  std::atomic<std::size_t> live{0};
  std::atomic<bool> stopping{false};
  std::atomic<bool> accepting{false};
  std::mutex mutex;  // guards nothing but the sleep of stop()
  std::condition_variable ended;
};

/// Threads: its shard's. Owns itself through the coroutine that runs it.
class Connection final : public Exchange, public std::enable_shared_from_this<Connection> {
 public:
  Connection(Shard& shard, int fd, Peer peer, std::shared_ptr<ListenerState> state);
  ~Connection() override;

  /// Serves until the connection ends.
  static Task<> run(std::shared_ptr<Connection> self);

  /// The server stops: an idle connection ends now, a busy one after its exchange.
  void stop_when_idle();
  /// The grace is over: cancels the exchange; what has not ended shortly after is cut.
  void stop_now();
  std::size_t place = 0;  ///< in ListenerState::by_shard

  Shard& shard() override { return shard_; }
  const Request& request() const override { return parse_.request; }
  const Peer& peer() const override { return peer_; }
  const std::string& client_ip() const override { return brought_for_.empty() ? peer_.ip : brought_for_; }
  SteadyTime started() const override { return started_; }
  Task<Result<std::string>> read_body(std::size_t cap) override;
  Task<> reply(Reply reply) override;
  EventStream& stream(Reply head) override;
  void keep_answering() override { keeps_answering_ = true; }
  bool answered() const override { return answered_; }
  void forget_request() override;
  void keep(std::shared_ptr<const void> held) override { kept_ = std::move(held); }
  Cancel& cancel() override { return *cancel_; }
  std::size_t bytes_sent() const override { return events_ ? events_->payload() : bytes_sent_; }

 private:
  enum class Phase : std::uint8_t { idle, head, exchange, ending };

  Task<bool> shake_hands();
  Task<bool> read_head();
  bool try_head(std::size_t looked);
  Task<> refuse(int status, std::string_view reason);
  Task<bool> serve();
  Task<> linger();

  Task<Result<std::string>> read_sized();
  Task<Result<std::string>> read_chunked(std::size_t cap);
  Task<Result<void>> read_more(std::span<char> into, std::size_t& count);
  void arm_body_deadline();

  void watch_later();
  Task<> watch();
  Task<> end_watch();
  void watch_leaving();
  void client_left();
  void client_gone();
  void guard_write();
  bool stays_open(const Reply& reply) const;
  const ConnectionBounds& bounds() const { return state_->options.bounds; }

  Shard& shard_;
  Channel channel_;
  Peer peer_;
  const std::shared_ptr<ListenerState> state_;
  Phase phase_ = Phase::idle;
  bool fresh_ = true;  ///< nothing was asked on it yet
  Input in_;
  HeadParse parse_;
  std::string out_;
  Deadline deadline_;  // of the one thing that this connection waits for
  Deadline watch_deadline_;
  std::optional<Deadline> cut_;  // set when the server stops and the exchange does not
  bool timed_out_ = false;
  std::uint64_t guarded_at_ = 0;

  // One exchange.
  std::optional<Cancel> cancel_;
  SteadyTime started_{};
  std::string brought_for_;  // by a trusted proxy; else empty
  bool answered_ = false;
  bool keep_open_ = false;
  bool body_whole_ = false;  // every byte of the request was read
  bool body_taken_ = false;
  bool in_body_ = false;
  bool left_ = false;  // the client sends no more; it may still read
  bool keeps_answering_ = false;
  bool watching_ = false;
  std::coroutine_handle<> watch_ended_{};
  std::size_t bytes_sent_ = 0;
  HeldBytes held_;
  std::size_t body_received_ = 0;
  SteadyTime body_started_{};
  std::shared_ptr<EventWriter> events_;
  std::shared_ptr<const void> kept_;
};

}  // namespace sallyport::net
