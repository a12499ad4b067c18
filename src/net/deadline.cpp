#include <algorithm>
#include <bit>
#include <utility>

#include "shard_impl.hpp"
#include "wheel.hpp"

namespace sallyport::net {

Wheel::Wheel() : origin_(std::chrono::steady_clock::now()) {}

void Wheel::drop_all() {
  Link all;
  for (Link& slot : slots_) {
    while (slot.linked()) {
      Link& link = *slot.next;
      link.unlink();
      link.insert_before(all);
    }
  }
  occupied_ = {};
  next_ = kNever;
  while (all.linked()) {
    auto& entry = static_cast<WheelEntry&>(*all.next);
    entry.unlink();
    const Shard::Work gone = std::move(entry.action);  // may own the entry
  }
}

std::uint64_t Wheel::ticks_passed(SteadyTime t) const {
  return t <= origin_ ? 0 : static_cast<std::uint64_t>((t - origin_) / kTick);
}

void Wheel::insert(WheelEntry& entry, SteadyTime when) {
  // A tick stands for its start, so a whole one is added: never early.
  entry.tick = std::max(ticks_passed(when), done_) + 1;
  const std::size_t slot = entry.tick % kSlots;
  entry.insert_before(slots_[slot]);
  occupied_[slot / 64] |= std::uint64_t{1} << (slot % 64);
  next_ = std::min(next_, done_ + 1 + (entry.tick - done_ - 1) % kSlots);
}

void Wheel::remove(WheelEntry& entry) {
  if (!entry.linked()) return;
  entry.unlink();
  const std::size_t slot = entry.tick % kSlots;
  if (!slots_[slot].linked()) occupied_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

SteadyTime Wheel::next() const {
  return next_ == kNever ? SteadyTime::max() : origin_ + kTick * static_cast<std::int64_t>(next_);
}

void Wheel::pass(SteadyTime now) {
  const std::uint64_t tick = ticks_passed(now);
  if (tick >= next_) {
    fire(tick);
  } else {
    done_ = std::max(done_, tick);
  }
}

void Wheel::find_next() {
  const std::size_t from = (done_ + 1) % kSlots;
  for (std::size_t step = 0; step <= occupied_.size(); ++step) {
    const std::size_t word = (from / 64 + step) % occupied_.size();
    std::uint64_t bits = occupied_[word];
    if (step == 0) bits &= ~std::uint64_t{0} << (from % 64);
    if (bits == 0) continue;
    const std::size_t slot = word * 64 + static_cast<std::size_t>(std::countr_zero(bits));
    next_ = done_ + 1 + (slot + kSlots - from) % kSlots;
    return;
  }
  next_ = kNever;
}

void Wheel::fire(std::uint64_t now) {
  Link due;
  const std::uint64_t last = std::min(now, done_ + kSlots);
  for (std::uint64_t tick = done_ + 1; tick <= last; ++tick) {
    const std::size_t slot = tick % kSlots;
    if ((occupied_[slot / 64] >> (slot % 64) & 1) == 0) continue;
    for (Link* link = slots_[slot].next; link != &slots_[slot];) {
      auto& entry = static_cast<WheelEntry&>(*link);
      link = link->next;
      if (entry.tick > now) continue;  // a later turn of the wheel
      remove(entry);
      entry.insert_before(due);
    }
  }
  done_ = std::max(done_, now);
  // Actions set and clear deadlines, also ones that are due: each is taken from the list before it runs.
  while (due.linked()) {
    auto& entry = static_cast<WheelEntry&>(*due.next);
    entry.unlink();
    Shard::Work action = std::move(entry.action);
    action();
  }
  find_next();
}

struct Deadline::Entry : WheelEntry {
  explicit Entry(Shard& owner) : shard(owner) {}
  Shard& shard;
};

Deadline::Deadline(Shard& shard) : entry_(std::make_unique<Entry>(shard)) {}

Deadline::~Deadline() { clear(); }

void Deadline::set(Duration from_now, Shard::Work action) {
  set_at(std::chrono::steady_clock::now() + from_now, std::move(action));
}

void Deadline::set_at(SteadyTime when, Shard::Work action) {
  clear();
  entry_->action = std::move(action);
  entry_->shard.impl().wheel.insert(*entry_, when);
}

void Deadline::clear() {
  if (!entry_->linked()) return;
  entry_->shard.impl().wheel.remove(*entry_);
  entry_->action = nullptr;
}

bool Deadline::armed() const { return entry_->linked(); }

Task<> sleep_for(Shard& shard, Duration time) {
  struct Sleep {
    Deadline deadline;
    Duration time;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      deadline.set(time, [h] { h.resume(); });
    }
    void await_resume() const noexcept {}
  };
  Sleep sleep{Deadline(shard), time};
  co_await sleep;
}

}  // namespace sallyport::net
