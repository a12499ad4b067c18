#include "sallyport/store/journal_calls.hpp"

#include <algorithm>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kFirstSlots = 64;
constexpr std::size_t kReasons = 64;  // reasons are our own codes: more than these cannot come

std::size_t hash_of(std::string_view call) { return std::hash<std::string_view>()(call); }

}  // namespace

std::size_t OpenCalls::find(std::size_t hash, std::string_view call) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at].used && !(slots_[at].hash == hash && slots_[at].value.call == call)) at = (at + 1) & mask;
  return at;
}

void OpenCalls::grow() {
  std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(std::max(kFirstSlots, slots_.size() * 2)));
  for (Slot& slot : old) {
    if (slot.used) slots_[find(slot.hash, slot.value.call)] = std::move(slot);
  }
}

void OpenCalls::add(std::string_view call, std::string_view target, std::uint64_t seq, std::int64_t millis) {
  if ((size_ + 1) * 2 > slots_.size()) grow();
  const std::size_t hash = hash_of(call);
  Slot& slot = slots_[find(hash, call)];
  if (!std::exchange(slot.used, true)) ++size_;
  slot.hash = hash;
  slot.value.call.assign(call);
  slot.value.target.assign(target);
  slot.value.seq = seq;
  slot.value.millis = millis;
}

bool OpenCalls::remove(std::string_view call) {
  if (size_ == 0) return false;
  std::size_t at = find(hash_of(call), call);
  if (!slots_[at].used) return false;
  const std::size_t mask = slots_.size() - 1;
  slots_[at].used = false;
  --size_;
  // Whoever probed past this slot moves up, so that no search ends early.
  for (std::size_t next = (at + 1) & mask; slots_[next].used; next = (next + 1) & mask) {
    const std::size_t home = slots_[next].hash & mask;
    if (((next - home) & mask) >= ((next - at) & mask)) {
      std::swap(slots_[at], slots_[next]);
      at = next;
    }
  }
  return true;
}

void RefusalSampler::finish(Reason& reason) {
  if (reason.skipped == 0) return;
  finished_.push_back({reason.name, std::exchange(reason.skipped, 0), reason.second});
}

void RefusalSampler::note_oldest() {
  std::int64_t oldest = kNever;
  for (const Count& count : finished_) oldest = std::min(oldest, count.second);
  for (const Reason& reason : reasons_) {
    if (reason.skipped > 0) oldest = std::min(oldest, reason.second);
  }
  oldest_.store(oldest, std::memory_order_relaxed);
}

bool RefusalSampler::admit(std::string_view name, std::int64_t millis) {
  const std::lock_guard lock(mutex_);
  auto reason = std::ranges::find(reasons_, name, &Reason::name);
  if (reason == reasons_.end()) {
    if (reasons_.size() < kReasons) {
      reason = reasons_.insert(reasons_.end(), Reason{.name = std::string(name)});
    } else {
      reason = std::prev(reasons_.end());
    }
  }
  if (const std::int64_t second = millis / 1000; reason->second != second) {
    finish(*reason);
    reason->second = second;
    reason->written = 0;
  }
  if (reason->written < limits::kRefusalsPerSecond) {
    ++reason->written;
    note_oldest();
    return true;
  }
  if (++reason->skipped == 1) note_oldest();
  return false;
}

std::vector<RefusalSampler::Count> RefusalSampler::take(std::int64_t millis) {
  const std::lock_guard lock(mutex_);
  for (Reason& reason : reasons_) {
    if (reason.second < millis / 1000) finish(reason);
  }
  std::vector<Count> out = std::exchange(finished_, {});
  note_oldest();
  return out;
}

}  // namespace sallyport::store
