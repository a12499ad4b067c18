#include "sallyport/net/shard.hpp"

#include <pthread.h>

#include <algorithm>
#include <iterator>
#include <latch>
#include <string>
#include <utility>

#include "sallyport/core/limits.hpp"
#include "sallyport/net/held_bytes.hpp"
#include "shard_impl.hpp"

namespace sallyport::net {

namespace {
thread_local Shard* current_shard = nullptr;
}

Shard::Shard(int index) : index_(index), impl_(std::make_unique<Impl>()) {}

Shard::~Shard() {
  impl_->ended = true;
  impl_->forget_work();
}

bool Shard::post(Work work) {
  Impl& impl = *impl_;
  if (impl.ended.load(std::memory_order_relaxed)) return false;
  if (impl.mailbox.fetch_add(1, std::memory_order_relaxed) >= limits::kMailbox) {
    impl.mailbox.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  if (is_current()) {
    impl.own.push_back(std::move(work));
    return true;
  }
  {
    const std::lock_guard lock(impl.mutex);
    impl.box.push_back(std::move(work));
    impl.filled = true;
  }
  // The loop says that it sleeps and then looks once more whether something came: one of us sees the other.
  if (impl.asleep && impl.asleep.exchange(false)) impl.poller.interrupt();
  return true;
}

void Shard::at_turn_end(Work work) { impl_->turn_end.push_back(std::move(work)); }

bool Shard::is_current() const { return current_shard == this; }

Shard* Shard::current() { return current_shard; }

void Shard::run() {
  Shard* const before = std::exchange(current_shard, this);
  while (!impl_->ended) impl_->run_turn();
  current_shard = before;
}

void Shard::stop() {
  impl_->ended = true;
  impl_->poller.interrupt();
}

bool Shard::Impl::has_work() const {
  return !own.empty() || !turn_end.empty() || poller.has_work() || filled || ended;
}

std::optional<Duration> Shard::Impl::until_next() const {
  SteadyTime next = wheel.next();
  if (!fine.empty()) next = std::min(next, fine.begin()->first);
  if (next == SteadyTime::max()) return std::nullopt;
  return std::max(next - std::chrono::steady_clock::now(), Duration::zero());
}

void Shard::Impl::run_turn() {
  std::optional<Duration> timeout = Duration::zero();
  if (!has_work()) {
    asleep = true;
    if (!has_work()) timeout = until_next();
  }
  poller.wait(timeout);
  if (asleep.load(std::memory_order_relaxed)) asleep = false;
  poller.wake();
  const SteadyTime now = std::chrono::steady_clock::now();
  wheel.pass(now);
  run_fine(now);
  run_posted();
  poller.run_ended();
  run_turn_end();
  HeldBytes::turn_ended();
}

/// Each is gone once it has run: it may own what should not outlive it.
void Shard::Impl::run_all(std::vector<Work>& works) {
  for (Work& each : works) {
    Work work = std::move(each);
    work();
  }
  works.clear();
}

/// What these post in turn waits for the next turn: the sockets have their say in between.
void Shard::Impl::run_posted() {
  if (filled) {
    const std::lock_guard lock(mutex);
    filled = false;
    std::swap(box, running);
  }
  mailbox.fetch_sub(running.size(), std::memory_order_relaxed);
  run_all(running);
  if (own.empty()) return;
  std::swap(own, running);
  mailbox.fetch_sub(running.size(), std::memory_order_relaxed);
  run_all(running);
}

void Shard::Impl::run_fine(SteadyTime now) {
  while (!fine.empty() && fine.begin()->first <= now) {
    FineEntry& entry = *fine.begin()->second;
    fine.erase(fine.begin());
    entry.waiting = false;
    Work action = std::move(entry.action);
    action();
  }
}

void Shard::Impl::run_turn_end() {
  std::swap(turn_end, running);
  run_all(running);
}

/// Work that never ran may own sockets or deadlines: it goes while poller and wheel still stand.
void Shard::Impl::forget_work() {
  names = {};
  for (;;) {
    poller.drop_all();
    wheel.drop_all();
    std::vector<Work> left = std::exchange(turn_end, {});
    std::ranges::move(std::exchange(own, {}), std::back_inserter(left));
    {
      const std::lock_guard lock(mutex);
      std::ranges::move(box, std::back_inserter(left));
      box.clear();
    }
    if (left.empty() && !poller.has_work() && wheel.next() == SteadyTime::max()) return;
  }
}

Task<> turn_end(Shard& shard) {
  struct Turn {
    Shard& shard;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) {
      shard.at_turn_end([h] { h.resume(); });
    }
    void await_resume() const noexcept {}
  };
  co_await Turn{shard};
}

Shards::Shards(int count) {
  for (int i = 0; i < count; ++i) shards_.push_back(std::make_unique<Shard>(i));
}

Shards::~Shards() { stop(); }

void Shards::start() {
  for (auto& shard : shards_) {
    threads_.emplace_back([&shard = *shard] {
      pthread_setname_np(pthread_self(), ("shard-" + std::to_string(shard.index())).c_str());
      shard.run();
    });
  }
}

void Shards::stop() {
  for (auto& shard : shards_) shard->stop();
  for (auto& thread : threads_) thread.join();
  threads_.clear();
}

void on_all_shards(Shards& shards, std::function<void(Shard&)> work) {
  std::latch done(shards.size());
  for (int i = 0; i < shards.size(); ++i) {
    Shard& shard = shards[i];
    while (!shard.post([&, &on = shard] {
      work(on);
      done.count_down();
    })) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  done.wait();
}

}  // namespace sallyport::net
