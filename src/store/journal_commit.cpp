#include "sallyport/store/journal_commit.hpp"

#include <algorithm>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::store {

struct GroupCommit::Finished {
  int shard;
  Result<void> result;
  std::vector<JournalWriter::Durable> waiting;
};

GroupCommit::GroupCommit(Post post) : post_(std::move(post)), thread_([this] { loop(); }) {}

GroupCommit::~GroupCommit() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void GroupCommit::submit(Batch batch) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.empty()) first_ = std::chrono::steady_clock::now();
    queue_.push_back(std::move(batch));
  }
  wake_.notify_one();
}

void GroupCommit::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto ready = [this] { return !queue_.empty() || stopping_; };
    if (undelivered_.empty()) {
      wake_.wait(lock, ready);
    } else {
      wake_.wait_for(lock, limits::kDiskWindow, ready);
    }
    // A lone request must not wait for company that does not come: only a round that had company expects it
    // again.
    if (!stopping_ && last_round_ > 1 && !queue_.empty()) {
      wake_.wait_until(lock, first_ + limits::kDiskWindow,
                       [this] { return queue_.size() >= last_round_ || stopping_; });
    }
    std::vector<Batch> batches = std::exchange(queue_, {});
    if (stopping_ && batches.empty()) return;
    lock.unlock();
    if (!batches.empty()) {
      last_round_ = batches.size();
      sync(std::move(batches));
    }
    deliver();
    lock.lock();
  }
}

void GroupCommit::sync(std::vector<Batch> batches) {
  std::vector<std::pair<AppendFile*, Result<void>>> done;
  const auto once = [&done](AppendFile* file) -> const Result<void>& {
    const auto found = std::ranges::find(done, file, &std::pair<AppendFile*, Result<void>>::first);
    if (found != done.end()) return found->second;
    return done.emplace_back(file, file->sync()).second;
  };
  for (Batch& batch : batches) {
    Result<void> result = once(batch.file.get());
    if (result && batch.payload) result = once(batch.payload.get());
    if (batch.synced) batch.synced(result);
    if (!batch.waiting.empty()) {
      undelivered_.push_back(
          std::make_shared<Finished>(batch.shard, std::move(result), std::move(batch.waiting)));
    }
  }
}

void GroupCommit::deliver() {
  std::erase_if(undelivered_, [this](const std::shared_ptr<Finished>& finished) {
    return post_(finished->shard, [finished] {
      for (auto& durable : finished->waiting) {
        if (durable) durable(finished->result);
      }
    });
  });
}

}  // namespace sallyport::store
