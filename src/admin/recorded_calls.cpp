#include "sallyport/admin/recorded_calls.hpp"

#include <unistd.h>

#include <ranges>
#include <set>

#include "sallyport/core/limits.hpp"
#include "sallyport/json/document.hpp"
#include "sallyport/json/schema.hpp"
#include "sallyport/store/journal_files.hpp"

namespace sallyport::admin {
namespace {

std::string text_of(const json::Value& record, std::string_view key) {
  const auto value = record.find(key);
  return value ? value->string().value_or("") : std::string();
}

class Reader {
 public:
  Reader(std::string tool, const json::Value& before, const json::Value& after)
      : tool_(std::move(tool)), marker_(json::quote(tool_)), before_(before), after_(after) {}

  bool full() const { return out_.calls >= limits::kRecordedCalls; }
  RecordedFit take() { return std::move(out_); }

  Result<void> read(const std::string& folder, const store::SegmentName& segment) {
    std::set<std::string> calls;
    auto records = store::LineReader::open(folder + "/" + segment.file());
    if (!records) return Failure(records.error());
    while (const auto line = records->next()) {
      // Most records are of other tools: looking for the name is cheaper than reading the line.
      if (line->find(marker_) == std::string_view::npos) continue;
      const auto record = json::Document::parse(std::string(*line), json::kUpstream);
      if (!record || text_of(record->root(), "type") != "intent" ||
          text_of(record->root(), "target") != tool_ || text_of(record->root(), "method") != "tools/call")
        continue;
      // A call that sent no arguments leaves no payload, whatever is kept.
      const auto bytes = record->root().find("args_bytes");
      if (!bytes || bytes->integer() == 0) {
        judge("{}");
      } else {
        calls.insert(text_of(record->root(), "call"));
      }
    }
    if (records->failed()) return fail(Code::storage, Blame::admin, "cannot read " + segment.file());
    if (calls.empty()) return {};
    const std::string payloads = folder + "/" + segment.payload();
    if (::access(payloads.c_str(), F_OK) == 0) {
      auto reader = store::LineReader::open(payloads);
      if (!reader) return Failure(reader.error());
      while (const auto line = reader->next()) take_payload(*line, calls);
      if (reader->failed()) return fail(Code::storage, Blame::admin, "cannot read " + segment.payload());
    }
    out_.uncaptured += calls.size();
    return {};
  }

 private:
  void take_payload(std::string_view line, std::set<std::string>& calls) {
    if (!line.starts_with(R"({"of":"args")")) return;
    const auto record = json::Document::parse(std::string(line), json::kUpstream);
    if (!record) return;
    const auto call = calls.find(text_of(record->root(), "call"));
    if (call == calls.end()) return;
    const std::string payload = text_of(record->root(), "payload");
    if (payload.empty()) return;
    calls.erase(call);
    judge(payload);
  }

  void judge(const std::string& arguments) {
    const auto value = json::Document::parse(arguments, json::kUpstream);
    if (!value) return;
    ++out_.calls;
    auto now = json::check(after_, value->root());
    if (now.fit == json::Fit::undetermined) ++out_.undetermined;
    if (now.fit != json::Fit::fails) return;
    if (json::check(before_, value->root()).fit == json::Fit::fails) return;
    if (out_.failing++ == 0) out_.example = std::move(now.why);
  }

  const std::string tool_, marker_;
  const json::Value before_, after_;
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
  const auto segments = store::list_segments(folder);
  if (!segments) return Failure(segments.error());
  Reader reader(tool, old_schema->root(), new_schema->root());
  for (const auto& segment : std::views::reverse(*segments)) {
    if (reader.full()) break;
    if (auto read = reader.read(folder, segment); !read) return Failure(read.error());
  }
  return reader.take();
}

}  // namespace sallyport::admin
