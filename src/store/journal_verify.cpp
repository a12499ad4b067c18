#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>
#include <unordered_map>
#include <utility>

#include "sallyport/core/bytes.hpp"
#include "sallyport/core/files.hpp"
#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/journal_checkpoint.hpp"

namespace sallyport::store {
namespace {

constexpr std::size_t kExportedBytes = 64 * limits::MiB;  // a checkpoint that was kept elsewhere, or several
constexpr std::size_t kProblems = 1000;  // beyond these the list says only how many more there are

class Verifier {
 public:
  Verifier(std::string folder, const std::string& key) : folder_(std::move(folder)), key_(key) {}

  Result<VerifyReport> run(const std::string& exported) {
    if (!exported.empty()) read_exported(exported);
    if (auto read = read_checkpoints(); !read) return Failure(read.error());
    const auto segments = list_segments(folder_);
    if (!segments) return Failure(segments.error());
    std::map<std::string, std::vector<SegmentName>> chains;
    for (const SegmentName& segment : *segments) {
      chains[segment.chain()].push_back(segment);
      newest_start_ = std::max(newest_start_, segment.start);
    }
    for (const auto& [chain, claims] : claims_) {
      if (!chains.contains(chain)) {
        problem(fmt::format("{}: the whole chain is missing; checkpoint {} names it", chain,
                            claims.back().checkpoint));
      }
    }
    for (const auto& [chain, files] : chains) {
      if (auto walked = walk(chain, files); !walked) return Failure(walked.error());
    }
    judge_rests();
    report_.open_intents = open_.size();
    if (more_ > 0) report_.problems.push_back(fmt::format("and {} more", more_));
    report_.ok = report_.problems.empty();
    return std::move(report_);
  }

 private:
  struct Claim {
    ChainHead head;
    std::uint64_t checkpoint;
    bool sealed;
  };
  struct Rest {
    Torn torn;
    std::uint64_t line;
    bool tail;  ///< of the newest start's chain: nobody could name it yet
  };

  void problem(std::string text) {
    if (report_.problems.size() < kProblems) {
      report_.problems.push_back(std::move(text));
    } else {
      ++more_;
    }
  }

  void read_exported(const std::string& exported) {
    std::string text = exported;
    if (!text.starts_with('{')) {
      auto read = read_whole_file(exported, kExportedBytes);
      if (!read) return problem("exported checkpoint: " + read.error().hint);
      text = std::move(*read);
    }
    while (text.ends_with('\n')) text.pop_back();
    if (const auto newline = text.rfind('\n'); newline != std::string::npos) text.erase(0, newline + 1);
    const auto checkpoint = decode_checkpoint(text, key_);
    if (!checkpoint) return problem("exported checkpoint: " + checkpoint.error().what);
    exported_ = text;
    exported_seq_ = checkpoint->seq;
    add_claims(*checkpoint);
  }

  void add_claims(const Checkpoint& checkpoint) {
    for (const ChainClaim& claim : checkpoint.chains) {
      claims_[claim.chain].push_back({claim.head, checkpoint.seq, claim.sealed});
    }
    checkpointed_start_ = std::max(checkpointed_start_, checkpoint.start);
  }

  Result<void> read_checkpoints() {
    const std::string name(kCheckpointFile);
    auto reader = LineReader::open(folder_ + "/" + name);
    if (!reader) {
      problem(name + ": missing");
      return {};
    }
    bool found = exported_.empty();
    Digest prev{};
    std::uint64_t expected = 1;
    // Lines that are no checkpoints: the next one may name them as torn.
    std::optional<std::pair<std::uint64_t, std::string>> odd;
    const auto settle = [&](const Checkpoint* next) {
      if (!odd) return;
      if (next && next->torn && next->torn->digest == sha256(odd->second)) {
        ++report_.torn_tails;
      } else {
        problem(fmt::format("{}:{}: not a checkpoint signed by this journal's key", name, odd->first));
      }
      odd.reset();
    };
    while (const auto line = reader->next()) {
      const auto checkpoint = decode_checkpoint(*line, key_);
      if (!checkpoint) {
        if (!odd) {
          odd.emplace(reader->line(), *line);
        } else {
          odd->second.append("\n").append(*line);
        }
        continue;
      }
      settle(&*checkpoint);
      if (checkpoint->seq != expected || checkpoint->prev != prev) {
        problem(fmt::format(
            "{}:{}: checkpoint {} does not follow the one before it: a checkpoint was changed, removed or "
            "reordered",
            name, reader->line(), checkpoint->seq));
      }
      expected = checkpoint->seq + 1;
      prev = sha256(*line);
      found = found || *line == exported_;
      ++report_.checkpoints;
      add_claims(*checkpoint);
    }
    settle(nullptr);
    if (!reader->rest().empty()) ++report_.torn_tails;
    if (!found) problem(fmt::format("{}: lacks checkpoint {}, which was exported", name, exported_seq_));
    if (reader->failed())
      return fail(Code::storage, Blame::admin, fmt::format("cannot read {}/{}", folder_, name));
    return {};
  }

