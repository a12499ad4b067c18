#pragma once
/// One shard's chain: records gather in a buffer and go to the file together, or not at all.

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/journal_calls.hpp"
#include "sallyport/store/journal_commit.hpp"
#include "sallyport/store/journal_files.hpp"
#include "sallyport/store/journal_line.hpp"

namespace sallyport::store {

/// What all chains of one start share. Outlives the writers.
struct ChainSetup {
  std::string folder;
  std::shared_ptr<const HeldDirectory> directory;  ///< in which the folder stands
  std::int64_t start = 0;
  std::size_t segment_bytes = 0;
  const FileCalls& calls;
  const Clock& clock;
  RefusalSampler& sampler;
  GroupCommit* group = nullptr;  ///< null: Durability::process
};

class ChainWriter final : public JournalWriter {
 public:
  ChainWriter(const ChainSetup& setup, int shard);

  void intent(const Intent& intent, Durable durable) override;
  void outcome(const Outcome& outcome) override;
  void refusal(const Refusal& refusal) override;
  void note(std::string_view type, std::string_view json) override;
  bool pending() const override { return pending_.load(std::memory_order_relaxed); }
  void commit() override;
  bool failing() const override;

  /// A record of the journal itself: `members` begins with a comma or is empty.
  void record(std::string_view type, std::string_view members);
  /// Opens the first segment and writes what was recorded so far. Errors: storage.
  Result<void> begin();
  /// Drops intents that were never written, with their callbacks, and writes the rest with a last `stop`
  /// record.
  Result<void> close();
  /// Whether records were kept because the disk refused them.
  bool stuck() const;
  /// Leaves a segment that somebody deleted, moved or truncated: the next commit begins another, and says so.
  /// Threads: any.
  void check_files();

  /// The written end of the chain and what is open there; whoever takes it syncs `left`. Threads: any.
  struct Snapshot {
    SegmentName name;
    std::shared_ptr<AppendFile> file;
    std::vector<std::shared_ptr<AppendFile>> left;  ///< segments before it that nobody has synced since
    std::uint64_t offset = 0;
    ChainHead head;
    std::vector<OpenCall> open;
  };
  Snapshot snapshot();
  /// Adds this chain's numbers. Threads: any.
  void add_to(JournalState& state) const;

 private:
  enum class Kind : std::uint8_t { intent, outcome, other };
  struct Range {
    std::uint32_t begin = 0, size = 0;
  };
  /// One record in the buffer.
  struct Mark {
    Kind kind;
    Range line, payload, call, target;
    std::int64_t millis;
  };

  void begin_record(Kind kind, std::string_view type);
  Range add_named(std::string_view key, std::string_view value);
  void capture(std::string_view call, std::string_view of, std::string_view payload, int how);
  void end_record();
  void add_counts(std::int64_t millis);
  std::string_view next_salt();

  Result<void> write_batch();
  Result<void> write_files();
  Result<std::shared_ptr<AppendFile>> open_file(const std::string& name) const;
  Result<void> open_segment(int segment);
  void begin_failure(std::string problem);
  std::string folder_problem() const;
  void leave_missing();
  void accept_batch(std::int64_t micros);
  void take_back(const Error* error);
  void synced(const Result<void>& result, std::uint64_t first, std::uint64_t last);
  void leave_unsynced(const std::string& problem);
  void add_gap();

  const ChainSetup& setup_;
  const int shard_;
  mutable std::mutex
      mutex_;  // checkpoints and the commit thread look at a chain while its shard writes; uncontended else
  std::atomic<bool> pending_{false};

  std::string buffer_, payload_, scratch_, salts_;
  std::size_t next_salt_ = 0;
  std::vector<Mark> marks_;
  std::vector<Durable> waiting_;
  ChainHead head_;       // with what stands in the buffer
  ChainHead committed_;  // of what stands in the file
  std::int64_t millis_ = 0;

  SegmentName name_;
  std::shared_ptr<AppendFile> file_, payload_file_;
  std::vector<std::shared_ptr<AppendFile>> left_;  // since the last snapshot
  bool rotate_ = false;                            // the present segment must not be appended to
  bool torn_named_ = false;                        // its residue stands in a record already
  bool stopped_ = false;
  OpenCalls open_;

  bool healthy_ = true;
  std::string problem_;
  std::int64_t failed_since_ = 0;
  std::uint64_t refused_ = 0, lost_ = 0;  // of the present failure
  std::uint64_t refused_ever_ = 0, lost_ever_ = 0;
  std::uint64_t records_ = 0, bytes_ = 0;
  std::int64_t last_micros_ = 0;
};

}  // namespace sallyport::store
