#include "sallyport/store/journal_commit.hpp"

#include <algorithm>
#include <latch>
#include <utility>

#include "sallyport/core/limits.hpp"

namespace sallyport::store {
namespace {

/// Before a shard whose mailbox was full is told again.
constexpr auto kAgain = std::chrono::milliseconds(2);
constexpr int kHelpers = 7;
constexpr std::size_t kHelperQueue = 256;  // files of one round

}  // namespace

struct GroupCommit::Finished {
  int shard;
  Result<void> result;
  std::vector<JournalWriter::Durable> waiting;
};

GroupCommit::GroupCommit(Post post)
    : post_(std::move(post)), helpers_("sync", kHelpers, kHelperQueue), thread_([this] { loop(); }) {}

GroupCommit::~GroupCommit() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void GroupCommit::submit(Batch batch) {
  bool wake = false;
  {
    const std::lock_guard lock(mutex_);
    wake = queue_.empty() || (!batch.waiting.empty() && !awaited_);
    if (queue_.empty()) first_ = std::chrono::steady_clock::now();
    awaited_ = awaited_ || !batch.waiting.empty();
    queue_.push_back(std::move(batch));
  }
  if (wake) wake_.notify_one();
}

void GroupCommit::loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto some = [this] { return !queue_.empty() || stopping_; };
    if (undelivered_.empty()) {
      wake_.wait(lock, some);
    } else {
      wake_.wait_for(lock, kAgain, some);
    }
    if (!queue_.empty())
      wake_.wait_until(lock, first_ + limits::kOutcomeLag,
                       [this] { return awaited_ || stopping_ || !undelivered_.empty(); });
    std::vector<Batch> batches = std::exchange(queue_, {});
    awaited_ = false;
    if (stopping_ && batches.empty()) return;
    lock.unlock();
    sync(std::move(batches));
    deliver();
    lock.lock();
  }
}

void GroupCommit::sync(std::vector<Batch> batches) {
  std::vector<std::pair<AppendFile*, Result<void>>> files;
  const auto find = [&files](const AppendFile* file) {
    return std::ranges::find(files, file, &std::pair<AppendFile*, Result<void>>::first);
  };
  for (const Batch& batch : batches) {
    for (AppendFile* file : {batch.file.get(), batch.payload.get()}) {
      if (file && find(file) == files.end()) files.emplace_back(file, Result<void>());
    }
  }
  // A disk flushes once for all that ask at the same time.
  std::latch others(static_cast<std::ptrdiff_t>(std::max<std::size_t>(files.size(), 1)));
  for (std::size_t i = 1; i < files.size(); ++i) {
    const auto one = [&others, &file = files[i]] {
      file.second = file.first->sync();
      others.count_down();
    };
    if (!helpers_.run(one)) one();
  }
  if (!files.empty()) files[0].second = files[0].first->sync();
  others.arrive_and_wait();

  for (Batch& batch : batches) {
    Result<void> result = find(batch.file.get())->second;
    if (result && batch.payload) result = find(batch.payload.get())->second;
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