  Result<void> walk(const std::string& chain, const std::vector<SegmentName>& files) {
    ++report_.chains;
    auto& claims = claims_[chain];
    std::ranges::sort(claims, {}, [](const Claim& claim) { return claim.head.seq; });
    if (claims.empty() && files.front().start <= checkpointed_start_) {
      problem(fmt::format("{}: no checkpoint knows this chain", files.front().file()));
    }
    Walk at{.claims = claims, .where = files.front().file()};
    check_claims(at, at.where);  // a start that ended before its first record is sealed at 0
    std::int64_t next = 1;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const SegmentName& file = files[i];
      if (next < file.segment) {
        const SegmentName first{.start = file.start, .shard = file.shard, .segment = static_cast<int>(next)};
        const std::int64_t more = file.segment - next - 1;
        problem(fmt::format("{}: this segment is missing{}", first.file(),
                            more > 0 ? fmt::format(", and {} more before {}", more, file.file()) : ""));
      }
      next = std::int64_t{file.segment} + 1;
      const auto end = end_named_by(folder_, std::span(files).subspan(i + 1), file.file());
      if (auto read = walk_segment(file, at, file == files.back(), end); !read) return read;
    }
    if (at.next_claim < claims.size()) {
      const Claim& last = claims.back();
      problem(fmt::format("{}: records {} to {} are missing at the end; checkpoint {} names record {}",
                          at.where, at.head.seq + 1, last.head.seq, last.checkpoint, last.head.seq));
    }
    const auto sealed = std::ranges::find_if(claims, &Claim::sealed);
    if (sealed != claims.end() && sealed->head.seq < at.head.seq) {
      problem(fmt::format("{}: records after {}, where checkpoint {} sealed this chain", at.where,
                          sealed->head.seq, sealed->checkpoint));
    }
    return {};
  }

  struct Walk {
    const std::vector<Claim>& claims;
    std::size_t next_claim = 0;
    ChainHead head{};
    std::string where;   ///< FILE:LINE of the head; FILE before the first record
    bool ended = false;  ///< what follows was lost in a power cut, and is named
    bool lost = false;   ///< the line before was no record: its successor cannot be judged
  };

  /// `end`: where its records end, as its successor says.
  Result<void> walk_segment(const SegmentName& segment, Walk& at, bool last,
                            std::optional<std::uint64_t> end) {
    const std::string file = segment.file();
    auto reader = LineReader::open(folder_ + "/" + file);
    if (!reader) return Failure(reader.error());
    digests_.clear();
    if (at.ended) {
      if (!is_named_damage(file, 0))
        problem(fmt::format("{}: bytes behind a chain's end that no torn record names", file));
      return {};
    }
    while (const auto line = reader->next()) {
      if (end && reader->offset() >= *end) {
        auto residue = damage_of(folder_, file, reader->offset());
        if (!residue) return Failure(residue.error());
        rests_.push_back({.torn = std::move(*residue), .line = reader->line(), .tail = false});
        check_payloads(segment);
        return {};
      }
      const std::string where = fmt::format("{}:{}", file, reader->line());
      const auto record = parse_line(*line);
      const bool follows =
          record && record->seq == at.head.seq + 1 && record->prev == hex(view(at.head.hash));
      if (!follows && is_named_damage(file, reader->offset())) {
        at.ended = true;
        check_payloads(segment);
        return {};
      }
      if (!record) {
        problem(where + ": not a record of this journal");
        at.lost = true;
        continue;
      }
      ++report_.records;
      check_place(*record, at, where);
      at.head = {record->seq, sha256(*line)};
      at.where = where;
      check_claims(at, where);
      note_record(*record);
    }
    if (reader->failed())
      return fail(Code::storage, Blame::admin, fmt::format("cannot read {}/{}", folder_, file));
    if (!reader->rest().empty()) {
      rests_.push_back({.torn = {.file = file,
                                 .offset = reader->offset(),
                                 .bytes = reader->rest().size(),
                                 .digest = sha256(reader->rest())},
                        .line = reader->line() + 1,
                        .tail = last && segment.start == newest_start_});
    }
    check_payloads(segment);
    return {};
  }

  /// Whether a start found all from here to the file's end behind a chain's last record, and named it.
  bool is_named_damage(const std::string& file, std::uint64_t offset) {
    if (!damage_) read_damage();
    const auto named = damage_->find(fmt::format("{} {}", file, offset));
    if (named == damage_->end()) return false;
    const auto torn = damage_of(folder_, file, offset);
    if (!torn || hex(view(torn->digest)) != named->second) return false;
    ++report_.torn_tails;
    return true;
  }

  /// The records stand in chains that begin later than what they name; those are walked like any other.
  void read_damage() {
    damage_.emplace();
    const auto segments = list_segments(folder_);
    if (!segments) return;
    for (const SegmentName& segment : *segments) {
      auto reader = LineReader::open(folder_ + "/" + segment.file());
      if (!reader) continue;
      while (const auto line = reader->next()) {
        if (line->find(R"("type":"torn")") == std::string_view::npos) continue;
        const auto record = parse_line(*line);
        if (!record || record->type != "torn" || record->member("damaged").empty()) continue;
        damage_->emplace(fmt::format("{} {}", record->member("file"), record->member("offset")),
                         record->member("sha256"));
      }
    }
  }

