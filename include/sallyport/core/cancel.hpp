#pragma once
/// One call's wish to stop: the client went away, sent a cancellation, or the server stops.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

namespace sallyport {

/// Threads: one shard. Fires once; whoever waits registers what must happen then.
class Cancel {
 public:
  using Action = std::move_only_function<void()>;

  /// Runs its action when the call is cancelled, unless it is destroyed first. Must not outlive the Cancel.
  class [[nodiscard]] Watch {
   public:
    Watch() = default;
    Watch(Watch&& o) noexcept : owner_(std::exchange(o.owner_, nullptr)), id_(o.id_) {}
    Watch& operator=(Watch&& o) noexcept {
      if (this != &o) {
        release();
        owner_ = std::exchange(o.owner_, nullptr);
        id_ = o.id_;
      }
      return *this;
    }
    ~Watch() { release(); }

   private:
    friend class Cancel;
    Watch(Cancel* owner, std::uint64_t id) : owner_(owner), id_(id) {}
    void release() {
      if (owner_)
        std::erase_if(std::exchange(owner_, nullptr)->entries_, [&](const Entry& e) { return e.id == id_; });
    }
    Cancel* owner_ = nullptr;
    std::uint64_t id_ = 0;
  };

  Cancel() = default;
  Cancel(const Cancel&) = delete;
  Cancel& operator=(const Cancel&) = delete;
  ~Cancel() {
    if (gone_) *gone_ = true;
  }

  bool requested() const { return requested_; }

  /// An action registered after the request runs at once.
  Watch on_request(Action action) {
    if (requested_) {
      action();
      return {};
    }
    entries_.push_back({++last_id_, std::move(action)});
    return Watch(this, last_id_);
  }

  /// Actions may release their own or other watches while they run, and may end the call together with this
  /// object: an action that resumes the call's coroutine runs it to its end before it returns.
  void request() {
    if (std::exchange(requested_, true)) return;
    bool gone = false;
    gone_ = &gone;
    while (!entries_.empty()) {
      Action action = std::move(entries_.front().action);
      entries_.erase(entries_.begin());
      action();
      if (gone) return;
    }
    gone_ = nullptr;
  }

 private:
  struct Entry {
    std::uint64_t id;
    Action action;
  };
  bool requested_ = false;
  bool* gone_ = nullptr;  // where a request() under way wants to hear of our end
  std::uint64_t last_id_ = 0;
  std::vector<Entry> entries_;
};

}  // namespace sallyport
