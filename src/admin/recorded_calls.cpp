#include "sallyport/admin/recorded_calls.hpp"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/json/schema.hpp"
#include "sallyport/store/journal.hpp"
#include "sallyport/store/journal_files.hpp"

namespace sallyport::admin {
namespace {

std::string text_of(const json::Value& record, std::string_view key) {
  const auto value = record.find(key);
  return value ? value->string().value_or("") : std::string();
}

std::int64_t number_of(const json::Value& record, std::string_view key) {
  const auto value = record.find(key);
  return value ? value->integer().value_or(0) : 0;
}

/// One line of a payload file: the call and its captured arguments; empty where it is something else.
std::pair<std::string, std::string> arguments_in(std::string_view line) {
  if (!line.starts_with(R"({"of":"args")")) return {};
  const auto record = json::Document::parse(std::string(line), json::kUpstream);
  if (!record) return {};
  return {text_of(record->root(), "call"), text_of(record->root(), "payload")};
}

/// The newest first: the shards of one start wrote side by side, so their segments come by turns.
Result<std::vector<store::SegmentName>> newest_first(const std::string& folder) {
  auto segments = store::list_segments(folder);
  if (!segments) return segments;
  std::ranges::sort(*segments, std::greater(), [](const store::SegmentName& one) {
    return std::tuple(one.start, one.segment, one.shard);
  });
  return segments;
}

/// Every line of a file; one that is not there has none. Errors: storage.
Result<void> each_line(const std::string& path, const std::function<void(std::string_view)>& sink) {
  if (::access(path.c_str(), F_OK) != 0) return {};
  auto reader = store::LineReader::open(path);
  if (!reader) return Failure(reader.error());
  while (const auto line = reader->next()) sink(*line);
  if (reader->failed()) return fail(Code::storage, Blame::admin, "cannot read " + path);
  return {};
}

class Reader {
 public:
  Reader(std::string tool, const json::Value& before, const json::Value& after)
      : tool_(std::move(tool)), marker_(json::quote(tool_)), before_(before), after_(after) {}

  bool full() const { return out_.calls >= limits::kRecordedCalls; }
  RecordedFit take() { return std::move(out_); }

  Result<void> read(const std::string& folder, const store::SegmentName& segment) {
    std::set<std::string> calls;
    auto read = each_line(folder + "/" + segment.file(), [&](std::string_view line) {
      // Most records are of other tools: looking for the name is cheaper than reading the line.
      if (line.find(marker_) == std::string_view::npos) return;
      const auto record = json::Document::parse(std::string(line), json::kUpstream);
      if (!record || text_of(record->root(), "type") != "intent" ||
          text_of(record->root(), "target") != tool_ || text_of(record->root(), "method") != "tools/call")
        return;
      // A call that sent no arguments leaves no payload, whatever is kept.
      if (number_of(record->root(), "args_bytes") == 0) {
        judge("{}");
      } else {
        calls.insert(text_of(record->root(), "call"));
      }
    });
    if (!read || calls.empty()) return read;
    auto payloads = each_line(folder + "/" + segment.payload(), [&](std::string_view line) {
      const auto [call, payload] = arguments_in(line);
      if (payload.empty() || calls.erase(call) == 0) return;
      judge(payload);
    });
    out_.uncaptured += calls.size();
    return payloads;
  }

 private:
  void judge(const std::string& arguments) {
    if (full()) return;
    const auto value = json::Document::parse(arguments, json::kUpstream);
    if (!value) return;
    ++out_.calls;
    auto now = json::check(after_, value->root(), steps_);
    if (now.fit == json::Fit::undetermined) ++out_.undetermined;
    if (now.fit != json::Fit::fails) return;
    if (json::check(before_, value->root(), steps_).fit == json::Fit::fails) return;
    if (out_.failing++ == 0) out_.example = std::move(now.why);
  }

