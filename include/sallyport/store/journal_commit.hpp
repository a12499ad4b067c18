#pragma once
/// Group commit: one thread that makes what all shards wrote durable together, then tells each shard.

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/executor.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/journal_files.hpp"

namespace sallyport::store {

/// While one round is synced the next gathers; each takes one fdatasync per file, all at the same time. What
/// nobody waits for goes along with the next that somebody waits for, at most limits::kOutcomeLag later.
/// Threads: submit() from any; `synced` runs on the commit thread, `waiting` on the shard.
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
  bool awaited_ = false;                                // somebody waits for what is in the queue
  std::vector<std::shared_ptr<Finished>> undelivered_;  // commit thread only
  Executor helpers_;                                    // sync the files of a round at the same time
  std::thread thread_;
};

}  // namespace sallyport::store
