#pragma once
/// The writer behind an EventStream: frames gathered within a turn go out in one write.

#include <coroutine>
#include <functional>
#include <memory>
#include <string>

#include "sallyport/net/channel.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "sallyport/net/server.hpp"

namespace sallyport::net {

/// What streams keep for their readers: a share of the budget, and together at most half of it.
class WaitingBytes {
 public:
  WaitingBytes() = default;
  ~WaitingBytes() { release(); }
  WaitingBytes(const WaitingBytes&) = delete;
  WaitingBytes& operator=(const WaitingBytes&) = delete;
  /// As HeldBytes::set.
  [[nodiscard]] bool set(std::size_t bytes);
  void release();

 private:
  HeldBytes held_;
};

class EventWriter final : public EventStream, public std::enable_shared_from_this<EventWriter> {
 public:
  /// Goes before the channel does. `broken` is called, once, when the client no longer takes the stream.
  EventWriter(Channel& channel, const ConnectionBounds& bounds, bool chunked, std::function<void()> broken);
  /// Sends the head of the answer, at the end of this turn.
  void start(std::string head);

  using EventStream::push;
  bool push(std::string frame, HeldBytes share) override;
  bool open() const override { return open_; }
  Task<bool> taken() override;
  void hang_up() override;

  /// No more frames are taken: the client has gone.
  void abandon();
  /// Writes what waits and the end mark; true when the client has taken all of it.
  Task<bool> finish();
  std::size_t payload() const { return payload_; }

 private:
  bool hold(std::size_t more, HeldBytes share);
  void enqueue(std::string_view frame);
  void flush_soon();
  Task<> drain();
  void guard();
  void keep_alive_later();

  Channel& channel_;
  const ConnectionBounds& bounds_;
  const bool chunked_;
  const std::function<void()> broken_;
  std::string waiting_;
  std::string sending_;
  WaitingBytes held_;
  HeldBytes carried_;  // for frames that found no room in the half of streams
  std::size_t payload_ = 0;
  bool open_ = true;
  bool ended_ = false;
  bool hung_up_ = false;
  bool failed_ = false;
  bool flush_planned_ = false;
  bool writing_ = false;
  std::uint64_t guarded_at_ = 0;
  std::coroutine_handle<> drained_{};
  std::coroutine_handle<> taken_{};
  Deadline stall_;
  Deadline keep_alive_;
};

}  // namespace sallyport::net