  void check_place(const LineView& record, Walk& at, const std::string& where) {
    const std::uint64_t expected = at.head.seq + 1;
    const bool follows = record.prev == hex(view(at.head.hash));
    if (std::exchange(at.lost, false)) return;
    if (record.seq != expected) {
      problem(fmt::format("{}: record {} stands where record {} belongs: records were removed or reordered",
                          where, record.seq, expected));
    } else if (!follows && at.head.seq == 0) {
      problem(fmt::format("{}: record 1 does not begin a chain", where));
    } else if (!follows) {
      problem(fmt::format("{}: record {} was changed: record {} at {} carries the digest of other bytes",
                          at.where, at.head.seq, record.seq, where));
    }
  }

  void check_claims(Walk& at, const std::string& where) {
    for (; at.next_claim < at.claims.size() && at.claims[at.next_claim].head.seq <= at.head.seq;
         ++at.next_claim) {
      const Claim& claim = at.claims[at.next_claim];
      if (claim.head.seq == at.head.seq && claim.head.hash != at.head.hash) {
        problem(fmt::format("{}: record {} was changed: it is not the one that checkpoint {} names", where,
                            at.head.seq, claim.checkpoint));
      }
    }
  }

  void note_record(const LineView& record) {
    if (record.type == "intent") {
      open_.add(record.member("call"), record.member("target"), record.seq, record.millis);
      note_digest(record, "args");
    } else if (record.type == "outcome") {
      open_.remove(record.member("call"));
      note_digest(record, "result");
    } else if (record.type == "unknown") {
      open_.remove(record.member("call"));
    } else if (record.type == "torn") {
      named_.emplace(
          fmt::format("{} {} {}", record.member("file"), record.member("offset"), record.member("sha256")));
    }
  }

  void note_digest(const LineView& record, std::string_view of) {
    const auto digest = record.member(of);
    if (!digest.empty()) digests_.emplace(fmt::format("{} {}", of, record.member("call")), digest);
  }

  // Payloads may be erased; one that is there must be the one that its record names.
  void check_payloads(const SegmentName& segment) {
    const std::string file = segment.payload();
    auto reader = LineReader::open(folder_ + "/" + file);
    if (!reader) return;
    std::string scratch;
    while (const auto line = reader->next()) {
      const auto document = json::Document::parse(std::string(*line));
      if (!document) {
        ++report_.garbled_payloads;  // payloads may be erased, also by a power cut
        continue;
      }
      const auto text = [&](std::string_view key) {
        const auto value = document->root().find(key);
        return value ? value->string() : std::nullopt;
      };
      auto payload = text("payload");
      if (!payload) payload = unbase64(text("payload_base64").value_or(""));
      if (!payload || payload->empty()) continue;
      const auto of = document->root().find("of"), call = document->root().find("call");
      const auto raw = [](const auto& value) {
        return value ? value->raw().substr(1, value->raw().size() - 2) : "";
      };
      const auto [first, last] = digests_.equal_range(fmt::format("{} {}", raw(of), raw(call)));
      if (first == last) continue;
      const std::string salt = unhex(text("salt").value_or("")).value_or("");
      const std::string digest = hex(view(salted_digest(salt, *payload, scratch)));
      if (std::none_of(first, last, [&](const auto& known) { return known.second == digest; })) {
        problem(fmt::format("{}:{}: the payload was changed: it has not the digest that its record names",
                            file, reader->line()));
      }
    }
  }

  void judge_rests() {
    for (const Rest& rest : rests_) {
      const Torn& torn = rest.torn;
      const bool named =
          named_.contains(fmt::format("{} {} {}", torn.file, torn.offset, hex(view(torn.digest))));
      if (named || rest.tail) {
        ++report_.torn_tails;
      } else {
        problem(fmt::format("{}:{}: {} bytes behind the last record that no torn record names", torn.file,
                            rest.line, torn.bytes));
      }
    }
  }

  const std::string folder_;
  const std::string& key_;
  VerifyReport report_;
  std::uint64_t more_ = 0;
  std::string exported_;
  std::uint64_t exported_seq_ = 0;
  std::map<std::string, std::vector<Claim>> claims_;
  std::int64_t checkpointed_start_ = 0, newest_start_ = 0;
  OpenCalls open_;
  std::set<std::string> named_;
  std::optional<std::map<std::string, std::string>> damage_;  // "FILE OFFSET" to digest, once it is asked for
  std::vector<Rest> rests_;
  std::unordered_multimap<std::string, std::string> digests_;  // of the segment in hand
};

}  // namespace

Result<VerifyReport> verify_journal(const std::string& directory, const std::string& public_key,
                                    const std::string& exported_checkpoint) {
  return Verifier(journal_folder(directory), public_key).run(exported_checkpoint);
}

}  // namespace sallyport::store
