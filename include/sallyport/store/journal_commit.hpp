#pragma once
/// Group commit: one thread that makes what all shards wrote durable together, then tells each shard.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/journal_files.hpp"

namespace sallyport::store {

/// Collects for at most limits::kDiskWindow, and only while more is likely to come; then one fdatasync per
/// file. Threads: submit() from any; `synced` runs on the commit thread, `waiting` on the shard.
class GroupCommit {
 public:
  using Post = std::function<bool(int shard, std::move_only_function<void()>)>;
  struct Batch {
    int shard = 0;
    std::shared_ptr<AppendFile> file, payload;  ///< payload may be null
    std::vector<JournalWriter::Durable> waiting{};
    std::move_only_function<void(const Result<void>&)> synced{};
  };

  explicit GroupCommit(Post post);
  /// Makes durable what was submitted, then ends. Callbacks that no shard takes any more are dropped
  /// uncalled.
  ~GroupCommit();
  GroupCommit(const GroupCommit&) = delete;
  GroupCommit& operator=(const GroupCommit&) = delete;

  void submit(Batch batch);

 private:
  struct Finished;
  void loop();
  void sync(std::vector<Batch> batches);
  void deliver();

  const Post post_;
  std::mutex mutex_;  // the queue is handed over between shards and the commit thread
  std::condition_variable wake_;
  std::vector<Batch> queue_;
  std::chrono::steady_clock::time_point first_{};
  bool stopping_ = false;
  std::size_t last_round_ = 0;                          // commit thread only
  std::vector<std::shared_ptr<Finished>> undelivered_;  // commit thread only
  std::thread thread_;
};

}  // namespace sallyport::store
