#include "sallyport/net/shard.hpp"

#include <pthread.h>

#include <boost/asio/post.hpp>
#include <latch>
#include <string>
#include <utility>

#include "sallyport/core/limits.hpp"
#include "shard_impl.hpp"

namespace sallyport::net {

namespace {
thread_local Shard* current_shard = nullptr;
}

Shard::Shard(int index) : index_(index), impl_(std::make_unique<Impl>()) {}

Shard::~Shard() {
  // Work that never ran may own sockets or deadlines: it goes while loop and wheel still stand.
  impl_->ended = true;
  impl_->turn_end.clear();
}

boost::asio::io_context& Shard::io() { return impl_->io; }

bool Shard::post(Work work) {
  Impl& impl = *impl_;
  if (impl.ended.load(std::memory_order_relaxed)) return false;
  if (impl.mailbox.fetch_add(1, std::memory_order_relaxed) >= limits::kMailbox) {
    impl.mailbox.fetch_sub(1, std::memory_order_relaxed);
    return false;
  }
  boost::asio::post(impl.io, [&impl, work = std::move(work)]() mutable {
    impl.mailbox.fetch_sub(1, std::memory_order_relaxed);
    work();
  });
  return true;
}

void Shard::at_turn_end(Work work) {
  Impl& impl = *impl_;
  impl.turn_end.push_back(std::move(work));
  if (impl.turn_end.size() > 1) return;
  // What is posted now stands behind every handler that is ready.
  boost::asio::post(impl.io, [&impl] {
    std::swap(impl.turn_end, impl.turn_end_running);
    for (Work& each : impl.turn_end_running) each();
    impl.turn_end_running.clear();
  });
}

bool Shard::is_current() const { return current_shard == this; }

Shard* Shard::current() { return current_shard; }

void Shard::run() {
  Shard* const before = std::exchange(current_shard, this);
  impl_->io.run();
  current_shard = before;
}

void Shard::stop() {
  impl_->ended = true;
  impl_->io.stop();
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
