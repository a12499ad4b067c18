#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "sallyport/core/limits.hpp"
#include "sallyport/store/journal_writer.hpp"

namespace sallyport::store {
namespace {

// What a disk that refuses makes us keep: about ten thousand outcomes per shard.
constexpr std::size_t kKeptBytes = 4 * limits::MiB;
constexpr std::size_t kKeptPayload = 16 * limits::MiB;
// A buffer that one large payload blew up is given back.
constexpr std::size_t kIdleBuffer = limits::MiB;

void forget(std::string& buffer) {
  if (buffer.capacity() > kIdleBuffer) {
    std::string().swap(buffer);
  } else {
    buffer.clear();
  }
}

}  // namespace

Result<void> ChainWriter::begin() {
  const std::lock_guard lock(mutex_);
  if (auto opened = open_segment(1); !opened) return opened;
  return write_batch();
}

Result<void> ChainWriter::close() {
  const std::lock_guard lock(mutex_);
  waiting_.clear();
  take_back(nullptr);
  add_counts(INT64_MAX);
  if (!std::exchange(stopped_, true)) {
    begin_record(Kind::other, "stop");
    end_record();
  }
  return write_batch();
}

Result<std::shared_ptr<AppendFile>> ChainWriter::open_file(const std::string& name) const {
  // Whoever locked the directory that now has the name writes a journal of its own there.
  if (auto ours = setup_.directory->in_place(); !ours) return Failure(ours.error());
  auto file = AppendFile::open(setup_.folder + "/" + name, setup_.calls);
  if (!file && !folder_problem().empty()) return fail(Code::storage, Blame::admin, folder_problem(), true);
  return file;
}

Result<void> ChainWriter::open_segment(int segment) {
  SegmentName name = name_;
  name.segment = segment;
  auto file = open_file(name.file());
  if (!file) return Failure(file.error());
  if ((*file)->size() != 0) {
    return fail(Code::storage, Blame::admin, fmt::format("{} exists already", (*file)->path()));
  }
  if (setup_.group) {
    if (auto done = sync_directory(setup_.folder); !done) return done;
  }
  name_ = name;
  // What the kernel has not written yet must be there before a checkpoint names what follows. Where that has
  // failed already nothing is left to wait for.
  if (file_ && !file_->unsynced()) left_.push_back(std::move(file_));
  file_ = std::move(*file);
  payload_file_.reset();
  rotate_ = false;
  torn_named_ = false;
  return {};
}

Result<void> ChainWriter::write_files() {
  if (rotate_) {
    if (auto opened = open_segment(name_.segment + 1); !opened) return opened;
  }
  std::uint64_t payload_before = 0;
  if (!payload_.empty()) {
    if (!payload_file_) {
      auto file = open_file(name_.payload());
      if (!file) return Failure(file.error());
      if (setup_.group) {
        if (auto done = sync_directory(setup_.folder); !done) return done;
      }
      payload_file_ = std::move(*file);
    }
    payload_before = payload_file_->size();
    if (auto written = payload_file_->append(payload_); !written) return written;
  }
  auto written = file_->append(buffer_);
  if (!written && !payload_.empty()) payload_file_->cut(payload_before);
  return written;
}

Result<void> ChainWriter::write_batch() {
  const auto began = std::chrono::steady_clock::now();
  // Only here: the batch and a note behind it are synced as one file. Where no other can be opened this one
  // grows on.
  if (!rotate_ && file_->size() >= setup_.segment_bytes) static_cast<void>(open_segment(name_.segment + 1));
  if (auto written = write_files(); !written) {
    take_back(&written.error());
    return written;
  }
  const auto took = std::chrono::steady_clock::now() - began;
  accept_batch(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
  if (failed_since_ != 0) {
    add_gap();
    if (auto written = write_files(); written) {
      accept_batch(last_micros_);
    } else {
      take_back(&written.error());
    }
  }
  return {};
}

void ChainWriter::accept_batch(std::int64_t micros) {
  const std::string_view lines = buffer_;
  const auto text = [lines](Range range) { return lines.substr(range.begin, range.size); };
  std::uint64_t seq = committed_.seq;
  for (const Mark& mark : marks_) {
    ++seq;
    if (mark.kind == Kind::intent) open_.add(text(mark.call), text(mark.target), seq, mark.millis);
    if (mark.kind == Kind::outcome) open_.remove(text(mark.call));
  }
  committed_ = head_;
  records_ += marks_.size();
  bytes_ += buffer_.size() + payload_.size();
  last_micros_ = micros;
  if (!setup_.group) healthy_ = true;
  marks_.clear();
  forget(buffer_);
  forget(payload_);
  pending_.store(false, std::memory_order_relaxed);
}

// The batch did not reach the file, or not wholly, and was cut off again: intents are void, everything else
// is kept and takes its new place in the chain.
void ChainWriter::take_back(const Error* error) {
  const std::string lines = std::exchange(buffer_, {});
  const std::string payloads = std::exchange(payload_, {});
  const std::vector<Mark> marks = std::exchange(marks_, {});
  head_ = committed_;
  if (error) begin_failure(error->what);
  if (payload_file_ && payload_file_->broken()) rotate_ = true;
  if (file_ && file_->broken() && !std::exchange(torn_named_, true)) {
    rotate_ = true;
    // Part of the batch stands behind the last good record and cannot be cut off: go on in a new segment,
    // whose first record says where this one ends. Whole lines of what was refused may stand there.
    const std::string_view residue = std::string_view(lines).substr(0, file_->residue());
    begin_record(Kind::other, "torn");
    add_text(buffer_, "file", name_.file());
    add_number(buffer_, "offset", static_cast<std::int64_t>(file_->size()));
    add_number(buffer_, "bytes", static_cast<std::int64_t>(residue.size()));
    add_hex(buffer_, "sha256", view(sha256(residue)));
    end_record();
  }
  for (const Mark& mark : marks) {
    if (mark.kind == Kind::intent) {
      ++refused_;
      ++refused_ever_;
      continue;
    }
    if (buffer_.size() + mark.line.size > kKeptBytes || payload_.size() + mark.payload.size > kKeptPayload) {
      ++lost_;
      ++lost_ever_;
      continue;
    }
    const auto body = body_of(std::string_view(lines).substr(mark.line.begin, mark.line.size));
    const auto old_body = static_cast<std::size_t>(body.data() - lines.data());
    Mark kept = mark;
    kept.line.begin = static_cast<std::uint32_t>(buffer_.size());
    kept.payload.begin = static_cast<std::uint32_t>(payload_.size());
    repeat_line(buffer_, body, head_);
    kept.line.size = static_cast<std::uint32_t>(buffer_.size()) - kept.line.begin;
    const auto new_body = body_of(std::string_view(buffer_).substr(kept.line.begin)).data() - buffer_.data();
    if (mark.call.size > 0) {
      kept.call.begin =
          static_cast<std::uint32_t>(static_cast<std::size_t>(new_body) + mark.call.begin - old_body);
    }
    payload_.append(payloads, mark.payload.begin, mark.payload.size);
    marks_.push_back(kept);
  }
  pending_.store(!marks_.empty(), std::memory_order_relaxed);
  if (error) leave_missing();
}

// A problem is told once: what else fails before records are written again belongs to it.
void ChainWriter::begin_failure(std::string problem) {
  healthy_ = false;
  problem_ = std::move(problem);
  if (failed_since_ != 0) return;
  failed_since_ = std::max<std::int64_t>(1, unix_millis(setup_.clock.now()));
  spdlog::error("journal: {}; no call is made until records can be written again", problem_);
}

void ChainWriter::check_files() {
  const std::lock_guard lock(mutex_);
  // Payloads may be erased, also all of a file: the next one begins it again.
  if (payload_file_ && !payload_file_->in_place()) payload_file_.reset();
  leave_missing();
  if (!rotate_ && file_->unsynced()) leave_unsynced("the segment in use could not be synced");
}

// Why nothing can be opened in the folder; empty when it is there.
std::string ChainWriter::folder_problem() const {
  if (const auto ours = setup_.directory->in_place(); !ours) return ours.error().what;
  if (::access(setup_.folder.c_str(), F_OK) == 0) return {};
  return fmt::format(
      "the folder {} was deleted or moved: put it back, or make an empty one to go on without "
      "its records",
      setup_.folder);
}

void ChainWriter::leave_missing() {
  if (rotate_ || file_->in_place()) return;
  rotate_ = true;
  auto problem = folder_problem();
  if (problem.empty()) {
    problem = fmt::format(
        "{} was deleted, moved or truncated, or is another file now: put it back as it was, or `sallyport "
        "audit verify` reports what is missing; the next records go to a new file",
        file_->path());
  }
  begin_failure(std::move(problem));
  begin_record(Kind::other, "note");
  add_text(buffer_, "note", "segment_missing");
  buffer_ += R"(,"with":{"file":")" + name_.file() + '"';
  add_number(buffer_, "last", static_cast<std::int64_t>(committed_.seq));
  buffer_ += '}';
  end_record();
}

void ChainWriter::add_gap() {
  spdlog::warn("journal: records are written again; {} calls were refused, {} records are lost", refused_,
               lost_);
  begin_record(Kind::other, "note");
  add_text(buffer_, "note", "storage_recovered");
  buffer_ += ",\"with\":{\"failed_since\":";
  buffer_ += fmt::format("{},\"intents_refused\":{},\"records_lost\":{}}}", std::exchange(failed_since_, 0),
                         std::exchange(refused_, 0), std::exchange(lost_, 0));
  end_record();
}

/// A file of which a sync has failed cannot be trusted further.
void ChainWriter::leave_unsynced(const std::string& problem) {
  if (std::exchange(healthy_, false))
    spdlog::error("journal: {}; no call is made until records can be synced again", problem);
  problem_ = problem;
  // It may have been left already, for what failed before.
  if (file_->unsynced() || (payload_file_ && payload_file_->unsynced())) rotate_ = true;
  // Always something to write, so that the next try can show that the disk works again.
  begin_record(Kind::other, "note");
  add_text(buffer_, "note", "sync_failed");
  end_record();
}

void ChainWriter::synced(const Result<void>& result, std::uint64_t first, std::uint64_t last) {
  const std::lock_guard lock(mutex_);
  if (result) {
    healthy_ = failed_since_ == 0;
    return;
  }
  // The intents stand in the file, but their calls are refused, and the record says so.
  leave_unsynced(result.error().what);
  std::vector<std::string> refused;
  open_.each([&](const OpenCall& call) {
    if (call.seq >= first && call.seq <= last) refused.push_back(call.call);
  });
  refused_ever_ += refused.size();
  for (const std::string& call : refused) {
    begin_record(Kind::outcome, "outcome");
    buffer_ += R"(,"call":")";
    marks_.back().call = {static_cast<std::uint32_t>(buffer_.size()),
                          static_cast<std::uint32_t>(call.size())};
    buffer_ += call;
    buffer_ += '"';
    add_text(buffer_, "status", "error");
    add_text(buffer_, "code", name_of(Code::storage));
    end_record();
  }
}

}  // namespace sallyport::store
