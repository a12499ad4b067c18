#pragma once
/// The descriptors of one shard, watched edge-triggered: the loop notes what the system tells of each, so
/// that no call is made that could only find nothing.

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "link.hpp"
#include "sallyport/core/clock.hpp"

struct epoll_event;

namespace sallyport::net {

class Poller;

/// `end`: the other side sends no more, or the descriptor is broken, whatever there still is to be read.
enum class Direction : std::uint8_t { in, out, end };

struct DueLink : Link {};   ///< in the list of those with someone to wake
struct OpenLink : Link {};  ///< in the list of all that are open

/// A non-blocking descriptor in a shard's loop. Owns it. Threads: its shard's.
class Polled : private DueLink, private OpenLink {
 public:
  /// `ready` is false when the descriptor was closed or the wait was cancelled; the Polled may be gone then.
  using Wake = std::move_only_function<void(bool ready)>;
  /// Who waits: at most one of each kind at a time.
  enum class Waiter : std::uint8_t { reader, writer, watcher, ender };

  explicit Polled(Poller& poller) : poller_(poller) {}
  ~Polled() { close(); }
  Polled(const Polled&) = delete;
  Polled& operator=(const Polled&) = delete;

  /// Takes `fd`, made non-blocking by the caller. `connecting`: it cannot be written to until the system says
  /// so. When the loop takes no further descriptor, false with errno, and `fd` is closed.
  bool open(int fd, bool connecting = false);
  /// Whoever waits is woken with false: later, not in here.
  void close();
  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }

  /// False when a call in that direction would find nothing.
  bool ready(Direction d) const {
    return d == Direction::in ? readable_ : d == Direction::out ? writable_ : ended_;
  }
  /// Tells what a call in that direction came to: what it returned of `asked` bytes, errno as it left it.
  void note(Direction d, std::size_t asked, ssize_t result);
  /// Counts an operation that is about to go without waiting; false when this descriptor has had its share of
  /// the turn and should yield() to the others.
  bool take_share();

  /// Wakes `who` once the descriptor is ready in that direction: not in here, even when it is already.
  void wait(Waiter who, Direction d, Wake wake);
  /// Wakes `who` in the next turn of the loop, whatever the system tells.
  void yield(Waiter who, Wake wake);
  /// Ends a wait: `who` is woken with false, later.
  void cancel(Waiter who);
  /// Ends a wait that nobody has to hear of.
  void forget(Waiter who) { waiting_[static_cast<std::size_t>(who)].wake = nullptr; }

 private:
  friend class Poller;
  struct Waiting {
    Wake wake;
    Direction direction = Direction::in;
    bool forced = false;
  };
  bool is_due(const Waiting& w) const { return w.wake && (w.forced || ready(w.direction)); }
  void set_waiting(Waiter who, Waiting waiting);
  void told(std::uint32_t events);
  void make_due();
  void watch_writing();

  Poller& poller_;
  int fd_ = -1;
  bool readable_ = false;
  bool writable_ = true;
  bool ended_ = false;  // the end or an error stands behind what is there to be read
  bool writing_watched_ = false;
  std::uint8_t share_ = 0;
  std::uint32_t share_turn_ = 0;
  std::array<Waiting, 4> waiting_;
};

/// Threads: its shard's, but for interrupt().
class Poller {
 public:
  /// Throws std::system_error when the system gives no epoll or event descriptor.
  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  /// Waits until something is ready, at most `timeout` (nothing: without end), and notes all of it.
  void wait(std::optional<Duration> timeout);
  /// Wakes who waits for what was noted.
  void wake();
  /// Wakes who was left behind by close() and cancel().
  void run_ended();
  /// True when somebody is to be woken whom no event announces.
  bool has_work() const { return due_.linked() || !ended_.empty(); }
  /// Threads: any. Makes wait() return, now or the next time.
  void interrupt();
  /// Closes what is open and forgets who waits: for the end of the shard.
  void drop_all();

 private:
  friend class Polled;
  static constexpr std::size_t kBatch = 512;

  int collect(std::optional<Duration> timeout);

  int epoll_ = -1;
  int interrupt_ = -1;
  bool fine_wait_ = true;  // the system knows epoll_pwait2 (Linux 5.11)
  std::uint32_t turn_ = 0;
  Polled* current_ = nullptr;  // being woken; null again once it has closed
  DueLink due_;
  OpenLink open_;
  std::vector<Polled::Wake> ended_;
  std::vector<Polled::Wake> ended_running_;
  std::vector<epoll_event> events_;
};

}  // namespace sallyport::net
