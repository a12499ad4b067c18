#include "sallyport/net/held_bytes.hpp"

#include <atomic>

#include "sallyport/core/limits.hpp"

namespace sallyport::net {
namespace {

std::atomic<std::size_t> held{0};
std::atomic<std::size_t> allowed{limits::kBytesInFlight};

}  // namespace

bool HeldBytes::set(std::size_t bytes, std::size_t spare) {
  if (bytes <= bytes_) {
    if (bytes < bytes_) held.fetch_sub(bytes_ - bytes, std::memory_order_relaxed);
  } else {
    const std::size_t more = bytes - bytes_;
    const std::size_t before = held.fetch_add(more, std::memory_order_relaxed);
    if (before + more + spare > allowed.load(std::memory_order_relaxed)) {
      held.fetch_sub(more, std::memory_order_relaxed);
      return false;
    }
  }
  bytes_ = bytes;
  return true;
}

void HeldBytes::release() {
  if (bytes_ > 0) held.fetch_sub(std::exchange(bytes_, 0), std::memory_order_relaxed);
}

std::size_t HeldBytes::total() { return held.load(std::memory_order_relaxed); }
std::size_t HeldBytes::budget() { return allowed.load(std::memory_order_relaxed); }
void HeldBytes::set_budget(std::size_t bytes) { allowed.store(bytes, std::memory_order_relaxed); }

}  // namespace sallyport::net
