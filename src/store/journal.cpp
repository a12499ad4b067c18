#include "sallyport/store/journal.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/store/journal_checkpoint.hpp"
#include "sallyport/store/journal_writer.hpp"

namespace sallyport::store {
namespace {

// Space that only the last records of a stop may use when the disk is full.
constexpr off_t kReserveBytes = 256 * static_cast<off_t>(limits::KiB);
constexpr std::string_view kReserve = "/.reserve";

/// Its name is synced even where it exists: whoever made it may not have come that far.
Result<void> make_folder(const std::string& parent, const std::string& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return sync_directory(parent);
  return fail(Code::storage, Blame::admin, fmt::format("cannot create {}: {}", path, std::strerror(errno)));
}

// Without room for the reserve the journal works all the same; it then may lack its stop records.
void reserve_space(const std::string& folder) {
  const std::string path = folder + std::string(kReserve);
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return;
  if (::posix_fallocate(fd, 0, kReserveBytes) != 0) ::unlink(path.c_str());
  ::close(fd);
}

class FileJournal final : public Journal {
 public:
  FileJournal(JournalOptions options, const SigningKey& key, const Clock& clock)
      : options_(std::move(options)),
        key_(key),
        clock_(clock),
        folder_(journal_folder(options_.directory)),
        setup_{.folder = folder_,
               .directory = {},
               .calls = options_.files,
               .clock = clock,
               .sampler = sampler_} {}

  ~FileJournal() override {
    group_.reset();
    setup_.group = nullptr;
    for (const auto& writer : writers_) {
      if (writer->close()) continue;
      if (!setup_.directory->in_place()) continue;  // the reserve there is another journal's
      ::unlink((folder_ + std::string(kReserve)).c_str());
      // Nowhere is left to say so: the intents that stay open become `unknown` at the next start.
      static_cast<void>(writer->close());
    }
    static_cast<void>(write_checkpoint(true));
  }

  Result<void> start() {
    if (options_.durability == Durability::disk && !options_.post) {
      return fail(Code::bad_request, Blame::us, "a journal with durability disk needs options.post");
    }
    auto directory = HeldDirectory::open(options_.directory);
    if (!directory) return Failure(directory.error());
    setup_.directory = std::move(*directory);
    if (auto made = make_folder(options_.directory, folder_); !made) return made;
    auto log = CheckpointLog::open(folder_, key_.public_key, options_.files);
    if (!log) return Failure(log.error());
    checkpoints_ = std::move(*log);
    auto left = recover_journal(folder_, checkpoints_.last());
    if (!left) return Failure(left.error());
    reserve_space(folder_);

    if (left->last_start >= SegmentName::kLastStart) {
      return fail(Code::storage, Blame::admin,
                  fmt::format("{}/{}-... is of a start after which no other can come: move it out of the "
                              "folder, the journal does not make such files",
                              folder_, left->last_start));
    }
    setup_.start = std::clamp(unix_millis(clock_.now()), left->last_start + 1, SegmentName::kLastStart);
    setup_.segment_bytes = options_.segment_bytes ? options_.segment_bytes : limits::kSegmentBytes;
    if (options_.durability == Durability::disk) {
      group_ = std::make_unique<GroupCommit>(options_.post);
      setup_.group = group_.get();
    }
    std::vector<std::shared_ptr<ChainWriter>> writers;
    for (int shard = 0; shard < std::max(1, options_.shards); ++shard) {
      auto& writer = writers.emplace_back(std::make_shared<ChainWriter>(setup_, shard));
      record_start(*writer, shard);
      if (shard == 0) record_left(*writer, *left);
      if (auto begun = writer->begin(); !begun) {
        group_.reset();
        return begun;
      }
    }
    writers_ = std::move(writers);
    sealed_ = std::move(left->sealed);
    return write_checkpoint(true);
  }

  JournalWriter& writer(int shard) override { return *writers_[static_cast<std::size_t>(shard)]; }

  void check_files() override {
    for (const auto& writer : writers_) writer->check_files();
  }

  Result<void> checkpoint() override {
    check_files();
    for (std::size_t shard = 0; options_.post && shard < writers_.size(); ++shard) {
      // A full mailbox only means that this is tried again with the next checkpoint.
      if (writers_[shard]->stuck())
        static_cast<void>(options_.post(static_cast<int>(shard), [w = writers_[shard]] { w->commit(); }));
    }
    return write_checkpoint(false);
  }

  JournalState state() const override {
    JournalState state;
    for (const auto& writer : writers_) writer->add_to(state);
    // Asked on the loops: not behind a checkpoint, which waits for the disk.
    const std::lock_guard lock(problem_mutex_);
    if (!problem_.empty()) {
      state.healthy = false;
      if (state.problem.empty()) state.problem = problem_;
    }
    return state;
  }

