#include "poller.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>
#include <utility>

namespace sallyport::net {

namespace {

/// Operations in one turn that one descriptor may do without waiting: a peer that is never short of bytes
/// must not keep the loop from everyone else.
constexpr std::uint8_t kShare = 8;

constexpr std::uint32_t kAlways = EPOLLIN | EPOLLRDHUP | EPOLLET;

}  // namespace

bool Polled::open(int fd, bool connecting) {
  readable_ = ended_ = false;
  writable_ = !connecting;
  writing_watched_ = connecting;
  epoll_event event{};
  event.events = kAlways | (connecting ? EPOLLOUT : 0U);
  event.data.ptr = this;
  if (::epoll_ctl(poller_.epoll_, EPOLL_CTL_ADD, fd, &event) != 0) {
    const int error = errno;
    ::close(fd);
    errno = error;
    return false;
  }
  fd_ = fd;
  OpenLink::insert_before(poller_.open_);
  return true;
}

void Polled::close() {
  if (fd_ < 0) return;
  for (Waiting& w : waiting_) {
    if (w.wake) poller_.ended_.push_back(std::exchange(w.wake, nullptr));
  }
  DueLink::unlink();
  OpenLink::unlink();
  if (poller_.current_ == this) poller_.current_ = nullptr;
  // Closing alone does not end the watch while a process that is just being started holds a copy.
  epoll_event none{};
  ::epoll_ctl(poller_.epoll_, EPOLL_CTL_DEL, fd_, &none);
  ::close(std::exchange(fd_, -1));
}

void Polled::note(Direction d, std::size_t asked, ssize_t result) {
  if (result < 0 && errno != EAGAIN && errno != EWOULDBLOCK) return;
  if (d == Direction::out) {
    if (result >= 0 && static_cast<std::size_t>(result) == asked) return;
    writable_ = false;
    watch_writing();
    return;
  }
  if (asked == 0) return;
  if (result == 0) ended_ = true;
  // Fewer bytes than asked for: there were no more. What comes from now on is told anew, but for an end that
  // was told together with the bytes before it.
  readable_ = result >= 0 && (static_cast<std::size_t>(result) == asked || ended_);
}

/// Room to write is watched only once there was none: otherwise it would be told with everything else.
void Polled::watch_writing() {
  if (std::exchange(writing_watched_, true)) return;
  epoll_event event{};
  event.events = kAlways | EPOLLOUT;
  event.data.ptr = this;
  ::epoll_ctl(poller_.epoll_, EPOLL_CTL_MOD, fd_, &event);
}

bool Polled::take_share() {
  if (share_turn_ != poller_.turn_) {
    share_turn_ = poller_.turn_;
    share_ = 0;
  }
  if (share_ == kShare) return false;
  ++share_;
  return true;
}

void Polled::wait(Waiter who, Direction d, Wake wake) {
  set_waiting(who, {.wake = std::move(wake), .direction = d});
}

void Polled::yield(Waiter who, Wake wake) { set_waiting(who, {.wake = std::move(wake), .forced = true}); }

void Polled::set_waiting(Waiter who, Waiting waiting) {
  if (fd_ < 0) return poller_.ended_.push_back(std::move(waiting.wake));
  Waiting& place = waiting_[static_cast<std::size_t>(who)];
  place = std::move(waiting);
  if (is_due(place)) make_due();
}

void Polled::cancel(Waiter who) {
  Waiting& w = waiting_[static_cast<std::size_t>(who)];
  if (w.wake) poller_.ended_.push_back(std::exchange(w.wake, nullptr));
}

void Polled::make_due() {
  if (!DueLink::linked()) DueLink::insert_before(poller_.due_);
}

void Polled::told(std::uint32_t events) {
  if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) ended_ = true;
  if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
  if ((events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) writable_ = true;
  for (const Waiting& w : waiting_) {
    if (is_due(w)) return make_due();
  }
}

Poller::Poller() : events_(kBatch) {
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_ < 0) throw std::system_error(errno, std::system_category(), "event loop");
  interrupt_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;  // every write to it is told, so it is never read
  if (interrupt_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, interrupt_, &event) != 0) {
    const int error = errno;
    if (interrupt_ >= 0) ::close(interrupt_);
    ::close(epoll_);
    throw std::system_error(error, std::system_category(), "event loop");
  }
}

Poller::~Poller() {
  drop_all();
  ::close(interrupt_);
  ::close(epoll_);
}

void Poller::interrupt() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(interrupt_, &one, sizeof one);
}

void Poller::wait(std::optional<Duration> timeout) {
  const int count = collect(timeout);
  ++turn_;
  // Nobody is woken in here: whoever is woken later sees the state of every descriptor, and may close any.
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events_[static_cast<std::size_t>(i)];
    if (event.data.ptr != nullptr) static_cast<Polled*>(event.data.ptr)->told(event.events);
  }
}

int Poller::collect(std::optional<Duration> timeout) {
  const auto size = static_cast<int>(events_.size());
  if (fine_wait_ && timeout && *timeout > Duration::zero()) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(*timeout);
    const timespec within{.tv_sec = seconds.count(),
                          .tv_nsec = std::chrono::nanoseconds(*timeout - seconds).count()};
    const int n = ::epoll_pwait2(epoll_, events_.data(), size, &within, nullptr);
    if (n >= 0 || errno == EINTR) return n;
    fine_wait_ = false;  // an older system, or a sandbox that does not know it
  }
  int milliseconds = -1;
  if (timeout) {
    constexpr Duration kLongest = std::chrono::hours(1);
    milliseconds = static_cast<int>(
        std::chrono::ceil<std::chrono::milliseconds>(std::min<Duration>(*timeout, kLongest)).count());
  }
  return ::epoll_wait(epoll_, events_.data(), size, milliseconds);
}

void Poller::wake() {
  DueLink running;
  running.take(due_);
  while (running.linked()) {
    auto& polled = static_cast<Polled&>(static_cast<DueLink&>(*running.next));
    static_cast<DueLink&>(polled).unlink();
    current_ = &polled;
    for (Polled::Waiting& w : polled.waiting_) {
      if (!polled.is_due(w)) continue;
      {
        Polled::Wake wake = std::exchange(w.wake, nullptr);
        wake(true);  // and what it owns goes with it
      }
      if (current_ == nullptr) break;
    }
  }
  current_ = nullptr;
}

void Poller::run_ended() {
  std::swap(ended_, ended_running_);
  for (Polled::Wake& wake : ended_running_) wake(false);
  ended_running_.clear();
}

void Poller::drop_all() {
  while (open_.linked()) static_cast<Polled&>(static_cast<OpenLink&>(*open_.next)).close();
  // Forgetting a waiter may close further descriptors.
  while (!ended_.empty()) std::exchange(ended_, {}).clear();
}

}  // namespace sallyport::net