  const std::string tool_, marker_;
  const json::Value before_, after_;
  std::int64_t steps_ = limits::kReplaySteps;
  RecordedFit out_;
};

}  // namespace

Result<RecordedFit> check_recorded_calls(const std::string& directory, const std::string& tool,
                                         const std::string& before, const std::string& after) {
  const auto old_schema = json::Document::parse(before, json::kUpstream);
  if (!old_schema) return Failure(old_schema.error());
  const auto new_schema = json::Document::parse(after, json::kUpstream);
  if (!new_schema) return Failure(new_schema.error());
  const std::string folder = store::journal_folder(directory);
  const auto segments = newest_first(folder);
  if (!segments) return Failure(segments.error());
  Reader reader(tool, old_schema->root(), new_schema->root());
  for (const auto& segment : *segments) {
    if (reader.full()) break;
    if (auto read = reader.read(folder, segment); !read) return Failure(read.error());
  }
  return reader.take();
}

Result<void> read_decisions(const std::string& directory, std::int64_t from_millis,
                            const std::function<void(const RecordedDecision&)>& sink) {
  return store::read_journal(directory, from_millis, [&](std::string_view line) {
    const bool intent = line.find(R"("type":"intent")") != std::string_view::npos;
    if (!intent && line.find(R"("type":"refusal")") == std::string_view::npos) return true;
    const auto document = json::Document::parse(std::string(line), json::kUpstream);
    if (!document) return true;
    const auto record = document->root();
    const std::string type = text_of(record, "type");
    if (type != "intent" && (type != "refusal" || text_of(record, "reason") != "denied")) return true;
    // What a token was limited to is nothing that policies say.
    if (text_of(record, "rule") == "token") return true;
    RecordedDecision out{.call = {.id = text_of(record, "call"),
                                  .principal = text_of(record, "principal"),
                                  .endpoint = text_of(record, "endpoint"),
                                  .method = text_of(record, "method"),
                                  .target = text_of(record, "target"),
                                  .rule = text_of(record, "rule"),
                                  .client_ip = text_of(record, "client"),
                                  .millis = number_of(record, "t"),
                                  .allowed = type == "intent"}};
    using Arguments = RecordedDecision::Arguments;
    if (out.call.allowed)
      out.arguments = number_of(record, "args_bytes") == 0 ? Arguments::none : Arguments::some;
    // What a list or a handshake asked of servers is nothing that a rule decided.
    if (out.call.allowed && out.call.target.empty()) return true;
    if (gateway::Replay::concerns(out.call.method, out.call.target)) sink(out);
    return true;
  });
}

Result<void> read_arguments(const std::string& directory, const std::set<std::string>& calls,
                            const std::function<void(const std::string&, std::string_view)>& sink) {
  if (calls.empty()) return {};
  const std::string folder = store::journal_folder(directory);
  const auto segments = store::list_segments(folder);
  if (!segments) return Failure(segments.error());
  for (const auto& segment : *segments) {
    auto read = each_line(folder + "/" + segment.payload(), [&](std::string_view line) {
      const auto [call, payload] = arguments_in(line);
      if (!payload.empty() && calls.contains(call)) sink(call, payload);
    });
    if (!read) return read;
  }
  return {};
}

Result<LastCalls> last_calls(const std::string& directory, const std::string& endpoint,
                             const std::set<std::string>& tools) {
  const std::string folder = store::journal_folder(directory);
  const auto segments = newest_first(folder);
  if (!segments) return Failure(segments.error());
  const std::string marker = "\"endpoint\":" + json::quote(endpoint) + ",";
  LastCalls out;
  std::uint64_t seen = 0;
  std::pair<std::int64_t, int> before;
  for (const auto& segment : *segments) {
    // Another shard's segment of the same number may have a newer call.
    const std::pair place(segment.start, segment.segment);
    if (out.at.size() == tools.size() && place != before) break;
    before = place;
    if (seen > limits::kLookBack) {
      out.whole = false;
      break;
    }
    auto read = each_line(folder + "/" + segment.file(), [&](std::string_view line) {
      seen += line.size();
      if (line.find(marker) == std::string_view::npos) return;
      const auto record = json::Document::parse(std::string(line), json::kUpstream);
      if (!record || text_of(record->root(), "type") != "intent" ||
          text_of(record->root(), "method") != "tools/call")
        return;
      const std::string tool = text_of(record->root(), "target");
      if (!tools.contains(tool)) return;
      auto& at = out.at[tool];
      at = std::max(at, number_of(record->root(), "t"));
    });
    if (!read) return Failure(read.error());
  }
  return out;
}

}  // namespace sallyport::admin
