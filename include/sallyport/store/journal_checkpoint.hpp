#pragma once
/// Checkpoints: signed lines that tie the heads of all chains together and name the open intents.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/crypto.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/store/journal_calls.hpp"
#include "sallyport/store/journal_files.hpp"
#include "sallyport/store/journal_line.hpp"

namespace sallyport::store {

/// What a checkpoint says about one chain.
struct ChainClaim {
  std::string chain;         ///< "<start>-<shard>"
  std::string file;          ///< the segment in which `head` stands
  std::uint64_t offset = 0;  ///< behind the head's line
  ChainHead head;
  bool sealed = false;  ///< nothing was or will be added after the head
  std::vector<OpenCall> open{};
};

/// Bytes that no record owns: what a crash or a disk left behind the last whole line.
struct Torn {
  std::string file;
  std::uint64_t offset = 0, bytes = 0;
  Digest digest{};
  bool damaged = false;  ///< whole lines stand among them: this is no mere interrupted write
};

struct Checkpoint {
  std::uint64_t seq = 0;    ///< counts from 1 over all starts
  std::int64_t millis = 0;  ///< Unix
  std::int64_t start = 0;   ///< of the process that wrote it
  std::vector<ChainClaim> chains{};
  std::optional<Torn> torn{};  ///< an unfinished or garbled checkpoint before this one
  Digest prev{};               ///< SHA-256 of the checkpoint line before; zeros for the first
};

/// One line without newline. The signature covers the bytes before `,"sig":"`.
std::string encode_checkpoint(const Checkpoint& checkpoint, const SigningKey& key);
/// Errors: bad_request when it is no checkpoint or not signed by `public_key`.
Result<Checkpoint> decode_checkpoint(std::string_view line, std::string_view public_key);

/// The file of checkpoints, to append to. Threads: one at a time.
class CheckpointLog {
 public:
  /// Reads from the last checkpoint on; garbled lines behind it are torn. Borrows: `calls`. Errors: storage.
  static Result<CheckpointLog> open(const std::string& folder, const std::string& public_key,
                                    const FileCalls& calls);
  /// Goes on in what is there where somebody deleted, moved or truncated the file; what it appends follows
  /// the last of its own, so that a check finds the gap. Errors: storage.
  Result<void> find_again(const std::string& folder, const std::string& public_key, const FileCalls& calls);
  /// The last checkpoint that is whole and signed by the key.
  const std::optional<Checkpoint>& last() const { return last_; }
  /// A last line that is there but not to be trusted.
  bool distrusted() const { return distrusted_; }
  /// Fills seq, prev and torn, signs, appends and syncs. Errors: storage; then nothing was added.
  Result<void> append(Checkpoint checkpoint, const SigningKey& key);

 private:
  std::shared_ptr<AppendFile> file_;
  std::optional<Checkpoint> last_{};
  std::optional<Torn> torn_{};
  bool distrusted_ = false;
  std::uint64_t seq_ = 0;
  Digest head_{};
};

/// What the starts before this one left.
struct Recovered {
  struct Unknown {
    std::string chain;
    OpenCall call;
  };
  std::vector<ChainClaim> sealed{};  ///< where their chains end
  std::vector<Unknown> unknown{};    ///< intents without an outcome
  std::vector<Torn> torn{};
  std::int64_t last_start = 0;
};
/// Where the records of `file` end, if the chain goes on with a torn record about it: what stands behind was
/// refused, whole lines included. `later`: the segments after it, the first of which may hold no record.
std::optional<std::uint64_t> end_named_by(const std::string& folder, std::span<const SegmentName> later,
                                          const std::string& file);
/// Everything in a segment from `offset` on, as what is named when it was found damaged. Errors: storage.
Result<Torn> damage_of(const std::string& folder, const std::string& file, std::uint64_t offset);

/// Reads what follows `last`, or everything when there is none. Errors: storage.
Result<Recovered> recover_journal(const std::string& folder, const std::optional<Checkpoint>& last);

}  // namespace sallyport::store
