#include "event_stream.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <utility>

namespace sallyport::net {

namespace {
// More than this is not kept for the end of the turn; and a buffer that grew past it is given back once it is
// empty.
constexpr std::size_t kGathered = 16 * limits::KiB;
constexpr std::size_t kKept = 2 * limits::KiB;
// What one that reads may be sent while nothing is left of the budget.
constexpr std::size_t kAlways = 64 * limits::KiB;

std::atomic<std::size_t> all_waiting{0};
}  // namespace

bool WaitingBytes::set(std::size_t bytes) {
  const std::size_t before = held_.bytes();
  if (bytes <= before) {
    all_waiting.fetch_sub(before - bytes, std::memory_order_relaxed);
    return held_.set(bytes);
  }
  const std::size_t more = bytes - before;
  if (all_waiting.fetch_add(more, std::memory_order_relaxed) + more <= HeldBytes::budget() / 2 &&
      held_.set(bytes, HeldBytes::for_calls()))
    return true;
  all_waiting.fetch_sub(more, std::memory_order_relaxed);
  return false;
}

void WaitingBytes::release() {
  if (held_.bytes() == 0) return;
  all_waiting.fetch_sub(held_.bytes(), std::memory_order_relaxed);
  held_.release();
}

EventWriter::EventWriter(Channel& channel, const ConnectionBounds& bounds, bool chunked,
                         std::function<void()> broken)
    : channel_(channel),
      bounds_(bounds),
      chunked_(chunked),
      broken_(std::move(broken)),
      stall_(channel.shard()),
      keep_alive_(channel.shard()) {}

void EventWriter::start(std::string head) {
  waiting_ = std::move(head);
  flush_soon();
}

bool EventWriter::push(std::string frame, HeldBytes share) {
  if (!open_) return false;
  if (frame.empty()) return true;
  // One frame may be bigger than the bound; what may not grow is the heap of frames behind a reader that does
  // not read.
  if (waiting_.size() + sending_.size() > bounds_.sse_queue || !hold(frame.size(), std::move(share))) {
    open_ = false;
    channel_.abort();  // the write under way fails, and that tells everyone
    return false;
  }
  payload_ += frame.size();
  enqueue(frame);
  return open_;
}

/// Who takes what comes is not slow, however little is left of the budget: only what waits behind a write
/// that does not get on is refused, and what is large.
bool EventWriter::hold(std::size_t more, HeldBytes share) {
  const std::size_t all = waiting_.size() + sending_.size() + more;
  const std::size_t carried = std::min(carried_.bytes(), all);
  if (all <= limits::kUncounted || held_.set(all - carried)) return true;
  if (!writing_ || share.bytes() > 0) {
    const std::size_t before = carried_.bytes();
    const std::size_t spare = share.bytes() > 0 ? 0 : HeldBytes::for_calls();
    carried_.add(std::move(share));
    if (carried_.set(before + more, spare)) return true;
    static_cast<void>(carried_.set(before));
  }
  return !writing_ && more <= kAlways;
}

void EventWriter::hang_up() {
  if (!std::exchange(open_, false)) return;
  hung_up_ = true;
  keep_alive_.clear();
  if (chunked_) waiting_.append("0\r\n\r\n");
  if (!writing_) flush_soon();
}

void EventWriter::enqueue(std::string_view frame) {
  if (chunked_) {
    std::array<char, 16> size;
    const auto end = std::to_chars(size.data(), size.data() + size.size(), frame.size(), 16).ptr;
    waiting_.append(size.data(), end).append("\r\n").append(frame).append("\r\n");
  } else {
    waiting_.append(frame);
  }
  if (writing_) return;
  if (waiting_.size() > kGathered) {
    spawn(drain());
  } else {
    flush_soon();
  }
}

void EventWriter::flush_soon() {
  if (std::exchange(flush_planned_, true)) return;
  channel_.shard().at_turn_end([self = weak_from_this()] {
    const std::shared_ptr<EventWriter> alive = self.lock();
    if (!alive || alive->ended_) return;
    alive->flush_planned_ = false;
    if (!alive->writing_) spawn(alive->drain());
  });
}

void EventWriter::guard() {
  guarded_at_ = channel_.bytes_written();
  stall_.set(bounds_.write_stall, [this] {
    if (channel_.bytes_written() != guarded_at_) {
      guard();
    } else {
      channel_.abort();
    }
  });
}

void EventWriter::keep_alive_later() {
  keep_alive_.set(bounds_.sse_keep_alive, [this] {
    if (open_) enqueue(":\n\n");
  });
}

Task<> EventWriter::drain() {
  writing_ = true;
  keep_alive_.clear();
  while (!waiting_.empty() && !failed_) {
    std::swap(waiting_, sending_);
    guard();
    failed_ = !(co_await channel_.write(std::string_view(sending_))).has_value();
    stall_.clear();
    sending_.clear();
    if (waiting_.empty()) {
      held_.release();
      carried_.release();
    }
  }
  if (sending_.capacity() > kKept) sending_ = std::string();
  if (waiting_.empty() && waiting_.capacity() > kKept) waiting_ = std::string();
  if (failed_) {
    waiting_ = std::string();
    abandon();
    if (!ended_) broken_();
  } else if (open_) {
    keep_alive_later();
  } else if (hung_up_) {
    channel_.shutdown_send();
  }
  writing_ = false;
  // Whoever goes on may end the stream: nothing of it is touched after that.
  const auto self = weak_from_this().lock();
  if (auto h = std::exchange(taken_, {})) h.resume();
  if (auto h = std::exchange(drained_, {})) h.resume();
}

Task<bool> EventWriter::taken() {
  struct Taken {
    EventWriter& self;
    bool await_ready() const noexcept { return !self.open_ || (self.waiting_.empty() && !self.writing_); }
    void await_suspend(std::coroutine_handle<> h) { self.taken_ = h; }
    void await_resume() const noexcept {}
  };
  co_await Taken{*this};
  co_return open_;
}

void EventWriter::abandon() {
  open_ = false;
  keep_alive_.clear();
}

Task<bool> EventWriter::finish() {
  const bool whole = open_ || hung_up_;
  const bool unmarked = std::exchange(open_, false) && chunked_;
  ended_ = true;
  keep_alive_.clear();
  struct Drained {
    EventWriter& self;
    bool await_ready() const noexcept { return !self.writing_; }
    void await_suspend(std::coroutine_handle<> h) { self.drained_ = h; }
    void await_resume() const noexcept {}
  };
  if (unmarked) waiting_.append("0\r\n\r\n");
  co_await Drained{*this};
  if (!whole || failed_ || !channel_.is_open()) co_return false;
  if (waiting_.empty()) co_return !hung_up_;
  guard();
  const bool sent = (co_await channel_.write(std::string_view(waiting_))).has_value();
  stall_.clear();
  co_return sent && !hung_up_;
}

}  // namespace sallyport::net
