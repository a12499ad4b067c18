#include <map>
#include <utility>

#include "sallyport/store/journal.hpp"
#include "sallyport/store/journal_line.hpp"

namespace sallyport::store {
namespace {

// One chain's records in order. A line that is no record is passed over: saying so is verify_journal's part.
class ChainReader {
 public:
  ChainReader(const std::string& folder, std::vector<SegmentName> files)
      : folder_(folder), files_(std::move(files)) {}

  // Leaves out whole segments that end before `from_ms`. Errors: storage.
  Result<void> skip_to(std::int64_t from_ms) {
    while (at_ + 1 < files_.size()) {
      auto next = LineReader::open(folder_ + "/" + files_[at_ + 1].file());
      if (!next) return Failure(next.error());
      const auto line = next->next();
      const auto record = line ? parse_line(*line) : std::nullopt;
      if (!record || record->millis > from_ms) break;
      ++at_;
    }
    return {};
  }

  // Errors: storage. After the last record, line() is empty.
  Result<void> advance() {
    for (;;) {
      if (!reader_) {
        if (at_ == files_.size()) {
          line_ = {};
          return {};
        }
        auto opened = LineReader::open(folder_ + "/" + files_[at_++].file());
        if (!opened) return Failure(opened.error());
        reader_ = std::move(*opened);
      }
      if (const auto line = reader_->next()) {
        const auto record = parse_line(*line);
        if (!record) continue;
        line_ = *line;
        millis_ = record->millis;
        return {};
      }
      if (reader_->failed())
        return fail(Code::storage, Blame::admin, "cannot read the journal in " + folder_);
      reader_.reset();
    }
  }

  std::string_view line() const { return line_; }
  std::int64_t millis() const { return millis_; }

 private:
  const std::string& folder_;
  std::vector<SegmentName> files_;
  std::size_t at_ = 0;
  std::optional<LineReader> reader_;
  std::string_view line_;
  std::int64_t millis_ = 0;
};

// The chains of one start, merged. False when the sink wants no more.
Result<bool> read_start(std::vector<ChainReader>& chains, std::int64_t from_ms,
                        const std::function<bool(std::string_view)>& sink) {
  for (ChainReader& chain : chains) {
    if (auto skipped = chain.skip_to(from_ms); !skipped) return Failure(skipped.error());
    if (auto read = chain.advance(); !read) return Failure(read.error());
  }
  for (;;) {
    ChainReader* first = nullptr;  // shards are few: looking at each beats a heap
    for (ChainReader& chain : chains) {
      if (!chain.line().empty() && (!first || chain.millis() < first->millis())) first = &chain;
    }
    if (!first) return true;
    if (first->millis() >= from_ms && !sink(first->line())) return false;
    if (auto read = first->advance(); !read) return Failure(read.error());
  }
}

}  // namespace

Result<void> read_journal(const std::string& directory, std::int64_t from_ms,
                          const std::function<bool(std::string_view line)>& sink) {
  const std::string folder = journal_folder(directory);
  const auto segments = list_segments(folder);
  if (!segments) return Failure(segments.error());
  std::map<std::int64_t, std::map<int, std::vector<SegmentName>>> starts;
  for (const SegmentName& segment : *segments) starts[segment.start][segment.shard].push_back(segment);
  for (auto start = starts.begin(); start != starts.end(); ++start) {
    // Starts follow each other: what ended before the next one began, ended before that time.
    if (const auto next = std::next(start); next != starts.end() && next->first < from_ms) continue;
    std::vector<ChainReader> chains;
    for (auto& [shard, files] : start->second) chains.emplace_back(folder, std::move(files));
    const auto more = read_start(chains, from_ms, sink);
    if (!more) return Failure(more.error());
    if (!*more) break;
  }
  return {};
}

}  // namespace sallyport::store