 private:
  void record_start(ChainWriter& writer, int shard) const {
    std::string members;
    add_text(members, "chain", chain_name(setup_.start, shard));
    add_text(members, "at", rfc3339(clock_.now()));
    add_number(members, "format", 1);
    add_text(members, "version", SALLYPORT_VERSION);
    add_number(members, "pid", ::getpid());
    add_number(members, "shards", options_.shards);
    add_text(members, "durability", options_.durability == Durability::disk ? "disk" : "process");
    writer.record("start", members);
  }

  void record_left(ChainWriter& writer, const Recovered& left) const {
    for (const auto& [chain, call] : left.unknown) {
      // Both texts were cut out of records, where they stand escaped.
      std::string members = fmt::format(R"(,"call":"{}")", call.call);
      if (!call.target.empty()) members += fmt::format(R"(,"target":"{}")", call.target);
      add_text(members, "chain", chain);
      add_number(members, "intent", static_cast<std::int64_t>(call.seq));
      add_number(members, "began", call.millis);
      writer.record("unknown", members);
    }
    for (const Torn& torn : left.torn) {
      std::string members;
      add_text(members, "file", torn.file);
      add_number(members, "offset", static_cast<std::int64_t>(torn.offset));
      add_number(members, "bytes", static_cast<std::int64_t>(torn.bytes));
      add_hex(members, "sha256", view(torn.digest));
      if (torn.damaged) members += R"(,"damaged":true)";
      writer.record("torn", members);
    }
    if (checkpoints_.distrusted()) {
      writer.note("checkpoint_distrusted",
                  R"("reason":"the last line of checkpoints.jsonl is not signed by this journal's key")");
    }
  }

  Result<void> write_checkpoint(bool always) {
    const std::lock_guard lock(mutex_);
    Checkpoint checkpoint{.millis = unix_millis(clock_.now()), .start = setup_.start, .chains = sealed_};
    std::vector<ChainHead> heads;
    Result<void> unsynced;  // of those that were left, which are looked at once
    for (const auto& writer : writers_) {
      auto at = writer->snapshot();
      heads.push_back(at.head);
      // What could not be synced was left for that, and has been told.
      for (const auto& left : at.left) {
        if (left->unsynced()) continue;
        if (auto synced = left->sync(); !synced) unsynced = std::move(synced);
      }
      if (auto synced = at.file->sync(); !synced) return problem(std::move(synced));
      checkpoint.chains.push_back({.chain = at.name.chain(),
                                   .file = at.name.file(),
                                   .offset = at.offset,
                                   .head = at.head,
                                   .open = std::move(at.open)});
    }
    if (!unsynced) return problem(std::move(unsynced));
    if (heads.empty() || (!always && heads == heads_ && !has_problem())) return {};
    if (auto ours = setup_.directory->in_place(); !ours) return problem(std::move(ours));
    if (auto found = checkpoints_.find_again(folder_, key_.public_key, options_.files); !found)
      return problem(std::move(found));
    // The names of the files first: a checkpoint names nothing that a power cut may take.
    if (auto done = sync_directory(folder_); !done) return problem(std::move(done));
    if (auto done = checkpoints_.append(std::move(checkpoint), key_); !done) return problem(std::move(done));
    sealed_.clear();
    heads_ = std::move(heads);
    const std::lock_guard told(problem_mutex_);
    problem_.clear();
    return {};
  }

  Result<void> problem(Result<void> failed) {
    const std::lock_guard lock(problem_mutex_);
    problem_ = failed.error().what;
    return failed;
  }
  bool has_problem() const {
    const std::lock_guard lock(problem_mutex_);
    return !problem_.empty();
  }

  const JournalOptions options_;
  const SigningKey key_;
  const Clock& clock_;
  const std::string folder_;
  RefusalSampler sampler_;
  ChainSetup setup_;
  std::unique_ptr<GroupCommit> group_;
  std::vector<std::shared_ptr<ChainWriter>> writers_;
  std::mutex mutex_;  // checkpoints come from any thread, one at a time
  CheckpointLog checkpoints_;
  std::vector<ChainClaim> sealed_;
  std::vector<ChainHead> heads_;
  mutable std::mutex problem_mutex_;
  std::string problem_;  // of the last checkpoint
};

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(JournalOptions options, const SigningKey& key,
                                               const Clock& clock) {
  auto journal = std::make_unique<FileJournal>(std::move(options), key, clock);
  if (auto started = journal->start(); !started) return Failure(started.error());
  return journal;
}

}  // namespace sallyport::store
