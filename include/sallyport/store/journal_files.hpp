#pragma once
/// The files below the journal: how they are named, appended to with every failure taken back, and read line
/// by line.

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/error.hpp"

namespace sallyport::store {

/// The system calls through which the journal writes; as write(2), ftruncate(2), fdatasync(2), open(2) have
/// them, -1 with errno on failure. Tests put failing disks here. Threads: called from every thread that
/// writes.
struct FileCalls {
  std::function<ssize_t(int fd, const void* bytes, std::size_t count)> write;
  std::function<int(int fd, off_t length)> truncate;
  std::function<int(int fd)> sync;
  std::function<int(const char* path, int flags, mode_t mode)> open;
};
/// The machine's own calls.
FileCalls system_files();

/// One file that only grows. A write happens wholly or not at all: what a failed one left is cut off again.
/// Threads: one at a time, except sync(). Owns: the descriptor.
class AppendFile {
 public:
  /// Opens for appending; creates (0600) what is missing. Borrows: `calls`. Errors: storage, with path and
  /// reason.
  static Result<std::shared_ptr<AppendFile>> open(const std::string& path, const FileCalls& calls);
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  /// Errors: storage. Then size() is as before; if even the cut failed, broken() and `residue()` says how
  /// many bytes stand behind size(): nothing may be appended here any more.
  Result<void> append(std::string_view bytes);
  /// Takes back everything behind `size`; of a file that somebody truncated, what was written since.
  void cut(std::uint64_t size);
  /// fdatasync(2). After one that failed every other fails: the system says once only that it could not
  /// write, and forgets what. Threads: any.
  Result<void> sync();
  /// A sync has failed: what was appended may be lost, and what comes here may be as well. Threads: any.
  bool unsynced() const { return unsynced_; }
  /// Whether its name still leads to it and it holds all that was appended: false when it was deleted, moved,
  /// replaced or truncated.
  bool in_place() const;

  const std::string& path() const { return path_; }
  std::uint64_t size() const { return size_; }
  bool broken() const { return residue_ > 0; }
  std::uint64_t residue() const { return residue_; }

 private:
  AppendFile(std::string path, int fd, std::uint64_t size, const FileCalls& calls)
      : path_(std::move(path)), fd_(fd), size_(size), calls_(calls) {}
  bool take_off(std::uint64_t bytes, std::uint64_t size);
  const std::string path_;
  const int fd_;
  std::uint64_t size_;
  std::uint64_t residue_ = 0;
  const FileCalls& calls_;
  std::mutex syncing_;  // whoever syncs second must hear of the first one's failure
  std::atomic<bool> unsynced_{false};
};

/// A directory that is ours only as long as its name leads to it: behind the name another may stand, which is
/// somebody else's. Held open, so that no other gets its inode number. Threads: any. Owns: the descriptor.
class HeldDirectory {
 public:
  /// Errors: storage.
  static Result<std::shared_ptr<const HeldDirectory>> open(const std::string& path);
  ~HeldDirectory();
  HeldDirectory(const HeldDirectory&) = delete;
  HeldDirectory& operator=(const HeldDirectory&) = delete;

  /// Errors: storage when its name does not lead to it, with what to do.
  Result<void> in_place() const;

 private:
  HeldDirectory(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  const std::string path_;
  const int fd_;
};

/// fsync(2) of a directory, so that a new file's name survives a power cut.
Result<void> sync_directory(const std::string& path);

/// <start>-<shard>-<segment>.jsonl. `start` is Unix milliseconds, made unique; shards and segments count from
/// 0 and 1.
struct SegmentName {
  static constexpr std::int64_t kLastStart = 253'402'300'799'999;  ///< the end of the year 9999
  std::int64_t start = 0;  ///< ms since the epoch, of the process that wrote it
  int shard = 0;
  int segment = 1;
  static std::optional<SegmentName> parse(std::string_view file);
  std::string chain() const;    ///< "<start>-<shard>"
  std::string file() const;     ///< "<start>-<shard>-<segment>.jsonl"
  std::string payload() const;  ///< "<start>-<shard>-<segment>.payload.jsonl"
  auto operator<=>(const SegmentName&) const = default;
};
std::string chain_name(std::int64_t start, int shard);
/// DIR/journal, of the data directory DIR.
std::string journal_folder(const std::string& directory);
inline constexpr std::string_view kCheckpointFile = "checkpoints.jsonl";

/// Every segment, in order of start, shard and segment. A folder that does not exist has none.
Result<std::vector<SegmentName>> list_segments(const std::string& folder);

/// Reads a file from an offset line by line through one growing buffer. Threads: one.
class LineReader {
 public:
  /// Errors: storage.
  static Result<LineReader> open(const std::string& path, std::uint64_t offset = 0);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&& other) noexcept;
  ~LineReader();

  /// The next line without its newline; nullopt at the end. Valid until the next call.
  std::optional<std::string_view> next();
  /// What follows the last newline: empty unless the file ends torn. Meaningful after next() said nullopt.
  std::string_view rest() const { return std::string_view(buffer_).substr(begin_, end_ - begin_); }
  /// Where the line that next() gave begins; after the end, where rest() begins.
  std::uint64_t offset() const { return line_offset_; }
  /// 1 for the first line read.
  std::uint64_t line() const { return line_; }
  /// True when reading stopped because of an error of the disk.
  bool failed() const { return failed_; }

 private:
  explicit LineReader(int fd, std::uint64_t offset);
  bool fill();
  int fd_ = -1;
  std::string buffer_;
  std::size_t begin_ = 0, end_ = 0, scanned_ = 0;
  std::uint64_t next_offset_ = 0, line_offset_ = 0, line_ = 0;
  bool failed_ = false;
};

}  // namespace sallyport::store
