#include "sallyport/net/held_bytes.hpp"

#include <atomic>

#include "sallyport/core/limits.hpp"

namespace sallyport::net {
namespace {

std::atomic<std::size_t> held{0};
std::atomic<std::size_t> allowed{limits::kBytesInFlight};

constexpr std::size_t kLarge = limits::MiB;
constexpr int kTurns = 2;  // the memory itself may go a turn after the share
void (*large_action)() = nullptr;
thread_local int turns_due = 0;

}  // namespace

bool HeldBytes::set(std::size_t bytes, std::size_t spare) {
  if (bytes <= bytes_) {
    smaller(bytes);
  } else {
    const std::size_t more = bytes - bytes_;
    std::size_t before = held.load(std::memory_order_relaxed);
    do {
      if (before + more + spare > allowed.load(std::memory_order_relaxed)) return false;
    } while (!held.compare_exchange_weak(before, before + more, std::memory_order_relaxed));
  }
  bytes_ = bytes;
  return true;
}

void HeldBytes::smaller(std::size_t bytes) {
  const std::size_t before = std::exchange(bytes_, bytes);
  const std::size_t less = before - bytes;
  if (less == 0) return;
  held.fetch_sub(less, std::memory_order_relaxed);
  if (less >= kLarge) turns_due = kTurns;
}

void HeldBytes::release() { smaller(0); }

void HeldBytes::after_large(void (*action)()) { large_action = action; }

void HeldBytes::let_go() {
  if (large_action) large_action();
}

void HeldBytes::turn_ended() {
  if (turns_due == 0) return;
  --turns_due;
  let_go();
}

std::size_t HeldBytes::total() { return held.load(std::memory_order_relaxed); }
std::size_t HeldBytes::budget() { return allowed.load(std::memory_order_relaxed); }
void HeldBytes::set_budget(std::size_t bytes) { allowed.store(bytes, std::memory_order_relaxed); }

}  // namespace sallyport::net
