#pragma once
/// The journal: append-only JSON Lines, one hash chain per shard and start. The record of what was attempted
/// and what happened.
///
/// Layout: DIR/journal/<start>-<shard>-<segment>.jsonl ; payloads (capture: full) and salts beside in
/// <...>.payload.jsonl ; checkpoints in DIR/journal/checkpoints.jsonl. docs/journal.md describes every field.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sallyport/core/clock.hpp"
#include "sallyport/core/crypto.hpp"
#include "sallyport/core/error.hpp"
#include "sallyport/store/journal_files.hpp"

namespace sallyport::store {

enum class Durability : std::uint8_t { process, disk };

/// What is known before the first upstream byte. Views are copied while the call lasts.
struct Intent {
  std::string_view call{};       ///< our id of this call
  std::string_view principal{};  ///< "agent:bot"
  std::string_view key_id{};
  std::string_view endpoint{};  ///< "/mcp/payments"
  std::string_view era{};       ///< of the client: "2026-07-28", ...
  std::string_view method{};    ///< "tools/call"
  std::string_view target{};    ///< canonical "server/tool"; empty for lists
  std::string_view rule{};      ///< the decision's rule
  std::int64_t policy_generation = 0;
  std::string_view arguments{};  ///< raw; what is kept of it is up to `capture`
  int capture = 1;               ///< 0 none, 1 digest, 2 full
  std::string_view client{};     ///< peer address
  std::string_view continues{};  ///< the call whose question this one answers
  std::string_view trace{};      ///< that the client counts it to; ours where it named none
  std::string_view metadata{};   ///< raw JSON object: what the client says of it
  std::string_view actor{};      ///< who acts for the principal; empty: itself
  std::string_view brought{};  ///< raw JSON: of a model call, what it brings along for each target, or empty
  std::string_view grant{};    ///< that the token stands for, where it is one of ours
};

struct Outcome {
  std::string_view call{};
  std::string_view status{};  ///< "ok" | "tool_error" | "input_required" | "error" | "cancelled" | "broken" |
                              ///< "timeout" | "unknown"
  std::string_view code{};    ///< name_of(Code) when not ok
  std::int64_t micros = 0;    ///< duration
  std::string_view result{};  ///< raw; what is kept of it is up to `capture`
  std::size_t bytes = 0;
  int capture = 1;
  std::string_view model{};  ///< raw JSON object: what a model call was and cost (docs/journal.md)
};

/// A request that was refused before an intent: one record, no outcome.
struct Refusal {
  std::string_view call{}, principal{}, key_id{}, endpoint{}, era{}, method{}, target{};
  std::string_view reason{};    ///< name_of(Code) or a framing reason
  std::string_view rule{};      ///< of a policy decision
  std::string_view trace{};     ///< that its client counts it to
  std::string_view metadata{};  ///< raw JSON object: what the client says of it
  std::string_view client{}, actor{}, grant{};
  int status = 0;
  bool before_authentication =
      false;  ///< sampled: limits::kRefusalsPerSecond per reason, then a count record
};

/// One shard's end of the journal. Threads: its shard's, except flush_for_test.
/// Records are appended to a buffer; commit() writes them all with one write(2) (and, with Durability::disk,
/// asks the group-commit thread). Whoever adds an intent waits for `durable` before it sends anything
/// upstream.
class JournalWriter {
 public:
  using Durable = std::move_only_function<void(Result<void>)>;
  virtual ~JournalWriter() = default;
  /// `durable` is called from commit() (process) or through `post` from the commit thread (disk); with
  /// Code::storage when the record could not be written: then nothing may be sent. The failed intent leaves
  /// no line behind.
  virtual void intent(const Intent& intent, Durable durable) = 0;
  virtual void outcome(const Outcome& outcome) = 0;
  virtual void refusal(const Refusal& refusal) = 0;
  /// A free record of the program's own: start, stop, reload, alarm. `json` is an object's members without
  /// braces.
  virtual void note(std::string_view type, std::string_view json) = 0;
  /// True when records wait for a commit(): the shard then calls it at the end of its turn.
  virtual bool pending() const = 0;
  virtual void commit() = 0;
  /// True while records are kept because the file refused them: the outcome of a call that ends now stands in
  /// no file.
  virtual bool failing() const = 0;
};

struct JournalOptions {
  std::string directory;  ///< the data directory
  Durability durability = Durability::process;
  int shards = 1;
  /// Runs a function on a shard's thread.
  std::function<bool(int shard, std::move_only_function<void()>)> post{};
  std::size_t segment_bytes = 0;  ///< 0: limits::kSegmentBytes
  FileCalls files = system_files();
};

struct JournalState {
  bool healthy = true;
  std::string problem{};
  std::uint64_t records = 0, bytes = 0;
  std::int64_t last_commit_micros = 0;  ///< duration of the last write
  // Since the start, and now: what a disk that refuses has done.
  std::uint64_t refused = 0;  ///< intents whose calls were not made
  std::uint64_t kept = 0;     ///< records in memory that wait until the disk takes them
  std::uint64_t lost = 0;     ///< records beyond what is kept
};

class Journal {
 public:
  /// Recovers first: marks intents left open by the previous start `unknown` (a record in the new chain that
  /// names each), records a torn tail, seals old chains into a checkpoint. Ready in under 2 s with a million
  /// records: only what follows the last checkpoint of each chain is read.
  static Result<std::unique_ptr<Journal>> open(JournalOptions options, const SigningKey& key,
                                               const Clock& clock);
  virtual ~Journal() = default;
  virtual JournalWriter& writer(int shard) = 0;
  /// Ties the chains' heads together, lists open intents, signs. Called at start, at stop, every minute and
  /// on export. Threads: any.
  virtual Result<void> checkpoint() = 0;
  /// Looks whether the segments stand where they belong. A chain whose segment was deleted, moved or
  /// truncated is unhealthy until it goes on in a new one. Called every second and before a checkpoint.
  /// Threads: any.
  virtual void check_files() = 0;
  virtual JournalState state() const = 0;  ///< Threads: any.
};

/// `sallyport audit verify`: walks every chain.
struct VerifyReport {
  bool ok = false;
  std::uint64_t records = 0, chains = 0, checkpoints = 0, open_intents = 0, torn_tails = 0;
  std::uint64_t garbled_payloads = 0;   ///< lines that are no payloads: a power cut lost them
  std::vector<std::string> problems{};  ///< "FILE:LINE: record 17 changed ..." ; empty when ok
};
Result<VerifyReport> verify_journal(const std::string& directory, const std::string& public_key,
                                    const std::string& exported_checkpoint = {});

/// Follows records in time order across chains. `from_ms` filters; `sink` returns false to stop. Each line is
/// the record's JSON.
Result<void> read_journal(const std::string& directory, std::int64_t from_ms,
                          const std::function<bool(std::string_view line)>& sink);
/// Writes all segments, payloads where `with_payloads`, the checkpoints and the public key into a .tar file;
/// returns how many bytes that were.
Result<std::uint64_t> export_journal(const std::string& directory, const std::string& public_key,
                                     const std::string& file, bool with_payloads);

}  // namespace sallyport::store
