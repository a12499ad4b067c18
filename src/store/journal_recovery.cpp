#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <utility>

#include "sallyport/core/bytes.hpp"
#include "sallyport/store/journal_checkpoint.hpp"

namespace sallyport::store {
namespace {

// Follows one chain of an earlier start from where the last checkpoint left it. Only the shape of the lines
// is looked at: whether every line is the one that was written is verify_journal's question.
class ChainScan {
 public:
  ChainScan(const std::string& folder, std::set<std::string>& closed) : folder_(folder), closed_(closed) {}

  Result<void> run(const std::vector<SegmentName>& segments, const ChainClaim* from) {
    claim_.chain = segments.front().chain();
    if (from) {
      claim_ = *from;
      for (const OpenCall& call : from->open) open_.add(call.call, call.target, call.seq, call.millis);
    } else {
      claim_.file = segments.front().file();
    }
    claim_.sealed = true;
    claim_.open.clear();
    for (std::size_t i = 0; i < segments.size(); ++i) {
      const std::string file = segments[i].file();
      if (from && file < from->file) continue;
      const std::uint64_t offset = from && file == from->file ? from->offset : 0;
      const auto end = end_named_by(folder_, std::span(segments).subspan(i + 1), file);
      if (auto read = size_of(file) < offset ? read_cut(file) : read_segment(file, offset, end); !read)
        return read;
    }
    return {};
  }

  void add_to(Recovered& out) {
    open_.each([&](const OpenCall& call) { out.unknown.push_back({claim_.chain, call}); });
    for (Torn& torn : torn_) {
      if (!named_.contains(torn.file)) out.torn.push_back(std::move(torn));
    }
    out.sealed.push_back(std::move(claim_));
  }

 private:
  std::uint64_t size_of(const std::string& file) const {
    std::error_code none;  // which reading it tells
    const auto size = std::filesystem::file_size(folder_ + "/" + file, none);
    return none ? UINT64_MAX : size;
  }

  // Somebody cut off what the checkpoint names, which verify reports: nothing here is in the chain, but an
  // intent that came later may have acted.
  Result<void> read_cut(const std::string& file) {
    auto reader = LineReader::open(folder_ + "/" + file);
    if (!reader) return Failure(reader.error());
    while (const auto line = reader->next()) {
      const auto record = parse_line(*line);
      if (record && record->type == "intent" && record->seq > claim_.head.seq) note_calls(*record);
    }
    if (reader->failed())
      return fail(Code::storage, Blame::admin, fmt::format("cannot read {}/{}", folder_, file));
    return {};
  }

  /// `end`: behind it stands what was refused, as the next segment says.
  Result<void> read_segment(const std::string& file, std::uint64_t offset, std::optional<std::uint64_t> end) {
    auto reader = LineReader::open(folder_ + "/" + file, offset);
    if (!reader) return Failure(reader.error());
    std::optional<std::uint64_t> damage;
    if (damaged_) damage = offset;
    while (const auto line = reader->next()) {
      if (end && reader->offset() >= *end) break;
      const auto record = parse_line(*line);
      // The digest too: where a block was lost in a power cut, the parts of two lines may look like one.
      const bool follows = record && !damaged_ && record->seq == claim_.head.seq + 1 &&
                           record->prev == hex(view(claim_.head.hash));
      // Behind damage nothing is in the chain: an outcome there closes no call, but an intent there may have
      // acted.
      if (record && (follows || record->type == "intent")) note_calls(*record);
      if (damaged_) continue;
      if (!follows) {
        damage = reader->offset();
        damaged_ = true;
        continue;
      }
      claim_.head.seq = record->seq;
      claim_.file = file;
      claim_.offset = reader->offset() + line->size() + 1;
      claim_.head.hash = sha256(*line);
    }
    if (reader->failed())
      return fail(Code::storage, Blame::admin, fmt::format("cannot read {}/{}", folder_, file));
    if (damage) {
      auto torn = damage_of(folder_, file, *damage);
      if (!torn) return Failure(torn.error());
      torn_.push_back(std::move(*torn));
      return {};
    }
    if (!reader->rest().empty() && !damaged_ && !end) {
      torn_.push_back({.file = file,
                       .offset = reader->offset(),
                       .bytes = reader->rest().size(),
                       .digest = sha256(reader->rest())});
    }
    return {};
  }

  void note_calls(const LineView& record) {
    if (record.type == "intent") {
      open_.add(record.member("call"), record.member("target"), record.seq, record.millis);
    } else if (record.type == "outcome") {
      open_.remove(record.member("call"));
    } else if (record.type == "unknown") {
      closed_.emplace(record.member("call"));
    } else if (record.type == "torn") {
      named_.emplace(record.member("file"));
    }
  }

  const std::string& folder_;
  std::set<std::string>& closed_;
  std::set<std::string> named_;
  ChainClaim claim_;
  OpenCalls open_;
  std::vector<Torn> torn_;
  bool damaged_ = false;
};

}  // namespace

std::optional<std::uint64_t> end_named_by(const std::string& folder, std::span<const SegmentName> later,
                                          const std::string& file) {
  for (const SegmentName& segment : later) {
    auto reader = LineReader::open(folder + "/" + segment.file());
    while (const auto line = reader ? reader->next() : std::nullopt) {
      const auto record = parse_line(*line);
      if (!record) break;
      if (record->type != "torn") return std::nullopt;  // the chain goes on here, and says nothing of it
      if (record->member("file") != file) continue;
      std::uint64_t offset = 0;
      const auto text = record->member("offset");
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), offset);
      if (error == std::errc() && end == text.data() + text.size()) return offset;
    }
  }
  return std::nullopt;
}

Result<Torn> damage_of(const std::string& folder, const std::string& file, std::uint64_t offset) {
  auto reader = LineReader::open(folder + "/" + file, offset);
  if (!reader) return Failure(reader.error());
  std::string bytes;
  while (const auto line = reader->next()) bytes.append(*line).append("\n");
  bytes += reader->rest();
  return Torn{
      .file = file, .offset = offset, .bytes = bytes.size(), .digest = sha256(bytes), .damaged = true};
}

Result<Recovered> recover_journal(const std::string& folder, const std::optional<Checkpoint>& last) {
  const auto segments = list_segments(folder);
  if (!segments) return Failure(segments.error());
  Recovered out;
  std::map<std::pair<std::int64_t, int>, std::vector<SegmentName>> chains;
  for (const SegmentName& segment : *segments) {
    out.last_start = std::max(out.last_start, segment.start);
    if (!last || segment.start >= last->start) chains[{segment.start, segment.shard}].push_back(segment);
  }
  std::set<std::string> closed;
  for (const auto& [id, files] : chains) {
    const ChainClaim* from = nullptr;
    if (last) {
      const auto claim = std::ranges::find(last->chains, files.front().chain(), &ChainClaim::chain);
      if (claim != last->chains.end()) from = &*claim;
    }
    ChainScan scan(folder, closed);
    if (auto done = scan.run(files, from); !done) return Failure(done.error());
    scan.add_to(out);
  }
  std::erase_if(out.unknown,
                [&](const Recovered::Unknown& unknown) { return closed.contains(unknown.call.call); });
  std::ranges::sort(out.unknown, {}, [](const Recovered::Unknown& unknown) { return unknown.call.millis; });
  return out;
}

}  // namespace sallyport::store
