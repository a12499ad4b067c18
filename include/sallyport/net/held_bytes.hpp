#pragma once
/// The process-wide budget of bytes in flight: whoever keeps a body, an answer or what waits for a slow
/// reader holds a share of it.

#include <cstddef>
#include <utility>

namespace sallyport::net {

/// One holder's share. Threads: a share belongs to one thread at a time, the budget to all.
class HeldBytes {
 public:
  HeldBytes() = default;
  HeldBytes(HeldBytes&& other) noexcept : bytes_(std::exchange(other.bytes_, 0)) {}
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    if (this != &other) {
      release();
      bytes_ = std::exchange(other.bytes_, 0);
    }
    return *this;
  }
  ~HeldBytes() { release(); }

  /// Makes the share `bytes`; false, and nothing changed, when that would take more than the budget has after
  /// `spare` bytes are set aside for others. Less is always granted.
  [[nodiscard]] bool set(std::size_t bytes, std::size_t spare = 0);
  void release();
  /// Takes another's share over.
  void add(HeldBytes other) { bytes_ += std::exchange(other.bytes_, 0); }
  std::size_t bytes() const { return bytes_; }

  /// All shares together.
  static std::size_t total();
  /// The budget; limits::kBytesInFlight unless set otherwise, at the start.
  static std::size_t budget();
  static void set_budget(std::size_t bytes);
  /// What is set aside for calls, from those that only wait: an eighth of it.
  static std::size_t for_calls() { return budget() / 8; }

  /// What a shard runs after turns of its loop in which large shares were let go of; for the allocator. Set
  /// before the first shard runs.
  static void after_large(void (*action)());
  /// Runs it at once, for who let go of much that was no share. Threads: the one that let go.
  static void let_go();
  /// Runs it when it is due. Threads: the one whose shares were let go of.
  static void turn_ended();

 private:
  void smaller(std::size_t bytes);
  std::size_t bytes_ = 0;
};

}  // namespace sallyport::net
